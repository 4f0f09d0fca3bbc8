//! Connects to a Redis server, with TLS or without.

use std::{io, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use redis::{
    AsyncConnectionConfig, RedisConnectionInfo, ServerErrorKind,
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

use super::{PREFIX, RedisError, RedisUrl, url::RedisServer};
use crate::{
    function::remote::client::{Trust, TrustError, tls_config},
    look_up::LookUps,
};

/// How long it may take from the look-up of the name to the server's answer to the password.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection for commands.
pub(super) struct Commands {
    pub(super) connection: MultiplexedConnection,
    /// The connection works while this is polled, which ends with it.
    pub(super) driver: BoxFuture<'static, ()>,
    pub(super) server: RedisServer,
}

trait RedisStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> RedisStream for S {}

/// Makes connections to the server that has the keys.
pub(super) struct Dialer {
    url: RedisUrl,
    settings: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    look_ups: LookUps,
}

impl Dialer {
    /// Reads the certificates, if the server has TLS.
    pub(super) fn new(url: &RedisUrl, trust: &Trust) -> Result<Self, TrustError> {
        let tls = url.has_tls().then(|| tls_config(trust)).transpose()?;
        let tls = tls.map(|config| TlsConnector::from(Arc::new(config)));
        // It was read once before; a URL that fails here has passed that.
        let settings = url.settings().unwrap_or_default();
        Ok(Self { url: url.clone(), settings, tls, look_ups: LookUps::default() })
    }

    pub(super) fn url(&self) -> &RedisUrl {
        &self.url
    }

    /// A connection for commands to the server that has the keys. All servers of the URL are asked for it at once.
    pub(super) async fn commands(&self) -> Result<Commands, RedisError> {
        let servers = self.url.servers();
        let find = async |server| (server, self.within_time(self.find(server)).await);
        let mut asked: FuturesUnordered<_> = servers.iter().map(find).collect();
        let mut failures = Vec::new();
        while let Some((server, found)) = asked.next().await {
            match found {
                Ok(commands) => return Ok(commands),
                Err(error) if servers.len() == 1 => return Err(error),
                Err(RedisError::Unavailable(reason) | RedisError::Refused(reason)) => {
                    failures.push(format!("{server}: {reason}"));
                }
            }
        }
        // Whichever was first, so that the same failures are logged once.
        failures.sort();
        Err(RedisError::Unavailable(failures.join("; ")))
    }

    /// A connection for commands to this server, or to the one that it names.
    async fn find(&self, server: &RedisServer) -> Result<Commands, RedisError> {
        match self.try_server(server).await? {
            Ok(commands) => Ok(commands),
            Err(other) if self.url.is_sharded() => self.try_server(&other).await?.map_err(|other| {
                RedisError::Unavailable(format!("the keys move from one server to another, {other}"))
            }),
            Err(_) => Err(RedisError::Unavailable(
                "this Redis is sharded: write cluster = \"redis+cluster://user:password@host:port,host:port\", or \
                 rediss+cluster:// for TLS"
                    .to_owned(),
            )),
        }
    }

    /// A connection for commands, unless another server has the keys.
    async fn try_server(&self, server: &RedisServer) -> Result<Result<Commands, RedisServer>, RedisError> {
        let stream = self.stream(server).await.map_err(|error| unavailable(&error))?;
        // Every command has a time-out of its own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connecting = MultiplexedConnection::new_with_config(&self.settings, stream, config);
        let (mut connection, driver) = connecting.await.map_err(|error| unavailable(&error))?;
        let mut driver: BoxFuture<'static, ()> = Box::pin(driver);
        let is_sharded = self.url.is_sharded();
        let asking = async {
            if is_sharded {
                // Of several servers that are none each node would use another one.
                cmd("CLUSTER").arg("KEYSLOT").arg(PREFIX).exec_async(&mut connection).await?;
            }
            // A server that wants a password takes a connection without one, and refuses its first command. No key has
            // this name, so that a server from which the slot moves away refuses it too.
            cmd("EXISTS").arg(PREFIX).exec_async(&mut connection).await
        };
        let answer = tokio::select! {
            answer = asking => answer,
            () = &mut driver => return Err(RedisError::Unavailable("the server closed it".to_owned())),
        };
        match answer {
            Err(error) if error.kind() == ServerErrorKind::Moved.into() => {
                let other = error.redirect_node().and_then(|(address, _)| server.named(address));
                other.map(Err).ok_or_else(|| unavailable(&error))
            }
            // What else it does not permit, it says when it is asked for it.
            Err(error) if is_sharded || error.code() != Some("NOPERM") => Err(unavailable(&error)),
            _ => Ok(Ok(Commands { connection, driver, server: server.clone() })),
        }
    }

    /// A connection for subscriptions to this server.
    pub(super) async fn subscriptions(&self, server: &RedisServer) -> Result<PubSub, RedisError> {
        self.within_time(async {
            let stream = self.stream(server).await.map_err(|error| unavailable(&error))?;
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

    async fn stream(&self, RedisServer { host, port }: &RedisServer) -> io::Result<Box<dyn RedisStream>> {
        let port = *port;
        let tcp = match host {
            Host::Domain(name) => {
                let mut addresses = self.look_ups.addresses(name).await?;
                for address in &mut addresses {
                    address.set_port(port);
                }
                TcpStream::connect(&addresses[..]).await?
            }
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
    } else if reason.contains("support disabled") {
        "; it is not sharded: write cluster = \"redis://user:password@host\""
    } else {
        ""
    };
    RedisError::Unavailable(format!("{}{remedy}", reason.trim_end_matches('.')))
}
