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
    reload::{Configured, ReloadError},
};
use crate::{Builder, ClientSettings, Gateway, config::Config, registry::cluster::ClusterSettings};

/// A gateway that is configured so, and not started.
pub fn builder(config: &Config, backends: &Backends) -> Result<Builder, BackendsError> {
    let mut builder = Gateway::builder().listen(config.listen);
    if let Some(addr) = config.push_listen {
        builder = builder.push_listen(addr);
    }
    if let Some(url) = &config.push_url {
        builder = builder.push_url(url);
    }
    if let Some(token) = &config.push_token {
        builder = builder.push_token(token.expose());
    }
    if let Some(admin) = &config.admin {
        builder = builder.admin(admin.clone());
    }
    if let Some(redis) = &config.cluster {
        let settings = ClusterSettings { lease: config.cluster_lease, ..ClusterSettings::new(redis.clone()) };
        builder = builder.cluster(settings);
    }
    builder = builder.clients(clients(config)).page_for_operators_only();
    Ok(backends.apis(config)?.into_iter().fold(builder, Builder::api))
}

/// How clients are served.
pub(crate) fn clients(config: &Config) -> ClientSettings {
    ClientSettings {
        tls: config.tls.clone(),
        proxies: config.proxy.clone(),
        limits: config.limits.clone(),
        timeouts: config.timeouts.clone(),
        drain: config.drain,
    }
}

/// What a configuration amounts to, a line for each address and API.
#[derive(Debug)]
pub struct Summary<'a>(pub &'a Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        let scheme = if config.tls.is_some() { "wss" } else { "ws" };
        writeln!(formatter, "clients  {scheme}://{}", config.listen)?;
        let token = config.push_token.as_ref().map_or("local", |_| "…");
        match (&config.push_url, config.push_listen) {
            (Some(url), _) => writeln!(formatter, "push     {url}/api-{token}")?,
            (None, addr) => {
                let addr = addr.unwrap_or(config.listen);
                writeln!(formatter, "push     http://{addr}/api-{token}")?;
            }
        }
        if let Some(admin) = &config.admin {
            writeln!(formatter, "admin    http://{}", admin.listen)?;
        }
        if let Some(redis) = &config.cluster {
            writeln!(formatter, "cluster  {redis}")?;
        }
        for api in &config.apis {
            writeln!(
                formatter,
                "api      {}: register {}, transfer {}, cleanup {}",
                api.path, api.register, api.transfer, api.cleanup
            )?;
        }
        Ok(())
    }
}
