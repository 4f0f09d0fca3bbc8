//! TLS for clients (`wss`): versions 1.2 and 1.3, sessions that are resumed, and a certificate that is replaced while
//! the gateway runs.
//!
//! [`Tls::load`] → [`Tls::accept`] for each connection. [`Tls::watch`] notices new files, [`Tls::reload`] reads them
//! on demand. New files that cannot be used, because they are half-written, expired or not of one pair, change
//! nothing: the log says why, and connections keep the certificate they had. Connections that are open notice nothing
//! in either case. At the start there is none to keep: one that has expired is served then, and the log says so again
//! and again.

#[cfg(test)]
pub(crate) mod authority;
mod certificate;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    hash::{DefaultHasher, Hasher as _},
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use log::{error, info, warn};
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::MissedTickBehavior,
};

pub use self::{
    certificate::{Certificate, CertificateError, CertificateFiles},
    stream::ServerTlsStream,
};

/// How often [`Tls::watch`] looks at the files. They are read, not only asked for their time: that also notices links
/// that change their target, and works on file systems that send no notifications.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// From how long before its end on a certificate is in the log, day by day. By then it should have been renewed.
const WARN_BEFORE: Duration = Duration::from_hours(14 * 24);
/// How often.
const WARN_INTERVAL: Duration = Duration::from_hours(24);

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate or its key.
    #[error("{0}")]
    Certificate(#[source] CertificateError),
    /// The library of TLS refuses to work, as without randomness for the keys of session tickets.
    #[error("TLS cannot be set up: {0}")]
    Library(#[source] rustls::Error),
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// The files are those that are served already.
    Unchanged,
    /// New connections get the new certificate.
    Replaced,
}

/// The server's side of TLS.
pub struct Tls {
    watched: Mutex<Watched>,
    served: Arc<Served>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Watched {
    files: CertificateFiles,
    /// Their content when they were last looked at, usable or not, so that a bad pair is logged once.
    seen: u64,
}

impl Tls {
    /// Reads and checks the files.
    pub fn load(files: CertificateFiles) -> Result<Self, TlsError> {
        let pem = files.read().map_err(TlsError::Certificate)?;
        let certificate = files.parse(&pem).map_err(TlsError::Certificate)?;
        let served = Arc::new(Served(ArcSwap::from_pointee(certificate)));
        let config = server_config(Arc::clone(&served)).map_err(TlsError::Library)?;
        let watched = Mutex::new(Watched { files, seen: fingerprint(&pem) });
        Ok(Self { watched, served, config: Arc::new(config) })
    }

    /// Shakes hands with a client, with the certificate that is served then.
    pub fn accept<S>(&self, stream: S) -> impl Future<Output = io::Result<ServerTlsStream<S>>> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        ServerTlsStream::accept(Arc::clone(&self.config), stream)
    }

    /// Until when the certificate that is served is valid.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.served.0.load().expires
    }

    /// Reads these files and serves what is in them, unless it cannot be used. The log says which. They are watched from
    /// now on, even if they cannot be used yet.
    pub fn reload(&self, files: CertificateFiles) -> Result<Reloaded, CertificateError> {
        let mut watched = self.watched.lock();
        watched.files = files;
        self.look(&mut watched, true)
    }

    /// Reads the files every `WATCH_INTERVAL` for as long as it is polled, and serves what is in them after a change.
    /// The closure is called with the result each time.
    pub async fn watch(&self, mut looked: impl FnMut(&Result<Reloaded, CertificateError>)) {
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut warned = None;
        loop {
            let now = ticks.tick().await;
            let result = self.look(&mut self.watched.lock(), false);
            looked(&result);
            if warned.is_none_or(|warned| now - warned >= WARN_INTERVAL) && self.warn_of_its_end() {
                warned = Some(now);
            }
        }
    }

    /// Whether there was something to say.
    fn warn_of_its_end(&self) -> bool {
        let certificate = self.served.0.load();
        let valid = remaining(certificate.expires);
        if let Err(complaint) = certificate.check_time(&self.watched.lock().files.certificate) {
            error!("{complaint}: it is served, and clients refuse it");
        } else if certificate.expires <= SystemTime::now() + WARN_BEFORE {
            warn!("the certificate is valid for {valid} only, and has not been renewed");
        } else {
            return false;
        }
        true
    }

    fn look(&self, watched: &mut Watched, asked: bool) -> Result<Reloaded, CertificateError> {
        let read = watched.files.read();
        let now = match &read {
            Ok(pem) => fingerprint(pem),
            Err(error) => fingerprint(&error.to_string()),
        };
        let changed = std::mem::replace(&mut watched.seen, now) != now;
        if !changed && !asked {
            return Ok(Reloaded::Unchanged);
        }
        let parsed = read.and_then(|pem| {
            let certificate = watched.files.parse(&pem)?;
            certificate.check_time(&watched.files.certificate)?;
            Ok(certificate)
        });
        match parsed {
            Ok(certificate) if self.served.is(&certificate) => Ok(Reloaded::Unchanged),
            Ok(certificate) => {
                let valid = remaining(certificate.expires);
                // Whoever reads the line gets it.
                self.served.0.store(Arc::new(certificate));
                info!("new certificate {}, valid for {valid}", watched.files.certificate.display());
                Ok(Reloaded::Replaced)
            }
            Err(error) => {
                warn!("{error}; the certificate in use stays, valid for {}", remaining(self.expires()));
                Err(error)
            }
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("watched", &self.watched).finish_non_exhaustive()
    }
}

fn server_config(served: Arc<Served>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(certificate::provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(served);
    // The handshake of a WebSocket needs HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets instead of a table of sessions: the memory does not grow with the clients, and 100,000 of them that
    // come back after a restart of the network do so without a signature each.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Served(ArcSwap<Certificate>);

impl Served {
    fn is(&self, other: &Certificate) -> bool {
        self.0.load().key.cert == other.key.cert
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}

fn fingerprint(content: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// A time from now, for a person.
fn remaining(expires: SystemTime) -> String {
    let seconds = expires.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
    match seconds {
        0 => "0 h: it has expired".to_owned(),
        1..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
