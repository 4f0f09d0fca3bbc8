//! Which codes a close frame may carry (RFC 6455, section 7.4).

/// 1004, 1005, 1006 and 1015 are never sent, those up to 2999 only if they are registered, the rest is free for
/// libraries and applications.
pub(super) fn is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_mean_no_code_and_unregistered_ones_are_invalid() {
        let invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX];
        assert!(!invalid.into_iter().any(is_valid));
        let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999];
        assert!(valid.into_iter().all(is_valid));
    }
}
