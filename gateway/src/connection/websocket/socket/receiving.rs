//! Reads messages off a stream.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use crate::connection::websocket::framing::{Decoder, Message, Violation};

/// How much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where all connections of this thread read into. One has it only while it is polled.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into());
}

/// Why no message follows.
#[derive(Debug)]
pub(crate) enum ReceiveError {
    Violation(Violation),
    Io(io::Error),
    /// The stream has ended without a close frame.
    Ended,
}

impl From<Violation> for ReceiveError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// What has been received.
#[derive(Debug)]
pub(super) struct Receiving {
    decoder: Decoder,
    /// What came behind a message and has yet to be decoded.
    rest: Vec<u8>,
    decoded: usize,
    received: bool,
}

impl Receiving {
    pub(super) fn new(already_received: &Bytes, frame_bytes: usize) -> Self {
        Self {
            decoder: Decoder::new(frame_bytes),
            rest: already_received.to_vec(),
            decoded: 0,
            received: false,
        }
    }

    pub(super) fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.received)
    }

    /// The next message, or what becomes of it.
    pub(super) fn poll<S: AsyncRead + Unpin, T>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        mut take: impl FnMut(Message<'_>) -> T,
    ) -> Poll<Result<T, ReceiveError>> {
        loop {
            if let Some(taken) = self.decode_rest(&mut take)? {
                return Poll::Ready(Ok(taken));
            }
            if let Some(taken) = ready!(self.poll_read(stream, context, &mut take))? {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    fn decode_rest<T>(&mut self, take: impl FnMut(Message<'_>) -> T) -> Result<Option<T>, Violation> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (count, message) = self.decoder.decode(&mut self.rest[self.decoded..])?;
        let taken = message.map(take);
        self.decoded += count;
        if self.decoded == self.rest.len() {
            (self.rest, self.decoded) = (Vec::new(), 0);
        }
        Ok(taken)
    }

    fn poll_read<S: AsyncRead + Unpin, T>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        take: impl FnMut(Message<'_>) -> T,
    ) -> Poll<Result<Option<T>, ReceiveError>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(stream).poll_read(context, &mut buffer)).map_err(ReceiveError::Io)?;
            let bytes = buffer.filled_mut();
            if bytes.is_empty() {
                return Poll::Ready(Err(ReceiveError::Ended));
            }
            self.received = true;
            let (count, message) = self.decoder.decode(bytes)?;
            let taken = message.map(take);
            self.rest = bytes[count..].to_vec();
            Poll::Ready(Ok(taken))
        })
    }
}

/// Ready at the end of the stream, after an error, or when more than so many bytes have come.
pub(super) fn poll_discard<S: AsyncRead + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    limit_bytes: &mut u64,
) -> Poll<()> {
    BUFFER.with_borrow_mut(|buffer| {
        loop {
            let mut buffer = ReadBuf::new(buffer);
            if ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)).is_err() {
                return Poll::Ready(());
            }
            let count = buffer.filled().len() as u64;
            if count == 0 || count > *limit_bytes {
                return Poll::Ready(());
            }
            *limit_bytes -= count;
        }
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_comes_behind_a_message_is_kept_until_it_is_asked_for_and_nothing_after_that() {
        let (mut ours, mut theirs) = duplex(1024);
        let first = Bytes::from_static(b"\x81\x81\0\0\0\0a\x81\x82\0\0");
        let mut receiving = Receiving::new(&first, 10);
        theirs.write_all(b"\0\0bc\x82\x81\0\0\0\0d\x88\x80\0\0\0\0").await.expect("sent");
        drop(theirs);
        for expected in ["Text(\"a\")", "Text(\"bc\")", "Binary([100])", "Close(None)"] {
            let message =
                poll_fn(|context| receiving.poll(&mut ours, context, |message| format!("{message:?}"))).await;
            assert_eq!(message.expect("a message"), expected);
        }
        assert_eq!((receiving.rest.capacity(), receiving.take_received()), (0, true));
        let end =
            poll_fn(|context| receiving.poll(&mut ours, context, |message| format!("{message:?}"))).await;
        assert!(matches!(end, Err(ReceiveError::Ended)), "{end:?}");
    }
}
