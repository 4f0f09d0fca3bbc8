//! Whether a file can be executed.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

/// Checks a program before it is needed. The error says what is wrong with it.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err("it is not an executable file (mode 755)".to_owned());
    }
    Ok(())
}
