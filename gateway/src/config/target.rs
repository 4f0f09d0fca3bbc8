//! Where a function runs: a process of this machine, an HTTP server, or a function in the cloud.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use url::Url;

use super::values::http_url;

/// Where a function runs.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// `process:PATH`: processes of this program, a custom runtime.
    Process(PathBuf),
    /// `http://…` or `https://…`: a `POST` of the event to this address.
    Http(Url),
    /// `scf:[NAMESPACE/]FUNCTION[:QUALIFIER]`: `InvokeFunction` of the cloud API.
    Scf(ScfFunction),
}

/// A function in the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScfFunction {
    /// `default` unless the target names one.
    pub namespace: String,
    /// The function's name.
    pub function: String,
    /// A version or an alias; `$DEFAULT` unless the target names one.
    pub qualifier: String,
}

impl Target {
    /// Reads a target. A program's relative path is relative to `folder`. The error says what is allowed.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("process:") {
            return program(path, folder).map(Self::Process);
        }
        if let Some(function) = text.strip_prefix("scf:") {
            return ScfFunction::parse(function).map(Self::Scf);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return http_url(text).map(Self::Http);
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
            Self::Http(url) => {
                write!(formatter, "{}{}", url.origin().ascii_serialization(), url.path())
            }
            Self::Scf(ScfFunction { namespace, function, qualifier }) => {
                write!(formatter, "scf:{namespace}/{function}:{qualifier}")
            }
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
    crate::executable::check(&path).map_err(|why| format!("cannot execute {}: {why}", path.display()))?;
    Ok(path)
}

impl ScfFunction {
    fn parse(text: &str) -> Result<Self, String> {
        let (namespace, rest) = text.split_once('/').unwrap_or(("default", text));
        let (function, qualifier) = rest.split_once(':').unwrap_or((rest, "$DEFAULT"));
        let name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        for (part, what) in [(namespace, "namespace"), (function, "function")] {
            if part.is_empty() || !part.chars().all(name) {
                return Err(format!("the {what} {part:?} must consist of letters, digits, - and _"));
            }
        }
        let version = qualifier.strip_prefix('$').unwrap_or(qualifier);
        if version.is_empty() || !version.chars().all(name) {
            return Err(format!(
                "the qualifier {qualifier:?} must be a version such as 3, an alias, $LATEST or $DEFAULT"
            ));
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            function: function.to_owned(),
            qualifier: qualifier.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scf(namespace: &str, function: &str, qualifier: &str) -> Target {
        let [namespace, function, qualifier] = [namespace, function, qualifier].map(str::to_owned);
        Target::Scf(ScfFunction { namespace, function, qualifier })
    }

    fn parse(text: &str) -> Result<Target, String> {
        Target::parse(text, Path::new("/"))
    }

    #[test]
    fn a_function_in_the_cloud_has_a_namespace_and_a_qualifier() {
        assert_eq!(parse("scf:chat"), Ok(scf("default", "chat", "$DEFAULT")));
        assert_eq!(parse("scf:prod/chat"), Ok(scf("prod", "chat", "$DEFAULT")));
        assert_eq!(parse("scf:prod/chat-1:7"), Ok(scf("prod", "chat-1", "7")));
        assert_eq!(parse("scf:chat:$LATEST"), Ok(scf("default", "chat", "$LATEST")));
        for wrong in ["scf:", "scf:/chat", "scf:a/b/c", "scf:chat:", "scf:chat:$", "scf:ch at"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
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
