//! JSON without the blanks between its tokens.
//!
//! The Node SDK checks signatures over `JSON.stringify` of what it parsed, so what is pushed must be compact. Numbers
//! and strings stay as they were given: reading and writing them again could change a digit.

/// The same JSON without blanks between tokens; `json` must be valid.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
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
