//! What became of the pushes of one event: counted, logged in one line, and turned into the outcome.

use std::fmt;

use log::{debug, warn};

use super::Push;
use super::call::Delivery;
use crate::excerpt::excerpt;
use crate::handler::Failure;

/// The count of an event's pushes.
#[derive(Debug, Default)]
pub struct Tally {
    asked: usize,
    delivered: usize,
    refused: usize,
    unreached: usize,
    gone: Vec<String>,
    last_trouble: Option<String>,
}

impl Tally {
    pub(super) fn of(asked: usize) -> Self {
        Self { asked, ..Self::default() }
    }

    pub(super) fn count(&mut self, connection: &str, delivery: Delivery) {
        let trouble = match delivery {
            Delivery::Delivered => {
                self.delivered += 1;
                return;
            }
            Delivery::Gone(why) => {
                self.gone.push(connection.to_owned());
                format!("refused for connection {:?}: {why}", excerpt(connection))
            }
            Delivery::Refused(why) => {
                self.refused += 1;
                format!("refused for connection {:?}: {why}", excerpt(connection))
            }
            Delivery::Unreached(why) => {
                self.unreached += 1;
                why
            }
        };
        debug!("push: {trouble}");
        self.last_trouble = Some(trouble);
    }

    /// Adds the count of other pushes.
    pub fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.unreached += other.unreached;
        self.gone.extend(other.gone);
        self.last_trouble = other.last_trouble.or(self.last_trouble.take());
    }

    /// Whether the gateway has dealt with every connection: it took the message or does not know it any more.
    #[must_use]
    pub fn all_delivered_or_gone(&self) -> bool {
        self.delivered + self.gone.len() == self.asked
    }

    /// The connections that the gateway does not know any more.
    #[must_use]
    pub fn gone(&self) -> Vec<&str> {
        self.gone.iter().map(String::as_str).collect()
    }

    fn untried(&self) -> usize {
        self.asked - self.delivered - self.refused - self.unreached - self.gone.len()
    }

    /// Logs a line where not all is delivered, and says whether the event has failed: it has when none of its
    /// pushes reached the gateway. That is an outage, and the function's monitoring must show it; a refusal
    /// is the gateway's word on one connection.
    pub fn into_result(self, push: &Push) -> Result<(), Failure> {
        if self.delivered < self.asked {
            warn!("{self}");
        }
        let reached = self.delivered + self.refused + self.gone.len();
        if self.asked == 0 || reached > 0 {
            return Ok(());
        }
        let why = self.last_trouble.unwrap_or_else(|| "there was no time left to try".into());
        Err(Failure::new(format!(
            "no push of this event reached the gateway at WS_PUSH_URL {}: {why}",
            push.caller.url()
        )))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pushes asked={} delivered={} gone={} failed={} untried={}",
            self.asked,
            self.delivered,
            self.gone.len(),
            self.refused + self.unreached,
            self.untried()
        )?;
        match &self.last_trouble {
            Some(trouble) => write!(f, " last_trouble={trouble:?}"),
            None => Ok(()),
        }
    }
}
