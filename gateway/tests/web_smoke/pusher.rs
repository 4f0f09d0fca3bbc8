//! Pushes from outside: to any instance, by the function's URL, for a client of any other.

use std::{collections::BTreeMap, time::Duration};

use scf_websocket_test_harness::{request, web_platform::Platform};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{client::PUSHED, logged::lines};

const BETWEEN: Duration = Duration::from_millis(500);
/// How long a log may take to tell of an end.
const LOGGED: Duration = Duration::from_secs(1);
/// One in so many is larger than the platform's largest message.
const TOO_LARGE: usize = 10;

/// What was answered.
#[derive(Debug, Default)]
pub struct Pushed {
    pub answers: BTreeMap<String, usize>,
    pub pushes: Vec<Push>,
}

#[derive(Debug)]
pub struct Push {
    pub number: usize,
    pub id: String,
    pub asked: Instant,
    pub answered: Instant,
    pub err_no: i64,
    pub is_too_large: bool,
    /// Of one that was answered 404: whether the log then had the connection's end.
    pub has_ended: bool,
}

pub async fn push(platform: Platform, token: &str, is_over: watch::Receiver<bool>) -> Pushed {
    let mut pushed = Pushed::default();
    for number in 0_usize.. {
        sleep(BETWEEN).await;
        if *is_over.borrow() {
            break;
        }
        let logs = platform.newest_lines().await;
        let open: Vec<&str> = logs.iter().flat_map(|log| open(log)).collect();
        let Some(id) = open.get(number * 7 % open.len().max(1)) else { continue };
        let is_too_large = number % TOO_LARGE == TOO_LARGE - 1;
        let filler = if is_too_large { 256 * 1024 } else { 10 };
        let text = format!("{PUSHED}{number} {}", "x".repeat(filler));
        let body = json!({"websocket": {"action": "data send", "secConnectionID": id, "dataType": "text", "data": text}});
        let path = format!("/api-{token}");
        let asked = Instant::now();
        let reply = request(platform.address(), "POST", &path, &[], body.to_string().as_bytes()).await;
        let answered = Instant::now();
        let err_no = reply.err_no();
        *pushed.answers.entry(format!("errNo {err_no}")).or_default() += 1;
        let has_ended = err_no == 404 && ends(&platform, id).await;
        let id = (*id).to_owned();
        pushed.pushes.push(Push { number, id, asked, answered, err_no, is_too_large, has_ended });
    }
    pushed
}

/// Whether the log tells of the connection's end by now.
async fn ends(platform: &Platform, id: &str) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < LOGGED {
        let logs = platform.newest_lines().await;
        let mut lines = logs.iter().flat_map(|log| lines(log));
        if lines.any(|line| line.connection == id && !line.reason.is_empty()) {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Connections that have not ended yet as these lines tell.
fn open(log: &str) -> Vec<&str> {
    let mut open = Vec::new();
    for line in lines(log) {
        if line.is_opened() {
            open.push(line.connection);
        } else if !line.reason.is_empty() {
            open.retain(|open| *open != line.connection);
        }
    }
    open
}
