//! The timeline of a running gateway.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::SOON;

/// Waits until the timeline of the gateway at `host:port` contains a record of which this is true, and returns its
/// newest state.
pub async fn wait_for_record(addr: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    let read = read(addr, |record| {
        let is_wanted = wanted(&record);
        found = is_wanted.then_some(record);
        is_wanted
    });
    let in_time = timeout(SOON, read).await.is_ok();
    found.filter(|_| in_time).unwrap_or_else(|| panic!("no record in the timeline: {what}"))
}

/// Waits until this is true of the timeline's records, each in its newest state, and returns them.
pub(crate) async fn records(addr: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut records = BTreeMap::new();
    let mut all = Vec::new();
    let read = read(addr, |record| {
        if let Some(id) = record["id"].as_u64() {
            records.insert(id, record);
        }
        all = records.values().cloned().collect();
        wanted(&all)
    });
    let in_time = timeout(SOON, read).await.is_ok();
    assert!(in_time, "the timeline has other records: {all:?}");
    all
}

/// Reads the timeline until the closure has seen enough.
async fn read(addr: &str, mut enough: impl FnMut(Value) -> bool) {
    let mut connection = TcpStream::connect(addr).await.expect("the address answers");
    let head = format!("GET /timeline HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.expect("a request");
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = connection.read(&mut buffer).await.expect("events");
        assert_ne!(count, 0, "the timeline ended");
        seen.extend_from_slice(&buffer[..count]);
        while let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
            let rest = seen.split_off(end + 1);
            let data = std::mem::replace(&mut seen, rest);
            let record = data.strip_prefix(b"data: ").map(serde_json::from_slice::<Value>);
            if let Some(Ok(record)) = record
                && enough(record)
            {
                return;
            }
        }
    }
}
