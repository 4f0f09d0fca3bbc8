//! Open loop: frames are sent at their times, whatever has come back, and each one's latency counts from the time at
//! which it should have been sent. A server that stalls delays every frame of the stall, not only one of each client
//! (coordinated omission).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Happening;
use crate::crowd::Crowd;
use crate::echo::PAYLOAD;
use crate::{Result, frame};

pub fn paced(crowd: &mut Crowd, clients: usize, per_second: f64, duration: Duration) -> Result<Value> {
    let sent_frame = frame::masked(frame::TEXT, PAYLOAD.as_bytes());
    crowd.expected = PAYLOAD.into();
    let begun = Instant::now();
    let due = |number: u32| begun + Duration::from_secs_f64(f64::from(number) / per_second);
    let end = begun + duration;
    let mut in_flight: Vec<VecDeque<Instant>> = vec![VecDeque::new(); clients];
    let (mut sent, mut latencies) = (0_u32, Vec::new());
    let give_up = end + Duration::from_secs(10);
    loop {
        let now = Instant::now();
        while due(sent) <= now.min(end) {
            let index = sent as usize % clients;
            in_flight[index].push_back(due(sent));
            crowd.send(index, &sent_frame)?;
            sent += 1;
        }
        let is_over = due(sent) > end;
        if is_over && latencies.len() == sent as usize {
            break;
        }
        if now > give_up {
            return Err(
                format!("{} of {sent} frames did not come back", sent as usize - latencies.len()).into()
            );
        }
        crowd.poll(if is_over { give_up } else { due(sent) })?;
        let now = Instant::now();
        for (index, happening) in crowd.happened.drain(..) {
            match happening {
                Happening::Received => {
                    let due = in_flight[index].pop_front().ok_or("more frames came back than were sent")?;
                    latencies.push(now.saturating_duration_since(due));
                }
                Happening::Ended => {
                    return Err(format!("a connection has ended: {:?}", crowd.why_ended).into());
                }
                Happening::ReceivedOther => return Err("another frame came back than was sent".into()),
                _ => {}
            }
        }
    }
    latencies.sort_unstable();
    let at = |percent: usize| {
        let latency =
            latencies.get((latencies.len() * percent / 1000).min(latencies.len().saturating_sub(1)));
        latency.map(Duration::as_secs_f64)
    };
    Ok(json!({
        "frames": sent, "p50_seconds": at(500), "p99_seconds": at(990), "p999_seconds": at(999),
        "max_seconds": at(1000),
    }))
}
