//! As much HTTP/1.1 as a load generator and a sink need, at as little cost: they share the processors with the platform.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Answers and pushes are small; more than this is a mistake.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A connection, of either end.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: BytesMut,
}

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) head: BytesMut,
    pub(crate) body: BytesMut,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: BytesMut::with_capacity(8 * 1024),
        })
    }

    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        Ok(Self::new(stream)?)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next message; `None` when the other end closed before one began.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>> {
        let end = loop {
            if let Some(at) = find(&self.read, END_OF_HEAD) {
                break at + END_OF_HEAD.len();
            }
            if !self.fill().await? {
                if self.read.is_empty() {
                    return Ok(None);
                }
                bail!("the connection ended within a message's head");
            }
        };
        let head = self.read.split_to(end);
        let length = match header(&head, "content-length") {
            Some(text) => text.parse::<usize>().context("the length of a message is no number")?,
            None if header(&head, "transfer-encoding").is_some() => bail!("a message in chunks is not understood"),
            None => 0,
        };
        if length > MESSAGE_BYTES_MAX {
            bail!("a message has {length} bytes");
        }
        while self.read.len() < length {
            if !self.fill().await? {
                bail!("the connection ended within a message");
            }
        }
        let body = self.read.split_to(length);
        Ok(Some(Message { head, body }))
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Message> {
        self.write(request).await.context("a request cannot be sent")?;
        self.next()
            .await?
            .context("the connection was closed instead of an answer")
    }

    async fn fill(&mut self) -> Result<bool> {
        self.read.reserve(4 * 1024);
        Ok(self.stream.read_buf(&mut self.read).await? > 0)
    }
}

impl Message {
    /// An answer's status.
    pub(crate) fn status(&self) -> u16 {
        let text = self.head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        text.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }

    /// A request's path.
    pub(crate) fn path(&self) -> &str {
        let line = self.head[..].split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = std::str::from_utf8(line).unwrap_or_default();
        line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// A request; `extra` are whole header lines.
pub(crate) fn request(method: &str, path: &str, extra: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256 + body.len());
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{extra}content-length: {length}\r\n\r\n");
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// An answer.
pub(crate) fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let value = lines.filter_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    });
    value
        .map(<[u8]>::trim_ascii)
        .next()
        .and_then(|value| std::str::from_utf8(value).ok())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn messages_arrive_whole_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Connection::open(listener.local_addr().unwrap()).await.unwrap();
        let mut server = Connection::new(listener.accept().await.unwrap().0).unwrap();
        let two = [
            request("POST", "/a", "X-Lark: 1\r\n", b"one"),
            request("POST", "/b", "", b""),
        ]
        .concat();
        client.write(&two).await.unwrap();
        let first = server.next().await.unwrap().unwrap();
        assert_eq!(
            (first.path(), first.header("x-lark"), &first.body[..]),
            ("/a", Some("1"), &b"one"[..])
        );
        assert_eq!(server.next().await.unwrap().unwrap().path(), "/b");
        server.write(&answer("503 Busy", b"{}")).await.unwrap();
        let answer = client.next().await.unwrap().unwrap();
        assert_eq!((answer.status(), &answer.body[..]), (503, &b"{}"[..]));
        drop(client);
        assert!(server.next().await.unwrap().is_none());
    }
}
