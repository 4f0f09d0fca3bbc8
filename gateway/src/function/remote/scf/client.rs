//! The cloud API: a signed call of an action, and its answer or what the lack of one means.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue, InvalidHeaderValue},
};
use serde::de::DeserializeOwned;

use super::{
    answer::{self, ApiError, ApiResponse},
    credentials::{CredentialSource, Credentials},
    endpoint::Endpoint,
    refusal::{self, ScfRefusal},
    sign, status,
};
use crate::{
    contract::MAX_EVENT_BYTES,
    function::{
        Failure,
        remote::{
            attempt::{AttemptError, Backend, Retryable},
            client::HttpClient,
            http::{excerpt, no_answer},
        },
    },
};

const VERSION: &str = "2018-04-16";
/// An answer of 6 MB may take six times as many bytes as a JSON string; the rest is small.
const MAX_RESPONSE_BYTES: usize = 6 * MAX_EVENT_BYTES + 64 * 1024;

/// The cloud API of one account in one region.
#[derive(Debug)]
pub struct ScfClient {
    client: HttpClient,
    endpoint: Endpoint,
    region: HeaderValue,
    credentials: CredentialSource,
}

/// The name of a region is empty or holds characters that no region has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no region: write it as in ap-guangzhou")]
pub struct RegionError(String);

/// A call without an answer.
#[derive(Debug)]
pub(super) struct CallError {
    pub(super) cause: AttemptError,
    /// If the API refused it.
    pub(super) code: Option<String>,
}

impl From<AttemptError> for CallError {
    fn from(error: AttemptError) -> Self {
        Self { cause: error, code: None }
    }
}

impl From<CallError> for AttemptError {
    fn from(error: CallError) -> Self {
        error.cause
    }
}

impl ScfClient {
    /// Calls the API at the endpoint for functions in the region, with these credentials.
    pub fn new(
        client: HttpClient,
        endpoint: Endpoint,
        region: &str,
        credentials: CredentialSource,
    ) -> Result<Self, RegionError> {
        let named = !region.is_empty()
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let region = HeaderValue::from_str(region)
            .ok()
            .filter(|_| named)
            .ok_or_else(|| RegionError(region.to_owned()))?;
        Ok(Self { client, endpoint, region, credentials })
    }

    /// The answer to an action, for a function of this name.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        name: &str,
        action: &'static str,
        request_id: &str,
        parameters: Bytes,
    ) -> Result<T, CallError> {
        let credentials = self.credentials.get(&self.client).await?;
        let request = self.request(&credentials, action, request_id, parameters).map_err(|error| {
            AttemptError::not_sent(format!("the call of {name} cannot be signed: {error}"))
        })?;
        let answer = self.client.send(request, MAX_RESPONSE_BYTES).await;
        let answer = answer.map_err(|error| no_answer(&format!("{name} (at {})", self.endpoint), error))?;
        let shown =
            || credentials.redact(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)]));
        if answer.status != StatusCode::OK {
            return Err(not_ok(name, answer.status, &excerpt(shown().as_bytes())).into());
        }
        match answer::read(&answer.body) {
            Ok(ApiResponse::Answer(answer)) => Ok(answer),
            Ok(ApiResponse::Refused(error)) => Err(self.refused(name, &credentials, error, &answer.headers)),
            Err(why) => {
                let why = credentials.redact(&why);
                Err(unreadable(name, &why, &excerpt(shown().as_bytes())).into())
            }
        }
    }

    fn refused(
        &self,
        name: &str,
        credentials: &Arc<Credentials>,
        error: ApiError,
        headers: &HeaderMap,
    ) -> CallError {
        if refusal::is_of_token(&error.code) {
            self.credentials.discard(credentials);
        }
        let refusal = ScfRefusal {
            name,
            region: self.region.to_str().unwrap_or_default(),
            hint: &self.credentials.hint(),
            date: server_date(headers),
            code: &error.code,
            message: &credentials.redact(&error.message),
        };
        CallError { cause: refusal.error(), code: Some(error.code) }
    }

    fn request(
        &self,
        credentials: &Credentials,
        action: &'static str,
        request_id: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let timestamp = i64::try_from(timestamp).unwrap_or_default();
        let host = self.endpoint.host();
        let authorization = sign::authorization(
            credentials.secret_id(),
            credentials.secret_key(),
            host.to_str().unwrap_or_default(),
            timestamp,
            &body,
        );
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.uri().clone())
            .header(HOST, host)
            .header(CONTENT_TYPE, sign::CONTENT_TYPE)
            .header(AUTHORIZATION, secret(&authorization)?)
            .header("x-tc-action", action)
            .header("x-tc-version", VERSION)
            .header("x-tc-region", &self.region)
            .header("x-tc-timestamp", timestamp)
            .header("x-tc-language", "en-US")
            .header("x-tc-traceid", request_id);
        if let Some(token) = credentials.token() {
            request = request.header("x-tc-token", secret(token.expose())?);
        }
        request.body(Full::new(body))
    }
}

/// A header that no `Debug` output shows.
fn secret(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// When the cloud answered, by its own clock.
fn server_date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// The API answers 200 to everything that it has understood; other statuses come from something before it.
fn not_ok(name: &str, status: StatusCode, shown: &str) -> AttemptError {
    if let Some(error) = status::of_http(status).and_then(|code| status::error(name, code, shown)) {
        return error;
    }
    let message = format!("the cloud API answered the call of {name} with {status}: {shown}");
    if status.is_server_error() {
        AttemptError::down(message, Retryable::IfIdempotent)
    } else {
        AttemptError::permanent(Failure::Error(message.into()))
    }
}

fn unreadable(name: &str, why: &str, shown: &str) -> AttemptError {
    let message = format!("the cloud API's answer to the call of {name} is unreadable ({why}): {shown}");
    AttemptError {
        failure: Failure::Error(message.into()),
        retryable: Retryable::IfIdempotent,
        backend: Backend::Down,
        retry_after: None,
    }
}
