//! JSON without the blanks between its tokens.
//!
//! The Node SDK checks signatures over `JSON.stringify` of what it parsed, so what is pushed must be compact. Numbers
//! and strings stay as they were given: reading and writing them again could change a digit.

use memchr::memchr2;

/// The same JSON without blanks between tokens; `json` must be valid.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut at, mut kept_from) = (0, 0);
    while let Some(byte) = json.as_bytes().get(at) {
        match byte {
            b'"' => at = end_of_string(json.as_bytes(), at),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(&json[kept_from..at]);
                at += 1;
                kept_from = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&json[kept_from..]);
    out
}

/// Where the string that begins at `start` is over.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(next) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += next + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        // The byte after a backslash ends nothing.
        at += 1;
    }
    json.len()
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
