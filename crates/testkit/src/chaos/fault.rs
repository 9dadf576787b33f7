//! The faults, as data, and which one is next.

use std::collections::VecDeque;
use std::time::Duration;

/// Something that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A look-up of a connection URL is answered with this code instead, such as 1000040351 for a busy platform.
    LookupRefused {
        /// The code.
        code: i64,
    },
    /// A look-up is answered with this HTTP status and nothing else.
    LookupStatus(u16),
    /// A look-up is never answered.
    LookupSilent,
    /// A handshake is refused in the way of the platform: its status, and the code beside status 514.
    HandshakeRefused {
        /// The header `Handshake-Status`.
        status: i64,
        /// The header `Handshake-Autherrcode`.
        code: i64,
    },
    /// A handshake is never answered.
    HandshakeSilent,
    /// An event never reaches the app.
    DropEvent,
    /// An event reaches the app this much later, in real time.
    Delay(Duration),
    /// An event is held back until the next one has passed it.
    Reorder,
    /// An event reaches the app in pieces of this many bytes: as fragments of a persistent connection, last one first,
    /// or as separate segments of a webhook's body.
    Fragment {
        /// The size of a piece.
        bytes: usize,
    },
    /// Texts of digits in an event's payload reach the app as numbers; not within sealed bodies.
    NumbersForText,
    /// An event of a persistent connection claims to be the first of so many fragments, of which no other comes.
    ClaimFragments {
        /// How many it claims.
        sum: u32,
    },
    /// The connection is cut in place of an event.
    CutBeforeEvent(Cut),
    /// The platform never gets an answer that the app gave.
    DropAck,
    /// The platform gets an answer this much later, in real time.
    DelayAck(Duration),
    /// After the app took an event, it gets the same once more.
    Duplicate,
    /// The connection is cut in place of an answer that the app gave.
    CutBeforeAck(Cut),
}

/// A way in which a persistent connection ends for the app. A webhook request ends without an answer by the first three,
/// and never by the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// The connection is reset (RST).
    Reset,
    /// The connection ends (FIN) without a close frame.
    End,
    /// A close frame with this code, and the end.
    Close(u16),
    /// The app hears nothing any more, while everything it says arrives.
    Silence,
    /// The platform's side is gone, and nobody tells the app's: what it says is not even read.
    HalfOpen,
}

/// The moment at which a fault applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Lookup,
    Handshake,
    /// An event is about to reach the app.
    Event,
    /// The app's answer is about to reach the platform.
    Ack {
        /// Whether the app took the event.
        success: bool,
    },
}

impl Fault {
    fn applies(self, stage: Stage) -> bool {
        match self {
            Self::LookupRefused { .. } | Self::LookupStatus(_) | Self::LookupSilent => stage == Stage::Lookup,
            Self::HandshakeRefused { .. } | Self::HandshakeSilent => stage == Stage::Handshake,
            Self::DropEvent
            | Self::Delay(_)
            | Self::Reorder
            | Self::Fragment { .. }
            | Self::NumbersForText
            | Self::ClaimFragments { .. }
            | Self::CutBeforeEvent(_) => stage == Stage::Event,
            Self::DropAck | Self::DelayAck(_) | Self::CutBeforeAck(_) => matches!(stage, Stage::Ack { .. }),
            Self::Duplicate => stage == (Stage::Ack { success: true }),
        }
    }
}

/// Faults and how often each still happens; `None` for ever.
#[derive(Debug, Default)]
pub(super) struct Rules(VecDeque<(Fault, Option<usize>)>);

impl Rules {
    pub(super) fn add(&mut self, fault: Fault, times: Option<usize>) {
        self.0.push_back((fault, times));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn waiting(&self) -> usize {
        self.0.iter().map(|(_, times)| times.unwrap_or(1)).sum()
    }

    /// The fault that happens now, if any.
    pub(super) fn take(&mut self, stage: Stage) -> Option<Fault> {
        self.0.retain(|(_, times)| *times != Some(0));
        let (fault, times) = self.0.iter_mut().find(|(fault, _)| fault.applies(stage))?;
        if let Some(times) = times {
            *times -= 1;
        }
        Some(*fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_in_order_as_often_as_they_were_asked_for_and_only_where_they_apply() {
        let mut rules = Rules::default();
        rules.add(Fault::LookupSilent, None);
        rules.add(Fault::Duplicate, Some(1));
        rules.add(Fault::DropAck, Some(2));
        let (failed, taken) = (Stage::Ack { success: false }, Stage::Ack { success: true });
        assert_eq!(rules.take(Stage::Event), None);
        assert_eq!(rules.take(failed), Some(Fault::DropAck));
        assert_eq!(rules.take(taken), Some(Fault::Duplicate));
        assert_eq!(rules.waiting(), 2);
        assert_eq!(rules.take(taken), Some(Fault::DropAck));
        assert_eq!(rules.take(taken), None);
        assert_eq!(rules.take(Stage::Lookup), Some(Fault::LookupSilent));
        assert_eq!(rules.take(Stage::Lookup), Some(Fault::LookupSilent));
    }
}
