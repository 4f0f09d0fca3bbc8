//! A reverse push as it is shown.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

use super::{limits::PUSH_BYTES, payload::shown_push, time::epoch_ms};
use crate::contract::{Close, CompressedSize, Push, Recipients, Status};

/// A reverse push, and its answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pushed {
    /// `data send` or `closing`; `None` if the body is no reverse push.
    pub(super) action: Option<&'static str>,
    /// The connection that it named; `None` if it is a batch, or no reverse push.
    pub(super) connection: Option<String>,
    /// How many connections the batch named; `None` if it is no batch.
    pub(super) connections: Option<usize>,
    /// How many of the connections that it named it did not reach.
    pub(super) failed: usize,
    /// `text` or `binary`; `None` for `closing`.
    pub(super) data_type: Option<&'static str>,
    /// The data's beginning, Base64 if binary; the body's beginning if it is no reverse push.
    pub(super) data: Option<String>,
    /// The data's bytes, and what they were compressed to for clients that agreed on that.
    pub(super) frame_bytes: Option<usize>,
    #[serde(serialize_with = "bytes_of")]
    pub(super) compressed_bytes: CompressedSize,
    /// 0 = done.
    pub(super) err_no: u32,
    /// `ok`, or what went wrong.
    pub(super) err_msg: String,
    /// When it was answered, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

impl Pushed {
    pub(super) fn new(push: Result<&Push, &[u8]>, status: &Status, failed: usize) -> Self {
        let (action, data_type, data) = match push {
            Ok(Push::Send { frame, .. }) => {
                let (data_type, data) = match frame.as_text() {
                    Some(text) => ("text", shown_push(text.as_bytes())),
                    // As much as is shown of its Base64.
                    None => ("binary", STANDARD.encode(beginning(frame.payload(), PUSH_BYTES / 4 * 3))),
                };
                (Some("data send"), Some(data_type), Some(data))
            }
            Ok(Push::Close { close, .. }) if *close == Close::default() => (Some("closing"), None, None),
            Ok(Push::Close { close, .. }) => {
                let cleanup = if close.cleanup { ", with cleanup" } else { "" };
                let how = format!("{} {}{cleanup}", close.code, close.reason);
                (Some("closing"), None, Some(shown_push(how.as_bytes())))
            }
            Err(body) => (None, None, Some(shown_push(body))),
        };
        let (connection, connections) = match push.map(Push::to) {
            Ok(Recipients::One(id)) => (Some(id.clone()), None),
            Ok(Recipients::Batch(ids)) => (None, Some(ids.len())),
            Err(_) => (None, None),
        };
        let (frame_bytes, compressed_bytes) = match push {
            Ok(Push::Send { frame, .. }) => (Some(frame.len()), frame.compressed_size()),
            _ => (None, CompressedSize::default()),
        };
        let (err_no, err_msg) = (status.err_no, status.err_msg.clone());
        Self {
            action,
            connection,
            connections,
            failed,
            data_type,
            data,
            frame_bytes,
            compressed_bytes,
            err_no,
            err_msg,
            at_ms: epoch_ms(),
        }
    }

    /// Whether the body was no reverse push.
    pub(super) fn is_malformed(&self) -> bool {
        self.action.is_none()
    }
}

fn bytes_of<S: Serializer>(size: &CompressedSize, serializer: S) -> Result<S::Ok, S::Error> {
    size.bytes().serialize(serializer)
}

fn beginning(bytes: &[u8], limit_bytes: usize) -> &[u8] {
    &bytes[..bytes.len().min(limit_bytes)]
}
