//! Whether a file can be executed.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The absolute path of an executable file: instances run in its folder, where a relative path would not find it. The
/// error says what is wrong with the file.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let metadata = absolute.metadata()?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::other("it is not an executable file (mode 755)"));
    }
    Ok(absolute)
}
