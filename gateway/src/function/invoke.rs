//! Calls an API's functions: waits for the event's turn, passes it to the function's backend, unwraps an integration
//! response, reads the register function's decision.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use log::{Level, warn};

use crate::{
    contract::{Agreed, ClosingEvent, ConnectAnswer, Object, STORE_UNAVAILABLE, encode},
    function::{
        Call, Failure, FailureMessage, FunctionBackend, Role,
        call_limit::{CallLimit, QueueSlot, RunPermit},
        integration_response,
        invocation::{Invocation, Subject},
    },
    observe::{
        log_limit::{self, LogLimit},
        metrics::ApiMetrics,
        report::{InvocationOutcome, Report, Reports},
    },
    registry::{ConnectionRecord, ids},
};

/// The connection that an event is about, and the trace that its handshake was part of.
pub(crate) type Of<'a> = (&'a str, Option<&'a str>);

/// The three functions of an API.
pub(crate) struct Functions {
    pub(crate) register: Function,
    pub(crate) transfer: Function,
    pub(crate) cleanup: Function,
    /// Whether answers come as integration responses.
    pub(crate) integration_response: bool,
    /// The path of the API.
    pub(crate) api: Arc<str>,
    pub(crate) reports: Reports,
    pub(crate) metrics: Arc<ApiMetrics>,
    /// Whether each invocation is a line of the log, with its times.
    pub(crate) trace: bool,
    /// The lines about clients that are refused.
    pub(crate) refused_clients: LogLimit,
}

/// A function, and how many of its events may run and wait.
pub(crate) struct Function {
    pub(crate) backend: Arc<dyn FunctionBackend>,
    pub(crate) limit: CallLimit,
    pub(crate) log_limits: FunctionLogLimits,
}

/// The lines about a function's failures.
pub(crate) struct FunctionLogLimits {
    /// Of those that say nothing about a single event: the backend, or the function's store, is away or overloaded.
    pub(crate) backend: LogLimit,
    /// Of those that are an event's own.
    pub(crate) events: LogLimit,
}

impl Default for FunctionLogLimits {
    fn default() -> Self {
        Self { backend: LogLimit::default(), events: LogLimit::new(log_limit::SINGLE) }
    }
}

/// Whether a client may connect.
pub(crate) enum Registration {
    Accepted(Agreed),
    /// With the function's answer, and its `errNo`.
    Refused(i64, Bytes),
    /// The function's store cannot record the client.
    StoreUnavailable,
    /// Too many events wait: the function was not called.
    NoSlot,
    /// The client has gone before the function was called.
    ClientGone,
}

/// An event that was not carried out.
pub(crate) struct FailedInvocation {
    pub(crate) failure: Failure,
    /// By which the log names the failure.
    pub(crate) request_id: String,
}

/// A frame's event, on its way to the transfer function.
pub(crate) struct FrameEvent {
    pub(crate) event: Bytes,
    /// The payload's bytes as they came and once inflated, if it was compressed.
    pub(crate) inflated: Option<(usize, usize)>,
    /// When the frame had arrived.
    pub(crate) received: Instant,
    /// When the event was put into the connection's queue.
    pub(crate) queued: Instant,
}

impl Functions {
    /// Asks whether a client may connect, under the event's own request id. A client that disconnects once the
    /// function is called makes no difference.
    pub(crate) async fn register(
        &self,
        of: Of<'_>,
        request_id: &str,
        event: Bytes,
        received: Instant,
        client_gone: impl Future<Output = ()>,
    ) -> Result<Registration, Failure> {
        let Some(slot) = self.register.limit.try_slot() else {
            self.register.log_no_slot((of.0, request_id));
            return Ok(Registration::NoSlot);
        };
        let waited = Duration::ZERO;
        let mut invocation = self.begin(Role::Register, of, request_id, &event, (received, waited), false);
        let deadline = self.register.backend.timeout().map(|timeout| received + timeout);
        let permit = tokio::select! {
            biased;
            permit = self.register.permit(Some(slot), deadline, &mut invocation) => permit,
            () = client_gone => {
                let message = "the client has gone before the function was called";
                invocation.end(InvocationOutcome::Refused, Some(message), None);
                return Ok(Registration::ClientGone);
            }
        };
        self.decide(permit, event, invocation).await
    }

    async fn decide(
        &self,
        permit: Result<RunPermit, Failure>,
        event: Bytes,
        mut invocation: Invocation<'_>,
    ) -> Result<Registration, Failure> {
        let answer = match self.invoke(&self.register, permit, event, &mut invocation).await {
            Ok(answer) => answer,
            Err(failure) => return Err(self.register.fail(invocation, failure, None)),
        };
        match serde_json::from_slice(&answer).map(|Object(decision): Object<ConnectAnswer>| decision) {
            Ok(decision) if decision.err_no == 0 => {
                let agreed = decision.websocket.unwrap_or_default();
                if let Err(sentence) = agreed.check_attributes() {
                    return Err(self.register.fail(
                        invocation,
                        Failure::Error(sentence.into()),
                        Some(&answer),
                    ));
                }
                invocation.end(InvocationOutcome::Ok, None, Some(&answer));
                Ok(Registration::Accepted(agreed))
            }
            Ok(decision) if decision.err_no == i64::from(STORE_UNAVAILABLE) => {
                // The message may name the store's address, which is for the log and not for the client.
                let message = FailureMessage::from(decision.err_msg);
                self.register.log_store_unavailable(&invocation.subject(), &message);
                invocation.end(InvocationOutcome::StoreUnavailable, Some(&message), Some(&answer));
                Ok(Registration::StoreUnavailable)
            }
            Ok(decision) => {
                let message =
                    FailureMessage::from(format!("errNo {}: {}", decision.err_no, decision.err_msg));
                invocation.end(InvocationOutcome::Refused, Some(&message), Some(&answer));
                Ok(Registration::Refused(decision.err_no, answer))
            }
            Err(error) => {
                let message = format!("the register function's answer is not a valid decision: {error}");
                Err(self.register.fail(invocation, Failure::Error(message.into()), Some(&answer)))
            }
        }
    }

    /// Passes a client's frame on. The function's answer does not matter.
    pub(crate) async fn transfer(
        &self,
        of: Of<'_>,
        frame: FrameEvent,
        slot: Option<QueueSlot>,
    ) -> Result<(), FailedInvocation> {
        let times = (frame.received, frame.queued.elapsed());
        let request_id = request_id();
        let invocation = self.begin(Role::Transfer, of, &request_id, &frame.event, times, false);
        if let Some((before, after)) = frame.inflated {
            self.reports.report(|| Report::FrameInflated { request_id: &request_id, before, after });
        }
        self.carry_out(&self.transfer, slot, frame.event, invocation).await
    }

    /// Reports that a client has left; `reason` is there if its node is lost. A failure is logged. Waits without a slot,
    /// because a closing event is never left out.
    pub(crate) async fn cleanup(
        &self,
        (connection, record): (&str, Option<&ConnectionRecord>),
        reason: Option<&'static str>,
    ) -> Result<(), Failure> {
        let attributes = record.and_then(ConnectionRecord::attributes).map(|attributes| &**attributes);
        let times = (Instant::now(), Duration::ZERO);
        let event = match encode(&ClosingEvent::new(connection, attributes, reason)) {
            Ok(event) => event,
            Err(error) => {
                warn!("no closing event for {connection}: {error}");
                return Err(Failure::Error(error.to_string().into()));
            }
        };
        let request_id = request_id();
        let invocation = self.begin(
            Role::Cleanup,
            (connection, record.and_then(ConnectionRecord::trace)),
            &request_id,
            &event,
            times,
            false,
        );
        let carried_out = self.carry_out(&self.cleanup, None, event, invocation).await;
        carried_out.map_err(|failed| failed.failure)
    }

    /// Calls a function again with a recorded event. The answer opens and closes no connection.
    pub(crate) async fn replay(&self, role: Role, connection: &str, event: Bytes) {
        let times = (Instant::now(), Duration::ZERO);
        let request_id = request_id();
        let mut invocation = self.begin(role, (connection, None), &request_id, &event, times, true);
        // The reporters receive the outcome, and a failure is logged where it happened.
        match role {
            Role::Register => {
                let permit = self.register.permit(None, None, &mut invocation).await;
                drop(self.decide(permit, event, invocation).await);
            }
            Role::Transfer => drop(self.carry_out(&self.transfer, None, event, invocation).await),
            Role::Cleanup => drop(self.carry_out(&self.cleanup, None, event, invocation).await),
        }
    }

    /// From now on no function is called.
    pub(crate) fn stop_calling(&self) {
        for function in [&self.register, &self.transfer, &self.cleanup] {
            function.limit.stop();
        }
    }

    /// Ends what the backends have started and waits until it is gone.
    pub(crate) async fn stop_backends(&self) {
        join_all([&self.register, &self.transfer, &self.cleanup].map(|function| function.backend.stop()))
            .await;
    }

    fn begin<'a>(
        &'a self,
        role: Role,
        (connection, trace): Of<'a>,
        request_id: &'a str,
        event: &Bytes,
        (received, waited): (Instant, Duration),
        replay: bool,
    ) -> Invocation<'a> {
        let subject =
            Subject { api: &self.api, role, connection, request_id, trace, received, waited, replay };
        Invocation::begin(subject, event, (&self.reports, &self.metrics), self.trace)
    }

    async fn carry_out(
        &self,
        function: &Function,
        slot: Option<QueueSlot>,
        event: Bytes,
        mut invocation: Invocation<'_>,
    ) -> Result<(), FailedInvocation> {
        let permit = function.permit(slot, None, &mut invocation).await;
        match self.invoke(function, permit, event, &mut invocation).await {
            Ok(answer) => {
                invocation.end(InvocationOutcome::Ok, None, Some(&answer));
                Ok(())
            }
            Err(failure) => {
                let request_id = invocation.subject().request_id.to_owned();
                Err(FailedInvocation { failure: function.fail(invocation, failure, None), request_id })
            }
        }
    }

    async fn invoke(
        &self,
        function: &Function,
        permit: Result<RunPermit, Failure>,
        event: Bytes,
        invocation: &mut Invocation<'_>,
    ) -> Result<Bytes, Failure> {
        let permit = permit?;
        let Subject { role, connection, request_id, trace, .. } = invocation.subject();
        let call = Call::new(role, connection, request_id, event);
        let mut invoked = function.backend.invoke(Call { deadline: permit.deadline, trace, ..call }).await;
        invocation.measured(&mut invoked);
        if let Some(state) = function.backend.circuit() {
            self.metrics.circuit(role, state);
        }
        let answer = invoked.result?;
        if self.integration_response {
            integration_response::unwrap(&answer).map_err(|why| Failure::Error(why.into()))
        } else {
            Ok(answer)
        }
    }
}

impl Function {
    async fn permit(
        &self,
        slot: Option<QueueSlot>,
        deadline: Option<Instant>,
        invocation: &mut Invocation<'_>,
    ) -> Result<RunPermit, Failure> {
        let asked = Instant::now();
        let permit = self.limit.permit(slot, deadline).await?;
        invocation.called(asked.elapsed());
        Ok(permit)
    }

    /// Logs the failure and ends the invocation with it.
    fn fail(&self, invocation: Invocation<'_>, failure: Failure, answer: Option<&[u8]>) -> Failure {
        self.log(&invocation.subject(), &failure);
        invocation.end(outcome(&failure), Some(&failure.to_string()), answer);
        failure
    }

    /// The backend's circuit also logs when it opens and closes.
    fn log(&self, subject: &Subject<'_>, failure: &Failure) {
        let &Subject { api, role, connection, request_id, .. } = subject;
        let ids = Some((connection, request_id));
        let kind = failure.kind();
        if failure.is_of_backend() {
            let line = format_args!(
                "the {role} function of {api} {kind} (request {request_id}, connection {connection}): {failure}"
            );
            self.log_limits.backend.log(Level::Warn, ids, line);
        } else {
            let line = format_args!(
                "the {role} function {kind} (request {request_id}, connection {connection}): {failure}"
            );
            self.log_limits.events.log(Level::Warn, ids, line);
        }
    }

    fn log_store_unavailable(&self, subject: &Subject<'_>, message: &FailureMessage) {
        let &Subject { api, role, connection, request_id, .. } = subject;
        let line = format_args!(
            "the store of the {role} function of {api} is unavailable (request {request_id}, connection \
             {connection}): {message}"
        );
        self.log_limits.backend.log(Level::Warn, Some((connection, request_id)), line);
    }

    fn log_no_slot(&self, (connection, request_id): (&str, &str)) {
        let line = format_args!(
            "{connection}: too many events wait for the register function: see --max-waiting or waiting_calls \
             (request {request_id})"
        );
        self.log_limits.backend.log(Level::Warn, Some((connection, request_id)), line);
    }
}

fn request_id() -> String {
    ids::request_id().unwrap_or_else(|error| {
        warn!("the system gave no random bytes for a request id: {error}");
        "none".to_owned()
    })
}

fn outcome(failure: &Failure) -> InvocationOutcome {
    match failure {
        Failure::Error(_) => InvocationOutcome::Error,
        Failure::TimedOut(_) => InvocationOutcome::TimedOut,
        Failure::Crashed(_) | Failure::NeverReady(_) | Failure::Stopping => InvocationOutcome::Crashed,
        Failure::Overloaded { .. } => InvocationOutcome::Overloaded,
        Failure::Unavailable(_) | Failure::Misconfigured(_) => InvocationOutcome::Unavailable,
        Failure::CircuitOpen { .. } => InvocationOutcome::CircuitOpen,
    }
}
