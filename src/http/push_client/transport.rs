//! The transport under `ureq`: gathers output until input is needed, and seldom probes the connection.
//!
//! `ureq`'s own transport sends head and body of a request separately and probes a kept connection with four system
//! calls at each use. Deadlines and probing are left to [`DeadlineStream`].

use std::io::{Error, Read, Write};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::state::SharedState;
use crate::net::{DeadlineStream, connection_closed};

/// The size of the input and output buffers, and the most output that is gathered before it is sent.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// The connector: TCP, with TLS on top in a build with the feature `tls`.
pub(super) fn connector(state: Arc<SharedState>) -> impl Connector {
    let tcp = GatheringConnector(state);
    #[cfg(feature = "tls")]
    let tcp = tcp.chain(ureq::unversioned::transport::RustlsConnector::default());
    tcp
}

/// A resolver that does nothing: `ureq` resolves at each call, the connector only when it needs a new connection.
#[derive(Debug)]
pub(super) struct ResolveOnConnect;

impl Resolver for ResolveOnConnect {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[derive(Debug)]
struct GatheringConnector(Arc<SharedState>);

impl Connector for GatheringConnector {
    type Out = GatheringTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<GatheringTransport>, ureq::Error> {
        let deadline = {
            let mut call = self.0.call();
            call.on_kept_connection = false;
            call.deadline
        };
        let uri = details.uri;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        Ok(Some(GatheringTransport {
            socket: DeadlineStream::connect(uri.host().unwrap_or_default(), port, deadline)?,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            unsent: Vec::new(),
            state: Arc::clone(&self.0),
        }))
    }
}

#[derive(Debug)]
struct GatheringTransport {
    socket: DeadlineStream,
    buffers: LazyBuffers,
    unsent: Vec<u8>,
    state: Arc<SharedState>,
}

impl GatheringTransport {
    fn send(&mut self) -> Result<(), Error> {
        self.socket.set_deadline(self.state.call().deadline);
        self.socket.write_all(&self.unsent)?;
        self.unsent.clear();
        Ok(())
    }
}

impl Transport for GatheringTransport {
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
            return Err(connection_closed().into());
        }
        self.state.call().answered = true;
        self.buffers.input_appended(read);
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        self.socket.is_open()
    }
}
