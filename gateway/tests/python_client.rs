//! A client of another language and another make, Python's `websockets`, finds nothing amiss.

use std::{path::Path, process::Command};

use scf_websocket_test_harness::{Need, echo, needs};

#[tokio::test]
async fn pythons_websockets_connects_sends_and_closes() {
    if !needs(Need::PythonWebsockets) {
        return;
    }
    let gateway = echo().start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/chat.py");
    let uri = format!("{}chat", gateway.clients);
    // Debian's own Python, which its package python3-websockets is for.
    let run =
        Command::new("/usr/bin/python3").arg(script).arg(uri).output().expect("/usr/bin/python3 starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let seen = String::from_utf8_lossy(&run.stdout);
    assert_eq!(seen, "sub-protocol chat\nsame\nsame\nclosed 1000\n");
    let closing = gateway.wait_for_events("cleanup", 1).await;
    assert_eq!(closing.len(), 1);
}
