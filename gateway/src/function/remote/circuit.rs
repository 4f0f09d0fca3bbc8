//! Whether a backend is up. When it has failed for a while, its circuit opens: calls fail at once instead of after
//! their time-out. Now and then one call tries whether it is back; if so, the circuit closes.
//!
//! Own code, because the crates for it either let every call through while half open, or do not show their state.

use std::{fmt, time::Duration};

use parking_lot::Mutex;

use log::{info, warn};
use tokio::time::Instant;

use crate::function::Failure;

/// When a circuit opens and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitSettings {
    /// Opens after so many failures without a success between them …
    pub failures: u32,
    /// … if the first and the last of them are at least so far apart, so that calls can outlast a restart.
    pub lasting: Duration,
    /// How long it stays open the first time; each time that the backend is found to be still down doubles it.
    pub open: Duration,
    /// It stays open for at most so long.
    pub longest: Duration,
}

impl Default for CircuitSettings {
    /// 5 failures over 2 s; 1 s to 30 s.
    fn default() -> Self {
        Self {
            failures: 5,
            lasting: Duration::from_secs(2),
            open: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

/// What a circuit does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Lets them through.
    Closed,
    /// Refuses them.
    Open,
    /// Lets one through, to find out whether the backend is back.
    HalfOpen,
}

/// The circuit of one backend.
pub(crate) struct Circuit {
    name: String,
    settings: CircuitSettings,
    inner: Mutex<Inner>,
}

enum Inner {
    Closed { failures: u32, first: Option<Instant> },
    Open(Outage),
}

struct Outage {
    until: Instant,
    /// How long it was opened for the last time.
    open: Duration,
    probing: bool,
    why: String,
}

/// A circuit that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenCircuit {
    /// Why it opened: a sentence.
    pub why: String,
    /// When it is half open.
    pub retry_after: Duration,
}

impl From<OpenCircuit> for Failure {
    fn from(open: OpenCircuit) -> Self {
        Self::CircuitOpen { why: open.why.into(), retry_after: open.retry_after }
    }
}

/// A call that was let through. Dropped without a verdict, it says nothing about the backend.
#[derive(Debug)]
pub(crate) struct CallPermit<'a> {
    circuit: &'a Circuit,
    probe: bool,
    decided: bool,
}

impl Circuit {
    /// A closed circuit; log lines begin with the name.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: CircuitSettings) -> Self {
        Self { name: name.into(), settings, inner: Mutex::new(Inner::Closed { failures: 0, first: None }) }
    }

    /// What it does with the next call.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        match &*self.inner.lock() {
            Inner::Closed { .. } => CircuitState::Closed,
            Inner::Open(outage) if outage.probing || outage.until <= Instant::now() => CircuitState::HalfOpen,
            Inner::Open(_) => CircuitState::Open,
        }
    }

    /// Lets a call through, or not.
    pub fn try_acquire(&self) -> Result<CallPermit<'_>, OpenCircuit> {
        let mut inner = self.inner.lock();
        let probe = match &mut *inner {
            Inner::Closed { .. } => false,
            Inner::Open(outage) => {
                outage.check()?;
                outage.probing = true;
                true
            }
        };
        Ok(CallPermit { circuit: self, probe, decided: false })
    }

    fn succeeded(&self, probe: bool) {
        let mut inner = self.inner.lock();
        // A late success of a call from before the outage says nothing.
        if probe || matches!(*inner, Inner::Closed { .. }) {
            *inner = Inner::Closed { failures: 0, first: None };
        }
        drop(inner);
        if probe {
            info!("{} is back", self.name);
        }
    }

    fn failed(&self, probe: bool, failure: &Failure) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let open = match &mut *inner {
            Inner::Closed { failures, first } => {
                *failures = failures.saturating_add(1);
                let first = *first.get_or_insert(now);
                if *failures < self.settings.failures || now - first < self.settings.lasting {
                    return;
                }
                self.settings.open
            }
            Inner::Open(outage) if probe => outage.open.saturating_mul(2).min(self.settings.longest),
            Inner::Open(_) => return,
        };
        *inner = Inner::Open(Outage { until: now + open, open, probing: false, why: failure.to_string() });
        drop(inner);
        warn!("{} counts as down for {} ms, calls fail at once: {failure}", self.name, open.as_millis());
    }

    fn undecided(&self) {
        if let Inner::Open(outage) = &mut *self.inner.lock() {
            outage.probing = false;
        }
    }
}

impl Outage {
    fn check(&self) -> Result<(), OpenCircuit> {
        let left = self.until.saturating_duration_since(Instant::now());
        if !self.probing && left.is_zero() {
            return Ok(());
        }
        Err(OpenCircuit { why: self.why.clone(), retry_after: left })
    }
}

impl CallPermit<'_> {
    /// The backend is up, whatever it answered.
    pub fn succeeded(mut self) {
        self.decided = true;
        self.circuit.succeeded(self.probe);
    }

    /// The backend is down.
    pub fn failed(mut self, failure: &Failure) {
        self.decided = true;
        self.circuit.failed(self.probe, failure);
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        if self.probe && !self.decided {
            self.circuit.undecided();
        }
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Circuit")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn circuit() -> Circuit {
        let settings =
            CircuitSettings { failures: 3, lasting: 2 * SECOND, open: SECOND, longest: 3 * SECOND };
        Circuit::new("a function", settings)
    }

    fn fail(circuit: &Circuit) {
        let refused = Failure::Unavailable("connection refused".into());
        circuit.try_acquire().expect("a call is let through").failed(&refused);
    }

    async fn open(circuit: &Circuit) {
        for _ in 0..3 {
            fail(circuit);
            advance(SECOND).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_that_last() {
        let circuit = circuit();
        for _ in 0..10 {
            fail(&circuit);
        }
        assert_eq!(circuit.state(), CircuitState::Closed, "ten failures in no time may be a restart");
        advance(2 * SECOND).await;
        fail(&circuit);
        assert_eq!(circuit.state(), CircuitState::Open);
        let refused = circuit.try_acquire().expect_err("it is open");
        assert_eq!((refused.why.as_str(), refused.retry_after), ("connection refused", SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_failures_keeps_it_closed() {
        let circuit = circuit();
        for _ in 0..20 {
            fail(&circuit);
            advance(SECOND).await;
            fail(&circuit);
            advance(SECOND).await;
            circuit.try_acquire().expect("closed").succeeded();
        }
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_finds_out_whether_the_backend_is_back() {
        let circuit = circuit();
        open(&circuit).await;
        assert_eq!(circuit.state(), CircuitState::HalfOpen, "a second has passed");
        let probe = circuit.try_acquire().expect("one is let through");
        assert!(circuit.try_acquire().is_err(), "and no other while it is under way");
        probe.succeeded();
        assert_eq!(circuit.state(), CircuitState::Closed);
        fail(&circuit);
        assert_eq!(circuit.state(), CircuitState::Closed, "the count begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn stays_open_longer_each_time_up_to_a_limit() {
        let circuit = circuit();
        open(&circuit).await;
        for expected in [2, 3, 3] {
            fail(&circuit);
            let refused = circuit.try_acquire().expect_err("open again");
            assert_eq!(refused.retry_after, expected * SECOND);
            advance(expected * SECOND).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_given_up_leaves_its_place_to_the_next() {
        let circuit = circuit();
        open(&circuit).await;
        drop(circuit.try_acquire().expect("a probe"));
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        circuit.try_acquire().expect("the next probe").succeeded();
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_from_before_the_outage_do_not_decide() {
        let circuit = circuit();
        let early = circuit.try_acquire().expect("closed");
        let late = circuit.try_acquire().expect("closed");
        open(&circuit).await;
        early.succeeded();
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        late.failed(&Failure::Unavailable("cut".into()));
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
    }
}
