//! One role's instances as local processes: idle ones are reused, and one is started for an event that finds none.
//!
//! [`Pool::new`] → [`Function::invoke`] for each event → [`Pool::stop`]. There are as many instances as events run at
//! once, which is for the caller to limit.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    Failure, Function, Role,
    instance::{Instance, Lost, Settings},
    process::Surroundings,
};
use crate::{
    BoxFuture,
    guard::Guard,
    locked,
    tally::Tally,
    timeline::{Ticket, Timeline},
};

/// The instances of one role.
pub(crate) struct Pool {
    settings: Settings,
    surroundings: Surroundings,
    stopping: watch::Sender<bool>,
    /// The most recently used last: it is taken first, so that the others may stay cold.
    idle: Mutex<Vec<Instance>>,
    started: AtomicU64,
}

impl Pool {
    /// Nothing is started before the first event.
    pub(crate) fn new(role: Role, settings: Settings, timeline: Timeline, guard: Option<Arc<Guard>>) -> Self {
        let (stopping, stopping_seen) = watch::channel(false);
        Self {
            settings,
            surroundings: Surroundings {
                role,
                timeline,
                guard,
                stopping: stopping_seen,
                alive: Tally::default(),
            },
            stopping,
            idle: Mutex::default(),
            started: AtomicU64::new(0),
        }
    }

    /// Ends every process, busy or not, and returns when they are gone.
    pub(crate) async fn stop(&self) {
        self.stopping.send_replace(true);
        self.surroundings.alive.none_left().await;
    }

    async fn carry_out(&self, request_id: &str, event: Bytes, ticket: &Ticket) -> Result<Bytes, Failure> {
        while let Some(instance) = self.take_idle() {
            ticket.placed(instance.name(), None);
            match self.run(instance, request_id, event.clone(), ticket).await {
                Err(Lost::Untouched) => {}
                Err(Lost::Failed(failure)) => return Err(failure),
                Ok(answer) => return Ok(answer),
            }
        }
        let started = Instant::now();
        let instance = self.start(ticket).await?;
        ticket.placed(instance.name(), Some(started.elapsed()));
        let name = instance.name().to_owned();
        self.run(instance, request_id, event, ticket).await.map_err(|lost| match lost {
            Lost::Failed(failure) => failure,
            Lost::Untouched => Failure::Crashed(format!("{name} ended before it asked for its first event")),
        })
    }

    async fn start(&self, ticket: &Ticket) -> Result<Instance, Failure> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}-{number}", self.surroundings.role);
        let started = Instant::now();
        let result = Instance::start(name.clone(), &self.settings, self.surroundings.clone(), ticket).await;
        if result.is_err() {
            ticket.placed(&name, Some(started.elapsed()));
        }
        result
    }

    fn take_idle(&self) -> Option<Instance> {
        let mut idle = locked(&self.idle);
        while let Some(instance) = idle.pop() {
            if !instance.has_ended() {
                return Some(instance);
            }
        }
        None
    }

    /// An instance that is dropped here, because it failed or because nobody waits for the event any more, is killed.
    async fn run(
        &self,
        instance: Instance,
        request_id: &str,
        event: Bytes,
        ticket: &Ticket,
    ) -> Result<Bytes, Lost> {
        let result = instance.invoke(request_id, event, ticket).await;
        if matches!(result, Ok(_) | Err(Lost::Failed(Failure::Error(_)))) {
            locked(&self.idle).push(instance);
        }
        result
    }
}

impl Function for Pool {
    fn invoke<'a>(
        &'a self,
        request_id: &'a str,
        event: Bytes,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Bytes, Failure>> {
        Box::pin(self.carry_out(request_id, event, ticket))
    }
}
