//! Which web pages may connect: the `Origin` header of a handshake against the list of an API.
//!
//! Browsers always send the header, and a page cannot change it. So the check keeps the pages of other sites from
//! connecting with a user's cookies. It does not authenticate a client: programs other than browsers send what they
//! like, or no `Origin` at all, and then pass.

use axum::http::{HeaderMap, header::ORIGIN};
use url::{Origin, Url};

/// The origins that an API accepts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Every one.
    #[default]
    Any,
    /// These, as browsers write them: `https://example.com`, with a port if it is not the scheme's own.
    Only(Vec<String>),
}

/// A handshake comes from a page that may not connect; it is refused with status 403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the origin {origin:?} is not among the API's `origins`")]
pub struct ForeignOrigin {
    /// The header's value, shortened if it is long.
    pub origin: String,
}

/// What is shown of an origin that is refused.
const SHOWN_CHARS: usize = 200;

impl Origins {
    /// Checks the headers of a handshake.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ForeignOrigin> {
        let Self::Only(allowed) = self else { return Ok(()) };
        let mut origins = headers.get_all(ORIGIN).into_iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        // A browser sends one. Of two, another reader of the request might believe the other.
        let single = origins.next().is_none();
        let sent = String::from_utf8_lossy(origin.as_bytes());
        if single && parse(&sent).is_ok_and(|origin| allowed.contains(&origin)) {
            return Ok(());
        }
        Err(ForeignOrigin { origin: sent.chars().take(SHOWN_CHARS).collect() })
    }
}

/// An origin in the form in which browsers write it: lower case, without the scheme's own port. The error says what is
/// allowed.
pub fn parse(text: &str) -> Result<String, String> {
    const ALLOWED: &str =
        "write scheme and host of a page, such as https://example.com or http://localhost:3000";
    let url = Url::parse(text).map_err(|error| format!("not an origin ({error}); {ALLOWED}"))?;
    let bare = url.path().trim_start_matches('/').is_empty()
        && !text.ends_with('/')
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match url.origin() {
        Origin::Tuple(..) if bare && !text.contains('*') => Ok(url.origin().ascii_serialization()),
        _ if text.contains('*') => Err(format!("patterns are not supported; {ALLOWED}")),
        _ => Err(ALLOWED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(origins: &Origins, sent: &[&str]) -> Result<(), ForeignOrigin> {
        let mut headers = HeaderMap::new();
        for origin in sent {
            headers.append(ORIGIN, origin.parse().expect("a header's value"));
        }
        origins.check(&headers)
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let only = Origins::Only(vec![parse("https://Example.com:443").expect("an origin")]);
        assert_eq!(checked(&only, &["https://example.com"]), Ok(()));
        assert_eq!(checked(&only, &["HTTPS://EXAMPLE.com"]), Ok(()));
        for foreign in [
            "https://example.com.evil.org",
            "https://evil.org",
            "http://example.com",
            "https://example.com:8443",
            "https://sub.example.com",
            "https://example.com@evil.org",
            "null",
            "",
        ] {
            let refused = checked(&only, &[foreign]);
            assert_eq!(refused, Err(ForeignOrigin { origin: foreign.to_owned() }));
        }
        assert!(checked(&only, &["https://example.com", "https://evil.org"]).is_err());
        assert!(checked(&only, &["https://evil.org", "https://example.com"]).is_err());
    }

    #[test]
    fn programs_that_send_no_origin_pass_and_so_does_every_origin_without_a_list() {
        let only = Origins::Only(vec!["https://example.com".to_owned()]);
        assert_eq!(checked(&only, &[]), Ok(()));
        assert_eq!(checked(&Origins::Any, &["https://evil.org"]), Ok(()));
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        assert_eq!(parse("http://localhost:3000").as_deref(), Ok("http://localhost:3000"));
        for wrong in [
            "example.com",
            "https://example.com/",
            "https://example.com/page",
            "https://*.example.com",
            "*",
            "data:x",
            "https://u@x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
