//! SIGHUP: the file is read again, new connections find the new settings, and no client is cut.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use scf_websocket_test_harness::{Client, Gateway, eventually, from_file};

const CLIENTS: usize = 20;

fn api(path: &str, generation: &str) -> String {
    format!(
        "[[api]]\npath = \"{path}\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
         transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n\
         function_timeout_seconds = 30\n\
         [api.env]\nRECORD = \"$FOLDER/record\"\nGENERATION = \"{generation}\"\n"
    )
}

fn file(apis: &[String]) -> String {
    limited("frames_per_second = 100000", apis)
}

fn limited(limits: &str, apis: &[String]) -> String {
    format!("listen = \"127.0.0.1:0\"\n[limits]\n{limits}\n{}", apis.concat())
}

async fn echoes(client: &mut Client, text: &str) {
    client.send_text(text).await;
    assert_eq!(client.next_text().await, text);
}

/// The generation of the functions that the newest client was registered by.
fn generation(gateway: &Gateway) -> String {
    let record = gateway.record();
    let registered = record.iter().rfind(|entry| entry["role"] == "register").expect("a client");
    registered["environment"]["GENERATION"].as_str().expect("a variable").to_owned()
}

#[tokio::test]
async fn a_broken_file_under_load_changes_nothing_and_a_sound_one_cuts_nobody() {
    let gateway = from_file(&file(&[api("/chat", "one"), api("/old", "one")])).start();
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = join_all((0..CLIENTS).map(|number| {
        let (gateway, stop, rounds) = (&gateway, &stop, &rounds);
        async move {
            let path = if number % 2 == 0 { "/chat" } else { "/old" };
            let mut client = gateway.connect(path).await;
            while !stop.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                echoes(&mut client, &format!("{number} in {round}")).await;
            }
            client.close().await;
        }
    }));
    let reloads = async {
        goes_on(&rounds).await;
        gateway
            .rewrite(&file(&[api("/chat", "two"), "[[api]]\npath = \"chat\"\nconections = 1\n".to_owned()]));
        gateway.signal("HUP");
        gateway.wait_for_log("the configuration stays as it was").await;
        gateway.wait_for_log("gateway.toml:14:8: api.path = \"chat\"").await;
        gateway.wait_for_log("gateway.toml:15:1: api.conections is not a known key").await;
        goes_on(&rounds).await;
        gateway.connect("/old").await.close().await;
        gateway.connect("/chat").await.close().await;
        assert_eq!(generation(&gateway), "one");

        gateway.rewrite(&file(&[api("/chat", "two"), api("/new", "two")]));
        gateway.signal("HUP");
        let done = "configuration reloaded, for new connections: API /chat changed, API /new added, API /old removed";
        gateway.wait_for_log(done).await;
        for path in ["/new", "/chat"] {
            let mut client = gateway.connect(path).await;
            assert_eq!(generation(&gateway), "two", "{path}");
            echoes(&mut client, "hello").await;
            client.close().await;
        }
        assert_eq!(gateway.ask("/old", &[]).await.status, 404);
        goes_on(&rounds).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, reloads);
}

/// Waits until each client has had more frames, on the average.
async fn goes_on(rounds: &AtomicUsize) {
    let before = rounds.load(Ordering::Relaxed);
    eventually("more frames", || (rounds.load(Ordering::Relaxed) > before + 3 * CLIENTS).then_some(())).await;
}

#[tokio::test]
async fn the_functions_of_a_removed_api_end_with_its_last_connection() {
    let gateway = from_file(&file(&[api("/chat", "one"), api("/old", "one")])).start();
    let mut last = gateway.connect("/old").await;
    echoes(&mut last, "before").await;
    let pids = gateway.pids("transfer");
    gateway.rewrite(&file(&[api("/chat", "one")]));
    gateway.signal("HUP");
    gateway.wait_for_log("API /old removed").await;
    echoes(&mut last, "after").await;
    assert_eq!(gateway.pids("transfer"), pids, "the process that it began with");
    last.close().await;
    gateway.wait_for_events("cleanup", 1).await;
    eventually("the processes of the removed API end", || {
        pids.iter()
            .all(|pid| !scf_websocket_test_harness::lives(u32::try_from(*pid).expect("a process id")))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_an_api_that_did_not_change_keeps_its_processes() {
    let gateway = from_file(&file(&[api("/chat", "one")])).start();
    let mut client = gateway.connect("/chat").await;
    echoes(&mut client, "before").await;
    let pids = gateway.pids("transfer");
    gateway.rewrite(&file(&[api("/chat", "one")]).replace("127.0.0.1:0", "127.0.0.1:1"));
    gateway.signal("HUP");
    gateway.wait_for_log("changed in the file, but in force only after a restart: listen").await;
    let mut another = gateway.connect("/chat").await;
    echoes(&mut another, "after").await;
    assert_eq!(gateway.pids("transfer"), pids);
    another.close().await;
    client.close().await;
}

#[tokio::test]
async fn limits_change_for_new_connections() {
    let limited = |connections: u32| limited(&format!("connections = {connections}"), &[api("/chat", "one")]);
    let gateway = from_file(&limited(1)).start();
    let mut first = gateway.connect("/chat").await;
    let refused = gateway.ask("/chat", &[]).await;
    assert_eq!(refused.json()["errMsg"], "the gateway has 1 connections, its limit");
    gateway.rewrite(&limited(2));
    gateway.signal("HUP");
    gateway.wait_for_log("configuration reloaded, for new connections: [limits]").await;
    let second = gateway.connect("/chat").await;
    assert_eq!(gateway.ask("/chat", &[]).await.status, 503);
    echoes(&mut first, "still here").await;
    second.close().await;
    first.close().await;
}

#[tokio::test]
async fn an_api_in_the_cloud_without_credentials_changes_nothing() {
    let gateway = from_file(&file(&[api("/chat", "one")])).start();
    let cloud = "[[api]]\npath = \"/cloud\"\nregister = \"scf:r\"\ntransfer = \"scf:t\"\ncleanup = \"scf:c\"\n\
                 [scf]\nregion = \"ap-guangzhou\"\n";
    gateway.rewrite(&file(&[api("/chat", "two"), cloud.to_owned()]));
    gateway.signal("HUP");
    gateway.wait_for_log("the configuration stays as it was").await;
    gateway.wait_for_log("set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY").await;
    assert_eq!(gateway.ask("/cloud", &[]).await.status, 404);
    gateway.connect("/chat").await.close().await;
    assert_eq!(generation(&gateway), "one");
}
