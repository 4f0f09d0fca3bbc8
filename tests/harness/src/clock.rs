//! A clock for a program, which the test sets while the program runs.

use std::{fs, path::PathBuf};

use crate::debian_file;

/// What libfaketime adds to the clocks of a program.
pub struct Clock {
    library: PathBuf,
    folder: tempfile::TempDir,
}

impl Clock {
    /// The machine's time; `None` without libfaketime, and the test is to be skipped.
    pub fn new() -> Option<Self> {
        let library = debian_file("libfaketime", "usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")?;
        let clock = Self { library, folder: tempfile::tempdir().expect("a folder") };
        clock.set("+0");
        Some(clock)
    }

    /// The variables of the program, whose monotonic clock is left alone.
    pub fn env(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    /// Sets the clock to this many seconds before (`-60`) or after (`+60`) the machine's.
    pub fn set(&self, offset: &str) {
        // Renamed, so that the program never reads half a file.
        let draft = self.folder.path().join("draft");
        fs::write(&draft, format!("{offset}\n")).expect("a file");
        fs::rename(draft, self.file()).expect("renamed");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
