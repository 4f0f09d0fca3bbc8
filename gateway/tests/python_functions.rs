//! Python functions in the form of the vendor's samples, which `examples/python-samples/bootstrap` runs without a change: as
//! processes, at an HTTP address, and as custom runtimes in the cloud; and the README's way to try them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use scf_websocket_test_harness::{
    Api, Gateway, Need, Process,
    elsewhere::cloud::{Cloud, REGION},
    from_file, needs,
};
use serde_json::Value;
use tempfile::TempDir;

/// Answers with the event, after it has pushed the data to the connection of its constant as JSON. The address and the
/// connection are placeholders.
const FUNCTION: &str = r#"
import json
import urllib.request

g_connectionID = "nobody"
sendbackHost = "http://203.0.113.1/api-none"


def main_handler(event, context):
    websocket = event["websocket"]
    print("a %s event" % websocket["action"])
    if websocket["action"] == "connecting":
        return {"errNo": 0, "errMsg": "ok", "websocket": websocket}
    if websocket["action"] == "data recv":
        if websocket["data"] == "fail":
            raise ValueError("not this")
        push = {"action": "data send", "secConnectionID": g_connectionID, "dataType": "text"}
        push["data"] = json.dumps(websocket["data"])
        body = json.dumps({"websocket": push}).encode()
        urllib.request.urlopen(urllib.request.Request(sendbackHost, body), timeout=20).read()
    return event
"#;

fn runner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/python-samples/bootstrap")
}

fn function() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("index.py"), FUNCTION).expect("a module");
    symlink(runner(), folder.path().join("bootstrap")).expect("a link");
    folder
}

async fn serves(gateway: &Gateway) {
    serves_at(gateway, "/").await;
}

async fn serves_at(gateway: &Gateway, path: &str) {
    let mut client = gateway.connect(path).await;
    for text in ["hello", "a \"quote\""] {
        client.send_text(text).await;
        assert_eq!(client.next_text().await, Value::from(text).to_string(), "as a JSON string");
    }
    client.send_text("fail").await;
    let (code, reason) = client.closed().await;
    assert_eq!(u16::from(code), 1011, "{reason}");
}

#[tokio::test]
async fn run_as_processes() {
    if !needs(Need::Python) {
        return;
    }
    let folder = function();
    let gateway = Api::of(&folder.path().join("bootstrap")).start();
    serves(&gateway).await;
    gateway.wait_for_log("ValueError: not this").await;
    gateway.wait_for_log("a closing event").await;
}

/// The text between a document's fences that contains this.
fn block<'d>(document: &'d str, part: &str) -> &'d str {
    let mut blocks = document.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.find(|(_, text)| text.contains(part)).expect("the block").1
}

/// With the command and the file of the document.
#[tokio::test]
async fn run_at_an_http_address() {
    if !needs(Need::Python) {
        return;
    }
    let document = include_str!("../../docs/from-the-python-samples.md");
    let command = block(document, "examples/python-samples/bootstrap 8080");
    let names = command.trim().split(" 8080 ").nth(1).expect("the folders").split(' ');
    let folder = three_functions();
    let folders: Vec<String> = names.map(|name| folder.path().join(name).display().to_string()).collect();
    let file = |address: &str| {
        block(document, "http://127.0.0.1:8080/Register")
            .replace("\"127.0.0.1:9000\"", "\"127.0.0.1:0\"")
            .replace("http://127.0.0.1:8080", address)
    };
    // The push address is known once the gateway runs, and the functions' address once they run.
    let gateway = from_file(&file("http://127.0.0.1:1")).start();
    let path = std::env::var("PATH").unwrap_or_default();
    let environment = [("WS_PUSH_URL", gateway.push.as_str()), ("PATH", path.as_str())];
    let args: Vec<&str> = std::iter::once("0").chain(folders.iter().map(String::as_str)).collect();
    let functions = Process::of(&runner(), &environment, &args);
    let said = functions.await_output("functions at http://");
    let address = said.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    gateway.rewrite(&file(address));
    gateway.signal("HUP");
    gateway.wait_for_log("configuration reloaded, for new connections").await;
    serves_at(&gateway, "/websocket").await;
    functions.await_output("a closing event");
    functions.await_output("ValueError: not this");
}

/// A folder with the functions of the samples, each in its own.
fn three_functions() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["Register", "Transmission", "Delete"] {
        fs::create_dir(folder.path().join(name)).expect("a folder");
        fs::write(folder.path().join(name).join("index.py"), FUNCTION).expect("a module");
    }
    folder
}

#[tokio::test]
async fn run_in_the_cloud() {
    let Some(cloud) = Cloud::start().await else { return };
    cloud.account("AKIDexample", "the-key", None);
    let folder = function();
    let gateway = from_file(&format!(
        "listen = \"127.0.0.1:0\"\n[scf]\nregion = \"{REGION}\"\nendpoint = \"{}\"\n[[api]]\npath = \"/\"\n\
         register = \"scf:Register\"\ntransfer = \"scf:Transmission\"\ncleanup = \"scf:Delete\"\n",
        cloud.endpoint()
    ))
    .own_env("SSL_CERT_FILE", &cloud.authority.file.display().to_string())
    .own_env("TENCENTCLOUD_SECRET_ID", "AKIDexample")
    .own_env("TENCENTCLOUD_SECRET_KEY", "the-key")
    .start();
    for name in ["Register", "Transmission", "Delete"] {
        let variables = [("WS_PUSH_URL", gateway.push.as_str())];
        cloud.function("default", name, &folder.path().join("bootstrap"), &variables);
    }
    serves(&gateway).await;
    let called = cloud.called(5).await;
    assert_eq!(called, ["Register", "Transmission", "Transmission", "Transmission", "Delete"]);
}

/// The README's commands up to the last one, `make run`, whose ports are fixed. The gateway runs with the file that it names.
#[tokio::test]
async fn are_tried_as_the_readme_says() {
    if !needs(Need::Python) {
        return;
    }
    let block = block(include_str!("../../README.md"), "examples/python-samples/bootstrap");
    let (commands, run) = block.split_once("make run CONFIG=").expect("the last command");
    let config = run.split_whitespace().next().expect("a file");
    let checkout = three_functions();
    let root = checkout.path();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples"), root.join("examples"))
        .expect("a link");
    let run = Command::new("sh").args(["-ec", commands]).current_dir(root).output().expect("sh runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let file = fs::read_to_string(root.join(config))
        .expect("the file")
        .replace("admin_listen = \"127.0.0.1:9002\"", "listen = \"127.0.0.1:0\"")
        .replace("process:../..", &format!("process:{}", root.display()));
    serves_at(&from_file(&file).start(), "/websocket").await;
}
