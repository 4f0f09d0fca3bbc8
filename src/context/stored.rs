//! Texts and lists of a user's own, which all instances of the functions share.

use std::time::Instant;

use super::resources::Resources;
use crate::store::StoreError;

/// One text under a key of your own. It expires when it has not been set for `WS_STORE_TTL` seconds.
///
/// Redis holds it as the string `ws:texts:<key>`, a directory as a file in its folder `%texts`.
pub struct StoredText<'r> {
    resources: &'r mut Resources,
    key: String,
    deadline: Instant,
}

impl<'r> StoredText<'r> {
    pub(super) fn new(resources: &'r mut Resources, key: &str, deadline: Instant) -> Self {
        Self { resources, key: key.to_owned(), deadline }
    }

    /// The text; `None` if it is not set.
    ///
    /// # Errors
    /// A [`StoreError`] if `WS_STORE` is not set or the store does not answer before the
    /// [deadline](super::Context::deadline); the same holds for the other methods.
    pub fn get(&mut self) -> Result<Option<String>, StoreError> {
        self.resources.store()?.text(&self.key, self.deadline)
    }

    /// Sets the text.
    ///
    /// # Errors
    /// See [`StoredText::get`].
    pub fn set(&mut self, text: &str) -> Result<(), StoreError> {
        self.resources.store()?.set_text(&self.key, Some(text), self.deadline)
    }

    /// Removes the text. Idempotent.
    ///
    /// # Errors
    /// See [`StoredText::get`].
    pub fn remove(&mut self) -> Result<(), StoreError> {
        self.resources.store()?.set_text(&self.key, None, self.deadline)
    }
}

/// A list of texts under a key of your own. It expires when nothing has been appended for `WS_STORE_TTL` seconds.
///
/// Redis holds it as the list `ws:lists:<key>`, a directory as a folder in its folder `%lists`. A directory expires each
/// text by its own age.
pub struct StoredList<'r> {
    resources: &'r mut Resources,
    key: String,
    deadline: Instant,
}

impl<'r> StoredList<'r> {
    pub(super) fn new(resources: &'r mut Resources, key: &str, deadline: Instant) -> Self {
        Self { resources, key: key.to_owned(), deadline }
    }

    /// Appends a text and keeps only the last `keep` texts. Concurrent appends by several instances are all kept.
    ///
    /// # Errors
    /// A [`StoreError`] if `WS_STORE` is not set or the store does not answer before the
    /// [deadline](super::Context::deadline).
    pub fn append(&mut self, text: &str, keep: usize) -> Result<(), StoreError> {
        self.resources.store()?.append(&self.key, text, keep, self.deadline)
    }

    /// The texts, the oldest first.
    ///
    /// # Errors
    /// See [`StoredList::append`].
    pub fn items(&mut self) -> Result<Vec<String>, StoreError> {
        self.resources.store()?.items(&self.key, self.deadline)
    }
}
