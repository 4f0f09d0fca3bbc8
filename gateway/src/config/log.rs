//! How the gateway logs.

use std::str::FromStr;

use log::LevelFilter;

use super::Environment;

/// How the gateway logs. What is left out is decided elsewhere: by a flag or a variable, or by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line is written.
    pub format: Option<LogFormat>,
    /// From which level on. `RUST_LOG` overrides it.
    pub level: Option<LevelFilter>,
}

impl LogSettings {
    /// What the environment says, for where there is no file, or a wrong one.
    #[must_use]
    pub fn of_environment(environment: &Environment) -> Self {
        let format = environment.read("GATEWAY_LOG_FORMAT", str::parse).and_then(Result::ok);
        Self { format, level: None }
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `[time LEVEL] message`
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("write text or json".to_owned()),
        }
    }
}

pub(super) fn level(text: &str) -> Result<LevelFilter, String> {
    let all = ["off", "error", "warn", "info", "debug", "trace"];
    let known = all.contains(&text).then(|| text.parse().ok()).flatten();
    known.ok_or_else(|| format!("write {}", all.join(", ")))
}
