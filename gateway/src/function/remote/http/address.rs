//! The address of a function: an absolute `http://` or `https://` URL.

use std::str::FromStr;

use hyper::Uri;

/// An absolute URL; its query is sent, but not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    uri: Uri,
    shown: String,
}

/// Why a text is no address of a function: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl Address {
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The address without its query, which may hold a key.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |why: &str| Err(AddressError(format!("it {why}")));
        let Ok(uri) = text.parse::<Uri>() else { return error("is no URL") };
        let Some(authority) = uri.authority() else {
            return error("is no absolute URL such as http://127.0.0.1:8080/transfer");
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return error("begins with neither http:// nor https://");
        }
        if authority.as_str().contains('@') {
            return error("holds a user name or a password, which are not sent");
        }
        if text.contains('#') {
            return error("holds a fragment (#), which is not sent");
        }
        let scheme = uri.scheme_str().unwrap_or_default();
        let shown = format!("{scheme}://{authority}{}", uri.path());
        Ok(Self { uri, shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_url_is_an_address() {
        let address: Address = "https://example.com:8443/chat/transfer?key=abc".parse().expect("an address");
        assert_eq!(address.shown(), "https://example.com:8443/chat/transfer");
        assert_eq!(address.uri().query(), Some("key=abc"));
        let address: Address = "http://[::1]:8080".parse().expect("an address");
        assert_eq!(address.shown(), "http://[::1]:8080/");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, named) in [
            ("/transfer", "absolute"),
            ("ftp://example.com/", "neither"),
            ("http://user:secret@example.com/", "password"),
            ("http://example.com/#top", "fragment"),
            ("http://exa mple.com/", "no URL"),
            ("", "no URL"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(named) && !error.contains("secret"), "{text:?}: {error}");
        }
    }
}
