//! Programs of Debian packages that tests use, without installing them.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of a Debian package. Without it, the reason is printed and the test is to be skipped; where `CI` is set, the
/// test fails.
pub fn debian_file(package: &str, file: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/debian-file.sh");
    let why = match Command::new(&script).args([package, file]).output() {
        Ok(output) if output.status.success() => {
            return Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let reason = format!("{} could not download {package}: {why}", script.display());
    assert!(env::var_os("CI").is_none(), "{reason}");
    // Not by `eprintln!`, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
    None
}
