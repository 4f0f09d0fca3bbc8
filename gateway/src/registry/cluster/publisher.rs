//! Sends what waits for other nodes: one batch of messages after the other, over the one connection for commands, so
//! that nothing is overtaken.
//!
//! What is queued while a batch is under way goes together into the next one. A batch whose connection breaks is sent
//! again; its receivers know by the numbers what they have had.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{
    NodeId, Redis, RedisError,
    lease::keys,
    outgoing::{Outbound, OutgoingMessages, RequestOutcome},
};

/// For how long a batch is sent again after its connection broke.
const RESEND_FOR: Duration = Duration::from_secs(1);
/// Before a batch is sent again.
const RESEND_DELAY: Duration = Duration::from_millis(10);

/// Sends for as long as it is polled.
pub(crate) async fn publish(node: watch::Receiver<NodeId>, redis: Redis, outgoing: Arc<OutgoingMessages>) {
    loop {
        let batch = outgoing.next_batch(&node).await;
        match send(&redis, &batch).await {
            Ok(receivers) => {
                for (message, _) in batch.iter().zip(receivers).filter(|(_, receivers)| *receivers == 0) {
                    for number in &message.requests {
                        outgoing.settle(*number, None, RequestOutcome::Silent);
                    }
                }
            }
            Err(error @ RedisError::Refused(_)) => {
                for number in batch.iter().flat_map(|message| &message.requests) {
                    outgoing.settle(*number, None, RequestOutcome::Failed(error.to_string()));
                }
            }
            Err(error @ RedisError::Unavailable(_)) => {
                outgoing.suspend(&error.to_string());
                redis.up().await;
                outgoing.resume();
            }
        }
    }
}

/// How many subscribers each message has reached; nothing of messages that were sent more than once, because the first
/// attempt may have reached one, and nothing of a sharded Redis, which counts those at one of its servers.
async fn send(redis: &Redis, batch: &[Outbound]) -> Result<Vec<u64>, RedisError> {
    let mut pipeline = redis::pipe();
    let database = redis.url().database();
    for message in batch {
        pipeline.cmd("PUBLISH").arg(keys::channel(database, message.to)).arg(&message.bytes[..]);
    }
    let deadline = Instant::now() + RESEND_FOR;
    let mut was_sent = false;
    loop {
        let sent = redis.pipeline(&pipeline).await;
        match sent {
            Ok(_) if was_sent || redis.url().is_sharded() => return Ok(Vec::new()),
            Err(RedisError::Unavailable(_)) if Instant::now() < deadline => {
                was_sent = true;
                sleep(RESEND_DELAY).await;
                let _ = timeout_at(deadline, redis.up()).await;
            }
            sent => return sent,
        }
    }
}
