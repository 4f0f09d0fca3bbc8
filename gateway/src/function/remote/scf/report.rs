//! The platform's report of a failed function, which stands in `RetMsg` or in an error's message.

use serde::Deserialize;

/// What is in it; everything is absent from a text that is no report.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlatformReport {
    pub(super) error_code: Option<i64>,
    pub(super) error_message: Option<String>,
    pub(super) status_code: Option<u16>,
}

impl PlatformReport {
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The platform's own report has all three; an answer that looks like it would have to be made on purpose.
    pub(super) fn is_of_platform(&self) -> bool {
        self.error_code.is_some_and(|code| code != 0)
            && self.error_message.is_some()
            && self.status_code.is_some_and(|status| (400..600).contains(&status))
    }
}
