//! A connection to a server: TCP, or TLS over it.

use std::fmt;
use std::io::{Error, Read, Write};
use std::time::Instant;

use super::deadline_stream::DeadlineStream;

/// A connection whose deadline is that of the TCP stream under it.
pub(crate) trait Stream: Read + Write + Send + Sync + fmt::Debug {
    fn tcp(&mut self) -> &mut DeadlineStream;
}

impl Stream for DeadlineStream {
    fn tcp(&mut self) -> &mut DeadlineStream {
        self
    }
}

/// Connects with TCP.
pub(crate) fn plain(host: &str, port: u16, deadline: Option<Instant>) -> Result<Box<dyn Stream>, Error> {
    Ok(Box::new(DeadlineStream::connect(host, port, deadline)?))
}
