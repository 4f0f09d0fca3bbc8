//! The transport under `ureq`: gathers output until input is needed, and seldom probes the connection.
//!
//! `ureq`'s own transport sends head and body of a request separately and probes a kept connection with four system
//! calls at each use. Deadlines and probing are left to [`net::DeadlineStream`].

use std::io::{Error, Read, Write};
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use super::state::SharedState;
use crate::net::{self, Stream, TrustedRoots, connection_closed};

/// The size of the input and output buffers, and the most output that is gathered before it is sent.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// A resolver that does nothing: `ureq` resolves at each call, the connector only when it needs a new connection.
#[derive(Debug)]
pub(super) struct ResolveOnConnect;

impl Resolver for ResolveOnConnect {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// Connects with TCP, or with TLS for `https`: with [`crate::net`] rather than `ureq`'s own TLS, as the store does.
#[derive(Debug)]
pub(super) struct GatheringConnector {
    state: Arc<SharedState>,
    trusted_roots: TrustedRoots,
}

impl GatheringConnector {
    pub(super) fn new(state: Arc<SharedState>, trusted_roots: TrustedRoots) -> Self {
        Self { state, trusted_roots }
    }
}

impl Connector for GatheringConnector {
    type Out = GatheringTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<GatheringTransport>, ureq::Error> {
        let deadline = {
            let mut call = self.state.call();
            call.on_kept_connection = false;
            call.connect_deadline
        };
        let (host, port) = (details.uri.host().unwrap_or_default(), details.uri.port_u16());
        let is_tls = details.needs_tls();
        let stream = if is_tls {
            self.trusted_roots.connect(host, port.unwrap_or(443), deadline)?
        } else {
            net::plain(host, port.unwrap_or(80), deadline)?
        };
        self.state.call().connected = true;
        Ok(Some(GatheringTransport {
            stream,
            is_tls,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            unsent: Vec::new(),
            state: Arc::clone(&self.state),
        }))
    }
}

#[derive(Debug)]
pub(super) struct GatheringTransport {
    stream: Box<dyn Stream>,
    is_tls: bool,
    buffers: LazyBuffers,
    unsent: Vec<u8>,
    state: Arc<SharedState>,
}

impl GatheringTransport {
    fn send(&mut self) -> Result<(), Error> {
        self.stream.tcp().set_deadline(self.state.call().deadline);
        self.stream.write_all(&self.unsent)?;
        self.stream.flush()?;
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
        let read = self.stream.read(self.buffers.input_append_buf())?;
        if read == 0 {
            return Err(connection_closed().into());
        }
        self.state.call().answered = true;
        self.buffers.input_appended(read);
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        self.stream.tcp().is_open()
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
}
