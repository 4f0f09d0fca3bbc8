//! How a client can break the protocol.

use std::fmt;

/// Why a connection is failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// 1002.
    Protocol(Breach),
    /// A frame, or the message that it belongs to, exceeds the limit: 1009.
    TooBig,
    /// The text of a message is not UTF-8: 1007.
    NotUtf8,
    /// The reason of a close frame is not UTF-8: 1007.
    CloseNotUtf8,
}

/// A rule of RFC 6455 that a client has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breach {
    ReservedBits,
    NotDeflate,
    ReservedOpcode(u8),
    Unmasked,
    LengthNotMinimal,
    LengthTopBit,
    FragmentedControlFrame,
    LongControlFrame,
    NothingToContinue,
    InterleavedMessage,
    ShortCloseBody,
    CloseCode(u16),
}

impl From<Breach> for Violation {
    fn from(breach: Breach) -> Self {
        Self::Protocol(breach)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => {
                formatter.write_str("a frame with reserved bits that no extension has agreed on")
            }
            Self::NotDeflate => {
                formatter.write_str("a compressed message that is not what permessage-deflate makes")
            }
            Self::ReservedOpcode(opcode) => write!(formatter, "a frame with the reserved opcode {opcode}"),
            Self::Unmasked => formatter.write_str("a frame without a mask"),
            Self::LengthNotMinimal => {
                formatter.write_str("a frame whose length is not written in as few bytes as possible")
            }
            Self::LengthTopBit => formatter.write_str("a frame whose length has its highest bit set"),
            Self::FragmentedControlFrame => formatter.write_str("a control frame in fragments"),
            Self::LongControlFrame => formatter.write_str("a control frame of more than 125 bytes"),
            Self::NothingToContinue => {
                formatter.write_str("a continuation frame without a message to continue")
            }
            Self::InterleavedMessage => {
                formatter.write_str("a new message before the last fragment of the one before")
            }
            Self::ShortCloseBody => formatter.write_str("a close frame with half a code"),
            Self::CloseCode(code) => write!(formatter, "a close frame with the code {code}"),
        }
    }
}
