//! Random ids for connections and invocations.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::cluster::NodeId;

/// A connection's id: 16 random bytes in Base64, or an id that begins with its node in a cluster. A caller that knows it
/// can push to the connection, so it must not be guessable.
pub(crate) fn connection_id(node: Option<NodeId>) -> Result<String, getrandom::Error> {
    match node {
        Some(node) => node.connection(),
        None => Ok(STANDARD.encode(random()?)),
    }
}

/// A request id in the form of a version 4 UUID.
pub(crate) fn request_id() -> Result<String, getrandom::Error> {
    let mut bytes = random()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // Writing to a `String` cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}

fn random() -> Result<[u8; 16], getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_a_version_4_uuid() {
        let id = request_id().expect("random bytes");
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn a_connection_id_is_16_bytes_in_base64() {
        let id = connection_id(None).expect("random bytes");
        assert_eq!(STANDARD.decode(&id).map(|bytes| bytes.len()), Ok(16));
        assert_ne!(Ok(id), connection_id(None));
    }
}
