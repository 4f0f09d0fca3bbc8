//! The commands of docs/push.md do what stands below them.

use std::process::Command;

use scf_websocket_test_harness::{InProcess, Need, needs};
use serde_json::Value;

/// The blocks of the document between three backticks: their language and text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let document = include_str!("../../docs/push.md");
    document.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

/// What an answer consists of, without what differs from one gateway to the next.
fn shape(answer: &Value) -> (Value, Value, Vec<String>, usize) {
    let fields = answer.as_object().expect("an object").keys().cloned().collect();
    let failed = answer["failed"].as_array().map_or(0, Vec::len);
    (answer["errNo"].clone(), answer["batch"].clone(), fields, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_prints_what_the_document_shows() {
    if !needs(Need::Curl) {
        return;
    }
    let gateway = InProcess::echo().start().await;
    let mut clients = [gateway.connect("/chat").await, gateway.connect("/chat").await];
    let mut ids = Vec::new();
    for client in &mut clients {
        ids.push(client.id(&gateway).await);
    }
    let blocks = blocks();
    let mut tried = 0;
    for pair in blocks.windows(2) {
        let [("sh", command), ("json", shown)] = pair else { continue };
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PUSH", &gateway.push).env("ID", &ids[0]).env("OTHER", &ids[1]);
        let output = tokio::task::spawn_blocking(move || shell.output()).await.expect("no panic");
        let printed = output.expect("sh").stdout;
        let printed: Value = serde_json::from_slice(&printed).expect("JSON");
        let shown: Value = serde_json::from_str(shown).expect("JSON in the document");
        assert_eq!(shape(&printed), shape(&shown), "{command}");
        tried += 1;
    }
    assert_eq!(tried, 6, "{blocks:?}");
    let [one, other] = &mut clients;
    assert_eq!(one.next_text().await, "hello");
    for client in [one, other] {
        assert_eq!(client.next_text().await, "hello, all");
        client.closed().await;
    }
}
