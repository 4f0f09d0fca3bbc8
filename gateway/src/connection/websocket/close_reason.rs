//! Why a connection ends: all reasons, each with the close code and the text that the client receives, and what
//! happens to the frames that the client had sent.

#[cfg(test)]
mod tests;

use std::{fmt, io, time::Duration};

use super::{framing::Violation, socket::ReceiveError};
use crate::{
    connection::limits::Limit,
    contract::{Close, MAX_EVENT_BYTES},
    function::Failure,
};

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) enum CloseReason {
    /// The client sent a close frame, and receives its code back.
    ClosedByClient,
    /// A function closed it by a reverse push: 1000 without a text, unless the push has others.
    ClosedByFunction,
    /// The TCP connection ended without a close frame: no close frame is sent.
    ConnectionLost,
    /// The client answers no pings: no close frame is sent.
    Unresponsive,
    /// No data frame in either direction for the idle time-out: 1000, `idle`.
    Idle,
    /// The client reads too slowly for what is sent to it: 1008, `too slow`.
    TooSlow,
    /// A frame exceeds the limit, or the event that it would become exceeds 6 MiB: 1009.
    TooBig,
    /// The client sends more frames a second than the limit: 1008, `too many frames a second`.
    TooFast,
    /// The unfinished messages of all clients exceed the limit, and the client's is among the largest: 1008,
    /// `unfinished messages take too much memory`.
    Unfinished,
    /// The client takes longer for a message than the limit: 1008, `the message took too long`.
    MessageTimedOut,
    /// A text frame, or the reason of a close frame, is not UTF-8: 1007.
    NotUtf8,
    /// The client broke the WebSocket protocol: 1002.
    ProtocolError,
    /// The transfer function did not carry out a frame: 1011, `the transfer function failed`, `timed out`, `crashed`
    /// or `did not start`, and the request id that the log has with the cause.
    TransferFailed(&'static str),
    /// The transfer function is overloaded or unavailable, and did not run: 1013, with the request id likewise.
    TransferUnavailable(&'static str),
    /// The gateway shuts down: 1001.
    ShuttingDown,
    /// The time limit of the web function in which the gateway runs is near: 1000.
    TimeLimit,
    /// The gateway was cut off from its cluster, or stopped, for so long that another node has called the cleanup
    /// function: 1012.
    NodeLost,
}

impl CloseReason {
    /// All reasons, those that have several texts with one of them.
    pub const ALL: [Self; 17] = [
        Self::ClosedByClient,
        Self::ClosedByFunction,
        Self::ConnectionLost,
        Self::Unresponsive,
        Self::Idle,
        Self::TooSlow,
        Self::TooFast,
        Self::TooBig,
        Self::Unfinished,
        Self::MessageTimedOut,
        Self::NotUtf8,
        Self::ProtocolError,
        Self::TransferFailed("failed"),
        Self::TransferUnavailable("is unavailable"),
        Self::ShuttingDown,
        Self::TimeLimit,
        Self::NodeLost,
    ];

    /// A short name that never changes, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClosedByClient => "closed_by_client",
            Self::ClosedByFunction => "closed_by_function",
            Self::ConnectionLost => "connection_lost",
            Self::Unresponsive => "unresponsive",
            Self::Idle => "idle",
            Self::TooSlow => "too_slow",
            Self::TooFast => "too_fast",
            Self::TooBig => "too_big",
            Self::Unfinished => "unfinished",
            Self::MessageTimedOut => "message_timed_out",
            Self::NotUtf8 => "not_utf8",
            Self::ProtocolError => "protocol_error",
            Self::TransferFailed(_) => "transfer_failed",
            Self::TransferUnavailable(_) => "transfer_unavailable",
            Self::ShuttingDown => "shutting_down",
            Self::TimeLimit => "time_limit",
            Self::NodeLost => "node_lost",
        }
    }

    /// The close code that the gateway sends; `None` where the client has closed the connection or is out of reach.
    #[must_use]
    pub fn code(self) -> Option<u16> {
        let code = match self {
            Self::ClosedByClient | Self::ConnectionLost | Self::Unresponsive => return None,
            Self::ClosedByFunction | Self::Idle | Self::TimeLimit => 1000,
            Self::TooSlow | Self::TooFast | Self::Unfinished | Self::MessageTimedOut => 1008,
            Self::TooBig => 1009,
            Self::NotUtf8 => 1007,
            Self::ProtocolError => 1002,
            Self::TransferFailed(_) => 1011,
            Self::TransferUnavailable(_) => 1013,
            Self::ShuttingDown => 1001,
            Self::NodeLost => 1012,
        };
        Some(code)
    }

    /// The text that goes with the code, at most 123 bytes.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::ClosedByClient | Self::ClosedByFunction | Self::ConnectionLost | Self::Unresponsive => {
                String::new()
            }
            Self::Idle => "idle".to_owned(),
            Self::TooSlow => "too slow".to_owned(),
            Self::TooFast => "too many frames a second".to_owned(),
            Self::TooBig => "a frame or its event exceeds 6 MiB".to_owned(),
            Self::Unfinished => "unfinished messages take too much memory".to_owned(),
            Self::MessageTimedOut => "the message took too long".to_owned(),
            Self::NotUtf8 => "a text frame is not UTF-8".to_owned(),
            Self::ProtocolError => "not the WebSocket protocol".to_owned(),
            Self::TransferFailed(kind) | Self::TransferUnavailable(kind) => {
                format!("the transfer function {kind}")
            }
            Self::ShuttingDown => "the gateway is shutting down".to_owned(),
            Self::TimeLimit => "the time limit of the web function".to_owned(),
            Self::NodeLost => "the gateway was cut off".to_owned(),
        }
    }

    /// Whether frames that arrived before the end are still passed on. Not after a failed one, which would leave a
    /// gap, and not when a function has closed the connection or has learned of its end.
    pub(super) fn runs_the_rest(self) -> bool {
        !matches!(self, Self::ClosedByFunction | Self::NodeLost) && !self.is_failed_transfer()
    }

    /// Whether the client is expected to answer the close frame. Not if it has sent its own, and not if the connection
    /// has failed: what it sends after that is not interpreted.
    pub(super) fn awaits_reply(self) -> bool {
        !matches!(
            self,
            Self::ClosedByClient
                | Self::TooBig
                | Self::Unfinished
                | Self::MessageTimedOut
                | Self::NotUtf8
                | Self::ProtocolError
        )
    }

    /// Whether the transfer function did not carry out a frame.
    pub(super) fn is_failed_transfer(self) -> bool {
        matches!(self, Self::TransferFailed(_) | Self::TransferUnavailable(_))
    }
}

/// A connection's end: its reason, the text that the client receives, and the sentence for the log and the timeline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: CloseReason,
    pub(super) text: String,
    /// The limit that was met.
    pub(super) limit: Option<Limit>,
    /// Of the client's close frame, or of the function's push.
    own_code: Option<u16>,
    sentence: String,
}

impl End {
    fn new(reason: CloseReason, sentence: impl Into<String>) -> Self {
        Self { reason, text: reason.text(), limit: None, own_code: None, sentence: sentence.into() }
    }

    /// The code that the gateway sends; `None` where it sends no close frame, or one without a code.
    pub(super) fn code(&self) -> Option<u16> {
        self.own_code.or(self.reason.code())
    }

    /// For the log: 1005 stands for a close frame without a code, and 1006 for none (RFC 6455, section 7.4.1).
    pub(super) fn logged_code(&self) -> u16 {
        let none = if self.reason == CloseReason::ClosedByClient { 1005 } else { 1006 };
        self.code().unwrap_or(none)
    }

    /// A function has closed the connection so.
    pub(super) fn closed_by_function(close: &Close) -> Self {
        if *close == Close::default() {
            return CloseReason::ClosedByFunction.into();
        }
        let sentence = format!("closed by a function ({}) {}", close.code, close.reason);
        let end = Self::new(CloseReason::ClosedByFunction, sentence.trim_end());
        Self { text: close.reason.to_string(), own_code: Some(close.code), ..end }
    }

    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }

    pub(super) fn closed_by_client(code: Option<u16>) -> Self {
        let text = code.map_or_else(String::new, |code| format!(" ({code})"));
        let end = Self::new(CloseReason::ClosedByClient, format!("closed by the client{text}"));
        Self { own_code: code, ..end }
    }

    pub(super) fn connection_lost() -> Self {
        Self::new(CloseReason::ConnectionLost, "connection lost")
    }

    pub(super) fn never_opened() -> Self {
        Self::new(CloseReason::ConnectionLost, "connection lost before it was open")
    }

    pub(super) fn silent(time: Duration) -> Self {
        let sentence = format!("connection lost: no sign of life for {} s", time.as_secs_f64());
        Self::new(CloseReason::Unresponsive, sentence)
    }

    pub(super) fn pings_unanswered(pings: u32) -> Self {
        let sentence = format!("connection lost: the client sends, but has left {pings} pings unanswered");
        Self::new(CloseReason::Unresponsive, sentence)
    }

    pub(super) fn idle(time: Duration) -> Self {
        Self::closed(CloseReason::Idle, &format!("idle for {} s", time.as_secs_f64()))
    }

    /// A limit was met.
    pub(super) fn limit(limit: Limit) -> Self {
        let reason = match limit {
            Limit::SendQueueBytes(_) => CloseReason::TooSlow,
            Limit::FrameBytes(_) => CloseReason::TooBig,
            Limit::UnfinishedBytes(_) => CloseReason::Unfinished,
            Limit::MessageSeconds(_) => CloseReason::MessageTimedOut,
            _ => CloseReason::TooFast,
        };
        let sentence = match reason {
            CloseReason::TooSlow => format!("too slow, {limit}"),
            _ => limit.to_string(),
        };
        let end = Self::closed(reason, &format!("{sentence} (limits.{})", limit.key()));
        let text = match limit {
            Limit::FrameBytes(bytes) if bytes != MAX_EVENT_BYTES => sentence,
            _ => end.text,
        };
        Self { text, limit: Some(limit), ..end }
    }

    /// The event of a frame, which itself is within the limit, is too big for a function.
    pub(super) fn event_too_big(frame_bytes: usize, event_bytes: usize) -> Self {
        let sentence = format!(
            "the event of a frame of {frame_bytes} bytes has {event_bytes}, and functions take {MAX_EVENT_BYTES}"
        );
        Self::closed(CloseReason::TooBig, &sentence)
    }

    /// The client has taken no byte for this long.
    fn overdue(time: Duration) -> Self {
        let sentence = format!("too slow, the client has read nothing for {} s", time.as_secs_f64());
        Self::closed(CloseReason::TooSlow, &sentence)
    }

    /// No message of the client follows.
    pub(super) fn receive_error(error: ReceiveError, frame_bytes: usize, send_timeout: Duration) -> Self {
        match error {
            ReceiveError::Violation(Violation::TooBig) => Self::limit(Limit::FrameBytes(frame_bytes)),
            ReceiveError::Violation(Violation::NotUtf8) => CloseReason::NotUtf8.into(),
            ReceiveError::Violation(Violation::CloseNotUtf8) => {
                let text = "the reason of a close frame is not UTF-8";
                Self { text: text.to_owned(), ..Self::closed(CloseReason::NotUtf8, text) }
            }
            ReceiveError::Violation(Violation::Protocol(breach)) => Self::protocol_error(breach),
            ReceiveError::Unfinished(limit_bytes) => Self::limit(Limit::UnfinishedBytes(limit_bytes)),
            ReceiveError::Ended => Self::connection_lost(),
            ReceiveError::Io(error) => Self::io_error(&error, send_timeout),
        }
    }

    /// The stream has failed.
    pub(super) fn io_error(error: &io::Error, send_timeout: Duration) -> Self {
        // Of the gateway's own stream: the operating system's have a number.
        if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() {
            return Self::overdue(send_timeout);
        }
        Self::new(CloseReason::ConnectionLost, format!("connection lost: {error}"))
    }

    pub(super) fn transfer_failed(failure: &Failure, request_id: &str) -> Self {
        let reason = match failure {
            Failure::Misconfigured(_) => CloseReason::TransferFailed(failure.kind()),
            _ if failure.is_of_backend() => CloseReason::TransferUnavailable(failure.kind()),
            _ => CloseReason::TransferFailed(failure.kind()),
        };
        let text = format!("{} (request {request_id})", reason.text());
        Self { text: text.clone(), ..Self::closed(reason, &text) }
    }

    pub(super) fn protocol_error(what: impl fmt::Display) -> Self {
        Self::closed(CloseReason::ProtocolError, &what.to_string())
    }

    fn closed(reason: CloseReason, why: &str) -> Self {
        let code = reason.code().map_or_else(String::new, |code| format!(" ({code})"));
        Self::new(reason, format!("closed by the gateway{code}: {why}"))
    }
}

/// For the reasons that need no further detail.
impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::ClosedByFunction => Self::new(reason, "closed by a function (1000)"),
            _ => Self::closed(reason, &reason.text()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}
