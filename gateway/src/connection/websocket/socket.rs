//! The WebSocket of an open connection: messages in and frames out, over a stream of bytes.
//!
//! It has no buffer while it is idle. What arrives is read into a buffer that all connections of a thread share, and
//! what is sent goes from the shared payload of each frame straight to the stream.

mod receiving;
mod sending;

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    time::Instant,
};

pub(super) use self::receiving::ReceiveError;
use self::{receiving::Receiving, sending::Sending};
use super::{
    framing::{Decoder, Message, OutgoingFrame},
    platform::PlatformLimits,
};
use crate::connection::limits::UnfinishedShare;

/// See the module.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    receiving: Receiving,
    sending: Sending,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// The client may have sent something behind its request. Its messages count in the share as long as they are not
    /// complete.
    pub(super) fn new(
        stream: S,
        already_received: &Bytes,
        (decoder, unfinished): (Decoder, UnfinishedShare),
        platform: Option<Box<PlatformLimits>>,
    ) -> Self {
        let receiving = Receiving::new(already_received, decoder, unfinished);
        Self { stream, receiving, sending: Sending::new(platform) }
    }

    /// When the connection is closed at the latest; `None`: it may last.
    pub(super) fn closes_at(&self) -> Option<Instant> {
        self.sending.platform().map(PlatformLimits::closes_at)
    }

    /// How many data frames are queued and not sent.
    pub(super) fn unsent_data(&self) -> usize {
        self.sending.unsent_data()
    }

    /// The next message, inflated, or what becomes of it and of the bytes that it was compressed to.
    pub(super) fn poll_receive<T>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnMut(Message<'_>, Option<usize>) -> T,
    ) -> Poll<Result<T, ReceiveError>> {
        self.receiving.poll(&mut self.stream, context, take)
    }

    /// Whether bytes were received since the last call.
    pub(super) fn take_received(&mut self) -> bool {
        self.receiving.take_received()
    }

    /// How many fragments were received since the last call that are not the last ones of their messages.
    pub(super) fn take_fragments(&mut self) -> u16 {
        self.receiving.take_fragments()
    }

    /// Whether a message, or a frame, has begun to arrive.
    pub(super) fn is_within_message(&self) -> bool {
        self.receiving.is_within_message()
    }

    /// Whether the unfinished message is one too many, which receiving reports.
    pub(super) fn must_give_way(&self) -> bool {
        self.receiving.must_give_way()
    }

    /// Whether a further frame should be queued: enough of them are written at once, and the rest waits where it counts.
    pub(super) fn may_queue(&self) -> bool {
        self.sending.has_capacity()
    }

    /// Queues a frame. [`Socket::poll_send`] sends it.
    pub(super) fn queue(&mut self, frame: OutgoingFrame) {
        self.sending.push(frame);
    }

    /// Drops the frames of which no byte has been written.
    pub(super) fn discard_unsent(&mut self) {
        self.sending.discard_unsent();
    }

    /// Sends what is queued. Ready once nothing of it is left; each frame is reported as soon as it is written.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        sent: impl FnMut(&OutgoingFrame),
    ) -> Poll<io::Result<()>> {
        self.sending.poll(&mut self.stream, context, sent)
    }

    /// Sends what is queued.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_send(context, |_| ())).await
    }

    /// Reads past everything up to a close frame, the end of the stream or an error.
    pub(super) async fn read_to_close(&mut self) {
        let is_close = |message: Message<'_>, _| matches!(message, Message::Close(_));
        while let Ok(false) = poll_fn(|context| self.poll_receive(context, is_close)).await {}
    }

    /// Sends nothing further, and reads to the end of the stream or so many bytes.
    pub(super) async fn shut_down(&mut self, mut discard_bytes: u64) {
        if self.stream.shutdown().await.is_ok() {
            poll_fn(|context| receiving::poll_discard(&mut self.stream, context, &mut discard_bytes)).await;
        }
    }
}
