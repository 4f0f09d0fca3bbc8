//! One call of a function, from its event to what it comes to: the place in the time line, the integration response,
//! the register function's verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::warn;

use crate::{
    contract::{Agreed, ClosingEvent, ConnectAnswer, encode},
    function::{Failure, Function, Role},
    integration,
    timeline::{Ticket, Timeline, Verdict},
};

/// The three functions of the API.
pub(crate) struct Functions {
    pub(crate) register: Arc<dyn Function>,
    pub(crate) transfer: Arc<dyn Function>,
    pub(crate) cleanup: Arc<dyn Function>,
    /// Whether answers come as integration responses.
    pub(crate) integration_response: bool,
    pub(crate) timeline: Timeline,
}

/// The register function's decision.
pub(crate) enum Decision {
    Accepted(Agreed),
    /// With the function's answer.
    Refused(Bytes),
}

/// A frame's event, on its way to the transfer function.
pub(crate) struct Received {
    pub(crate) event: Bytes,
    /// When the frame had arrived.
    pub(crate) at: Instant,
    /// When the event was laid into the connection's queue.
    pub(crate) queued: Instant,
}

impl Functions {
    /// Asks whether a client may connect.
    pub(crate) async fn register(
        &self,
        connection: &str,
        event: Bytes,
        received: Instant,
    ) -> Result<Decision, Failure> {
        let ticket = self.timeline.invocation(Role::Register, connection, &event, received, Duration::ZERO);
        let answer = match self.invoke(&*self.register, event, &ticket).await {
            Ok(answer) => answer,
            Err(failure) => return Err(fail(ticket, failure, None)),
        };
        match serde_json::from_slice::<ConnectAnswer>(&answer) {
            Ok(verdict) if verdict.err_no == 0 => {
                ticket.decide(Verdict::Ok, None, Some(&answer));
                Ok(Decision::Accepted(verdict.websocket.unwrap_or_default()))
            }
            Ok(verdict) => {
                let message = format!("errNo {}: {}", verdict.err_no, verdict.err_msg);
                ticket.decide(Verdict::Refused, Some(message), Some(&answer));
                Ok(Decision::Refused(answer))
            }
            Err(error) => {
                let message = format!("the register function's answer decides nothing: {error}");
                Err(fail(ticket, Failure::Error(message), Some(&answer)))
            }
        }
    }

    /// Hands a client's frame on. What the function answers does not matter.
    pub(crate) async fn transfer(&self, connection: &str, frame: Received) -> Result<(), Failure> {
        let waited = frame.queued.elapsed();
        let ticket = self.timeline.invocation(Role::Transfer, connection, &frame.event, frame.at, waited);
        self.carry_out(&*self.transfer, frame.event, ticket).await
    }

    /// Tells that a client has left. Nobody is there to hear of a failure: it is logged.
    pub(crate) async fn cleanup(&self, connection: &str) {
        let received = Instant::now();
        let event = match encode(&ClosingEvent::new(connection)) {
            Ok(event) => event,
            Err(error) => return warn!("no closing event for {connection}: {error}"),
        };
        let ticket = self.timeline.invocation(Role::Cleanup, connection, &event, received, Duration::ZERO);
        // Logged where it failed.
        let _ = self.carry_out(&*self.cleanup, event, ticket).await;
    }

    async fn carry_out(&self, function: &dyn Function, event: Bytes, ticket: Ticket) -> Result<(), Failure> {
        match self.invoke(function, event, &ticket).await {
            Ok(answer) => {
                ticket.decide(Verdict::Ok, None, Some(&answer));
                Ok(())
            }
            Err(failure) => Err(fail(ticket, failure, None)),
        }
    }

    async fn invoke(&self, function: &dyn Function, event: Bytes, ticket: &Ticket) -> Result<Bytes, Failure> {
        let answer = function.invoke(event, ticket).await?;
        if self.integration_response {
            integration::unwrap(&answer).map_err(Failure::Error)
        } else {
            Ok(answer)
        }
    }
}

fn fail(ticket: Ticket, failure: Failure, answer: Option<&[u8]>) -> Failure {
    let verdict = match failure {
        Failure::Error(_) => Verdict::Error,
        Failure::TimedOut(_) => Verdict::Timeout,
        Failure::Crashed(_) | Failure::NeverReady(_) | Failure::Stopping => Verdict::Crashed,
    };
    warn!("{} for {}: {failure}", ticket.role(), ticket.connection());
    ticket.decide(verdict, Some(failure.to_string()), answer);
    failure
}
