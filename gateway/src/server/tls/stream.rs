//! TLS over a stream, on the server's side, without a buffer while it is idle.
//!
//! [`ServerTlsStream::accept`] shakes hands. `tokio_rustls::server::TlsStream` would do but for its memory: below it,
//! rustls keeps a buffer of 4 kB for each connection. With the unbuffered interface of rustls the buffers are our own.
//!
//! They are bounded: what has arrived is decrypted before more is read, and what has been encrypted is sent before more
//! is encrypted. Reading does not write, except for the alert that ends a connection, and writing does not read, so that
//! the two halves of a stream may belong to different tasks.

mod records;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use self::records::{OutgoingPlaintext, ReadSide, TlsRecords};

/// How much is encrypted at once: a full record.
const WRITE_BYTES: usize = 16 * 1024;

/// See the module.
pub struct ServerTlsStream<S> {
    stream: S,
    records: TlsRecords,
    is_close_sent: bool,
}

impl<S> ServerTlsStream<S> {
    /// Which handshake it was; `None` before it is known.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.records.tls().handshake_kind()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerTlsStream<S> {
    /// Shakes hands. If that fails, an alert has told the client why.
    pub async fn accept(config: Arc<ServerConfig>, stream: S) -> io::Result<Self> {
        let records = TlsRecords::new(config).map_err(io::Error::other)?;
        let mut accepted = Self { stream, records, is_close_sent: false };
        poll_fn(|context| accepted.poll_handshake(context)).await?;
        Ok(accepted)
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let flushed = self.poll_flush_all(context);
            let failed = self.records.check_failed();
            if failed.is_err() || !self.records.tls().is_handshaking() {
                return Poll::Ready(failed.and(ready!(flushed)));
            }
            // The client may read only once what it writes itself has been received.
            let _ = flushed?;
            ready!(self.poll_receive(context))?;
            self.records.process(&mut ReadBuf::new(&mut []));
        }
    }

    /// Receives some bytes, which have to be processed.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let received = poll_read_buf(Pin::new(&mut self.stream), context, &mut self.records.space()?);
        if let Poll::Ready(Ok(1..)) = received {
            return Poll::Ready(Ok(()));
        }
        self.records.release_space();
        ready!(received)?;
        // Without `close_notify`, what was to follow may be lost.
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed without close_notify");
        Poll::Ready(Err(error))
    }

    /// Sends what has been encrypted.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.records.outgoing().is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, self.records.outgoing()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.records.sent(count);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Encrypts the bytes, at most [`WRITE_BYTES`], once all before them has been sent, and begins to send them.
    fn poll_send(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_close_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(context))?;
        let bytes = &bytes[..bytes.len().min(WRITE_BYTES)];
        self.records.encrypt(OutgoingPlaintext::Data(bytes))?;
        match self.poll_drain(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerTlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        self.records.read_plaintext(buffer);
        while buffer.filled().len() == before && buffer.remaining() > 0 {
            self.records.check_failed()?;
            if matches!(self.records.read_side(), ReadSide::Ended) {
                break;
            }
            ready!(self.poll_receive(context))?;
            self.records.process(buffer);
            if matches!(self.records.read_side(), ReadSide::Failed(_)) {
                // The alert, if it can be sent at once: after an error the stream may not be polled any more.
                let _ = self.poll_drain(context);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerTlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, bytes)
    }

    /// Joins the slices: small ones would be records of their own.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(context))?;
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>().min(WRITE_BYTES);
        let mut bytes = Vec::with_capacity(length);
        for slice in slices {
            bytes.extend_from_slice(&slice[..slice.len().min(length - bytes.len())]);
        }
        self.poll_send(context, &bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_all(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_close_sent, true) {
            // Fails if the peer has received an alert instead.
            let _ = self.records.encrypt(OutgoingPlaintext::CloseNotify);
        }
        ready!(self.poll_drain(context))?;
        match ready!(Pin::new(&mut self.stream).poll_shutdown(context)) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for ServerTlsStream<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTlsStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}
