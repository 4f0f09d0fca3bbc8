//! Where a Redis server is, and with which password.

use std::fmt;

use redis::{IntoConnectionInfo as _, RedisConnectionInfo};
use url::{Host, Url};

use crate::config::secret::Secret;

const ALLOWED: &str = "write redis://[user:password@]host[:port][/db], or rediss:// for TLS";
const DEFAULT_PORT: u16 = 6379;

/// The URL of a Redis server. Only [`RedisUrl::secret`] shows its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    text: Secret,
    host: Host,
    port: u16,
    tls: bool,
    database: u32,
}

impl RedisUrl {
    /// Reads a URL. The error is a sentence that does not show the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL ({error}); {ALLOWED}"))?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(ALLOWED.to_owned()),
        };
        let host = url.host().filter(|host| !matches!(host, Host::Domain(""))).ok_or(ALLOWED)?.to_owned();
        if url.query().is_some() || url.fragment().is_some() {
            return Err(ALLOWED.to_owned());
        }
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            database => database.parse().map_err(|_| ALLOWED)?,
        };
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let parsed = Self { text: Secret::new(text), host, port, tls, database };
        parsed.settings().map_err(|_| ALLOWED)?;
        Ok(parsed)
    }

    /// The whole URL, with its password.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.text
    }

    /// The number of the database.
    #[must_use]
    pub fn database(&self) -> i64 {
        self.database.into()
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls
    }

    /// User, password and database, as the client wants them.
    pub(super) fn settings(&self) -> redis::RedisResult<RedisConnectionInfo> {
        // The library reads rediss:// only if it makes the TLS connections itself.
        let text = self.text.expose();
        let plain = text.strip_prefix("rediss").map(|rest| Secret::new(format!("redis{rest}")));
        let info = plain.as_ref().map_or(text, Secret::expose).into_connection_info()?;
        Ok(info.redis_settings().clone())
    }
}

impl fmt::Display for RedisUrl {
    /// Without user and password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(formatter, "{scheme}://{}:{}/{}", self.host, self.port, self.database)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_server_database_and_password() {
        let url = RedisUrl::parse("rediss://user:p%40ss@example.com/3").expect("a URL");
        assert_eq!(url.to_string(), "rediss://example.com:6379/3");
        assert_eq!((url.has_tls(), url.port(), url.database()), (true, 6379, 3));
        let settings = url.settings().expect("settings");
        assert_eq!((settings.username(), settings.password()), (Some("user"), Some("p@ss")));
        assert_eq!(settings.db(), 3);
        let url = RedisUrl::parse("redis://:hunter2@[::1]:1").expect("a URL");
        assert_eq!(format!("{url:?}"), "redis://[::1]:1/0");
        assert_eq!(url.settings().expect("settings").password(), Some("hunter2"));
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_without_being_shown() {
        for wrong in ["http://hunter2", "redis://", "redis://hunter2/db", "redis://hunter2?y", "hunter2:1"] {
            let sentence = RedisUrl::parse(wrong).expect_err(wrong);
            assert!(
                sentence.contains("redis://[user:password@]") && !sentence.contains("hunter2"),
                "{sentence}"
            );
        }
    }
}
