//! Closes connections, as a function would: those that are named, or that a filter matches.

use serde::Deserialize;
use serde_json::json;

use super::filter::Filter;
use crate::{
    contract::{Attributes, Close, MAX_BATCH},
    start::app::App,
};

/// `{"address":"203.0.113.9","code":4001,"reason":"banned"}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CloseRequest {
    #[serde(rename = "secConnectionIDs")]
    connections: Option<Vec<String>>,
    path: Option<String>,
    address: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    code: Option<u16>,
    reason: Option<String>,
    cleanup: Option<bool>,
}

/// Answers with how many there were, and how many of them were closed. Their cleanup function is called, unless that is not
/// wanted.
pub(in crate::admin::page) async fn close(app: &App, body: &[u8]) -> Result<String, String> {
    let wanted: CloseRequest =
        serde_json::from_slice(body).map_err(|error| format!("the body names no connections: {error}"))?;
    let close = Close::new(wanted.code, wanted.reason.as_deref(), Some(wanted.cleanup.unwrap_or(true)))?;
    let mut filter = Filter::default();
    for (name, value) in [("path", &wanted.path), ("address", &wanted.address)] {
        if let Some(value) = value {
            filter.set(name, value)?;
        }
    }
    for (name, value) in &wanted.attributes {
        filter.set(&format!("attribute.{name}"), value)?;
    }
    let ids = match wanted.connections {
        Some(ids) if filter.is_empty() => ids,
        None if !filter.is_empty() => matching(app, &filter),
        _ => {
            let sentence = "name secConnectionIDs, or path, address or attributes; the path / is that of all";
            return Err(sentence.to_owned());
        }
    };
    let mut closed = 0;
    for batch in ids.chunks(MAX_BATCH) {
        closed += app.push_address.close(batch.to_vec(), close.clone()).await;
    }
    let (matched, code) = (ids.len(), close.code);
    log::info!("an operator has closed {closed} of {matched} connections ({code})");
    Ok(json!({"errNo": 0, "errMsg": "ok", "matched": matched, "closed": closed}).to_string())
}

fn matching(app: &App, filter: &Filter) -> Vec<String> {
    let mut ids = Vec::new();
    app.registry.visit(&mut |id, info| {
        if filter.matches(&info) {
            ids.push(id.to_owned());
        }
    });
    ids
}
