//! The figures above the timeline: counted over everything since the gateway started, not over the kept records.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::time::{epoch_ms, float_ms};

/// Three significant digits of a time in microseconds, up to an hour; what took longer counts as an hour.
const DIGITS: u8 = 3;
const LONGEST_US: u64 = 60 * 60 * 1_000_000;

#[derive(Debug)]
pub(super) struct Figures {
    since_ms: u64,
    invocations: u64,
    cold_starts: u64,
    errors: u64,
    gateway: DurationHistogram,
    function: DurationHistogram,
}

/// What a viewer receives.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct InvocationFigures {
    since_ms: u64,
    invocations: u64,
    cold_starts: u64,
    errors: u64,
    gateway_ms: Quantiles,
    function_ms: Quantiles,
}

/// Milliseconds; `None` before the first measurement.
#[derive(Debug, PartialEq, Serialize)]
struct Quantiles {
    p50: Option<f64>,
    p95: Option<f64>,
}

#[derive(Debug)]
struct DurationHistogram(Option<Histogram<u64>>);

impl Default for Figures {
    fn default() -> Self {
        Self {
            since_ms: epoch_ms(),
            invocations: 0,
            cold_starts: 0,
            errors: 0,
            gateway: DurationHistogram::default(),
            function: DurationHistogram::default(),
        }
    }
}

impl Figures {
    pub(super) fn invocation(&mut self) {
        self.invocations += 1;
    }

    pub(super) fn cold_start(&mut self) {
        self.cold_starts += 1;
    }

    pub(super) fn error(&mut self) {
        self.errors += 1;
    }

    pub(super) fn took(&mut self, gateway: Duration, function: Option<Duration>) {
        self.gateway.add(gateway);
        if let Some(function) = function {
            self.function.add(function);
        }
    }

    pub(super) fn summary(&self) -> InvocationFigures {
        InvocationFigures {
            since_ms: self.since_ms,
            invocations: self.invocations,
            cold_starts: self.cold_starts,
            errors: self.errors,
            gateway_ms: self.gateway.quantiles(),
            function_ms: self.function.quantiles(),
        }
    }
}

impl Default for DurationHistogram {
    fn default() -> Self {
        // It refuses only a longest time below two and a number of digits above five.
        Self(Histogram::new_with_max(LONGEST_US, DIGITS).ok())
    }
}

impl DurationHistogram {
    fn add(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn quantiles(&self) -> Quantiles {
        let at = |quantile| {
            let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
            Some(float_ms(Duration::from_micros(histogram.value_at_quantile(quantile))))
        };
        Quantiles { p50: at(0.5), p95: at(0.95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_times_and_none_before_the_first() {
        let mut figures = Figures::default();
        assert_eq!(figures.summary().gateway_ms, Quantiles { p50: None, p95: None });
        for ms in 1..=1000 {
            figures.took(Duration::from_millis(ms), None);
        }
        let InvocationFigures { gateway_ms, function_ms, .. } = figures.summary();
        let near = |quantile: Option<f64>, wanted: f64| {
            quantile.is_some_and(|quantile| (quantile - wanted).abs() <= wanted / 1000.0)
        };
        assert!(near(gateway_ms.p50, 500.0) && near(gateway_ms.p95, 950.0), "{gateway_ms:?}");
        assert_eq!(function_ms, Quantiles { p50: None, p95: None });
    }
}
