//! TLS with one provider, chosen here: a program that uses another one elsewhere is not disturbed.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::ConnectError;

/// The public authorities, and those of the file.
pub(super) fn config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, ConnectError> {
    let refuse = |reason: String| ConnectError::Tls { reason };
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = extra_roots {
        let failed = |error: &dyn std::fmt::Display| refuse(format!("`{}`: {error}", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))?;
        for certificate in certificates {
            let added = roots.add(certificate.map_err(|error| failed(&error))?);
            added.map_err(|error| failed(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
