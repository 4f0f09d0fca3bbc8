//! A function in the cloud: `InvokeFunction` of the cloud API, which answers when the function has.
//!
//! [`ScfClient`] is the account's side of it (endpoint, region, credentials), shared by all functions; a [`ScfFunction`] is
//! one function of it, named by a [`ScfTarget`].

mod answer;
mod check;
mod client;
pub mod credentials;
mod endpoint;
mod refusal;
mod report;
mod sign;
mod status;
mod target;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use log::debug;
use serde::Serialize;

use self::answer::InvokeFunctionResponse;
pub use self::{
    client::{RegionError, ScfClient},
    endpoint::{Endpoint, EndpointError},
    sign::authorization,
    target::{ScfTarget, ScfTargetError},
};
use super::attempt::{Attempt, AttemptError, FunctionAnswer};
use crate::{BoxFuture, contract::MAX_EVENT_BYTES, function::Call};

/// How long a kept connection may be idle. Servers of that kind wait for a minute; a new TLS connection takes two round
/// trips.
pub const IDLE: Duration = Duration::from_secs(30);

/// One function in the cloud.
#[derive(Debug)]
pub struct ScfFunction {
    client: Arc<ScfClient>,
    target: ScfTarget,
    name: String,
}

/// The parameters of `InvokeFunction`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters<'a> {
    function_name: &'a str,
    namespace: &'a str,
    qualifier: &'a str,
    event: &'a str,
    log_type: &'static str,
}

impl ScfFunction {
    /// The function of this name.
    #[must_use]
    pub fn new(client: Arc<ScfClient>, target: ScfTarget) -> Self {
        let name = target.to_string();
        Self { client, target, name }
    }

    async fn call(&self, call: &Call<'_>) -> Result<FunctionAnswer, AttemptError> {
        let parameters = self.parameters(&call.event).map_err(|why| {
            AttemptError::not_sent(format!("the event cannot be sent to {}: {why}", self.name))
        })?;
        let invocation: InvokeFunctionResponse =
            self.client.call(&self.name, "InvokeFunction", call.request_id, parameters).await?;
        debug!(
            "{}, request {}: the function's request id is {}",
            self.name,
            call.request_id,
            invocation.function_request_id().unwrap_or("unknown")
        );
        invocation.outcome(&self.name)
    }

    fn parameters(&self, event: &[u8]) -> Result<Bytes, String> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(format!("it has {} bytes, and the cloud takes 6 MiB at most", event.len()));
        }
        let parameters = Parameters {
            function_name: self.target.function(),
            namespace: self.target.namespace(),
            qualifier: self.target.qualifier(),
            event: std::str::from_utf8(event).map_err(|error| format!("it is no text: {error}"))?,
            log_type: "None",
        };
        let parameters = serde_json::to_vec(&parameters).map_err(|error| error.to_string())?;
        Ok(parameters.into())
    }
}

impl Attempt for ScfFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn attempt<'a>(&'a self, call: &'a Call<'_>) -> BoxFuture<'a, Result<FunctionAnswer, AttemptError>> {
        Box::pin(self.call(call))
    }

    fn check(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(check::check(&self.client, &self.target, &self.name))
    }
}
