//! The bytes under ureq: a socket that sends late and looks at its peer seldom.
//!
//! ureq's own transport sends head and body of a request apart and probes a kept connection with four
//! system calls at each use. This one gathers output until input is awaited, and leaves deadlines and probing to
//! [`Socket`].

use std::io::{Error, Read, Write};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::Line;
use crate::socket::{Socket, closed};

/// Size of the input and of the output buffer, and the output that is gathered before it is sent.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// The connector of an agent: TCP, under TLS in a build with that feature.
pub(super) fn connector(line: Arc<Line>) -> impl Connector {
    let tcp = LeanConnector(line);
    #[cfg(feature = "tls")]
    let tcp = tcp.chain(ureq::unversioned::transport::RustlsConnector::default());
    tcp
}

/// A resolver that leaves the look-up to the connector: ureq asks its resolver at each call, the connector only
/// when there is no kept connection.
#[derive(Debug)]
pub(super) struct AtConnect;

impl Resolver for AtConnect {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[derive(Debug)]
struct LeanConnector(Arc<Line>);

impl Connector for LeanConnector {
    type Out = LeanTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<LeanTransport>, ureq::Error> {
        let deadline = {
            let mut call = self.0.call();
            call.on_kept_connection = false;
            call.deadline
        };
        let uri = details.uri;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        Ok(Some(LeanTransport {
            socket: Socket::connect(uri.host().unwrap_or_default(), port, deadline)?,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            unsent: Vec::new(),
            line: Arc::clone(&self.0),
        }))
    }
}

#[derive(Debug)]
struct LeanTransport {
    socket: Socket,
    buffers: LazyBuffers,
    unsent: Vec<u8>,
    line: Arc<Line>,
}

impl LeanTransport {
    fn send(&mut self) -> Result<(), Error> {
        self.socket.begin(self.line.call().deadline);
        self.socket.write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }
}

impl Transport for LeanTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.unsent.extend_from_slice(&self.buffers.output()[..amount]);
        if self.unsent.len() >= BUFFER_BYTES {
            self.send()?;
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.send()?;
        let read = self.socket.read(self.buffers.input_append_buf())?;
        if read == 0 {
            return Err(closed().into());
        }
        self.line.call().answered = true;
        self.buffers.input_appended(read);
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        self.socket.is_open()
    }
}
