//! What a push needs from the configuration: the address, and how many pushes may be in flight.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ureq::http::Uri;

use crate::net::TrustedRoots;

/// Settings of the push address.
#[derive(Debug, Clone)]
pub(crate) struct PushSettings {
    /// The reverse push address.
    pub(crate) url: PushUrl,
    /// The number of pushes in flight at once.
    pub(crate) concurrency: NonZeroUsize,
    /// For `https://`.
    pub(crate) trusted_roots: TrustedRoots,
}

/// The reverse push address, or those of several gateways that serve the same clients, of which one is used until it
/// cannot be reached.
///
/// Anyone who knows its path can push, so the path is never displayed.
#[derive(Debug, Clone)]
pub(crate) struct PushUrl {
    addresses: Vec<Uri>,
    /// The position of the one in use.
    current: Arc<AtomicUsize>,
}

impl PushUrl {
    /// Parses `http://host[:port]/path`, or several of them separated by commas. The error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let addresses =
            text.split(',').map(|address| Self::address(address.trim())).collect::<Result<_, _>>()?;
        Ok(Self { addresses, current: Arc::default() })
    }

    fn address(text: &str) -> Result<Uri, String> {
        const ALLOWED: &str = "the reverse push address, http://host/path, or several separated by commas";
        let uri: Uri = text.parse().map_err(|_| ALLOWED.to_owned())?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(ALLOWED.into());
        }
        match uri.scheme_str() {
            Some("http") => Ok(uri),
            Some("https") if cfg!(feature = "tls") => Ok(uri),
            Some("https") => Err(format!("{ALLOWED}; https needs a build with the cargo feature tls")),
            _ => Err(ALLOWED.into()),
        }
    }

    /// How many addresses there are; at least one.
    pub(super) fn count(&self) -> usize {
        self.addresses.len()
    }

    /// The address in use, and its position.
    pub(super) fn current(&self) -> (usize, &Uri) {
        let position = self.current.load(Ordering::Relaxed) % self.addresses.len();
        (position, &self.addresses[position])
    }

    /// Uses the address after the one at this position, unless another push has done so.
    pub(super) fn leave(&self, position: usize) {
        let next = (position + 1) % self.addresses.len();
        let _ = self.current.compare_exchange(position, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, uri) in self.addresses.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            let (scheme, host) = (uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or_default());
            write!(f, "{separator}{scheme}://{host}")?;
            if let Some(port) = uri.port_u16() {
                write!(f, ":{port}")?;
            }
            f.write_str("/…")?;
        }
        Ok(())
    }
}

impl fmt::Display for PushSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "push_url={} push_concurrency={}", self.url, self.concurrency)
    }
}
