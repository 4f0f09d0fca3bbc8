//! Protects the page's actions from cross-site requests: they may come from the page itself or from a local program,
//! not from another web page.

use axum::http::{
    HeaderMap, HeaderName,
    header::{CONTENT_TYPE, HOST, ORIGIN},
};

use crate::admin::header::header;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is rejected; `None` if it may act.
///
/// A browser sends `Origin` with each POST and, if it is not very old, `Sec-Fetch-Site`. A program such as curl sends
/// neither. The content type is one that forms cannot send and scripts need a preflight request for, which is never granted.
pub(super) fn objection(headers: &HeaderMap) -> Option<&'static str> {
    let json = header(headers, CONTENT_TYPE)
        .and_then(|content_type| content_type.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if !json {
        return Some("the content type must be application/json");
    }
    let fetched_elsewhere = headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin");
    let origin_elsewhere = headers.contains_key(ORIGIN) && !is_host(headers);
    (fetched_elsewhere || origin_elsewhere).then_some("a foreign web page must not act here")
}

fn is_host(headers: &HeaderMap) -> bool {
    let authority = header(headers, ORIGIN).and_then(|origin| origin.split_once("://"));
    authority.is_some_and(|(_, authority)| header(headers, HOST) == Some(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(headers: &[(&'static str, &'static str)]) -> bool {
        let fields = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
        });
        objection(&fields.collect()).is_some()
    }

    #[test]
    fn the_page_and_local_programs_may_act_and_foreign_pages_may_not() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:9000");
        let own = ("origin", "http://127.0.0.1:9000");
        assert!(!objects(&[json, host]));
        assert!(!objects(&[json, host, own, ("sec-fetch-site", "same-origin")]));
        assert!(objects(&[host, own]));
        assert!(objects(&[("content-type", "text/plain"), host, own]));
        for origin in
            ["http://127.0.0.1:8000", "http://foreign.example", "null", "http://127.0.0.1:9000.example"]
        {
            assert!(objects(&[json, host, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert!(objects(&[json, host, own, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(objects(&[json, own]), "without a host");
    }
}
