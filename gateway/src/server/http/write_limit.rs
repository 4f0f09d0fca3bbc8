//! A stream on which a write must make progress within a time.
//!
//! [`WriteLimit`] wraps the socket itself, below TLS, where progress can be seen: TLS accepts bytes that it has yet to
//! send.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::connection::limits::Permit;

/// See the module. A write that is overdue is an error of the kind `TimedOut` without an error number, which those of
/// the operating system have.
#[derive(Debug)]
pub(crate) struct WriteLimit<S> {
    stream: S,
    /// In milliseconds, which take less memory than a `Duration`.
    limit_ms: u32,
    timer: Option<Pin<Box<Sleep>>>,
    /// The connection counts for as long as the stream is there.
    _permit: Option<Box<Permit>>,
}

impl<S> WriteLimit<S> {
    pub(crate) fn new(stream: S, limit: Duration, permit: Option<Permit>) -> Self {
        let limit_ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        Self { stream, limit_ms, timer: None, _permit: permit.map(Box::new) }
    }

    fn limited(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let limit = Duration::from_millis(self.limit_ms.into());
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(context));
        self.timer = None;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteLimit<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteLimit<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limited(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limited(written, context)
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
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_write_may_take_long_as_long_as_it_gets_on() {
        let (ours, mut peer) = duplex(16);
        let mut limited = WriteLimit::new(ours, LIMIT, None);
        let slowly = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                peer.read_exact(&mut [0; 16]).await.expect("read");
            }
        };
        let (written, ()) = tokio::join!(limited.write_all(&[0; 80]), slowly);
        written.expect("it got on all the time");
        let begun = Instant::now();
        let error = limited.write_all(&[0; 80]).await.expect_err("nothing is read any more");
        assert_eq!((error.kind(), error.raw_os_error()), (io::ErrorKind::TimedOut, None));
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
