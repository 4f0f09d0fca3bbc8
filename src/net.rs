//! Connections with deadlines: `look_up` resolves a host name, `dial` connects, `deadline_stream` reads and writes; `stream`
//! and `tls` put TLS on top.

mod deadline_stream;
mod dial;
mod look_up;
mod stream;
mod tls;

pub(crate) use self::deadline_stream::{DeadlineStream, connection_closed};
pub(crate) use self::stream::{Stream, plain};
pub(crate) use self::tls::TrustedRoots;
