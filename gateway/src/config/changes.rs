//! Notices that the configuration file has changed, for where no signal can be sent, as in a container.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the file is read. That also notices links that change their target, and works on file systems that send no
/// notifications.
const INTERVAL: Duration = Duration::from_secs(5);

/// The changes of a file's content since it was made.
#[derive(Debug)]
pub struct FileChanges {
    file: PathBuf,
    seen: u64,
    ticks: Interval,
}

impl FileChanges {
    /// Those of this file, from its content of now on.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { file: file.to_owned(), seen: fingerprint(file).unwrap_or_default(), ticks }
    }

    /// Waits for the next one. Cancel safe. A file that cannot be read, as while it is being replaced, has not changed.
    pub async fn next(&mut self) {
        loop {
            self.ticks.tick().await;
            if let Some(now) = fingerprint(&self.file)
                && std::mem::replace(&mut self.seen, now) != now
            {
                return;
            }
        }
    }
}

fn fingerprint(file: &Path) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    fs::read(file).ok()?.hash(&mut hasher);
    Some(hasher.finish())
}
