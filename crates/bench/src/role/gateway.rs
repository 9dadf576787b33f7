//! The far end of a persistent connection, as cheap as it can be made: it pushes events with a window, counts the acks,
//! and blocks a thread, since it shares the processors with the client that is measured.

use std::io::{BufRead, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use larkspur_wire::endpoint::{ClientConfig, ConnectionQuery, EndpointReply};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::say;
use crate::http::answer;
use crate::process::now_ns;
use crate::seed::Template;

/// A client that says nothing for this long has lost an event.
const SILENCE_MAX: Duration = Duration::from_secs(20);
const REQUEST_BYTES_MAX: usize = 64 * 1024;
const OPCODE_BINARY: u8 = 2;
const OPCODE_CLOSE: u8 = 8;
/// What every client's ack says, with or without a blank.
const SUCCESS: [&[u8]; 2] = [br#""code":200"#, br#""code": 200"#];

/// What is said when a client's connection stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Online {
    pub(crate) at_ns: u64,
}

/// A round of pushes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) window: u64,
    pub(crate) seconds: f64,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Pushed, and acknowledged with success.
    pub(crate) events: u64,
    pub(crate) seconds: f64,
}

/// Says its address, takes one client, and pushes as lines on stdin ask for.
pub(super) fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    say(&address)?;
    let stream = loop {
        let (stream, _) = listener.accept()?;
        if let Some(stream) = serve(stream, &format!("http://{address}"))? {
            break stream;
        }
    };
    say(&Online { at_ns: now_ns() })?;
    let mut pusher = Pusher::new(stream)?;
    for line in std::io::stdin().lock().lines() {
        let round: Round = serde_json::from_str(&line?).context("no round")?;
        say(&pusher.push(&round)?)?;
    }
    Ok(())
}

/// Answers a request; gives the connection back when it was upgraded.
fn serve(mut stream: TcpStream, base: &str) -> Result<Option<TcpStream>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let (head, body_bytes) = read_head(&mut stream)?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    let Some(key) = header("sec-websocket-key") else {
        let length: usize = header("content-length").unwrap_or("0").parse()?;
        ensure!(length <= REQUEST_BYTES_MAX, "a request has {length} bytes");
        stream.read_exact(&mut vec![0; length.saturating_sub(body_bytes)])?;
        let query = ConnectionQuery {
            device_id: 1,
            access_key: "a".into(),
            ticket: "t".into(),
        };
        let body = EndpointReply::write_connect(&query.url(base), &ClientConfig::default(), "success");
        stream.write_all(&answer("200 OK", &body))?;
        return Ok(None);
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    write!(stream, "{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n")?;
    Ok(Some(stream))
}

/// A request's head, and how many bytes of its body were read with it.
fn read_head(stream: &mut TcpStream) -> Result<(String, usize)> {
    let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut more)?;
        ensure!(n > 0, "a client closed within its request");
        bytes.extend_from_slice(&more[..n]);
        ensure!(bytes.len() <= REQUEST_BYTES_MAX, "a request is too large");
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body_bytes = bytes.len() - at - 4;
            bytes.truncate(at);
            return Ok((String::from_utf8(bytes)?, body_bytes));
        }
    }
}

struct Pusher {
    stream: TcpStream,
    template: Template,
    read: Vec<u8>,
    more: Vec<u8>,
    write: Vec<u8>,
    /// For each event pushed so far, whether it was acknowledged.
    acked: Vec<bool>,
}

impl Pusher {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self {
            stream,
            template: Template::new(),
            read: Vec::with_capacity(1 << 16),
            more: vec![0; 1 << 16],
            write: Vec::with_capacity(1 << 16),
            acked: Vec::new(),
        })
    }

    fn push(&mut self, round: &Round) -> Result<Done> {
        let (start, first) = (Instant::now(), self.acked.len());
        let length = Duration::from_secs_f64(round.seconds);
        let mut in_flight = round.window;
        self.send(in_flight)?;
        while in_flight > 0 {
            let acks = self.receive()?;
            in_flight -= acks;
            if start.elapsed() < length {
                self.send(acks)?;
                in_flight += acks;
            }
        }
        let events = (self.acked.len() - first) as u64;
        let seconds = start.elapsed().as_secs_f64();
        Ok(Done { events, seconds })
    }

    fn send(&mut self, events: u64) -> Result<()> {
        self.write.clear();
        for _ in 0..events {
            let frame = self.template.with(self.acked.len() as u64);
            let length = u16::try_from(frame.len()).context("the frame is too large")?;
            self.write.extend_from_slice(&[0x80 | OPCODE_BINARY, 126]);
            self.write.extend_from_slice(&length.to_be_bytes());
            self.write.extend_from_slice(frame);
            self.acked.push(false);
        }
        Ok(self.stream.write_all(&self.write)?)
    }

    /// Reads what has come, and answers how many events were acknowledged in it.
    fn receive(&mut self) -> Result<u64> {
        let n = self.stream.read(&mut self.more).context("the client is silent")?;
        ensure!(n > 0, "the client closed");
        self.read.extend_from_slice(&self.more[..n]);
        let (mut at, mut acks) = (0, 0);
        while let Some((opcode, mask, from, to)) = message(&self.read[at..]) {
            let payload = &mut self.read[at + from..at + to];
            for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
            if opcode == OPCODE_CLOSE {
                bail!("the client closed");
            }
            // What is much shorter than an ack is a ping.
            if opcode == OPCODE_BINARY && to - from > 64 {
                let number = self.template.number_of(payload).context("an ack is for no message")?;
                let tail = &payload[payload.len().saturating_sub(64)..];
                let succeeded = SUCCESS
                    .iter()
                    .any(|code| tail.windows(code.len()).any(|found| found == *code));
                ensure!(succeeded, "event {number} was not taken");
                let acked = usize::try_from(number)
                    .ok()
                    .and_then(|number| self.acked.get_mut(number));
                let repeated = std::mem::replace(acked.context("an event was acknowledged that nobody sent")?, true);
                ensure!(!repeated, "event {number} was acknowledged twice");
                acks += 1;
            }
            at += to;
        }
        self.read.drain(..at);
        Ok(acks)
    }
}

/// The first whole message from a client: its opcode, its mask, and where its payload is.
fn message(bytes: &[u8]) -> Option<(u8, [u8; 4], usize, usize)> {
    let (opcode, length) = (bytes.first()? & 15, bytes.get(1)? & 127);
    let (length, mask_at) = match length {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        127 => (
            usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?,
            10,
        ),
        short => (usize::from(short), 2),
    };
    let mask = *bytes.get(mask_at..)?.first_chunk()?;
    let from = mask_at + mask.len();
    (bytes.len() >= from + length).then_some((opcode, mask, from, from + length))
}
