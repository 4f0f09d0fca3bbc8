//! Commands over one connection, which is made again for as long as there is a [`Redis`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use log::{info, warn};
use redis::{
    Cmd, FromRedisValue, Pipeline, RedisResult, ScriptInvocation, ServerErrorKind,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{
    sync::{mpsc, watch},
    time::{interval, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    RedisError, RedisUrl,
    clock::RedisClock,
    dial::{Commands, Dialer},
    url::RedisServer,
};
use crate::function::remote::client::{Trust, TrustError};

/// How long the server may take to answer a command before it counts as away.
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
/// Likewise when it is asked whether the connection still works.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the server is asked whether it still answers.
const PING_INTERVAL: Duration = Duration::from_millis(500);
/// The pauses between attempts to connect, growing from the first to the second.
const RETRY_DELAYS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A Redis server. Clones share the connection.
#[derive(Clone)]
pub struct Redis(Arc<RedisInner>);

struct RedisInner {
    dialer: Arc<Dialer>,
    state: watch::Receiver<LinkState>,
    connects: Arc<AtomicU64>,
    clock: Arc<RedisClock>,
    _keeper: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone)]
enum LinkState {
    /// The first attempt has not ended yet.
    Connecting,
    Up(Link),
    /// The reason is a part of a sentence.
    Down(String),
}

/// A connection that works, as far as is known.
#[derive(Clone)]
struct Link {
    connection: MultiplexedConnection,
    server: RedisServer,
    since: Instant,
    /// Why it does not work any more.
    broken: mpsc::Sender<String>,
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Redis {
    /// Begins to connect, and goes on trying until the last clone is dropped. Reads the certificates if the URL asks for
    /// TLS. Must be called within a tokio runtime.
    pub fn connect(url: &RedisUrl, trust: &Trust) -> Result<Self, TrustError> {
        let dialer = Arc::new(Dialer::new(url, trust)?);
        let (sender, state) = watch::channel(LinkState::Connecting);
        let connects = Arc::new(AtomicU64::new(0));
        let clock = Arc::<RedisClock>::default();
        let keeping = keep(Arc::clone(&dialer), sender, Arc::clone(&connects), Arc::clone(&clock));
        let keeper = AbortOnDropHandle::new(tokio::spawn(keeping));
        Ok(Self(Arc::new(RedisInner { dialer, state, connects, clock, _keeper: keeper })))
    }

    /// The server's URL.
    #[must_use]
    pub fn url(&self) -> &RedisUrl {
        self.0.dialer.url()
    }

    /// A connection for subscriptions, to the server to which the commands go.
    pub(super) async fn subscriptions(&self) -> Result<PubSub, RedisError> {
        let link = self.link().await?;
        self.0.dialer.subscriptions(&link.server).await
    }

    /// Since when the connection has worked without interruption; `None` while the server is away.
    #[must_use]
    pub(crate) fn up_since(&self) -> Option<Instant> {
        match &*self.0.state.borrow() {
            LinkState::Up(link) => Some(link.since),
            LinkState::Connecting | LinkState::Down(_) => None,
        }
    }

    /// How many connections for commands were made so far.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.0.connects.load(Ordering::Relaxed)
    }

    /// The server's clock, as far as it is known.
    #[must_use]
    pub(crate) fn clock(&self) -> &RedisClock {
        &self.0.clock
    }

    /// Waits until the connection is up.
    pub async fn up(&self) {
        let mut state = self.0.state.clone();
        // The sender lives as long as this.
        let _ = state.wait_for(|state| matches!(state, LinkState::Up(_))).await;
    }

    /// Waits until another connection for commands was made than the so-many-th.
    pub(crate) async fn replaced(&self, connects: u64) {
        let mut state = self.0.state.clone();
        let _ = state.wait_for(|_| self.connects() != connects).await;
    }

    /// Waits until the first attempt to connect has ended.
    pub(crate) async fn attempted(&self) {
        let mut state = self.0.state.clone();
        let _ = state.wait_for(|state| !matches!(state, LinkState::Connecting)).await;
    }

    /// Runs a command. Fails at once while the server is away.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.run(async |connection| command.query_async(connection).await).await
    }

    /// Runs several commands, which are sent together.
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, RedisError> {
        self.run(async |connection| pipeline.query_async(connection).await).await
    }

    /// Runs a script.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        self.run(async |connection| call.invoke_async(connection).await).await
    }

    /// Whether the server answers.
    pub async fn ping(&self) -> Result<(), RedisError> {
        self.query(&redis::cmd("PING")).await
    }

    /// Whether the connection works; another one is made if not. Sooner than by a command that has to be run.
    pub(crate) async fn works(&self) -> bool {
        let ping = redis::cmd("PING");
        let ping = self.run_within(CHECK_TIMEOUT, async |connection| ping.exec_async(connection).await);
        ping.await.is_ok()
    }

    async fn run<T>(
        &self,
        command: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, RedisError> {
        self.run_within(COMMAND_TIMEOUT, command).await
    }

    async fn run_within<T>(
        &self,
        time: Duration,
        command: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, RedisError> {
        let mut link = self.link().await?;
        let result = timed(time, command(&mut link.connection)).await;
        if let Err(RedisError::Unavailable(reason)) = &result {
            // The keeper makes another connection. It needs one reason.
            let _ = link.broken.try_send(reason.clone());
        }
        result
    }

    /// The connection. Only the first attempt to connect is waited for.
    async fn link(&self) -> Result<Link, RedisError> {
        let mut state = self.0.state.clone();
        let decided = state.wait_for(|state| !matches!(state, LinkState::Connecting)).await;
        match decided.as_deref() {
            Ok(LinkState::Up(link)) => Ok(link.clone()),
            Ok(LinkState::Down(reason)) => Err(RedisError::Unavailable(reason.clone())),
            Ok(LinkState::Connecting) | Err(_) => Err(RedisError::Unavailable("not connected".to_owned())),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Redis").field(self.url()).finish()
    }
}

async fn timed<T>(time: Duration, command: impl Future<Output = RedisResult<T>>) -> Result<T, RedisError> {
    match timeout(time, command).await {
        Ok(result) => result.map_err(|error| classify(&error)),
        Err(_) => Err(RedisError::Unavailable(format!("no answer within {time:?}"))),
    }
}

/// A server that is loading its data, or has become a replica, may be reached again under the same name. One of a sharded
/// Redis that has passed its slot on is looked for again.
fn classify(error: &redis::RedisError) -> RedisError {
    let passing = [
        ServerErrorKind::BusyLoading,
        ServerErrorKind::MasterDown,
        ServerErrorKind::ReadOnly,
        ServerErrorKind::TryAgain,
        ServerErrorKind::Moved,
        ServerErrorKind::Ask,
        ServerErrorKind::ClusterDown,
    ];
    let sentence = error.to_string();
    match error.kind() {
        redis::ErrorKind::Server(kind) if !passing.contains(&kind) => RedisError::Refused(sentence),
        redis::ErrorKind::UnexpectedReturnType | redis::ErrorKind::Extension => RedisError::Refused(sentence),
        _ => RedisError::Unavailable(sentence),
    }
}

/// Connects, serves the connection until it breaks, and connects again.
async fn keep(
    dialer: Arc<Dialer>,
    state: watch::Sender<LinkState>,
    connects: Arc<AtomicU64>,
    clock: Arc<RedisClock>,
) {
    let mut delays = retry_delays();
    let mut logged: Option<String> = None;
    loop {
        match dialer.commands().await {
            Ok(commands) => {
                let url = dialer.url();
                if url.is_sharded() {
                    info!("connected to {url} at {}", commands.server);
                } else {
                    info!("connected to {url}");
                }
                connects.fetch_add(1, Ordering::Relaxed);
                logged = None;
                delays = retry_delays();
                // It may be another server's.
                clock.forget();
                let reason = serve(commands, &state, &clock).await;
                warn!("the connection to {} has ended: {reason}", dialer.url());
                state.send_replace(LinkState::Down(reason));
            }
            Err(error) => {
                let reason = error.to_string();
                if logged.as_ref() != Some(&reason) {
                    warn!("cannot connect to {}, which is tried again: {error}", dialer.url());
                }
                logged = Some(reason);
                let (RedisError::Unavailable(reason) | RedisError::Refused(reason)) = error;
                state.send_replace(LinkState::Down(reason));
            }
        }
        sleep(delays.next().unwrap_or(RETRY_DELAYS.1)).await;
    }
}

fn retry_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(RETRY_DELAYS.0)
        .with_max_delay(RETRY_DELAYS.1)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Serves a connection until it breaks, and returns why.
async fn serve(commands: Commands, state: &watch::Sender<LinkState>, clock: &RedisClock) -> String {
    let Commands { connection, driver, server } = commands;
    let (broken, mut reasons) = mpsc::channel(1);
    let link = Link { connection: connection.clone(), server, since: Instant::now(), broken };
    let mut state = Some((state, link));
    tokio::select! {
        // First: what has arrived while this process was suspended is an answer, however late.
        biased;
        () = driver => "the server closed it".to_owned(),
        Some(reason) = reasons.recv() => reason,
        reason = ask_for_time(connection, clock, || {
            if let Some((state, link)) = state.take() {
                state.send_replace(LinkState::Up(link));
            }
        }) => reason,
    }
}

/// Asks the server for the time again and again, until it does not answer. Reports when it has answered.
async fn ask_for_time(
    mut connection: MultiplexedConnection,
    clock: &RedisClock,
    mut answered: impl FnMut(),
) -> String {
    let mut interval = interval(PING_INTERVAL);
    loop {
        interval.tick().await;
        let sent = Instant::now();
        let time = redis::cmd("TIME");
        match timed(COMMAND_TIMEOUT, time.query_async::<(u64, u64)>(&mut connection)).await {
            Ok(time) => {
                clock.note(time, (sent, Instant::now()));
                answered();
            }
            Err(RedisError::Unavailable(reason) | RedisError::Refused(reason)) => return reason,
        }
    }
}
