//! HTTP by hand: requests whose every header is chosen, and a receiver that answers challenges.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// A request; answers status and body.
pub(crate) fn request(url: &str, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!(
        "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if headers.iter().all(|(name, _)| *name != "Host") {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// A webhook receiver without an SDK, for apps without an Encrypt Key.
pub(crate) struct Endpoint {
    /// Its request URL.
    pub(crate) url: String,
    bodies: Receiver<Value>,
}

impl Endpoint {
    /// One that answers challenges and takes everything.
    pub(crate) fn start() -> Self {
        Self::answering("200 OK", b"{}")
    }

    /// One that answers challenges, and events with this.
    pub(crate) fn answering(status: &'static str, reply: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/webhook/event", listener.local_addr().unwrap());
        let (sender, bodies) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(body) = take(&stream, status, reply) {
                    let _ = sender.send(body);
                }
            }
        });
        Self { url, bodies }
    }

    /// The next event of this type; a store app gets tickets in between.
    pub(crate) fn event(&self, event_type: &str) -> Value {
        loop {
            let event = self.bodies.recv_timeout(Duration::from_mins(1)).unwrap();
            if event["header"]["event_type"] == event_type {
                return event;
            }
        }
    }
}

/// The JSON body of a request.
pub(crate) fn read(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Answers a request.
pub(crate) fn answer(mut stream: &TcpStream, status: &str, reply: &[u8]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        reply.len()
    )?;
    stream.write_all(reply)
}

/// Takes one request: a challenge is answered as it must be, everything else as said. An event is returned.
fn take(stream: &TcpStream, status: &str, reply: &[u8]) -> Option<Value> {
    let body = read(stream)?;
    let is_challenge = body["type"] == "url_verification";
    let challenge = json!({ "challenge": body["challenge"] }).to_string();
    let (status, reply) = if is_challenge {
        ("200 OK", challenge.as_bytes())
    } else {
        (status, reply)
    };
    answer(stream, status, reply).ok()?;
    (!is_challenge).then_some(body)
}
