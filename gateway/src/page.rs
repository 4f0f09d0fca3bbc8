//! The page at `/` and the time line behind it at `/timeline`.

use axum::{
    http::{
        HeaderMap, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};

use crate::app::App;

const PAGE: &str = include_str!("page.html");

/// Whatever is at this path for somebody who does not ask for a WebSocket, if anything is.
pub(crate) fn at(app: &App, path: &str, headers: &HeaderMap) -> Option<Response> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let serve = match path {
        "/" => page,
        "/timeline" => timeline,
        _ => return None,
    };
    if !app.page.allows(host) {
        let sentence = "The page and the time line show payloads: they are served on the loopback address under \
                        `localhost` or its number, elsewhere only with --page.\n";
        return Some((StatusCode::FORBIDDEN, sentence).into_response());
    }
    Some(serve(app, host.unwrap_or_default()))
}

fn page(_: &App, host: &str) -> Response {
    // Everything is in the one file; it may talk to where it came from, and to nobody else. The WebSocket's origin is
    // named because not every browser takes `self` to include it.
    let policy = format!(
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; \
         connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, PAGE).into_response()
}

fn timeline(app: &App, _: &str) -> Response {
    app.timeline.stream().into_response()
}
