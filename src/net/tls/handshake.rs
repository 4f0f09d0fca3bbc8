//! The handshake, and what its errors mean to a person.

use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Roots, TrustedRoots};
use crate::net::deadline_stream::DeadlineStream;
use crate::net::stream::Stream;

impl Stream for StreamOwned<ClientConnection, DeadlineStream> {
    fn tcp(&mut self) -> &mut DeadlineStream {
        &mut self.sock
    }
}

impl TrustedRoots {
    /// Completes the handshake, so that a certificate that is not accepted is an error of connecting.
    pub(super) fn handshake(&self, host: &str, mut tcp: DeadlineStream) -> Result<Box<dyn Stream>, Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(Error::other)?;
        let mut session = ClientConnection::new(self.0.config()?, name).map_err(Error::other)?;
        match session.complete_io(&mut tcp) {
            Ok(_) => Ok(Box::new(StreamOwned::new(session, tcp))),
            Err(e) => Err(self.0.explained(host, e)),
        }
    }
}

impl Roots {
    fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(Error::other)?
            .with_root_certificates(self.store()?)
            .with_no_client_auth();
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }

    fn store(&self) -> Result<RootCertStore, Error> {
        match &self.file {
            None => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
            Some(file) => read(file).map_err(|why| {
                Error::other(format!(
                    "SSL_CERT_FILE is {}, {why}; set it to a file with PEM certificates",
                    file.display()
                ))
            }),
        }
    }

    /// Says what to do where the certificate is the reason.
    fn explained(&self, host: &str, e: Error) -> Error {
        let inner = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let advice = match inner {
            Some(rustls::Error::InvalidCertificate(why)) => self.advice(host, why),
            Some(_) => String::new(),
            // Not of TLS, such as a deadline.
            None => return e,
        };
        // Of another kind than the errors of the protocol that TLS carries.
        Error::new(ErrorKind::ConnectionAborted, format!("the TLS handshake with {host} failed: {e}{advice}"))
    }

    fn advice(&self, host: &str, why: &CertificateError) -> String {
        match why {
            // The signature is bad where another authority of the same name is trusted, such as one before a renewal.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
                "; {}: set SSL_CERT_FILE to a PEM file with the certificate of the authority that issued the server's",
                match &self.file {
                    Some(file) => format!("it is issued by none of the authorities in {}", file.display()),
                    None => "it is issued by no public authority".into(),
                }
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("; use a host name that the certificate is issued for, or issue one for {host}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "; renew the server's certificate".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "; check the clocks of both machines".into()
            }
            _ => String::new(),
        }
    }
}

fn read(file: &Path) -> Result<RootCertStore, String> {
    let unreadable = |e| format!("which cannot be read: {e}");
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        store
            .add(certificate.map_err(unreadable)?)
            .map_err(|e| format!("which holds a certificate that is not accepted: {e}"))?;
    }
    if store.is_empty() { Err("which holds no certificate".into()) } else { Ok(store) }
}
