//! What a push needs from the configuration: the address, and how many pushes may be in flight.

use std::fmt;
use std::num::NonZeroUsize;

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

/// The reverse push address.
///
/// Anyone who knows its path can push, so the path is never displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushUrl(Uri);

impl PushUrl {
    /// Parses `http://host[:port]/path`. The error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "the reverse push address, http://host/path";
        let uri: Uri = text.parse().map_err(|_| ALLOWED.to_owned())?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(ALLOWED.into());
        }
        match uri.scheme_str() {
            Some("http") => Ok(Self(uri)),
            Some("https") if cfg!(feature = "tls") => Ok(Self(uri)),
            Some("https") => Err(format!("{ALLOWED}; https needs a build with the cargo feature tls")),
            _ => Err(ALLOWED.into()),
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme_str().unwrap_or("http"), self.0.host().unwrap_or_default())?;
        if let Some(port) = self.0.port_u16() {
            write!(f, ":{port}")?;
        }
        f.write_str("/…")
    }
}

impl fmt::Display for PushSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "push_url={} push_concurrency={}", self.url, self.concurrency)
    }
}
