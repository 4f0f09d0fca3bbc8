//! Where a function runs: a process of this machine, an HTTP server, or a function in the cloud.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::function::remote::{
    http::{Address, AddressError},
    scf,
};

/// Where a function runs.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// `process:PATH`: processes of this program, a custom runtime.
    Process(PathBuf),
    /// `http://…` or `https://…`: a `POST` of the event to this address.
    Http(Address),
    /// `scf:[NAMESPACE/]FUNCTION[:QUALIFIER]`: `InvokeFunction` of the cloud API.
    Scf(scf::ScfTarget),
}

impl Target {
    /// Reads a target. A program's relative path is relative to `folder`. The error says what is allowed.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("process:") {
            return program(path, folder).map(Self::Process);
        }
        if text.starts_with("scf:") {
            return text.parse().map(Self::Scf).map_err(|error: scf::ScfTargetError| error.to_string());
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return text.parse().map(Self::Http).map_err(|error: AddressError| error.to_string());
        }
        Err("allowed are process:PATH, http://…, https://… and scf:[NAMESPACE/]FUNCTION[:QUALIFIER]"
            .to_owned())
    }
}

impl fmt::Display for Target {
    /// As in the file, but without the query of a URL, which may hold a key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(path) => write!(formatter, "process:{}", path.display()),
            Self::Http(address) => formatter.write_str(address.shown()),
            Self::Scf(function) => function.fmt(formatter),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn program(path: &str, folder: &Path) -> Result<PathBuf, String> {
    if path.is_empty() {
        return Err("process: is followed by the path of a program".to_owned());
    }
    let path = folder.join(path);
    crate::start::executable::absolute(&path)
        .map_err(|why| format!("cannot execute {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, String> {
        Target::parse(text, Path::new("/"))
    }

    #[test]
    fn a_url_is_shown_without_its_query() {
        let target = parse("https://example.com:8443/transfer?key=hunter2").expect("a target");
        assert_eq!(format!("{target:?}"), "https://example.com:8443/transfer");
        assert!(parse("https://user:hunter2@example.com/").is_err());
    }

    #[test]
    fn a_program_must_be_executable() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("text"), "").expect("a file");
        let refused = |text| Target::parse(text, folder.path()).expect_err(text);
        assert!(refused("process:text").contains("mode 755"));
        assert!(refused("process:.").contains("mode 755"));
        assert!(refused("process:missing").contains("No such file"));
        assert!(refused("process:").contains("path of a program"));
        assert!(parse("process:bin/sh").is_ok());
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_is_one() {
        for wrong in ["", "/opt/chat/bootstrap", "ftp://x", "SCF:x"] {
            assert!(parse(wrong).is_err_and(|sentence| sentence.contains("scf:[NAMESPACE/]")), "{wrong}");
        }
    }
}
