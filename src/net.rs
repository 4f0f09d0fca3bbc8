//! TCP with deadlines: `look_up` resolves a host name, `dial` connects, `deadline_stream` reads and writes.

mod deadline_stream;
mod dial;
mod look_up;

pub(crate) use self::deadline_stream::{DeadlineStream, connection_closed};
