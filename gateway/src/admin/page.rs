//! The page at `/`, the timeline behind it at `/timeline`, and the actions that the page offers.
//!
//! [`entry`] gets each request that is no reverse push and answers those that are the page's: its files, the stream of
//! records, what [`api`] answers, the actions of [`actions`], and the client page of `--client-page`. Any other is a client's.

mod actions;
mod api;
mod origin;

use std::{fs, io, path::Path, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, UPGRADE,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};

use crate::{
    admin::{header::header, page_access::PageAccess},
    connection::handshake,
    start::app::App,
};

/// Where a client page is served, beside the page.
pub(crate) const CLIENT_PAGE: &str = "/client";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

macro_rules! files {
    ($($path:literal $content_type:ident $file:literal),+ $(,)?) => {
        /// Path, content type and text of each file.
        const FILES: &[(&str, &str, &str)] = &[$(($path, $content_type, include_str!(concat!("page/web/", $file)))),+];
    };
}

files! {
    "/" HTML "index.html",
    "/page/style.css" CSS "style.css",
    "/page/main.js" SCRIPT "main.js",
    "/page/actions.js" SCRIPT "actions.js",
    "/page/chinese.js" SCRIPT "chinese.js",
    "/page/client.js" SCRIPT "client.js",
    "/page/cluster.js" SCRIPT "cluster.js",
    "/page/connections.js" SCRIPT "connections.js",
    "/page/dom.js" SCRIPT "dom.js",
    "/page/figures.js" SCRIPT "figures.js",
    "/page/filters.js" SCRIPT "filters.js",
    "/page/follower.js" SCRIPT "follower.js",
    "/page/format.js" SCRIPT "format.js",
    "/page/frames.js" SCRIPT "frames.js",
    "/page/history.js" SCRIPT "history.js",
    "/page/own.js" SCRIPT "own.js",
    "/page/picture.js" SCRIPT "picture.js",
    "/page/row.js" SCRIPT "row.js",
    "/page/stream.js" SCRIPT "stream.js",
    "/page/timeline.js" SCRIPT "timeline.js",
    "/page/unfolded.js" SCRIPT "unfolded.js",
    "/page/words.js" SCRIPT "words.js",
}

/// Answers a request on any path: the page's here, any other as a client's.
pub(crate) async fn entry(State(app): State<Arc<App>>, request: Request) -> Response {
    match serve(&app, request).await {
        Ok(response) => response,
        Err(request) => handshake::entry(State(app), request).await,
    }
}

/// Likewise where no clients are but the page's own: what is no page and asks for no upgrade is not there.
pub(crate) async fn entry_for_operators(State(app): State<Arc<App>>, request: Request) -> Response {
    let served = if app.page == PageAccess::Disabled { Err(request) } else { serve(&app, request).await };
    match served {
        Ok(response) => response,
        Err(request) if request.headers().contains_key(UPGRADE) && app.page != PageAccess::Disabled => {
            handshake::entry(State(app), request).await
        }
        Err(_) => {
            let sentence = "there are /healthz, /readyz, /readyz/push, /metrics and, unless page = false, the page at / with the API at /admin/health\n";
            (StatusCode::NOT_FOUND, sentence).into_response()
        }
    }
}

/// The answer to a request that is the page's; any other request comes back.
async fn serve(app: &Arc<App>, request: Request) -> Result<Response, Request> {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let file = FILES.iter().find(|(at, ..)| *at == path);
    let action = actions::at(path).filter(|_| *request.method() == Method::POST);
    let client_page = app.client_page.clone().filter(|_| path == CLIENT_PAGE);
    let is_api = api::is_read(path);
    let is_data = is_api || path == "/timeline";
    let is_ours = action.is_some() || reads && (file.is_some() || client_page.is_some() || is_data);
    if !is_ours || request.headers().contains_key(UPGRADE) {
        return Err(request);
    }
    let host = header(request.headers(), HOST);
    if !app.page.allows(host) {
        let sentence = "The page and the timeline show payloads: they are served on the loopback address under \
                        the name `localhost` or its IP address, elsewhere only with --page.\n";
        return Ok((StatusCode::FORBIDDEN, sentence).into_response());
    }
    let host = host.unwrap_or_default();
    Ok(match (action, file, client_page) {
        (Some(action), ..) => actions::perform(app, action, request).await,
        (None, Some(file), _) => serve_file(file, host),
        (None, None, Some(client_page)) => serve_client_page(&client_page, host).await,
        (None, None, None) if is_api => match api::read(app, request.uri()).await {
            Ok(json) => answer(JSON, json, "default-src 'none'", host),
            Err((code, sentence)) => actions::refuse(code, &sentence),
        },
        (None, None, None) => timeline(app),
    })
}

fn serve_file((_, content_type, text): &'static (&str, &str, &str), host: &str) -> Response {
    answer(
        content_type,
        *text,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:",
        host,
    )
}

/// Reads the file for each request, so that a reload shows an edit. Its scripts and styles are part of it.
async fn serve_client_page(file: &Path, host: &str) -> Response {
    let path = file.to_owned();
    let read = tokio::task::spawn_blocking(move || fs::read(path)).await;
    match read.unwrap_or_else(|e| Err(io::Error::other(e))) {
        Ok(html) => answer(HTML, html, "default-src 'self' 'unsafe-inline' data: blob:", host),
        Err(e) => {
            let sentence = format!("{}, the file of --client-page, cannot be read: {e}\n", file.display());
            (StatusCode::NOT_FOUND, sentence).into_response()
        }
    }
}

fn answer(content_type: &'static str, body: impl Into<Body>, sources: &str, host: &str) -> Response {
    // A page may load files and connect only to where it came from. The WebSocket's origin is named because not every
    // browser takes `self` to include it.
    let policy = format!(
        "{sources}; connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    match HeaderValue::from_str(&policy) {
        Ok(policy) => headers.insert(CONTENT_SECURITY_POLICY, policy),
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    (headers, body.into()).into_response()
}

fn timeline(app: &App) -> Response {
    match &app.timeline {
        Some(timeline) => timeline.stream().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
