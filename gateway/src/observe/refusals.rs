//! What is refused before it is anybody's: of each kind the operator sees a line in ten seconds, and all of them in a
//! metric.
//!
//! [`Refusals::refuse`] where something is refused. Whoever knocks from outside can neither fill the log nor go unseen.

use std::{fmt, sync::Arc};

use log::Level;

use super::{
    log_limit::LogLimit,
    metrics::{
        Metrics,
        labels::{Label as _, RefusalReason},
    },
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    metrics: Arc<Metrics>,
    log_limits: [LogLimit; RefusalReason::COUNT],
}

impl Refusals {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, log_limits: Default::default() }
    }

    /// Counts it, and logs the line unless there was one of its kind just now.
    pub(crate) fn refuse(&self, reason: RefusalReason, line: fmt::Arguments<'_>) {
        self.metrics.refused(reason);
        self.log_limits[reason.index()].log(level(reason), None, line);
    }
}

/// What clients of the internet do by themselves is no warning; what a wrong setting may be the reason of is one.
fn level(reason: RefusalReason) -> Level {
    match reason {
        RefusalReason::UnknownPath
        | RefusalReason::Malformed
        | RefusalReason::Origin
        | RefusalReason::Tls => Level::Info,
        RefusalReason::ProxyProtocol
        | RefusalReason::AdminPassword
        | RefusalReason::Host
        | RefusalReason::PushAddress
        | RefusalReason::WebPage => Level::Warn,
    }
}
