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
//! shout.text("ann", "hello")?;
//! assert_eq!(shout.texts_to("ann"), ["HELLO"]);
//! # Ok(())
//! # }
//! ```

mod client;
mod recorder;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

pub use self::client::Client;
pub use self::recorder::{Content, Pushed};
use self::recorder::{Recorder, lock};
use crate::connecting::Connecting;
use crate::context::{Context, FunctionInfo, Invocation, Resources};
use crate::error::Result;
use crate::event::{Event, EventError, WebSocket};
use crate::frame::{Closing, Frame};
use crate::functions::{Decision, Functions};
use crate::store::MemoryStore;

/// The deadline of each event, from its start.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Functions with recorded pushes, and with rooms, texts and lists in memory.
///
/// Every connection exists until it has [left](Harness::leave), whether it has connected or not; pushes to one that has
/// left are reported as gone.
pub struct Harness<F> {
    functions: F,
    resources: Resources,
    function: FunctionInfo,
    pushes: Arc<Mutex<Vec<Pushed>>>,
    gone: Arc<Mutex<BTreeSet<String>>>,
}

impl<F: Functions> Harness<F> {
    /// A harness around these functions.
    #[must_use]
    pub fn new(functions: F) -> Self {
        let (pushes, gone) = (Arc::default(), Arc::default());
        let recorder = Recorder { pushes: Arc::clone(&pushes), gone: Arc::clone(&gone) };
        let resources = Resources::of(Box::new(recorder), Box::new(MemoryStore::default()));
        Self { functions, resources, function: FunctionInfo::default(), pushes, gone }
    }

    /// The functions.
    pub fn functions(&mut self) -> &mut F {
        &mut self.functions
    }

    /// Lets a client connect: an id, or a [`Client`] with a query, headers and more.
    ///
    /// # Errors
    /// That of [`Functions::register`].
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
    pub fn connect(&mut self, client: impl Into<Client>) -> Result<Decision> {
        let client = client.into();
        lock(&self.gone).remove(client.id());
        self.handle(&client.event(), |functions, event, websocket, context| {
            functions.register(&Connecting::of(event, websocket), context)
        })
    }

    /// Lets a client send a text frame.
    ///
    /// # Errors
    /// That of [`Functions::transfer`].
    pub fn text(&mut self, connection: &str, text: &str) -> Result<()> {
        self.transfer(connection, "text", text)
    }

    /// Lets a client send a binary frame.
    ///
    /// # Errors
    /// That of [`Functions::transfer`].
    pub fn binary(&mut self, connection: &str, bytes: &[u8]) -> Result<()> {
        self.transfer(connection, "binary", &STANDARD.encode(bytes))
    }

    /// Lets a client leave.
    ///
    /// # Errors
    /// That of [`Functions::cleanup`].
    pub fn leave(&mut self, connection: &str) -> Result<()> {
        self.vanish(connection);
        let event = json!({"websocket": {"action": "closing", "secConnectionID": connection}});
        self.handle(&event.to_string(), |functions, _, websocket, context| {
            functions.cleanup(&Closing::of(websocket), context)
        })
    }

    /// Lets a client vanish without a cleanup event: pushes to it are reported as gone.
    pub fn vanish(&mut self, connection: &str) {
        lock(&self.gone).insert(connection.to_owned());
    }

    /// The pushes since the last call, in their order.
    pub fn pushes(&mut self) -> Vec<Pushed> {
        std::mem::take(&mut lock(&self.pushes))
    }

    /// The texts that were pushed to this connection since the last call, in their order. Other pushes stay recorded.
    pub fn texts_to(&mut self, connection: &str) -> Vec<String> {
        let mut texts = Vec::new();
        lock(&self.pushes).retain(|push| match &push.content {
            Content::Text(text) if push.connection == connection => {
                texts.push(text.clone());
                false
            }
            _ => true,
        });
        texts
    }

    fn transfer(&mut self, connection: &str, data_type: &str, data: &str) -> Result<()> {
        let event = json!({"websocket": {
            "action": "data recv", "secConnectionID": connection, "dataType": data_type, "data": data,
        }});
        self.handle(&event.to_string(), |functions, _, websocket, context| {
            functions.transfer(&Frame::of(websocket)?, context)
        })
    }

    fn handle<T>(
        &mut self,
        event: &str,
        act: impl FnOnce(&mut F, &Event<'_>, &WebSocket<'_>, &mut Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let event = Event::parse(event.as_bytes())?;
        let websocket = event.websocket().ok_or(EventError::Missing("secConnectionID"))??;
        let deadline = Instant::now() + TIME_LIMIT;
        let invocation = Invocation { request_id: "test", deadline, memory_limit_mb: None };
        let mut context = Context::new(invocation, &self.function, &mut self.resources);
        act(&mut self.functions, &event, websocket, &mut context)
    }
}
