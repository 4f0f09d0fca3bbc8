//! What a refusal of the cloud API means: which may pass, and for the others a sentence that says what to set.

use std::time::SystemTime;

use super::status;
use crate::function::{
    Failure,
    remote::attempt::{AttemptError, Retryable},
};

/// A refused call.
#[derive(Debug)]
pub(super) struct ScfRefusal<'a> {
    /// The function's.
    pub(super) name: &'a str,
    pub(super) region: &'a str,
    /// Where the credentials are set.
    pub(super) hint: &'a str,
    /// When the cloud answered, by its own clock.
    pub(super) date: Option<SystemTime>,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
}

/// Whether a refusal says that the credentials are not valid any more, so that new ones may be.
pub(super) fn is_of_token(code: &str) -> bool {
    matches!(
        code,
        "AuthFailure.TokenFailure" | "AuthFailure.SecretIdNotFound" | "AuthFailure.InvalidSecretId"
    )
}

/// Whether a code is one of a family: `LimitExceeded` itself and `LimitExceeded.…`.
fn within(code: &str, family: &str) -> bool {
    code.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl ScfRefusal<'_> {
    pub(super) fn error(&self) -> AttemptError {
        let status = status::of_refusal(self.code, self.message);
        status
            .and_then(|status| status::error(self.name, status, self.message))
            .or_else(|| self.passing())
            .unwrap_or_else(|| AttemptError::permanent(Failure::Misconfigured(self.lasting().into())))
    }

    fn passing(&self) -> Option<AttemptError> {
        let code = self.code;
        let said = self.said();
        if within(code, "RequestLimitExceeded") || within(code, "LimitExceeded") {
            return Some(AttemptError::not_run(format!(
                "{} is being called too often at present: {said}",
                self.name
            )));
        }
        let updating = [
            "FailedOperation.FunctionStatusError",
            "FailedOperation.FunctionNameStatusError",
            "FailedOperation.FunctionVersionStatusNotActive",
        ];
        if updating.contains(&code) {
            return Some(AttemptError::not_run(format!("{} is being updated: {said}", self.name)));
        }
        if within(code, "InternalError") || within(code, "ServiceUnavailable") {
            let message = format!("the cloud failed at the call of {}: {said}", self.name);
            return Some(AttemptError::down(message, Retryable::IfIdempotent));
        }
        None
    }

    /// What is wrong and will be at the next call too, and what to set.
    fn lasting(&self) -> String {
        let Self { name, region, hint, code, .. } = self;
        let said = self.said();
        if *code == "AuthFailure.SignatureExpire" {
            return format!(
                "the call of {name} is refused because of its time stamp: {said}; {}",
                self.clock()
            );
        }
        if is_wrong_region(code) {
            return format!("{name} cannot be called in the region {region}: {said}; see region in [scf]");
        }
        if within(code, "AuthFailure") {
            return format!("the signature of the call of {name} is refused: {said}; check {hint}");
        }
        if within(code, "UnauthorizedOperation") {
            return format!(
                "these credentials do not allow the call of {name}: {said}; allow them scf:InvokeFunction, or check {hint}"
            );
        }
        if within(code, "ResourceNotFound") || *code == "InvalidParameterValue.FunctionName" {
            return format!(
                "there is no {name} in the region {region}: {said}; check its namespace, name and qualifier, and region \
                 in [scf]"
            );
        }
        if code.ends_with(".InsufficientBalance") || code.ends_with(".AccountInsufficient") {
            return format!("{name} does not run because the account is in arrears: {said}; top it up");
        }
        format!("the call of {name} is refused: {said}")
    }

    fn said(&self) -> String {
        let message = self.message.trim().trim_end_matches(['.', '。']);
        if message.is_empty() { self.code.to_owned() } else { format!("{} ({message})", self.code) }
    }

    fn clock(&self) -> String {
        let now = SystemTime::now();
        let advice = "set the clock of this machine, for example with chrony or systemd-timesyncd";
        let Some(date) = self.date else { return advice.to_owned() };
        let (seconds, direction) = match now.duration_since(date) {
            Ok(ahead) => (ahead.as_secs(), "ahead of"),
            Err(behind) => (behind.duration().as_secs(), "behind"),
        };
        format!("this machine's clock is {seconds} s {direction} the cloud's: {advice}")
    }
}

fn is_wrong_region(code: &str) -> bool {
    within(code, "UnsupportedRegion")
        || matches!(
            code,
            "UnauthorizedOperation.Region"
                | "UnsupportedOperation.Region"
                | "UnsupportedOperation.NotSupportRegion"
                | "InvalidParameterValue.Region"
        )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::function::remote::attempt::Backend;

    fn error(code: &str, date: Option<SystemTime>) -> AttemptError {
        let hint = "TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY";
        ScfRefusal { name: "scf:chat", region: "ap-guangzhou", hint, date, code, message: "Said so." }.error()
    }

    #[test]
    fn which_may_pass() {
        for (code, retryable, backend) in [
            ("RequestLimitExceeded", Retryable::Always, Backend::Up),
            ("RequestLimitExceeded.UinLimitExceeded", Retryable::Always, Backend::Up),
            ("LimitExceeded.Quota", Retryable::Always, Backend::Up),
            ("FailedOperation.FunctionStatusError", Retryable::Always, Backend::Up),
            ("InternalError", Retryable::IfIdempotent, Backend::Down),
            ("InternalError.System", Retryable::IfIdempotent, Backend::Down),
            ("ServiceUnavailable", Retryable::IfIdempotent, Backend::Down),
            ("AuthFailure.SignatureFailure", Retryable::Never, Backend::Up),
            ("UnauthorizedOperation.CAM", Retryable::Never, Backend::Up),
            ("ResourceNotFound.Function", Retryable::Never, Backend::Up),
            ("InvalidParameter.Payload", Retryable::Never, Backend::Up),
            ("ResourceUnavailable.InsufficientBalance", Retryable::Never, Backend::Up),
            ("InternalErrors", Retryable::Never, Backend::Up),
            ("AnythingNew", Retryable::Never, Backend::Up),
        ] {
            let error = error(code, None);
            assert_eq!((error.retryable, error.backend), (retryable, backend), "{code}");
            let sentence = error.failure.to_string();
            assert!(sentence.contains(code) && sentence.contains("Said so") && sentence.contains("scf:chat"));
        }
    }

    #[test]
    fn says_what_to_set() {
        for (code, named) in [
            ("AuthFailure.SignatureFailure", "TENCENTCLOUD_SECRET_KEY"),
            ("AuthFailure.SecretIdNotFound", "TENCENTCLOUD_SECRET_ID"),
            ("UnauthorizedOperation", "scf:InvokeFunction"),
            ("ResourceNotFound.Function", "namespace"),
            ("ResourceNotFound.Namespace", "ap-guangzhou"),
            ("UnsupportedRegion", "region in [scf]"),
            ("UnauthorizedOperation.Region", "region in [scf]"),
            ("ResourceUnavailable.InsufficientBalance", "top it up"),
        ] {
            let sentence = error(code, None).failure.to_string();
            assert!(sentence.contains(named) && !sentence.contains('\n'), "{code}: {sentence}");
        }
    }

    #[test]
    fn a_wrong_clock_is_called_one() {
        let code = "AuthFailure.SignatureExpire";
        let cloud = SystemTime::now() - Duration::from_hours(1);
        let sentence = error(code, Some(cloud)).failure.to_string();
        assert!(
            sentence.contains("clock is 36") && sentence.contains(" s ahead of the cloud's"),
            "{sentence}"
        );
        let cloud = SystemTime::now() + Duration::from_hours(1);
        assert!(error(code, Some(cloud)).failure.to_string().contains("behind the cloud's"));
        assert!(error(code, None).failure.to_string().contains("set the clock"));
    }
}
