//! The two kinds of proxy that companies put between a client and the world, as small as they can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that runs until the test's runtime ends.
pub(crate) struct Proxy {
    pub(crate) authority: String,
    tunnels: Arc<AtomicUsize>,
}

impl Proxy {
    /// How many connections it has passed on.
    pub(crate) fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::Acquire)
    }

    /// One that understands `CONNECT` and asks for these credentials in Basic's form, if any.
    pub(crate) async fn http_connect(authorization: Option<&'static str>) -> Self {
        Self::start(move |client| connect(client, authorization)).await
    }

    /// SOCKS version 5 without credentials (RFC 1928).
    pub(crate) async fn socks5() -> Self {
        Self::start(socks).await
    }

    async fn start<F, Fut>(greet: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Option<(TcpStream, String)>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let tunnels = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tunnels);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (greeting, tunnels) = (greet(client), Arc::clone(&counted));
                tokio::spawn(async move {
                    let (mut client, target) = greeting.await?;
                    let mut upstream = TcpStream::connect(target).await.ok()?;
                    tunnels.fetch_add(1, Ordering::AcqRel);
                    copy_bidirectional(&mut client, &mut upstream).await.ok()
                });
            }
        });
        Self { authority, tunnels }
    }
}

async fn connect(client: TcpStream, authorization: Option<&str>) -> Option<(TcpStream, String)> {
    let mut client = BufReader::new(client);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await.ok()?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let target = head.first()?.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    let mut client = client.into_inner();
    let allowed = authorization.is_none_or(|wanted| {
        head.iter()
            .filter_map(|line| line.split_once(": "))
            .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == wanted)
    });
    if !allowed {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        client.write_all(refusal.as_bytes()).await.ok()?;
        return None;
    }
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .ok()?;
    Some((client, target))
}

async fn socks(mut client: TcpStream) -> Option<(TcpStream, String)> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.ok()?;
    let mut methods = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut methods).await.ok()?;
    if greeting[0] != 5 || !methods.contains(&0) {
        return None;
    }
    client.write_all(&[5, 0]).await.ok()?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await.ok()?;
    let host = match (request[1], request[3]) {
        (1, 1) => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await.ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        (1, 3) => {
            let length = client.read_u8().await.ok()?;
            let mut name = vec![0; usize::from(length)];
            client.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).ok()?
        }
        _ => return None,
    };
    let port = client.read_u16().await.ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    Some((client, format!("{host}:{port}")))
}
