//! The answers of the push address: the vendor's `errNo` and `errMsg` first, then what this gateway adds.

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::{
    contract::{Attributes, MAX_BATCH, Status},
    registry::{ConnectionInfo, DeliveryError, Traffic},
};

/// The answer to most pushes.
const OK: &str = r#"{"errNo":0,"errMsg":"ok","batch":1000}"#;

/// An answer. Each one offers batches.
#[derive(Serialize)]
struct PushAnswer<'a> {
    #[serde(flatten)]
    status: &'a Status,
    batch: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a [FailedDelivery<'a>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionDetails<'a>>,
}

/// A connection of a batch that was not reached.
pub(super) struct FailedDelivery<'a> {
    pub(super) connection: &'a str,
    pub(super) error: &'a DeliveryError,
}

/// What is known of a connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionDetails<'a> {
    #[serde(rename = "secConnectionID")]
    connection: &'a str,
    path: &'a str,
    source_ip: std::net::IpAddr,
    connected_at: u64,
    last_active_at: u64,
    waiting_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Attributes>,
    #[serde(flatten)]
    traffic: Option<Traffic>,
}

impl<'a> ConnectionDetails<'a> {
    pub(crate) fn of(connection: &'a str, info: &'a ConnectionInfo) -> Self {
        Self {
            connection,
            path: &info.path,
            source_ip: info.source_ip,
            connected_at: info.connected_at_ms,
            last_active_at: info.last_active_at_ms,
            waiting_bytes: info.waiting_bytes,
            attributes: info.attributes.as_deref(),
            traffic: info.traffic,
        }
    }
}

impl Serialize for FailedDelivery<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut failed = serializer.serialize_struct("FailedDelivery", 3)?;
        failed.serialize_field("secConnectionID", self.connection)?;
        failed.serialize_field("errNo", &err_no(self.error))?;
        failed.serialize_field("errMsg", &Sentence(self.error))?;
        failed.end()
    }
}

struct Sentence<'a>(&'a DeliveryError);

impl Serialize for Sentence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// 404: the function forgets the connection, which is gone or about to be. 503: it keeps it.
pub(crate) fn err_no(error: &DeliveryError) -> u32 {
    match error {
        DeliveryError::NotFound | DeliveryError::TooSlow => 404,
        DeliveryError::Unreachable(_) => 503,
    }
}

/// The answer to a push for one connection, or to what is no push.
pub(super) fn status(code: StatusCode, status: &Status) -> Response {
    if status.err_no == 0 {
        return json(code, Bytes::from_static(OK.as_bytes()));
    }
    encode(code, &PushAnswer { status, batch: MAX_BATCH, failed: None, connection: None })
}

/// The answer to a batch.
pub(super) fn batch(failed: &[FailedDelivery<'_>]) -> Response {
    let status = &Status::ok();
    encode(StatusCode::OK, &PushAnswer { status, batch: MAX_BATCH, failed: Some(failed), connection: None })
}

/// The answer to a look at a connection.
pub(super) fn found(connection: &str, info: &ConnectionInfo) -> Response {
    let (status, connection) = (&Status::ok(), Some(ConnectionDetails::of(connection, info)));
    encode(StatusCode::OK, &PushAnswer { status, batch: MAX_BATCH, failed: None, connection })
}

fn encode(code: StatusCode, answer: &PushAnswer<'_>) -> Response {
    // Numbers and strings always have a JSON form.
    json(code, serde_json::to_vec(answer).unwrap_or_default())
}

fn json(code: StatusCode, body: impl Into<Body>) -> Response {
    (code, [(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &PushAnswer<'_>) -> String {
        serde_json::to_string(answer).expect("JSON")
    }

    #[test]
    fn the_vendors_fields_come_first() {
        let (ok, refused) = (Status::ok(), Status::refused(404, "no \"such\""));
        let plain = |status| PushAnswer { status, batch: MAX_BATCH, failed: None, connection: None };
        assert_eq!(text(&plain(&ok)), OK);
        for status in [&ok, &refused] {
            let vendors = status.to_json();
            let start = vendors.strip_suffix('}').expect("an object");
            assert_eq!(text(&plain(status)), format!(r#"{start},"batch":1000}}"#));
        }
    }

    #[test]
    fn a_batch_lists_those_that_it_did_not_reach() {
        let errors = [DeliveryError::NotFound, DeliveryError::Unreachable("its \"node\"".into())];
        let failed: Vec<_> = ["a", "b"]
            .into_iter()
            .zip(&errors)
            .map(|(connection, error)| FailedDelivery { connection, error })
            .collect();
        let answer =
            PushAnswer { status: &Status::ok(), batch: MAX_BATCH, failed: Some(&failed), connection: None };
        let parsed: serde_json::Value = serde_json::from_str(&text(&answer)).expect("JSON");
        assert_eq!(parsed["failed"][0]["secConnectionID"], "a");
        assert_eq!(parsed["failed"][0]["errNo"], 404);
        assert_eq!(parsed["failed"][1]["errNo"], 503);
        let sentence = parsed["failed"][1]["errMsg"].as_str().expect("a sentence");
        assert!(sentence.ends_with("its \"node\""), "{sentence}");
    }
}
