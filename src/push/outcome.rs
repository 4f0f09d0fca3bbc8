//! What became of a push.

/// The result of one push.
pub(crate) enum PushOutcome {
    Delivered,
    /// The gateway does not know the connection (any more).
    Gone(String),
    /// The gateway answered that it failed, or that it takes no more now.
    Refused(String),
    /// The gateway did not answer, or another server did.
    Unreached(String),
}
