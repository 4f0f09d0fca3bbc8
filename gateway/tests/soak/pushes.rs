//! Pushes that the soak itself makes, as a function or any other program would, and what they were answered.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use scf_websocket_test_harness::try_request;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    journal::LifeId,
    logged::PUSH,
    runs::{RunId, Runs},
};

/// A gateway that is suspended does not answer.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Frame,
    Close,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `errNo` 0.
    Done,
    /// `errNo` 404.
    Gone,
    /// Status 503.
    Unreachable,
    /// The gateway was killed, or was suspended for too long.
    Missing,
    /// What docs/push.md does not have.
    Other(String),
}

/// One push.
#[derive(Debug, Clone)]
pub struct Push {
    pub kind: Kind,
    pub to: LifeId,
    /// The process that was asked.
    pub by: RunId,
    pub asked: Instant,
    pub answered: Instant,
    pub answer: Answer,
}

/// All pushes. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Pushes(Arc<Mutex<Vec<Push>>>);

impl Pushes {
    pub fn all(&self) -> MutexGuard<'_, Vec<Push>> {
        self.0.lock().expect("not poisoned")
    }

    /// Pushes to the connection of this id through this process, and waits for the answer.
    pub async fn make(&self, kind: Kind, (to, id): (LifeId, &str), by: RunId, runs: &Runs) {
        let number = {
            let now = Instant::now();
            let mut all = self.all();
            all.push(Push { kind, to, by, asked: now, answered: now, answer: Answer::Missing });
            all.len() - 1
        };
        let name = format!("{PUSH}{number}");
        let websocket = match kind {
            Kind::Frame => {
                json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": name})
            }
            Kind::Close => json!({"action": "closing", "secConnectionID": id, "code": 4001, "reason": name}),
        };
        let address = runs.push_address(by);
        let (host, path) = address.trim_start_matches("http://").split_once('/').expect("a path");
        let (path, body) = (format!("/{path}"), json!({ "websocket": websocket }).to_string());
        let headers = [("Connection", "close")];
        let answer = try_request(host, "POST", &path, &headers, body.as_bytes());
        let answer = match timeout(ANSWER, answer).await {
            Ok(Ok(reply)) => read(reply.status, &reply.body),
            Ok(Err(_)) | Err(_) => Answer::Missing,
        };
        let push = &mut self.all()[number];
        (push.answered, push.answer) = (Instant::now(), answer);
    }
}

fn read(status: u16, body: &str) -> Answer {
    let err_no = serde_json::from_str::<Value>(body).ok().and_then(|body| body["errNo"].as_i64());
    match (status, err_no) {
        (200, Some(0)) => Answer::Done,
        (200, Some(404)) => Answer::Gone,
        (503, Some(503)) => Answer::Unreachable,
        _ => Answer::Other(format!("{status} {body}")),
    }
}
