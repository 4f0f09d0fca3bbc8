//! The result of a message's pushes: counted, logged in one line, and an error if no push reached the gateway.

use std::error::Error as StdError;
use std::fmt;

use log::{debug, warn};

use super::outcome::PushOutcome;
use crate::event::ConnectionId;
use crate::log_text::excerpt;
use crate::store::StoreError;

/// How many connections received a message, and which of them no longer exist.
///
/// Its display form is a line for the log.
///
/// ```
/// # use scf_websocket::{Context, Result};
/// /// Whether the client still exists.
/// fn remind(id: &str, context: &mut Context<'_>) -> Result<bool> {
///     let report = context.push(id).text("your turn")?;
///     log::info!("{report}");
///     if report.failed() + report.untried() > 0 {
///         log::warn!("ask again");
///     }
///     Ok(report.gone().is_empty())
/// }
/// ```
#[derive(Debug, Default)]
pub struct PushReport {
    asked: usize,
    delivered: usize,
    refused: usize,
    unreached: usize,
    gone: Vec<String>,
    failed: Vec<String>,
    last_trouble: Option<String>,
}

/// Why a message was not pushed.
///
/// ```
/// # use scf_websocket::{Context, PushError, Result};
/// /// Pushes what may be lost.
/// fn hint(id: &str, context: &mut Context<'_>) -> Result<()> {
///     match context.push(id).text("someone is typing") {
///         Err(PushError::Unreachable { reason, .. }) => log::info!("no hint: {reason}"),
///         other => drop(other?),
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum PushError {
    /// `WS_PUSH_URL` is not set.
    NotConfigured,
    /// No push of the message reached the gateway before the deadline.
    Unreachable {
        /// The push address, without its path.
        address: String,
        /// The last failure.
        reason: String,
    },
    /// The members of the room could not be listed.
    Room(StoreError),
    /// The code is none that a function may close a connection with.
    CloseCode {
        /// The code.
        code: u16,
    },
    /// The reason is too long for a close frame.
    CloseReason {
        /// Its length.
        bytes: usize,
    },
    /// The value to push could not be serialised.
    Json {
        /// What the serialiser reports.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => {
                f.write_str("WS_PUSH_URL is not set; write the reverse push address, http://…")
            }
            Self::Room(e) => e.fmt(f),
            Self::CloseCode { code } => {
                write!(
                    f,
                    "a connection is closed with code 1000, 1008, 1011 or 3000 to 4999, not with {code}"
                )
            }
            Self::CloseReason { bytes } => {
                write!(f, "the reason of a close has at most 123 bytes, not {bytes}")
            }
            Self::Json { .. } => f.write_str("the value to push is not serialisable as JSON"),
            Self::Unreachable { address, reason } => {
                write!(f, "no push of this event reached the gateway at WS_PUSH_URL {address}: {reason}")
            }
        }
    }
}

impl StdError for PushError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotConfigured
            | Self::Unreachable { .. }
            | Self::CloseCode { .. }
            | Self::CloseReason { .. } => None,
            // The display form is the store error's own, so its source comes next.
            Self::Room(e) => e.source(),
            Self::Json { source } => Some(source.as_ref()),
        }
    }
}

impl PushReport {
    pub(crate) fn of(asked: usize) -> Self {
        Self { asked, ..Self::default() }
    }

    pub(crate) fn count(&mut self, connection: &str, outcome: PushOutcome) {
        let trouble = match outcome {
            PushOutcome::Delivered => {
                self.delivered += 1;
                return;
            }
            PushOutcome::Gone(why) => {
                self.gone.push(connection.to_owned());
                format!("refused for connection {:?}: {why}", excerpt(connection))
            }
            PushOutcome::Refused(why) => {
                self.refused += 1;
                self.failed.push(connection.to_owned());
                format!("refused for connection {:?}: {why}", excerpt(connection))
            }
            PushOutcome::Unreached(why) => {
                self.unreached += 1;
                self.failed.push(connection.to_owned());
                why
            }
        };
        debug!("push: {trouble}");
        self.last_trouble = Some(trouble);
    }

    /// Counts connections that the message was delivered to.
    pub(super) fn count_delivered(&mut self, connections: usize) {
        self.delivered += connections;
    }

    /// Counts the connections of a batch that share one outcome.
    pub(super) fn count_all(&mut self, batch: &[ConnectionId<'_>], outcome: PushOutcome) {
        let connections = batch.len();
        let trouble = match outcome {
            PushOutcome::Delivered => return self.count_delivered(connections),
            PushOutcome::Unreached(why) => {
                self.unreached += connections;
                why
            }
            // That a batch is gone says nothing about its connections.
            PushOutcome::Gone(why) | PushOutcome::Refused(why) => {
                self.refused += connections;
                format!("refused for a batch of {connections} connections: {why}")
            }
        };
        self.failed.extend(batch.iter().map(|connection| connection.as_str().to_owned()));
        debug!("push: {trouble}");
        self.last_trouble = Some(trouble);
    }

    /// Adds the counts of other pushes.
    pub(super) fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.unreached += other.unreached;
        self.gone.extend(other.gone);
        self.failed.extend(other.failed);
        self.last_trouble = other.last_trouble.or(self.last_trouble.take());
    }

    /// The number of connections that the message was meant for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// The number of connections that the gateway accepted the message for.
    #[must_use]
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// The ids of the connections that the gateway does not know (any more).
    #[must_use]
    pub fn gone(&self) -> &[String] {
        &self.gone
    }

    /// The number of pushes that the gateway refused for another reason, or that did not reach it.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.refused + self.unreached
    }

    /// The ids of those that count as failed.
    pub(crate) fn failed_ids(&self) -> &[String] {
        &self.failed
    }

    /// The number of connections that were not tried before the deadline.
    #[must_use]
    pub fn untried(&self) -> usize {
        self.asked - self.delivered - self.refused - self.unreached - self.gone.len()
    }

    /// Warns of pushes that failed or were not tried, and fails if none of them reached the gateway. That clients have
    /// left is no reason to warn: one that leaves with a thousand frames under way would be as many warnings.
    ///
    /// That no push arrives is an outage, which the function's monitoring must show; a refusal concerns a single
    /// connection.
    pub(crate) fn into_result(self, address: &dyn fmt::Display) -> Result<Self, PushError> {
        if self.failed() + self.untried() > 0 {
            warn!("{self}");
        } else if !self.gone.is_empty() {
            debug!("{self}");
        }
        let reached = self.delivered + self.refused + self.gone.len();
        if self.asked == 0 || reached > 0 {
            return Ok(self);
        }
        let reason = self.last_trouble.unwrap_or_else(|| "there was no time left to try".into());
        Err(PushError::Unreachable { address: address.to_string(), reason })
    }
}

impl fmt::Display for PushReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pushes asked={} delivered={} gone={} failed={} untried={}",
            self.asked,
            self.delivered,
            self.gone.len(),
            self.failed(),
            self.untried()
        )?;
        match &self.last_trouble {
            Some(trouble) => write!(f, " last_trouble={trouble:?}"),
            None => Ok(()),
        }
    }
}
