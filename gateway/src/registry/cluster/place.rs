//! Where a node runs, as it tells the other nodes.
//!
//! Of two processes of one machine, in one network namespace, only one listens on an address. One that now listens where
//! another did therefore knows that the other is gone, without waiting for the end of its lease.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::{Value, json};

/// What may be shown of what another node says of itself. A part that it does not say is empty.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct About {
    pub(super) address: String,
    pub(super) host: String,
    pub(super) version: String,
}

/// A name that no other running process has; `None` where the system does not tell.
pub(super) fn of(addr: SocketAddr) -> Option<String> {
    if addr.port() == 0 {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/net").ok()?;
    Some(format!("{}/{}/{addr}", boot.trim(), namespace.display()))
}

/// What a node says of itself, in JSON.
pub(super) fn info(addr: SocketAddr, place: Option<&str>, lease: Duration) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let version = env!("CARGO_PKG_VERSION");
    let info = json!({
        "version": version, "host": host.trim(), "address": addr.to_string(), "started": started, "place": place,
        "lease_ms": u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
    });
    info.to_string()
}

/// Whether what another node says of itself names this place.
pub(super) fn is_same(info: &str, place: &str) -> bool {
    let info: Value = serde_json::from_str(info).unwrap_or_default();
    info["place"] == place
}

/// Reads what another node says of itself.
pub(super) fn about(info: &str) -> About {
    serde_json::from_str(info).unwrap_or_default()
}

/// The other node's lease.
pub(super) fn lease(info: &str) -> Option<Duration> {
    let info: Value = serde_json::from_str(info).unwrap_or_default();
    info["lease_ms"].as_u64().map(Duration::from_millis)
}

/// The other node's host and address, for the log.
pub(super) fn name(info: &str) -> String {
    let info: Value = serde_json::from_str(info).unwrap_or_default();
    let text = |key: &str| info[key].as_str().unwrap_or("?").to_owned();
    format!("{} on {}", text("address"), text("host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_listens_where_another_did_is_in_its_place() {
        let [one, other] = ["127.0.0.1:9000", "127.0.0.1:9001"].map(|addr| addr.parse().expect("an address"));
        let place = of(one).expect("the system tells");
        let info = |addr, place: Option<&str>| info(addr, place, Duration::from_secs(5));
        assert!(is_same(&info(one, of(one).as_deref()), &place));
        assert!(!is_same(&info(other, of(other).as_deref()), &place));
        assert!(!is_same(&info(one, None), &place));
        assert!(!is_same("nonsense", &place));
        assert!(name(&info(one, None)).starts_with("127.0.0.1:9000 on "));
        let about_one = about(&info(one, None));
        assert_eq!(
            (about_one.address.as_str(), about_one.version.as_str()),
            ("127.0.0.1:9000", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(about("nonsense"), About::default());
        assert_eq!(lease(&info(one, None)), Some(Duration::from_secs(5)));
        assert_eq!(lease("nonsense"), None);
    }
}
