//! TLS in front of the sink: it takes handshakes and passes on what is in the clear, or begins none, for ever.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    key: String,
}

impl Identity {
    /// A new one for loopback, which is its own authority.
    pub(crate) fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
        Ok(Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        })
    }

    fn acceptor(&self) -> Result<TlsAcceptor> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Serves TLS before the sink, on a port of its own. A connection that comes while `is_slow` is kept, and never answered.
pub(super) async fn serve(
    identity: &Identity,
    sink: SocketAddr,
    is_slow: impl Fn() -> bool + 'static,
) -> Result<SocketAddr> {
    let acceptor = identity
        .acceptor()
        .context("the certificate made for the sink is of no use")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let is_slow = Rc::new(is_slow);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, is_slow) = (acceptor.clone(), Rc::clone(&is_slow));
            tokio::task::spawn_local(async move {
                if is_slow() {
                    std::future::pending::<()>().await;
                }
                // Whoever breaks it off gets no answer.
                let _ = pass_on(acceptor, stream, sink).await;
            });
        }
    });
    Ok(address)
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, sink: SocketAddr) -> std::io::Result<()> {
    let mut from = acceptor.accept(stream).await?;
    let mut to = TcpStream::connect(sink).await?;
    copy_bidirectional(&mut from, &mut to).await.map(drop)
}
