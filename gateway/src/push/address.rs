//! Where the push address is: its path, and the secret token in it.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;

use crate::config::secret::Secret;

/// What each path begins with that is meant to be a push address; the token follows.
pub(super) const PREFIX: &str = "/api-";
/// The token unless one is asked for; it is no secret.
const LOCAL: &str = "local";

/// Where the address is unless a token is asked for.
pub const PATH: &str = "/api-local";

/// The tokens with which pushes are accepted. Clones share them, and those that are set last count.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<ArcSwap<Vec<Secret>>>);

impl Tokens {
    /// None: every push is refused.
    pub(crate) fn none() -> Self {
        Self(Arc::default())
    }

    /// The token that functions are given, or none, and one that is accepted besides.
    pub(crate) fn new(token: Option<&Secret>, previous: Option<&Secret>) -> Self {
        let tokens = Self::none();
        tokens.set(token, previous);
        tokens
    }

    /// From now on these are accepted.
    pub(crate) fn set(&self, token: Option<&Secret>, previous: Option<&Secret>) {
        let token = token.cloned().unwrap_or_else(|| Secret::new(LOCAL));
        self.0.store(Arc::new([token].into_iter().chain(previous.cloned()).collect()));
    }

    /// Whether a path is that of the push address.
    pub(crate) fn accept(&self, path: &str) -> bool {
        let Some(token) = path.strip_prefix(PREFIX) else { return false };
        // Each is compared, so that the time it takes does not say which one it was.
        self.0.load().iter().fold(false, |accepted, known| known.matches(token.as_bytes()) | accepted)
    }
}

/// What functions are told to push to. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct PushUrl(Arc<ArcSwap<String>>);

impl PushUrl {
    /// The URL with this token in its path, or without one.
    pub(crate) fn set(&self, base: &str, token: Option<&Secret>) {
        let token = token.map_or(LOCAL, Secret::expose);
        self.0.store(Arc::new(format!("{base}{PREFIX}{token}")));
    }

    /// At this time.
    #[must_use]
    pub fn now(&self) -> Arc<String> {
        self.0.load_full()
    }
}

impl fmt::Debug for PushUrl {
    /// Not the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.now();
        let base = url.rsplit_once(PREFIX).map_or(url.as_str(), |(base, _)| base);
        write!(formatter, "PushUrl({base}{PREFIX}…)")
    }
}

/// Whether a text can be the token of a push address. The error says what is allowed.
pub fn check_token(token: &str) -> Result<(), String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if token.is_empty() || !token.chars().all(allowed) {
        return Err("a token consists of letters, digits, _ and -".to_owned());
    }
    Ok(())
}
