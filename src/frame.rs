//! The events of a connected client: a [`Frame`] that it has sent, and its [`Closing`].

use std::borrow::Cow;
use std::cell::OnceCell;
use std::error::Error as StdError;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

use crate::event::{Attributes, ConnectionId, Data, Event, EventError, WebSocket};

/// A frame that a client has sent.
///
/// Text and bytes are decoded when they are first asked for. If that fails, [`Frame::text`] or [`Frame::binary`] is
/// `None`, and the invocation fails after the function has returned.
///
/// ```
/// use scf_websocket::{Context, Frame, Result};
///
/// /// Sends text back in capitals, and bytes in reverse.
/// fn answer(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
///     if let Some(text) = frame.text() {
///         context.push(frame.connection()).text(&text.to_uppercase())?;
///     }
///     if let Some(bytes) = frame.binary() {
///         let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
///         context.push(frame.connection()).binary(&reversed)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Frame<'e> {
    connection: &'e ConnectionId<'e>,
    attributes: &'e Attributes<'e>,
    data: Data<'e>,
    text: OnceCell<Result<Cow<'e, str>, EventError>>,
    bytes: OnceCell<Result<Vec<u8>, EventError>>,
}

/// Why a frame is not the expected JSON.
///
/// ```
/// # use scf_websocket::{Context, Frame, FrameError, Result};
/// /// Tells a client that sends rubbish, in place of closing its connection.
/// fn number(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<Option<i32>> {
///     match frame.json() {
///         Ok(number) => Ok(Some(number)),
///         Err(FrameError::Json { source }) => {
///             context.push(frame.connection()).text(&format!("a number, please: {source}"))?;
///             Ok(None)
///         }
///         Err(other) => Err(other)?,
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// It is a binary frame, or its text cannot be decoded.
    NotText,
    /// Its text does not parse as the expected type.
    Json {
        /// What the parser reports.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotText => "the frame is not a text frame",
            Self::Json { .. } => "the frame is not the expected JSON",
        })
    }
}

impl StdError for FrameError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::NotText => None,
            Self::Json { source } => Some(source.as_ref()),
        }
    }
}

impl<'e> Frame<'e> {
    pub(crate) fn of(event: &'e Event<'e>, websocket: &'e WebSocket<'e>) -> Result<Self, EventError> {
        let data = websocket.data()?;
        let (connection, attributes) = (&websocket.connection, event.attributes());
        Ok(Self { connection, attributes, data, text: OnceCell::new(), bytes: OnceCell::new() })
    }

    /// The id of the connection that sent the frame.
    #[must_use]
    pub fn connection(&self) -> &str {
        self.connection.as_str()
    }

    /// What [`Decision::attribute`](crate::Decision::attribute) said of the client when it connected. Only the gateway of
    /// this project knows attributes; behind another one there are none.
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Result};
    /// fn greet(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    ///     let user = frame.attribute("user").unwrap_or("stranger");
    ///     context.push(frame.connection()).text(&format!("hello, {user}"))?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    /// All attributes of the connection, by name.
    ///
    /// ```
    /// # use scf_websocket::Frame;
    /// fn trace(frame: &Frame<'_>) {
    ///     let attributes: Vec<String> = frame.attributes().map(|(name, value)| format!("{name}={value}")).collect();
    ///     log::debug!("a frame of {}", attributes.join(" "));
    /// }
    /// ```
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter()
    }

    /// The text of a text frame; `None` for a binary frame.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let Data::Text(json) = &self.data else { return None };
        let text = self.text.get_or_init(|| json.text());
        text.as_ref().ok().map(|text| &**text)
    }

    /// The bytes of a binary frame, decoded from Base64; `None` for a text frame.
    #[must_use]
    pub fn binary(&self) -> Option<&[u8]> {
        let Data::Binary(json) = &self.data else { return None };
        let bytes = self.bytes.get_or_init(|| {
            let base64 = json.text()?;
            STANDARD.decode(&*base64).map_err(|e| EventError::NotBase64(e.to_string()))
        });
        bytes.as_ref().ok().map(Vec::as_slice)
    }

    /// Parses the text of a text frame as JSON.
    ///
    /// # Errors
    /// [`FrameError::NotText`] for a binary frame, [`FrameError::Json`] if the text is not JSON of the type `T`.
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Functions, Result};
    /// #[derive(serde::Deserialize)]
    /// struct Move {
    ///     x: i32,
    ///     y: i32,
    /// }
    ///
    /// fn sum(frame: &Frame<'_>) -> Result<i32> {
    ///     let step: Move = frame.json()?;
    ///     Ok(step.x + step.y)
    /// }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        let text = self.text().ok_or(FrameError::NotText)?;
        serde_json::from_str(text).map_err(|e| FrameError::Json { source: e.into() })
    }

    pub(crate) fn connection_id(&self) -> &ConnectionId<'e> {
        self.connection
    }

    /// The data as it stands in the event.
    pub(crate) fn data(&self) -> &Data<'e> {
        &self.data
    }

    /// Why the data could not be decoded, if that was tried and failed.
    pub(crate) fn decoding_error(&self) -> Option<&EventError> {
        let text = self.text.get().and_then(|text| text.as_ref().err());
        text.or_else(|| self.bytes.get().and_then(|bytes| bytes.as_ref().err()))
    }
}

/// A connection that has ended.
///
/// ```
/// # use scf_websocket::{Closing, Context, Result};
/// fn cleanup(connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
///     context.room("lobby").leave(connection.id())?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Closing<'e> {
    connection: &'e ConnectionId<'e>,
    attributes: &'e Attributes<'e>,
}

impl<'e> Closing<'e> {
    pub(crate) fn of(event: &'e Event<'e>, websocket: &'e WebSocket<'e>) -> Self {
        Self { connection: &websocket.connection, attributes: event.attributes() }
    }

    /// The id of the connection.
    #[must_use]
    pub fn id(&self) -> &str {
        self.connection.as_str()
    }

    /// What [`Decision::attribute`](crate::Decision::attribute) said of the client when it connected, as
    /// [`Frame::attribute`].
    ///
    /// ```
    /// # use scf_websocket::{Closing, Context, Result};
    /// fn say_goodbye(connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
    ///     let user = connection.attribute("user").unwrap_or("a stranger");
    ///     context.room("lobby").push().text(&format!("{user} left"))?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    /// All attributes of the connection, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter()
    }
}
