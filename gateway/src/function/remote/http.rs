//! A function at an HTTP address: POST of the event, status 200 and the answer in the body. Anything else is a failure
//! with its status.
//!
//! Status 429, and 503 with `Retry-After`, say that the function did not run: the event is sent again. After any other
//! status of 500 and above it may have run, so that only register and cleanup events are sent again.

mod address;
mod retry_after;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
    http::request,
};

pub use self::address::{Address, AddressError};
use self::retry_after::retry_after;
use super::{
    attempt::{Attempt, AttemptError, Backend, FunctionAnswer, Retryable},
    client::{HttpAnswer, HttpClient, SendError},
};
use crate::{
    BoxFuture,
    contract::{
        MAX_EVENT_BYTES,
        trace_context::{TRACEPARENT, traceparent},
    },
    function::{Call, Failure},
};

/// How long a kept connection may be idle: less than servers wait by default (Node.js and uvicorn 5 s), so that they do
/// not close one that is just being used.
pub const IDLE: Duration = Duration::from_secs(4);

/// How much of an answer that is no answer a message shows.
const SHOWN_CHARS: usize = 200;

/// A function at an HTTP address.
#[derive(Debug)]
pub struct HttpFunction {
    client: HttpClient,
    address: Address,
}

impl HttpFunction {
    /// The function at this address.
    #[must_use]
    pub fn new(client: HttpClient, address: Address) -> Self {
        Self { client, address }
    }

    async fn post(&self, call: &Call<'_>) -> Result<FunctionAnswer, AttemptError> {
        let mut request = self
            .request(Method::POST)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("x-websocket-role", call.role.name())
            .header("x-request-id", call.request_id);
        if let Some(trace) = call.trace.map(str::to_owned).or_else(|| traceparent(call.request_id)) {
            request = request.header(TRACEPARENT, trace);
        }
        let answer = self.send(request, call.event.clone()).await?;
        if answer.status == StatusCode::OK {
            return Ok(FunctionAnswer { body: answer.body, ran: None });
        }
        Err(self.refused(&answer))
    }

    fn request(&self, method: Method) -> request::Builder {
        Request::builder().method(method).uri(self.address.uri().clone())
    }

    async fn send(&self, request: request::Builder, body: Bytes) -> Result<HttpAnswer, AttemptError> {
        let request = request.body(Full::new(body)).map_err(|error| {
            AttemptError::not_sent(format!("the request to {} cannot be made: {error}", self.name()))
        })?;
        let answer = self.client.send(request, MAX_EVENT_BYTES).await;
        answer.map_err(|error| no_answer(self.name(), error))
    }

    fn refused(&self, answer: &HttpAnswer) -> AttemptError {
        let status = answer.status;
        let message = format!("{} answered {status}{}", self.name(), shown(answer));
        let retry_after = retry_after(&answer.headers);
        match status {
            StatusCode::TOO_MANY_REQUESTS => AttemptError { retry_after, ..AttemptError::not_run(message) },
            StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
                AttemptError { retry_after, ..AttemptError::down(message, Retryable::Always) }
            }
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                AttemptError::down(message, Retryable::IfIdempotent)
            }
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
                AttemptError::permanent(Failure::Error(message.into()))
            }
            // Fails on some events, for all that is known, and not on others: it is not down.
            _ if status.is_server_error() => AttemptError {
                retryable: Retryable::IfIdempotent,
                ..AttemptError::permanent(Failure::Error(message.into()))
            },
            _ => AttemptError::permanent(Failure::Error(message.into())),
        }
    }

    /// Any answer shows that a server speaks HTTP there; a HEAD request does not call the function.
    async fn head(&self) -> Result<String, String> {
        let answer = self.send(self.request(Method::HEAD), Bytes::new()).await;
        let answer = answer.map_err(|error| error.failure.to_string())?;
        let status = answer.status;
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            return Err(format!("{} answered a HEAD request with {status}", self.name()));
        }
        Ok(format!("{} can be reached; whether it is the function shows in the first call", self.name()))
    }
}

impl Attempt for HttpFunction {
    fn name(&self) -> &str {
        self.address.shown()
    }

    fn attempt<'a>(&'a self, call: &'a Call<'_>) -> BoxFuture<'a, Result<FunctionAnswer, AttemptError>> {
        Box::pin(self.post(call))
    }

    fn check(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(self.head())
    }
}

/// What a request without an answer means; the name is the function's.
pub(super) fn no_answer(name: &str, error: SendError) -> AttemptError {
    match error {
        SendError::NotTrusted(why) => {
            let message = format!("the certificate of {name} is not accepted ({why}); see SSL_CERT_FILE");
            AttemptError::down(message, Retryable::Never)
        }
        SendError::NotSent(why) => {
            AttemptError::down(format!("{name} cannot be reached: {why}"), Retryable::Always)
        }
        SendError::Cut(why) => {
            let failure = Failure::Crashed(format!("the answer of {name} was cut: {why}").into());
            AttemptError {
                failure,
                retryable: Retryable::IfIdempotent,
                backend: Backend::Down,
                retry_after: None,
            }
        }
        SendError::TooLarge => AttemptError::permanent(Failure::Error(
            format!("the answer of {name} is larger than 6 MiB").into(),
        )),
    }
}

/// What a message shows of an answer: the beginning of its text, or where it redirects to.
fn shown(answer: &HttpAnswer) -> String {
    if answer.status.is_redirection() {
        let location =
            answer.headers.get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()));
        let location = location.unwrap_or_default();
        return format!(" to {}; redirects are not followed", excerpt(location.as_bytes()));
    }
    let excerpt = excerpt(&answer.body);
    if excerpt.is_empty() { excerpt } else { format!(": {excerpt}") }
}

/// The beginning of a text, on one line.
pub(super) fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN_CHARS)]);
    let printable = text.chars().map(|char| if char.is_control() { ' ' } else { char });
    let line: String = printable.take(SHOWN_CHARS).collect();
    line.trim().to_owned()
}
