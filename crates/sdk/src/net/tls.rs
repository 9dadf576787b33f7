//! TLS with one provider, chosen here: a program that uses another one elsewhere is not disturbed, and one that has
//! installed none does not panic.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct TlsError {
    pub(crate) reason: String,
}

/// The public authorities, and those of the file.
pub(super) fn config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let refuse = |reason: String| TlsError { reason };
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra_roots {
        let failed = |error: &dyn std::fmt::Display| refuse(format!("`{}`: {error}", path.display()));
        let before = roots.len();
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
        for certificate in certificates {
            let added = roots.add(certificate.map_err(|error| failed(&error))?);
            added.map_err(|error| failed(&error))?;
        }
        if roots.len() == before {
            return Err(failed(&"no certificate is in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Whether a handshake failed because the peer's certificate is not trusted.
pub(super) fn is_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}
