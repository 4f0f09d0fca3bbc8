//! Doors for the fuzzers into what is private; built only for them.
//!
//! Each function takes bytes from outside and panics if what must always hold does not.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::config::{Config, Role};
use crate::event::{Data, Event};
use crate::handler::{self, Context};
use crate::push::{self, Message};
use crate::runtime;
use crate::store;

/// An event in each role: an answer in JSON, or a sentence.
pub fn event(body: &[u8]) {
    let Ok(event) = Event::parse(body) else { return };
    let deadline = Instant::now() + Duration::from_secs(1);
    let context = Context { request_id: "-", deadline, memory_limit_mb: None };
    let mut handler = handler::for_role(&auto());
    if let Ok(answer) = handler.handle(&event, &context) {
        let parsed = serde_json::from_str::<&RawValue>(answer.json());
        assert!(parsed.is_ok(), "an answer is JSON: {}", answer.json());
    }
    let Some(Ok(websocket)) = event.websocket() else { return };
    let messages = match websocket.data() {
        Ok(Data::Binary(base64)) => vec![Message::binary(base64.json())],
        Ok(Data::Text(text)) => {
            let as_json = text.text().map(|text| Message::text_as_json(&text));
            as_json.into_iter().chain([Message::text(text.json())]).collect()
        }
        Err(_) => return,
    };
    for message in messages {
        let body = message.body_for(&websocket.connection);
        assert!(serde_json::from_slice::<&RawValue>(&body).is_ok(), "a push is JSON");
    }
}

fn auto() -> Role {
    let vars = [
        ("SCF_RUNTIME_API", "127.0.0.1"),
        ("SCF_RUNTIME_API_PORT", "1"),
        ("WS_ROLE", "auto"),
        ("WS_PUSH_TO", "none"),
        ("WS_SUBPROTOCOLS", "chat,binary"),
    ];
    let config = Config::from_vars(vars.map(|(name, value)| (name.into(), value.into())));
    config.expect("these variables are sound").settings.role
}

/// A push address's answer, with each status.
pub fn push_answer(body: &[u8]) {
    push::judge_any(body);
}

/// A connection id: its file's name stays in the folder, and tells the id or says that the file does.
pub fn store_name(id: &str) {
    store::check_name(id);
}

/// A Redis server's answer.
pub fn redis_reply(bytes: &[u8]) {
    store::read_replies(bytes);
}

/// The runtime API's answer.
pub fn runtime_answer(bytes: &[u8]) {
    runtime::read_any(bytes);
}
