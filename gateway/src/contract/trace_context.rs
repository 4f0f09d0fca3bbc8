//! The header `traceparent` of W3C Trace Context, version 00: <https://www.w3.org/TR/trace-context/>.

use std::fmt::Write as _;

/// A trace whose id is the request id without its hyphens, so that the log and the traces of a function find each
/// other. A request id that is no UUID gets a random trace id. The flag says "sampled": the gateway leaves the decision
/// to the function, and most tracing libraries record nothing without it. `None` if the system has no random bytes.
pub(crate) fn traceparent(request_id: &str) -> Option<String> {
    let span = random()?;
    let trace = trace_of(request_id).or_else(random)?;
    Some(format!("00-{trace}-{}-01", &span[..16]))
}

/// The header's name.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Whether a header is valid: a version but ff, a trace and a parent that are not all zero, and flags. Of a later version only
/// that is read.
pub(crate) fn is_traceparent(header: &str) -> bool {
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let parts: Vec<&str> = header.split('-').collect();
    let [version, trace, parent, flags, rest @ ..] = &parts[..] else { return false };
    is_hex(version, 2)
        && *version != "ff"
        && (rest.is_empty() || *version != "00")
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && [trace, parent].iter().all(|id| id.bytes().any(|byte| byte != b'0'))
}

/// The trace id in a header that somebody sent.
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.trim().split('-');
    let (_version, trace) = (parts.next()?, parts.next()?);
    (trace.len() == 32).then_some(trace)
}

/// The trace id of a request whose id is a UUID: 32 hexadecimal digits in lower case that are not all zero.
pub(crate) fn trace_of(request_id: &str) -> Option<String> {
    let digits: String = request_id.chars().filter(|char| *char != '-').collect();
    let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (valid && digits.bytes().any(|byte| byte != b'0')).then(|| digits.to_ascii_lowercase())
}

fn random() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let mut digits = String::with_capacity(32);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    // All zeros are invalid, in the first half too.
    digits[..16].bytes().any(|byte| byte != b'0').then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traceparent(request_id: &str) -> String {
        super::traceparent(request_id).expect("random bytes")
    }

    #[test]
    fn the_trace_is_the_request() {
        let header = traceparent("c6af9ac6-7b61-11e6-9a41-93e8DEADBEEF");
        let parts: Vec<&str> = header.split('-').collect();
        assert_eq!(parts[..2], ["00", "c6af9ac67b6111e69a4193e8deadbeef"]);
        assert_eq!((parts[2].len(), parts[3], parts.len()), (16, "01", 4));
        assert_ne!(header, traceparent("c6af9ac6-7b61-11e6-9a41-93e8DEADBEEF"), "each attempt is a span");
    }

    #[test]
    fn a_header_that_is_passed_on_names_the_request() {
        let id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
        assert_eq!(trace_id(&traceparent(id)).map(str::to_owned), trace_of(id));
        for other in ["", "00", "00-c6af", "no trace"] {
            assert_eq!(trace_id(other), None, "{other}");
        }
    }

    #[test]
    fn a_clients_header_is_passed_on_if_it_is_valid() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let valid = format!("00-{trace}-{parent}-01");
        assert!(is_traceparent(&valid) && is_traceparent(&traceparent("x")));
        assert!(is_traceparent(&format!("cc-{trace}-{parent}-01-what-follows")));
        for wrong in [
            String::new(),
            format!("{valid}-more"),
            format!("ff-{trace}-{parent}-01"),
            valid.to_uppercase(),
            valid.replace(trace, &"0".repeat(32)),
            valid.replace(parent, &"0".repeat(16)),
            format!("{valid}, {valid}"),
        ] {
            assert!(!is_traceparent(&wrong), "{wrong}");
        }
    }

    #[test]
    fn any_other_request_id_gets_a_random_trace() {
        for id in ["", "request 1", "00000000-0000-0000-0000-000000000000"] {
            let header = traceparent(id);
            let trace = header.split('-').nth(1).expect("a trace id");
            assert!(trace_of(trace).is_some(), "{header}");
            assert_ne!(traceparent(id).split('-').nth(1), Some(trace));
        }
    }
}
