//! Closed loop: each client sends a frame as soon as the last one came back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Happening;
use crate::crowd::Crowd;
use crate::{Result, frame};

pub const PAYLOAD: &str = "a short frame";

pub fn echo(crowd: &mut Crowd, clients: usize, duration: Duration) -> Result<Value> {
    let sent = frame::masked(frame::TEXT, PAYLOAD.as_bytes());
    crowd.expected = PAYLOAD.into();
    let begun = Instant::now();
    for index in 0..clients {
        crowd.send(index, &sent)?;
    }
    let (mut frames, mut in_flight) = (0_u64, clients);
    let (mut frames_in_time, mut seconds) = (0, 0.0);
    // What is in flight at the end is waited for: the server's processor time includes it.
    while in_flight > 0 {
        crowd.poll(Instant::now() + Duration::from_secs(10))?;
        if crowd.happened.is_empty() {
            return Err(format!("{in_flight} frames did not come back").into());
        }
        let is_over = begun.elapsed() >= duration;
        let happened = std::mem::take(&mut crowd.happened);
        for (index, happening) in &happened {
            match happening {
                Happening::Received if is_over => in_flight -= 1,
                Happening::Received => crowd.send(*index, &sent)?,
                Happening::Ended => {
                    return Err(format!("a connection has ended: {:?}", crowd.why_ended).into());
                }
                Happening::ReceivedOther => return Err("another frame came back than was sent".into()),
                _ => continue,
            }
            frames += 1;
        }
        crowd.happened = happened;
        crowd.happened.clear();
        if !is_over {
            (frames_in_time, seconds) = (frames, begun.elapsed().as_secs_f64());
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let per_second = frames_in_time as f64 / seconds;
    Ok(json!({ "frames": frames, "per_second": per_second }))
}
