//! The same scenarios in the harness and behind the gateway: what each client receives, and whether it is connected, must be
//! the same.

use std::collections::BTreeMap;

use scf_websocket::Functions;
use scf_websocket::testing::{self, Content, Harness};
use scf_websocket_test_harness::{Api, Client, Gateway};
use serde_json::Value;
use tokio_websockets::{CloseCode, Error, Message, upgrade};

use self::Step::{Bytes, Connect, Leave, Text};
use crate::programs::{chat, commands, quiz};

/// What a client does. `$ann` in a text stands for Ann's connection id.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// With this path, whose query has the client's name.
    Connect(&'static str, &'static str),
    Text(&'static str, &'static str),
    Bytes(&'static str, &'static [u8]),
    Leave(&'static str),
}

/// What came of a step: how it went for the client that acted, and what the clients received, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    acted: String,
    received: BTreeMap<String, Vec<Content>>,
}

/// The parameters of `/path?a=b&c=d`, which need no decoding here.
fn parameters(path: &str) -> (&str, Vec<(&str, &str)>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    (path, query.split('&').filter_map(|pair| pair.split_once('=')).collect())
}

/// The outcomes in the harness.
fn in_the_harness(functions: impl Functions, steps: &[Step]) -> Vec<Outcome> {
    let mut harness = Harness::new(functions);
    let act = |step: &Step| {
        let acted = match *step {
            Connect(name, path) => {
                let (path, query) = parameters(path);
                let client =
                    query.iter().fold(testing::Client::new(name).path(path), |client, (name, value)| {
                        client.query(name, value)
                    });
                match harness.connect(client) {
                    Ok(decision) if decision.is_accepted() => "accepted".to_owned(),
                    Ok(decision) if (400..600).contains(&decision.err_no()) => decision.err_no().to_string(),
                    Ok(_) => "403".to_owned(),
                    Err(_) => "502".to_owned(),
                }
            }
            Text(name, text) => done(harness.send_text(name, &text.replace('$', "")).is_ok()),
            Bytes(name, bytes) => done(harness.send_binary(name, bytes).is_ok()),
            Leave(name) => {
                harness.leave(name).expect("cleanup succeeds");
                done(true)
            }
        };
        let mut received: BTreeMap<String, Vec<Content>> = BTreeMap::new();
        for push in harness.pushes() {
            received.entry(push.connection).or_default().push(push.content);
        }
        Outcome { acted, received }
    };
    steps.iter().map(act).collect()
}

fn done(is_ok: bool) -> String {
    if is_ok { "done" } else { "failed" }.to_owned()
}

/// The clients of a gateway, by name, with their connections' ids.
struct World {
    gateway: Gateway,
    clients: BTreeMap<String, (String, Client)>,
    opened: usize,
    transfers: usize,
}

impl World {
    /// Does the step, and reads what the clients receive, which is as many frames as expected if all is well.
    async fn act(&mut self, step: &Step, expected: &Outcome) -> Outcome {
        let mut outcome = Outcome::default();
        match *step {
            Connect(name, path) => outcome.acted = self.connect(name, path).await,
            Text(name, text) => {
                let ids = self.clients.iter();
                let text =
                    ids.fold(text.to_owned(), |text, (name, (id, _))| text.replace(&format!("${name}"), id));
                self.client(name).send_text(&text).await;
                self.transfers += 1;
            }
            Bytes(name, bytes) => {
                self.client(name).send(Message::binary(bytes.to_vec())).await;
                self.transfers += 1;
            }
            Leave(name) => {
                let (_, mut client) = self.clients.remove(name).expect("connected");
                client.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
                let left_over = content(&client.next().await);
                assert_eq!(left_over, close(1000), "{name} received more than in the harness");
                outcome.acted = done(true);
            }
        }
        let transferred = self.settled().await;
        for (name, contents) in &expected.received {
            // One that was refused receives nothing.
            let Some((_, client)) = self.clients.get_mut(name) else { continue };
            let mut received = Vec::new();
            while received.len() < contents.len() {
                received.push(content(&client.next().await));
            }
            if matches!(received.last(), Some(Content::Close { .. })) {
                self.clients.remove(name);
            }
            outcome.received.insert(name.clone(), received);
        }
        if let Text(name, _) | Bytes(name, _) = *step {
            outcome.acted = done(transferred);
            if !transferred {
                let (_, mut client) = self.clients.remove(name).expect("still connected");
                let end = client.next().await;
                let (code, _) = end.as_close().unwrap_or_else(|| panic!("more than in the harness: {end:?}"));
                assert_eq!(code, CloseCode::INTERNAL_SERVER_ERROR);
            }
        }
        outcome
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let (_, client) = self.clients.get_mut(name).unwrap_or_else(|| panic!("{name} is not connected"));
        client
    }

    async fn connect(&mut self, name: &str, path: &str) -> String {
        let client = match self.gateway.connect_with(path, &[]).await {
            Ok((client, _)) => client,
            Err(Error::Upgrade(upgrade::Error::DidNotSwitchProtocols(status))) => return status.to_string(),
            Err(error) => panic!("no handshake: {error}"),
        };
        let opened = |record: &&Value| record["what"] == "opened";
        self.opened += 1;
        let records =
            self.gateway.records(|records| records.iter().filter(opened).count() == self.opened).await;
        let id =
            records.iter().rfind(opened).and_then(|record| record["connection"].as_str()).expect("an id");
        self.clients.insert(name.to_owned(), (id.to_owned(), client));
        "accepted".to_owned()
    }

    /// Waits until no event is running, and returns whether the last frame's event succeeded.
    async fn settled(&self) -> bool {
        let transfers = |records: &[Value]| {
            records
                .iter()
                .filter(|record| record["role"] == "transfer" && record["kind"] == "invocation")
                .count()
        };
        let records = self.gateway.records(|records| {
            transfers(records) == self.transfers
                && records.iter().all(|record| record["outcome"] != "running")
        });
        let records = records.await;
        let last =
            records.iter().rfind(|record| record["role"] == "transfer" && record["kind"] == "invocation");
        last.is_some_and(|record| record["outcome"] == "ok")
    }
}

fn content(message: &Message) -> Content {
    if let Some((code, reason)) = message.as_close() {
        return Content::Close { code: code.into(), reason: reason.to_owned() };
    }
    match message.as_text() {
        Some(text) => Content::Text(text.to_owned()),
        None => Content::Binary(message.as_payload().to_vec()),
    }
}

fn close(code: u16) -> Content {
    Content::Close { code, reason: String::new() }
}

/// Both, step by step. In the end all clients leave, so that nobody has received more.
async fn compare(functions: impl Functions, example: &str, steps: &[Step]) {
    let expected = in_the_harness(functions, steps);
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("dir:{}", folder.path().display());
    let gateway = Api::example(example).env("WS_STORE", &store).start();
    let mut world = World { gateway, clients: BTreeMap::new(), opened: 0, transfers: 0 };
    for (step, expected) in steps.iter().zip(&expected) {
        assert_eq!(world.act(step, expected).await, *expected, "{step:?}");
    }
    assert!(world.clients.is_empty(), "a scenario ends when all have left");
}

#[tokio::test]
async fn closes_failures_and_refusals() {
    let steps = [
        Connect("ann", "/?name=ann"),
        Connect("ben", "/?name=ben"),
        Connect("carl", "/?name=carl"),
        Connect("dora", "/refused?name=dora"),
        Connect("dora", "/numbered?name=dora"),
        Connect("dora", "/failing?name=dora"),
        Connect("dora", "/long?name=dora"),
        Text("ann", "room"),
        Bytes("ben", b"?"),
        Connect("ben", "/?name=ben"),
        Text("ben", "bytes"),
        Text("ann", "kick $ben"),
        Text("ann", "push $ben"),
        Text("ann", "room"),
        Text("carl", "close $ann"),
        Text("carl", "push $ann"),
        Text("carl", "push stranger"),
        Connect("ben", "/?name=ben"),
        Connect("ann", "/closed?name=ann"),
        Text("ben", "room"),
        Text("ben", "fail"),
        Text("carl", "kick $carl"),
        Connect("carl", "/?name=carl"),
        Text("carl", "close $carl"),
        Connect("ann", "/?name=ann"),
        Connect("ben", "/"),
        Text("ben", "push $ann"),
        Leave("ann"),
        Leave("ben"),
    ];
    compare(commands::Commands, "commands", &steps).await;
}

#[tokio::test]
async fn a_quiz() {
    let steps = [
        Connect("a", "/?name=ann&room=blue"),
        Connect("b", "/?name=ben&room=blue"),
        Connect("c", "/?name=ben&room=blue"),
        Connect("c", "/?room=blue"),
        Connect("c", "/?name=carl&room=.."),
        Connect("c", "/?name=carl&room=red"),
        Text("a", "16"),
        Text("a", "ask"),
        Text("b", "ask"),
        Text("b", "0"),
        Text("b", "14"),
        Text("b", "14"),
        Text("c", "scores"),
        Text("b", "scores"),
        Text("a", "kick ben"),
        Text("a", "kick ben"),
        Connect("b", "/?name=ben&room=blue"),
        Text("b", "kick ben"),
        Connect("b", "/?name=ben&room=blue"),
        Text("b", "scores"),
        Leave("c"),
        Leave("a"),
        Leave("b"),
    ];
    compare(quiz::Quiz, "quiz", &steps).await;
}

#[tokio::test]
async fn a_chat() {
    let steps = [
        Connect("a", "/"),
        Text("a", "*"),
        Text("a", "ann"),
        Text("a", "hello"),
        Connect("b", "/"),
        Text("b", "ann"),
        Text("b", "ben"),
        Text("b", "/who"),
        Text("b", "/msg ann psst"),
        Text("b", "/msg carl psst"),
        Text("b", "/join garden"),
        Text("b", "anyone?"),
        Text("a", "/join garden"),
        Text("a", "/who"),
        Leave("a"),
        Connect("c", "/"),
        Text("c", "ann"),
        Text("b", "/join lobby"),
        Leave("c"),
        Leave("b"),
    ];
    compare(chat::Chat, "chat", &steps).await;
}
