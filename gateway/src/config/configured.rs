//! A gateway as a configuration describes it.
//!
//! [`Backends::new`] prepares what functions elsewhere are called with → [`builder`] → [`Builder::start`] →
//! [`Configured`], which a reload changes. [`online::check`] asks the backends without starting anything.

mod backends;
pub mod online;
mod reload;

use std::fmt;

pub use self::{
    backends::{Backends, BackendsError},
    reload::Configured,
};
use crate::{
    Builder, ClientSettings, Gateway, PageScope,
    config::{self, Config},
    registry::cluster::ClusterSettings,
};

/// A gateway that is configured so, and not started.
pub fn builder(config: &Config, backends: &Backends) -> Result<Builder, BackendsError> {
    let mut builder = Gateway::builder().listen(config.fixed.listen);
    if let Some(addr) = config.fixed.push_listen {
        builder = builder.push_listen(addr);
    }
    if let Some(url) = &config.fixed.push_url {
        builder = builder.push_url(url);
    }
    if let Some(token) = &config.push_token {
        builder = builder.push_token(token.expose());
    }
    if let Some(token) = &config.push_token_previous {
        builder = builder.push_token_previous(token.expose());
    }
    if let Some(admin) = &config.fixed.admin {
        builder = builder.admin(admin.clone());
    }
    if let Some(redis) = &config.fixed.cluster {
        let settings = ClusterSettings {
            lease: config.fixed.cluster_lease,
            may_freeze: config.fixed.web_function.is_some(),
            ..ClusterSettings::new(redis.clone())
        };
        builder = builder.cluster(settings);
    }
    let page = if config.fixed.page { PageScope::Operators } else { PageScope::Nowhere };
    builder = builder.clients(clients(config)).page(page).page_rows(config.fixed.page_rows);
    Ok(backends.apis(config)?.into_iter().fold(builder, Builder::api))
}

/// How clients are served.
pub(crate) fn clients(config: &Config) -> ClientSettings {
    ClientSettings {
        tls: config.tls.clone(),
        proxies: config.proxy.clone(),
        limits: config.limits.clone(),
        timeouts: config.timeouts.clone(),
        compression: config.compression,
        drain: config.drain,
        web_function: config.fixed.web_function.clone(),
    }
}

/// What a configuration amounts to, a line for each address and API.
#[derive(Debug)]
pub struct ConfigSummary<'a>(pub &'a Config);

impl ConfigSummary<'_> {
    /// The same in a line, for the log.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        self.lines().iter().map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>().join("; ")
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let config = self.0;
        let scheme = if config.tls.is_some() { "wss" } else { "ws" };
        let token = config.push_token.as_ref().map_or("local", |_| "…");
        let pushes = match &config.fixed.push_url {
            Some(url) => url.clone(),
            None => format!("http://{}", config.fixed.push_listen.unwrap_or(config.fixed.listen)),
        };
        let mut lines = vec![
            ("clients", format!("{scheme}://{}", config.fixed.listen)),
            ("push", format!("{pushes}/api-{token}")),
        ];
        lines.extend(config.fixed.admin.as_ref().map(|admin| ("admin", format!("http://{}", admin.listen))));
        lines.extend(config.fixed.cluster.as_ref().map(|redis| ("cluster", redis.to_string())));
        lines.extend(config.apis.iter().map(
            |config::ApiConfig { path, register, transfer, cleanup, .. }| {
                ("api", format!("{path}: register {register}, transfer {transfer}, cleanup {cleanup}"))
            },
        ));
        lines
    }
}

impl fmt::Display for ConfigSummary<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|(name, text)| writeln!(formatter, "{name:8} {text}"))
    }
}
