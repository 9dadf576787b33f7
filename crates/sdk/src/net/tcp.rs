//! TCP: every address of a host in turn, so that one that swallows packets does not hide the others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{NetError, Step, bare, late};

/// So many addresses of a host are tried, which share the time limit.
const ADDRESSES_MAX: usize = 4;

pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, NetError> {
    let addresses = resolve(host, port, limit).await?;
    let each = limit / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut why = "it has no address".to_owned();
    for address in addresses {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Acks are small and waited for.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => why = format!("{address}: {error}"),
            Err(_) => why = format!("{address}: {}", late(each)),
        }
    }
    let detail = format!("cannot connect to `{host}:{port}`: {why}");
    Err(NetError::new(Step::Connect, detail))
}

async fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, NetError> {
    if let Ok(address) = bare(host).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::from((address, port))]);
    }
    let why = match timeout(limit, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => return Ok(addresses.take(ADDRESSES_MAX).collect()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => late(limit),
    };
    let detail = format!("cannot look `{host}` up: {why}");
    Err(NetError::new(Step::Resolve, detail))
}
