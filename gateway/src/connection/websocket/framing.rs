//! The frames of RFC 6455 on a server's side, without any input or output.
//!
//! [`Decoder::decode`] turns received bytes into [`Message`]s or finds the [`Violation`] that fails the connection.
//! [`OutgoingFrame`] is a frame to be sent: a short header of its own and a payload that is shared, never copied.
//!
//! It is our own because a connection must cost nothing while it is idle: the implementations at hand keep a buffer for
//! reading and one for writing in each connection, and copy each payload into the latter.

mod close_code;
mod decoder;
mod header;
mod mask;
mod message;
mod outgoing;
mod text;
mod violation;

pub(crate) use self::{
    decoder::Decoder,
    message::Message,
    outgoing::OutgoingFrame,
    violation::{Breach, Violation},
};
