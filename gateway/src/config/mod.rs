//! The configuration file, `gateway.toml`: reads it, checks all of it, and reports everything that is wrong at once,
//! each problem with its line.
//!
//! [`Config::load`] → [`Config`] or [`ProblemReport`]. `examples/gateway.toml` has every key with its default. What a
//! reload changes in a running gateway is decided by [`reload::plan`]; what works but deserves a warning is in
//! [`warnings`].

mod api;
mod changes;
pub mod configured;
mod environment;
mod log;
mod problems;
mod read;
pub mod reload;
pub mod secret;
mod section;
mod target;
#[cfg(test)]
mod tests;
mod values;
mod variable;
pub mod warnings;
mod web_function;

use std::{net::SocketAddr, path::Path, time::Duration};

pub(crate) use self::values::network;
pub use self::{
    api::ApiConfig,
    changes::FileChanges,
    environment::Environment,
    log::{LogFormat, LogSettings},
    problems::{Problem, ProblemReport},
    target::Target,
    variable::check_variable_name,
};
use crate::{
    config::secret::Secret,
    connection::{compression::Compression, limits::Limits, timeouts::Timeouts, web_function::WebFunction},
    function::remote::scf::Endpoint,
    registry::cluster::RedisUrl,
    server::{client_address::Proxies, tls::CertificateFiles},
};

/// A file that was read, and in which nothing is wrong.
///
/// ```no_run
/// use std::path::Path;
///
/// use scf_websocket_gateway::config::{Config, Environment};
///
/// match Config::load(Path::new("gateway.toml"), &Environment::of_process()) {
///     Ok(config) => println!("{} APIs at {}", config.apis.len(), config.fixed.listen),
///     Err(report) => eprintln!("{report}"),
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The settings that only a restart changes.
    pub fixed: FixedConfig,
    /// The secret in the push address.
    pub push_token: Option<Secret>,
    /// The secret that was in it, with which pushes are accepted too.
    pub push_token_previous: Option<Secret>,
    /// How long clients are closed for at the end.
    pub drain: Duration,
    /// How frames are compressed for clients that offer it.
    pub compression: Option<Compression>,
    /// The certificate with which clients are served; without one, clients connect with `ws://`.
    pub tls: Option<CertificateFiles>,
    /// The proxies in front.
    pub proxy: Proxies,
    /// How much clients may do.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// How functions in the cloud are called.
    pub scf: Scf,
    /// The APIs, at least one, in the order of the file.
    pub apis: Vec<ApiConfig>,
}

/// The settings that a reload does not change: those of the listening sockets, the cluster and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FixedConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where functions push, if not where clients connect.
    pub push_listen: Option<SocketAddr>,
    /// The part of the push address before `/api-…`, as functions are given it; left out: made of the address itself.
    pub push_url: Option<String>,
    /// Where the gateway shows how it is.
    pub admin: Option<Admin>,
    /// Whether the page is served at that address.
    pub page: bool,
    /// How many rows of its timeline are kept.
    pub page_rows: usize,
    /// How the gateway logs.
    pub log: LogSettings,
    /// Whether a change of the file is noticed without SIGHUP.
    pub watch: bool,
    /// The Redis server that the nodes of a cluster share.
    pub cluster: Option<RedisUrl>,
    /// How long a node of the cluster may be silent before the others take its clients over.
    pub cluster_lease: Duration,
    /// What the platform allows, where the gateway runs inside a web function.
    pub web_function: Option<WebFunction>,
}

/// Where the gateway shows how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The address of `/healthz`, `/readyz`, `/metrics` and the page.
    pub listen: SocketAddr,
    /// What has to be given with HTTP basic authentication. If the address is not a loopback one, it is always there, or
    /// there is no page and a token for the metrics.
    pub password: Option<Secret>,
    /// What reads `/metrics` and nothing else, as a bearer token.
    pub metrics_token: Option<Secret>,
}

impl Admin {
    /// At this address, and open.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, password: None, metrics_token: None }
    }
}

/// How functions in the cloud are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scf {
    /// Where the functions are; there if any function is in the cloud.
    pub region: Option<String>,
    /// The cloud API.
    pub endpoint: Endpoint,
    /// The role of the virtual machine whose credentials are used; left out: those of the environment.
    pub role: Option<String>,
}

impl Config {
    /// Reads a file. Relative paths in it are relative to its folder; programs and certificates that it names are
    /// looked at, nothing is started. A certificate that has expired is no mistake: it is served, see [`warnings`].
    pub fn load(file: &Path, environment: &Environment) -> Result<Self, ProblemReport> {
        Self::read(file, environment, read::Certificates::Checked)
    }

    /// Likewise for a gateway that runs, which keeps the certificate that it has if it cannot use the one in the file.
    pub fn reload(file: &Path, environment: &Environment) -> Result<Self, ProblemReport> {
        Self::read(file, environment, read::Certificates::Ignored)
    }

    fn read(
        file: &Path,
        environment: &Environment,
        certificates: read::Certificates,
    ) -> Result<Self, ProblemReport> {
        let bytes = std::fs::read(file).map_err(|error| {
            ProblemReport::of_file(file, format!("cannot read the configuration: {error}"))
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
            ProblemReport::of_file(file, format!("line {line} is not UTF-8, in which TOML is written"))
        })?;
        read::read(file, &text, environment, certificates)
    }
}
