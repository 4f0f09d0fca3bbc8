//! The JSON of the cloud API's answers.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};

use super::{report::PlatformReport, status};
use crate::function::{
    Failure,
    remote::attempt::{AttemptError, FunctionAnswer},
};

/// What the API answered.
#[derive(Debug)]
pub(super) enum ApiResponse<T> {
    /// The action was carried out.
    Answer(T),
    /// It was not.
    Refused(ApiError),
}

/// Why a call was refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ApiError {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<T> {
    response: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MaybeRefused {
    error: Option<ApiError>,
}

/// The answer to `InvokeFunction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvokeFunctionResponse {
    result: FunctionResult,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionResult {
    ret_msg: Option<String>,
    err_msg: Option<String>,
    invoke_result: Option<i64>,
    function_request_id: Option<String>,
    /// In milliseconds.
    duration: Option<f64>,
}

/// Reads an answer; the error says what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<ApiResponse<T>, String> {
    let refused: Envelope<MaybeRefused> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if let Some(error) = refused.response.error {
        return Ok(ApiResponse::Refused(error));
    }
    let answer: Envelope<T> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(ApiResponse::Answer(answer.response))
}

impl InvokeFunctionResponse {
    /// The id under which the function's own log has this invocation.
    pub(super) fn function_request_id(&self) -> Option<&str> {
        self.result.function_request_id.as_deref()
    }

    /// The function's answer, or how it failed.
    pub(super) fn outcome(self, name: &str) -> Result<FunctionAnswer, AttemptError> {
        let result = self.result;
        let ret_msg = result.ret_msg.unwrap_or_default();
        let err_msg = result.err_msg.unwrap_or_default();
        let reported = PlatformReport::parse(&ret_msg);
        let failed = !err_msg.is_empty() || !matches!(result.invoke_result, None | Some(0));
        if !failed && !reported.is_of_platform() {
            let ran = result.duration.filter(|ms| ms.is_finite() && *ms >= 0.0);
            let ran = ran.map(|ms| Duration::from_secs_f64((ms / 1_000.0).min(86_400.0)));
            return Ok(FunctionAnswer { body: ret_msg.into(), ran });
        }
        let message = reported.error_message.filter(|message| !message.is_empty());
        let message = message.unwrap_or(if err_msg.is_empty() { ret_msg } else { err_msg });
        let by_status = reported.status_code.and_then(|code| status::error(name, code, &message));
        Err(by_status.unwrap_or_else(|| {
            let status = reported.status_code.map(|code| format!(" with status {code}")).unwrap_or_default();
            AttemptError::permanent(Failure::Error(format!("{name} failed{status}: {message}").into()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::remote::attempt::{Backend, Retryable};

    fn invocation(result: &str) -> Result<FunctionAnswer, AttemptError> {
        let body = format!(r#"{{"Response":{{"Result":{result},"RequestId":"r"}}}}"#);
        match read::<InvokeFunctionResponse>(body.as_bytes()).expect("an answer") {
            ApiResponse::Answer(invocation) => invocation.outcome("scf:chat"),
            ApiResponse::Refused(error) => panic!("refused: {error:?}"),
        }
    }

    #[test]
    fn the_vendors_example() {
        let answer = invocation(
            r#"{"MemUsage":3207168,"Log":"","RetMsg":"hello from scf","BillDuration":100,
                "FunctionRequestId":"6add56fa-58f1-11e8-89a9-5254005d5fdb","Duration":0.826,"ErrMsg":"","InvokeResult":0}"#,
        )
        .expect("an answer");
        assert_eq!(answer.body, "hello from scf");
        assert_eq!(answer.ran, Some(Duration::from_micros(826)));
    }

    #[test]
    fn a_function_that_failed() {
        let report = |status: u16| {
            format!(r#""{{\"errorCode\":-1,\"errorMessage\":\"it did not work\",\"statusCode\":{status}}}""#)
        };
        for (result, kind) in [
            (format!(r#"{{"RetMsg":{},"ErrMsg":"","InvokeResult":1}}"#, report(430)), "Error"),
            (format!(r#"{{"RetMsg":{},"ErrMsg":"","InvokeResult":0}}"#, report(430)), "Error"),
            (format!(r#"{{"RetMsg":{},"InvokeResult":-1}}"#, report(433)), "TimedOut"),
            (format!(r#"{{"RetMsg":{},"InvokeResult":-1}}"#, report(434)), "Crashed"),
            (format!(r#"{{"RetMsg":{},"InvokeResult":-1}}"#, report(439)), "Error"),
            (r#"{"RetMsg":"","ErrMsg":"it did not work"}"#.to_owned(), "Error"),
            (r#"{"RetMsg":"it did not work","ErrMsg":"","InvokeResult":-1}"#.to_owned(), "Error"),
        ] {
            let error = invocation(&result).expect_err(&result);
            assert!(format!("{:?}", error.failure).starts_with(kind), "{result}: {error:?}");
            assert!(error.failure.to_string().contains("it did not work"), "{error:?}");
            assert_eq!((error.retryable, error.backend), (Retryable::Never, Backend::Up), "{result}");
        }
        for status in [429, 432] {
            let error = invocation(&format!(r#"{{"RetMsg":{},"InvokeResult":-1}}"#, report(status)));
            let error = error.expect_err("throttled");
            assert_eq!((error.retryable, error.backend), (Retryable::Always, Backend::Up), "it did not run");
        }
    }

    #[test]
    fn a_long_message_of_a_function_is_cut() {
        let report = format!(
            r#"{{\"errorCode\":-1,\"errorMessage\":\"{}\",\"statusCode\":430}}"#,
            "x".repeat(5_000_000)
        );
        let error = invocation(&format!(r#"{{"RetMsg":"{report}","InvokeResult":1}}"#)).expect_err("failed");
        let message = error.failure.to_string();
        assert!(
            message.len() < 4200 && message.contains("x… (the first 4096 of 50000"),
            "{} bytes",
            message.len()
        );
    }

    #[test]
    fn a_functions_answer_that_mentions_errors_is_an_answer() {
        for answer in [
            r#"{\"errNo\":103,\"errMsg\":\"no\"}"#,
            r#"{\"errorCode\":0,\"errorMessage\":\"\"}"#,
            r#"{\"statusCode\":500}"#,
        ] {
            let result = format!(r#"{{"RetMsg":"{answer}","ErrMsg":"","InvokeResult":0}}"#);
            assert_eq!(invocation(&result).expect("an answer").body, answer.replace('\\', ""));
        }
    }

    #[test]
    fn a_refusal_and_rubbish() {
        let refused = br#"{"Response":{"Error":{"Code":"AuthFailure","Message":"no"},"RequestId":"r"}}"#;
        let answer = read::<InvokeFunctionResponse>(refused);
        assert!(matches!(answer, Ok(ApiResponse::Refused(error)) if error.code == "AuthFailure"));
        for rubbish in ["", "<html>", "{}", r#"{"Response":{}}"#, r#"{"Response":{"Result":null}}"#] {
            assert!(read::<InvokeFunctionResponse>(rubbish.as_bytes()).is_err(), "{rubbish}");
        }
    }
}
