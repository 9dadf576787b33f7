//! Putting fragments together, bounded in messages, fragments, bytes and age: a peer can announce what it likes and
//! costs no memory before it sends it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::frame::{Frame, FrameError, Part};
use crate::{MessageId, TimestampMs};

/// What a peer may make us keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incomplete messages at once; the oldest makes room.
    pub messages_max: usize,
    /// Fragments of one message.
    pub fragments_max: u32,
    /// Bytes of all incomplete messages together.
    pub bytes_max: usize,
    /// An incomplete message is dropped when nothing was added for this long.
    pub age_max: Duration,
}

impl Default for Limits {
    /// The Go and Python SDKs keep fragments for 5 s, Java for 5 min; 30 s outlives every gap that was seen.
    fn default() -> Self {
        Self {
            messages_max: 64,
            fragments_max: 1_024,
            bytes_max: 64 * 1024 * 1024,
            age_max: Duration::from_secs(30),
        }
    }
}

/// A fragment that is refused. Its message is dropped, unless the frame does not say which that is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReassemblyError {
    /// The frame's headers do not say where it belongs.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// More fragments are announced than are taken.
    #[error("a message of {sum} fragments is announced, and the limit is {fragments_max}")]
    TooManyFragments {
        /// How many are announced.
        sum: u32,
        /// How many are taken.
        fragments_max: u32,
    },
    /// The message's number of fragments changed on the way.
    #[error("a message of {before} fragments now has {now}")]
    SumChanged {
        /// What was announced first.
        before: u32,
        /// What is announced now.
        now: u32,
    },
    /// Incomplete messages would take too much memory.
    #[error("incomplete messages would have {bytes} bytes, and the limit is {bytes_max}")]
    TooManyBytes {
        /// How many there would be.
        bytes: usize,
        /// How many may be.
        bytes_max: usize,
    },
}

/// Messages of which fragments are missing.
#[derive(Debug, Default)]
pub struct Reassembly {
    limits: Limits,
    messages: HashMap<MessageId, Message>,
    bytes: usize,
}

#[derive(Debug)]
struct Message {
    sum: u32,
    touched_at: TimestampMs,
    fragments: HashMap<u32, Bytes>,
    bytes: usize,
}

impl Reassembly {
    /// With nothing kept yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds a data frame; answers the whole payload when nothing is missing any more. A fragment that came before is
    /// dropped.
    pub fn push(&mut self, frame: &Frame, now: TimestampMs) -> Result<Option<Bytes>, ReassemblyError> {
        let Part { message_id, sum, seq } = frame.part()?;
        let payload = frame.payload.clone().unwrap_or_default();
        if sum == 1 {
            return Ok(Some(payload));
        }
        self.expire(now);
        let repeated = self
            .messages
            .get(&message_id)
            .is_some_and(|message| message.fragments.contains_key(&seq));
        let more = if repeated { 0 } else { payload.len() };
        let fits = self.fits(&message_id, sum, more);
        if fits.is_err() {
            self.forget(&message_id);
        }
        fits?;
        if !self.messages.contains_key(&message_id) && self.messages.len() >= self.limits.messages_max {
            self.forget_oldest();
        }
        let new = || Message {
            sum,
            touched_at: now,
            fragments: HashMap::new(),
            bytes: 0,
        };
        let message = self.messages.entry(message_id.clone()).or_insert_with(new);
        message.touched_at = now;
        if !repeated {
            message.bytes += more;
            self.bytes += more;
            // A copy, since the payload is a view of the whole frame, which may be far larger than what is counted.
            message.fragments.insert(seq, Bytes::copy_from_slice(&payload));
        }
        if message.fragments.len() < sum as usize {
            return Ok(None);
        }
        Ok(self.forget(&message_id).map(Message::join))
    }

    /// Drops what is too old.
    pub fn expire(&mut self, now: TimestampMs) {
        let age_max = self.limits.age_max;
        self.messages.retain(|_, message| {
            let keep = now.since(message.touched_at) < age_max;
            if !keep {
                self.bytes -= message.bytes;
            }
            keep
        });
    }

    /// How many messages are incomplete.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn fits(&self, message_id: &MessageId, sum: u32, more: usize) -> Result<(), ReassemblyError> {
        let Limits {
            fragments_max,
            bytes_max,
            ..
        } = self.limits;
        if sum > fragments_max {
            return Err(ReassemblyError::TooManyFragments { sum, fragments_max });
        }
        if let Some(before) = self
            .messages
            .get(message_id)
            .map(|message| message.sum)
            .filter(|before| *before != sum)
        {
            return Err(ReassemblyError::SumChanged { before, now: sum });
        }
        let bytes = self.bytes.saturating_add(more);
        if bytes > bytes_max {
            Err(ReassemblyError::TooManyBytes { bytes, bytes_max })
        } else {
            Ok(())
        }
    }

    fn forget(&mut self, message_id: &MessageId) -> Option<Message> {
        let message = self.messages.remove(message_id)?;
        self.bytes -= message.bytes;
        Some(message)
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .messages
            .iter()
            .min_by_key(|(_, message)| message.touched_at)
            .map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.forget(&id);
        }
    }
}

impl Message {
    fn join(self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.bytes);
        for seq in 0..self.sum {
            whole.extend_from_slice(self.fragments.get(&seq).map_or(&[][..], |fragment| fragment));
        }
        whole.freeze()
    }
}
