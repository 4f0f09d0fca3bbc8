//! Connects to a Redis server, with TLS or without.

use std::{io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use redis::{
    AsyncConnectionConfig, RedisConnectionInfo,
    aio::{MultiplexedConnection, PubSub},
    cmd,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Host;

use super::{RedisError, RedisUrl};
use crate::function::remote::client::{TlsError, Trust, tls_config};

/// How long it may take from the look-up of the name to the server's answer to the password.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection for commands. It works while the future is polled, which ends with it.
pub(super) type Commands = (MultiplexedConnection, BoxFuture<'static, ()>);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections to one server.
pub(super) struct Dialer {
    url: RedisUrl,
    settings: RedisConnectionInfo,
    tls: Option<TlsConnector>,
}

impl Dialer {
    /// Reads the certificates, if the server has TLS.
    pub(super) fn new(url: &RedisUrl, trust: &Trust) -> Result<Self, TlsError> {
        let tls = url.has_tls().then(|| tls_config(trust)).transpose()?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        // It was read once before; a URL that fails here has passed that.
        let settings = url.settings().unwrap_or_default();
        Ok(Self { url: url.clone(), settings, tls })
    }

    pub(super) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// A connection for commands.
    pub(super) async fn commands(&self) -> Result<Commands, RedisError> {
        self.within_time(async {
            let stream = self.stream().await.map_err(|error| unavailable(&error))?;
            // Every command has a time-out of its own.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let connecting = MultiplexedConnection::new_with_config(&self.settings, stream, config);
            let (mut connection, driver) = connecting.await.map_err(|error| unavailable(&error))?;
            let mut driver: BoxFuture<'static, ()> = Box::pin(driver);
            // A server that wants a password takes a connection without one, and refuses its first command.
            let ping = cmd("PING");
            tokio::select! {
                answer = ping.exec_async(&mut connection) => answer.map_err(|error| unavailable(&error))?,
                () = &mut driver => return Err(RedisError::Unavailable("the server closed it".to_owned())),
            }
            Ok((connection, driver))
        })
        .await
    }

    /// A connection for subscriptions.
    pub(super) async fn subscriptions(&self) -> Result<PubSub, RedisError> {
        self.within_time(async {
            let stream = self.stream().await.map_err(|error| unavailable(&error))?;
            PubSub::new(&self.settings, stream).await.map_err(|error| unavailable(&error))
        })
        .await
    }

    async fn within_time<T>(
        &self,
        connecting: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(RedisError::Unavailable(format!("no answer within {CONNECT_TIMEOUT:?}"))))
    }

    async fn stream(&self) -> io::Result<Box<dyn Stream>> {
        let (host, port) = (self.url.host(), self.url.port());
        let tcp = match host {
            Host::Domain(name) => TcpStream::connect((name.as_str(), port)).await?,
            Host::Ipv4(address) => TcpStream::connect((*address, port)).await?,
            Host::Ipv6(address) => TcpStream::connect((*address, port)).await?,
        };
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(*address)),
        };
        Ok(Box::new(tls.connect(name, tcp).await?))
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Dialer").field(&self.url).finish()
    }
}

/// Where the server refuses the password or the database, that may change without this process.
fn unavailable(error: &impl ToString) -> RedisError {
    let reason = error.to_string();
    let remedy = if reason.contains("NOAUTH") {
        "; it wants a password: write cluster = \"redis://user:password@host\""
    } else if reason.contains("AuthenticationFailed") || reason.contains("WRONGPASS") {
        "; check the user and password in cluster"
    } else if reason.contains("DB index") {
        "; check the number of the database in cluster"
    } else {
        ""
    };
    RedisError::Unavailable(format!("{}{remedy}", reason.trim_end_matches('.')))
}
