//! permessage-deflate (RFC 7692) without context takeover: each message is compressed by itself, so that a connection
//! keeps no window, and a frame that goes to many clients is compressed once for all of them.
//!
//! [`negotiate`] reads a client's offers. [`compress`] and [`inflate`] work with the state that belongs to the thread;
//! both run to their end and leave nothing behind.

mod compress;
mod inflate;
mod offer;

pub(crate) use self::{
    compress::compress,
    inflate::{InflateError, inflate},
    offer::{Deflate, negotiate},
};
