//! What is seen of the gateway's work: reports go to the timeline and to other observers, metrics to Prometheus.

pub(crate) mod log_limit;
pub mod metrics;
pub(crate) mod refusals;
pub mod report;
pub(crate) mod timeline;
