//! Many pushes at a time: workers that are started at the first need and kept, their connections with them.
//!
//! A [`Job`] is a list that all workers, and the thread that asks, take the next connection from until it is
//! exhausted or the deadline has passed. What nobody took is counted as not tried.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use log::warn;

use super::call::Caller;
use super::{Message, PushUrl, Tally};
use crate::event::ConnectionId;

/// A worker formats a request and reads a small answer; the default function has 128 MB for all of them.
const STACK_BYTES: usize = 128 * 1024;

/// One message on its way to many connections.
pub(super) struct Job {
    connections: Arc<[ConnectionId<'static>]>,
    message: Message,
    deadline: Instant,
    next: AtomicUsize,
}

impl Job {
    pub(super) fn new(
        connections: Arc<[ConnectionId<'static>]>,
        message: Message,
        deadline: Instant,
    ) -> Self {
        Self { connections, message, deadline, next: AtomicUsize::new(0) }
    }

    /// Takes connections until none is left.
    fn work(&self, caller: &Caller) -> Tally {
        let mut tally = Tally::default();
        while Instant::now() < self.deadline {
            let Some(connection) = self.connections.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            tally.count(connection.as_str(), caller.push(connection, &self.message, self.deadline));
        }
        tally
    }
}

/// The workers of one push address.
pub(super) struct Workers {
    url: Arc<PushUrl>,
    concurrency: NonZeroUsize,
    running: Vec<Worker>,
}

struct Worker {
    jobs: Sender<Arc<Job>>,
    tallies: Receiver<Tally>,
}

impl Workers {
    pub(super) fn new(url: Arc<PushUrl>, concurrency: NonZeroUsize) -> Self {
        Self { url, concurrency, running: Vec::new() }
    }

    /// Carries the job out; the caller's thread is one of those that work at it.
    pub(super) fn carry_out(&mut self, job: &Arc<Job>, caller: &Caller) -> Tally {
        let helpers = self.concurrency.get().min(job.connections.len()).saturating_sub(1);
        self.start(helpers);
        let mut busy = Vec::with_capacity(helpers);
        for worker in self.running.iter().take(helpers) {
            // A worker that is gone leaves its share to the others.
            if worker.jobs.send(Arc::clone(job)).is_ok() {
                busy.push(worker);
            }
        }
        let mut total = Tally::of(job.connections.len());
        total.add(job.work(caller));
        for worker in busy {
            match worker.tallies.recv() {
                Ok(tally) => total.add(tally),
                Err(_) => warn!("a push worker died; its pushes count as not tried"),
            }
        }
        total
    }

    fn start(&mut self, wanted: usize) {
        while self.running.len() < wanted {
            match Worker::start(Arc::clone(&self.url)) {
                Ok(worker) => self.running.push(worker),
                Err(e) => {
                    warn!("only {} of {wanted} push workers could be started: {e}", self.running.len());
                    return;
                }
            }
        }
    }
}

impl Worker {
    /// The thread ends when its `Worker` is dropped.
    fn start(url: Arc<PushUrl>) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<Arc<Job>>();
        let (done, tallies) = mpsc::channel();
        thread::Builder::new().name("push".into()).stack_size(STACK_BYTES).spawn(move || {
            let caller = Caller::new(url);
            while let Ok(job) = todo.recv() {
                if done.send(job.work(&caller)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, tallies })
    }
}
