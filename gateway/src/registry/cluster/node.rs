//! What a node is called, and which node a connection belongs to.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The bytes of a node's id, with which the ids of its connections begin.
const NODE_BYTES: usize = 6;
/// The bytes of a connection's id, before Base64.
const CONNECTION_BYTES: usize = 16;

/// The part of a connection's id that its node has chosen.
pub(crate) type Suffix = [u8; CONNECTION_BYTES - NODE_BYTES];

/// A node of a cluster: six random bytes, new at each start of a process. Shown in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; NODE_BYTES]);

impl NodeId {
    /// The id of a process that starts now.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; NODE_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// With these bytes.
    #[must_use]
    pub(crate) const fn from_bytes(bytes: [u8; NODE_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; NODE_BYTES] {
        self.0
    }

    /// The node that holds a connection; `None` if this is not the id of a connection.
    #[must_use]
    pub fn of_connection(id: &str) -> Option<Self> {
        split(id).map(|(node, _)| node)
    }

    /// A new id for a connection of this node: 16 bytes in Base64, of which ten are random. A caller that knows it can
    /// push to the connection, so it must not be guessable.
    pub(crate) fn connection(self) -> Result<String, getrandom::Error> {
        let mut suffix = Suffix::default();
        getrandom::fill(&mut suffix)?;
        Ok(self.connection_of(&suffix))
    }

    /// The id of this node's connection with this suffix.
    pub(crate) fn connection_of(self, suffix: &Suffix) -> String {
        let mut bytes = [0; CONNECTION_BYTES];
        bytes[..NODE_BYTES].copy_from_slice(&self.0);
        bytes[NODE_BYTES..].copy_from_slice(suffix);
        STANDARD.encode(bytes)
    }
}

/// The parts of a connection's id; `None` if this is not one.
pub(crate) fn split(id: &str) -> Option<(NodeId, Suffix)> {
    let mut bytes = [0; CONNECTION_BYTES + 2];
    let length = STANDARD.decode_slice(id, &mut bytes).ok()?;
    if length != CONNECTION_BYTES {
        return None;
    }
    let (node, rest) = bytes.split_first_chunk()?;
    Some((NodeId(*node), *rest.first_chunk()?))
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NodeId({self})")
    }
}

/// A text is not the id of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node's id is 12 hexadecimal digits in lower case")]
pub struct NotANodeId;

impl FromStr for NodeId {
    type Err = NotANodeId;

    fn from_str(text: &str) -> Result<Self, NotANodeId> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 2 * NODE_BYTES || !text.bytes().all(digit) {
            return Err(NotANodeId);
        }
        let mut bytes = [0; NODE_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| NotANodeId)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_id_names_its_node() {
        let node = NodeId::random().expect("random bytes");
        let id = node.connection().expect("random bytes");
        assert_eq!(STANDARD.decode(&id).map(|bytes| bytes.len()), Ok(16));
        assert_eq!(NodeId::of_connection(&id), Some(node));
        let (_, suffix) = split(&id).expect("an id");
        assert_eq!(node.connection_of(&suffix), id);
        assert_ne!(node.connection(), Ok(id));
    }

    #[test]
    fn what_is_no_connection_id_names_no_node() {
        for text in [
            "",
            "unknown==",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAB==",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(NodeId::of_connection(text), None, "{text}");
        }
        assert!(NodeId::of_connection("AAAAAAAAAAAAAAAAAAAAAA==").is_some());
    }

    #[test]
    fn a_node_id_is_twelve_hexadecimal_digits() {
        let node = NodeId::from_bytes([0, 1, 0xab, 0xcd, 0xef, 0xff]);
        assert_eq!(node.to_string(), "0001abcdefff");
        assert_eq!("0001abcdefff".parse(), Ok(node));
        for text in ["", "0001abcdeff", "0001ABCDEFFF", "0001abcdefff0", "+001abcdefff", "äääääa"] {
            assert_eq!(text.parse::<NodeId>(), Err(NotANodeId), "{text}");
        }
    }
}
