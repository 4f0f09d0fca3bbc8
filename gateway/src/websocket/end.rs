//! How a connection ends: what the client is told, what still happens with the frames it had sent, and the sentence
//! for the log and the time line.

use std::{fmt, time::Duration};

use tokio_tungstenite::tungstenite::{Error, error::ProtocolError, protocol::frame::coding::CloseCode};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    ClosedByClient(Option<u16>),
    ClosedByFunction,
    Cut(String),
    Idle(Duration),
    TooBig,
    NotUtf8,
    Protocol(String),
    /// With what became of the transfer function.
    TransferFailed(&'static str),
    ShuttingDown,
}

impl End {
    /// What the client is told, unless it has closed the connection itself or is out of reach. A reason has at most
    /// 123 bytes.
    pub(super) fn close_frame(&self) -> Option<(CloseCode, String)> {
        Some(match self {
            Self::ClosedByClient(_) | Self::Cut(_) => return None,
            Self::ClosedByFunction => (CloseCode::Normal, String::new()),
            Self::Idle(_) => (CloseCode::Normal, "idle".to_owned()),
            Self::TooBig => (CloseCode::Size, "a frame or its event has more than 6 MB".to_owned()),
            Self::NotUtf8 => (CloseCode::Invalid, "a text frame is not UTF-8".to_owned()),
            Self::Protocol(_) => (CloseCode::Protocol, "not the WebSocket protocol".to_owned()),
            Self::TransferFailed(kind) => (CloseCode::Error, format!("the transfer function {kind}")),
            Self::ShuttingDown => (CloseCode::Away, "the gateway is shutting down".to_owned()),
        })
    }

    /// Whether frames that arrived before the end are still carried out. Not after a failed one, which would leave a
    /// gap, and not when a function wants the client gone.
    pub(super) fn carries_out_the_rest(&self) -> bool {
        !matches!(self, Self::ClosedByFunction | Self::TransferFailed(_))
    }
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByClient(Some(code)) => write!(formatter, "closed by the client ({code})"),
            Self::ClosedByClient(None) => formatter.write_str("closed by the client"),
            Self::ClosedByFunction => formatter.write_str("closed by a function"),
            Self::Cut(how) => formatter.write_str(how),
            Self::Idle(time) => write!(formatter, "idle for {} s", time.as_secs_f64()),
            Self::TooBig => formatter.write_str("closed (1009): a frame or its event has more than 6 MB"),
            Self::NotUtf8 => formatter.write_str("closed (1007): a text frame is not UTF-8"),
            Self::Protocol(how) => write!(formatter, "closed (1002): {how}"),
            Self::TransferFailed(kind) => write!(formatter, "closed (1011): the transfer function {kind}"),
            Self::ShuttingDown => formatter.write_str("closed (1001): the gateway is shutting down"),
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => Self::TooBig,
            Error::Utf8(_) => Self::NotUtf8,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Cut("line cut".to_owned()),
            Error::Protocol(error) => Self::Protocol(error.to_string()),
            other => Self::Cut(format!("line cut: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        let ends = [
            End::ClosedByFunction,
            End::Idle(Duration::from_mins(10)),
            End::TooBig,
            End::NotUtf8,
            End::Protocol("x".repeat(500)),
            End::TransferFailed("did not start"),
            End::ShuttingDown,
        ];
        for end in ends {
            let (_, reason) = end.close_frame().expect("the client is told");
            assert!(reason.len() <= 123, "{reason}");
        }
    }
}
