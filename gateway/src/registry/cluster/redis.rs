//! The Redis server that the nodes share: one connection for commands, which is made again when it breaks.
//!
//! Of a sharded Redis that is the one which has the slot of the nodes' keys, and with it all that they keep. Any server
//! says which one that is.
//!
//! [`RedisUrl::parse`] → [`Redis::connect`] → [`Redis::query`]. All clones of a [`Redis`] share its connection, and
//! their commands are in flight on it together, in the order in which they were called.
//!
//! [`Redis::subscribe`] has a connection of its own for each [`Subscription`].
//!
//! A server that does not answer for `COMMAND_TIMEOUT` counts as away, whatever its TCP connection says. While it is
//! away, commands fail at once.

mod clock;
mod commands;
mod dial;
mod error;
mod subscription;
mod url;

pub(crate) use self::clock::RedisTime;
pub(crate) use self::commands::COMMAND_TIMEOUT;
pub use self::{commands::Redis, error::RedisError, subscription::Subscription, url::RedisUrl};

/// What the names of all keys and channels begin with. Its hash tag keeps all of them in one slot of a sharded Redis.
pub(crate) const PREFIX: &str = "{scf-ws}:";
