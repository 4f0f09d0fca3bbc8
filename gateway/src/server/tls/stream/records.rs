//! The records of a connection: what has arrived becomes plaintext, plaintext and answers become what is to be sent.
//!
//! Nothing here reads or writes. A buffer that becomes empty is released; the one into which records arrive, once no more
//! of them do, since allocating it for each would cost a busy connection time.

use std::{io, sync::Arc};

use bytes::{Buf as _, BufMut as _, BytesMut, buf::Limit};
use rustls::{
    Error, ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    },
};
use tokio::io::ReadBuf;

/// How much is received at once, unless a record lacks more.
const READ_BYTES: usize = 4 * 1024;
/// The header of a record, whose last two bytes are the length of the rest.
const HEADER_BYTES: usize = 5;
/// What a record has more than its plaintext, and room for an answer to the peer's new keys before it.
const RECORD_OVERHEAD: usize = 64;
/// A message of the handshake may be longer than a record. rustls bounds its length, but not what the headers of many
/// small parts add.
const MAX_INCOMING_BYTES: usize = 64 * 1024;

/// See the module.
pub(super) struct TlsRecords {
    tls: UnbufferedServerConnection,
    read_side: ReadSide,
    /// What has arrived of a record that is not complete.
    incoming: BytesMut,
    /// What was decrypted and is more than the reader had capacity for.
    plaintext: BytesMut,
    /// What was encrypted and has yet to be sent.
    outgoing: BytesMut,
}

/// What the peer may still send.
pub(super) enum ReadSide {
    Open,
    /// The peer has sent `close_notify`.
    Ended,
    /// The peer has broken the protocol or sent an alert.
    Failed(Box<Error>),
}

/// What the peer is sent.
#[derive(Clone, Copy)]
pub(super) enum OutgoingPlaintext<'a> {
    Data(&'a [u8]),
    /// Nothing follows.
    CloseNotify,
}

impl TlsRecords {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            read_side: ReadSide::Open,
            incoming: BytesMut::new(),
            plaintext: BytesMut::new(),
            outgoing: BytesMut::new(),
        })
    }

    pub(super) fn tls(&self) -> &UnbufferedServerConnection {
        &self.tls
    }

    pub(super) fn read_side(&self) -> &ReadSide {
        &self.read_side
    }

    pub(super) fn check_failed(&self) -> io::Result<()> {
        match &self.read_side {
            ReadSide::Failed(error) => Err(io::Error::new(io::ErrorKind::InvalidData, (**error).clone())),
            ReadSide::Open | ReadSide::Ended => Ok(()),
        }
    }

    /// Where to receive into: behind what has arrived of a record. [`TlsRecords::process`] has to follow.
    pub(super) fn space(&mut self) -> io::Result<Limit<&mut BytesMut>> {
        if self.incoming.len() >= MAX_INCOMING_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of the handshake is too long"));
        }
        let missing = match *self.incoming {
            [_, _, _, high, low, ..] => {
                let record_bytes = HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
                record_bytes.saturating_sub(self.incoming.len())
            }
            _ => 0,
        };
        let read_bytes = missing.max(READ_BYTES);
        self.incoming.reserve(read_bytes);
        Ok((&mut self.incoming).limit(read_bytes))
    }

    /// Nothing arrives at the moment.
    pub(super) fn release_space(&mut self) {
        release_if_empty(&mut self.incoming);
    }

    /// Decrypts all that has arrived, into the buffer as far as it has capacity, and queues what rustls answers. Earlier
    /// plaintext has been read.
    pub(super) fn process(&mut self, buffer: &mut ReadBuf<'_>) {
        while !matches!(self.read_side, ReadSide::Failed(_)) {
            match self.step(buffer) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.fail(error),
            }
        }
        if !matches!(self.read_side, ReadSide::Open) {
            self.incoming = BytesMut::new();
        }
    }

    /// Whether there may be more to do.
    fn step(&mut self, buffer: &mut ReadBuf<'_>) -> Result<bool, Error> {
        let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(&mut self.incoming);
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    let (fits, rest) = record.payload.split_at(record.payload.len().min(buffer.remaining()));
                    buffer.put_slice(fits);
                    self.plaintext.extend_from_slice(rest);
                }
            }
            ConnectionState::EncodeTlsData(record) => encode(record, &mut self.outgoing)?,
            ConnectionState::TransmitTlsData(queued) => queued.done(),
            ConnectionState::PeerClosed => self.read_side = ReadSide::Ended,
            ConnectionState::BlockedHandshake
            | ConnectionState::WriteTraffic(_)
            | ConnectionState::Closed => {
                self.incoming.advance(discard);
                return Ok(false);
            }
            state => return Err(Error::General(format!("unexpected state {state:?}"))),
        }
        self.incoming.advance(discard);
        Ok(true)
    }

    /// Queues the alert, if there is one, and processes nothing further.
    fn fail(&mut self, error: Error) {
        self.read_side = ReadSide::Failed(Box::new(error));
        while self.tls.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(alert)) = self.tls.process_tls_records(&mut []).state
            && encode(alert, &mut self.outgoing).is_ok()
        {}
    }

    /// Moves plaintext that an earlier buffer had no capacity for.
    pub(super) fn read_plaintext(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.plaintext.len().min(buffer.remaining());
        buffer.put_slice(&self.plaintext[..count]);
        self.plaintext.advance(count);
        release_if_empty(&mut self.plaintext);
    }

    pub(super) fn encrypt(&mut self, outbound: OutgoingPlaintext<'_>) -> io::Result<()> {
        self.process(&mut ReadBuf::new(&mut []));
        self.check_failed()?;
        let state = self.tls.process_tls_records(&mut self.incoming).state;
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let expected_bytes = RECORD_OVERHEAD
            + match outbound {
                OutgoingPlaintext::Data(bytes) => bytes.len(),
                OutgoingPlaintext::CloseNotify => 0,
            };
        let encrypted = append(&mut self.outgoing, expected_bytes, |space| {
            let written = match outbound {
                OutgoingPlaintext::Data(bytes) => traffic.encrypt(bytes, space),
                OutgoingPlaintext::CloseNotify => traffic.queue_close_notify(space),
            };
            written.map_err(|error| match error {
                EncryptError::InsufficientSize(size) => Some(size),
                EncryptError::EncryptExhausted => None,
            })
        });
        encrypted.map_err(io::Error::other)
    }

    /// What is to be sent.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.outgoing.advance(count);
        release_if_empty(&mut self.outgoing);
    }

    /// What the buffers take.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.incoming.capacity() + self.plaintext.capacity() + self.outgoing.capacity()
    }
}

fn release_if_empty(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        *buffer = BytesMut::new();
    }
}

fn encode(mut record: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut BytesMut) -> Result<(), Error> {
    append(outgoing, 0, |space| {
        record.encode(space).map_err(|error| match error {
            EncodeError::InsufficientSize(size) => Some(size),
            EncodeError::AlreadyEncoded => None,
        })
    })
}

/// Appends what is written. If it needs more space than expected, it says so.
fn append(
    outgoing: &mut BytesMut,
    expected_bytes: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), Error> {
    let length = outgoing.len();
    let mut space_bytes = expected_bytes;
    loop {
        outgoing.resize(length + space_bytes, 0);
        match write(&mut outgoing[length..]) {
            Ok(count) => {
                outgoing.truncate(length + count);
                return Ok(());
            }
            Err(Some(InsufficientSizeError { required_size })) => space_bytes = required_size,
            Err(None) => {
                outgoing.truncate(length);
                return Err(Error::EncryptError);
            }
        }
    }
}
