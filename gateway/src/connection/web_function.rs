//! The gateway inside a web function of SCF, where each connection is one invocation: it ends with the function's time
//! limit, closes with few codes, and has messages of a limited size at a limited rate. docs/in-a-web-function.md says what
//! is known of the platform, and from where.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use axum::http::HeaderMap;

/// Credentials and other things of the platform, which no function and no log may see.
pub(crate) const PLATFORM_HEADERS: &str = "x-scf-";
const REMOTE_ADDR: &str = "x-scf-remote-addr";

/// The longest time that is kept free for the end of a connection.
const LONGEST_END: Duration = Duration::from_secs(10);

/// What the platform allows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebFunction {
    /// The function's time limit, at which the platform ends a connection.
    pub time_limit: Duration,
    /// The payload of a frame, in either direction.
    pub frame_bytes: usize,
    /// How fast frames are sent to a client; `None`: as they come.
    pub frames_per_second: Option<NonZeroU32>,
    /// How many bytes of frames are sent to a client in a second; `None`: as they come.
    pub bytes_per_second: Option<NonZeroU32>,
}

impl Default for WebFunction {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_mins(15),
            frame_bytes: 256 << 10,
            frames_per_second: None,
            bytes_per_second: None,
        }
    }
}

impl WebFunction {
    /// When a connection has to be closed that was asked for at this time. Connections end spread over a tenth of the
    /// time limit, so that clients which came together do not all come back at once.
    pub(crate) fn closes_at(&self, asked: Instant) -> Instant {
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        let spread = (self.time_limit / 10).mul_f64(random);
        asked + self.time_limit.saturating_sub(self.end_time()).saturating_sub(spread)
    }

    /// For how long the close frame may wait for the cleanup function: the platform may freeze the instance as soon as its
    /// last connection is closed.
    pub(crate) fn cleanup_time(&self) -> Duration {
        self.end_time() / 2
    }

    /// For how long the client may take to close.
    pub(crate) fn close_time(&self) -> Duration {
        self.end_time() / 2
    }

    /// What is kept free before the time limit.
    fn end_time(&self) -> Duration {
        (self.time_limit / 10).min(LONGEST_END)
    }

    /// The close code in place of this one, since the platform counts others as failures of the function: 1000 where the
    /// connection ended in order or by a function's own code, otherwise 1011.
    pub(crate) fn close_code(code: u16) -> u16 {
        match code {
            1000 | 1001 | 3000..=4999 => 1000,
            _ => 1011,
        }
    }

    /// The client's address as the platform reports it.
    pub(crate) fn client(headers: &HeaderMap) -> Option<IpAddr> {
        let address: IpAddr = headers.get(REMOTE_ADDR)?.to_str().ok()?.trim().parse().ok()?;
        Some(address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn connections_are_closed_over_a_tenth_of_the_time_and_before_its_end() {
        for (limit, latest) in [(900, 890), (20, 18), (10, 9)] {
            let web = WebFunction { time_limit: Duration::from_secs(limit), ..WebFunction::default() };
            let asked = Instant::now();
            let closes: Vec<_> =
                (0..200).map(|_| web.closes_at(asked).duration_since(asked).as_secs_f64()).collect();
            let first = closes.iter().copied().fold(f64::MAX, f64::min);
            let last = closes.iter().copied().fold(0.0, f64::max);
            let tenth = Duration::from_secs(limit).as_secs_f64() / 10.0;
            let latest = Duration::from_secs(latest).as_secs_f64();
            assert!(last <= latest && first >= latest - tenth, "{limit}: {first} to {last}");
            assert!(last - first > tenth / 2.0, "{limit}: {first} to {last}");
            let end = (web.cleanup_time() + web.close_time()).as_secs_f64();
            assert!(latest + end <= Duration::from_secs(limit).as_secs_f64(), "{limit}");
        }
    }

    #[test]
    fn only_two_close_codes_are_sent() {
        for code in [1000, 1001, 3000, 4999] {
            assert_eq!(WebFunction::close_code(code), 1000, "{code}");
        }
        for code in [1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013] {
            assert_eq!(WebFunction::close_code(code), 1011, "{code}");
        }
    }

    #[test]
    fn the_client_is_whom_the_platform_reports() {
        let mut headers = HeaderMap::new();
        assert_eq!(WebFunction::client(&headers), None);
        headers.insert("x-scf-remote-addr", HeaderValue::from_static("::ffff:203.0.113.7"));
        assert_eq!(WebFunction::client(&headers), "203.0.113.7".parse().ok());
        headers.insert("x-scf-remote-addr", HeaderValue::from_static("nonsense"));
        assert_eq!(WebFunction::client(&headers), None);
    }
}
