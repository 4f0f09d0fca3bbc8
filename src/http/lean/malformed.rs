//! The error for bytes that are not HTTP.

use std::fmt;
use std::io::{Error, ErrorKind};

pub(super) fn malformed(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the answer is not HTTP: {what}"))
}
