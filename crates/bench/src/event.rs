//! The events of a measurement: about 1 KiB each, with ids that look random and still tell their number.

/// What one event has, as it is published; "events of 1 KiB".
pub(crate) const EVENT_BYTES: usize = 1_024;
/// A type without bindings, that custom apps and many apps at once may have.
pub(crate) const EVENT_TYPE: &str = "im.message.receive_v1";

const PAYLOAD_START: &str = r#"{"sender":{"sender_id":{"union_id":"on_8ed6aa67826108097d9ee143816345","user_id":"e33ggbyz","open_id":"ou_84aad35d084aa403a838cf73ee18467"},"sender_type":"user","tenant_key":"736588c9260f175e"},"message":{"message_id":"om_5ce6d572455d361153b7cb51da133945","create_time":"1609073151345","chat_id":"oc_5ce6d572455d361153b7xx51da133945","chat_type":"group","message_type":"text","content":"{\"text\":\"@_user_1 "#;
const PAYLOAD_END: &str = r#"\"}"}}"#;

/// The tenant with this number.
pub(crate) fn tenant(number: usize) -> String {
    format!("bench{number:011x}")
}

/// The id of an event: 32 hexadecimal digits, as official ones, and in no order that an index could profit from.
pub(crate) fn id(seq: u64) -> String {
    format!("{:016x}{seq:016x}", mix(seq))
}

/// The number of the event with this id; `None` when no event of ours has it.
pub(crate) fn seq(id: &str) -> Option<u64> {
    let digits = |part: Option<&str>| u64::from_str_radix(part?, 16).ok();
    let seq = digits(id.get(16..32))?;
    (id.len() == 32 && digits(id.get(..16)) == Some(mix(seq))).then_some(seq)
}

/// One round of `SplitMix64`, which spreads neighbours over all of the range.
fn mix(seq: u64) -> u64 {
    let mut z = seq.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Appends a publication, one line of JSON without its end.
pub(crate) fn write(out: &mut Vec<u8>, seq: u64, tenant: &str) {
    let start = out.len();
    out.extend_from_slice(br#"{"event_type":""#);
    out.extend_from_slice(EVENT_TYPE.as_bytes());
    out.extend_from_slice(br#"","tenant_key":""#);
    out.extend_from_slice(tenant.as_bytes());
    out.extend_from_slice(br#"","event_id":""#);
    out.extend_from_slice(id(seq).as_bytes());
    out.extend_from_slice(br#"","event":"#);
    out.extend_from_slice(PAYLOAD_START.as_bytes());
    let rest = PAYLOAD_END.len() + 1;
    let filled = (start + EVENT_BYTES).saturating_sub(rest).max(out.len());
    out.resize(filled, b'x');
    out.extend_from_slice(PAYLOAD_END.as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_number_and_others_are_not_ours() {
        for number in [0, 1, 99_999_999, u64::MAX] {
            assert_eq!(seq(&id(number)), Some(number));
        }
        assert_eq!(seq("5e3702a84e847582be8db7fb73283c02"), None);
        assert_eq!(seq(&format!("{}0", id(1))), None);
        assert_eq!(seq("ä"), None);
    }

    #[test]
    fn a_publication_is_json_of_one_kibibyte() {
        let mut out = Vec::new();
        write(&mut out, 7, &tenant(3));
        assert_eq!(out.len(), EVENT_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["event_id"], id(7));
        let content = json["event"]["message"]["content"].as_str().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(content).is_ok());
    }
}
