//! The programs of docs/other-languages.md, each as a custom runtime and as an HTTP server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use scf_websocket_test_harness::{
    CLOSING, CONNECTING, Function, Need, Process, PushAddress, error, frame, needs, request, response,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::readme::file;
use crate::readme::markdown::sections;

/// Writes the document's program in this language to a file that can be run.
fn program(language: &str, folder: &Path) -> PathBuf {
    let document = sections(&file("docs/other-languages.md"));
    let blocks = document.iter().flat_map(|section| &section.code);
    let lines: Vec<_> =
        blocks.filter(|block| block.language == language).map(|block| block.lines.join("\n")).collect();
    let [text] = lines.as_slice() else { panic!("one program in {language}, not {}", lines.len()) };
    let path = folder.join("bootstrap");
    if language == "go" {
        let source = folder.join("function.go");
        fs::write(&source, text).expect("a file");
        let built =
            Command::new("go").args(["build", "-o"]).args([&path, &source]).output().expect("go runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    } else {
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    path
}

/// Either form of the program: an event becomes an answer or the message of a failure.
fn behaves(pushes: &PushAddress, output: &Process, invoke: impl Fn(&str) -> Result<String, String>) {
    let json = |event: &str| -> Value {
        serde_json::from_str(&invoke(event).expect("an answer")).expect("an answer in JSON")
    };
    let refused = serde_json::json!({"errNo": 401, "errMsg": "a name, please"});
    assert_eq!(json(CONNECTING), refused);
    let with_name = CONNECTING.replacen('{', r#"{"queryString":{"name":"ann"},"headers":{},"#, 1);
    let accepted = json(&with_name);
    assert_eq!(accepted["errNo"], 0);
    assert_eq!(accepted["websocket"]["secConnectionID"], "xawexasdfewezdfsdfeasdfffa==");
    assert_eq!(accepted["websocket"]["attributes"], serde_json::json!({"user": "ann"}));

    let ann = |event: &str| event.replacen('{', r#"{"attributes":{"user":"ann"},"#, 1);
    let sent = || -> Vec<Value> {
        let bodies = pushes.take_bodies();
        bodies
            .iter()
            .map(|body| serde_json::from_str::<Value>(body).expect("JSON")["websocket"].take())
            .collect()
    };
    for text in ["hello", "say \"hi\", é 你好"] {
        json(&ann(&frame("a", text)));
        let data = format!("ann: {text}");
        let expected = serde_json::json!({"action": "data send", "secConnectionID": "a", "dataType": "text", "data": data});
        assert_eq!(sent(), [expected]);
    }
    json(&ann(&frame("a", "bye")));
    let close = serde_json::json!({
        "action": "closing", "secConnectionID": "a", "code": 4000, "reason": "goodbye", "cleanup": true,
    });
    assert_eq!(sent(), [close]);
    json(&ann(CLOSING));
    output.await_output("ann left");
    pushes.forget("gone");
    json(&ann(&frame("gone", "hello")));
    assert!(!invoke("[]").expect_err("no event").is_empty());
    json(&ann(&frame("a", "still there")));
    assert_eq!(sent().len(), 2);
}

fn works_in(language: &str, need: Need) {
    if !needs(need) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = program(language, folder.path());
    let pushes = PushAddress::start();
    let (url, path) = (pushes.url(), std::env::var("PATH").unwrap_or_default());
    let path = format!("/usr/bin:/bin:{path}");
    let env = [("WS_PUSH_URL", url.as_str()), ("PATH", path.as_str())];

    let runtime = Function::of_program(&program, &env);
    behaves(&pushes, &runtime.process, |event| {
        let outcome = runtime.invoke(event);
        if event == "[]" { Err(error(&outcome)) } else { Ok(response(&outcome)) }
    });

    let server = Process::of(&program, &[env[0], env[1], ("PORT", "0")], &[]);
    let output = server.await_output("\n");
    let address = output.lines().find_map(|line| line.strip_prefix("listens at ")).expect("an address");
    let tokio = Runtime::new().expect("a tokio runtime");
    behaves(&pushes, &server, |event| {
        let headers = [("Content-Type", "application/json"), ("Connection", "close")];
        let reply = tokio.block_on(request(address, "POST", "/any", &headers, event.as_bytes()));
        match reply.status {
            200 => Ok(reply.body),
            500 => Err(reply.body),
            status => panic!("status {status}"),
        }
    });
}

#[test]
fn python() {
    works_in("python", Need::Python);
}

#[test]
fn node() {
    works_in("javascript", Need::Node);
}

#[test]
fn go() {
    works_in("go", Need::Go);
}
