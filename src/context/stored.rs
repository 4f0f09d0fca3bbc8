//! Texts and lists of a user's own, which all instances of the functions share.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::resources::Resources;
use crate::store::{Expected, StoreError};

/// One text under a key of your own. It expires when it has not been written for `WS_STORE_TTL` seconds, or for
/// [its own time to live](Self::kept_for).
///
/// Each operation is atomic: of several instances that write at once, one comes after the other.
///
/// Redis holds it as the string `ws:texts:<key>`, a directory as a folder in its folder `%values`.
///
/// ```
/// # use scf_websocket::{Closing, Context, Result};
/// /// Forgets what was stored about a client.
/// fn forget(client: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
///     let mut draft = context.stored_text(&format!("draft of {}", client.id()));
///     if let Some(text) = draft.get()? {
///         context.room("editors").push().text(&text)?;
///     }
///     Ok(context.stored_text(&format!("draft of {}", client.id())).remove()?)
/// }
/// ```
///
/// # Errors
/// Each method fails with a [`StoreError`] if `WS_STORE` is not set, or the store does not answer before the
/// [deadline](super::Context::deadline). A write that has failed may have been carried out, but not twice.
pub struct StoredText<'r> {
    resources: &'r mut Resources,
    key: String,
    time_to_live: Option<Duration>,
    deadline: Instant,
}

impl<'r> StoredText<'r> {
    pub(super) fn new(resources: &'r mut Resources, key: &str, deadline: Instant) -> Self {
        Self { resources, key: key.to_owned(), time_to_live: None, deadline }
    }

    /// Lets the text expire so long after a write by this value, in place of `WS_STORE_TTL`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use scf_websocket::{Context, Result};
    /// /// Whether the player may answer: once in three seconds.
    /// fn may_answer(player: &str, context: &mut Context<'_>) -> Result<bool> {
    ///     let pause = Duration::from_secs(3);
    ///     Ok(context.stored_text(&format!("pause {player}")).kept_for(pause).set_if_absent("")?)
    /// }
    /// ```
    #[must_use]
    pub fn kept_for(self, time_to_live: Duration) -> Self {
        Self { time_to_live: Some(time_to_live), ..self }
    }

    /// The text; `None` if it is not set.
    ///
    /// # Errors
    /// See [`StoredText`]; the same holds for the other methods.
    pub fn get(&mut self) -> Result<Option<String>, StoreError> {
        self.resources.store()?.text(&self.key, self.deadline)
    }

    /// Sets the text.
    ///
    /// # Errors
    /// See [`StoredText`].
    pub fn set(&mut self, text: &str) -> Result<(), StoreError> {
        self.write(Expected::Anything, Some(text)).map(drop)
    }

    /// Sets the text if there is none; whether it did. Of several that try, one succeeds.
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Result};
    /// /// Whether this is the first right answer.
    /// fn wins(question: u32, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<bool> {
    ///     Ok(context.stored_text(&format!("winner of {question}")).set_if_absent(frame.connection())?)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`StoredText`].
    pub fn set_if_absent(&mut self, text: &str) -> Result<bool, StoreError> {
        self.write(Expected::Nothing, Some(text))
    }

    /// Replaces or, with `None`, removes the text if it is the expected one, where `None` means that there is none;
    /// whether it was.
    ///
    /// ```
    /// # use scf_websocket::{Closing, Context, Result};
    /// /// Gives a name back, unless another client has it by now.
    /// fn give_back(name: &str, client: &Closing<'_>, context: &mut Context<'_>) -> Result<bool> {
    ///     Ok(context.stored_text(&format!("name {name}")).compare_and_set(Some(client.id()), None)?)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`StoredText`].
    pub fn compare_and_set(
        &mut self,
        expected: Option<&str>,
        text: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.write(expected.map_or(Expected::Nothing, Expected::Text), text)
    }

    /// Adds to the number that the text is, 0 if there is none, and returns the sum. No addition is lost.
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// fn score(player: &str, points: i64, context: &mut Context<'_>) -> Result<i64> {
    ///     Ok(context.stored_text(&format!("score of {player}")).add(points)?)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StoreError::NotANumber`] if the text is no whole number of 64 bits in decimal, or the sum is none; otherwise see
    /// [`StoredText`].
    pub fn add(&mut self, amount: i64) -> Result<i64, StoreError> {
        self.resources.store()?.add(&self.key, amount, self.time_to_live, self.deadline)
    }

    /// The value that [`set_json`](Self::set_json) has stored; `None` if the text is not set.
    ///
    /// # Errors
    /// [`StoreError::Json`] if the text does not parse as the type; otherwise see [`StoredText`].
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        let Some(text) = self.get()? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|e| self.not_json(e))
    }

    /// Sets the text to the value as JSON.
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// #[derive(serde::Deserialize, serde::Serialize)]
    /// struct Question {
    ///     text: String,
    ///     answer: String,
    /// }
    ///
    /// fn ask(question: &Question, context: &mut Context<'_>) -> Result<Option<Question>> {
    ///     let mut stored = context.stored_text("question");
    ///     let before = stored.json()?;
    ///     stored.set_json(question)?;
    ///     Ok(before)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Json`] if the value cannot be serialised; otherwise see [`StoredText`].
    pub fn set_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), StoreError> {
        let json = serde_json::to_string(value).map_err(|e| self.not_json(e))?;
        self.set(&json)
    }

    /// Removes the text. Idempotent.
    ///
    /// # Errors
    /// See [`StoredText`].
    pub fn remove(&mut self) -> Result<(), StoreError> {
        self.write(Expected::Anything, None).map(drop)
    }

    fn write(&mut self, expected: Expected<'_>, text: Option<&str>) -> Result<bool, StoreError> {
        self.resources.store()?.write(&self.key, expected, text, self.time_to_live, self.deadline)
    }

    fn not_json(&self, source: serde_json::Error) -> StoreError {
        StoreError::Json { key: self.key.clone(), source: source.into() }
    }
}

/// A list of texts under a key of your own. It expires when nothing has been appended for `WS_STORE_TTL` seconds, or for
/// [its own time to live](Self::kept_for).
///
/// Redis holds it as the list `ws:lists:<key>`, a directory as a folder in its folder `%lists`. A directory expires each
/// text by its own age.
///
/// ```
/// # use scf_websocket::{Context, Result};
/// fn remember(line: &str, context: &mut Context<'_>) -> Result<Vec<String>> {
///     let mut last_lines = context.stored_list("last lines");
///     last_lines.append(line, 20)?;
///     Ok(last_lines.items()?)
/// }
/// ```
pub struct StoredList<'r> {
    resources: &'r mut Resources,
    key: String,
    time_to_live: Option<Duration>,
    deadline: Instant,
}

impl<'r> StoredList<'r> {
    pub(super) fn new(resources: &'r mut Resources, key: &str, deadline: Instant) -> Self {
        Self { resources, key: key.to_owned(), time_to_live: None, deadline }
    }

    /// Lets the list expire so long after an append by this value, in place of `WS_STORE_TTL`.
    #[must_use]
    pub fn kept_for(self, time_to_live: Duration) -> Self {
        Self { time_to_live: Some(time_to_live), ..self }
    }

    /// Appends a text and keeps only the last `keep` texts. Concurrent appends by several instances are all kept.
    ///
    /// # Errors
    /// A [`StoreError`] if `WS_STORE` is not set or the store does not answer before the
    /// [deadline](super::Context::deadline).
    pub fn append(&mut self, text: &str, keep: usize) -> Result<(), StoreError> {
        self.resources.store()?.append(&self.key, text, keep, self.time_to_live, self.deadline)
    }

    /// The texts, the oldest first.
    ///
    /// # Errors
    /// See [`StoredList::append`].
    pub fn items(&mut self) -> Result<Vec<String>, StoreError> {
        self.resources.store()?.items(&self.key, self.deadline)
    }
}
