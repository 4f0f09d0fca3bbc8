//! Functions whose answers are integration responses.

use scf_websocket_test_harness::{Need, echo, needs};

#[tokio::test]
async fn the_answer_inside_counts() {
    if !needs(Need::Python) {
        return;
    }
    for how in ["1", "base64"] {
        let gateway = echo().args(&["--integration-response"]).env("WRAP", how).start();
        let mut client = gateway.connect("/").await;
        client.send_text("x").await;
        assert_eq!(client.next_text().await, "x");
        client.close().await;
        let refused = gateway.ask("/refuse", &[]).await;
        assert_eq!(
            (refused.status, refused.body.as_str()),
            (403, r#"{"errNo": 103, "errMsg": "not today"}"#)
        );
    }
}

#[tokio::test]
async fn another_status_than_200_is_a_failure() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--integration-response"]).env("WRAP", "1").start();
    let mut client = gateway.connect("/").await;
    client.send_text("status").await;
    assert_eq!(client.failed(&gateway).await, "the transfer function failed");
    let failed = gateway.wait_for_record("the failure", |record| record["outcome"] == "error").await;
    assert_eq!(failed["message"], "the function answered with status 500");
}

#[tokio::test]
async fn wrapped_and_unwrapped_are_not_mixed_up() {
    if !needs(Need::Python) {
        return;
    }
    let gateway = echo().args(&["--integration-response"]).start();
    let refused = gateway.ask("/", &[]).await;
    assert_eq!(refused.status, 502);
    gateway.wait_for_log("the answer is no integration response").await;
    let gateway = echo().env("WRAP", "1").start();
    assert_eq!(gateway.ask("/", &[]).await.status, 502);
}
