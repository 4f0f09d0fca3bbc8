//! How a client can break the protocol.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("a frame with reserved bits that no extension has agreed on")]
    ReservedBits,
    #[error("a compressed message that is not what permessage-deflate makes")]
    NotDeflate,
    #[error("a frame with the reserved opcode {0}")]
    ReservedOpcode(u8),
    #[error("a frame without a mask")]
    Unmasked,
    #[error("a frame whose length is not written in as few bytes as possible")]
    LengthNotMinimal,
    #[error("a frame whose length has its highest bit set")]
    LengthTopBit,
    #[error("a control frame in fragments")]
    FragmentedControlFrame,
    #[error("a control frame of more than 125 bytes")]
    LongControlFrame,
    #[error("a continuation frame without a message to continue")]
    NothingToContinue,
    #[error("a new message before the last fragment of the one before")]
    InterleavedMessage,
    #[error("a close frame with half a code")]
    ShortCloseBody,
    #[error("a close frame with the code {0}")]
    CloseCode(u16),
}

impl From<Breach> for Violation {
    fn from(breach: Breach) -> Self {
        Self::Protocol(breach)
    }
}
