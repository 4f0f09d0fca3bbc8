//! The error of a user's functions.

use std::error::Error as StdError;
use std::fmt;

/// The result of a function; its error is an [`Error`] unless another one is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a function failed: any [`std::error::Error`], or a text.
///
/// `?` converts every error type, `String` and `&str`. The invocation then fails with the error and its sources as the
/// message, which SCF's monitoring shows; the gateway closes the connection of the event.
///
/// Like other errors of this kind it does not implement [`std::error::Error`] itself, since that would rule out the
/// conversion.
///
/// ```
/// fn seconds(text: &str) -> scf_websocket::Result<u32> {
///     if text.is_empty() {
///         Err("the text is empty")?;
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(seconds("").unwrap_err().to_string(), "the text is empty");
/// let error = seconds("x").unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
/// assert!(error.inner().source().is_none());
/// ```
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// The underlying error, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The underlying error.
    #[must_use]
    pub fn inner(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.0.as_ref()
    }
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Error {
    /// The error and its sources, separated by colons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Chain(self.0.as_ref()).fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Displays an error and its sources, separated by colons.
pub(crate) struct Chain<'e>(pub(crate) &'e dyn StdError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
