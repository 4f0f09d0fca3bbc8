//! `redis://[user:password@]host[:port][/db]`: a Redis server, a database and credentials.

use std::borrow::Cow;
use std::fmt;

const DEFAULT_PORT: u16 = 6379;

/// A Redis server, a database and credentials. The credentials are never displayed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: u32,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// `None`: the default user.
    pub(super) user: Option<String>,
    pub(super) password: String,
}

impl RedisUrl {
    /// Parses the URL; `None` where the scheme is another one. The error says what is wrong.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, String>> {
        let (scheme, rest) = text.split_once("://")?;
        let tls = match scheme {
            "redis" => false,
            "rediss" if cfg!(feature = "tls") => true,
            "rediss" => return Some(Err("rediss needs a build with the cargo feature tls".into())),
            _ => return None,
        };
        Some(Self::parse_rest(tls, rest))
    }

    fn parse_rest(tls: bool, rest: &str) -> Result<Self, String> {
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(Credentials::parse(credentials)?), rest),
            None => (None, rest),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = host_and_port(authority)?;
        let database = if path.is_empty() {
            0
        } else {
            path.parse().map_err(|_| format!("the database {path:?} is not a number"))?
        };
        Ok(Self { tls, host, port, database, credentials })
    }
}

impl Credentials {
    fn parse(text: &str) -> Result<Self, String> {
        let (user, password) = text.split_once(':').ok_or("before the @ there is no user:password")?;
        let user = percent_decoded(user)?;
        Ok(Self { user: (!user.is_empty()).then_some(user), password: percent_decoded(password)? })
    }
}

fn host_and_port(authority: &str) -> Result<(String, u16), String> {
    // An IPv6 address contains colons, inside brackets.
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[after_host..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_host + colon);
            let number = port[1..].parse().map_err(|_| format!("the port {:?} is not one", &port[1..]))?;
            (host, number)
        }
        None => (authority, DEFAULT_PORT),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "?#".contains(c)) {
        return Err("there is no host name".into());
    }
    Ok((host.to_owned(), port))
}

/// A `%` that does not begin an escape is kept.
fn percent_decoded(text: &str) -> Result<String, String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| "user and password must be UTF-8, percent-encoded or not".into())
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(f, "{scheme}://{}:{}/{}", self.host, self.port, self.database)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, RedisUrl};

    fn parsed(text: &str) -> Result<RedisUrl, String> {
        RedisUrl::parse(text).expect("of this scheme")
    }

    #[test]
    fn every_part_is_read() {
        let url = parsed("redis://me:p%40ss:w%2Frd@db.example:7000/3").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.database), ("db.example", 7000, 3));
        let credentials = Credentials { user: Some("me".into()), password: "p@ss:w/rd".into() };
        assert!(url.credentials == Some(credentials));
        assert_eq!(url.to_string(), "redis://db.example:7000/3");
        assert_eq!(format!("{url:?}"), url.to_string(), "no password in a debug print");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        assert_eq!(parsed("redis://h").unwrap().to_string(), "redis://h:6379/0");
        assert_eq!(parsed("redis://h/").unwrap().to_string(), "redis://h:6379/0");
        assert_eq!(parsed("redis://[::1]").unwrap().to_string(), "redis://[::1]:6379/0");
        assert_eq!(parsed("redis://[::1]:1/2").unwrap().to_string(), "redis://[::1]:1/2");
        let credentials = parsed("redis://:secret@h").unwrap().credentials;
        assert!(credentials == Some(Credentials { user: None, password: "secret".into() }));
        let credentials = parsed("redis://:50%@h").unwrap().credentials;
        assert!(credentials == Some(Credentials { user: None, password: "50%".into() }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("redis://", "host name"),
            ("redis://:6379", "host name"),
            ("redis://h:port", "the port \"port\""),
            ("redis://h:70000", "the port \"70000\""),
            ("redis://h/db", "the database \"db\""),
            ("redis://h/1?protocol=3", "the database \"1?protocol=3\""),
            ("redis://secret@h", "user:password"),
            ("redis://:%ff@h", "UTF-8"),
        ];
        for (text, expected) in cases {
            let why = parsed(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
        assert!(RedisUrl::parse("http://h").is_none());
        assert!(RedisUrl::parse("h:6379").is_none());
    }
}
