//! Rooms in Redis: one sorted set a room, which other programs may read and write.
//!
//! Key `ws:connections:<room>`, member the connection id, score the time it was last seen in milliseconds since the
//! epoch. One connection is kept and replaced after a failure. Commands that are idempotent are then sent again; the others
//! only if the kept connection had failed before they were sent. All commands exist in Redis 3.0.2 and later.

mod connection;
mod resp;
mod url;

use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant, SystemTime};

use log::{debug, warn};

use self::connection::{Commands, OpenError, RedisConnection};
use self::resp::Reply;
#[cfg(fuzzing)]
pub(crate) use self::resp::read_all as read_replies;
pub(crate) use self::url::RedisUrl;
use super::error::StoreError;
use super::interface::{Expected, RoomMembers, Seen, Store};
use super::room_name::RoomName;
use crate::net::TrustedRoots;

/// The number of members in one `ZREM`.
const MEMBERS_PER_ZREM: usize = 1000;

/// A kept connection that was silent for longer may have died unnoticed.
const PROVEN_FOR: Duration = Duration::from_secs(1);

/// Compares and sets.
const SWAP: &str = include_str!("redis/swap.lua");

pub(super) struct RedisStore {
    url: RedisUrl,
    roots: TrustedRoots,
    time_to_live: Option<Duration>,
    kept: Option<RedisConnection>,
}

/// Whether commands may be sent again that may have been carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Idempotent,
    Never,
}

impl RedisStore {
    pub(super) fn new(url: RedisUrl, roots: TrustedRoots, time_to_live: Option<Duration>) -> Self {
        Self { url, roots, time_to_live, kept: None }
    }

    /// The time to live in milliseconds, which is this or that of the store; `None`: nothing expires.
    fn ttl_ms(&self, own: Option<Duration>) -> Option<u64> {
        // Redis refuses 0, and adds to the time of day what it takes.
        own.or(self.time_to_live)
            .map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 52))
    }

    /// Sends the commands on the kept connection, or on a new one if there is none or it is stale, as after a freeze of
    /// the instance, a restart of the server or a long silence. One that has died unnoticed, of which nothing is heard any more,
    /// takes a quarter of the time.
    fn exchange(
        &mut self,
        commands: &Commands,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Vec<Reply>, StoreError> {
        if let Some(mut kept) = self.kept.take()
            && kept.is_open()
        {
            let is_proven = kept.idle() <= PROVEN_FOR;
            let (now, may_repeat) = (Instant::now(), repeat == Repeat::Idempotent);
            let sooner = if is_proven { deadline } else { now + deadline.saturating_duration_since(now) / 4 };
            let proof = if may_repeat || is_proven {
                Ok(())
            } else {
                let mut ping = Commands::default();
                ping.push([&b"PING"[..]]);
                kept.exchange(&ping, sooner).map(drop).map_err(|e| (e, true))
            };
            let replies = proof.and_then(|()| {
                let deadline = if may_repeat { sooner } else { deadline };
                kept.exchange(commands, deadline).map_err(|e| (e, may_repeat))
            });
            match replies {
                Ok(replies) => return Ok(self.keep(kept, replies)),
                Err((e, again))
                    if !again
                        || e.kind() == ErrorKind::InvalidData
                        || (is_proven && e.kind() == ErrorKind::TimedOut) =>
                {
                    return Err(self.failed(e));
                }
                Err((e, _)) => {
                    debug!("the kept connection to {} was stale ({e}); connecting again", self.url);
                }
            }
        }
        let connection = RedisConnection::open(&self.url, &self.roots, deadline);
        let mut connection = connection.map_err(|e| self.not_opened(e))?;
        let replies = connection.exchange(commands, deadline).map_err(|e| self.failed(e))?;
        Ok(self.keep(connection, replies))
    }

    /// Drops the connection if a command was refused: after a fail-over, a new connection may lead to another server.
    fn keep(&mut self, connection: RedisConnection, replies: Vec<Reply>) -> Vec<Reply> {
        let refused = replies.iter().any(|reply| matches!(reply, Reply::Refusal(_)));
        self.kept = (!refused).then_some(connection);
        replies
    }

    /// The reply to the first of the commands. Those after it must succeed too.
    fn change(
        &mut self,
        key: &str,
        commands: &Commands,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Reply, StoreError> {
        let replies = self.exchange(commands, repeat, deadline)?;
        match self.first_refusal(key, &replies) {
            Some(refusal) => Err(refusal),
            None => replies.into_iter().next().ok_or_else(|| self.unexpected("nothing")),
        }
    }

    /// The reply to the last of the commands, which reads the key, and the replies to those before it.
    fn read(
        &mut self,
        key: &str,
        commands: &Commands,
        deadline: Instant,
    ) -> Result<(Reply, Vec<Reply>), StoreError> {
        let mut replies = self.exchange(commands, Repeat::Idempotent, deadline)?;
        match replies.pop() {
            Some(Reply::Refusal(said)) => Err(self.refused(key, &said)),
            Some(reply) => Ok((reply, replies)),
            None => Err(self.unexpected("nothing")),
        }
    }

    fn first_refusal(&self, key: &str, replies: &[Reply]) -> Option<StoreError> {
        replies.iter().find_map(|reply| match reply {
            Reply::Refusal(said) => Some(self.refused(key, said)),
            _ => None,
        })
    }

    fn not_opened(&self, why: OpenError) -> StoreError {
        let reason = match why {
            OpenError::Io(e) => return self.failed(e),
            OpenError::Credentials(said) => format!("refuses the user or password of WS_STORE: {said}"),
            OpenError::Database(said) if said.starts_with("NOAUTH") => return self.refused("", &said),
            OpenError::Database(said) => format!("refuses the database of WS_STORE: {said}"),
        };
        StoreError::Refused { store: self.url.to_string(), reason }
    }

    fn failed(&self, source: Error) -> StoreError {
        let store = self.url.to_string();
        match source.kind() {
            ErrorKind::TimedOut => StoreError::TimedOut { store },
            ErrorKind::InvalidData => StoreError::Protocol { store, source },
            _ => StoreError::Unreachable { store, source },
        }
    }

    fn unexpected(&self, reply: &str) -> StoreError {
        StoreError::Refused { store: self.url.to_string(), reason: format!("answered a query with {reply}") }
    }

    fn refused(&self, key: &str, said: &str) -> StoreError {
        let (code, sentence) = said.split_once(' ').unwrap_or((said, "without further detail"));
        let reason = match code {
            "NOAUTH" => "requires a password: put user:password@ before the host in WS_STORE".into(),
            "NOPERM" => format!("refuses the user of WS_STORE: {sentence}"),
            "WRONGTYPE" => {
                format!("holds another type of value at {key}: choose another WS_ROOM or delete that key")
            }
            "READONLY" => format!("is a read-only replica, perhaps after a fail-over: {sentence}"),
            "OOM" => format!("is out of memory: {sentence}"),
            "MISCONF" => format!("refuses writes, because it cannot save them: {sentence}"),
            "LOADING" => "is still loading its data".into(),
            _ => format!("refuses: {said}"),
        };
        StoreError::Refused { store: self.url.to_string(), reason }
    }
}

fn room_key(room: &RoomName) -> String {
    format!("ws:connections:{}", room.as_str())
}

fn text_key(key: &str) -> String {
    format!("ws:texts:{key}")
}

fn list_key(key: &str) -> String {
    format!("ws:lists:{key}")
}

fn push_zadd(key: &str, seen: Seen<'_>, commands: &mut Commands) {
    let now_ms = now_ms().to_string();
    let mut parts = vec![&b"ZADD"[..], key.as_bytes()];
    if !seen.joins {
        parts.push(b"XX");
    }
    parts.extend([now_ms.as_bytes(), seen.connection.as_bytes()]);
    commands.push(parts);
}

/// The expiry of the key after another command.
fn push_expiry(key: &str, ttl_ms: Option<u64>, commands: &mut Commands) {
    match ttl_ms {
        Some(ms) => commands.push([&b"PEXPIRE"[..], key.as_bytes(), ms.to_string().as_bytes()]),
        None => commands.push([&b"PERSIST"[..], key.as_bytes()]),
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

impl Store for RedisStore {
    fn renew(&mut self, room: &RoomName, connection: &str, deadline: Instant) -> Result<(), StoreError> {
        let key = room_key(room);
        let mut commands = Commands::default();
        push_zadd(&key, Seen { connection, joins: true }, &mut commands);
        self.change(&key, &commands, Repeat::Idempotent, deadline).map(drop)
    }

    fn remove(&mut self, room: &RoomName, connections: &[&str], deadline: Instant) -> Result<(), StoreError> {
        let key = room_key(room);
        let mut commands = Commands::default();
        for some in connections.chunks(MEMBERS_PER_ZREM) {
            let mut parts = vec![&b"ZREM"[..], key.as_bytes()];
            parts.extend(some.iter().map(|connection| connection.as_bytes()));
            commands.push(parts);
        }
        self.change(&key, &commands, Repeat::Idempotent, deadline).map(drop)
    }

    /// Takes one round trip, whatever the size of the room.
    fn list(
        &mut self,
        room: &RoomName,
        seen: Option<Seen<'_>>,
        deadline: Instant,
    ) -> Result<RoomMembers, StoreError> {
        let key = room_key(room);
        let mut commands = Commands::default();
        if let Some(seen) = seen {
            push_zadd(&key, seen, &mut commands);
        }
        if let Some(ttl_ms) = self.ttl_ms(None) {
            let oldest = format!("({}", now_ms().saturating_sub(ttl_ms));
            commands.push([&b"ZREMRANGEBYSCORE"[..], key.as_bytes(), b"-inf", oldest.as_bytes()]);
        }
        commands.push([&b"ZRANGE"[..], key.as_bytes(), b"0", b"-1"]);
        match self.read(&key, &commands, deadline)? {
            (Reply::List(members), replies) => {
                // A read-only replica lists the room but refuses to write.
                let not_renewed = self.first_refusal(&key, &replies);
                Ok(RoomMembers { connections: texts(members), not_renewed })
            }
            (other, _) => Err(self.unexpected(other.kind())),
        }
    }

    fn text(&mut self, key: &str, deadline: Instant) -> Result<Option<String>, StoreError> {
        let key = text_key(key);
        let mut commands = Commands::default();
        commands.push([&b"GET"[..], key.as_bytes()]);
        match self.read(&key, &commands, deadline)?.0 {
            Reply::Bulk(text) => Ok(text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
            other => Err(self.unexpected(other.kind())),
        }
    }

    fn write(
        &mut self,
        key: &str,
        expected: Expected<'_>,
        text: Option<&str>,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let key = text_key(key);
        let ttl_ms = self.ttl_ms(time_to_live).map(|ms| ms.to_string());
        let (key_bytes, text, ttl) = (key.as_bytes(), text.map(str::as_bytes), ttl_ms.as_deref());
        let mut commands = Commands::default();
        let mut repeat = Repeat::Never;
        match (expected, text) {
            (Expected::Anything, None) => {
                commands.push([&b"DEL"[..], key_bytes]);
                repeat = Repeat::Idempotent;
            }
            (Expected::Nothing, None) => commands.push([&b"EXISTS"[..], key_bytes]),
            (Expected::Anything | Expected::Nothing, Some(text)) => {
                let mut parts = vec![&b"SET"[..], key_bytes, text];
                if expected == Expected::Nothing {
                    parts.push(b"NX");
                } else {
                    repeat = Repeat::Idempotent;
                }
                parts.extend(ttl.iter().flat_map(|ms| [&b"PX"[..], ms.as_bytes()]));
                commands.push(parts);
            }
            (Expected::Text(expected), text) => {
                let mut parts = vec![&b"EVAL"[..], SWAP.as_bytes(), b"1", key_bytes, expected.as_bytes()];
                parts.extend(text.iter().flat_map(|text| [text, ttl.unwrap_or_default().as_bytes()]));
                commands.push(parts);
            }
        }
        match (self.change(&key, &commands, repeat, deadline)?, expected, text) {
            (Reply::Number(found), Expected::Nothing, None) => Ok(found == 0),
            (Reply::Number(done), Expected::Text(_), _) => Ok(done == 1),
            (Reply::Bulk(None), Expected::Nothing, Some(_)) => Ok(false),
            (Reply::Done | Reply::Number(_), _, _) => Ok(true),
            (other, _, _) => Err(self.unexpected(other.kind())),
        }
    }

    fn add(
        &mut self,
        key: &str,
        amount: i64,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<i64, StoreError> {
        let redis_key = text_key(key);
        let mut commands = Commands::default();
        commands.push([&b"INCRBY"[..], redis_key.as_bytes(), amount.to_string().as_bytes()]);
        push_expiry(&redis_key, self.ttl_ms(time_to_live), &mut commands);
        let replies = self.exchange(&commands, Repeat::Never, deadline)?;
        match replies.first() {
            Some(Reply::Number(sum)) => Ok(*sum),
            // The only refusals with this code: the text is no number, or the sum is too large.
            Some(Reply::Refusal(said)) if said.starts_with("ERR ") => {
                Err(StoreError::NotANumber { key: key.to_owned() })
            }
            Some(Reply::Refusal(said)) => Err(self.refused(&redis_key, said)),
            other => Err(self.unexpected(other.map_or("nothing", Reply::kind))),
        }
    }

    fn append(
        &mut self,
        key: &str,
        item: &str,
        keep: usize,
        time_to_live: Option<Duration>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let key = list_key(key);
        let mut commands = Commands::default();
        commands.push([&b"RPUSH"[..], key.as_bytes(), item.as_bytes()]);
        let first = if keep == 0 { "1".into() } else { format!("-{keep}") };
        let last = if keep == 0 { &b"0"[..] } else { b"-1" };
        commands.push([&b"LTRIM"[..], key.as_bytes(), first.as_bytes(), last]);
        push_expiry(&key, self.ttl_ms(time_to_live), &mut commands);
        self.change(&key, &commands, Repeat::Never, deadline).map(drop)
    }

    fn items(&mut self, key: &str, deadline: Instant) -> Result<Vec<String>, StoreError> {
        let key = list_key(key);
        let mut commands = Commands::default();
        commands.push([&b"LRANGE"[..], key.as_bytes(), b"0", b"-1"]);
        match self.read(&key, &commands, deadline)?.0 {
            Reply::List(items) => Ok(texts(items)),
            other => Err(self.unexpected(other.kind())),
        }
    }
}

/// Another program may have added values that are not text, and so neither connection ids nor items.
fn texts(values: Vec<Vec<u8>>) -> Vec<String> {
    let all = values.len();
    let texts: Vec<String> = values.into_iter().filter_map(|value| String::from_utf8(value).ok()).collect();
    if texts.len() < all {
        warn!("{} members of the room are ignored: their names are not UTF-8", all - texts.len());
    }
    texts
}
