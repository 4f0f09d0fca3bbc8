//! Entry points of the fuzz targets into private code; built only for them.
//!
//! Each function takes bytes from outside and panics if an invariant does not hold.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::bootstrap;
use crate::config::{Config, Environment};
use crate::context::{Invocation, Resources};
use crate::dispatch::Dispatcher;
use crate::event::{Data, Event};
use crate::http;
use crate::push::{self, Message};
use crate::store;

/// An event in each role is answered with JSON or an error.
pub fn event(body: &[u8]) {
    let Ok(event) = Event::parse(body) else { return };
    let deadline = Instant::now() + Duration::from_secs(1);
    let invocation = Invocation { request_id: "-", deadline, memory_limit_mb: None };
    if let Ok(answer) = dispatcher().handle(&event, invocation) {
        let parsed = serde_json::from_str::<&RawValue>(answer.json());
        assert!(parsed.is_ok(), "an answer is JSON: {}", answer.json());
    }
    let Some(Ok(websocket)) = event.websocket() else { return };
    let Ok(data) = websocket.data() else { return };
    let mut messages = vec![Message::relayed(&data)];
    if let Data::Text(text) = data {
        messages.extend(text.text().map(|text| Message::text_as_json(&text)));
    }
    for message in messages {
        let id = websocket.connection.clone();
        for body in [message.body_for(&id), message.body_for_batch(&[id.clone(), id])] {
            assert!(serde_json::from_slice::<&RawValue>(&body).is_ok(), "a push is JSON");
        }
    }
}

fn dispatcher() -> Dispatcher {
    let vars = [("WS_ROLE", "auto"), ("WS_PUSH_TO", "none"), ("WS_SUBPROTOCOLS", "chat,binary")];
    let vars = vars.map(|(name, value)| (name.into(), value.into()));
    let environment = Environment::read(vars, bootstrap::VARIABLES).expect("known variables");
    let config = Config::read(environment, None).expect("allowed values");
    let functions = bootstrap::functions(&config).expect("allowed values");
    Dispatcher::new(functions, config.role(), config.function_info(), Resources::new(None, None), false)
}

/// An answer of a push address, with each status, to a push for one connection and to a batch.
pub fn push_answer(body: &[u8]) {
    push::interpret_any(body);
}

/// A connection id: the name of its file stays in the folder and decodes to the id.
pub fn store_name(id: &str) {
    store::check_name(id);
}

/// Replies of a Redis server.
pub fn redis_reply(bytes: &[u8]) {
    store::read_replies(bytes);
}

/// An answer of the runtime API.
pub fn runtime_answer(bytes: &[u8]) {
    http::lean::read_any(bytes);
}
