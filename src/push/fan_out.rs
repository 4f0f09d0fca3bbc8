//! Pushes to many connections, by worker threads that are started when first needed and kept with their connections.
//!
//! A [`Job`] is a list from which all workers and the calling thread take the next connections, as many as the push
//! address takes in a batch, until it is exhausted or the deadline has passed. The connections left over are counted as
//! untried.
//!
//! As long as it is unknown whether the address takes batches, the calling thread makes one push and the workers wait for
//! its answer, though not for long: a gateway that is slow to answer one push must not hold up all the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::caller::Caller;
use super::message::Message;
use super::offer::Offer;
use super::report::PushReport;
use super::settings::PushSettings;
use crate::event::ConnectionId;

/// Enough to format a request and read its answer; a default function has 128 MB for up to 256 workers.
const STACK_BYTES: usize = 128 * 1024;

/// The longest wait for the first answer, which is also at most a quarter of the time that is left.
const MAX_WAIT_FOR_OFFER: Duration = Duration::from_secs(1);

/// The ids of a batch have at most this many bytes, so that a batch of long ids fits into what the gateway reads.
const MAX_IDS_BYTES: usize = 128 * 1024;

/// One message to many connections.
pub(super) struct Job {
    connections: Arc<[ConnectionId<'static>]>,
    message: Arc<Message>,
    deadline: Instant,
    next: AtomicUsize,
    mode: Mode,
}

enum Mode {
    /// In batches as large as the address offers.
    Batches,
    /// In batches, as soon as the calling thread's first push has been answered.
    AfterFirst(FirstAnswer),
    /// One by one, whatever the address offers.
    Single,
}

/// Whether the first push has been answered.
struct FirstAnswer {
    arrived: Mutex<bool>,
    changed: Condvar,
    latest: Instant,
}

/// What a worker has done of a job.
#[derive(Default)]
struct Share {
    report: PushReport,
    /// Those of batches that the address did not take.
    not_taken: Vec<ConnectionId<'static>>,
}

impl Job {
    pub(super) fn new(
        connections: Arc<[ConnectionId<'static>]>,
        message: Message,
        deadline: Instant,
        offer: &Offer,
    ) -> Self {
        let mode = if offer.is_unknown() && connections.len() > 1 {
            Mode::AfterFirst(FirstAnswer::before(deadline))
        } else {
            Mode::Batches
        };
        Self { connections, message: Arc::new(message), deadline, next: AtomicUsize::new(0), mode }
    }

    /// The same message to these connections, one by one.
    fn single(&self, connections: Vec<ConnectionId<'static>>) -> Self {
        let (message, deadline) = (Arc::clone(&self.message), self.deadline);
        Self {
            connections: connections.into(),
            message,
            deadline,
            next: AtomicUsize::new(0),
            mode: Mode::Single,
        }
    }

    /// How many connections may be taken at once.
    fn batch_size(&self, offer: &Offer) -> usize {
        if matches!(self.mode, Mode::Single) { 1 } else { offer.batch_size() }
    }

    /// The calling thread's share.
    fn lead(&self, caller: &Caller) -> Share {
        let mut share = Share::default();
        let mut taken = self.take(caller);
        while let Some(connections) = taken {
            self.push(connections, caller, &mut share);
            // Before the workers, since the connection over which the first answer came is open.
            taken = self.take(caller);
            self.release_workers();
        }
        self.release_workers();
        share
    }

    /// A worker's share.
    fn help(&self, caller: &Caller) -> Share {
        if let Mode::AfterFirst(first) = &self.mode {
            first.wait();
        }
        let mut share = Share::default();
        while let Some(connections) = self.take(caller) {
            self.push(connections, caller, &mut share);
        }
        share
    }

    /// The next connections, unless none are left or the deadline has passed.
    fn take(&self, caller: &Caller) -> Option<&[ConnectionId<'static>]> {
        if Instant::now() >= self.deadline {
            return None;
        }
        let size = self.batch_size(caller.offer());
        let rest = self.connections.get(self.next.fetch_add(size, Ordering::Relaxed)..)?;
        Some(&rest[..size.min(rest.len())]).filter(|taken| !taken.is_empty())
    }

    fn push(&self, mut connections: &[ConnectionId<'static>], caller: &Caller, share: &mut Share) {
        while !connections.is_empty() && Instant::now() < self.deadline {
            let (batch, rest) = connections.split_at(fitting(connections));
            connections = rest;
            if let [connection] = batch {
                let outcome = caller.push(connection, &self.message, self.deadline);
                share.report.count(connection.as_str(), outcome);
            } else if caller.push_batch(batch, &self.message, self.deadline, &mut share.report).is_err() {
                share.not_taken.extend_from_slice(batch);
            }
        }
    }

    fn release_workers(&self) {
        if let Mode::AfterFirst(first) = &self.mode {
            first.note();
        }
    }
}

/// How many of the connections, of which there is at least one, fit into a batch.
fn fitting(connections: &[ConnectionId<'_>]) -> usize {
    let mut bytes = 0;
    let fit = connections.iter().take_while(|connection| {
        bytes += connection.json().len() + 1;
        bytes <= MAX_IDS_BYTES
    });
    fit.count().max(1)
}

impl FirstAnswer {
    fn before(deadline: Instant) -> Self {
        let now = Instant::now();
        let wait = (deadline.saturating_duration_since(now) / 4).min(MAX_WAIT_FOR_OFFER);
        Self { arrived: Mutex::new(false), changed: Condvar::new(), latest: now + wait }
    }

    fn wait(&self) {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.latest.saturating_duration_since(Instant::now());
        // Arrived or not, the worker begins.
        drop(self.changed.wait_timeout_while(arrived, wait, |arrived| !*arrived));
    }

    fn note(&self) {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *arrived, true) {
            self.changed.notify_all();
        }
    }
}

impl Share {
    fn add(&mut self, other: Self) {
        self.report.add(other.report);
        self.not_taken.extend(other.not_taken);
    }
}

/// The workers of one push address.
pub(super) struct Workers {
    settings: Arc<PushSettings>,
    offer: Arc<Offer>,
    running: Vec<Worker>,
}

struct Worker {
    jobs: Sender<Arc<Job>>,
    shares: Receiver<Share>,
}

impl Workers {
    pub(super) fn new(settings: Arc<PushSettings>, offer: Arc<Offer>) -> Self {
        Self { settings, offer, running: Vec::new() }
    }

    /// Completes the job. The calling thread is one of the workers.
    pub(super) fn carry_out(&mut self, job: Job, caller: &Caller) -> PushReport {
        let mut total = PushReport::of(job.connections.len());
        let job = Arc::new(job);
        let Share { report, not_taken } = self.share_out(&job, caller);
        total.add(report);
        if !not_taken.is_empty() {
            debug!(
                "the push address takes no batches any more; {} connections follow one by one",
                not_taken.len()
            );
            // Nothing of a job that goes one by one can be a batch that is not taken.
            total.add(self.share_out(&Arc::new(job.single(not_taken)), caller).report);
        }
        total
    }

    fn share_out(&mut self, job: &Arc<Job>, caller: &Caller) -> Share {
        let pushes = job.connections.len().div_ceil(job.batch_size(&self.offer));
        let helpers = self.settings.concurrency.get().min(pushes).saturating_sub(1);
        self.start(helpers);
        let mut busy = Vec::with_capacity(helpers);
        for worker in self.running.iter().take(helpers) {
            // If a worker has died, the others take its share.
            if worker.jobs.send(Arc::clone(job)).is_ok() {
                busy.push(worker);
            }
        }
        let mut total = job.lead(caller);
        for worker in busy {
            match worker.shares.recv() {
                Ok(share) => total.add(share),
                Err(_) => warn!("a push worker died; its pushes are counted as untried"),
            }
        }
        total
    }

    fn start(&mut self, wanted: usize) {
        while self.running.len() < wanted {
            match Worker::start(Arc::clone(&self.settings), Arc::clone(&self.offer)) {
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
    fn start(settings: Arc<PushSettings>, offer: Arc<Offer>) -> std::io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<Arc<Job>>();
        let (done, shares) = mpsc::channel();
        thread::Builder::new().name("push".into()).stack_size(STACK_BYTES).spawn(move || {
            let caller = Caller::new(settings, offer);
            while let Ok(job) = todo.recv() {
                if done.send(job.help(&caller)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, shares })
    }
}
