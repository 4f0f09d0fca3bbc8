//! One call of a function, from its event to what it comes to: its turn, the place in the time line, the integration
//! response, the register function's verdict.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use log::warn;

use crate::{
    admission::{Admission, Place, Turn},
    contract::{Agreed, ClosingEvent, ConnectAnswer, encode},
    function::{Failure, Function, Role},
    ids, integration,
    timeline::{Call, Ticket, Timeline, Verdict},
};

/// The three functions of the API.
pub(crate) struct Functions {
    pub(crate) register: Callable,
    pub(crate) transfer: Callable,
    pub(crate) cleanup: Callable,
    /// Whether answers come as integration responses.
    pub(crate) integration_response: bool,
    pub(crate) timeline: Timeline,
}

/// A function, and how many of its events may run and wait.
pub(crate) struct Callable {
    pub(crate) function: Arc<dyn Function>,
    pub(crate) admission: Admission,
}

/// Whether a client may connect.
pub(crate) enum Decision {
    Accepted(Agreed),
    /// With the function's answer.
    Refused(Bytes),
    /// Too many events wait: the function was not called.
    Overloaded,
    /// The client has gone before the function was called.
    ClientGone,
}

/// An event that was not carried out.
pub(crate) struct Uncarried {
    pub(crate) failure: Failure,
    /// By which the log names the failure.
    pub(crate) request_id: String,
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
    /// Asks whether a client may connect, under the event's own request id. A client that goes once the function is
    /// called no longer matters.
    pub(crate) async fn register(
        &self,
        connection: &str,
        request_id: &str,
        event: Bytes,
        received: Instant,
        client_gone: impl Future<Output = ()>,
    ) -> Result<Decision, Failure> {
        let Some(place) = self.register.admission.try_place() else { return Ok(Decision::Overloaded) };
        let role = Role::Register;
        let call = Call { role, connection, event: &event, received, waited: Duration::ZERO, replay: false };
        let ticket = self.timeline.invocation(&call);
        let turn = tokio::select! {
            biased;
            turn = self.register.turn(Some(place), &ticket) => turn,
            () = client_gone => {
                let message = "the client has gone before the function was called".to_owned();
                ticket.decide(Verdict::Refused, Some(message), None);
                return Ok(Decision::ClientGone);
            }
        };
        self.decide(turn, request_id, event, ticket).await
    }

    async fn decide(
        &self,
        turn: Result<Turn, Failure>,
        request_id: &str,
        event: Bytes,
        ticket: Ticket,
    ) -> Result<Decision, Failure> {
        let answer = match self.invoke(&self.register, turn, request_id, event, &ticket).await {
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
    pub(crate) async fn transfer(
        &self,
        connection: &str,
        frame: Received,
        place: Option<Place>,
    ) -> Result<(), Uncarried> {
        let ticket = self.timeline.invocation(&Call {
            role: Role::Transfer,
            connection,
            event: &frame.event,
            received: frame.at,
            waited: frame.queued.elapsed(),
            replay: false,
        });
        self.carry_out(&self.transfer, place, frame.event, ticket).await
    }

    /// Tells that a client has left. Nobody is there to hear of a failure: it is logged. Waits without a place, because
    /// a closing event is never left out.
    pub(crate) async fn cleanup(&self, connection: &str) {
        let received = Instant::now();
        let event = match encode(&ClosingEvent::new(connection)) {
            Ok(event) => event,
            Err(error) => return warn!("no closing event for {connection}: {error}"),
        };
        let role = Role::Cleanup;
        let call = Call { role, connection, event: &event, received, waited: Duration::ZERO, replay: false };
        let ticket = self.timeline.invocation(&call);
        // Logged where it failed.
        let _ = self.carry_out(&self.cleanup, None, event, ticket).await;
    }

    /// Calls a function again with a recorded event. No connection is opened or closed by what it answers.
    pub(crate) async fn replay(&self, role: Role, connection: &str, event: Bytes) {
        let (received, waited) = (Instant::now(), Duration::ZERO);
        let call = Call { role, connection, event: &event, received, waited, replay: true };
        let ticket = self.timeline.invocation(&call);
        // The time line shows the outcome, and a failure is logged where it happened.
        match role {
            Role::Register => {
                let turn = self.register.turn(None, &ticket).await;
                drop(self.decide(turn, &request_id(), event, ticket).await);
            }
            Role::Transfer => drop(self.carry_out(&self.transfer, None, event, ticket).await),
            Role::Cleanup => drop(self.carry_out(&self.cleanup, None, event, ticket).await),
        }
    }

    /// From now on no function is called.
    pub(crate) fn stop(&self) {
        for callable in [&self.register, &self.transfer, &self.cleanup] {
            callable.admission.stop();
        }
    }

    async fn carry_out(
        &self,
        callable: &Callable,
        place: Option<Place>,
        event: Bytes,
        ticket: Ticket,
    ) -> Result<(), Uncarried> {
        let turn = callable.turn(place, &ticket).await;
        let request_id = request_id();
        match self.invoke(callable, turn, &request_id, event, &ticket).await {
            Ok(answer) => {
                ticket.decide(Verdict::Ok, None, Some(&answer));
                Ok(())
            }
            Err(failure) => {
                warn!(
                    "the {} function {} (request {request_id}, connection {}): {failure}",
                    ticket.role(),
                    failure.kind(),
                    ticket.connection()
                );
                Err(Uncarried { failure: fail(ticket, failure, None), request_id })
            }
        }
    }

    async fn invoke(
        &self,
        callable: &Callable,
        turn: Result<Turn, Failure>,
        request_id: &str,
        event: Bytes,
        ticket: &Ticket,
    ) -> Result<Bytes, Failure> {
        let _turn = turn?;
        let answer = callable.function.invoke(request_id, event, ticket).await?;
        if self.integration_response {
            integration::unwrap(&answer).map_err(Failure::Error)
        } else {
            Ok(answer)
        }
    }
}

impl Callable {
    async fn turn(&self, place: Option<Place>, ticket: &Ticket) -> Result<Turn, Failure> {
        let asked = Instant::now();
        let turn = self.admission.turn(place).await?;
        ticket.queued(asked.elapsed());
        Ok(turn)
    }
}

fn request_id() -> String {
    ids::request_id().unwrap_or_else(|error| {
        warn!("the system gave no random bytes for a request id: {error}");
        "none".to_owned()
    })
}

fn fail(ticket: Ticket, failure: Failure, answer: Option<&[u8]>) -> Failure {
    let verdict = match failure {
        Failure::Error(_) => Verdict::Error,
        Failure::TimedOut(_) => Verdict::Timeout,
        Failure::Crashed(_) | Failure::NeverReady(_) | Failure::Stopping => Verdict::Crashed,
    };
    ticket.decide(verdict, Some(failure.to_string()), answer);
    failure
}
