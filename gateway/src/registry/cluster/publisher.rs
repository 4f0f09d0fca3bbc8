//! Sends what waits for other nodes: one flight of messages after the other, over the one connection for commands, so
//! that nothing is overtaken.
//!
//! What is queued while a flight is under way goes together into the next one. A flight whose connection breaks is sent
//! again; its receivers know by the numbers what they have had.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{
    NodeId, Redis, RedisError, names,
    outgoing::{Outbound, Outcome, Outgoing},
};

/// For how long a flight is sent again after its connection broke.
const RESEND_FOR: Duration = Duration::from_secs(1);
/// Before a flight is sent again.
const RESEND_DELAY: Duration = Duration::from_millis(10);

/// Sends for as long as it is polled.
pub(crate) async fn publish(node: watch::Receiver<NodeId>, redis: Redis, outgoing: Arc<Outgoing>) {
    loop {
        let flight = outgoing.flight(&node).await;
        match send(&redis, &flight).await {
            Ok(receivers) => {
                for (message, _) in flight.iter().zip(receivers).filter(|(_, receivers)| *receivers == 0) {
                    for number in &message.requests {
                        outgoing.settle(*number, None, Outcome::Silent);
                    }
                }
            }
            Err(error @ RedisError::Refused(_)) => {
                for number in flight.iter().flat_map(|message| &message.requests) {
                    outgoing.settle(*number, None, Outcome::Failed(error.to_string()));
                }
            }
            Err(error @ RedisError::Unavailable(_)) => {
                outgoing.away(&error.to_string());
                redis.up().await;
                outgoing.back();
            }
        }
    }
}

/// How many subscribers each message has reached.
async fn send(redis: &Redis, flight: &[Outbound]) -> Result<Vec<u64>, RedisError> {
    let mut pipeline = redis::pipe();
    let database = redis.url().database();
    for message in flight {
        pipeline.cmd("PUBLISH").arg(names::channel(database, message.to)).arg(&message.bytes[..]);
    }
    let deadline = Instant::now() + RESEND_FOR;
    loop {
        let sent = redis.pipeline(&pipeline).await;
        match sent {
            Err(RedisError::Unavailable(_)) if Instant::now() < deadline => {
                sleep(RESEND_DELAY).await;
                let _ = timeout_at(deadline, redis.up()).await;
            }
            sent => return sent,
        }
    }
}
