//! A clock of Redis that the test turns: keys expire when the test says so, however long that takes.

use std::{collections::HashMap, time::Duration};

use redis::cmd;

use crate::registry::cluster::{lease::LeaseTimes, redis::Redis};

/// The times in ticks.
pub(super) const LEASE: u32 = 6;
const PULSE: u32 = 4;

/// What the scripts set as times to live, and what the test puts in their place: none ends within a test.
pub(super) const TICK: Duration = Duration::from_mins(10);
const PARKED_MS: i64 = 1000 * 60 * 60 * 24;

pub(super) fn times() -> LeaseTimes {
    let day = Duration::from_hours(480);
    LeaseTimes { pulse: TICK * PULSE, remembered: day, ..LeaseTimes::of_lease(TICK * LEASE) }
}

/// When the keys expire that do within the time of a test.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    pub(super) now: u32,
    ends: HashMap<String, u32>,
}

impl Clock {
    /// Takes note of what the last command has set.
    pub(super) async fn note(&mut self, redis: &Redis) {
        for key in self.keys(redis).await {
            let left: i64 = redis.query(cmd("PTTL").arg(&key)).await.expect("an answer");
            let ticks = (1..=LEASE).find(|ticks| i64::from(*ticks) * ms(TICK) >= left);
            if let Some(ticks) = ticks.filter(|_| left > 0) {
                self.ends.insert(key.clone(), self.now + ticks);
                let _: bool = redis.query(cmd("PEXPIRE").arg(&key).arg(PARKED_MS)).await.expect("an answer");
            }
        }
    }

    /// Time passes.
    pub(super) async fn tick(&mut self, redis: &Redis) {
        self.now += 1;
        let ended: Vec<String> =
            self.ends.iter().filter(|(_, end)| **end <= self.now).map(|(key, _)| key.clone()).collect();
        for key in ended {
            self.ends.remove(&key);
            let _: i64 = redis.query(cmd("DEL").arg(key)).await.expect("an answer");
        }
    }

    pub(super) fn forget(&mut self) {
        self.ends.clear();
    }

    /// Whether a key expires by this time.
    pub(super) fn has_ended(&self, key: &str, now: u32) -> bool {
        self.ends.get(key).is_some_and(|end| *end <= now)
    }

    /// The time to live of a key that is put back; 0 without one.
    pub(super) fn left_ms(&self, key: &str) -> i64 {
        if self.ends.contains_key(key) { PARKED_MS } else { 0 }
    }

    /// The keys of an earlier time are there again. Time does not go back.
    pub(super) fn restore(&mut self, earlier: Self) {
        let now = self.now;
        self.ends = earlier.ends.into_iter().filter(|(_, end)| *end > now).collect();
    }

    async fn keys(&self, redis: &Redis) -> Vec<String> {
        let keys: Vec<String> = redis.query(cmd("KEYS").arg("*")).await.expect("an answer");
        let expires = [":node:", ":claim:", ":pulse", ":grace"];
        keys.into_iter().filter(|key| expires.iter().any(|part| key.contains(part))).collect()
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).expect("a few minutes")
}
