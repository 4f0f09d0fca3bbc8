//! The timeline: what happened behind the gateway, kept as the newest records and sent live to every viewer.
//!
//! A [`Timeline`] is a [`Reporter`](crate::observe::report::Reporter): an invocation's record begins with its event, and grows
//! with the output and the pushes of the instance that runs it. Each change is announced by the record's id only; its
//! JSON is made for each viewer, so that a timeline without viewers costs next to nothing.
//!
//! It exists only where the page is served.

mod figures;
mod limits;
mod open;
mod payload;
mod push;
mod record;
mod recorder;
mod ring;
mod stream;
mod time;

pub(crate) use self::limits::{MAX_ROWS, ROWS};
pub(crate) use self::recorder::{RecordedEvent, Timeline};
pub(crate) use self::time::float_ms;
