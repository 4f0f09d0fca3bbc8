//! What a client sends.

use std::{borrow::Cow, str::from_utf8};

use super::{
    close_code,
    header::Opcode,
    violation::{Breach, Violation},
};

/// A complete message, or a control frame. A message that came in one piece borrows the bytes in which it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message<'i> {
    Text(Cow<'i, str>),
    Binary(Cow<'i, [u8]>),
    /// A text or a binary message, compressed.
    Compressed {
        is_text: bool,
        payload: Cow<'i, [u8]>,
    },
    Ping(Cow<'i, [u8]>),
    Pong(Cow<'i, [u8]>),
    /// With the code and the reason, if the client gave them.
    Close(Option<(u16, Cow<'i, str>)>),
}

impl<'i> Message<'i> {
    /// A message in a single frame.
    pub(super) fn data(opcode: Opcode, is_compressed: bool, payload: &'i [u8]) -> Result<Self, Violation> {
        if is_compressed {
            return Ok(Self::Compressed { is_text: opcode == Opcode::Text, payload: payload.into() });
        }
        if opcode == Opcode::Text {
            return Ok(Self::Text(from_utf8(payload).map_err(|_| Violation::NotUtf8)?.into()));
        }
        Ok(Self::Binary(payload.into()))
    }

    pub(super) fn control(opcode: Opcode, payload: Cow<'i, [u8]>) -> Result<Self, Violation> {
        match opcode {
            Opcode::Ping => Ok(Self::Ping(payload)),
            Opcode::Pong => Ok(Self::Pong(payload)),
            _ => close(&payload),
        }
    }
}

#[cfg(any(fuzzing, test))]
impl Message<'_> {
    pub(crate) fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned().into()),
            Self::Binary(bytes) => Message::Binary(bytes.into_owned().into()),
            Self::Compressed { is_text, payload } => {
                Message::Compressed { is_text, payload: payload.into_owned().into() }
            }
            Self::Ping(bytes) => Message::Ping(bytes.into_owned().into()),
            Self::Pong(bytes) => Message::Pong(bytes.into_owned().into()),
            Self::Close(close) => {
                Message::Close(close.map(|(code, reason)| (code, reason.into_owned().into())))
            }
        }
    }
}

fn close(payload: &[u8]) -> Result<Message<'static>, Violation> {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(Message::Close(None))
        } else {
            Err(Breach::ShortCloseBody.into())
        };
    };
    let code = u16::from_be_bytes(code);
    let reason = from_utf8(reason).map_err(|_| Violation::CloseNotUtf8)?;
    if !close_code::is_valid(code) {
        return Err(Breach::CloseCode(code).into());
    }
    Ok(Message::Close(Some((code, reason.to_owned().into()))))
}
