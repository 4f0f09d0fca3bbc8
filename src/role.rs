//! The role of a function: which kinds of events it serves.

use std::fmt;

/// Which events a function serves (`WS_ROLE`).
///
/// ```
/// use scf_websocket::{Config, ConfigError, Role};
///
/// /// Only what pushes needs a push address.
/// fn check(config: &Config) -> Result<(), ConfigError> {
///     match config.role() {
///         Role::Transfer | Role::Auto => config.require_push("what it receives it sends on"),
///         role => Ok(log::debug!("{} pushes nothing", role.name())),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A client asks to connect.
    Register,
    /// A client has sent a frame.
    Transfer,
    /// A client has left.
    Cleanup,
    /// Each of the three, by the event's `websocket.action`.
    Auto,
}

impl Role {
    pub(crate) const ALLOWED: &str = "register, transfer, cleanup, auto";

    pub(crate) fn parse(value: &str) -> Result<Self, String> {
        match value {
            "register" => Ok(Self::Register),
            "transfer" => Ok(Self::Transfer),
            "cleanup" => Ok(Self::Cleanup),
            "auto" => Ok(Self::Auto),
            _ => Err(Self::ALLOWED.into()),
        }
    }

    /// The value of `WS_ROLE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Transfer => "transfer",
            Self::Cleanup => "cleanup",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
