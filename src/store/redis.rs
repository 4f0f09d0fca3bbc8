//! Rooms in Redis: a sorted set a room, shared with whoever else reads it.
//!
//! Key `ws:connections:<room>`, member the connection id, score the time it was last seen, in milliseconds
//! since the epoch. One connection is kept and made again when it broke; every command may be sent twice,
//! since doing it twice is doing it once. The commands are those of Redis 2.6 and later.

mod line;
mod resp;
mod url;

use std::io::{Error, ErrorKind};
use std::time::{Duration, Instant, SystemTime};

use log::{debug, warn};

use self::line::{Commands, Line, NoLine};
use self::resp::Reply;
#[cfg(fuzzing)]
pub(crate) use self::resp::read_all as read_replies;
pub use self::url::RedisUrl;
use super::{ConnectionStore, Listing, StoreError};

/// Members named in one `ZREM`.
const REMOVED_AT_ONCE: usize = 1000;

pub(super) struct RedisStore {
    url: RedisUrl,
    key: String,
    time_to_live: Option<Duration>,
    kept: Option<Line>,
}

impl RedisStore {
    pub(super) fn new(url: RedisUrl, room: &str, time_to_live: Option<Duration>) -> Self {
        Self { url, key: format!("ws:connections:{room}"), time_to_live, kept: None }
    }

    /// Sends the commands on the kept connection, or on a new one if there is none or it is dead: an instance
    /// thaws with dead sockets, and a server restarts.
    fn exchange(&mut self, commands: &Commands, deadline: Instant) -> Result<Vec<Reply>, StoreError> {
        if let Some(mut kept) = self.kept.take() {
            match kept.exchange(commands, deadline) {
                Ok(replies) => return Ok(self.keep(kept, replies)),
                Err(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::InvalidData) => {
                    return Err(self.failed(&e));
                }
                Err(e) => debug!("the kept connection to {} was dead ({e}); making a new one", self.url),
            }
        }
        let mut line = Line::open(&self.url, deadline).map_err(|e| self.closed_to_us(&e))?;
        let replies = line.exchange(commands, deadline).map_err(|e| self.failed(&e))?;
        Ok(self.keep(line, replies))
    }

    /// A connection on which something was refused is not used again: the next one may lead to another
    /// server, after a fail-over.
    fn keep(&mut self, line: Line, replies: Vec<Reply>) -> Vec<Reply> {
        let refused = replies.iter().any(|reply| matches!(reply, Reply::Refusal(_)));
        self.kept = (!refused).then_some(line);
        replies
    }

    fn change(&mut self, commands: &Commands, deadline: Instant) -> Result<(), StoreError> {
        let replies = self.exchange(commands, deadline)?;
        self.first_refusal(&replies).map_or(Ok(()), Err)
    }

    fn first_refusal(&self, replies: &[Reply]) -> Option<StoreError> {
        replies.iter().find_map(|reply| match reply {
            Reply::Refusal(sentence) => Some(self.refused(sentence)),
            _ => None,
        })
    }

    fn closed_to_us(&self, why: &NoLine) -> StoreError {
        let url = &self.url;
        match why {
            NoLine::Io(e) => self.failed(e),
            NoLine::Credentials(said) => {
                StoreError(format!("the store {url} refuses the user or password of WS_STORE: {said}"))
            }
            NoLine::Database(said) if said.starts_with("NOAUTH") => self.refused(said),
            NoLine::Database(said) => {
                StoreError(format!("the store {url} refuses the database of WS_STORE: {said}"))
            }
        }
    }

    fn failed(&self, e: &Error) -> StoreError {
        let url = &self.url;
        StoreError(match e.kind() {
            ErrorKind::TimedOut => format!("the store {url} did not answer in time"),
            ErrorKind::InvalidData => format!("the store {url} does not speak as Redis does: {e}"),
            _ => format!("the store {url} cannot be reached: {e}"),
        })
    }

    fn refused(&self, said: &str) -> StoreError {
        let url = &self.url;
        let (code, sentence) = said.split_once(' ').unwrap_or((said, "no more is said"));
        let meaning = match code {
            "NOAUTH" => "asks for a password: put user:password@ before its host in WS_STORE".into(),
            "NOPERM" => format!("refuses the user of WS_STORE: {sentence}"),
            "WRONGTYPE" => format!(
                "holds something else than a sorted set at {}: choose another WS_ROOM or delete that key",
                self.key
            ),
            "READONLY" => format!("is a read-only replica, after a fail-over perhaps: {sentence}"),
            "OOM" => format!("is out of memory: {sentence}"),
            "MISCONF" => format!("takes no writes, since it cannot save them: {sentence}"),
            "LOADING" => "is still loading its data".into(),
            _ => format!("refuses: {said}"),
        };
        StoreError(format!("the store {url} {meaning}"))
    }

    fn push_renewing(&self, connection: &str, commands: &mut Commands) {
        let now_ms = now_ms().to_string();
        commands.push([&b"ZADD"[..], self.key.as_bytes(), now_ms.as_bytes(), connection.as_bytes()]);
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

impl ConnectionStore for RedisStore {
    fn renew(&mut self, connection: &str, deadline: Instant) -> Result<(), StoreError> {
        let mut commands = Commands::default();
        self.push_renewing(connection, &mut commands);
        self.change(&commands, deadline)
    }

    fn remove(&mut self, connections: &[&str], deadline: Instant) -> Result<(), StoreError> {
        let mut commands = Commands::default();
        for some in connections.chunks(REMOVED_AT_ONCE) {
            let mut parts = vec![&b"ZREM"[..], self.key.as_bytes()];
            parts.extend(some.iter().map(|connection| connection.as_bytes()));
            commands.push(parts);
        }
        self.change(&commands, deadline)
    }

    /// One round trip, whatever the room's size.
    fn renew_and_list(&mut self, connection: &str, deadline: Instant) -> Result<Listing, StoreError> {
        let mut commands = Commands::default();
        let key = self.key.as_bytes();
        self.push_renewing(connection, &mut commands);
        if let Some(time_to_live) = self.time_to_live {
            let ttl_ms = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
            let oldest = format!("({}", now_ms().saturating_sub(ttl_ms));
            commands.push([&b"ZREMRANGEBYSCORE"[..], key, b"-inf", oldest.as_bytes()]);
        }
        commands.push([&b"ZRANGE"[..], key, b"0", b"-1"]);
        let mut replies = self.exchange(&commands, deadline)?;
        let members = match replies.pop() {
            Some(Reply::List(members)) => members,
            Some(Reply::Refusal(sentence)) => return Err(self.refused(&sentence)),
            other => return Err(StoreError(format!("the store {} lists nothing but {other:?}", self.url))),
        };
        // A replica lists and does not write.
        let not_renewed = self.first_refusal(&replies);
        Ok(Listing { connections: ids(members), not_renewed })
    }
}

/// Other programs may write to the room; what is no text is no connection id.
fn ids(members: Vec<Vec<u8>>) -> Vec<String> {
    let all = members.len();
    let ids: Vec<String> = members.into_iter().filter_map(|member| String::from_utf8(member).ok()).collect();
    if ids.len() < all {
        warn!("{} members of the room are ignored: their names are not UTF-8", all - ids.len());
    }
    ids
}
