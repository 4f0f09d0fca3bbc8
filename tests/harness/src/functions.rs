//! Functions in the test's own process: a second implementation of the gateway's function backend.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use scf_websocket_gateway::function::{Call, Failure, FunctionBackend, Invoked, Role, Timings};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{SOON, request};

/// What a gateway in process needs of its functions, besides carrying out events.
pub(crate) trait TestFunctions: FunctionBackend {
    /// Names the push address, once it is known.
    fn push_to(&self, url: &str);

    /// Lets what holds continue.
    fn release(&self);

    /// One entry for each event: its role and the event.
    fn record(&self) -> Vec<Value>;
}

/// An `async fn` that gets the role and the event and returns the answer.
pub struct AsyncFn<F> {
    function: F,
    record: Mutex<Vec<Value>>,
}

impl<F> AsyncFn<F> {
    pub fn new(function: F) -> Self {
        Self { function, record: Mutex::default() }
    }
}

impl<F, R> FunctionBackend for AsyncFn<F>
where
    F: Fn(Role, Value) -> R + Send + Sync,
    R: Future<Output = Result<Value, Failure>> + Send,
{
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let event = parse(&call);
            note(&self.record, call.role, &event);
            measured((self.function)(call.role, event)).await
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl<F, R> TestFunctions for AsyncFn<F>
where
    F: Fn(Role, Value) -> R + Send + Sync,
    R: Future<Output = Result<Value, Failure>> + Send,
{
    fn push_to(&self, _: &str) {}

    fn release(&self) {}

    fn record(&self) -> Vec<Value> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Functions that follow the commands of `gateway/tests/runtimes/echo.py`, without a process.
#[derive(Default)]
pub struct Echo {
    push_url: OnceLock<String>,
    released: CancellationToken,
    record: Mutex<Vec<Value>>,
}

impl Echo {
    async fn carry_out(&self, role: Role, event: &Value) -> Result<Value, Failure> {
        match role {
            Role::Register => self.register(event).await,
            Role::Transfer => self.transfer(event).await,
            Role::Cleanup => Ok(event.clone()),
        }
    }

    async fn register(&self, event: &Value) -> Result<Value, Failure> {
        let path = event["requestContext"]["path"].as_str().unwrap_or_default();
        if path.contains("greet") {
            self.send(&event["websocket"]["secConnectionID"], "text", "welcome").await;
        }
        if path.contains("hold") {
            self.hold().await;
        }
        if path.contains("refuse") {
            return Ok(json!({"errNo": 103, "errMsg": "not today"}));
        }
        if let Some((_, number)) = path.split_once("errno-") {
            let number: i64 = number.parse().expect("a number");
            return Ok(json!({"errNo": number, "errMsg": "redis://10.0.0.7:6379 is away"}));
        }
        let mut websocket =
            json!({"action": "connecting", "secConnectionID": event["websocket"]["secConnectionID"]});
        if let Some(protocols) = event["websocket"].get("secWebSocketProtocol") {
            websocket["secWebSocketProtocol"] = protocols.clone();
        }
        if let Some((_, protocol)) = path.split_once("protocol-") {
            websocket["secWebSocketProtocol"] = protocol.into();
        }
        Ok(json!({"errNo": 0, "errMsg": "ok", "websocket": websocket}))
    }

    async fn transfer(&self, event: &Value) -> Result<Value, Failure> {
        let frame = &event["websocket"];
        let (connection, data) = (&frame["secConnectionID"], frame["data"].as_str().unwrap_or_default());
        let (word, rest) = data.split_once(' ').unwrap_or((data, ""));
        match word {
            _ if frame["dataType"] != "text" => _ = self.send(connection, "binary", data).await,
            "close" if rest == "me" => {
                self.push(json!({"action": "closing", "secConnectionID": connection})).await;
            }
            "fail" => return Err(Failure::Error("told to fail".into())),
            "hold" => self.hold().await,
            "drop" => {}
            "sleep" => {
                sleep(Duration::from_millis(rest.parse().expect("milliseconds"))).await;
                self.send(connection, "text", data).await;
            }
            "push" => {
                let (other, text) = rest.split_once(' ').expect("a connection and a text");
                let answer = self.send(&other.into(), "text", text).await;
                self.send(connection, "text", &answer.to_string()).await;
            }
            _ => _ = self.send(connection, "text", data).await,
        }
        Ok(event.clone())
    }

    async fn send(&self, connection: &Value, data_type: &str, data: &str) -> Value {
        let send = json!({"action": "data send", "secConnectionID": connection, "dataType": data_type, "data": data});
        self.push(send).await
    }

    async fn push(&self, websocket: Value) -> Value {
        let url = self.push_url.get().expect("the gateway has started");
        let (addr, path) = url.trim_start_matches("http://").split_once('/').expect("an address with a path");
        let body = json!({ "websocket": websocket }).to_string();
        let headers = [("Connection", "close")];
        request(addr, "POST", &format!("/{path}"), &headers, body.as_bytes()).await.json()
    }

    async fn hold(&self) {
        timeout(SOON * 3, self.released.cancelled()).await.expect("released");
    }
}

impl FunctionBackend for Echo {
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let event = parse(&call);
            note(&self.record, call.role, &event);
            measured(self.carry_out(call.role, &event)).await
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl TestFunctions for Echo {
    fn push_to(&self, url: &str) {
        self.push_url.set(url.to_owned()).expect("set once");
    }

    fn release(&self) {
        self.released.cancel();
    }

    fn record(&self) -> Vec<Value> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn parse(call: &Call<'_>) -> Value {
    serde_json::from_slice(&call.event).expect("an event is JSON")
}

fn note(record: &Mutex<Vec<Value>>, role: Role, event: &Value) {
    let entry = json!({"role": role.name(), "event": event});
    record.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
}

async fn measured(result: impl Future<Output = Result<Value, Failure>>) -> Invoked {
    let begun = Instant::now();
    let result = result.await.map(|answer| Bytes::from(answer.to_string()));
    let mut timings = Timings::default();
    timings.ran = Some(begun.elapsed());
    Invoked::new(result, timings)
}
