//! TLS for the push address and the store: the certificate authorities that are trusted, and the handshake.
//!
//! The settings exist in every build, so that the configuration is the same; without the feature `tls` no URL that needs
//! them is accepted.

#[cfg(feature = "tls")]
mod handshake;

use std::io::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::deadline_stream::DeadlineStream;
use super::stream::Stream;

/// The certificate authorities that a server's certificate may be issued by; clones share what is read of them.
#[derive(Debug, Clone)]
pub(crate) struct TrustedRoots(Arc<Roots>);

#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS reads it"))]
struct Roots {
    /// A PEM file; `None`: those of Mozilla's list, as the crate `webpki-roots` holds it.
    file: Option<PathBuf>,
    /// Created at the first handshake.
    #[cfg(feature = "tls")]
    config: std::sync::OnceLock<Arc<rustls::ClientConfig>>,
}

impl TrustedRoots {
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self(Arc::new(Roots {
            file,
            #[cfg(feature = "tls")]
            config: std::sync::OnceLock::new(),
        }))
    }

    /// Connects with TLS, which includes checking the server's certificate.
    pub(crate) fn connect(
        &self,
        host: &str,
        port: u16,
        deadline: Option<Instant>,
    ) -> Result<Box<dyn Stream>, Error> {
        self.handshake(host, DeadlineStream::connect(host, port, deadline)?)
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, reason = "with the feature tls it is used")]
    fn handshake(&self, host: &str, _: DeadlineStream) -> Result<Box<dyn Stream>, Error> {
        Err(Error::other(format!("TLS to {host} needs a build with the cargo feature tls")))
    }
}

impl PartialEq for TrustedRoots {
    fn eq(&self, other: &Self) -> bool {
        self.0.file == other.0.file
    }
}

impl Eq for TrustedRoots {}
