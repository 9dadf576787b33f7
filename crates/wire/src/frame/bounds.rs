//! What a frame may cost and must have, checked on its bytes: an empty header is two bytes on the wire and fifty in
//! memory, so the headers are counted before any of them is decoded; and a required number that is missing decodes as
//! zero, so its presence shows only here.

use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::{FRAME_BYTES_MAX, FrameError, HEADER_BYTES_MAX, HEADERS_MAX};

/// The field of a frame that holds one header.
const HEADER_TAG: u32 = 5;
/// The fields that proto2 requires of every frame.
const REQUIRED: [(u32, &str); 4] = [(1, "SeqID"), (2, "LogID"), (3, "service"), (4, "method")];

/// Refuses bytes that are too many, that hold too many or too long headers, or that lack a required number. Where they
/// stop being protobuf the count ends; decoding says so in its own words.
pub(super) fn check(bytes: &[u8]) -> Result<(), FrameError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes: bytes.len() });
    }
    let mut rest = bytes;
    let mut headers = 0;
    let mut seen = 0_u32;
    while let Ok((tag, wire_type)) = decode_key(&mut rest) {
        seen |= 1_u32.checked_shl(tag).unwrap_or(0);
        let before = rest.len();
        let skipped = skip_field(wire_type, tag, &mut rest, DecodeContext::default());
        if tag == HEADER_TAG {
            headers += 1;
            let bytes = before - rest.len();
            if bytes > HEADER_BYTES_MAX {
                return Err(FrameError::HeaderTooLarge { bytes });
            }
        }
        if skipped.is_err() {
            return headers_fit(headers);
        }
    }
    headers_fit(headers)?;
    match REQUIRED.iter().find(|(tag, _)| seen & (1 << tag) == 0) {
        Some((_, field)) if rest.is_empty() => Err(FrameError::Missing { field }),
        _ => Ok(()),
    }
}

fn headers_fit(headers: usize) -> Result<(), FrameError> {
    if headers > HEADERS_MAX {
        return Err(FrameError::TooManyHeaders { headers });
    }
    Ok(())
}
