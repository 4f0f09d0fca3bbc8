//! Transfer: pushes a frame on, to its sender, to a room or to fixed connections.

use std::sync::Arc;

use log::warn;

use super::values::list;
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::error::{Chain, Result};
use crate::event::{ConnectionId, Data};
use crate::frame::Frame;
use crate::functions::Functions;
use crate::log_text::excerpt;
use crate::push::Message;

/// The variables of the role.
pub(super) struct TransferSettings {
    to: PushTo,
    encoding: TextEncoding,
}

/// Who receives a frame (`WS_PUSH_TO`).
enum PushTo {
    None,
    Sender,
    Fixed(Arc<[ConnectionId<'static>]>),
    Room { with_sender: bool },
}

/// How a text frame is sent (`WS_PUSH_ENCODING`).
#[derive(Clone, Copy)]
enum TextEncoding {
    /// As a JSON string with its quotes, in ASCII: what the vendor's sample sends.
    Json,
    /// As received.
    Raw,
}

/// The transfer role.
pub(super) struct Transfer(TransferSettings);

impl TransferSettings {
    pub(super) fn read(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            to: config.get_with("WS_PUSH_TO", push_to)?.unwrap_or(PushTo::Sender),
            encoding: config.get_with("WS_PUSH_ENCODING", encoding)?.unwrap_or(TextEncoding::Json),
        })
    }
}

impl Transfer {
    pub(super) fn new(settings: TransferSettings, config: &Config) -> Result<Self, ConfigError> {
        if let PushTo::Room { .. } = settings.to {
            config.require_store("WS_PUSH_TO others and all")?;
        }
        if !matches!(settings.to, PushTo::None) {
            config.require_push("WS_PUSH_TO (sender where it is not set)")?;
        }
        Ok(Self(settings))
    }

    fn message(&self, frame: &Frame<'_>) -> Result<Message> {
        Ok(match (frame.data(), self.0.encoding) {
            (Data::Text(text), TextEncoding::Json) => Message::text_as_json(&text.text()?),
            (data, _) => Message::relayed(data),
        })
    }
}

impl Functions for Transfer {
    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        match &self.0.to {
            PushTo::None => record_sender(frame, context),
            PushTo::Sender => {
                let message = self.message(frame)?;
                record_sender(frame, context);
                let report = context.push_id(frame.connection_id().clone()).send(message)?;
                forget(report.gone(), context);
            }
            PushTo::Fixed(ids) => {
                let message = self.message(frame)?;
                record_sender(frame, context);
                let report = context.push_ids(Arc::clone(ids)).send(message)?;
                forget(report.gone(), context);
            }
            PushTo::Room { with_sender } => {
                let message = self.message(frame)?;
                let Some(room) = context.default_room() else { return Ok(()) };
                let mut room = room.with(frame.connection());
                let push = if *with_sender { room.push() } else { room.push_others(frame.connection()) };
                push.send(message)?;
            }
        }
        Ok(())
    }

    fn settings(&self) -> String {
        let to = match &self.0.to {
            PushTo::None => return "push_to=none".into(),
            PushTo::Sender => "sender".into(),
            PushTo::Fixed(ids) => {
                let ids: Vec<&str> = ids.iter().map(ConnectionId::as_str).collect();
                format!("{:?}", ids.join(","))
            }
            PushTo::Room { with_sender: true } => "all".into(),
            PushTo::Room { with_sender: false } => "others".into(),
        };
        let encoding = match self.0.encoding {
            TextEncoding::Json => "json",
            TextEncoding::Raw => "raw",
        };
        format!("push_to={to} push_encoding={encoding}")
    }
}

/// Records that the sender is still connected. The push does not depend on the room, so a store outage only warrants a
/// warning.
fn record_sender(frame: &Frame<'_>, context: &mut Context<'_>) {
    if let Some(mut room) = context.default_room()
        && let Err(e) = room.join(frame.connection())
    {
        warn!("connection {:?} was not renewed: {}", excerpt(frame.connection()), Chain(&e));
    }
}

/// Removes connections that the gateway does not know any more.
fn forget(gone: &[String], context: &mut Context<'_>) {
    if let Some(mut room) = context.default_room() {
        room.prune(gone);
    }
}

fn push_to(value: &str) -> Result<PushTo, String> {
    const ALLOWED: &str = "sender, none, others, all, or connection ids separated by commas";
    const WORDS: [&str; 4] = ["sender", "none", "others", "all"];
    match value {
        "none" => return Ok(PushTo::None),
        "sender" => return Ok(PushTo::Sender),
        "others" => return Ok(PushTo::Room { with_sender: false }),
        "all" => return Ok(PushTo::Room { with_sender: true }),
        _ => {}
    }
    let ids = list(value, ALLOWED)?;
    if let Some(word) = ids.iter().find(|id| WORDS.contains(&id.as_str())) {
        return Err(format!("{ALLOWED} ({word} only on its own)"));
    }
    Ok(PushTo::Fixed(ids.iter().map(|id| ConnectionId::from(id.as_str())).collect()))
}

fn encoding(value: &str) -> Result<TextEncoding, String> {
    match value {
        "json" => Ok(TextEncoding::Json),
        "raw" => Ok(TextEncoding::Raw),
        _ => Err("json, raw".into()),
    }
}
