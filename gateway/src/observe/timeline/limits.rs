//! How much the timeline keeps, so that it cannot fill the memory.

/// Records that are kept unless another number is set.
pub(crate) const ROWS: usize = 500;
/// The most that can be set: each may have some hundred kilobytes.
pub(crate) const MAX_ROWS: u64 = 5000;
/// Events longer than [`PAYLOAD_BYTES`] are kept whole, so that they can be sent again, up to this much together.
pub(super) const WHOLE_EVENTS_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of an event or an answer.
pub(super) const PAYLOAD_BYTES: usize = 16 * 1024;
/// Bytes of the data of one push.
pub(super) const PUSH_BYTES: usize = 4 * 1024;
/// Bytes of the data of all pushes of one invocation.
pub(super) const PUSHES_BYTES: usize = 10 * PUSH_BYTES;
/// Pushes of one invocation.
pub(super) const PUSHES: usize = 200;
/// Lines from the beginning of an output, and as many from its end.
pub(super) const LINES_AT_EACH_END: usize = 100;
/// Bytes of a line of output.
pub(super) const LINE_BYTES: usize = 1024;
/// The newest of the open connections in the list that a viewer receives.
pub(super) const LISTED_CONNECTIONS: usize = 200;
/// Changes that a slow viewer may be behind before it receives the whole state again.
pub(super) const BUFFERED_CHANGES: usize = 1024;
