//! What the status of a function means, as the vendor's page of function status codes has it. It comes in the result of
//! an invocation, and the page leaves open whether it also comes as an error of the API or as an HTTP status.

use hyper::StatusCode;

use super::report::PlatformReport;
use crate::function::{
    Failure,
    remote::attempt::{AttemptError, Retryable},
};

/// The statuses that have names of their own.
const NAMES: [(&str, u16); 4] = [
    ("ResourceLimit", 429),
    ("ResourceLimitReached", 432),
    ("TimeLimitReached", 433),
    ("MemoryLimitReached", 434),
];

/// What a status means for the call of the function; `None` if nothing is known of it.
pub(super) fn error(name: &str, status: u16, message: &str) -> Option<AttemptError> {
    let error = match status {
        429 => AttemptError::not_run(format!(
            "{name} is being started too often at present (status 429): {message}"
        )),
        432 => AttemptError::not_run(format!(
            "{name} already runs as often at once as it may (status 432): {message}; raise its concurrency quota"
        )),
        430 => AttemptError::permanent(Failure::Error(
            format!("{name} failed with an error in its code (status 430): {message}").into(),
        )),
        433 => AttemptError::permanent(Failure::TimedOut(
            format!("{name} ran into its own time-out in the cloud (status 433): {message}; raise it there")
                .into(),
        )),
        434 => AttemptError::permanent(Failure::Crashed(
            format!("{name} ran out of memory (status 434): {message}; raise its memory size").into(),
        )),
        500 => AttemptError {
            retryable: Retryable::IfIdempotent,
            ..AttemptError::permanent(Failure::Error(
                format!("the cloud failed while {name} ran (status 500): {message}").into(),
            ))
        },
        _ => return None,
    };
    Some(error)
}

/// The status of the function that a refusal stands for, if it stands for one.
pub(super) fn of_refusal(code: &str, message: &str) -> Option<u16> {
    let in_code = code.split('.').find_map(|part| {
        let named = NAMES.iter().find(|(name, _)| *name == part).map(|(_, status)| *status);
        named.or_else(|| number(part))
    });
    in_code.or_else(|| PlatformReport::parse(message).status_code).or_else(|| {
        let first = message.split(|char: char| !char.is_ascii_digit()).next();
        first.and_then(number)
    })
}

/// The status of the function that an HTTP status stands for; most are what they are anywhere.
pub(super) fn of_http(status: StatusCode) -> Option<u16> {
    of_function(status.as_u16())
}

fn number(text: &str) -> Option<u16> {
    of_function(text.parse().ok()?)
}

fn of_function(status: u16) -> Option<u16> {
    (429..=434).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_may_stand_for_a_status() {
        for (code, message, status) in [
            ("FailedOperation.ResourceLimitReached", "", Some(432)),
            ("ResourceLimit", "", Some(429)),
            ("FailedOperation.433", "", Some(433)),
            ("FailedOperation.InvokeFunction", r#"{"errorCode":-1,"statusCode":434}"#, Some(434)),
            ("FailedOperation.InvokeFunction", "432 ResourceLimitReached", Some(432)),
            ("FailedOperation.InvokeFunction", "4321 functions", None),
            ("ResourceNotFound.Function", "no function 432", None),
            ("LimitExceeded.Quota", "", None),
        ] {
            assert_eq!(of_refusal(code, message), status, "{code}: {message}");
        }
    }
}
