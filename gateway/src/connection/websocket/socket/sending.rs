//! Writes frames to a stream, several at once.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use crate::connection::websocket::{framing::OutgoingFrame, platform::PlatformLimits};

/// How many frames are taken off the client's queue to be written together.
const BATCH_FRAMES: usize = 32;
/// And how many bytes: a frame that has been taken no longer counts as waiting.
const BATCH_BYTES: usize = 64 * 1024;

/// The frames that are being written.
#[derive(Debug, Default)]
pub(super) struct Sending {
    frames: VecDeque<OutgoingFrame>,
    /// Of the first frame.
    written: usize,
    /// `None`: there is no platform between the gateway and its clients.
    platform: Option<Box<PlatformLimits>>,
}

impl Sending {
    pub(super) fn new(platform: Option<Box<PlatformLimits>>) -> Self {
        Self { platform, ..Self::default() }
    }

    pub(super) fn platform(&self) -> Option<&PlatformLimits> {
        self.platform.as_deref()
    }

    fn is_paced(&self) -> bool {
        self.platform().is_some_and(PlatformLimits::is_paced)
    }

    /// At most a few frames wait here, so that this is no state to keep for each connection.
    fn unwritten(&self) -> usize {
        self.frames.iter().map(OutgoingFrame::len).sum::<usize>() - self.written
    }

    pub(super) fn unsent_data(&self) -> usize {
        self.frames.iter().filter(|frame| frame.data_bytes().is_some()).count()
    }

    pub(super) fn has_capacity(&self) -> bool {
        // With a pace, what has been taken waits for long, and so would a pong behind it.
        if self.is_paced() {
            return self.frames.is_empty();
        }
        self.frames.len() < BATCH_FRAMES && self.unwritten() < BATCH_BYTES
    }

    pub(super) fn push(&mut self, frame: OutgoingFrame) {
        self.frames.push_back(frame);
    }

    pub(super) fn discard_unsent(&mut self) {
        self.frames.truncate(usize::from(self.written > 0));
    }

    /// Ready once everything is written and flushed.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
        mut sent: impl FnMut(&OutgoingFrame),
    ) -> Poll<io::Result<()>> {
        while !self.frames.is_empty() {
            if self.waits_for_its_turn(context) {
                ready!(Pin::new(stream).poll_flush(context))?;
                return Poll::Pending;
            }
            let count = ready!(self.poll_write(stream, context))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.wrote(count, &mut sent);
        }
        Pin::new(stream).poll_flush(context)
    }

    /// Whether the next frame may not leave yet.
    fn waits_for_its_turn(&mut self, context: &mut Context<'_>) -> bool {
        let Some(platform) = &mut self.platform else { return false };
        let begins_data =
            self.written == 0 && self.frames.front().is_some_and(|frame| frame.data_bytes().is_some());
        begins_data && platform.poll_turn(context).is_pending()
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [[IoSlice::new(&[]); 2]; BATCH_FRAMES];
        let mut written = self.written;
        for (slices, frame) in slices.iter_mut().zip(&self.frames) {
            *slices = frame.slices(std::mem::take(&mut written));
        }
        let at_once = if self.is_paced() { 1 } else { BATCH_FRAMES };
        let used = &slices[..self.frames.len().min(at_once)];
        Pin::new(stream).poll_write_vectored(context, used.as_flattened())
    }

    fn wrote(&mut self, count: usize, mut sent: impl FnMut(&OutgoingFrame)) {
        self.written += count;
        while let Some(frame) = self.frames.front()
            && self.written >= frame.len()
        {
            self.written -= frame.len();
            sent(frame);
            if let (Some(platform), Some(bytes)) = (&mut self.platform, frame.data_bytes()) {
                platform.sent(bytes);
            }
            self.frames.pop_front();
        }
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;
    use crate::contract::Frame;

    #[tokio::test]
    async fn frames_leave_in_order_however_little_the_stream_takes_at_once() {
        let (mut ours, mut theirs) = duplex(3);
        let mut sending = Sending::default();
        let mut expected = Vec::new();
        for number in 0_u8..100 {
            let payload = vec![number; usize::from(number)];
            expected.extend([0x82, number]);
            expected.extend(&payload);
            sending.push(OutgoingFrame::data(Frame::binary(payload)));
        }
        let mut reported = 0;
        let mut received = vec![0; expected.len()];
        let (sent, read) = tokio::join!(
            poll_fn(|context| sending.poll(&mut ours, context, |_| reported += 1)),
            theirs.read_exact(&mut received)
        );
        sent.expect("sent");
        read.expect("received");
        assert!(received == expected);
        assert_eq!((reported, sending.unwritten(), sending.frames.capacity()), (100, 0, 0));
    }

    #[tokio::test]
    async fn a_frame_that_has_begun_is_finished_though_the_rest_is_discarded() {
        let (mut ours, mut theirs) = duplex(4);
        let mut sending = Sending::default();
        for text in ["first", "second"] {
            sending.push(OutgoingFrame::data(Frame::text(text)));
        }
        let mut begun = Box::pin(poll_fn(|context| sending.poll(&mut ours, context, |_| ())));
        assert!(futures_util::FutureExt::now_or_never(begun.as_mut()).is_none());
        drop(begun);
        sending.discard_unsent();
        let finish = async {
            poll_fn(|context| sending.poll(&mut ours, context, |_| ())).await.expect("sent");
            drop(ours);
        };
        let mut received = Vec::new();
        let ((), read) = tokio::join!(finish, theirs.read_to_end(&mut received));
        read.expect("received");
        assert_eq!(received, b"\x81\x05first");
    }
}
