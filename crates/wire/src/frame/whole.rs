//! An event that came in one frame, read in place: nearly all do, and a [`Frame`] of one would be a dozen small strings
//! that nobody looks at before they are written again as the ack.

use std::io::Write as _;

use bytes::BufMut;
use prost::encoding::{self, WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint};

use super::{FRAME_BYTES_MAX, Frame, HEADER_BYTES_MAX, HEADERS_MAX, METHOD_DATA, key};
use crate::MessageId;

/// The fields of a frame.
mod tag {
    pub(super) const METHOD: u32 = 4;
    pub(super) const HEADER: u32 = 5;
    pub(super) const PAYLOAD: u32 = 8;
    /// Of a header.
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

/// The numbers 1 to 4, which every frame must have.
const REQUIRED: u32 = 0b1_1110;
/// Beside the headers and the payload, an ack has only numbers and short names.
const REST_BYTES_MAX: usize = 8 * 1024;

/// Room for what an ack adds, unless it answers something.
const ACK_BYTES: usize = 64;
/// A header's own key and length, which count as well.
const KEY_BYTES_MAX: usize = 8;

/// What of an event's frame comes back in its ack: everything but the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    bytes: Vec<u8>,
}

impl Receipt {
    /// Reads an event that came in one frame: its receipt and its payload. `None` says that it is something else, or
    /// written in an unusual way, or wrong: [`Frame::read`] tells which.
    ///
    /// ```
    /// use larkspur_wire::frame::{Frame, Outgoing, Receipt};
    /// # let event = Outgoing {
    /// #     service: 1, message_id: "m".parse()?, trace_id: String::new(),
    /// #     timestamp: larkspur_wire::TimestampMs(0), payload: "{}".into(),
    /// # };
    /// let frame = Frame::event(&event, 1_024, || 7).next().expect("there is at least one");
    /// let bytes = frame.write();
    /// let (receipt, payload) = Receipt::read(&bytes).expect("it is an event");
    /// assert_eq!(payload, b"{}");
    /// let ack = receipt.into_ack(br#"{"code":200}"#, 12);
    /// assert_eq!(Frame::read(ack.into())?.biz_rt_ms(), Some(12));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        if bytes.len() > FRAME_BYTES_MAX {
            return None;
        }
        let mut found = Found::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let from = bytes.len() - rest.len();
            let (tag, wire_type) = decode_key(&mut rest).ok()?;
            match wire_type {
                WireType::Varint => {
                    let number = decode_varint(&mut rest).ok()?;
                    found.number(tag, number)?;
                }
                WireType::LengthDelimited => {
                    let text = delimited(&mut rest)?;
                    match tag {
                        tag::HEADER => found.header(text)?,
                        tag::PAYLOAD if found.payload.is_none() => {
                            let to = bytes.len() - rest.len();
                            found.payload = Some((from, to - text.len(), to));
                        }
                        6 | 7 | 9 => drop(str::from_utf8(text).ok()?),
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
        let (from, start, to) = found.payload?;
        let is_small = bytes.len() - (to - from) <= REST_BYTES_MAX;
        (found.is_whole_event() && is_small).then(|| {
            let mut receipt = Vec::with_capacity(bytes.len() - (to - from) + ACK_BYTES);
            receipt.extend_from_slice(&bytes[..from]);
            receipt.extend_from_slice(&bytes[to..]);
            (Self { bytes: receipt }, &bytes[start..to])
        })
    }

    /// The ack, as a binary WebSocket message: what an ack's payload says, and how long the handler took.
    pub fn into_ack(self, payload: &[u8], biz_rt_ms: u128) -> Vec<u8> {
        let mut bytes = self.bytes;
        let digits = biz_rt_ms.checked_ilog10().map_or(1, |log| log as usize + 1);
        let header = field_len(tag::KEY, key::BIZ_RT.len()) + field_len(tag::VALUE, digits);
        begin(tag::HEADER, header, &mut bytes);
        put(tag::KEY, key::BIZ_RT.as_bytes(), &mut bytes);
        begin(tag::VALUE, digits, &mut bytes);
        write!(bytes, "{biz_rt_ms}").expect("a vector takes what is written");
        put(tag::PAYLOAD, payload, &mut bytes);
        bytes
    }
}

impl From<Frame> for Receipt {
    /// The receipt of any frame, such as the last fragment of an event.
    fn from(mut frame: Frame) -> Self {
        frame.payload = None;
        Self {
            bytes: frame.write().into(),
        }
    }
}

fn begin(tag: u32, bytes: usize, to: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, to);
    encode_varint(bytes as u64, to);
}

fn put(tag: u32, bytes: &[u8], to: &mut Vec<u8>) {
    begin(tag, bytes.len(), to);
    to.put_slice(bytes);
}

fn field_len(tag: u32, bytes: usize) -> usize {
    encoding::key_len(tag) + encoded_len_varint(bytes as u64) + bytes
}

fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

/// What was seen of a frame so far. Of headers with one name the first counts.
#[derive(Default)]
struct Found<'a> {
    numbers: u32,
    method: u64,
    headers: usize,
    kind: Option<&'a str>,
    message_id: Option<&'a str>,
    sum: Option<&'a str>,
    seq: Option<&'a str>,
    /// Where its field begins, where its bytes begin, and where they end.
    payload: Option<(usize, usize, usize)>,
}

impl<'a> Found<'a> {
    fn number(&mut self, tag: u32, number: u64) -> Option<()> {
        let bit = 1_u32.checked_shl(tag)? & REQUIRED;
        if bit == 0 || self.numbers & bit != 0 {
            return None;
        }
        self.numbers |= bit;
        if tag == tag::METHOD {
            self.method = number;
        }
        Some(())
    }

    fn header(&mut self, mut header: &'a [u8]) -> Option<()> {
        self.headers += 1;
        if self.headers > HEADERS_MAX || header.len() > HEADER_BYTES_MAX - KEY_BYTES_MAX {
            return None;
        }
        let mut part = |tag| {
            let key = decode_key(&mut header).ok()?;
            let is_it = key == (tag, WireType::LengthDelimited);
            str::from_utf8(delimited(&mut header).filter(|_| is_it)?).ok()
        };
        let (name, value) = (part(tag::KEY)?, part(tag::VALUE)?);
        let place = match name {
            key::TYPE => &mut self.kind,
            key::MESSAGE_ID => &mut self.message_id,
            key::SUM => &mut self.sum,
            key::SEQ => &mut self.seq,
            _ => return header.is_empty().then_some(()),
        };
        place.get_or_insert(value);
        header.is_empty().then_some(())
    }

    fn is_whole_event(&self) -> bool {
        let is_event = self.method == u64::from(METHOD_DATA.unsigned_abs()) && self.kind == Some("event");
        let is_one = matches!(self.sum, None | Some("" | "0" | "1")) && matches!(self.seq, None | Some("" | "0"));
        let is_named = self.message_id.is_some_and(MessageId::fits);
        self.numbers == REQUIRED && is_event && is_one && is_named
    }
}
