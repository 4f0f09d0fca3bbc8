//! The records of the timeline, and their JSON.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{
    limits::{LINE_BYTES, LINES_AT_EACH_END, PUSHES, PUSHES_BYTES},
    payload::{EventPayload, cut},
    push::Pushed,
};
use crate::observe::report::InvocationOutcome;

#[derive(Debug, Serialize)]
pub(super) struct TimelineRecord {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) what: What,
}

impl TimelineRecord {
    pub(super) fn has_trace(&self, trace: &str) -> bool {
        matches!(&self.what, What::Invocation(invocation) if invocation.trace.as_deref() == Some(trace))
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum What {
    Invocation(Box<InvocationRecord>),
    Instance(InstanceChange),
    Connection(ConnectionChange),
    /// A reverse push that no instance made.
    Push(ForeignPush),
}

/// Where an invocation stands, or what it came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum InvocationState {
    #[default]
    Running,
    Ended(InvocationOutcome),
}

impl Serialize for InvocationState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Running => "running",
            Self::Ended(outcome) => outcome.name(),
        })
    }
}

#[derive(Debug, Default, Serialize)]
pub(super) struct InvocationRecord {
    pub(super) role: &'static str,
    pub(super) instance: Option<String>,
    pub(super) cold: bool,
    pub(super) replay: bool,
    pub(super) connection: String,
    pub(super) started_ms: u64,
    pub(super) queued_ms: f64,
    pub(super) init_ms: Option<f64>,
    pub(super) function_ms: Option<f64>,
    pub(super) total_ms: Option<f64>,
    pub(super) gateway_ms: Option<f64>,
    pub(super) outcome: InvocationState,
    pub(super) message: Option<String>,
    pub(super) event: EventPayload,
    pub(super) event_bytes: usize,
    /// The bytes of a frame that its client had compressed, and what they were compressed to.
    pub(super) frame_bytes: Option<usize>,
    pub(super) compressed_bytes: Option<usize>,
    pub(super) answer: Option<String>,
    pub(super) answer_bytes: Option<usize>,
    #[serde(flatten)]
    pub(super) pushes: Pushes,
    pub(super) log: Lines,
    #[serde(skip)]
    pub(super) counted_as_error: bool,
    /// By which a function may name it when it pushes.
    #[serde(skip)]
    pub(super) trace: Option<String>,
    /// The path of the API, for sending the event again.
    #[serde(skip)]
    pub(super) api: Arc<str>,
}

/// The pushes of an invocation: all are counted, a batch once for each connection, and the first ones are shown.
#[derive(Debug, Default, Serialize)]
pub(super) struct Pushes {
    #[serde(rename = "pushes_total")]
    total: usize,
    #[serde(rename = "pushes_failed")]
    failed: usize,
    /// Those with a body that is no push.
    #[serde(rename = "pushes_malformed")]
    malformed: usize,
    #[serde(rename = "pushes")]
    shown: Vec<Pushed>,
}

impl Pushes {
    /// Keeps a push up to the limits. Beyond the first its data is left out, beyond the second the push itself: pushes to
    /// thousands of clients must not fill the memory.
    pub(super) fn add(&mut self, mut push: Pushed) {
        self.total += push.connections.unwrap_or(1);
        self.failed += if push.is_malformed() { 1 } else { push.failed };
        self.malformed += usize::from(push.is_malformed());
        if self.shown.len() >= PUSHES {
            return;
        }
        let shown: usize = self.shown.iter().filter_map(|push| push.data.as_ref().map(String::len)).sum();
        push.data = push.data.filter(|data| shown + data.len() <= PUSHES_BYTES);
        self.shown.push(push);
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ForeignPush {
    pub(super) started_ms: u64,
    #[serde(flatten)]
    pub(super) push: Pushed,
}

#[derive(Debug, Serialize)]
pub(super) struct InstanceChange {
    pub(super) role: &'static str,
    pub(super) instance: String,
    pub(super) pid: u32,
    pub(super) what: &'static str,
    pub(super) started_ms: u64,
    pub(super) message: Option<String>,
    pub(super) log: Lines,
}

#[derive(Debug, Serialize)]
pub(super) struct ConnectionChange {
    /// `None` if the client was refused without a call.
    pub(super) connection: Option<String>,
    pub(super) what: &'static str,
    pub(super) started_ms: u64,
    pub(super) path: String,
    pub(super) sub_protocol: Option<String>,
    pub(super) message: Option<String>,
}

/// Lines of output: the first and the last ones are kept, because the reason of a crash stands at the end. In JSON a
/// list of strings, with a line that counts what is left out.
#[derive(Debug, Default)]
pub(super) struct Lines {
    first: Vec<String>,
    last: std::collections::VecDeque<String>,
    left_out: usize,
}

impl Lines {
    pub(super) fn add(&mut self, line: &str) {
        let line = cut(line.as_bytes(), LINE_BYTES);
        if self.first.len() < LINES_AT_EACH_END {
            self.first.push(line);
            return;
        }
        if self.last.len() == LINES_AT_EACH_END {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line);
    }
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let gap = (self.left_out > 0).then(|| format!("… {} lines left out …", self.left_out));
        serializer.collect_seq(self.first.iter().chain(&gap).chain(&self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::limits::PUSH_BYTES, *};
    use crate::contract::CompressedSize;

    #[test]
    fn the_first_and_the_last_lines_are_kept() {
        let mut lines = Lines::default();
        (0..300).for_each(|number| lines.add(&number.to_string()));
        let shown: Vec<String> =
            serde_json::from_value(serde_json::to_value(&lines).expect("JSON")).expect("strings");
        assert_eq!(shown.len(), 2 * LINES_AT_EACH_END + 1);
        assert_eq!((shown[99].as_str(), shown[100].as_str()), ("99", "… 100 lines left out …"));
        assert_eq!((shown[101].as_str(), shown[200].as_str()), ("200", "299"));
    }

    #[test]
    fn pushes_beyond_those_shown_are_counted() {
        let push = |action| Pushed {
            action,
            connection: None,
            connections: None,
            failed: 0,
            data_type: None,
            data: Some("x".repeat(PUSH_BYTES)),
            frame_bytes: Some(PUSH_BYTES),
            compressed_bytes: CompressedSize::default(),
            err_no: u32::from(action.is_none()),
            err_msg: String::new(),
            at_ms: 0,
        };
        let mut pushes = Pushes::default();
        (0..PUSHES).for_each(|_| pushes.add(push(Some("data send"))));
        pushes.add(push(None));
        assert_eq!((pushes.total, pushes.failed, pushes.malformed), (PUSHES + 1, 1, 1));
        pushes.add(Pushed { connections: Some(25), failed: 3, ..push(Some("closing")) });
        assert_eq!((pushes.total, pushes.failed, pushes.malformed), (PUSHES + 26, 4, 1));
        assert_eq!(pushes.shown.len(), PUSHES);
        assert_eq!(pushes.shown.iter().filter(|push| push.data.is_some()).count(), 10);
    }
}
