//! What lies between an accepted connection and its first byte of HTTP: the header of a proxy, then TLS.
//!
//! [`Transport::peer`] and [`Transport::secure`] take them off a connection, each within its time, and say whom the
//! connection comes from. The header comes first on the wire: a proxy sends it outside the TLS that it passes on.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::either::Either;

use crate::{
    connection::timeouts::Timeouts,
    observe::metrics::{
        Metrics,
        labels::{RefusalReason, TlsOutcome},
    },
    server::{
        client_address::Proxies,
        proxy_protocol::{self, ProxyProtocolError},
        tls::{ServerTlsStream, Tls},
    },
};

/// Bytes of HTTP, both ways.
pub type HttpStream<S> = Either<S, Box<ServerTlsStream<S>>>;

/// A connection that is ready for HTTP.
#[derive(Debug)]
pub struct ReadyConnection<S> {
    /// The connection.
    pub stream: HttpStream<S>,
    /// Where it comes from: the client, or the last proxy in front that speaks HTTP.
    pub peer: SocketAddr,
}

/// Why a connection never came to HTTP. Nothing was sent to its client, except by TLS itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The proxy's header cannot be used.
    #[error("{0}")]
    ProxyProtocol(#[source] ProxyProtocolError),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    /// The proxy's header did not come in this time.
    #[error("no PROXY protocol header within {} s", .0.as_secs_f64())]
    ProxyProtocolTimeout(Duration),
    /// The TLS handshake did not end in this time.
    #[error("the TLS handshake took longer than {} s (timeouts.tls_handshake_seconds)", .0.as_secs_f64())]
    TlsTimeout(Duration),
}

impl TransportError {
    /// What the operator sees it as; `None` if the peer left before it said anything wrong, as some health checks do.
    pub(crate) fn reason(&self) -> Option<RefusalReason> {
        match self {
            Self::ProxyProtocol(ProxyProtocolError::Read(_)) => None,
            Self::ProxyProtocol(_) | Self::ProxyProtocolTimeout(_) => Some(RefusalReason::ProxyProtocol),
            Self::Tls(_) | Self::TlsTimeout(_) => Some(RefusalReason::Tls),
        }
    }
}

/// How connections are opened.
#[derive(Debug, Clone)]
pub struct Transport {
    /// The proxies in front.
    pub proxies: Arc<Proxies>,
    /// TLS, if clients connect with `wss://`.
    pub tls: Option<Arc<Tls>>,
    /// For the TLS handshake, and for the proxy's header.
    pub handshake_timeout: Duration,
    /// Where TLS handshakes are counted.
    pub metrics: Arc<Metrics>,
}

impl Transport {
    /// With the time-out of the configuration.
    #[must_use]
    pub fn new(
        proxies: Arc<Proxies>,
        tls: Option<Arc<Tls>>,
        timeouts: &Timeouts,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { proxies, tls, handshake_timeout: timeouts.tls_handshake, metrics }
    }

    /// Takes TLS off a connection that comes from this peer, if clients connect with it.
    pub async fn secure<S>(&self, stream: S, peer: SocketAddr) -> Result<ReadyConnection<S>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = match &self.tls {
            None => Either::Left(stream),
            Some(tls) => Either::Right(Box::new(self.shake_hands(tls, stream).await?)),
        };
        Ok(ReadyConnection { stream, peer })
    }

    /// Takes a proxy's header off a connection that was accepted from this address, if it has to begin with one: whom it
    /// comes from.
    pub async fn peer<S>(
        &self,
        stream: &mut S,
        accepted_from: SocketAddr,
    ) -> Result<SocketAddr, TransportError>
    where
        S: AsyncRead + Unpin,
    {
        if !self.proxies.expect_header(accepted_from.ip()) {
            return Ok(accepted_from);
        }
        let header = timeout(self.handshake_timeout, proxy_protocol::read_header(stream)).await;
        let client = header.map_err(|_| TransportError::ProxyProtocolTimeout(self.handshake_timeout))?;
        Ok(client.map_err(TransportError::ProxyProtocol)?.unwrap_or(accepted_from))
    }

    async fn shake_hands<S>(&self, tls: &Tls, stream: S) -> Result<ServerTlsStream<S>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(shaken) = timeout(self.handshake_timeout, tls.accept(stream)).await else {
            self.metrics.tls_handshake(TlsOutcome::TimedOut);
            return Err(TransportError::TlsTimeout(self.handshake_timeout));
        };
        let stream = shaken.map_err(|error| {
            self.metrics.tls_handshake(TlsOutcome::Failed);
            TransportError::Tls(error)
        })?;
        let resumed = stream.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        self.metrics.tls_handshake(if resumed { TlsOutcome::Resumed } else { TlsOutcome::Full });
        Ok(stream)
    }
}

#[cfg(test)]
mod tests;
