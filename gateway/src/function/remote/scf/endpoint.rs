//! Where the cloud API is: `https://…`, or `http://…` on a loopback address, for a stand-in.

use std::{fmt, net::IpAddr, str::FromStr};

use hyper::{Uri, header::HeaderValue};

/// The address of the cloud API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    host: HeaderValue,
}

/// Why a text is no endpoint: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndpointError(String);

impl Default for Endpoint {
    /// The one on the Internet, for mainland China.
    fn default() -> Self {
        Self {
            uri: Uri::from_static("https://scf.tencentcloudapi.com/"),
            host: HeaderValue::from_static("scf.tencentcloudapi.com"),
        }
    }
}

impl Endpoint {
    /// With the path `/`.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The header `Host`, which is signed.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.uri)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = |why: &str| {
            EndpointError(format!("it {why}; the endpoint is usually https://scf.tencentcloudapi.com"))
        };
        let uri: Uri = text.parse().map_err(|_| error("is no URL"))?;
        let authority = uri.authority().ok_or_else(|| error("is no absolute URL"))?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(authority.host()) => {}
            Some("http") => {
                return Err(error("is http on another machine, which would send events in the clear"));
            }
            _ => return Err(error("does not begin with https://")),
        }
        if authority.as_str().contains('@') {
            return Err(error("holds a user name"));
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(error("has a path or a query"));
        }
        let host = match uri.port_u16() {
            // Left out in the header, as every client does.
            Some(443) if uri.scheme_str() == Some("https") => authority.host(),
            Some(80) if uri.scheme_str() == Some("http") => authority.host(),
            _ => authority.as_str(),
        };
        let host = HeaderValue::from_str(host).map_err(|_| error("has no valid host"))?;
        Ok(Self { uri, host })
    }
}

fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_or_http_on_loopback() {
        for (text, host) in [
            ("https://scf.tencentcloudapi.com", "scf.tencentcloudapi.com"),
            ("https://scf.tencentcloudapi.com:443/", "scf.tencentcloudapi.com"),
            ("https://127.0.0.1:8443", "127.0.0.1:8443"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://localhost", "localhost"),
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!((endpoint.host(), endpoint.uri().path()), (&HeaderValue::from_static(host), "/"));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, named) in [
            ("scf.tencentcloudapi.com", "absolute|https"),
            ("http://scf.tencentcloudapi.com", "in the clear"),
            ("https://example.com/api", "path"),
            ("https://a@example.com", "user name"),
            ("ftp://example.com", "https://"),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(named.split('|').any(|named| error.contains(named)), "{text:?}: {error}");
        }
    }
}
