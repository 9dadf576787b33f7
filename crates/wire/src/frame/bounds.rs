//! What a frame may cost, checked on its bytes: an empty header is two bytes on the wire and fifty in memory, so the
//! headers are counted before any of them is decoded.

use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::{FRAME_BYTES_MAX, FrameError, HEADER_BYTES_MAX, HEADERS_MAX};

/// The field of a frame that holds one header.
const HEADER_TAG: u32 = 5;

/// Refuses bytes that are too many, or that hold too many or too long headers. Where they stop being protobuf the
/// count ends; decoding says so in its own words.
pub(super) fn check(bytes: &[u8]) -> Result<(), FrameError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes: bytes.len() });
    }
    let mut rest = bytes;
    let mut headers = 0;
    while let Ok((tag, wire_type)) = decode_key(&mut rest) {
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
            break;
        }
    }
    if headers > HEADERS_MAX {
        return Err(FrameError::TooManyHeaders { headers });
    }
    Ok(())
}
