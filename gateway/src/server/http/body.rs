//! The bodies of requests, which have a size, a time and a coding.

use std::time::Duration;

use axum::{
    BoxError,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONNECTION, TE, TRANSFER_ENCODING},
    },
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::timeout;

use super::PROGRESS_TIMEOUT;

/// How long a request's body may take from its head to its end.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request's body could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It has more bytes than allowed.
    #[error("the body is larger than {limit_bytes} bytes ({} MiB)", limit_bytes >> 20)]
    TooLarge { limit_bytes: usize },
    /// It ended before its announced length, or the connection was lost.
    #[error("the body was cut: {0}")]
    Cut(#[source] axum::Error),
    /// No progress for [`PROGRESS_TIMEOUT`].
    #[error("the body did not arrive: nothing came for {PROGRESS_TIMEOUT:?}")]
    Stalled,
    /// Not complete after [`BODY_TIMEOUT`].
    #[error("the body did not arrive within {BODY_TIMEOUT:?}")]
    Overdue,
}

impl BodyError {
    /// The status to answer with.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Cut(_) => StatusCode::BAD_REQUEST,
            Self::Stalled | Self::Overdue => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// Reads a body of at most `limit_bytes`. A larger one is read and discarded up to four times the limit, because a peer
/// that is still sending would see a connection reset instead of the refusal.
pub(crate) async fn read_body<B>(body: B, limit_bytes: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    timeout(BODY_TIMEOUT, read_to_end(body, limit_bytes)).await.unwrap_or(Err(BodyError::Overdue))
}

async fn read_to_end<B>(mut body: B, limit_bytes: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let Some(first) = next_chunk(&mut body).await? else { return Ok(Bytes::new()) };
    let mut seen_bytes = first.len();
    let mut rest: Option<BytesMut> = None;
    while let Some(chunk) = next_chunk(&mut body).await? {
        seen_bytes += chunk.len();
        if seen_bytes <= limit_bytes {
            rest.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&chunk);
        } else if seen_bytes > limit_bytes.saturating_mul(4) {
            break;
        }
    }
    if seen_bytes > limit_bytes {
        return Err(BodyError::TooLarge { limit_bytes });
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

async fn next_chunk<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    while !body.is_end_stream() {
        let frame = timeout(PROGRESS_TIMEOUT, body.frame()).await.map_err(|_| BodyError::Stalled)?;
        let Some(frame) = frame else { break };
        // What is no data is a trailer, which no request needs.
        if let Ok(data) = frame.map_err(|error| BodyError::Cut(axum::Error::new(error)))?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The answer to a request whose body is in another coding than `chunked`, of which hyper looks at the last one alone.
pub(super) fn unknown_coding(headers: &HeaderMap) -> Option<Response> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    let is_known = codings.next().is_none_or(is_chunked) && codings.next().is_none();
    // RFC 9110 forbids to name it here: whoever does means the other header.
    let asks_for_chunks = headers.get_all(TE).iter().filter_map(|te| te.to_str().ok());
    let misnamed = asks_for_chunks
        .flat_map(|te| te.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
    if is_known && !misnamed {
        return None;
    }
    let sentence = "the only transfer coding is chunked\n";
    Some((StatusCode::NOT_IMPLEMENTED, [(CONNECTION, "close")], sentence).into_response())
}
