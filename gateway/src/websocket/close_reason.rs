//! Why a connection ends: all reasons, each with the close code and the text that the client receives, and what
//! happens to the frames that the client had sent.

use std::{fmt, io, time::Duration};

use tokio_tungstenite::tungstenite::{Error, error::ProtocolError, protocol::frame::coding::CloseCode};

use crate::{function::Failure, http::PROGRESS_TIMEOUT};

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent a close frame, and receives its code back.
    ClosedByClient,
    /// A function closed it by a reverse push: 1000, no text.
    ClosedByFunction,
    /// The TCP connection ended without a close frame: no close frame is sent.
    ConnectionLost,
    /// The client answers no pings: no close frame is sent.
    Unresponsive,
    /// No data frame in either direction for the idle time-out: 1000, `idle`.
    Idle,
    /// The client reads too slowly for what is sent to it: 1008, `too slow`.
    TooSlow,
    /// A frame, or the event that it would become, has more than 6 MB: 1009.
    TooBig,
    /// A text frame is not UTF-8: 1007.
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
}

impl CloseReason {
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
            Self::TooBig => "too_big",
            Self::NotUtf8 => "not_utf8",
            Self::ProtocolError => "protocol_error",
            Self::TransferFailed(_) => "transfer_failed",
            Self::TransferUnavailable(_) => "transfer_unavailable",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// The close code that the gateway sends; `None` where the client has closed the connection or is out of reach.
    #[must_use]
    pub fn code(self) -> Option<u16> {
        let code = match self {
            Self::ClosedByClient | Self::ConnectionLost | Self::Unresponsive => return None,
            Self::ClosedByFunction | Self::Idle => CloseCode::Normal,
            Self::TooSlow => CloseCode::Policy,
            Self::TooBig => CloseCode::Size,
            Self::NotUtf8 => CloseCode::Invalid,
            Self::ProtocolError => CloseCode::Protocol,
            Self::TransferFailed(_) => CloseCode::Error,
            Self::TransferUnavailable(_) => CloseCode::Again,
            Self::ShuttingDown => CloseCode::Away,
        };
        Some(code.into())
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
            Self::TooBig => "a frame or its event has more than 6 MB".to_owned(),
            Self::NotUtf8 => "a text frame is not UTF-8".to_owned(),
            Self::ProtocolError => "not the WebSocket protocol".to_owned(),
            Self::TransferFailed(kind) | Self::TransferUnavailable(kind) => {
                format!("the transfer function {kind}")
            }
            Self::ShuttingDown => "the gateway is shutting down".to_owned(),
        }
    }

    /// Whether frames that arrived before the end are still carried out. Not after a failed one, which would leave a
    /// gap, and not when a function has closed the connection.
    pub(super) fn carries_out_the_rest(self) -> bool {
        self != Self::ClosedByFunction && !self.is_failed_transfer()
    }

    /// Whether the transfer function did not carry out a frame.
    pub(super) fn is_failed_transfer(self) -> bool {
        matches!(self, Self::TransferFailed(_) | Self::TransferUnavailable(_))
    }
}

/// A connection's end: its reason, the text that the client receives, and the sentence for the log and the time line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: CloseReason,
    pub(super) text: String,
    sentence: String,
}

impl End {
    fn new(reason: CloseReason, sentence: impl Into<String>) -> Self {
        Self { reason, text: reason.text(), sentence: sentence.into() }
    }

    pub(super) fn sentence(&self) -> &str {
        &self.sentence
    }

    pub(super) fn closed_by_client(code: Option<u16>) -> Self {
        let code = code.map_or_else(String::new, |code| format!(" ({code})"));
        Self::new(CloseReason::ClosedByClient, format!("closed by the client{code}"))
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
        Self::new(CloseReason::Idle, format!("idle for {} s", time.as_secs_f64()))
    }

    pub(super) fn queue_full(limit_bytes: usize) -> Self {
        Self::closed(
            CloseReason::TooSlow,
            &format!("too slow, more than {limit_bytes} bytes wait for the client"),
        )
    }

    pub(super) fn transfer_failed(failure: &Failure, request_id: &str) -> Self {
        let reason = match failure {
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
            CloseReason::ClosedByFunction => Self::new(reason, "closed by a function"),
            _ => Self::closed(reason, &reason.text()),
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => CloseReason::TooBig.into(),
            Error::Utf8(_) => CloseReason::NotUtf8.into(),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::connection_lost(),
            Error::Protocol(error) => Self::protocol_error(error),
            // Of the gateway's own stream: the operating system's have a number.
            Error::Io(error) if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() => {
                Self::closed(
                    CloseReason::TooSlow,
                    &format!("too slow, the client has read nothing for {} s", PROGRESS_TIMEOUT.as_secs()),
                )
            }
            other => Self::new(CloseReason::ConnectionLost, format!("connection lost: {other}")),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_a_code_if_it_has_a_text_and_fits_into_a_close_frame() {
        for reason in [
            CloseReason::ClosedByClient,
            CloseReason::ClosedByFunction,
            CloseReason::ConnectionLost,
            CloseReason::Unresponsive,
            CloseReason::Idle,
            CloseReason::TooSlow,
            CloseReason::TooBig,
            CloseReason::NotUtf8,
            CloseReason::ProtocolError,
            CloseReason::TransferFailed("did not start"),
            CloseReason::TransferUnavailable("is unavailable"),
            CloseReason::ShuttingDown,
        ] {
            let text = reason.text();
            assert!(text.len() <= 123, "{text}");
            assert!(text.is_empty() || reason.code().is_some(), "{reason:?}");
        }
    }

    #[test]
    fn a_failed_transfer_has_a_request_id_and_fits_too() {
        let failure = Failure::NeverReady(String::new());
        let end = End::transfer_failed(&failure, "c6af9ac6-7b61-41e6-9a41-93e8deadbeef");
        assert!(end.text.ends_with("(request c6af9ac6-7b61-41e6-9a41-93e8deadbeef)"), "{end:?}");
        assert!(end.text.len() <= 123, "{end:?}");
        assert_eq!(end.reason.code(), Some(1011));
        let end = End::transfer_failed(&Failure::Unavailable(String::new()), "id");
        assert_eq!(end.reason.code(), Some(1013));
    }

    #[test]
    fn a_write_that_is_overdue_is_the_clients_slowness_and_a_broken_line_is_not() {
        let overdue = End::from(Error::Io(io::ErrorKind::TimedOut.into()));
        assert_eq!(overdue.reason, CloseReason::TooSlow);
        let unreachable = End::from(Error::Io(io::Error::from_raw_os_error(110)));
        assert_eq!(unreachable.reason, CloseReason::ConnectionLost);
    }
}
