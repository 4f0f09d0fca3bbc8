//! The records of the time line as they stand in JSON.

use serde::{Serialize, Serializer};

/// Events and answers are shown up to this many bytes.
const PAYLOAD_SHOWN_BYTES: usize = 16 * 1024;
/// Pushed data is shown up to this many bytes, and all pushes of one invocation together up to ten times as many.
const PUSH_SHOWN_BYTES: usize = 4 * 1024;
const PUSHES_SHOWN_BYTES: usize = 10 * PUSH_SHOWN_BYTES;
const PUSHES_SHOWN: usize = 200;
const LINES_SHOWN: usize = 200;
const LINE_SHOWN_BYTES: usize = 1024;

#[derive(Debug, Serialize)]
pub(super) struct Record {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) what: What,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum What {
    Invocation(Box<Invocation>),
    Instance(InstanceChange),
    Connection(ConnectionChange),
}

/// What an invocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Running,
    Ok,
    Refused,
    Error,
    Timeout,
    Crashed,
}

impl Verdict {
    /// As it stands in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Crashed => "crashed",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Invocation {
    pub(super) role: &'static str,
    pub(super) instance: Option<String>,
    pub(super) cold: bool,
    pub(super) connection: String,
    pub(super) started_ms: u64,
    pub(super) queued_ms: f64,
    pub(super) init_ms: Option<f64>,
    pub(super) function_ms: Option<f64>,
    pub(super) total_ms: Option<f64>,
    pub(super) gateway_ms: Option<f64>,
    pub(super) outcome: Verdict,
    pub(super) message: Option<String>,
    pub(super) event: String,
    pub(super) event_bytes: usize,
    pub(super) answer: Option<String>,
    pub(super) answer_bytes: Option<usize>,
    pub(super) pushes: Vec<Pushed>,
    pub(super) log: Lines,
}

impl Invocation {
    /// Keeps a push as far as there is room for it. Without room its data is left out, then the push itself: a room of
    /// thousands must not fill the memory.
    pub(super) fn add_push(&mut self, mut push: Pushed) {
        if self.pushes.len() >= PUSHES_SHOWN {
            return;
        }
        let shown: usize = self.pushes.iter().filter_map(|push| push.data.as_ref().map(String::len)).sum();
        push.data = push.data.filter(|data| shown + data.len() <= PUSHES_SHOWN_BYTES);
        self.pushes.push(push);
    }
}

/// A reverse push, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// `data send` or `closing`.
    pub action: &'static str,
    /// The connection that it named.
    pub connection: String,
    /// `text` or `binary`; `None` for `closing`.
    pub data_type: Option<&'static str>,
    /// The data's beginning, Base64 if binary.
    pub data: Option<String>,
    /// 0 = done.
    pub err_no: u32,
    /// `ok`, or what went wrong.
    pub err_msg: String,
    /// When it was answered, in milliseconds since 1970.
    pub at_ms: u64,
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
    pub(super) connection: String,
    pub(super) what: &'static str,
    pub(super) started_ms: u64,
    pub(super) path: String,
    pub(super) sub_protocol: Option<String>,
    pub(super) message: Option<String>,
}

/// Lines of output, the first ones kept.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Lines(Vec<String>);

impl Lines {
    /// Whether the line was kept.
    pub(super) fn add(&mut self, line: &str) -> bool {
        let room = self.0.len() < LINES_SHOWN;
        if room {
            self.0.push(cut(line.as_bytes(), LINE_SHOWN_BYTES));
        }
        room
    }
}

/// An event or an answer as far as it is shown.
pub(super) fn shown_payload(payload: &[u8]) -> String {
    cut(payload, PAYLOAD_SHOWN_BYTES)
}

/// Pushed data as far as it is shown.
pub(crate) fn shown_push(data: &[u8]) -> String {
    cut(data, PUSH_SHOWN_BYTES)
}

/// The beginning of a text, never ending within a character.
fn cut(text: &[u8], limit_bytes: usize) -> String {
    if text.len() <= limit_bytes {
        return String::from_utf8_lossy(text).into_owned();
    }
    let mut end = limit_bytes;
    while end > 0 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    String::from_utf8_lossy(&text[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_falls_within_a_character() {
        assert_eq!(cut("aé".as_bytes(), 2), "a");
        assert_eq!(cut("aé".as_bytes(), 3), "aé");
        assert_eq!(cut(&[0xff; 4], 4), "\u{fffd}".repeat(4));
        assert_eq!(cut(&[0x80; 4], 2), "");
    }

    #[test]
    fn only_the_first_lines_are_kept() {
        let mut lines = Lines::default();
        let kept = (0..300).filter(|number| lines.add(&number.to_string())).count();
        assert_eq!(kept, LINES_SHOWN);
    }
}
