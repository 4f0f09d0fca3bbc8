//! Whether a function in the cloud could be called: its description is asked for, with the same signature, endpoint and
//! region, so that nothing is run and nothing is charged.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    client::{CallError, ScfClient},
    target::ScfTarget,
};
use crate::registry::ids;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetFunction<'a> {
    function_name: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    qualifier: Option<&'a str>,
    show_code: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetAlias<'a> {
    function_name: &'a str,
    name: &'a str,
    namespace: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetFunctionResponse {
    status: Option<String>,
}

#[derive(Deserialize)]
struct Alias {}

/// Either is a sentence; the function of this name.
pub(super) async fn check(client: &ScfClient, target: &ScfTarget, name: &str) -> Result<String, String> {
    let function = GetFunction {
        function_name: target.function(),
        namespace: target.namespace(),
        qualifier: target.is_version().then(|| target.qualifier()),
        show_code: "FALSE",
    };
    let function: GetFunctionResponse = match get(client, name, "GetFunction", &function).await {
        Ok(function) => function,
        Err(error) => return unknown(name, &error),
    };
    if !target.is_version() && !target.is_default() {
        let alias = GetAlias {
            function_name: target.function(),
            name: target.qualifier(),
            namespace: target.namespace(),
        };
        if let Err(error) = get::<Alias>(client, name, "GetAlias", &alias).await {
            return unknown(name, &error);
        }
    }
    match function.status.as_deref() {
        None | Some("Active" | "Updating" | "Publishing") => {
            Ok(format!("{name} is there, and the signature is accepted"))
        }
        Some(status) => {
            Err(format!("{name} is there, but its status is {status}: see its page in the console"))
        }
    }
}

async fn get<T: serde::de::DeserializeOwned>(
    client: &ScfClient,
    name: &str,
    action: &'static str,
    parameters: &impl Serialize,
) -> Result<T, CallError> {
    let parameters: Bytes = serde_json::to_vec(parameters).unwrap_or_default().into();
    let request_id = ids::request_id().unwrap_or_default();
    client.call(name, action, &request_id, parameters).await
}

/// Credentials that may call the function need not be allowed to look at it: their signature was accepted all the same.
fn unknown(name: &str, error: &CallError) -> Result<String, String> {
    if matches!(error.code.as_deref(), Some("UnauthorizedOperation" | "UnauthorizedOperation.CAM")) {
        return Ok(format!(
            "the signature is accepted, but whether {name} is there is unknown: these credentials do not allow \
             scf:GetFunction and scf:GetAlias"
        ));
    }
    Err(error.cause.failure.to_string())
}
