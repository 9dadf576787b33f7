//! The task that owns one socket: reads acks and pings, writes events and pongs, and ends when either side does.
//!
//! Reading never waits for writing, so that a client which is slow to read still gets its acks counted and cannot
//! lock the two ends up against each other.

use std::fmt;
use std::future::pending;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use larkspur_wire::frame::Frame;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Shared;
use super::message::{self, Inbound};
use super::room::{Answer, Room};
use super::session::{Queued, Session};
use crate::counters::count;

/// A client that takes none of our bytes for this long is gone or hangs.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Long enough for a close frame to leave, short enough not to hold a shutdown up.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Silent connections are probed at least this often, so that a half-open one is found.
const PROBE_EVERY_MAX: Duration = Duration::from_mins(1);
/// Pongs that may wait to be written; a client that sends pings faster than it reads gets no more.
const REPLIES_MAX: usize = 8;
/// Acks are small; Python allows frames of this size too.
const INBOUND_BYTES_MAX: usize = 1024 * 1024;
/// Small, since most of a platform's connections are idle: the library's default keeps 128 KiB for each.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Events that wait together are written together; a session keeps a buffer of about this size once it has been busy.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Pongs wait for no more events than these.
const EVENTS_WRITTEN_MAX: usize = 64;
/// One fragment of the largest size, its headers, and what the library adds by itself.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    ClosedByClient { code: Option<u16> },
    Lost(Error),
    Silent { since: Duration },
    WriteStalled,
    Stopped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByClient { code: Some(code) } => {
                write!(f, "closed by the client with code {code}")
            }
            Self::ClosedByClient { code: None } => f.write_str("closed by the client"),
            Self::Lost(error) => write!(f, "connection lost: {error}"),
            Self::Silent { since } => write!(f, "silent for {} s", since.as_secs()),
            Self::WriteStalled => write!(f, "the client read nothing for {} s", WRITE_TIMEOUT.as_secs()),
            Self::Stopped => f.write_str("closed by the platform"),
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(INBOUND_BYTES_MAX))
        .max_frame_size(Some(INBOUND_BYTES_MAX))
}

/// Runs one session until it ends, and hands what was not written back to whoever waits for it.
pub(super) async fn run<IO>(
    io: IO,
    shared: &Shared,
    room: &Room,
    session: &Session,
    queue: &mut mpsc::Receiver<Queued>,
) -> End
where
    IO: AsyncRead + AsyncWrite + Unpin + Send,
{
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await;
    let (mut sink, mut stream) = socket.split();
    let (replies, mut replying) = mpsc::channel(REPLIES_MAX);
    let pinged = Notify::new();
    let reader = Reader {
        shared,
        room,
        session,
        replies,
        pinged: &pinged,
    };
    let end = tokio::select! {
        biased;
        () = room.stop.cancelled() => End::Stopped,
        end = reader.run(&mut stream) => end,
        end = write(&mut sink, shared, session, queue, &mut replying, &pinged) => end,
    };
    queue.close();
    while let Ok(unsent) = queue.try_recv() {
        room.answer(&unsent.event.message_id, Answer::Unsent);
    }
    if matches!(end, End::Stopped) {
        // Java ignores close frames, so TCP is closed right after, by dropping the socket.
        let frame = CloseFrame {
            code: shared.assumptions.close_code.into(),
            reason: "".into(),
        };
        if let Ok(mut socket) = sink.reunite(stream) {
            let _ = timeout(CLOSE_TIMEOUT, socket.close(Some(frame))).await;
        }
    }
    end
}

struct Reader<'a> {
    shared: &'a Shared,
    room: &'a Room,
    session: &'a Session,
    replies: mpsc::Sender<Message>,
    pinged: &'a Notify,
}

impl Reader<'_> {
    async fn run<IO>(&self, stream: &mut SplitStream<WebSocketStream<IO>>) -> End
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let idle_max = Duration::from_secs(u64::from(self.shared.assumptions.idle_timeout_seconds));
        let idle_max = (!idle_max.is_zero()).then_some(idle_max);
        let probe_every = idle_max.map_or(PROBE_EVERY_MAX, |idle_max| PROBE_EVERY_MAX.min(idle_max / 3));
        let mut heard_at = Instant::now();
        let probe = sleep_until(heard_at + probe_every);
        tokio::pin!(probe);
        loop {
            tokio::select! {
                next = stream.next() => match next {
                    Some(Ok(Message::Close(frame))) => {
                        let code = frame.map(|frame| frame.code.into());
                        // Reading on sends the close frame back, as the standard asks; then the stream ends.
                        let _ = timeout(CLOSE_TIMEOUT, stream.next()).await;
                        return End::ClosedByClient { code };
                    }
                    Some(Ok(message)) => {
                        heard_at = Instant::now();
                        self.take(message);
                    }
                    Some(Err(error)) => return End::Lost(error),
                    None => return End::Lost(Error::ConnectionClosed),
                },
                () = &mut probe => {
                    let silent = heard_at.elapsed();
                    match idle_max {
                        Some(idle_max) if silent >= idle_max => return End::Silent { since: silent },
                        _ if silent >= probe_every => self.reply(Message::Ping("".into())),
                        _ => {}
                    }
                    probe.as_mut().reset(Instant::now() + probe_every);
                }
            }
        }
    }

    fn take(&self, message: Message) {
        let counters = &self.shared.counters;
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(_) => return count(&counters.frames_ignored),
            // The library answers pings by itself.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return,
        };
        match message::read(bytes) {
            Inbound::Ping { service } => {
                let now = self.shared.clock.now();
                self.session.counts.last_ping_at_ms.store(now.0, Ordering::Relaxed);
                self.pinged.notify_one();
                self.reply(Message::Binary(
                    Frame::pong(service, &self.shared.client_config).write(),
                ));
            }
            Inbound::Ack { message_id, ack } => {
                self.session.counts.acked.fetch_add(1, Ordering::Relaxed);
                if !self.room.answer(&message_id, Answer::Acked(ack)) {
                    count(&counters.acks_unmatched);
                }
            }
            Inbound::Unknown => count(&counters.frames_ignored),
            Inbound::Malformed => count(&counters.frames_malformed),
        }
    }

    fn reply(&self, message: Message) {
        if self.replies.try_send(message).is_err() {
            count(&self.shared.counters.replies_dropped);
        }
    }
}

async fn write<IO>(
    sink: &mut SplitSink<WebSocketStream<IO>, Message>,
    shared: &Shared,
    session: &Session,
    queue: &mut mpsc::Receiver<Queued>,
    replies: &mut mpsc::Receiver<Message>,
    pinged: &Notify,
) -> End
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut ids = message::FrameIds::default();
    // Node loses what arrives within a few milliseconds of the handshake; Java pings only after minutes.
    let ready_at = Instant::now() + Duration::from_millis(shared.settings.first_push_delay_ms);
    let mut ready = false;
    loop {
        let written = tokio::select! {
            biased;
            reply = replies.recv() => match reply {
                Some(reply) => send(sink, reply).await,
                // The reader holds the other end, and it ends together with this.
                None => pending().await,
            },
            () = pinged.notified(), if !ready => { ready = true; Ok(()) }
            () = sleep_until(ready_at), if !ready => { ready = true; Ok(()) }
            next = queue.recv(), if ready => match next {
                Some(queued) => push_all(sink, shared, session, &mut ids, queued, queue).await,
                None => return End::Stopped,
            },
        };
        if let Err(end) = written {
            return end;
        }
    }
}

/// Writes an event, and those that wait behind it.
async fn push_all<IO>(
    sink: &mut SplitSink<WebSocketStream<IO>, Message>,
    shared: &Shared,
    session: &Session,
    ids: &mut message::FrameIds,
    first: Queued,
    queue: &mut mpsc::Receiver<Queued>,
) -> Result<(), End>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    push(sink, shared, session, ids, first).await?;
    for _ in 1..EVENTS_WRITTEN_MAX {
        let Ok(next) = queue.try_recv() else { break };
        push(sink, shared, session, ids, next).await?;
    }
    in_time(sink.flush()).await
}

/// Writes an event in as many frames as it needs, back to back, since clients keep the first ones for 5 s only.
async fn push<IO>(
    sink: &mut SplitSink<WebSocketStream<IO>, Message>,
    shared: &Shared,
    session: &Session,
    ids: &mut message::FrameIds,
    queued: Queued,
) -> Result<(), End>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    if queued.deadline <= Instant::now() {
        return Ok(());
    }
    for frame in Frame::event(&queued.event, shared.assumptions.fragment_bytes, || ids.next()) {
        in_time(sink.feed(Message::Binary(frame.write()))).await?;
    }
    session.counts.pushed.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn send<IO>(sink: &mut SplitSink<WebSocketStream<IO>, Message>, message: Message) -> Result<(), End>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    in_time(sink.send(message)).await
}

async fn in_time(writing: impl Future<Output = Result<(), Error>>) -> Result<(), End> {
    match timeout(WRITE_TIMEOUT, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(error)),
        Err(_) => Err(End::WriteStalled),
    }
}
