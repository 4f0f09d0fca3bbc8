//! Random ids for connections and invocations.

use std::cell::RefCell;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A connection's id: 16 random bytes in Base64. A caller that knows it can push to the connection, so it must not be
/// guessable.
pub(crate) fn connection_id() -> Result<String, getrandom::Error> {
    Ok(STANDARD.encode(random()?))
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
        id.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
    }
    Ok(id)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// How many ids' bytes are asked of the system at once: every frame needs an id, and a system call costs more than all
/// the rest of it.
const AT_ONCE: usize = 32;

thread_local! {
    static UNUSED: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

fn random() -> Result<[u8; 16], getrandom::Error> {
    UNUSED.with_borrow_mut(|unused| {
        if unused.is_empty() {
            let mut fresh = [[0; 16]; AT_ONCE];
            getrandom::fill(fresh.as_flattened_mut())?;
            unused.extend(fresh);
        }
        unused.pop().ok_or(getrandom::Error::UNEXPECTED)
    })
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
    fn no_bytes_are_used_twice() {
        let ids: std::collections::HashSet<_> =
            (0..AT_ONCE * 3).map(|_| random().expect("random bytes")).collect();
        assert_eq!(ids.len(), AT_ONCE * 3);
    }

    #[test]
    fn a_connection_id_is_16_bytes_in_base64() {
        let id = connection_id().expect("random bytes");
        assert_eq!(STANDARD.decode(&id).map(|bytes| bytes.len()), Ok(16));
        assert_ne!(Ok(id), connection_id());
    }
}
