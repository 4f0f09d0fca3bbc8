//! A peer's stream with time limits for reading: for the head of a request, and for idling between requests.
//!
//! [`LimitedStream`] wraps the socket below the HTTP implementation. It is our own because hyper's
//! `header_read_timeout` also counts the time that a kept-alive connection idles between two requests, and because a
//! timer exists only while a limit applies. A connection that becomes a WebSocket leaves it: see
//! [`LimitedStream::into_inner`].

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long a request's head may take from its first byte, and a write without progress, unless it is set.
pub(crate) const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a kept-alive connection may idle between two requests.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// Who is expected to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedPeers {
    /// The gateway's own functions: a connection may idle without limit.
    Functions,
    /// Anyone: a connection must send a request within the time for a head, and may idle for 75 s after each.
    Clients,
}

/// What a connection is doing, shared by its stream and the handlers of its requests.
#[derive(Debug)]
pub(crate) struct Activity {
    /// How long a request's head may take.
    head: Duration,
    phase: AtomicU8,
    may_idle: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing was received yet.
    New,
    /// The last request has been answered.
    Idle,
    /// A request's head has begun.
    Head,
    /// A request is being answered, or the connection has become a WebSocket.
    Serving,
}

impl Activity {
    pub(crate) fn new(peers: ExpectedPeers, head: Duration) -> Arc<Self> {
        Arc::new(Self {
            head,
            phase: AtomicU8::new(Phase::New as u8),
            may_idle: AtomicBool::new(peers == ExpectedPeers::Functions),
        })
    }

    /// A request's head is complete.
    pub(crate) fn serving(&self) {
        self.set(Phase::Serving);
    }

    /// The response has been passed to the server; the next head may follow.
    pub(crate) fn answered(&self) {
        self.set(Phase::Idle);
    }

    /// The peer has proved to be a function: its connection may idle without limit.
    pub(crate) fn allow_idle(&self) {
        self.may_idle.store(true, Ordering::Relaxed);
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::New,
            1 => Phase::Idle,
            2 => Phase::Head,
            _ => Phase::Serving,
        }
    }

    /// How long the stream may wait for bytes in this phase.
    fn time_limit(&self, phase: Phase) -> Option<Duration> {
        let may_idle = self.may_idle.load(Ordering::Relaxed);
        match phase {
            Phase::Head => Some(self.head),
            Phase::New if !may_idle => Some(self.head),
            Phase::Idle if !may_idle => Some(KEEP_ALIVE_TIMEOUT),
            Phase::New | Phase::Idle | Phase::Serving => None,
        }
    }
}

/// See the module. A read that is overdue ends the stream.
#[derive(Debug)]
pub(crate) struct LimitedStream<S> {
    stream: S,
    activity: Arc<Activity>,
    read_timer: Option<(Phase, Pin<Box<Sleep>>)>,
}

impl<S> LimitedStream<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, read_timer: None }
    }

    /// The stream without time limits.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let phase = self.activity.phase();
        let Some(limit) = self.activity.time_limit(phase) else {
            self.read_timer = None;
            return Poll::Pending;
        };
        if self.read_timer.as_ref().is_none_or(|(timed, _)| *timed != phase) {
            self.read_timer = Some((phase, Box::pin(sleep(limit))));
        }
        match &mut self.read_timer {
            Some((_, timer)) => timer.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    fn note_received(&mut self) {
        if matches!(self.activity.phase(), Phase::New | Phase::Idle) {
            self.activity.set(Phase::Head);
        }
    }

    /// Writing a long response extends the idle time, which the end of the response begins.
    fn note_sent(&mut self) {
        if let Some((Phase::Idle, timer)) = &mut self.read_timer {
            timer.as_mut().reset(Instant::now() + KEEP_ALIVE_TIMEOUT);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.poll_overdue(context).map(Ok),
            read @ Poll::Ready(_) => {
                if buffer.filled().len() > before {
                    self.note_received();
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.note_sent();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if written.is_ready() {
            self.note_sent();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    fn stream(peers: ExpectedPeers) -> (LimitedStream<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(16);
        (LimitedStream::new(ours, Activity::new(peers, PROGRESS_TIMEOUT)), theirs)
    }

    async fn read(stream: &mut LimitedStream<DuplexStream>) -> usize {
        stream.read(&mut [0; 16]).await.expect("no error of the stream")
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_must_send_something_and_finish_what_it_began() {
        let (mut limited, mut peer) = stream(ExpectedPeers::Clients);
        let begun = Instant::now();
        assert_eq!(read(&mut limited).await, 0, "nothing was sent");
        assert_eq!(begun.elapsed(), PROGRESS_TIMEOUT);
        let (mut limited, mut trickling) = stream(ExpectedPeers::Clients);
        peer = std::mem::replace(&mut trickling, peer);
        let begun = Instant::now();
        let trickle = async {
            loop {
                peer.write_all(b"x").await.expect("sent");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let read_all = async { while read(&mut limited).await > 0 {} };
        tokio::select! {
            () = read_all => {}
            () = trickle => {}
        }
        assert_eq!(begun.elapsed(), PROGRESS_TIMEOUT, "bytes do not extend a head's limit");
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_connection_may_idle_and_a_functions_without_limit() {
        for peers in [ExpectedPeers::Clients, ExpectedPeers::Functions] {
            let (mut limited, mut peer) = stream(peers);
            peer.write_all(b"head").await.expect("sent");
            assert_eq!(read(&mut limited).await, 4);
            let activity = Arc::clone(&limited.activity);
            activity.serving();
            let a_day = Duration::from_hours(24);
            assert!(timeout(a_day, read(&mut limited)).await.is_err(), "an answer may take its time");
            activity.answered();
            let begun = Instant::now();
            let rested = timeout(a_day, read(&mut limited)).await;
            assert_eq!(rested.is_err(), peers == ExpectedPeers::Functions);
            if peers == ExpectedPeers::Clients {
                assert_eq!(begun.elapsed(), KEEP_ALIVE_TIMEOUT);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_has_begun_a_request_must_finish_it() {
        let (mut limited, mut peer) = stream(ExpectedPeers::Functions);
        peer.write_all(b"GET").await.expect("sent");
        assert_eq!(read(&mut limited).await, 3);
        let begun = Instant::now();
        assert_eq!(read(&mut limited).await, 0);
        assert_eq!(begun.elapsed(), PROGRESS_TIMEOUT);
    }
}
