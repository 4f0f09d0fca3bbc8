//! What a register function learns of a client's request: its headers and its query, as the connecting event carries
//! them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
};

use axum::http::{
    HeaderMap, Uri,
    header::{
        CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use serde::Serialize;

use crate::connection::web_function::PLATFORM_HEADERS;

/// Two fields of the connecting event.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestDetails {
    /// Names are in lower case; several values of a name are joined by `, `. Headers of the connection itself and of
    /// the WebSocket handshake are left out, likewise those of SCF's platform, and bytes that are not UTF-8 are replaced.
    pub headers: BTreeMap<String, String>,
    /// Names and values are decoded; several values of a name are joined by `,`.
    pub query_string: BTreeMap<String, String>,
}

/// Headers that are about one connection, not about the request (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
const WEBSOCKET: &str = "sec-websocket-";

impl RequestDetails {
    /// Of a request to connect.
    #[must_use]
    pub fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let named = named_by_connection(headers);
        let passed_on = headers.keys().filter(|name| {
            let name = name.as_str();
            !HOP_BY_HOP.iter().any(|hop| hop == name)
                && !name.starts_with(WEBSOCKET)
                && !name.starts_with(PLATFORM_HEADERS)
                && !named.iter().any(|hop| hop == name)
        });
        let query = uri.query().unwrap_or_default();
        Self {
            headers: passed_on.map(|name| (name.as_str().to_owned(), joined(headers, name))).collect(),
            query_string: query_string(query),
        }
    }
}

impl std::fmt::Debug for RequestDetails {
    /// Names only: values are cookies and tokens.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RequestDetails")
            .field("headers", &self.headers.keys())
            .field("query_string", &self.query_string.keys())
            .finish()
    }
}

/// The headers that the sender declares to be hop by hop, in lower case.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(CONNECTION).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<Cow<'_, str>> =
        headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    values.join(", ")
}

fn query_string(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match parameters.entry(name.into_owned()) {
            Entry::Vacant(first) => {
                first.insert(value.into_owned());
            }
            Entry::Occupied(mut several) => {
                let joined: &mut String = several.get_mut();
                joined.push(',');
                joined.push_str(&value);
            }
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn details(uri: &str, headers: &[(&str, &[u8])]) -> serde_json::Value {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        serde_json::to_value(RequestDetails::of(request.headers(), request.uri())).expect("JSON")
    }

    #[test]
    fn headers_have_lower_case_names_and_joined_values() {
        let headers: [(&str, &[u8]); 5] = [
            ("Authorization", b"Bearer abc"),
            ("X-Tag", b"one"),
            ("Cookie", b"a=1; b=2"),
            ("X-TAG", b"two, three"),
            ("X-Bytes", b"caf\xe9"),
        ];
        let expected = serde_json::json!({
            "headers": {
                "authorization": "Bearer abc",
                "cookie": "a=1; b=2",
                "x-bytes": "caf\u{fffd}",
                "x-tag": "one, two, three",
            },
            "queryString": {},
        });
        assert_eq!(details("/chat", &headers), expected);
    }

    #[test]
    fn headers_of_the_connection_and_the_handshake_are_left_out() {
        let headers: [(&str, &[u8]); 14] = [
            ("Connection", b"Upgrade, X-Hop"),
            ("Connection", b"x-other"),
            ("Keep-Alive", b"timeout=5"),
            ("Proxy-Authenticate", b"x"),
            ("Proxy-Authorization", b"x"),
            ("Proxy-Connection", b"x"),
            ("TE", b"trailers"),
            ("Trailer", b"x"),
            ("Transfer-Encoding", b"chunked"),
            ("Upgrade", b"websocket"),
            ("Sec-WebSocket-Key", b"x"),
            ("X-Hop", b"x"),
            ("X-Other", b"x"),
            ("Host", b"example.com"),
        ];
        let expected = serde_json::json!({ "headers": { "host": "example.com" }, "queryString": {} });
        assert_eq!(details("/chat", &headers), expected);
    }

    #[test]
    fn the_query_is_decoded() {
        let uri = "/chat?token=a%2Fb+c&empty=&flag&name=%C3%A4&tag=1&tag=2&=x&bad=%zz%ff";
        let expected = serde_json::json!({
            "": "x",
            "bad": "%zz\u{fffd}",
            "empty": "",
            "flag": "",
            "name": "ä",
            "tag": "1,2",
            "token": "a/b c",
        });
        assert_eq!(details(uri, &[])["queryString"], expected);
    }

    #[test]
    fn no_value_is_shown_in_a_log() {
        let request =
            Request::builder().uri("/?token=hunter2").header("cookie", "hunter2").body(()).expect("one");
        let shown = format!("{:?}", RequestDetails::of(request.headers(), request.uri()));
        assert!(shown.contains("cookie") && shown.contains("token") && !shown.contains("hunter2"), "{shown}");
    }
}
