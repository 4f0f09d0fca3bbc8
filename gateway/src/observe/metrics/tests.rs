use std::{num::NonZeroU32, time::Duration};

use super::{
    labels::{Direction, HandshakeOutcome, InvocationOutcome},
    *,
};
use crate::{
    connection::websocket::close_reason::CloseReason,
    function::{CircuitState, Role},
};

/// A metrics text, of which samples can be asked for.
struct Exposed(String);

impl Exposed {
    fn of(metrics: &Metrics) -> Self {
        Self(metrics.encode().expect("text"))
    }

    fn sample(&self, series: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }
}

/// As in the exposed text.
fn name_of(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

#[test]
fn what_is_exposed_is_what_the_catalogue_lists() {
    let metrics = Metrics::new();
    let _chat = metrics.api("/chat");
    let exposed = Exposed::of(&metrics).0;
    let types: Vec<_> = exposed.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let listed: Vec<_> = catalogue::ALL
        .iter()
        .map(|metric| match metric.kind {
            MetricKind::Counter => format!("{} counter", metric.name.trim_end_matches("_total")),
            kind => format!("{} {}", metric.name, name_of(kind)),
        })
        .collect();
    assert_eq!(types, listed);
    for metric in catalogue::ALL {
        assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        let name = if metric.kind == MetricKind::Histogram {
            format!("{}_count", metric.name)
        } else {
            metric.name.to_owned()
        };
        let samples: Vec<_> = exposed.lines().filter_map(|line| line.strip_prefix(name.as_str())).collect();
        assert!(!samples.is_empty(), "{name} has no sample at the start");
        for sample in samples {
            let labels = sample.split_once('}').map_or("", |(labels, _)| labels.trim_start_matches('{'));
            let names: Vec<_> =
                labels.split(',').filter_map(|label| Some(label.split_once('=')?.0)).collect();
            assert_eq!(names, metric.labels, "{name}{sample}");
        }
    }
    assert!(exposed.ends_with("# EOF\n"));
}

/// The values of a metric's last label, in alphabetical order; none if they come from outside.
fn values(exposed: &str, metric: &Description) -> Vec<String> {
    let Some(label) = metric.labels.last().filter(|label| !["api", "version"].contains(label)) else {
        return Vec::new();
    };
    let mut values = Vec::new();
    let prefix = format!("{}{{", metric.name);
    for sample in exposed.lines().filter_map(|line| line.strip_prefix(&prefix)) {
        let (_, value) = sample.split_once(&format!("{label}=\"")).expect("the label");
        let (value, _) = value.split_once('"').expect("a value");
        if !values.iter().any(|seen| seen == value) {
            values.push(value.to_owned());
        }
    }
    values.sort();
    values
}

#[test]
fn the_table_lists_every_metric() {
    let metrics = Metrics::new();
    let _api = metrics.api("/chat");
    let exposed = Exposed::of(&metrics).0;
    let row = |metric: &Description| {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let values: Vec<_> = values(&exposed, metric).iter().map(|value| format!("`{value}`")).collect();
        let values = if values.is_empty() { String::new() } else { format!(": {}", values.join(", ")) };
        let (name, kind, labels) = (metric.name, name_of(metric.kind), labels.join(", "));
        format!("| `{name}` | {kind} | {labels}{values} | {} |\n", metric.help)
    };
    let rows: String = catalogue::ALL.iter().map(row).collect();
    let table = format!("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n{rows}");
    assert!(
        include_str!("catalogue.md") == table,
        "gateway/src/metrics/catalogue.md must be this table:\n{table}"
    );
}

#[test]
fn a_connection_is_counted_from_its_handshake_to_its_end() {
    let metrics = Metrics::new();
    let chat = metrics.api("/chat");
    chat.handshake(HandshakeOutcome::Accepted);
    chat.handshake(HandshakeOutcome::Accepted);
    chat.handshake(HandshakeOutcome::Refused);
    chat.closed(CloseReason::Idle);
    chat.frame(Direction::In, 5);
    chat.frame(Direction::In, 7);
    // Other handles of the same API count in the same place.
    metrics.api("/chat").frame(Direction::Out, 1);
    let exposed = Exposed::of(&metrics);
    for (series, value) in [
        (r#"scf_gateway_connections{api="/chat"}"#, 1.0),
        (r#"scf_gateway_handshakes_total{api="/chat",outcome="accepted"}"#, 2.0),
        (r#"scf_gateway_handshakes_total{api="/chat",outcome="refused"}"#, 1.0),
        (r#"scf_gateway_handshakes_total{api="/chat",outcome="origin"}"#, 0.0),
        (r#"scf_gateway_closes_total{api="/chat",reason="idle"}"#, 1.0),
        (r#"scf_gateway_frames_total{api="/chat",direction="in"}"#, 2.0),
        (r#"scf_gateway_frame_bytes_total{api="/chat",direction="in"}"#, 12.0),
        (r#"scf_gateway_frame_bytes_total{api="/chat",direction="out"}"#, 1.0),
    ] {
        assert_eq!(exposed.sample(series), Some(value), "{series}");
    }
}

#[test]
fn an_api_has_series_for_as_long_as_somebody_has_its_handles() {
    let metrics = Metrics::new();
    let exposed = |metrics: &Metrics| Exposed::of(metrics).0.matches(r#"api="/old""#).count();
    let old = metrics.api("/old");
    old.handshake(HandshakeOutcome::Accepted);
    // The API is changed by a reload, and then removed.
    let changed = metrics.api("/old");
    drop(old);
    let series = exposed(&metrics);
    let accepted = r#"scf_gateway_handshakes_total{api="/old",outcome="accepted"}"#;
    assert_eq!((series > 50, Exposed::of(&metrics).sample(accepted)), (true, Some(1.0)));
    drop(changed);
    assert_eq!(exposed(&metrics), 0);
    let _again = metrics.api("/old");
    assert_eq!(exposed(&metrics), series);
    assert_eq!(Exposed::of(&metrics).sample(accepted), Some(0.0));
}

#[test]
fn an_event_is_in_flight_until_it_ends_one_way_or_the_other() {
    let metrics = Metrics::new();
    let chat = metrics.api("/chat");
    let (answered, given_up) = (chat.event(Role::Transfer), chat.event(Role::Transfer));
    let in_flight = r#"scf_gateway_events_in_flight{api="/chat",role="transfer"}"#;
    assert_eq!(Exposed::of(&metrics).sample(in_flight), Some(2.0));
    answered.finish(InvocationOutcome::Ok);
    drop(given_up);
    let exposed = Exposed::of(&metrics);
    assert_eq!(exposed.sample(in_flight), Some(0.0));
    let outcome = |outcome| {
        exposed.sample(&format!(
            r#"scf_gateway_events_total{{api="/chat",role="transfer",outcome="{outcome}"}}"#
        ))
    };
    assert_eq!(["ok", "abandoned", "error"].map(outcome), [Some(1.0), Some(1.0), Some(0.0)]);
    let count = exposed.sample(r#"scf_gateway_event_seconds_count{api="/chat",role="transfer"}"#);
    assert_eq!(count, Some(2.0));
    chat.circuit(Role::Register, CircuitState::Open);
    let circuit = Exposed::of(&metrics).sample(r#"scf_gateway_circuit_state{api="/chat",role="register"}"#);
    assert_eq!(circuit, Some(2.0));
}

#[test]
fn what_belongs_to_no_api_is_counted_too() {
    let metrics = Metrics::new();
    metrics.limit_hit(Limit::FramesPerSecond(NonZeroU32::MIN));
    metrics.push(PushOutcome::Gone);
    metrics.tls_handshake(TlsOutcome::Resumed);
    metrics.reload(Reloadable::Certificate, ReloadOutcome::Rejected);
    metrics.accept_error();
    metrics.queue_bytes.inc_by(10);
    metrics.queue_bytes.dec_by(3);
    metrics.certificate_expires(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let exposed = Exposed::of(&metrics);
    for (series, value) in [
        (r#"scf_gateway_limit_hits_total{limit="frames_per_second"}"#, 1.0),
        (r#"scf_gateway_limit_hits_total{limit="connections"}"#, 0.0),
        (r#"scf_gateway_pushes_total{outcome="gone"}"#, 1.0),
        (r#"scf_gateway_tls_handshakes_total{outcome="resumed"}"#, 1.0),
        (r#"scf_gateway_reloads_total{what="certificate",outcome="rejected"}"#, 1.0),
        (r#"scf_gateway_reloads_total{what="config",outcome="applied"}"#, 0.0),
        ("scf_gateway_accept_errors_total", 1.0),
        ("scf_gateway_send_queue_bytes", 7.0),
        ("scf_gateway_certificate_expires_timestamp_seconds", 1_700_000_000.0),
    ] {
        assert_eq!(exposed.sample(series), Some(value), "{series}");
    }
}
