//! Clients that do nothing but answer pings, and whether they are all still there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Happening;
use crate::crowd::Crowd;
use crate::{Result, TIMEOUT, frame};

/// Waits; fails if a connection ends meanwhile.
pub fn idle(crowd: &mut Crowd, duration: Duration) -> Result<Value> {
    let deadline = Instant::now() + duration;
    while Instant::now() < deadline {
        crowd.poll(deadline)?;
        crowd.happened.clear();
        if let Some(why) = crowd.why_ended.take() {
            return Err(format!("a connection has ended: {why}").into());
        }
    }
    Ok(json!({}))
}

/// Every client sends a ping and waits for its pong.
pub fn ping(crowd: &mut Crowd) -> Result<Value> {
    let sent = frame::masked(frame::PING, b"");
    let all = crowd.len();
    let begun = Instant::now();
    for index in 0..all {
        crowd.send(index, &sent)?;
    }
    let mut answered = 0;
    crowd
        .poll_until(TIMEOUT, |_, happening| {
            answered += usize::from(happening == Happening::Pong);
            answered == all
        })
        .map_err(|e| format!("{answered} of {all} clients have received a pong: {e}"))?;
    Ok(json!({ "answered": answered, "seconds": begun.elapsed().as_secs_f64() }))
}
