//! What a parser found, shortened: its message may repeat the peer's text, which has any length.

/// How much of a parser's message an error keeps.
const CHARS_MAX: usize = 200;

/// The parser's message, its beginning when it is long.
pub(crate) fn short(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    match whole.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}
