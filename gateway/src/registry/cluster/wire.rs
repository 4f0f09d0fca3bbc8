//! What nodes send to each other, as bytes.
//!
//! A message is a version, the node that sends it, and records. Each record has a kind, a length and a body. All numbers
//! are big-endian, and payloads are as they are.
//!
//! ```text
//! message   version u8 · sender 6 bytes · record…
//! record    kind u8 · length u32 · body
//! request   number u64 · deadline u64 · deliver: text 0, binary 1 · count u32 · 10 bytes of each id · payload
//!           number u64 · deadline u64 · close: 2 · count u32 · 10 bytes of each id · code u16 · cleanup u8 · reason
//!           number u64 · deadline u64 · look up: 3 · 10 bytes of the id
//! answer    number u64 · 0 · a result u8 for each id
//!           number u64 · 1 · connected u64 · last active u64 · waiting u64 · address length u8, address ·
//!                        path length u16, path · attributes in JSON, if there are any
//! probe     number u64
//! confirm   number u64: the function that has asked for this close is answered in time
//! ```
//!
//! A deadline is a time by Redis's clock, in microseconds since 1970: what arrives later is not delivered, because the node
//! that has asked has given it up.
//!
//! A node that receives another [`VERSION`] answers with version 0, whose body is the version that it speaks. The
//! beginning of a message, and version 0, are the same in all versions.

#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use bytes::{Buf as _, BufMut as _, Bytes, TryGetError};

use super::{NodeId, node::Suffix, redis::RedisTime};
use crate::{
    contract::{Close, Frame},
    registry::{ConnectionInfo, Delivery, DeliveryError},
};

/// The version of the messages. A change that an older node would misread needs another one.
pub(crate) const VERSION: u8 = 2;
/// The version of a refusal.
const REFUSAL: u8 = 0;

const REQUEST: u8 = 1;
const ANSWER: u8 = 2;
const PROBE: u8 = 3;
const CONFIRM: u8 = 4;

const TEXT: u8 = 0;
const BINARY: u8 = 1;
const CLOSE: u8 = 2;
const LOOK_UP: u8 = 3;

const DELIVERED: u8 = 0;
const FOUND: u8 = 1;

const OK: u8 = 0;
const NOT_FOUND: u8 = 1;
const TOO_SLOW: u8 = 2;
const UNREACHABLE: u8 = 3;

/// A message that has arrived.
#[derive(Debug, PartialEq)]
pub(crate) enum WireMessage {
    /// Records of this version.
    Records(NodeId, Vec<WireRecord>),
    /// Records of another version.
    OtherVersion(NodeId, u8),
    /// The sender does not understand this node's messages, but those of another version.
    Refusal(NodeId, u8),
}

/// A part of a message.
#[derive(Debug, PartialEq)]
pub(crate) enum WireRecord {
    /// Asks for something by a time. The number grows with each request of the sender.
    Request(u64, RedisTime, OwnerRequest),
    /// Answers the receiver's request of this number.
    Answer(u64, OwnerAnswer),
    /// Measures the way of a node's messages to itself.
    Probe(u64),
    /// The function that has asked for the close of this number is answered in time.
    Confirm(u64),
}

/// What the owner of connections is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum OwnerRequest {
    /// The same to each of the connections.
    Deliver(Vec<Suffix>, Delivery),
    /// What is known of a connection.
    LookUp(Suffix),
}

/// The owner's answer. Of what cannot be reached, the reason stays with the owner.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OwnerAnswer {
    /// A result for each connection, in the order of the request. That of a look-up which found nothing too.
    Delivered(Vec<Result<(), DeliveryError>>),
    /// What a look-up found.
    Found(ConnectionInfo),
}

/// Bytes that are no message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MalformedMessage;

impl From<TryGetError> for MalformedMessage {
    fn from(_: TryGetError) -> Self {
        Self
    }
}

/// The beginning of a message.
pub(crate) fn header(sender: NodeId) -> Vec<u8> {
    let mut message = vec![VERSION];
    message.extend_from_slice(&sender.bytes());
    message
}

/// The whole message to a node whose version is another one.
pub(crate) fn refusal(sender: NodeId) -> Vec<u8> {
    let mut message = vec![REFUSAL];
    message.extend_from_slice(&sender.bytes());
    message.push(VERSION);
    message
}

/// The record of a delivery.
pub(crate) fn deliver_record(
    number: u64,
    deadline: RedisTime,
    connections: &[Suffix],
    delivery: &Delivery,
) -> Vec<u8> {
    let (operation, payload) = match delivery {
        Delivery::Frame(frame) if frame.as_text().is_some() => (TEXT, frame.payload()),
        Delivery::Frame(frame) => (BINARY, frame.payload()),
        Delivery::Close(close) => (CLOSE, close.reason.as_bytes()),
    };
    let mut body = Body::new(REQUEST, number, size_of_val(connections) + payload.len() + 16);
    body.0.put_u64(deadline);
    body.0.put_u8(operation);
    body.0.put_u32(u32::try_from(connections.len()).unwrap_or(u32::MAX));
    body.0.put_slice(connections.as_flattened());
    if let Delivery::Close(close) = delivery {
        body.0.put_u16(close.code);
        body.0.put_u8(close.cleanup.into());
    }
    body.0.put_slice(payload);
    body.finish()
}

/// The record of a look-up.
pub(crate) fn look_up_record(number: u64, deadline: RedisTime, connection: &Suffix) -> Vec<u8> {
    let mut body = Body::new(REQUEST, number, size_of::<Suffix>() + 9);
    body.0.put_u64(deadline);
    body.0.put_u8(LOOK_UP);
    body.0.put_slice(connection);
    body.finish()
}

/// The record of an answer.
pub(crate) fn answer_record(number: u64, answer: &OwnerAnswer) -> Vec<u8> {
    match answer {
        OwnerAnswer::Delivered(results) => {
            let mut body = Body::new(ANSWER, number, results.len() + 1);
            body.0.put_u8(DELIVERED);
            body.0.extend(results.iter().map(code));
            body.finish()
        }
        OwnerAnswer::Found(info) => {
            let address = info.source_ip.to_string();
            let path = &info.path.as_bytes()[..info.path.len().min(u16::MAX.into())];
            let mut body = Body::new(ANSWER, number, 28 + address.len() + path.len());
            body.0.put_u8(FOUND);
            body.0.put_u64(info.connected_at_ms);
            body.0.put_u64(info.last_active_at_ms);
            body.0.put_u64(info.waiting_bytes as u64);
            // The text of an address has at most 45 bytes.
            body.0.put_u8(u8::try_from(address.len()).unwrap_or(u8::MAX));
            body.0.put_slice(address.as_bytes());
            body.0.put_u16(u16::try_from(path.len()).unwrap_or(u16::MAX));
            body.0.put_slice(path);
            if let Some(attributes) = &info.attributes {
                // Strings always have a JSON form.
                body.0.extend(serde_json::to_vec(&**attributes).unwrap_or_default());
            }
            body.finish()
        }
    }
}

/// The record of a probe.
pub(crate) fn probe_record(number: u64) -> Vec<u8> {
    Body::new(PROBE, number, 0).finish()
}

/// The record that confirms a close.
pub(crate) fn confirm_record(number: u64) -> Vec<u8> {
    Body::new(CONFIRM, number, 0).finish()
}

/// Gives a request that is encoded already its number.
pub(crate) fn set_number(record: &mut [u8], number: u64) {
    if let Some(bytes) = record.get_mut(Body::PREFIX..Body::PREFIX + 8) {
        bytes.copy_from_slice(&number.to_be_bytes());
    }
}

/// A record that is being written.
struct Body(Vec<u8>);

impl Body {
    const PREFIX: usize = 5;

    fn new(kind: u8, number: u64, further_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(Self::PREFIX + 8 + further_bytes);
        bytes.put_u8(kind);
        bytes.put_u32(0);
        bytes.put_u64(number);
        Self(bytes)
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - Self::PREFIX).unwrap_or(u32::MAX);
        self.0[1..Self::PREFIX].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// Reads a message. Payloads share its bytes where they can.
pub(crate) fn decode(mut message: Bytes) -> Result<WireMessage, MalformedMessage> {
    let version = message.try_get_u8()?;
    let mut sender = [0; 6];
    message.try_copy_to_slice(&mut sender)?;
    let sender = NodeId::from_bytes(sender);
    match version {
        VERSION => {
            let mut records = Vec::new();
            while message.has_remaining() {
                records.extend(record(&mut message)?);
            }
            Ok(WireMessage::Records(sender, records))
        }
        REFUSAL => Ok(WireMessage::Refusal(sender, message.try_get_u8()?)),
        other => Ok(WireMessage::OtherVersion(sender, other)),
    }
}

/// The next record; `None` of a kind that this version ignores.
fn record(message: &mut Bytes) -> Result<Option<WireRecord>, MalformedMessage> {
    let kind = message.try_get_u8()?;
    let length = message.try_get_u32()? as usize;
    let mut body = take(message, length)?;
    Ok(Some(match kind {
        REQUEST => WireRecord::Request(body.try_get_u64()?, body.try_get_u64()?, request(body)?),
        ANSWER => WireRecord::Answer(body.try_get_u64()?, answer(body)?),
        PROBE => WireRecord::Probe(body.try_get_u64()?),
        CONFIRM => WireRecord::Confirm(body.try_get_u64()?),
        _ => return Ok(None),
    }))
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, MalformedMessage> {
    if bytes.len() < length {
        return Err(MalformedMessage);
    }
    Ok(bytes.split_to(length))
}

fn suffix(bytes: &mut Bytes) -> Result<Suffix, MalformedMessage> {
    let mut suffix = Suffix::default();
    bytes.try_copy_to_slice(&mut suffix)?;
    Ok(suffix)
}

fn request(mut body: Bytes) -> Result<OwnerRequest, MalformedMessage> {
    let operation = body.try_get_u8()?;
    if operation == LOOK_UP {
        return Ok(OwnerRequest::LookUp(suffix(&mut body)?));
    }
    let count = body.try_get_u32()? as usize;
    let mut ids = take(&mut body, count.checked_mul(size_of::<Suffix>()).ok_or(MalformedMessage)?)?;
    let connections = (0..count).map(|_| suffix(&mut ids)).collect::<Result<_, _>>()?;
    let delivery = match operation {
        TEXT => Delivery::Frame(Frame::text(str::from_utf8(&body).map_err(|_| MalformedMessage)?)),
        BINARY => Delivery::Frame(Frame::binary(body)),
        CLOSE => {
            let (code, cleanup) = (body.try_get_u16()?, body.try_get_u8()? != 0);
            let reason = str::from_utf8(&body).map_err(|_| MalformedMessage)?.into();
            Delivery::Close(Close { code, reason, cleanup })
        }
        _ => return Err(MalformedMessage),
    };
    Ok(OwnerRequest::Deliver(connections, delivery))
}

fn answer(mut body: Bytes) -> Result<OwnerAnswer, MalformedMessage> {
    match body.try_get_u8()? {
        DELIVERED => Ok(OwnerAnswer::Delivered(body.iter().map(|code| result(*code)).collect())),
        FOUND => {
            let (connected_at_ms, last_active_at_ms) = (body.try_get_u64()?, body.try_get_u64()?);
            let waiting_bytes = usize::try_from(body.try_get_u64()?).map_err(|_| MalformedMessage)?;
            let length = body.try_get_u8()?.into();
            let address = take(&mut body, length)?;
            let source_ip: Option<IpAddr> = str::from_utf8(&address).ok().and_then(|text| text.parse().ok());
            let length = body.try_get_u16()?.into();
            let path = take(&mut body, length)?;
            let attributes = (!body.is_empty()).then(|| serde_json::from_slice(&body)).transpose();
            Ok(OwnerAnswer::Found(ConnectionInfo {
                path: str::from_utf8(&path).map_err(|_| MalformedMessage)?.into(),
                source_ip: source_ip.ok_or(MalformedMessage)?,
                connected_at_ms,
                last_active_at_ms,
                waiting_bytes,
                attributes: attributes.map_err(|_| MalformedMessage)?.map(Arc::new),
                traffic: None,
            }))
        }
        _ => Err(MalformedMessage),
    }
}

fn code(result: &Result<(), DeliveryError>) -> u8 {
    match result {
        Ok(()) => OK,
        Err(DeliveryError::NotFound) => NOT_FOUND,
        Err(DeliveryError::TooSlow) => TOO_SLOW,
        Err(DeliveryError::Unreachable(_)) => UNREACHABLE,
    }
}

/// A code that this version does not know keeps the connection.
fn result(code: u8) -> Result<(), DeliveryError> {
    match code {
        OK => Ok(()),
        NOT_FOUND => Err(DeliveryError::NotFound),
        TOO_SLOW => Err(DeliveryError::TooSlow),
        _ => Err(DeliveryError::Unreachable("its node could not deliver to it".to_owned())),
    }
}
