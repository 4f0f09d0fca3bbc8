//! Reads messages off a stream.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use crate::connection::{
    limits::UnfinishedShare,
    websocket::{
        deflate::{self, inflate},
        framing::{Breach, Decoder, Message, Violation},
    },
};

/// How much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// After so many frames, or bytes, it is the other connections' turn. The runtime looks for what has arrived only after
/// some dozens of turns, so that a turn is short.
const FRAMES_A_TURN: u16 = 64;
const BYTES_A_TURN: usize = BUFFER_BYTES;

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
    /// The unfinished messages of all connections exceed this limit, and this one's is among the largest.
    Unfinished(usize),
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
    unfinished: UnfinishedShare,
    /// What came behind a message and has yet to be decoded.
    rest: Box<[u8]>,
    decoded: u32,
    received: bool,
    turn: Turn,
}

/// What was taken since the other connections had their turn.
#[derive(Debug, Default)]
struct Turn {
    frames: u16,
    bytes: u32,
}

impl Turn {
    fn is_over(&self) -> bool {
        self.frames >= FRAMES_A_TURN || self.bytes as usize >= BYTES_A_TURN
    }

    fn add_bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

impl Receiving {
    pub(super) fn new(already_received: &Bytes, decoder: Decoder, unfinished: UnfinishedShare) -> Self {
        Self {
            decoder,
            unfinished,
            rest: already_received.to_vec().into(),
            decoded: 0,
            received: false,
            turn: Turn::default(),
        }
    }

    pub(super) fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.received)
    }

    pub(super) fn take_fragments(&mut self) -> u16 {
        self.decoder.take_fragments()
    }

    pub(super) fn is_within_message(&self) -> bool {
        self.decoder.is_within_message()
    }

    pub(super) fn must_give_way(&self) -> bool {
        self.unfinished.is_dropped()
    }

    /// The next message, inflated, or what becomes of it and of the bytes that it was compressed to.
    pub(super) fn poll<S: AsyncRead + Unpin, T>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        mut take: impl FnMut(Message<'_>, Option<usize>) -> T,
    ) -> Poll<Result<T, ReceiveError>> {
        loop {
            if self.must_give_way() {
                self.decoder.forget_message();
                return Poll::Ready(Err(ReceiveError::Unfinished(self.unfinished.limit_bytes())));
            }
            if self.turn.is_over() {
                self.turn = Turn::default();
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let taken = if self.rest.is_empty() {
                ready!(self.poll_read(stream, context, &mut take))?
            } else {
                self.decode_rest(context, &mut take)?
            };
            self.turn.frames += self.decoder.take_frames();
            // Not if the message had to give way while it was inflated.
            if !self.must_give_way() {
                self.unfinished.set(self.decoder.unfinished_bytes(), context);
            }
            if let Some(taken) = taken {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    fn decode_rest<T>(
        &mut self,
        context: &Context<'_>,
        take: impl FnMut(Message<'_>, Option<usize>) -> T,
    ) -> Result<Option<T>, Violation> {
        let (count, message) = self.decoder.decode(&mut self.rest[self.decoded as usize..])?;
        let taken = match message {
            Some(message) => inflated(message, &self.decoder, &mut self.unfinished, context, take)?,
            None => None,
        };
        self.turn.add_bytes(count);
        // What came with the request, or a part of a buffer: both are short.
        self.decoded += u32::try_from(count).unwrap_or(u32::MAX);
        if self.decoded as usize == self.rest.len() {
            (self.rest, self.decoded) = (Box::default(), 0);
        }
        Ok(taken)
    }

    fn poll_read<S: AsyncRead + Unpin, T>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        take: impl FnMut(Message<'_>, Option<usize>) -> T,
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
            let taken = match message {
                Some(message) => inflated(message, &self.decoder, &mut self.unfinished, context, take)?,
                None => None,
            };
            self.turn.add_bytes(count);
            self.rest = bytes[count..].into();
            Poll::Ready(Ok(taken))
        })
    }
}

/// What becomes of a message once it is inflated; nothing if it had to give way before it was.
fn inflated<T>(
    message: Message<'_>,
    decoder: &Decoder,
    unfinished: &mut UnfinishedShare,
    context: &Context<'_>,
    mut take: impl FnMut(Message<'_>, Option<usize>) -> T,
) -> Result<Option<T>, Violation> {
    let Message::Compressed { is_text, payload } = message else { return Ok(Some(take(message, None))) };
    let may_grow = |bytes| unfinished.set(payload.len() + bytes, context);
    let bytes = match inflate(&payload, decoder.limit_bytes(), may_grow) {
        Ok(bytes) => bytes,
        Err(deflate::InflateError::NotDeflate) => return Err(Breach::NotDeflate.into()),
        Err(deflate::InflateError::TooBig) => return Err(Violation::TooBig),
        Err(deflate::InflateError::Stopped) => return Ok(None),
    };
    let inflated = if is_text {
        Message::Text(String::from_utf8(bytes).map_err(|_| Violation::NotUtf8)?.into())
    } else {
        Message::Binary(bytes.into())
    };
    Ok(Some(take(inflated, Some(payload.len()))))
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
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::{Wake, Waker},
    };

    use prometheus_client::metrics::gauge::Gauge;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;
    use crate::connection::limits::UnfinishedMessages;

    fn receiving(first: &'static [u8], unfinished: &Arc<UnfinishedMessages>) -> Receiving {
        let decoder = Decoder::new(1 << 20, false);
        Receiving::new(&Bytes::from_static(first), decoder, UnfinishedShare::new(Arc::clone(unfinished)))
    }

    fn unlimited() -> Arc<UnfinishedMessages> {
        Arc::new(UnfinishedMessages::new(usize::MAX, Gauge::default()))
    }

    /// Notes that it was woken.
    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// In how many turns everything is read, and how many messages there are.
    async fn turns(bytes: Vec<u8>) -> (usize, usize) {
        let (mut ours, mut theirs) = duplex(bytes.len());
        theirs.write_all(&bytes).await.expect("sent");
        let mut receiving = receiving(b"", &unlimited());
        let (mut turns, mut messages) = (1, 0);
        loop {
            let woken = Arc::new(Woken::default());
            match receiving.poll(&mut ours, &mut Context::from_waker(&Arc::clone(&woken).into()), |_, _| ()) {
                Poll::Ready(taken) => messages += taken.map(|()| 1).expect("sound"),
                Poll::Pending if woken.0.load(Ordering::Relaxed) => turns += 1,
                Poll::Pending => return (turns, messages),
            }
        }
    }

    #[tokio::test]
    async fn frames_of_any_kind_and_bytes_end_a_turn() {
        let message = b"\x81\x81\0\0\0\0a";
        assert_eq!(turns(message.repeat(3)).await, (1, 3));
        assert_eq!(turns(message.repeat(640)).await, (11, 640));
        let fragments = b"\x00\x80\0\0\0\0".repeat(640);
        assert_eq!(turns([b"\x01\x80\0\0\0\0", &fragments[..]].concat()).await, (11, 0));
        let large = [&b"\x82\xff\0\0\0\0\0\x08\0\0\0\0\0\0"[..], &vec![0; 8 << 16]].concat();
        assert_eq!(turns(large).await, (9, 1));
    }

    #[tokio::test]
    async fn a_message_that_gives_way_leaves_no_memory() {
        let all = Arc::new(UnfinishedMessages::new(1000, Gauge::default()));
        let mut context = Context::from_waker(Waker::noop());
        let (mut ours, mut theirs) = duplex(10_000);
        let mut receiving = receiving(b"", &all);
        theirs.write_all(&[&b"\x02\xfe\x03\xe8\0\0\0\0"[..], &[0; 1000]].concat()).await.expect("sent");
        assert!(receiving.poll(&mut ours, &mut context, |_, _| ()).is_pending());
        assert!(!receiving.must_give_way());
        theirs.write_all(b"\x00\x81\0\0\0\0a").await.expect("sent");
        let polled = receiving.poll(&mut ours, &mut context, |_, _| ());
        assert!(matches!(polled, Poll::Ready(Err(ReceiveError::Unfinished(1000)))), "{polled:?}");
        assert_eq!((receiving.decoder.unfinished_bytes(), all.total_bytes()), (0, 0));
    }

    #[tokio::test]
    async fn what_comes_behind_a_message_is_kept_until_it_is_asked_for_and_nothing_after_that() {
        let (mut ours, mut theirs) = duplex(1024);
        let mut receiving = receiving(b"\x81\x81\0\0\0\0a\x81\x82\0\0", &unlimited());
        theirs.write_all(b"\0\0bc\x82\x81\0\0\0\0d\x88\x80\0\0\0\0").await.expect("sent");
        drop(theirs);
        for expected in ["Text(\"a\")", "Text(\"bc\")", "Binary([100])", "Close(None)"] {
            let message =
                poll_fn(|context| receiving.poll(&mut ours, context, |message, _| format!("{message:?}")))
                    .await;
            assert_eq!(message.expect("a message"), expected);
        }
        assert_eq!((receiving.rest.len(), receiving.take_received()), (0, true));
        let end =
            poll_fn(|context| receiving.poll(&mut ours, context, |message, _| format!("{message:?}"))).await;
        assert!(matches!(end, Err(ReceiveError::Ended)), "{end:?}");
    }
}
