//! The header `Retry-After`: seconds, or a date.

use std::time::{Duration, SystemTime};

use hyper::header::{HeaderMap, RETRY_AFTER};

/// How long the backend asks to be left alone. `None` if it does not say so, or not in a form that can be read.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().expect("a header"))]);
        retry_after(&headers)
    }

    #[test]
    fn seconds_or_a_date() {
        assert_eq!(read("3"), Some(Duration::from_secs(3)));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let ahead = read("Tue, 31 Dec 2199 23:59:59 GMT").expect("a date");
        assert!(ahead > Duration::from_hours(24));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
