//! Who owns a connection while nodes freeze, are cut off, and Redis loses its data or its memory.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::future::join_all;
use scf_websocket_gateway::cluster::NodeId;
use scf_websocket_test_harness::{
    Client, Gateway, Need, Redis, eventually, is_suspended, needs, request, wait_until,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Functions, LEASE_SECONDS, connect, node, node_on, number, once_each, push_until_accepted, redis,
    wait_for_nodes, wait_for_records,
};

const LEASE: Duration = Duration::from_secs(LEASE_SECONDS as u64);

fn freeze(gateway: &Gateway) {
    gateway.signal("STOP");
    wait_until(|| "the process is stopped".to_owned(), || is_suspended(gateway.pid()).then_some(()));
}

/// The ids of all connections that register has accepted, sorted.
fn ids(functions: &Functions) -> Vec<String> {
    let mut ids: Vec<_> = functions.events("register").into_keys().collect();
    ids.sort();
    ids
}

fn closing(id: &str) -> Value {
    json!({"action": "closing", "secConnectionID": id})
}

fn frame(id: &str) -> Value {
    json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"})
}

async fn close_all(clients: Vec<Client>) {
    for client in clients {
        client.close().await;
    }
}

#[tokio::test]
async fn a_close_that_was_answered_with_503_is_not_carried_out() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let long = node_with_long_lease(&redis, &functions);
    let asker = node_with_long_lease(&redis, &functions);
    let mut clients = connect(&long, 5).await;
    freeze(&long);
    for id in ids(&functions) {
        let answer = asker.push_json(closing(&id)).await;
        assert_eq!((answer.status, answer.err_no()), (503, 503));
        let answer = asker.push_json(frame(&id)).await;
        assert_eq!((answer.status, answer.err_no()), (503, 503));
    }
    long.signal("CONT");
    for (client, id) in clients.iter_mut().zip(ids(&functions)) {
        push_until_accepted(
            &asker,
            &json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "on"}),
        )
        .await;
        client.send_text("still open").await;
    }
    eventually("frames", || (functions.events("transfer").len() == 5).then_some(())).await;
    for client in &mut clients {
        assert_eq!(client.next_text().await, "on", "no frame comes after its failed answer");
    }
    close_all(clients).await;
    functions.wait_for_cleanups(5).await;
    once_each(&functions);
}

/// Whether `/readyz` says that clients are welcome.
async fn is_ready(gateway: &Gateway) -> bool {
    let admin = gateway.page.as_deref().expect("an admin address");
    let addr = admin.trim_start_matches("http://").trim_end_matches('/');
    request(addr, "GET", "/readyz", &[("Connection", "close")], b"").await.status == 200
}

#[tokio::test]
async fn closes_that_redis_has_held_up_are_not_carried_out() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (owner, asker) = (node_with_long_lease(&redis, &functions), node_with_long_lease(&redis, &functions));
    let mut clients = connect(&owner, 5).await;
    redis.pause();
    let ids = ids(&functions);
    let answers = join_all(ids.iter().map(|id| asker.push_json(closing(id)))).await;
    for answer in answers {
        assert_eq!((answer.status, answer.err_no()), (503, 503));
    }
    redis.resume();
    // What Redis has held up has arrived by the time that this has.
    for id in &ids {
        push_until_accepted(&asker, &frame(id)).await;
    }
    for client in &mut clients {
        assert_eq!(client.next_text().await, "x");
        client.send_text("still open").await;
    }
    eventually("frames", || (functions.events("transfer").len() == 5).then_some(())).await;
    close_all(clients).await;
    functions.wait_for_cleanups(5).await;
    once_each(&functions);
}

fn node_with_long_lease(redis: &Redis, functions: &Functions) -> Gateway {
    super::node_with_lease(30, redis, functions)
}

#[tokio::test]
async fn a_remote_close_that_was_answered_needs_no_cleanup() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (owner, asker) = (node(&redis, &functions), node(&redis, &functions));
    let mut clients = connect(&owner, 3).await;
    for id in ids(&functions) {
        push_until_accepted(&asker, &closing(&id)).await;
    }
    for client in &mut clients {
        client.closed().await;
    }
    wait_for_records(&redis, 0).await;
    assert!(functions.events("cleanup").is_empty(), "the function knows already");
}

#[tokio::test]
async fn a_lost_node_stays_lost_when_redis_loses_its_data() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (frozen, survivor) = (node(&redis, &functions), node(&redis, &functions));
    let mut clients = connect(&frozen, 10).await;
    freeze(&frozen);
    functions.wait_for_cleanups(10).await;
    survivor.wait_for_log("is taken over: 10 cleanups").await;
    redis.command("FLUSHALL");
    frozen.signal("CONT");
    for client in &mut clients {
        assert_eq!(u16::from(client.closed().await.0), 1012);
    }
    wait_for_nodes(&redis, 2).await;
    // It accepts clients under another id.
    let later = connect(&frozen, 1).await;
    close_all(later).await;
    functions.wait_for_cleanups(11).await;
    once_each(&functions);
}

#[tokio::test]
async fn the_clients_of_a_node_that_was_cut_off_are_not_forgotten_with_redis_s_data() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (cut, survivor) = (node(&redis, &functions), node(&redis, &functions));
    let mut clients = connect(&cut, 10).await;
    let ids = ids(&functions);
    // The survivor has seen it.
    push_until_accepted(&survivor, &frame(&ids[0])).await;
    sleep(LEASE / 2).await;
    freeze(&cut);
    redis.command("FLUSHALL");
    let lost = format!("{{scf-ws}}:lost:{}", NodeId::of_connection(&ids[0]).expect("a node"));
    while redis.command(&format!("EXISTS {lost}")) == ":0\r\n" {
        let answer = survivor.push_json(frame(&ids[0])).await;
        let declared = redis.command(&format!("EXISTS {lost}")) == ":1\r\n";
        assert!(answer.err_no() == 503 || declared, "unknown before it is declared lost: {answer:?}");
    }
    cut.signal("CONT");
    for client in &mut clients {
        assert_eq!(u16::from(client.closed().await.0), 1012);
    }
    functions.wait_for_cleanups(10).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_node_that_joined_after_redis_s_last_snapshot_keeps_its_clients() {
    if !needs(Need::Redis) {
        return;
    }
    let mut redis = Redis::start(&["--appendonly", "no"]);
    let functions = Functions::start().await;
    let first = node(&redis, &functions);
    let _kept = connect(&first, 1).await;
    assert!(redis.command("SAVE").starts_with("+OK"));
    let late = node(&redis, &functions);
    let clients = connect(&late, 10).await;
    redis.stop();
    redis.restart();
    wait_for_records(&redis, 11).await;
    wait_for_nodes(&redis, 2).await;
    sleep(LEASE * 2).await;
    assert!(functions.events("cleanup").is_empty(), "{}", late.log());
    close_all(clients).await;
    functions.wait_for_cleanups(10).await;
    assert!(!late.log().contains("was declared lost"), "{}", late.log());
}

#[tokio::test]
async fn records_are_deleted_while_redis_has_no_memory_and_clients_are_refused() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let admin = "admin_listen = \"127.0.0.1:0\"\n";
    let gateway = super::node_at(&redis.url(), &functions, admin);
    let other = node(&redis, &functions);
    let clients = connect(&gateway, 20).await;
    assert!(is_ready(&gateway).await);
    let mut kept = connect(&other, 1).await;
    redis.command("CONFIG SET maxmemory 1");
    gateway.wait_for_log("Redis has no memory for further clients").await;
    let refused = gateway.ask("/chat", &[]).await;
    assert_eq!(refused.status, 503);
    assert!(!is_ready(&gateway).await);
    sleep(LEASE * 2).await;
    close_all(clients).await;
    functions.wait_for_cleanups(20).await;
    wait_for_records(&redis, 1).await;
    redis.command("CONFIG SET maxmemory 0");
    let again = super::connect_when_ready(&gateway).await;
    again.close().await;
    kept.pop().expect("a client").close().await;
    functions.wait_for_cleanups(22).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
    assert!(!gateway.log().contains("was declared lost"), "{}", gateway.log());
}

#[tokio::test]
async fn a_cleanup_function_that_hangs_during_a_take_over_is_called_again() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (killed, survivor) = (node(&redis, &functions), super::node_with_timeout(1, &redis, &functions));
    let _clients = connect(&killed, 100).await;
    functions.hold_cleanups();
    killed.signal("KILL");
    survivor.wait_for_log("is not completely taken over").await;
    let called: usize = functions.events("cleanup").values().map(Vec::len).sum();
    assert!(called < 100, "a few calls find out: {called}");
    functions.release_cleanups();
    functions.wait_for_cleanups(100).await;
    wait_for_records(&redis, 0).await;
    wait_for_nodes(&redis, 1).await;
}

#[tokio::test]
async fn the_cleanup_goes_to_the_api_that_has_registered_the_client() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let mut first = node(&redis, &functions);
    let _client = connect(&first, 1).await;
    first.signal("KILL");
    first.ended().await;
    // An API whose path is closer to the client's, and whose functions are elsewhere.
    let others = Functions::start().await;
    let closer = format!("http://{}", others.server.addr);
    let further = format!(
        "[[api]]\npath = \"/chat/room\"\nregister = \"{closer}/register\"\ntransfer = \"{closer}/transfer\"\n\
         cleanup = \"{closer}/cleanup\"\n"
    );
    let _second = node_on(0, &redis, &functions, &further);
    functions.wait_for_cleanups(1).await;
    assert!(others.events("cleanup").is_empty());
}

#[tokio::test]
async fn that_a_node_is_lost_is_known_without_asking() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (frozen, one, other) = (node(&redis, &functions), node(&redis, &functions), node(&redis, &functions));
    let _clients = connect(&frozen, 3).await;
    freeze(&frozen);
    functions.wait_for_cleanups(3).await;
    wait_for_nodes(&redis, 2).await;
    // Each survivor looks at the others within a quarter of a lease.
    sleep(LEASE).await;
    redis.pause();
    for survivor in [&one, &other] {
        for id in ids(&functions) {
            let answer = survivor.push_json(frame(&id)).await;
            assert_eq!((answer.status, answer.err_no()), (200, 404), "a frozen Redis answers nothing");
        }
    }
    redis.resume();
}

#[tokio::test]
async fn a_node_without_the_right_to_its_channel_accepts_no_clients_and_says_so_now_and_then() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    redis.command("ACL SETUSER gateway on >hunter2 ~{scf-ws}:* resetchannels +@all");
    let url = format!("redis://gateway:hunter2@127.0.0.1:{}", redis.port);
    let gateway = super::node_at(&url, &functions, "admin_listen = \"127.0.0.1:0\"\n");
    gateway.wait_for_log("cannot subscribe").await;
    sleep(LEASE).await;
    assert_eq!(gateway.ask("/chat", &[]).await.status, 503);
    assert!(!is_ready(&gateway).await);
    let lines = gateway.log().lines().filter(|line| line.contains("cannot subscribe")).count();
    assert_eq!(lines, 1, "{}", gateway.log());
    assert!(functions.events("register").is_empty());
    assert_eq!(number(&redis.command("HLEN {scf-ws}:nodes")), 1, "it renews its lease all the same");
    functions.state.away.store(false, Ordering::Release);
}
