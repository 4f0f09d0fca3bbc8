//! A request's headers as text.

use axum::http::{HeaderMap, HeaderName};

/// The header's value, if it is visible ASCII.
pub(super) fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
