//! The events of an open connection on their way to the transfer function, one after the other.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;

use super::AcceptedConnection;
use crate::{
    connection::event_queue::EventQueue,
    function::invoke::{FailedInvocation, FrameEvent},
};

/// How many bytes of one client's events may wait before the connection is no longer read.
const WAITING_EVENTS_BYTES: usize = 256 * 1024;

/// The events that wait, and the one that is being carried out, which is allocated only for as long as it runs.
pub(super) struct Transfers<'a> {
    connection: &'a AcceptedConnection,
    waiting: EventQueue<FrameEvent>,
    running: Option<BoxFuture<'a, Result<(), FailedInvocation>>>,
}

impl<'a> Transfers<'a> {
    pub(super) fn new(connection: &'a AcceptedConnection) -> Self {
        Self { connection, waiting: EventQueue::new(WAITING_EVENTS_BYTES), running: None }
    }

    /// Whether no further event should be put in for now.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    pub(super) fn push(&mut self, event: FrameEvent) {
        let bytes = event.event.len();
        self.waiting.push(event, bytes);
    }

    /// Carries the events out until one fails. `held` is set while one of them waits for a place.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, held: &'a AtomicBool) -> Poll<FailedInvocation> {
        loop {
            let running = match &mut self.running {
                Some(running) => running,
                None => match self.waiting.start() {
                    Some(event) => self.running.insert(Box::pin(transfer(self.connection, event, held))),
                    None => return Poll::Pending,
                },
            };
            let carried_out = ready!(running.as_mut().poll(context));
            self.running = None;
            self.waiting.finish();
            if let Err(failed) = carried_out {
                return Poll::Ready(failed);
            }
        }
    }

    /// Carries out the event that is running, and those that wait too if they are wanted, until one fails.
    pub(super) async fn finish(mut self, the_rest_too: bool) {
        // A failure no longer has a client to be reported to; it is logged.
        if let Some(running) = self.running.take()
            && running.await.is_err()
        {
            return;
        }
        let held = AtomicBool::new(false);
        while the_rest_too && let Some(event) = self.waiting.start() {
            if transfer(self.connection, event, &held).await.is_err() {
                return;
            }
        }
    }
}

/// Carries an event out. While it has to wait for a slot, nothing further of its connection is read.
async fn transfer(
    connection: &AcceptedConnection,
    event: FrameEvent,
    held: &AtomicBool,
) -> Result<(), FailedInvocation> {
    connection.ownership.certain().await;
    if connection.ownership.is_lost() {
        // Its client has been cleaned up after; the session ends.
        return Ok(());
    }
    let functions = &connection.api.functions;
    let limit = &functions.transfer.limit;
    let mut slot = limit.try_slot();
    if slot.is_none() {
        held.store(true, Ordering::Relaxed);
        // `None` when the gateway stops, which the call finds too.
        slot = limit.slot().await.ok();
        held.store(false, Ordering::Relaxed);
    }
    let of = (connection.id(), connection.deliveries.trace());
    functions.transfer(of, event, slot).await
}
