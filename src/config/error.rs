//! An environment variable that cannot be used.

use std::fmt;

/// Why the configuration cannot be used: one line that names the variable and what is allowed.
///
/// ```
/// use scf_websocket::{Config, ConfigError};
///
/// /// A secret that may be missing where nobody else can connect.
/// fn secret(config: &Config) -> Result<Option<String>, ConfigError> {
///     match config.require("SECRET", "any text") {
///         Err(ConfigError::Missing { .. }) => Ok(None),
///         other => other.map(Some),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The value of a variable is not allowed.
    NotAllowed {
        /// The variable.
        name: String,
        /// Its value, without a password.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A variable that is required is not set.
    Missing {
        /// The variable.
        name: String,
        /// What is allowed.
        allowed: String,
    },
    /// A name begins with `WS_` and is not declared.
    Unknown {
        /// The variable.
        name: String,
        /// The names that are declared, separated by commas.
        known: String,
    },
    /// `SCF_RUNTIME_API` is not set, so SCF has not started the program.
    NotStartedByScf,
}

impl ConfigError {
    pub(crate) fn not_allowed(name: &str, value: &str, allowed: &str) -> Self {
        Self::NotAllowed { name: name.into(), value: value.into(), allowed: allowed.into() }
    }

    pub(crate) fn missing(name: &str, allowed: &str) -> Self {
        Self::Missing { name: name.into(), allowed: allowed.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { name, value, allowed } => write!(f, "{name} is {value:?}; allowed: {allowed}"),
            Self::Missing { name, allowed } => write!(f, "{name} is not set; allowed: {allowed}"),
            Self::Unknown { name, known } => {
                write!(f, "{name} is not a variable of this program; allowed: {known}")
            }
            Self::NotStartedByScf => f.write_str(
                "SCF_RUNTIME_API is not set: SCF starts this program and sets it; `make run` tries it on this machine",
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
