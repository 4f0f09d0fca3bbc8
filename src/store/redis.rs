//! Rooms in Redis: a sorted set a room, shared with whoever else reads it.
//!
//! Key `ws:connections:<room>`, member the connection id, score the time it was last seen, in milliseconds
//! since the epoch. One connection is kept and made again when it broke; every command may be sent twice,
//! since doing it twice is doing it once. The commands are those of Redis 2.6 and later.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use log::debug;
use redis::{
    Cmd, Connection, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline,
    RedisError, RedisResult, Value,
};

use super::{ConnectionStore, Listing, StoreError};
use crate::connect;

/// A server that is there takes a connection in far less.
const MAX_CONNECT: Duration = Duration::from_secs(1);

/// Members named in one `ZREM`.
const REMOVED_AT_ONCE: usize = 1000;

/// `redis://[user:password@]host[:port][/db]`, shown without user and password.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

impl RedisUrl {
    /// Reads the URL: `None` where the text is none of this scheme, an error that says what is wrong with it.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        let (scheme, _) = text.split_once("://")?;
        match scheme {
            "redis" => {}
            "rediss" if cfg!(feature = "tls") => {}
            "rediss" => return Some(Err("rediss needs a build with the cargo feature tls".into())),
            _ => return None,
        }
        let info = text.into_connection_info().map_err(|e| e.to_string());
        Some(info.map(|info| {
            // Saves a round trip at each connection.
            let settings = info.redis_settings().clone().set_skip_set_lib_name();
            Self(info.set_redis_settings(settings))
        }))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}/{}", self.0.addr(), self.0.redis_settings().db())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        let key = |url: &Self| {
            let settings = url.0.redis_settings();
            (
                url.0.addr().clone(),
                settings.db(),
                settings.username().map(str::to_owned),
                settings.password().map(str::to_owned),
            )
        };
        key(self) == key(other)
    }
}

impl Eq for RedisUrl {}

pub(super) struct RedisStore {
    url: RedisUrl,
    key: String,
    time_to_live: Option<Duration>,
    kept: Option<Connection>,
}

impl RedisStore {
    pub(super) fn new(url: RedisUrl, room: &str, time_to_live: Option<Duration>) -> Self {
        Self { url, key: format!("ws:connections:{room}"), time_to_live, kept: None }
    }

    /// Sends the commands on the kept connection, or on a new one if there is none or it is dead: an instance
    /// thaws with dead sockets, and a server restarts.
    fn query<T: FromRedisValue>(&mut self, commands: &Pipeline, deadline: Instant) -> Result<T, StoreError> {
        if let Some(kept) = self.kept.take() {
            match ask(kept, commands, deadline) {
                Ok((connection, answer)) => {
                    self.kept = Some(connection);
                    return Ok(answer);
                }
                Err(e) if e.is_timeout() || !e.is_io_error() => return Err(self.error(&e)),
                Err(e) => debug!("the kept connection to {} was dead ({e}); making a new one", self.url),
            }
        }
        let connection = self.connect(deadline)?;
        let (connection, answer) = ask(connection, commands, deadline).map_err(|e| self.error(&e))?;
        self.kept = Some(connection);
        Ok(answer)
    }

    fn connect(&self, deadline: Instant) -> Result<Connection, StoreError> {
        let deadline = deadline.min(Instant::now() + MAX_CONNECT);
        let client = match self.url.0.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let addresses = connect::addresses(host, *port, deadline)
                    .map_err(|e| StoreError(format!("the store {} cannot be reached: {e}", self.url)))?;
                let host = addresses.first().map_or_else(|| host.clone(), |found| found.ip().to_string());
                redis::Client::open(self.url.0.clone().set_addr(ConnectionAddr::Tcp(host, *port)))
            }
            _ => redis::Client::open(self.url.0.clone()),
        };
        client
            .and_then(|client| client.get_connection_with_timeout(left(deadline)?))
            .map_err(|e| self.error(&e))
    }

    fn error(&self, e: &RedisError) -> StoreError {
        let url = &self.url;
        let said = e.detail().map_or_else(|| e.to_string(), str::to_owned);
        StoreError(match e.code() {
            _ if e.is_timeout() => format!("the store {url} did not answer in time"),
            _ if e.is_io_error() => format!("the store {url} cannot be reached: {e}"),
            Some("NOAUTH") => {
                format!("the store {url} asks for a password: put user:password@ before its host in WS_STORE")
            }
            Some("WRONGPASS" | "NOPERM") => {
                format!("the store {url} refuses the user or password of WS_STORE: {said}")
            }
            _ if e.kind() == ErrorKind::AuthenticationFailed => {
                format!("the store {url} refuses the user or password of WS_STORE: {said}")
            }
            Some("WRONGTYPE") => format!(
                "the store {url} holds something else than a sorted set at {}: choose another WS_ROOM or delete that key",
                self.key
            ),
            Some("READONLY") => {
                format!("the store {url} is a read-only replica, after a fail-over perhaps: {said}")
            }
            Some("OOM") => format!("the store {url} is out of memory: {said}"),
            Some("MISCONF") => format!("the store {url} takes no writes, since it cannot save them: {said}"),
            Some("LOADING") => format!("the store {url} is still loading its data: {said}"),
            Some(code) => format!("the store {url} refuses: {code} {said}"),
            None => format!("the store {url} failed: {e}"),
        })
    }

    fn renewing(&self, connection: &str) -> Cmd {
        let mut command = redis::cmd("ZADD");
        command.arg(&self.key).arg(now_ms()).arg(connection);
        command
    }
}

/// The connection comes back with the answer; one that failed is not used again. A replica's refusal to write
/// counts as a failure too: the address may lead to the new master next time.
fn ask<T: FromRedisValue>(
    mut connection: Connection,
    commands: &Pipeline,
    deadline: Instant,
) -> RedisResult<(Connection, T)> {
    connection.set_read_timeout(Some(left(deadline)?))?;
    connection.set_write_timeout(Some(left(deadline)?))?;
    let answer = commands.query(&mut connection)?;
    Ok((connection, answer))
}

fn left(deadline: Instant) -> RedisResult<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()) } else { Ok(left) }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

impl ConnectionStore for RedisStore {
    fn renew(&mut self, connection: &str, deadline: Instant) -> Result<(), StoreError> {
        let mut commands = redis::pipe();
        commands.add_command(self.renewing(connection)).ignore();
        self.query(&commands, deadline)
    }

    fn remove(&mut self, connections: &[&str], deadline: Instant) -> Result<(), StoreError> {
        let mut commands = redis::pipe();
        for some in connections.chunks(REMOVED_AT_ONCE) {
            commands.cmd("ZREM").arg(&self.key).arg(some).ignore();
        }
        self.query(&commands, deadline)
    }

    fn renew_and_list(&mut self, connection: &str, deadline: Instant) -> Result<Listing, StoreError> {
        let mut commands = redis::pipe();
        commands.ignore_errors().add_command(self.renewing(connection));
        if let Some(time_to_live) = self.time_to_live {
            let ttl_ms = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
            let oldest = format!("({}", now_ms().saturating_sub(ttl_ms));
            commands.cmd("ZREMRANGEBYSCORE").arg(&self.key).arg("-inf").arg(oldest);
        }
        commands.cmd("ZRANGE").arg(&self.key).arg(0).arg(-1);
        let mut answers: Vec<RedisResult<Value>> = self.query(&commands, deadline)?;
        let listed = answers.pop().unwrap_or(Ok(Value::Nil));
        let listed = listed.and_then(|value| Ok(Vec::<String>::from_redis_value(value)?));
        let connections = listed.map_err(|e| self.error(&e))?;
        let refused = answers.into_iter().find_map(Result::err);
        if refused.is_some() {
            // A replica refuses to write; the address may lead to the new master on a new connection.
            self.kept = None;
        }
        Ok(Listing { connections, not_renewed: refused.map(|e| self.error(&e)) })
    }
}
