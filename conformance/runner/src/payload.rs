//! Random payloads, made from the catalogue's examples, and what a subscriber must say that it decoded.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::peer::Received;
use crate::platform::{App, Publication};

/// The five events that the proof is about.
pub(crate) const TYPES: [&str; 5] = [
    "hire.eco_background_check.created_v1",
    "hire.eco_background_check.canceled_v1",
    "hire.eco_exam.created_v1",
    "corehr.job_change.status_updated_v2",
    "application.application.app_version.publish_revoke_v6",
];

/// The tenant of every event published.
pub(crate) const TENANT: &str = "2ca1d211f64f6438";

/// Text that is easily broken on the way: quotes, escapes, markup, two bytes to four in UTF-8.
const AWKWARD: [&str; 8] = ["\"", "\\", "/", "<&>", "中", "é", "🐦", "\n"];

/// Every field of the example, every text random and awkward.
pub(crate) fn random(event_type: &str) -> Result<Publication> {
    publication(event_type, &AWKWARD)
}

/// Every field of the example, every text random but printed alike everywhere.
pub(crate) fn plain(event_type: &str) -> Result<Publication> {
    publication(event_type, &["-"])
}

fn publication(event_type: &str, spice: &[&str]) -> Result<Publication> {
    let example = match event_type {
        "hire.eco_background_check.created_v1" => {
            include_str!("../../../catalog/examples/hire.eco_background_check.created_v1.json")
        }
        "hire.eco_background_check.canceled_v1" => {
            include_str!("../../../catalog/examples/hire.eco_background_check.canceled_v1.json")
        }
        "hire.eco_exam.created_v1" => include_str!("../../../catalog/examples/hire.eco_exam.created_v1.json"),
        "corehr.job_change.status_updated_v2" => {
            include_str!("../../../catalog/examples/corehr.job_change.status_updated_v2.json")
        }
        "application.application.app_version.publish_revoke_v6" => {
            include_str!("../../../catalog/examples/application.application.app_version.publish_revoke_v6.json")
        }
        other => bail!("no example of {other} is built in"),
    };
    let mut example: Value = serde_json::from_str(example)?;
    let mut event = example["event"].take();
    mix(&mut event, spice);
    let Value::Object(event) = event else {
        bail!("the example of {event_type} has no event");
    };
    Ok(Publication {
        event_type: event_type.to_owned(),
        event,
        create_time_ms: 1_700_000_000_000 + fastrand::i64(0..60_000_000_000),
    })
}

/// A publication of three million bytes.
pub(crate) fn large() -> Result<Publication> {
    let mut publication = random(TYPES[0])?;
    let comment: String = std::iter::repeat_with(|| fastrand::char('一'..='龥'))
        .take(1_000_000)
        .collect();
    publication.event.insert("comment".to_owned(), Value::String(comment));
    Ok(publication)
}

/// Says how what a subscriber decoded differs from what was published.
pub(crate) fn compare(app: &App, event_id: &str, published: &Publication, received: &Received) -> Result<()> {
    let mut header = json!({
        "event_id": event_id, "event_type": published.event_type, "create_time": published.create_time_ms.to_string(),
        "token": app.verification_token, "app_id": app.app_id, "tenant_key": TENANT,
    });
    if let (true, Value::Object(members)) = (received.token_withheld, &mut header) {
        members.remove("token");
    }
    let payload = Value::Object(published.event.clone());
    if let Some(flat) = &received.flat {
        return differ("event", &flattened(&header, &published.event), flat);
    }
    differ(
        "header",
        &header,
        received.header.as_ref().context("no header was decoded")?,
    )?;
    differ(
        "event",
        &payload,
        received.payload.as_ref().context("no payload was decoded")?,
    )
}

/// Says how the payload that a subscriber decoded differs from what was sent, whatever the header was.
pub(crate) fn carries(sent: &Value, received: &Received) -> Result<()> {
    match &received.flat {
        // Among the members of the header, so that others may be there.
        Some(flat) => sent
            .as_object()
            .context("what was sent is no object")?
            .iter()
            .try_for_each(|(name, value)| differ(name, value, &flat[name])),
        None => differ(
            "event",
            sent,
            received.payload.as_ref().context("no payload was decoded")?,
        ),
    }
}

/// Text that is different every time, and easily broken on the way.
pub(crate) fn random_text() -> String {
    let mut text = Value::from("text");
    mix(&mut text, &AWKWARD);
    text.as_str().unwrap_or_default().to_owned()
}

/// Header and event as one object, as Node's SDK hands them over: what both have is the event's.
fn flattened(header: &Value, event: &Map<String, Value>) -> Value {
    let mut flat = Map::new();
    flat.insert("schema".to_owned(), json!("2.0"));
    flat.extend(header.as_object().cloned().unwrap_or_default());
    flat.extend(event.clone());
    Value::Object(flat)
}

/// Finds the first place where two documents differ.
fn differ(path: &str, expected: &Value, found: &Value) -> Result<()> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, value) in expected {
                let path = format!("{path}.{name}");
                differ(&path, value, found.get(name).unwrap_or(&Value::Null))?;
            }
            match found
                .iter()
                .find(|(name, value)| !value.is_null() && !expected.contains_key(*name))
            {
                Some((name, value)) => bail!("{path}.{name} was not published: {}", short(value)),
                None => Ok(()),
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .try_for_each(|(at, (expected, found))| differ(&format!("{path}[{at}]"), expected, found)),
        (expected, found) if expected == found => Ok(()),
        (expected, found) => bail!("{path} is {} instead of {}", short(found), short(expected)),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

/// Puts random text in the place of every text; numbers, which may be enums, and dates stay.
fn mix(value: &mut Value, spice: &[&str]) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|value| mix(value, spice)),
        Value::Array(items) => items.iter_mut().for_each(|value| mix(value, spice)),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            *text = text.chars().map(|_| fastrand::digit(10)).collect();
        }
        Value::String(text) if is_date(text) => {}
        Value::String(text) => {
            text.push('-');
            text.extend(std::iter::repeat_with(fastrand::alphanumeric).take(8));
            text.push_str(spice[fastrand::usize(..spice.len())]);
            text.push(fastrand::alphanumeric());
        }
        _ => {}
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_with_its_path() {
        let published = json!({"a": [{"b": "x"}], "c": 1});
        let error = |found: Value| differ("event", &published, &found).map_err(|error| error.to_string());
        assert_eq!(error(published.clone()), Ok(()));
        assert_eq!(error(json!({"a": [{"b": "x"}], "c": 1, "d": null})), Ok(()));
        assert_eq!(
            error(json!({"a": [{"b": "y"}], "c": 1})),
            Err("event.a[0].b is \"y\" instead of \"x\"".to_owned())
        );
        assert_eq!(
            error(json!({"a": [{"b": "x"}]})),
            Err("event.c is null instead of 1".to_owned())
        );
        assert_eq!(
            error(json!({"a": [{"b": "x"}], "c": 1, "d": 2})),
            Err("event.d was not published: 2".to_owned())
        );
    }

    #[test]
    fn random_payloads_differ_from_run_to_run_and_keep_their_shape() -> Result<()> {
        for event_type in TYPES {
            let (one, other) = (random(event_type)?, random(event_type)?);
            assert_ne!(one.event, other.event, "{event_type}");
            assert!(one.event.keys().eq(other.event.keys()), "{event_type}");
        }
        Ok(())
    }
}
