//! Which function is called: `scf:[namespace/]function[:qualifier]`.

use std::{fmt, str::FromStr};

const SCHEME: &str = "scf:";
const DEFAULT_NAMESPACE: &str = "default";
/// The alias that traffic goes to unless another is named.
const DEFAULT_QUALIFIER: &str = "$DEFAULT";

/// A function in the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScfTarget {
    namespace: String,
    function: String,
    qualifier: String,
}

/// Why a text names no function: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScfTargetError(String);

impl ScfTarget {
    /// The namespace, `default` unless another is named.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The function's name.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// A version or an alias, `$DEFAULT` unless another is named.
    #[must_use]
    pub fn qualifier(&self) -> &str {
        &self.qualifier
    }

    /// Whether the qualifier is a version (`$LATEST` or a number) rather than an alias.
    pub(super) fn is_version(&self) -> bool {
        self.qualifier == "$LATEST" || self.qualifier.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether the qualifier is the alias that every function has.
    pub(super) fn is_default(&self) -> bool {
        self.qualifier == DEFAULT_QUALIFIER
    }
}

impl FromStr for ScfTarget {
    type Err = ScfTargetError;

    fn from_str(text: &str) -> Result<Self, ScfTargetError> {
        let error =
            |why: &str| ScfTargetError(format!("it {why}: write scf:[namespace/]function[:qualifier]"));
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| error("does not begin with scf:"))?;
        let (rest, qualifier) = rest.split_once(':').unwrap_or((rest, DEFAULT_QUALIFIER));
        let (namespace, function) = rest.split_once('/').unwrap_or((DEFAULT_NAMESPACE, rest));
        for (what, part) in [("namespace", namespace), ("function", function)] {
            if !is_name(part) {
                return Err(error(&format!("has no valid {what} (letters, digits, - and _)")));
            }
        }
        if !is_name(qualifier.strip_prefix('$').unwrap_or(qualifier)) {
            return Err(error("has no valid qualifier (a version such as 3 or $LATEST, or an alias)"));
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            function: function.to_owned(),
            qualifier: qualifier.to_owned(),
        })
    }
}

impl fmt::Display for ScfTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(SCHEME)?;
        if self.namespace != DEFAULT_NAMESPACE {
            write!(formatter, "{}/", self.namespace)?;
        }
        formatter.write_str(&self.function)?;
        if !self.is_default() {
            write!(formatter, ":{}", self.qualifier)?;
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_has_a_default() {
        for (text, namespace, function, qualifier) in [
            ("scf:chat-register", "default", "chat-register", "$DEFAULT"),
            ("scf:prod/chat", "prod", "chat", "$DEFAULT"),
            ("scf:chat:3", "default", "chat", "3"),
            ("scf:prod/chat_2:$LATEST", "prod", "chat_2", "$LATEST"),
            ("scf:chat:blue", "default", "chat", "blue"),
        ] {
            let target: ScfTarget = text.parse().expect(text);
            assert_eq!(
                (target.namespace(), target.function(), target.qualifier()),
                (namespace, function, qualifier)
            );
            assert_eq!(target.to_string(), text);
        }
        let spelled_out: ScfTarget = "scf:default/chat:$DEFAULT".parse().expect("a target");
        assert_eq!(spelled_out.to_string(), "scf:chat");
    }

    #[test]
    fn versions_are_not_aliases() {
        for (text, version) in
            [("scf:f:3", true), ("scf:f:$LATEST", true), ("scf:f:blue", false), ("scf:f", false)]
        {
            assert_eq!(text.parse::<ScfTarget>().expect(text).is_version(), version, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, named) in [
            ("chat", "begin"),
            ("scf:", "function"),
            ("scf:/chat", "namespace"),
            ("scf:a/b/c", "function"),
            ("scf:chat:", "qualifier"),
            ("scf:chat:$", "qualifier"),
            ("scf:chat room", "function"),
            ("scf:chat:1:2", "qualifier"),
        ] {
            let error = text.parse::<ScfTarget>().expect_err(text).to_string();
            assert!(error.contains(named) && error.contains("write scf:"), "{text:?}: {error}");
        }
    }
}
