//! What goes between the thread that owns the connection and the runtime that handlers run on.
//!
//! The two are apart so that handlers which block every worker of their runtime stop neither heartbeats nor reading.
//! Both ways go whole batches: waking the other side costs more than an event does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use larkspur_wire::frame::Receipt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::report::named;

/// Events that were handed over and not acknowledged yet; more wait in the socket. The router's own limits are met long
/// before, unless its runtime stands still. It also bounds the two channels, which have no bound of their own.
const IN_FLIGHT_MAX: usize = 4_096;
/// And so many bytes of them.
const IN_FLIGHT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the handlers' side gets.
pub(super) enum Mail {
    /// Events that arrived together.
    Events {
        /// The connection they came on.
        connection: Arc<str>,
        events: Vec<Arrived>,
    },
    /// No more will come, as was asked.
    Stopped,
}

/// An event that arrived.
pub(super) struct Arrived {
    /// What comes back as its ack.
    pub(super) receipt: Receipt,
    /// The envelope, put together from all frames. It is a copy, so that the buffer it was read into is free for the
    /// next read, and need not be allocated anew on one thread and given back on another.
    pub(super) payload: Arc<str>,
}

/// What the connection's side gets. When the channel ends, so does the connection.
pub(super) enum Order {
    /// Send these back.
    Acks(Vec<Done>),
    /// Take no more events.
    Stop,
}

/// An event whose outcome is known.
pub(super) struct Done {
    pub(super) event_id: String,
    /// What is sent back.
    pub(super) ack: Vec<u8>,
    /// How many bytes it arrived with.
    pub(super) bytes: usize,
}

/// The connection's side of the link. It outlives connections, and with it what waits to be acknowledged.
pub(super) struct Desk {
    mail: UnboundedSender<Mail>,
    orders: UnboundedReceiver<Order>,
    /// Acks that no connection has taken yet.
    unsent: VecDeque<Done>,
    in_flight: usize,
    in_flight_bytes: usize,
    is_stopping: bool,
    is_ended: bool,
}

/// The two ends: for the connection, and mail and orders for the handlers.
pub(super) fn link() -> (Desk, UnboundedReceiver<Mail>, UnboundedSender<Order>) {
    let (mail, mailbox) = unbounded_channel();
    let (order, orders) = unbounded_channel();
    let desk = Desk {
        mail,
        orders,
        unsent: VecDeque::new(),
        in_flight: 0,
        in_flight_bytes: 0,
        is_stopping: false,
        is_ended: false,
    };
    (desk, mailbox, order)
}

impl Desk {
    /// Whether more events can be taken.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < IN_FLIGHT_MAX && self.in_flight_bytes < IN_FLIGHT_BYTES_MAX
    }

    /// Whether we were asked to take no more events.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Whether nobody has anything to send any more.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Hands events over.
    pub(super) fn hand_over(&mut self, connection: &Arc<str>, events: Vec<Arrived>) {
        self.in_flight += events.len();
        self.in_flight_bytes += events.iter().map(|event| event.payload.len()).sum::<usize>();
        let connection = Arc::clone(connection);
        // Without a receiver the orders have ended too, which is noticed there.
        let _ = self.mail.send(Mail::Events { connection, events });
    }

    /// The next ack to send.
    pub(super) fn next_unsent(&mut self) -> Option<Done> {
        let done = self.unsent.pop_front()?;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(done.bytes);
        Some(done)
    }

    /// Takes what the handlers' side has sent; ready when there was anything.
    pub(super) fn poll_orders(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_ended {
            return Poll::Pending;
        }
        let Poll::Ready(order) = self.orders.poll_recv(cx) else {
            return Poll::Pending;
        };
        match order {
            Some(Order::Acks(acks)) => self.unsent.extend(acks),
            Some(Order::Stop) => {
                self.is_stopping = true;
                let _ = self.mail.send(Mail::Stopped);
            }
            None => self.is_ended = true,
        }
        Poll::Ready(())
    }

    /// Waits until we are asked to stop, or until nobody is there any more.
    pub(super) async fn stopped(&mut self) {
        while !self.is_stopping && !self.is_ended {
            std::future::poll_fn(|cx| self.poll_orders(cx)).await;
        }
    }

    /// Waits until the handlers' side has nothing more to say; answers the events that could not be acknowledged.
    pub(super) async fn ended(&mut self) -> Vec<String> {
        while !self.is_ended {
            std::future::poll_fn(|cx| self.poll_orders(cx)).await;
        }
        named(self.unsent.drain(..).map(|done| done.event_id))
    }
}

#[cfg(test)]
mod tests {
    use larkspur_wire::frame::Frame;

    use super::*;

    fn arrived(bytes: usize) -> Arrived {
        Arrived {
            receipt: Frame::ping(0).into(),
            payload: "x".repeat(bytes).into(),
        }
    }

    fn done(event_id: &str, bytes: usize) -> Done {
        Done {
            event_id: event_id.to_owned(),
            ack: Vec::new(),
            bytes,
        }
    }

    fn take_orders(desk: &mut Desk) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while desk.poll_orders(&mut cx).is_ready() {}
    }

    #[test]
    fn there_is_room_again_when_an_ack_has_been_taken() {
        for (count, bytes) in [(IN_FLIGHT_MAX, 1), (2, IN_FLIGHT_BYTES_MAX / 2)] {
            let (mut desk, _mail, orders) = link();
            desk.hand_over(&"1".into(), (0..count).map(|_| arrived(bytes)).collect());
            assert!(!desk.has_room());
            assert!(orders.send(Order::Acks(vec![done("e1", bytes)])).is_ok());
            take_orders(&mut desk);
            assert!(!desk.has_room(), "the ack waits for a connection");
            assert!(desk.next_unsent().is_some() && desk.has_room());
        }
    }

    #[tokio::test]
    async fn acks_that_no_connection_took_are_named_in_the_end() {
        let (mut desk, mut mail, orders) = link();
        desk.hand_over(&"1".into(), vec![arrived(1)]);
        assert!(orders.send(Order::Stop).is_ok() && orders.send(Order::Acks(vec![done("e1", 1)])).is_ok());
        desk.stopped().await;
        assert!(matches!(mail.recv().await, Some(Mail::Events { .. })));
        assert!(matches!(mail.recv().await, Some(Mail::Stopped)));
        drop(orders);
        assert_eq!(desk.ended().await, ["e1"]);
    }
}
