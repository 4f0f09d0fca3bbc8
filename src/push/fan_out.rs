//! Many pushes at once, by worker threads that are started when first needed and kept with their connections.
//!
//! A [`Job`] is a list from which all workers and the calling thread take the next connection, until it is exhausted or
//! the deadline has passed. The connections left over are counted as untried.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use log::warn;

use super::caller::Caller;
use super::message::Message;
use super::report::PushReport;
use super::settings::PushSettings;
use crate::event::ConnectionId;

/// Enough to format a request and read a short answer; a default function has 128 MB for up to 256 workers.
const STACK_BYTES: usize = 128 * 1024;

/// One message to many connections.
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
    fn work(&self, caller: &Caller) -> PushReport {
        let mut report = PushReport::default();
        while Instant::now() < self.deadline {
            let Some(connection) = self.connections.get(self.next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            report.count(connection.as_str(), caller.push(connection, &self.message, self.deadline));
        }
        report
    }
}

/// The workers of one push address.
pub(super) struct Workers {
    settings: Arc<PushSettings>,
    running: Vec<Worker>,
}

struct Worker {
    jobs: Sender<Arc<Job>>,
    reports: Receiver<PushReport>,
}

impl Workers {
    pub(super) fn new(settings: Arc<PushSettings>) -> Self {
        Self { settings, running: Vec::new() }
    }

    /// Completes the job. The calling thread is one of the workers.
    pub(super) fn carry_out(&mut self, job: &Arc<Job>, caller: &Caller) -> PushReport {
        let helpers = self.settings.concurrency.get().min(job.connections.len()).saturating_sub(1);
        self.start(helpers);
        let mut busy = Vec::with_capacity(helpers);
        for worker in self.running.iter().take(helpers) {
            // If a worker has died, the others take its share.
            if worker.jobs.send(Arc::clone(job)).is_ok() {
                busy.push(worker);
            }
        }
        let mut total = PushReport::of(job.connections.len());
        total.add(job.work(caller));
        for worker in busy {
            match worker.reports.recv() {
                Ok(report) => total.add(report),
                Err(_) => warn!("a push worker died; its pushes are counted as untried"),
            }
        }
        total
    }

    fn start(&mut self, wanted: usize) {
        while self.running.len() < wanted {
            match Worker::start(Arc::clone(&self.settings)) {
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
    fn start(settings: Arc<PushSettings>) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<Arc<Job>>();
        let (done, reports) = mpsc::channel();
        thread::Builder::new().name("push".into()).stack_size(STACK_BYTES).spawn(move || {
            let caller = Caller::new(settings);
            while let Ok(job) = todo.recv() {
                if done.send(job.work(&caller)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, reports })
    }
}
