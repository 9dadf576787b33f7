//! What a client's message means to the hub, and the numbers of the frames that go out.

use bytes::Bytes;
use larkspur_wire::MessageId;
use larkspur_wire::frame::{Frame, Kind};

use super::ack::Ack;

/// A binary message from a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    Ping {
        service: i32,
    },
    Ack {
        message_id: MessageId,
        ack: Ack,
    },
    /// A frame, but of a kind that clients have no reason to send.
    Unknown,
    /// No frame, or an ack of nothing.
    Malformed,
}

/// Reads a binary message.
pub(super) fn read(bytes: Bytes) -> Inbound {
    let Ok(frame) = Frame::read(bytes) else {
        return Inbound::Malformed;
    };
    match frame.kind() {
        Kind::Ping => Inbound::Ping { service: frame.service },
        Kind::Event => match frame.message_id() {
            Some(message_id) => Inbound::Ack {
                message_id,
                ack: Ack::of(frame),
            },
            None => Inbound::Malformed,
        },
        Kind::Pong | Kind::Card | Kind::Unknown => Inbound::Unknown,
    }
}

/// Node keeps these numbers as doubles, which are exact up to here.
const FRAME_ID_END: u64 = 1 << 53;

/// Numbers a session's frames.
#[derive(Debug, Default)]
pub(super) struct FrameIds {
    last: u64,
}

impl FrameIds {
    pub(super) fn next(&mut self) -> u64 {
        self.last = (self.last + 1) % FRAME_ID_END;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_frames_stay_below_what_node_can_hold() {
        let mut ids = FrameIds { last: FRAME_ID_END - 2 };
        assert_eq!([ids.next(), ids.next(), ids.next()], [FRAME_ID_END - 1, 0, 1]);
    }
}
