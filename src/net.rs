//! TCP with deadlines: `dial` resolves a host name and connects, `deadline_stream` reads and writes.

mod deadline_stream;
mod dial;

pub(crate) use self::deadline_stream::{DeadlineStream, connection_closed};
