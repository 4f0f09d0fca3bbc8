//! The masking of a client's payload (RFC 6455, section 5.3).

/// Masks or unmasks a part of a payload that begins at this offset of it.
pub(super) fn apply(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut mask = mask;
    mask.rotate_left(offset % 4);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let mut payload = *b"\x7f\x9f\x4d\x51\x58";
        apply(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn a_payload_may_be_unmasked_in_parts() {
        let mask = [1, 20, 155, 255];
        let whole: Vec<u8> = (0..=255).collect();
        let mut expected = whole.clone();
        apply(&mut expected, mask, 0);
        for cut in 0..whole.len() {
            let mut parts = whole.clone();
            let (left, right) = parts.split_at_mut(cut);
            apply(left, mask, 0);
            apply(right, mask, cut);
            assert_eq!(parts, expected, "cut at {cut}");
        }
    }
}
