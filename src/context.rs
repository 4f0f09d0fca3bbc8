//! What a function can do and know while it handles an event.

mod pruning;
mod push;
mod resources;
mod room;
mod stored;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use self::push::{Push, PushClose};
pub(crate) use self::resources::Resources;
pub use self::room::Room;
pub use self::stored::{StoredList, StoredText};
use crate::event::ConnectionId;

/// The invocation that handles an event: its limits, and the ways to reach clients and shared data.
///
/// Nothing is connected or opened before it is used, so a function that never pushes pays nothing for pushes.
///
/// ```
/// use std::time::Duration;
///
/// use scf_websocket::{Context, Result};
///
/// /// Counts a visit and tells the room, unless time is short.
/// fn count_visit(id: &str, context: &mut Context<'_>) -> Result<()> {
///     let visits = context.stored_text("visits").add(1)?;
///     if context.time_left() > Duration::from_millis(500) {
///         context.room("lobby").push_others(id).text(&format!("visitor {visits}"))?;
///     }
///     Ok(())
/// }
/// ```
pub struct Context<'c> {
    invocation: Invocation<'c>,
    function: &'c FunctionInfo,
    resources: &'c mut Resources,
    /// The connection whose frame is handled.
    sender: Option<&'c str>,
}

/// What SCF says of one invocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation<'c> {
    /// `-` where SCF sent none.
    pub(crate) request_id: &'c str,
    /// The time limit, minus what delivering the outcome takes.
    pub(crate) deadline: Instant,
    pub(crate) memory_limit_mb: Option<u64>,
}

/// What SCF says of the function.
#[derive(Debug, Clone, Default)]
pub(crate) struct FunctionInfo {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) region: Option<String>,
}

impl<'c> Context<'c> {
    pub(crate) fn new(
        invocation: Invocation<'c>,
        function: &'c FunctionInfo,
        resources: &'c mut Resources,
    ) -> Self {
        Self { invocation, function, resources, sender: None }
    }

    /// The context of a frame of this connection.
    pub(crate) fn of_frame(self, sender: &'c str) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// SCF's id of the invocation; `-` if SCF sent none.
    ///
    /// ```
    /// # use scf_websocket::Context;
    /// fn trace(context: &Context<'_>) {
    ///     let (name, version) = (context.function_name(), context.function_version());
    ///     log::info!("{} of {name:?} {version:?} in {:?}", context.request_id(), context.region());
    /// }
    /// ```
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.invocation.request_id
    }

    /// When the function must have returned: the time limit, minus what delivering the outcome takes.
    ///
    /// Pushes and stores give up at this moment. A function that is still running shortly after it is reported as
    /// failed, and its process ends.
    ///
    /// ```
    /// # use scf_websocket::Context;
    /// # fn ask(timeout: std::time::Duration) {}
    /// /// Asks another service, and leaves a second for the pushes.
    /// fn look_up(context: &Context<'_>) {
    ///     let until = context.deadline() - std::time::Duration::from_secs(1);
    ///     ask(until.saturating_duration_since(std::time::Instant::now()));
    /// }
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.invocation.deadline
    }

    /// The time left until the [deadline](Self::deadline); zero after it.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline().saturating_duration_since(Instant::now())
    }

    /// The time of day. In a test it is that of the harness, which [turns it](crate::testing::Harness::advance).
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// # use scf_websocket::Context;
    /// fn is_in_time(asked_at: SystemTime, context: &Context<'_>) -> bool {
    ///     context.now() < asked_at + Duration::from_secs(20)
    /// }
    /// ```
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.resources.now()
    }

    /// The function's memory in MB, if SCF sent it.
    ///
    /// ```
    /// # use scf_websocket::Context;
    /// /// How many pictures are kept.
    /// fn capacity(context: &Context<'_>) -> u64 {
    ///     context.memory_limit_mb().unwrap_or(128) / 4
    /// }
    /// ```
    #[must_use]
    pub fn memory_limit_mb(&self) -> Option<u64> {
        self.invocation.memory_limit_mb
    }

    /// The name of the function (`SCF_FUNCTIONNAME`), if SCF set it.
    #[must_use]
    pub fn function_name(&self) -> Option<&str> {
        self.function.name.as_deref()
    }

    /// The version of the function (`SCF_FUNCTIONVERSION`), if SCF set it.
    #[must_use]
    pub fn function_version(&self) -> Option<&str> {
        self.function.version.as_deref()
    }

    /// The region of the function (`TENCENTCLOUD_REGION`), if SCF set it.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.function.region.as_deref()
    }

    /// A push to one connection. The result names what to send: `context.push(id).text("hello")?`.
    pub fn push(&mut self, connection: &str) -> Push<'_> {
        self.push_id(ConnectionId::from(connection))
    }

    /// A push of one message to several connections, many at a time (`WS_PUSH_CONCURRENCY`), in batches if the gateway takes
    /// them.
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// fn warn_all(ids: &[String], context: &mut Context<'_>) -> Result<()> {
    ///     let report = context.push_all(ids).text("closing in a minute")?;
    ///     log::info!("warned {} of {}", report.delivered(), report.asked());
    ///     Ok(())
    /// }
    /// ```
    pub fn push_all<I: AsRef<str>>(&mut self, connections: impl IntoIterator<Item = I>) -> Push<'_> {
        self.push_ids(connections.into_iter().map(|id| ConnectionId::from(id.as_ref())).collect())
    }

    /// A room: a set of connections that all instances share, kept in the store that `WS_STORE` names.
    ///
    /// Names consist of letters, digits, `.`, `_` and `-`, at most 64 of them; another name is an error when the room is
    /// used.
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Result};
    /// fn relay(frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    ///     let mut lobby = context.room("lobby");
    ///     lobby.join(frame.connection())?;
    ///     lobby.push_others(frame.connection()).text(frame.text().unwrap_or_default())?;
    ///     Ok(())
    /// }
    /// ```
    pub fn room(&mut self, name: &str) -> Room<'_> {
        Room::named(self.resources, name, self.sender, self.invocation.deadline)
    }

    /// The room that `WS_ROOM` names; `None` if `WS_STORE` is not set.
    pub(crate) fn default_room(&mut self) -> Option<Room<'_>> {
        Room::default_of(self.resources, self.invocation.deadline)
    }

    /// A text of your own, which all instances share, kept in the store that `WS_STORE` names.
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// fn rename(id: &str, nickname: &str, context: &mut Context<'_>) -> Result<Option<String>> {
    ///     let mut stored = context.stored_text(&format!("nickname of {id}"));
    ///     let before = stored.get()?;
    ///     stored.set(nickname)?;
    ///     Ok(before)
    /// }
    /// ```
    pub fn stored_text(&mut self, key: &str) -> StoredText<'_> {
        StoredText::new(self.resources, key, self.invocation.deadline)
    }

    /// A list of texts of your own, which all instances share, kept in the store that `WS_STORE` names.
    ///
    /// ```
    /// # use scf_websocket::{Context, Result};
    /// fn remember(line: &str, context: &mut Context<'_>) -> Result<Vec<String>> {
    ///     let mut last_lines = context.stored_list("last lines");
    ///     last_lines.append(line, 20)?;
    ///     Ok(last_lines.items()?)
    /// }
    /// ```
    pub fn stored_list(&mut self, key: &str) -> StoredList<'_> {
        StoredList::new(self.resources, key, self.invocation.deadline)
    }

    pub(crate) fn push_id<'p>(&'p mut self, connection: ConnectionId<'p>) -> Push<'p> {
        Push::to_one(self.resources, connection, self.invocation.deadline)
    }

    pub(crate) fn push_ids(&mut self, connections: Arc<[ConnectionId<'static>]>) -> Push<'_> {
        Push::to_many(self.resources, connections, self.invocation.deadline)
    }
}
