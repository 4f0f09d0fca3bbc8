//! Runs functions in process, without SCF, a gateway or a store: for unit tests of your own functions.
//!
//! ```
//! use scf_websocket::testing::Harness;
//! # use scf_websocket::{Context, Frame, Functions, Result};
//! # struct Shout;
//! # impl Functions for Shout {
//! #     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
//! #         if let Some(text) = frame.text() {
//! #             context.push(frame.connection()).text(&text.to_uppercase())?;
//! #         }
//! #         Ok(())
//! #     }
//! # }
//!
//! # fn main() -> Result<()> {
//! let mut shout = Harness::new(Shout);
//! shout.connect("ann")?;
//! shout.send_text("ann", "hello")?;
//! assert_eq!(shout.texts_to("ann"), ["HELLO"]);
//! # Ok(())
//! # }
//! ```

mod client;
mod gateway;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub use self::client::Client;
use self::gateway::{AttributesJson, Gateway};
pub use self::gateway::{Content, Pushed};
use crate::clock::Clock;
use crate::connecting::Connecting;
use crate::context::{Context, FunctionInfo, Invocation, Resources};
use crate::error::Result;
use crate::event::{Event, EventError, WebSocket};
use crate::frame::{Closing, Frame};
use crate::functions::{Decision, Functions};
use crate::store::{MemoryStore, StoreSettings};

/// Functions behind a gateway that records what they push, with rooms, texts and lists in memory.
///
/// It does as the gateway does. A connection exists from the call of `register` until the client [leaves](Harness::leave)
/// or [vanishes](Harness::vanish), it is refused, a function closes it, or `transfer` fails, which closes it and calls
/// `cleanup`. Pushes to any other id are reported as gone. So a client that is not connected can send nothing: the test is
/// wrong, and panics.
///
/// The members of a room come in an order that is another in each test.
///
/// ```
/// # use scf_websocket::{Closing, Connecting, Context, Decision, Functions, Result, testing::Harness};
/// # struct Lobby;
/// # impl Functions for Lobby {
/// #     fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
/// #         context.room("lobby").join(client.id())?;
/// #         Ok(Decision::accept())
/// #     }
/// #     fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
/// #         context.room("lobby").push().text(&format!("{} left", connection.id()))?;
/// #         Ok(())
/// #     }
/// # }
/// # fn main() -> Result<()> {
/// let mut lobby = Harness::new(Lobby);
/// lobby.connect("ann")?;
/// lobby.connect("ben")?;
/// lobby.leave("ben")?;
/// assert_eq!(lobby.texts_to("ann"), ["ben left"]);
/// assert!(!lobby.is_connected("ben"));
/// # Ok(())
/// # }
/// ```
pub struct Harness<F> {
    functions: F,
    resources: Resources,
    function: FunctionInfo,
    gateway: Gateway,
    clock: Clock,
    time_limit: Duration,
}

impl<F: Functions> Harness<F> {
    /// A harness around these functions. Each event has 3 s, and `WS_STORE_TTL` is a day, as by default.
    #[must_use]
    pub fn new(functions: F) -> Self {
        let (gateway, clock) = (Gateway::default(), Clock::manual());
        let store = MemoryStore::new(clock.clone(), Some(StoreSettings::DEFAULT_TIME_TO_LIVE));
        let resources = Resources::of(Box::new(gateway.clone()), Box::new(store), clock.clone());
        let function = FunctionInfo::default();
        Self { functions, resources, function, gateway, clock, time_limit: Duration::from_secs(3) }
    }

    /// The functions.
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Functions, Result, testing::Harness};
    /// struct Counter(u32);
    ///
    /// impl Functions for Counter {
    ///     fn transfer(&mut self, _: &Frame<'_>, _: &mut Context<'_>) -> Result<()> {
    ///         self.0 += 1;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let mut counter = Harness::new(Counter(0));
    /// counter.connect("ann")?;
    /// counter.send_text("ann", "hello")?;
    /// counter.send_binary("ann", &[0, 255])?;
    /// assert_eq!(counter.functions().0, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn functions(&mut self) -> &mut F {
        &mut self.functions
    }

    /// Turns the clock forward, which [`Context::now`] and the times to live of the store follow; it stands still otherwise.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use scf_websocket::{Context, Frame, Functions, Result, testing::Harness};
    /// /// Answers once in three seconds.
    /// struct Slow;
    ///
    /// impl Functions for Slow {
    ///     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    ///         let mut pause = context.stored_text("pause").kept_for(Duration::from_secs(3));
    ///         if pause.set_if_absent("")? {
    ///             context.push(frame.connection()).text("yes")?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let mut slow = Harness::new(Slow);
    /// slow.connect("ann")?;
    /// slow.send_text("ann", "?")?;
    /// slow.send_text("ann", "?")?;
    /// assert_eq!(slow.texts_to("ann"), ["yes"]);
    /// slow.advance(Duration::from_secs(4));
    /// slow.send_text("ann", "?")?;
    /// assert_eq!(slow.texts_to("ann"), ["yes"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    /// How long each event has from now on, which [`Context::time_left`] shows.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use scf_websocket::{Context, Frame, Functions, Result, testing::Harness};
    /// struct Hasty;
    ///
    /// impl Functions for Hasty {
    ///     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    ///         let is_short = context.time_left() < Duration::from_secs(1);
    ///         context.push(frame.connection()).text(if is_short { "later" } else { "now" })?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let mut hasty = Harness::new(Hasty);
    /// hasty.connect("ann")?;
    /// hasty.send_text("ann", "?")?;
    /// hasty.set_time_limit(Duration::from_millis(100));
    /// hasty.send_text("ann", "?")?;
    /// assert_eq!(hasty.texts_to("ann"), ["now", "later"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_time_limit(&mut self, time_limit: Duration) {
        self.time_limit = time_limit;
    }

    /// Lets a client connect: an id, or a [`Client`] with a query, headers and more.
    ///
    /// # Errors
    /// That of [`Functions::register`], or of a [`Functions::cleanup`] that it led to. After an error of `register`, which
    /// may have recorded the client, the client is refused and `cleanup` is called.
    ///
    /// # Panics
    /// If the client is connected.
    ///
    /// ```
    /// # use scf_websocket::{Functions, Result, testing::{Client, Harness}};
    /// # struct Open;
    /// # impl Functions for Open {}
    /// # fn main() -> Result<()> {
    /// let mut harness = Harness::new(Open);
    /// assert!(harness.connect("ann")?.is_accepted());
    /// assert!(harness.connect(Client::new("ben").query("token", "secret"))?.is_accepted());
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn connect(&mut self, client: impl Into<Client>) -> Result<Decision> {
        let client = client.into();
        let id = client.id();
        assert!(
            !self.is_connected(id),
            "the client {id:?} is connected already; each connection has its own id"
        );
        let pushed = self.gateway.pushed();
        self.gateway.enter(id, AttributesJson::Null);
        let decided = self.handle(&client.event(), |functions, event, websocket, context| {
            let decision = functions.register(&Connecting::of(event, websocket), context)?;
            let attributes =
                decision.attributes_json()?.as_deref().map_or(Ok(Value::Null), serde_json::from_str);
            Ok((decision, attributes?))
        });
        match &decided {
            // A function may have closed it meanwhile.
            Ok((decision, _)) if decision.is_accepted() && !self.is_connected(id) => {}
            Ok((decision, attributes)) if decision.is_accepted() => {
                self.gateway.enter(id, attributes.clone());
            }
            Ok(_) => self.gateway.refuse(id, pushed),
            Err(_) => {
                self.gateway.refuse(id, pushed);
                // The test is to see what failed first.
                let _ = self.closed(id, &AttributesJson::Null);
            }
        }
        self.clean_up()?;
        Ok(decided?.0)
    }

    /// Whether the client is connected.
    #[must_use]
    pub fn is_connected(&self, connection: &str) -> bool {
        self.gateway.attributes(connection).is_some()
    }

    /// Lets a client send a text frame.
    ///
    /// # Errors
    /// That of [`Functions::transfer`], or of a [`Functions::cleanup`] that it led to.
    ///
    /// # Panics
    /// If the client is not connected.
    #[track_caller]
    pub fn send_text(&mut self, connection: &str, text: &str) -> Result<()> {
        let attributes = self.require_connected(connection);
        self.transfer(connection, &attributes, "text", text)
    }

    /// Lets a client send a binary frame.
    ///
    /// # Errors
    /// See [`Harness::send_text`].
    ///
    /// # Panics
    /// If the client is not connected.
    #[track_caller]
    pub fn send_binary(&mut self, connection: &str, bytes: &[u8]) -> Result<()> {
        let attributes = self.require_connected(connection);
        self.transfer(connection, &attributes, "binary", &STANDARD.encode(bytes))
    }

    /// Lets a client leave.
    ///
    /// # Errors
    /// That of [`Functions::cleanup`].
    ///
    /// # Panics
    /// If the client is not connected.
    #[track_caller]
    pub fn leave(&mut self, connection: &str) -> Result<()> {
        let attributes = self.require_connected(connection);
        self.gateway.remove(connection);
        self.closed(connection, &attributes)?;
        self.clean_up()
    }

    /// Lets a client vanish without a cleanup event: pushes to it are reported as gone.
    ///
    /// ```
    /// # use scf_websocket::{Context, Frame, Functions, Result, testing::Harness};
    /// # struct Poke;
    /// # impl Functions for Poke {
    /// #     fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
    /// #         let report = context.push("ben").text("poke")?;
    /// #         context.push(frame.connection()).text(if report.gone().is_empty() { "done" } else { "gone" })?;
    /// #         Ok(())
    /// #     }
    /// # }
    /// # fn main() -> Result<()> {
    /// let mut poke = Harness::new(Poke);
    /// poke.connect("ann")?;
    /// poke.connect("ben")?;
    /// poke.vanish("ben");
    /// poke.send_text("ann", "poke ben")?;
    /// assert_eq!(poke.texts_to("ann"), ["gone"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn vanish(&mut self, connection: &str) {
        self.gateway.remove(connection);
    }

    /// The pushes since the last call, in the order in which they were made.
    pub fn pushes(&mut self) -> Vec<Pushed> {
        self.gateway.take_pushes()
    }

    /// The texts that were pushed to this connection since the last call, in their order. Other pushes stay recorded.
    pub fn texts_to(&mut self, connection: &str) -> Vec<String> {
        self.gateway.take_texts_to(connection)
    }

    #[track_caller]
    fn require_connected(&self, connection: &str) -> AttributesJson {
        let attributes = self.gateway.attributes(connection);
        attributes.unwrap_or_else(|| panic!("the client {connection:?} is not connected, or not any more"))
    }

    fn transfer(
        &mut self,
        connection: &str,
        attributes: &AttributesJson,
        data_type: &str,
        data: &str,
    ) -> Result<()> {
        let websocket = json!({
            "action": "data recv", "secConnectionID": connection, "dataType": data_type, "data": data,
        });
        let event = event(&websocket, attributes);
        let result = self.handle(&event, |functions, event, websocket, context| {
            let frame = Frame::of(event, websocket)?;
            functions.transfer(&frame, context)?;
            frame.decoding_error().map_or(Ok(()), |e| Err(e.clone().into()))
        });
        if result.is_err()
            && let Some(attributes) = self.gateway.remove(connection)
        {
            // The test is to see what failed first.
            let _ = self.closed(connection, &attributes);
        }
        result.and(self.clean_up())
    }

    /// Calls cleanup for the connections that functions have closed and want it for.
    fn clean_up(&mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some((connection, attributes)) = self.gateway.next_to_clean_up() {
            result = result.and(self.closed(&connection, &attributes));
        }
        result
    }

    fn closed(&mut self, connection: &str, attributes: &AttributesJson) -> Result<()> {
        let event = event(&json!({"action": "closing", "secConnectionID": connection}), attributes);
        self.handle(&event, |functions, event, websocket, context| {
            functions.cleanup(&Closing::of(event, websocket), context)
        })
    }

    fn handle<T>(
        &mut self,
        event: &str,
        act: impl FnOnce(&mut F, &Event<'_>, &WebSocket<'_>, &mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let event = Event::parse(event.as_bytes())?;
        let websocket = event.websocket().ok_or(EventError::Missing("secConnectionID"))??;
        let deadline = Instant::now() + self.time_limit;
        let invocation = Invocation { request_id: "test", deadline, memory_limit_mb: None };
        let mut context = Context::new(invocation, &self.function, &mut self.resources);
        if websocket.is_frame() {
            context = context.of_frame(websocket.connection.as_str());
        }
        act(&mut self.functions, &event, websocket, &mut context)
    }
}

/// An event in the form of this project's gateway.
fn event(websocket: &Value, attributes: &AttributesJson) -> String {
    let event = match attributes {
        Value::Null => json!({"websocket": websocket}),
        attributes => json!({"websocket": websocket, "attributes": attributes}),
    };
    event.to_string()
}
