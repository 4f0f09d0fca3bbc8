//! The limit on open files: the gateway raises its own as far as it may, and says when its limit of connections needs more.

use std::fs;

use futures_util::future::join_all;
use scf_websocket_test_harness::{Gateway, from_file};

const CLIENTS: usize = 100;

fn started(connections: usize) -> Gateway {
    from_file(&file(connections)).open_files(64, 400).start()
}

fn file(connections: usize) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n[limits]\nconnections = {connections}\nhandshakes_per_second_per_ip = 1000\n\
         [[api]]\npath = \"/\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
         transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n"
    )
}

/// The soft and the hard limit of a process.
fn limits(pid: impl std::fmt::Display) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("a process");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().expect("a soft limit"), words.next().expect("a hard limit"))
}

#[tokio::test]
async fn more_clients_than_the_soft_limit_connect_and_functions_keep_theirs() {
    let gateway = started(CLIENTS);
    gateway.wait_for_log("the limit of open files is raised from 64 to 400").await;
    let mut clients = join_all((0..CLIENTS).map(|_| gateway.connect("/"))).await;
    assert!(!gateway.log().contains("limits.connections"), "they fit: {}", gateway.log());
    assert_eq!(limits(gateway.pid()), ("400".to_owned(), "400".to_owned()));
    let functions: Vec<u32> = gateway
        .children()
        .into_iter()
        .filter(|pid| limits(pid) == ("64".to_owned(), "400".to_owned()))
        .collect();
    assert!(!functions.is_empty(), "a function that uses select fails with more files");
    let last = clients.last_mut().expect("a client");
    last.send_text("hello").await;
    assert_eq!(last.next_text().await, "hello");
}

#[tokio::test]
async fn connections_that_do_not_fit_are_a_warning_that_says_what_to_set() {
    let gateway = started(1000);
    gateway.wait_for_log("limits.connections = 1000 needs more than the 400 files").await;
    gateway.wait_for_log("and 144 connections are accepted: raise the hard limit").await;
    gateway.rewrite(&file(500));
    gateway.signal("HUP");
    gateway.wait_for_log("limits.connections = 500 needs more than the 400 files").await;
}
