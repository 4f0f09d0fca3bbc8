//! What operators ask of the gateway by programs: how it is, which connections it has, and to close some of them.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /admin/health` | [`health`] |
//! | `GET /admin/connections?…` | the newest that match, and a link to those before them |
//! | `GET /admin/connections/ID` | the connection, of whichever node |
//! | `POST /admin/close` | how many were closed, see [`close`] |
//!
//! docs/admin-api.md describes them.

mod close;
mod filter;
mod health;

use std::collections::BTreeMap;

use axum::http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use url::form_urlencoded::{Serializer, parse};

pub(super) use self::close::close;
use self::{filter::Filter, health::health};
use crate::{
    contract::Status,
    push::{ConnectionDetails, err_no},
    registry::ConnectionInfo,
    start::app::App,
};

const HEALTH: &str = "/admin/health";
const CONNECTIONS: &str = "/admin/connections";

/// How many connections are listed at once, unless the caller says so, and at most.
const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Whether a path is one of those that are read.
pub(super) fn is_read(path: &str) -> bool {
    path == HEALTH
        || path.strip_prefix(CONNECTIONS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A refusal: the status, which the body repeats as `errNo`, and a sentence.
pub(super) type Refusal = (StatusCode, String);

/// The answer to a GET on such a path, in JSON.
pub(super) async fn read(app: &App, uri: &Uri) -> Result<Vec<u8>, Refusal> {
    let json = match uri.path().strip_prefix(CONNECTIONS) {
        Some("") => {
            let asked = ConnectionQuery::of(uri.query().unwrap_or_default())
                .map_err(|error| (StatusCode::BAD_REQUEST, error))?;
            serde_json::to_vec(&asked.listed(app))
        }
        Some(id) => {
            let id = percent_decode_str(id.trim_start_matches('/')).decode_utf8_lossy();
            let info = app.push_address.look_up(&id).await.map_err(|error| {
                let is_gone = err_no(&error) == 404;
                let code = if is_gone { StatusCode::NOT_FOUND } else { StatusCode::SERVICE_UNAVAILABLE };
                (code, error.to_string())
            })?;
            serde_json::to_vec(&ConnectionDetails::of(&id, &info))
        }
        None => serde_json::to_vec(&health(app).await),
    };
    json.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Which connections are asked for.
struct ConnectionQuery<'q> {
    filter: Filter,
    limit: usize,
    before: Option<Position>,
    /// All of it but `before`, for the link to the next page.
    query: Vec<(std::borrow::Cow<'q, str>, std::borrow::Cow<'q, str>)>,
}

/// Where a connection stands in the list: when it was opened, and its id.
type Position = (u64, String);

#[derive(Serialize)]
struct ConnectionList<'a> {
    #[serde(flatten)]
    status: Status,
    /// How many match.
    total: usize,
    /// The newest first.
    connections: Vec<ConnectionDetails<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<'q> ConnectionQuery<'q> {
    fn of(query: &'q str) -> Result<Self, String> {
        let mut asked = Self { filter: Filter::default(), limit: LIMIT, before: None, query: Vec::new() };
        for (name, value) in parse(query.as_bytes()) {
            match &*name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    asked.limit = limit.ok_or(format!("limit is 1 to {MAX_LIMIT}"))?;
                }
                "before" => {
                    let position =
                        value.split_once('-').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
                    asked.before = Some(position.ok_or("before is what the link to the next page has")?);
                    continue;
                }
                name => asked.filter.set(name, &value)?,
            }
            asked.query.push((name, value));
        }
        Ok(asked)
    }

    fn listed(&self, app: &App) -> serde_json::Value {
        let (mut total, mut is_more) = (0, false);
        let mut newest: BTreeMap<Position, ConnectionInfo> = BTreeMap::new();
        app.registry.visit(&mut |id, info| {
            if !self.filter.matches(&info) {
                return;
            }
            total += 1;
            let position = (info.connected_at_ms, id.to_owned());
            if self.before.as_ref().is_some_and(|before| position >= *before) {
                return;
            }
            newest.insert(position, info);
            if newest.len() > self.limit {
                newest.pop_first();
                is_more = true;
            }
        });
        let next = newest.first_key_value().filter(|_| is_more).map(|(position, _)| self.link(position));
        let connections =
            newest.iter().rev().map(|((_, id), info)| ConnectionDetails::of(id, info)).collect();
        let listed = ConnectionList { status: Status::ok(), total, connections, next };
        serde_json::to_value(&listed).unwrap_or_default()
    }

    fn link(&self, (ms, id): &Position) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        query.append_pair("before", &format!("{ms}-{id}"));
        format!("{CONNECTIONS}?{}", query.finish())
    }
}
