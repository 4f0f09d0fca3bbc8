//! Pushes from outside: to any instance, by the function's URL, for a client of any other.

use std::{collections::BTreeMap, time::Duration};

use scf_websocket_test_harness::{request, web_platform::Platform};
use serde_json::json;
use tokio::{sync::watch, time::sleep};

const BETWEEN: Duration = Duration::from_millis(500);

/// What was answered.
#[derive(Debug, Default)]
pub struct Pushed {
    pub answers: BTreeMap<String, usize>,
    /// Connections that an instance did not know.
    unknown: Vec<String>,
    wrong: Vec<String>,
}

impl Pushed {
    /// A client that is there is known to every instance.
    pub fn unexplained(&self, logs: &[String]) -> Vec<String> {
        let ended = |id: &String| logs.iter().any(|log| is_ended(log, id));
        let unknown = self.unknown.iter().filter(|id| !ended(id));
        let unknown = unknown.map(|id| format!("a push to {id}, which never ended, was answered errNo 404"));
        self.wrong.iter().cloned().chain(unknown).collect()
    }
}

pub async fn push(platform: Platform, token: &str, is_over: watch::Receiver<bool>) -> Pushed {
    let mut pushed = Pushed::default();
    for turn in 0_usize.. {
        sleep(BETWEEN).await;
        if *is_over.borrow() {
            break;
        }
        let logs = platform.logs().await;
        let open: Vec<&str> = logs.iter().flat_map(|log| open(log)).collect();
        let Some(id) = open.get(turn * 7 % open.len().max(1)) else { continue };
        // What clients of the chat take for a notice.
        let body = json!({"websocket": {"action": "data send", "secConnectionID": id, "dataType": "text", "data": "* hello"}});
        let path = format!("/api-{token}");
        let reply = request(platform.address(), "POST", &path, &[], body.to_string().as_bytes()).await;
        let number = reply.err_no();
        *pushed.answers.entry(format!("errNo {number}")).or_default() += 1;
        match number {
            // 503 forgets no client: an instance is frozen, or was just resumed and has no connection to Redis yet.
            0 | 503 => {}
            404 => pushed.unknown.push((*id).to_owned()),
            _ => pushed.wrong.push(format!("a push was answered {} {}", reply.status, reply.body)),
        }
    }
    pushed
}

/// Connections that have not ended yet as this instance tells.
fn open(log: &str) -> impl Iterator<Item = &str> {
    let ids =
        log.lines().filter_map(|line| line.split_once("] ")?.1.split_once(" opened from ")).map(|(id, _)| id);
    ids.filter(|id| !is_ended(log, id))
}

fn is_ended(log: &str, id: &str) -> bool {
    let begins = |how| log.contains(&format!("] {id} {how}"));
    begins("closed") || begins("connection lost") || begins("idle")
}
