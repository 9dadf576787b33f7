//! Frames as protobuf: the eleven fields of `pbbp2`, written out, since a derive macro for them would bring more crates
//! into every subscriber's build than the rest of this crate does.

use bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message};

use super::{Frame, Header};

impl Message for Header {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        encoding::string::encode(1, &self.key, buf);
        encoding::string::encode(2, &self.value, buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => encoding::string::merge(wire_type, &mut self.key, buf, ctx),
            2 => encoding::string::merge(wire_type, &mut self.value, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        encoding::string::encoded_len(1, &self.key) + encoding::string::encoded_len(2, &self.value)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Message for Frame {
    /// The four numbers and both parts of a header are required: zeros and empty text are written as well.
    fn encode_raw(&self, buf: &mut impl BufMut) {
        encoding::uint64::encode(1, &self.seq_id, buf);
        encoding::uint64::encode(2, &self.log_id, buf);
        encoding::int32::encode(3, &self.service, buf);
        encoding::int32::encode(4, &self.method, buf);
        encoding::message::encode_repeated(5, &self.headers, buf);
        encode_text(6, self.payload_encoding.as_ref(), buf);
        encode_text(7, self.payload_type.as_ref(), buf);
        if let Some(payload) = &self.payload {
            encoding::bytes::encode(8, payload, buf);
        }
        encode_text(9, self.log_id_new.as_ref(), buf);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut text = |field: &mut Option<String>| {
            encoding::string::merge(wire_type, field.get_or_insert_default(), buf, ctx.clone())
        };
        match tag {
            6 => text(&mut self.payload_encoding),
            7 => text(&mut self.payload_type),
            9 => text(&mut self.log_id_new),
            1 => encoding::uint64::merge(wire_type, &mut self.seq_id, buf, ctx),
            2 => encoding::uint64::merge(wire_type, &mut self.log_id, buf, ctx),
            3 => encoding::int32::merge(wire_type, &mut self.service, buf, ctx),
            4 => encoding::int32::merge(wire_type, &mut self.method, buf, ctx),
            5 => encoding::message::merge_repeated(wire_type, &mut self.headers, buf, ctx),
            8 => encoding::bytes::merge(wire_type, self.payload.get_or_insert_default(), buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let text =
            |tag, text: &Option<String>| text.as_ref().map_or(0, |text| encoding::string::encoded_len(tag, text));
        encoding::uint64::encoded_len(1, &self.seq_id)
            + encoding::uint64::encoded_len(2, &self.log_id)
            + encoding::int32::encoded_len(3, &self.service)
            + encoding::int32::encoded_len(4, &self.method)
            + encoding::message::encoded_len_repeated(5, &self.headers)
            + text(6, &self.payload_encoding)
            + text(7, &self.payload_type)
            + self
                .payload
                .as_ref()
                .map_or(0, |payload| encoding::bytes::encoded_len(8, payload))
            + text(9, &self.log_id_new)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn encode_text(tag: u32, text: Option<&String>, buf: &mut impl BufMut) {
    if let Some(text) = text {
        encoding::string::encode(tag, text, buf);
    }
}
