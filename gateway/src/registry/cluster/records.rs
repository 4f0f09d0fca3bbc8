//! What this node remembers of its connections until their cleanup has been carried out. Redis has the same, for the
//! nodes that outlive this one.

use std::{collections::HashMap, fmt, net::IpAddr};

use parking_lot::Mutex;

use super::node::NodeId;

/// What the cleanup of a connection needs, also at another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) source_ip: IpAddr,
    /// The path that the client asked for, which names the API.
    pub(crate) path: String,
}

impl Record {
    /// Reads what [`fmt::Display`] writes: the address, a space, the path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (source_ip, path) = text.split_once(' ')?;
        Some(Self { source_ip: source_ip.parse().ok()?, path: path.to_owned() })
    }
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.source_ip, self.path)
    }
}

/// The records of this process, those of nodes that it was before included.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// By connection, as they are in Redis.
    all: Mutex<HashMap<Box<str>, Box<str>>>,
    /// Connections that have ended while their cleanup function could not be called.
    owed: Mutex<Vec<Box<str>>>,
}

impl Records {
    pub(super) fn insert(&self, connection: &str, record: &Record) {
        self.all.lock().insert(connection.into(), record.to_string().into());
    }

    /// Whether there was one.
    pub(super) fn remove(&self, connection: &str) -> bool {
        self.all.lock().remove(connection).is_some()
    }

    pub(super) fn get(&self, connection: &str) -> Option<Record> {
        self.all.lock().get(connection).and_then(|record| Record::parse(record))
    }

    /// A copy of all that belong to this node.
    pub(super) fn of(&self, node: NodeId) -> HashMap<Box<str>, Box<str>> {
        let all = self.all.lock();
        let own = all.iter().filter(|(id, _)| NodeId::of_connection(id) == Some(node));
        own.map(|(id, record)| (id.clone(), record.clone())).collect()
    }

    pub(super) fn owe(&self, connection: &str) {
        self.owed.lock().push(connection.into());
    }

    pub(super) fn take_owed(&self) -> Vec<Box<str>> {
        std::mem::take(&mut *self.owed.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for (text, path) in [("10.0.2.14 /chat/a b", "/chat/a b"), ("2001:db8::1 /", "/")] {
            let record = Record::parse(text).expect("a record");
            assert_eq!((record.path.as_str(), record.to_string().as_str()), (path, text));
        }
        assert_eq!(Record::parse("/chat"), None);
    }
}
