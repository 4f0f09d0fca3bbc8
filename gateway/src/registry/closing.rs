//! Who has ended a connection, and whether that is certain.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

/// How long a connection that another node has closed waits to hear whether the function that wanted it was answered.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(4);

/// Who has ended a connection.
#[derive(Debug, Clone)]
pub(crate) enum ClosedBy {
    /// The client, or this gateway.
    Client,
    /// A function, by a push.
    Function {
        /// Whether the cleanup function is to be called all the same.
        wants_cleanup: bool,
        /// Where the push came from another node: whether that one has answered it.
        confirmation: Option<Confirmation>,
    },
}

/// Whether the node that has asked for a close has answered the function in time.
#[derive(Debug, Clone)]
pub(crate) struct Confirmation(watch::Receiver<bool>);

impl Confirmation {
    /// The sender is set to true once it is confirmed, or dropped.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Whether it is confirmed in time.
    pub(super) async fn wait(mut self) -> bool {
        let given = timeout(CONFIRMATION_TIMEOUT, self.0.wait_for(|given| *given));
        matches!(given.await, Ok(Ok(_)))
    }
}
