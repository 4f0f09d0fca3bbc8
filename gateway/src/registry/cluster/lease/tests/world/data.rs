//! Redis's data as a whole: saved, lost, restored, and without memory for more.

use redis::cmd;

use super::World;
use crate::registry::cluster::lease::tests::clock::Clock;

/// All keys at one moment.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    keys: Vec<(String, Vec<u8>)>,
    clock: Clock,
}

impl World {
    pub(super) async fn save(&self) -> Saved {
        let mut keys = Vec::new();
        let names: Vec<String> = self.redis.query(cmd("KEYS").arg("*")).await.expect("an answer");
        for name in names {
            let dump: Vec<u8> = self.redis.query(cmd("DUMP").arg(&name)).await.expect("an answer");
            keys.push((name, dump));
        }
        Saved { keys, clock: self.clock.clone() }
    }

    /// Of keys that have expired since then, Redis knows that they have.
    pub(super) async fn restore(&mut self) {
        let Some(saved) = self.saved.clone() else { return };
        self.set_memory("0").await;
        for (name, dump) in saved.keys {
            if saved.clock.has_ended(&name, self.clock.now) {
                continue;
            }
            let mut restore = cmd("RESTORE");
            restore.arg(&name).arg(saved.clock.left_ms(&name)).arg(dump);
            self.redis.query::<()>(&restore).await.expect("an answer");
        }
        self.clock.restore(saved.clock);
    }

    pub(super) async fn set_memory(&self, most: &str) {
        self.redis.query::<()>(cmd("CONFIG").arg("SET").arg("maxmemory").arg(most)).await.expect("an answer");
    }
}
