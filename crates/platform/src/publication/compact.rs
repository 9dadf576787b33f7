//! JSON without the blanks between its tokens.
//!
//! The Node SDK checks signatures over `JSON.stringify` of what it parsed, so what is pushed must be compact. Numbers
//! and strings stay as they were given: reading and writing them again could change a digit.

/// The same JSON without blanks between tokens; `json` must be valid.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut kept_from = 0;
    for (at, byte) in json.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            out.push_str(&json[kept_from..at]);
            kept_from = at + 1;
        } else {
            in_string = byte == b'"';
        }
    }
    out.push_str(&json[kept_from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_and_strings_stay() {
        let json = "{ \"a \\\" b\" : [ 1.10 ,\n\t\"c \\\\\" , \"d e\" ] }";
        assert_eq!(compact(json), r#"{"a \" b":[1.10,"c \\","d e"]}"#);
    }
}
