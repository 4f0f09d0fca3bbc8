//! A push that has been addressed and still needs its message.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use log::{info, warn};
use serde::Serialize;

use super::pruning::prune;
use super::resources::Resources;
use crate::error::Chain;
use crate::event::ConnectionId;
use crate::log_text::excerpt;
use crate::push::{Close, Message, PushError, PushReport};
use crate::store::{RoomName, Seen, StoreError};

/// A push to one connection, to several, or to a room: call one of its methods to send a message.
///
/// A connection that no longer exists, one that the gateway cannot serve now, and a frame that it refuses since it has
/// more than 6 MiB are no errors: the [`PushReport`] counts them, and the log has a warning. A push fails only if no connection's push reached the gateway before the
/// [deadline](super::Context::deadline), if the room cannot be listed, or if `WS_PUSH_URL` is not set.
///
/// ```
/// # use scf_websocket::{Context, Frame, Result};
/// /// Answers the client and tells the others.
/// fn answer(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
///     context.push(frame.connection()).text("thank you")?;
///     context.room("lobby").push_others(frame.connection()).binary(&[0, 255])?;
///     Ok(())
/// }
/// ```
#[must_use = "a push is sent by one of its methods"]
pub struct Push<'p> {
    resources: &'p mut Resources,
    deadline: Instant,
    to: Recipients<'p>,
}

enum Recipients<'p> {
    One(ConnectionId<'p>),
    Many(Arc<[ConnectionId<'static>]>),
    Room {
        name: Result<RoomName, StoreError>,
        /// A member that is recorded as seen now.
        seen: Option<Seen<'p>>,
        except: Option<&'p str>,
    },
}

impl<'p> Push<'p> {
    pub(super) fn to_one(resources: &'p mut Resources, id: ConnectionId<'p>, deadline: Instant) -> Self {
        Self { resources, deadline, to: Recipients::One(id) }
    }

    pub(super) fn to_many(
        resources: &'p mut Resources,
        ids: Arc<[ConnectionId<'static>]>,
        deadline: Instant,
    ) -> Self {
        Self { resources, deadline, to: Recipients::Many(ids) }
    }

    pub(super) fn to_room(
        resources: &'p mut Resources,
        name: Result<RoomName, StoreError>,
        seen: Option<Seen<'p>>,
        except: Option<&'p str>,
        deadline: Instant,
    ) -> Self {
        Self { resources, deadline, to: Recipients::Room { name, seen, except } }
    }

    /// Sends this text as a text frame.
    ///
    /// # Errors
    /// See [`Push`]; the same holds for the other methods.
    pub fn text(self, text: &str) -> Result<PushReport, PushError> {
        self.send(Message::text(text))
    }

    /// Sends these bytes as a binary frame.
    ///
    /// # Errors
    /// See [`Push`].
    pub fn binary(self, bytes: &[u8]) -> Result<PushReport, PushError> {
        self.send(Message::binary(&STANDARD.encode(bytes)))
    }

    /// Sends the value as a text frame that holds JSON.
    ///
    /// # Errors
    /// [`PushError::Json`] if the value cannot be serialised; otherwise see [`Push`].
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// #[derive(serde::Serialize)]
    /// struct Score<'s> {
    ///     player: &'s str,
    ///     points: u32,
    /// }
    ///
    /// fn announce(player: &str, points: u32, context: &mut Context<'_>) -> Result<()> {
    ///     context.room("players").push().json(&Score { player, points })?;
    ///     Ok(())
    /// }
    /// ```
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<PushReport, PushError> {
        let json = serde_json::to_string(value).map_err(|e| PushError::Json { source: e.into() })?;
        self.send(Message::text(&json))
    }

    /// Closes the connection or connections. The client receives code 1000. No cleanup event follows, so a function that
    /// closes a connection does what its own `cleanup` would do; or see [`Push::and_clean_up`].
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Result};
    /// fn quit(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    ///     context.room("lobby").leave(frame.connection())?;
    ///     context.push(frame.connection()).close()?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Push`].
    pub fn close(self) -> Result<PushReport, PushError> {
        self.send(Message::closing(Close::default()))
    }

    /// Closes as [`Push::close`] does, with a code and a reason that the client receives. Only the gateway of this project
    /// passes them on.
    ///
    /// The code is 1000, 1008, 1011, or one of your own from 3000 to 4999.
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// fn kick(player: &str, context: &mut Context<'_>) -> Result<()> {
    ///     context.push(player).and_clean_up().close_with(4001, "kicked")?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`PushError::CloseCode`] for another code, [`PushError::CloseReason`] if the reason has more than 123 bytes;
    /// otherwise see [`Push`].
    pub fn close_with(self, code: u16, reason: &str) -> Result<PushReport, PushError> {
        let close = Close::with(code, reason)?;
        self.send(Message::closing(close))
    }

    /// Lets the gateway call the cleanup function for what is closed, as if the client had left. Only the gateway of this
    /// project does.
    pub fn and_clean_up(self) -> PushClose<'p> {
        PushClose(self)
    }

    pub(crate) fn send(self, message: Message) -> Result<PushReport, PushError> {
        let Self { resources, deadline, to } = self;
        match to {
            Recipients::One(id) => {
                let sender = resources.sender()?;
                sender.to_one(&id, &message, deadline).into_result(sender.address())
            }
            Recipients::Many(ids) => {
                let sender = resources.sender()?;
                sender.to_many(ids, message, deadline).into_result(sender.address())
            }
            Recipients::Room { name, seen, except } => {
                let name = name.map_err(PushError::Room)?;
                // Without a push address, no store needs to be asked.
                resources.sender()?;
                let members = members(resources, &name, seen, except, deadline).map_err(PushError::Room)?;
                let sender = resources.sender()?;
                let report = sender.to_many(members, message, deadline);
                info!("{report}");
                prune(resources, &name, report.gone(), deadline);
                report.into_result(resources.sender()?.address())
            }
        }
    }
}

/// The close of a connection, of several, or of those in a room, that the cleanup function is called for.
///
/// ```
/// # use scf_websocket::{Context, Result};
/// /// `cleanup` tells of each player that it has left, as if the player had closed the connection.
/// fn end_of_game(players: &[String], context: &mut Context<'_>) -> Result<()> {
///     context.push_all(players).and_clean_up().close()?;
///     Ok(())
/// }
/// ```
#[must_use = "a connection is closed by one of its methods"]
pub struct PushClose<'p>(Push<'p>);

impl PushClose<'_> {
    /// Closes as [`Push::close`] does.
    ///
    /// # Errors
    /// See [`Push`].
    pub fn close(self) -> Result<PushReport, PushError> {
        self.0.send(Message::closing(Close::default().and_clean_up()))
    }

    /// Closes as [`Push::close_with`] does.
    ///
    /// # Errors
    /// See [`Push::close_with`].
    pub fn close_with(self, code: u16, reason: &str) -> Result<PushReport, PushError> {
        let close = Close::with(code, reason)?;
        self.0.send(Message::closing(close.and_clean_up()))
    }
}

fn members(
    resources: &mut Resources,
    room: &RoomName,
    seen: Option<Seen<'_>>,
    except: Option<&str>,
    deadline: Instant,
) -> Result<Arc<[ConnectionId<'static>]>, StoreError> {
    let listing = resources.store()?.list(room, seen, deadline)?;
    if let (Some(e), Some(seen)) = (listing.not_renewed, seen) {
        warn!("connection {:?} was not renewed: {}", excerpt(seen.connection), Chain(&e));
    }
    let recipients = listing.connections.iter().filter(|id| except != Some(id.as_str()));
    Ok(recipients.map(|id| ConnectionId::from(id.as_str())).collect())
}
