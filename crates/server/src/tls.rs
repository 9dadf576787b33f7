//! TLS for our own listener: `https://` and `wss://` with a certificate given by path.
//!
//! The crypto provider is named here, never taken from the process: two providers in one program, or none installed,
//! would otherwise make rustls panic at run time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key, ready to accept connections.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls([redacted])")
    }
}

/// A certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What should be a chain of certificates in PEM form is not.
    #[error("the certificate is not a PEM file with at least one CERTIFICATE block")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What should be a private key in PEM form is not.
    #[error("the key is not a PEM file with a PRIVATE KEY block")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Certificate and key do not work together.
    #[error("the certificate cannot be served with this key")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Tls {
    /// Reads a certificate chain (the server's own first) and its key from PEM files.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Read {
                path: path.to_path_buf(),
                source,
            })
        };
        Self::from_pem(&read(certificate)?, &read(key)?)
    }

    /// Takes a certificate chain (the server's own first) and its key as PEM text.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::Certificate(Box::new(error)))?;
        if chain.is_empty() {
            return Err(TlsError::Certificate(Box::new(pem::Error::NoItemsFound)));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(Box::new(error)))?;
        let unusable = |error: rustls::Error| TlsError::Unusable(Box::new(error));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        // WebSocket clients upgrade from HTTP/1.1; nothing else is spoken here.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = Tls::from_pem_files(Path::new("missing.pem"), Path::new("key.pem")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read missing.pem");
    }

    #[test]
    fn a_certificate_that_is_none_is_refused() {
        assert!(matches!(
            Tls::from_pem(b"hello", b"hello"),
            Err(TlsError::Certificate(_))
        ));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let certificate = one.cert.pem();
        assert!(matches!(
            Tls::from_pem(certificate.as_bytes(), b"x"),
            Err(TlsError::Key(_))
        ));
        let refused = Tls::from_pem(certificate.as_bytes(), other.serialize_pem().as_bytes());
        assert!(matches!(refused, Err(TlsError::Unusable(_))));
    }
}
