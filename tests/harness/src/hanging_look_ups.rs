//! Host names whose look-up hangs, as with a name server that does not answer.

use std::{env, fs, path::PathBuf, process::Command};

/// In place of the system's, which knows no deadline either.
const HANGS: &str = "#include <unistd.h>\nint getaddrinfo() { sleep(600); return -1; }\n";

/// A library that takes the place of the resolver in a program.
pub struct HangingLookUps {
    library: PathBuf,
    _folder: tempfile::TempDir,
}

impl HangingLookUps {
    /// `None` if this variable names the program under test: a static file has a resolver of its own.
    pub fn new(program: &str) -> Option<Self> {
        if env::var_os(program).is_some() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (source, library) = (folder.path().join("hangs.c"), folder.path().join("hangs.so"));
        fs::write(&source, HANGS).expect("a file");
        // The compiler that Rust links with.
        let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(made.is_ok_and(|status| status.success()), "cc makes {}", library.display());
        Some(Self { library, _folder: folder })
    }

    /// The variable of the program.
    pub fn env(&self) -> (&'static str, String) {
        ("LD_PRELOAD", self.library.display().to_string())
    }
}
