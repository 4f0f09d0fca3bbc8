//! Custom runtimes in the forms that public ones have run behind the gateway as they run on SCF.

use scf_websocket_test_harness::{Need, needs, runtime};

/// Two frames come back, through all three functions, each of them this program.
async fn serves(program: &str) {
    if !needs(Need::Python) {
        return;
    }
    let gateway = runtime(program).start();
    let mut client = gateway.connect("/").await;
    for text in ["one", "two"] {
        client.send_text(text).await;
        assert_eq!(client.next_text().await, text);
    }
    client.close().await;
    let cleaned_up = |record: &serde_json::Value| record["role"] == "cleanup" && record["outcome"] == "ok";
    gateway.wait_for_record("the cleanup", cleaned_up).await;
    assert!(!gateway.log().contains("exited with"), "a function has ended");
}

#[tokio::test]
async fn an_empty_ready() {
    serves("empty_ready.py").await;
}

#[tokio::test]
async fn a_ready_with_a_json_document() {
    serves("json_ready.py").await;
}

#[tokio::test]
async fn answers_in_chunks() {
    serves("chunked_answers.py").await;
}

#[tokio::test]
async fn a_new_connection_for_each_call() {
    serves("connection_per_call.py").await;
}

#[tokio::test]
async fn header_names_in_both_letter_cases() {
    serves("both_letter_cases.py").await;
}

#[tokio::test]
async fn next_asked_twice_before_an_answer() {
    serves("next_twice.py").await;
}
