//! Sweeps expired texts and lists, a few with each write.
//!
//! The names of all are read once and then looked at one after the other, so that a write costs the same however many
//! there are. A round begins somewhere in the middle: processes that end after a few writes then cover all together.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use log::debug;

use super::files::{TimeToLive, entries};

/// How many texts or lists are looked at with each write: more than the one that it can add.
const EACH_WRITE: usize = 2;

/// The fewest writes between two readings of the names.
const WRITES_BETWEEN_ROUNDS: usize = 64;

/// What expires: the folder of all of a kind, and how one of them is swept.
pub(super) type Kind = (&'static str, fn(&Path, TimeToLive) -> io::Result<()>);

#[derive(Default)]
pub(super) struct Sweeper {
    due: Vec<(PathBuf, Kind)>,
    writes_until_next_round: usize,
}

impl Sweeper {
    /// Is called after each write. A failure is left to the next round: the write has succeeded.
    pub(super) fn sweep_some(&mut self, base: &Path, kinds: &[Kind], ttl: TimeToLive) {
        if self.due.is_empty() && self.writes_until_next_round == 0 {
            self.writes_until_next_round = WRITES_BETWEEN_ROUNDS;
            self.due = kinds.iter().flat_map(|kind| all_of(base, *kind)).collect();
            let middle = RandomState::new().hash_one(0) % (self.due.len() as u64 + 1);
            self.due.rotate_left(usize::try_from(middle).unwrap_or_default());
        }
        self.writes_until_next_round = self.writes_until_next_round.saturating_sub(1);
        for _ in 0..EACH_WRITE {
            let Some((folder, (_, sweep))) = self.due.pop() else { return };
            if let Err(e) = sweep(&folder, ttl) {
                debug!("{} was not swept: {e}", folder.display());
            }
        }
    }
}

fn all_of(base: &Path, kind: Kind) -> Vec<(PathBuf, Kind)> {
    let folders = entries(&base.join(kind.0)).unwrap_or_default();
    folders.iter().map(|folder| (folder.path(), kind)).collect()
}
