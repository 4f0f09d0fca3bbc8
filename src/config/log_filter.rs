//! The filter of the log, from `RUST_LOG`.

use std::ffi::OsString;

use log::LevelFilter;

use super::error::ConfigError;

const NAME: &str = "RUST_LOG";
const ALLOWED: &str = "off, error, warn, info, debug, trace, or module=level pairs separated by commas";

/// Converts the value of `RUST_LOG` to an `env_logger` filter.
///
/// Read separately from the rest of the configuration, because the log must be set up before an error is reported.
pub(crate) fn log_filter(value: Option<OsString>) -> Result<String, ConfigError> {
    let Some(value) = value else { return Ok(without_http_client(LevelFilter::Info)) };
    let value =
        value.into_string().map_err(|raw| ConfigError::not_allowed(NAME, &raw.to_string_lossy(), ALLOWED))?;
    if let Ok(level) = value.trim().parse::<LevelFilter>() {
        return Ok(without_http_client(level));
    }
    let are_pairs = value.split(',').all(|part| match part.split_once('=') {
        Some((module, level)) => !module.trim().is_empty() && level.trim().parse::<LevelFilter>().is_ok(),
        None => part.trim().parse::<LevelFilter>().is_ok(),
    });
    if are_pairs { Ok(value) } else { Err(ConfigError::not_allowed(NAME, &value, ALLOWED)) }
}

/// A level without a module leaves out the HTTP client's messages below `warn`: they are many, and at `debug` they
/// contain the path of the push address, which is a secret.
fn without_http_client(level: LevelFilter) -> String {
    let client = level.min(LevelFilter::Warn);
    // A name matches all modules that begin with it, such as `ureq_proto`.
    let tls = if cfg!(feature = "tls") { format!(",rustls={client}") } else { String::new() };
    format!("{level},ureq={client}{tls}")
}
