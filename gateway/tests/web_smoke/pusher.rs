//! Pushes from outside: to any instance, by the function's URL, for a client of any other.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

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
        let said = logs.iter().flat_map(|log| log.lines()).filter_map(|line| line.split_once("] "));
        let ends = said.filter_map(|(_, said)| said.split_once(' ')).filter(|(_, how)| is_end(how));
        let ended: HashSet<&str> = ends.map(|(id, _)| id).collect();
        let unknown = self.unknown.iter().filter(|id| !ended.contains(id.as_str()));
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
        let logs = platform.newest_lines().await;
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

/// Connections that have not ended yet as these lines tell.
fn open(lines: &str) -> Vec<&str> {
    let mut open = Vec::new();
    for (id, how) in lines.lines().filter_map(|line| line.split_once("] ")?.1.split_once(' ')) {
        if how.starts_with("opened from ") {
            open.push(id);
        } else if is_end(how) {
            open.retain(|open| *open != id);
        }
    }
    open
}

fn is_end(how: &str) -> bool {
    how.starts_with("closed") || how.starts_with("connection lost") || how.starts_with("idle")
}
