//! A connection of its own for what is published on a channel.

use bytes::Bytes;
use futures_util::StreamExt as _;
use redis::aio::PubSub;

use super::{COMMAND_TIMEOUT, Redis, RedisError};

/// What is published on a channel from the moment of the subscription on, until the connection ends. The messages that
/// are published until there is another subscription are lost.
pub struct Subscription(PubSub);

impl Redis {
    /// Subscribes to a channel, over another connection than the commands'.
    pub async fn subscribe(&self, channel: &str) -> Result<Subscription, RedisError> {
        let mut connection = self.subscriptions().await?;
        match tokio::time::timeout(COMMAND_TIMEOUT, connection.subscribe(channel)).await {
            Ok(Ok(())) => Ok(Subscription(connection)),
            Ok(Err(error)) => Err(RedisError::Refused(error.to_string())),
            Err(_) => Err(RedisError::Unavailable(format!("no answer within {COMMAND_TIMEOUT:?}"))),
        }
    }
}

impl Subscription {
    /// The next message; `None` after the end of the connection.
    pub async fn next(&mut self) -> Option<Bytes> {
        let message = self.0.on_message().next().await?;
        Some(Bytes::copy_from_slice(message.get_payload_bytes()))
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Subscription").finish_non_exhaustive()
    }
}
