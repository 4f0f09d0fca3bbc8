//! Heads of HTTP/1.1 messages, as far as the bench's own servers and clients need them.

use std::io::BufRead;

use crate::Result;

/// The first line in lower case, the length of the body, and whether the connection ends after it.
#[derive(Default)]
pub struct Head {
    pub first_line: String,
    pub length: usize,
    pub is_last: bool,
}

/// `None`: the connection has ended.
pub fn read_head(reader: &mut impl BufRead) -> Result<Option<Head>> {
    let mut head = Head::default();
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some(head));
        }
        match line.split_once(": ") {
            Some(("content-length", length)) => head.length = length.parse()?,
            Some(("connection", "close")) => head.is_last = true,
            None => head.first_line = line,
            Some(_) => {}
        }
    }
}
