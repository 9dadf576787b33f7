//! Frames that are made into others.

use larkspur_wire::frame::{Frame, Header};

/// An event in fragments. One that is a fragment already stays whole.
pub(super) fn split(frame: &Frame, bytes: usize) -> Vec<Frame> {
    let payload = frame.payload.clone().unwrap_or_default();
    if frame.part().is_ok_and(|part| part.sum > 1) || payload.is_empty() {
        return vec![frame.clone()];
    }
    let size = bytes.max(1);
    let sum = payload.len().div_ceil(size);
    let piece = |seq: usize| {
        let mut piece = frame.clone();
        set(&mut piece, "sum", |_| sum.to_string());
        set(&mut piece, "seq", |_| seq.to_string());
        piece.payload = Some(payload.slice(seq * size..payload.len().min((seq + 1) * size)));
        piece
    };
    (0..sum).map(piece).collect()
}

pub(super) fn set(frame: &mut Frame, key: &str, value: impl FnOnce(&str) -> String) {
    if let Some(header) = frame.headers.iter_mut().find(|header| header.key == key) {
        let value = value(&header.value);
        *header = Header {
            key: key.to_owned(),
            value,
        };
    }
}
