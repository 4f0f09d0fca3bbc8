//! What the gateway counts and measures, for Prometheus. [`catalogue::ALL`] lists every metric.
//!
//! One [`Metrics`] for the process; `Metrics::api` gives the handles of one API. Labels are enums ([`labels`]) or
//! paths of the configuration, never something a client sends, so the number of series is bounded.

mod api;
pub mod catalogue;
mod cluster;
mod format;
pub mod labels;
mod process;
mod routes;
#[cfg(test)]
mod tests;
mod totals;

use std::{
    borrow::Cow,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, SystemTime},
};

use prometheus_client::{
    encoding::text,
    metrics::{counter, family, gauge, histogram},
    registry::{Metric, Registry},
};

pub use self::totals::Totals;
use self::{
    api::ApiHandles,
    catalogue::{Description, MetricKind},
    labels::{HandshakeOutcome, Label, PushOutcome, RefusalReason, ReloadOutcome, Reloadable, TlsOutcome},
};
pub(crate) use self::{
    api::{ApiMetrics, EventTimer},
    cluster::ClusterMetrics,
    format::Format,
    routes::RouteMetrics,
};
use crate::connection::limits::{self, Limit, Limits};

/// Upper ends of the buckets of durations: from a local process's answer to the longest function time-outs in use.
const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

type Series = Vec<(&'static str, Cow<'static, str>)>;
type Counter = counter::Counter;
pub(crate) type Gauge = gauge::Gauge;
type Histogram = histogram::Histogram;
type Family<M> = family::Family<Series, M>;
type Histograms = family::Family<Series, Histogram, fn() -> Histogram>;

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    /// How many handles each API has.
    apis: ApiHandles,
    pushes: ByLabel<PushOutcome>,
    refused: ByLabel<RefusalReason>,
    tls: ByLabel<TlsOutcome>,
    /// The bytes that wait to be sent to clients; each queue adds and subtracts its own.
    pub queue_bytes: Gauge,
    /// The bytes of messages that have not arrived wholly.
    pub(crate) unfinished_bytes: Gauge,
    certificate_expires: Gauge,
    accept_errors: Counter,
    /// Cleanups that are due and were not called yet.
    pub cleanups_pending: Gauge,
    /// Leases and take-overs.
    pub(crate) cluster: Arc<ClusterMetrics>,
    /// From node to node.
    pub(crate) routes: RouteMetrics,
}

#[derive(Debug, Clone)]
struct Families {
    connections: Family<Gauge>,
    handshakes: Family<Counter>,
    limit_hits: Family<Counter>,
    closes: Family<Counter>,
    frames: Family<Counter>,
    frame_bytes: Family<Counter>,
    compressed_bytes: Family<Counter>,
    compressions: Family<Counter>,
    events: Family<Counter>,
    event_seconds: Histograms,
    in_flight: Family<Gauge>,
    circuit: Family<Gauge>,
    reloads: Family<Counter>,
    limits: Family<Gauge>,
}

impl Metrics {
    /// All of them at 0.
    #[must_use]
    pub fn new() -> Self {
        use catalogue as c;
        let mut registry = Registry::default();
        let build: Family<Gauge> = register(&mut registry, &c::BUILD, Family::default());
        build.get_or_create(&series(&c::BUILD, [Cow::Borrowed(env!("CARGO_PKG_VERSION"))])).set(1);
        let histograms = Histograms::new_with_constructor(|| Histogram::new(SECONDS));
        let connections = register(&mut registry, &c::CONNECTIONS, Family::default());
        let handshakes = register(&mut registry, &c::HANDSHAKES, Family::default());
        let refused = register(&mut registry, &c::REFUSED, Family::default());
        let families = Families {
            connections,
            handshakes,
            limit_hits: register(&mut registry, &c::LIMIT_HITS, Family::default()),
            limits: register(&mut registry, &c::LIMITS, Family::default()),
            closes: register(&mut registry, &c::CLOSES, Family::default()),
            frames: register(&mut registry, &c::FRAMES, Family::default()),
            frame_bytes: register(&mut registry, &c::FRAME_BYTES, Family::default()),
            compressed_bytes: register(&mut registry, &c::COMPRESSED_BYTES, Family::default()),
            compressions: register(&mut registry, &c::COMPRESSIONS, Family::default()),
            events: register(&mut registry, &c::EVENTS, Family::default()),
            event_seconds: register(&mut registry, &c::EVENT_SECONDS, histograms),
            in_flight: register(&mut registry, &c::EVENTS_IN_FLIGHT, Family::default()),
            circuit: register(&mut registry, &c::CIRCUIT, Family::default()),
            reloads: Family::default(),
        };
        let pushes = register(&mut registry, &c::PUSHES, Family::default());
        let queue_bytes = register(&mut registry, &c::QUEUE_BYTES, Gauge::default());
        let unfinished_bytes = register(&mut registry, &c::UNFINISHED_BYTES, Gauge::default());
        let tls = register(&mut registry, &c::TLS_HANDSHAKES, Family::default());
        let certificate_expires = register(&mut registry, &c::CERTIFICATE_EXPIRES, Gauge::default());
        register(&mut registry, &c::RELOADS, families.reloads.clone());
        let accept_errors = register(&mut registry, &c::ACCEPT_ERRORS, Counter::default());
        let cleanups_pending = register(&mut registry, &c::CLEANUPS_PENDING, Gauge::default());
        let cluster = Arc::new(ClusterMetrics::new(&mut registry));
        let routes = RouteMetrics::new(&mut registry);
        registry.register_collector(Box::new(process::ProcessMetrics));
        for key in limits::KEYS.map(Cow::Borrowed) {
            drop(families.limit_hits.get_or_create(&series(&c::LIMIT_HITS, [key])));
        }
        for (key, _) in Limits::default().entries() {
            drop(families.limits.get_or_create(&series(&c::LIMITS, [Cow::Borrowed(key)])));
        }
        for what in Reloadable::ALL {
            ByLabel::<ReloadOutcome>::new(&families.reloads, &c::RELOADS, &[Cow::Borrowed(what.value())]);
        }
        Self {
            registry,
            families,
            apis: ApiHandles::default(),
            pushes: ByLabel::new(&pushes, &c::PUSHES, &[]),
            refused: ByLabel::new(&refused, &c::REFUSED, &[]),
            tls: ByLabel::new(&tls, &c::TLS_HANDSHAKES, &[]),
            queue_bytes,
            unfinished_bytes,
            certificate_expires,
            accept_errors,
            cleanups_pending,
            cluster,
            routes,
        }
    }

    /// The handles of the API with this path. When the last of them is dropped, the API has no series any more.
    #[must_use]
    pub(crate) fn api(&self, path: &str) -> ApiMetrics {
        ApiMetrics::new(&self.families, &self.apis, path)
    }

    /// From now on no API's series are removed: the last line of the log sums them up.
    pub fn keep_series(&self) {
        self.apis.lock().values_mut().for_each(|handles| *handles += 1);
    }

    /// A handshake's path belongs to no API.
    pub fn unknown_path(&self) {
        let values = [Cow::Borrowed(""), Cow::Borrowed(HandshakeOutcome::UnknownPath.value())];
        self.families.handshakes.get_or_create(&series(&catalogue::HANDSHAKES, values)).inc();
    }

    /// A handshake was refused, or a connection closed, because of this limit.
    pub(crate) fn limit_hit(&self, limit: Limit) {
        let series = series(&catalogue::LIMIT_HITS, [Cow::Borrowed(limit.key())]);
        self.families.limit_hits.get_or_create(&series).inc();
    }

    /// These limits are in force for new connections.
    pub fn limits(&self, limits: &Limits) {
        for (key, value) in limits.entries() {
            let series = series(&catalogue::LIMITS, [Cow::Borrowed(key)]);
            self.families.limits.get_or_create(&series).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// Something was refused before it was anybody's.
    pub(crate) fn refused(&self, reason: RefusalReason) {
        self.refused.at(reason).inc();
    }

    /// A push was dealt with, for one connection that it names.
    pub(crate) fn push(&self, outcome: PushOutcome) {
        self.pushes.at(outcome).inc();
    }

    /// A TLS handshake has ended.
    pub(crate) fn tls_handshake(&self, outcome: TlsOutcome) {
        self.tls.at(outcome).inc();
    }

    /// A certificate is served that is valid until then.
    pub(crate) fn certificate_expires(&self, at: SystemTime) {
        let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.certificate_expires.set(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    }

    /// A reload has ended.
    pub(crate) fn reload(&self, what: Reloadable, outcome: ReloadOutcome) {
        let values = [what.value(), outcome.value()].map(Cow::Borrowed);
        self.families.reloads.get_or_create(&series(&catalogue::RELOADS, values)).inc();
    }

    /// A connection could not be accepted.
    pub(crate) fn accept_error(&self) {
        self.accept_errors.inc();
    }

    /// The text that Prometheus reads, in the `OpenMetrics` format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Likewise, in this format.
    pub(crate) fn encode_as(&self, format: Format) -> Result<String, std::fmt::Error> {
        self.encode().map(|text| format.of(text))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn register<M: Metric + Clone>(registry: &mut Registry, description: &Description, metric: M) -> M {
    // The library appends it to the names of counters.
    let name = match description.kind {
        MetricKind::Counter => description.name.trim_end_matches("_total"),
        MetricKind::Gauge | MetricKind::Histogram => description.name,
    };
    registry.register(name, description.help, metric.clone());
    metric
}

/// The labels of a metric with these values.
fn series(description: &Description, values: impl IntoIterator<Item = Cow<'static, str>>) -> Series {
    description.labels.iter().copied().zip(values).collect()
}

/// A counter for each value of a label.
#[derive(Debug)]
struct ByLabel<L> {
    counters: Vec<Counter>,
    label: PhantomData<L>,
}

impl<L: Label> ByLabel<L> {
    /// The label is the last one of the metric; the others have the values of `before`.
    fn new(family: &Family<Counter>, description: &Description, before: &[Cow<'static, str>]) -> Self {
        let counter = |label: &L| {
            let values = before.iter().cloned().chain([Cow::Borrowed(label.value())]);
            family.get_or_create_owned(&series(description, values))
        };
        Self { counters: L::ALL.iter().map(counter).collect(), label: PhantomData }
    }

    fn at(&self, label: L) -> &Counter {
        &self.counters[label.index()]
    }
}
