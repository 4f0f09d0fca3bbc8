//! Where a Redis server is, or the servers of a sharded Redis, and with which password.

use std::{fmt, net::IpAddr};

use redis::{IntoConnectionInfo as _, RedisConnectionInfo};
use url::{Host, Url};

use crate::config::secret::Secret;

const ALLOWED: &str = "write redis://[user:password@]host[:port][/db], or rediss:// for TLS; \
                       for a sharded Redis redis+cluster://[user:password@]host[:port],host[:port],…";
const DEFAULT_PORT: u16 = 6379;

/// The URL of a Redis server, or of some servers of a sharded Redis. Its password is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    servers: Vec<RedisServer>,
    /// `redis://` with user, password and database, for any server.
    login: Secret,
    tls: bool,
    is_sharded: bool,
    database: u32,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RedisServer {
    pub(super) host: Host,
    pub(super) port: u16,
}

impl RedisUrl {
    /// Reads a URL. The error is a sentence that does not show the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or(ALLOWED)?;
        let (tls, is_sharded) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+cluster" => (false, true),
            "rediss+cluster" => (true, true),
            _ => return Err(ALLOWED.to_owned()),
        };
        let (user, place) = rest.rsplit_once('@').map_or(("", rest), |(user, place)| (user, place));
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let database = match database {
            "" => 0,
            database => database.parse().map_err(|_| ALLOWED)?,
        };
        let hosts: Vec<_> = if is_sharded { hosts.split(',').collect() } else { vec![hosts] };
        let servers = hosts.into_iter().map(RedisServer::parse).collect::<Result<_, _>>()?;
        if is_sharded && database != 0 {
            return Err("a sharded Redis has database 0 alone".to_owned());
        }
        let at = if user.is_empty() { "" } else { "@" };
        let login = Secret::new(format!("redis://{user}{at}localhost/{database}"));
        let parsed = Self { servers, login, tls, is_sharded, database };
        parsed.settings().map_err(|_| ALLOWED)?;
        Ok(parsed)
    }

    /// The number of the database.
    #[must_use]
    pub fn database(&self) -> i64 {
        self.database.into()
    }

    /// Whether the servers share the keys among them, and one of them has those of the nodes.
    #[must_use]
    pub(crate) fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    /// One, or some of a sharded Redis.
    pub(super) fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls
    }

    /// User, password and database, as the client wants them.
    pub(super) fn settings(&self) -> redis::RedisResult<RedisConnectionInfo> {
        Ok(self.login.expose().into_connection_info()?.redis_settings().clone())
    }
}

impl RedisServer {
    /// Reads `host[:port]`.
    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(&format!("redis://{text}"));
        let url = url.map_err(|error| format!("not a URL ({error}); {ALLOWED}"))?;
        let is_no_name =
            |host: &Host<&str>| matches!(host, Host::Domain(name) if name.is_empty() || name.contains(','));
        let host = url.host().filter(|host| !is_no_name(host)).ok_or(ALLOWED)?.to_owned();
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(ALLOWED.to_owned());
        }
        Ok(Self { host, port: url.port().unwrap_or(DEFAULT_PORT) })
    }

    /// The one that this one names for a key, as `host:port`; without a host it has the same.
    pub(super) fn named(&self, address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let host = match host.trim_matches(['[', ']']) {
            "" | "?" => self.host.clone(),
            host => match host.parse() {
                Ok(IpAddr::V4(address)) => Host::Ipv4(address),
                Ok(IpAddr::V6(address)) => Host::Ipv6(address),
                Err(_) => Host::Domain(host.to_owned()),
            },
        };
        Some(Self { host, port: port.parse().ok()? })
    }
}

impl fmt::Display for RedisServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for RedisUrl {
    /// Without user and password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let sharded = if self.is_sharded { "+cluster" } else { "" };
        let servers: Vec<_> = self.servers.iter().map(RedisServer::to_string).collect();
        write!(formatter, "{scheme}{sharded}://{}/{}", servers.join(","), self.database)
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
        assert_eq!((url.has_tls(), url.is_sharded(), url.database()), (true, false, 3));
        let settings = url.settings().expect("settings");
        assert_eq!((settings.username(), settings.password()), (Some("user"), Some("p@ss")));
        assert_eq!(settings.db(), 3);
        let url = RedisUrl::parse("redis://:hunter2@[::1]:1").expect("a URL");
        assert_eq!(format!("{url:?}"), "redis://[::1]:1/0");
        assert_eq!(url.settings().expect("settings").password(), Some("hunter2"));
    }

    #[test]
    fn a_url_of_a_sharded_redis_names_several_servers() {
        let url =
            RedisUrl::parse("rediss+cluster://user:p%40ss@a,[::1]:7000,10.0.0.7:7001/0").expect("a URL");
        assert_eq!(url.to_string(), "rediss+cluster://a:6379,[::1]:7000,10.0.0.7:7001/0");
        assert!(url.has_tls() && url.is_sharded());
        let settings = url.settings().expect("settings");
        assert_eq!((settings.username(), settings.password()), (Some("user"), Some("p@ss")));
        let sentence = RedisUrl::parse("redis+cluster://a,b/1").expect_err("a database");
        assert_eq!(sentence, "a sharded Redis has database 0 alone");
    }

    #[test]
    fn a_server_names_another_one_by_its_address_or_by_its_port_alone() {
        let server = RedisServer::parse("example.com").expect("a server");
        for (address, expected) in [
            ("10.0.0.7:7001", "10.0.0.7:7001"),
            ("::1:7001", "[::1]:7001"),
            ("other.example:7001", "other.example:7001"),
            (":7001", "example.com:7001"),
            ("?:7001", "example.com:7001"),
        ] {
            assert_eq!(server.named(address).expect("a server").to_string(), expected);
        }
        assert_eq!(server.named("10.0.0.7"), None);
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_without_being_shown() {
        for wrong in [
            "http://hunter2",
            "redis://",
            "redis://hunter2/db",
            "redis://hunter2?y",
            "redis://a,hunter2",
            "redis+cluster://hunter2,",
            "redis+cluster://a,hunter2:x",
            "hunter2:1",
        ] {
            let sentence = RedisUrl::parse(wrong).expect_err(wrong);
            assert!(
                sentence.contains("redis://[user:password@]") && !sentence.contains("hunter2"),
                "{sentence}"
            );
        }
    }
}
