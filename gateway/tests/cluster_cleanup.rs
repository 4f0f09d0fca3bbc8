//! Nodes of a cluster that are killed, stopped, restarted and cut off: each client that was accepted gets its cleanup.

mod left_over;
mod owner;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use scf_websocket_test_harness::{
    Client, Gateway, Need, Redis, ReservedPort, SOON,
    elsewhere::server::{Handler, Reply, Request, Server},
    eventually, from_file, is_suspended, needs, wait_until,
};
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_websockets::{CloseCode, Message};

/// Short, so that the tests are; a busy machine only makes nodes be declared lost that are not.
const LEASE_SECONDS: u32 = 2;

/// Functions that all nodes share, and what they were called with.
struct Functions {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    events: Mutex<Vec<(String, Value)>>,
    /// Whether cleanups wait for permits.
    holds: AtomicBool,
    /// Whether the cleanup function is unavailable.
    away: AtomicBool,
    permits: Mutex<Option<Arc<Semaphore>>>,
}

impl Functions {
    async fn start() -> Self {
        let state =
            Arc::new(State { permits: Mutex::new(Some(Arc::new(Semaphore::new(0)))), ..State::default() });
        let handler = {
            let state = Arc::clone(&state);
            Arc::new(move |request| -> futures_util::future::BoxFuture<'static, Reply> {
                let state = Arc::clone(&state);
                Box::pin(async move { state.answer(request).await })
            }) as Handler
        };
        Self { server: Server::start(handler, None).await, state }
    }

    /// The events of this role, by connection.
    fn events(&self, role: &str) -> HashMap<String, Vec<Value>> {
        let mut events: HashMap<String, Vec<Value>> = HashMap::new();
        for (_, event) in self.all().iter().filter(|(name, _)| name == role) {
            let id = event["websocket"]["secConnectionID"].as_str().expect("an id").to_owned();
            events.entry(id).or_default().push(event.clone());
        }
        events
    }

    fn all(&self) -> Vec<(String, Value)> {
        self.state.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many connections had a cleanup.
    async fn wait_for_cleanups(&self, count: usize) -> HashMap<String, Vec<Value>> {
        eventually(&format!("{count} cleanups"), || {
            Some(self.events("cleanup")).filter(|cleanups| cleanups.len() >= count)
        })
        .await
    }

    /// A further API at `/other`, whose cleanup function is there.
    fn other_api(&self, cleanup: SocketAddr) -> String {
        let functions = self.server.addr;
        format!(
            "[[api]]\npath = \"/other\"\nregister = \"http://{functions}/register\"\n\
             transfer = \"http://{functions}/transfer\"\ncleanup = \"http://{cleanup}/cleanup\"\n"
        )
    }

    /// From now on cleanups begin and do not end until they are allowed to.
    fn hold_cleanups(&self) {
        self.state.holds.store(true, Ordering::Release);
    }

    fn allow(&self, count: usize) {
        let permits = self.state.permits.lock().unwrap_or_else(PoisonError::into_inner);
        permits.as_ref().expect("a semaphore").add_permits(count);
    }

    fn release_cleanups(&self) {
        self.state.holds.store(false, Ordering::Release);
        self.allow(10_000);
    }
}

impl State {
    async fn answer(&self, request: Request) -> Reply {
        let role = request.target().rsplit('/').next().unwrap_or_default().to_owned();
        let event: Value = serde_json::from_slice(&request.body).expect("an event");
        if role == "cleanup" && self.away.load(Ordering::Acquire) {
            return Reply::status(503, "away");
        }
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push((role.clone(), event.clone()));
        if role == "cleanup" && self.holds.load(Ordering::Acquire) {
            let permits = self.permits.lock().unwrap_or_else(PoisonError::into_inner).clone();
            permits.expect("a semaphore").acquire().await.expect("open").forget();
        }
        let refused = event["requestContext"]["path"].as_str().is_some_and(|path| path.contains("refuse"));
        let answer = match role.as_str() {
            "register" if refused => json!({"errNo": 103, "errMsg": "not today"}),
            "register" => json!({"errNo": 0, "errMsg": "ok", "websocket": {
                "action": "connecting", "secConnectionID": event["websocket"]["secConnectionID"],
            }}),
            _ => event,
        };
        Reply::ok(answer.to_string())
    }
}

fn redis() -> Redis {
    // What is not on disk is lost when the server is stopped.
    Redis::start(&["--appendonly", "no"])
}

/// A node, on this port.
fn node_on(port: u16, redis: &Redis, functions: &Functions, further: &str) -> Gateway {
    start(port, &redis.url(), functions, (LEASE_SECONDS, 60), ("", further))
}

/// A node over this server, with further settings.
fn node_at(redis_url: &str, functions: &Functions, settings: &str) -> Gateway {
    start(0, redis_url, functions, (LEASE_SECONDS, 60), (settings, ""))
}

fn node_with_lease(seconds: u32, redis: &Redis, functions: &Functions) -> Gateway {
    start(0, &redis.url(), functions, (seconds, 60), ("", ""))
}

/// A node that waits so long for a function.
fn node_with_timeout(seconds: u32, redis: &Redis, functions: &Functions) -> Gateway {
    start(0, &redis.url(), functions, (LEASE_SECONDS, seconds), ("", ""))
}

fn start(
    port: u16,
    redis_url: &str,
    functions: &Functions,
    (lease, timeout): (u32, u32),
    (settings, further): (&str, &str),
) -> Gateway {
    let functions = format!("http://{}", functions.server.addr);
    from_file(&format!(
        "listen = \"127.0.0.1:{port}\"\ncluster = \"{redis_url}\"\ncluster_lease_seconds = {lease}\n\
         drain_seconds = 1\n{settings}[timeouts]\nclose_seconds = 1\n\
         [[api]]\npath = \"/chat\"\nregister = \"{functions}/register\"\ntransfer = \"{functions}/transfer\"\n\
         cleanup = \"{functions}/cleanup\"\nfunction_timeout_seconds = {timeout}\n{further}"
    ))
    .start()
}

fn node(redis: &Redis, functions: &Functions) -> Gateway {
    node_on(0, redis, functions, "")
}

async fn connect(gateway: &Gateway, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(gateway.connect("/chat/room").await);
    }
    clients
}

/// Connects as soon as clients are accepted.
async fn connect_when_ready(gateway: &Gateway) -> Client {
    for _ in 0..1000 {
        if let Ok((client, _)) = gateway.connect_with("/chat/room", &[]).await {
            return client;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("no client is accepted");
}

/// How many records all nodes have.
fn records(redis: &Redis) -> usize {
    let script = "EVAL \"local n = 0 for _, key in ipairs(redis.call('KEYS', '{scf-ws}:connections:*')) do \
        n = n + redis.call('HLEN', key) end return n\" 0";
    number(&redis.command(script))
}

/// How many nodes may have records.
fn nodes(redis: &Redis) -> usize {
    number(&redis.command("HLEN {scf-ws}:nodes"))
}

fn number(answer: &str) -> usize {
    answer.trim().trim_start_matches(':').parse().unwrap_or_else(|_| panic!("no number: {answer}"))
}

async fn wait_for_records(redis: &Redis, count: usize) {
    eventually(&format!("{count} records"), || (records(redis) == count).then_some(())).await;
}

async fn wait_for_nodes(redis: &Redis, count: usize) {
    eventually(&format!("{count} nodes"), || (nodes(redis) == count).then_some(())).await;
}

/// Each of the connections that register accepted has had its cleanup, once.
fn once_each(functions: &Functions) {
    let (registered, cleaned_up) = (functions.events("register"), functions.events("cleanup"));
    for id in registered.keys() {
        assert_eq!(cleaned_up.get(id).map(Vec::len), Some(1), "{id}: {:?}", cleaned_up.get(id));
    }
    assert_eq!(registered.len(), cleaned_up.len());
}

#[tokio::test]
async fn the_clients_of_a_killed_node_are_cleaned_up_after_by_another() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (killed, survivor) = (node(&redis, &functions), node(&redis, &functions));
    let (_lost, mut kept) = (connect(&killed, 20).await, connect(&survivor, 5).await);
    assert_eq!(records(&redis), 25);
    killed.signal("KILL");
    let cleaned_up = functions.wait_for_cleanups(20).await;
    for events in cleaned_up.values() {
        assert_eq!(events[0]["reason"], "node lost");
        assert_eq!(events[0]["websocket"]["action"], "closing");
    }
    wait_for_nodes(&redis, 1).await;
    assert_eq!(records(&redis), 5, "the survivor's own");
    survivor.wait_for_log("is taken over: 20 cleanups").await;
    for client in kept.drain(..) {
        client.close().await;
    }
    let cleaned_up = functions.wait_for_cleanups(25).await;
    let without_reason = cleaned_up.values().filter(|events| events[0].get("reason").is_none()).count();
    assert_eq!(without_reason, 5, "its own clients leave as ever");
    wait_for_records(&redis, 0).await;
    once_each(&functions);
}

#[tokio::test]
async fn as_long_as_nothing_fails_each_cleanup_is_called_once() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (mut leaving, staying) = (node(&redis, &functions), node(&redis, &functions));
    // The client leaves.
    for client in connect(&leaving, 3).await {
        client.close().await;
    }
    functions.wait_for_cleanups(3).await;
    // The register function refuses it.
    let refused = leaving.ask("/chat/refuse", &[]).await;
    assert_eq!(refused.status, 403);
    wait_for_records(&redis, 0).await;
    // A function closes it.
    let mut closed = connect(&leaving, 1).await.pop().expect("a client");
    let known = functions.events("cleanup");
    let id = functions.events("register").into_iter().find_map(|(id, events)| {
        let path = events[0]["requestContext"]["path"].as_str()?.to_owned();
        (!known.contains_key(&id) && !path.contains("refuse")).then_some(id)
    });
    let closing = json!({"action": "closing", "secConnectionID": id.expect("registered")});
    assert_eq!(leaving.push_json(closing).await.err_no(), 0);
    assert_eq!(closed.closed().await.0, CloseCode::NORMAL_CLOSURE);
    drop(closed);
    wait_for_records(&redis, 0).await;
    assert_eq!(functions.events("cleanup").len(), 3, "the function knows already");
    // The node shuts down, and the other one serves on.
    let mut drained = connect(&leaving, 10).await;
    let mut served = connect(&staying, 1).await;
    leaving.signal("TERM");
    for client in &mut drained {
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
    }
    drop(drained);
    assert!(leaving.ended().await.success());
    assert_eq!(nodes(&redis), 1, "it has left in order");
    assert_eq!(records(&redis), 1);
    served[0].send(Message::ping("still there")).await;
    let cleaned_up = functions.events("cleanup");
    assert_eq!(cleaned_up.len(), 13);
    for events in cleaned_up.values() {
        assert_eq!((events.len(), events[0].get("reason")), (1, None));
    }
}

/// Waits until the gateway has read what the client has sent.
async fn accepted(client: &mut Client) {
    client.send(Message::ping("read")).await;
    let pong =
        async { while !client.socket.next().await.expect("open").expect("a valid frame").is_pong() {} };
    timeout(SOON, pong).await.expect("a pong in time");
}

#[tokio::test]
async fn a_rolling_restart_carries_out_every_frame_that_was_accepted() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let mut old = node(&redis, &functions);
    let mut sent = 0;
    let mut clients = connect(&old, 10).await;
    let new = node(&redis, &functions);
    for client in &mut clients {
        for number in 0..20 {
            client.send_text(&format!("frame {number}")).await;
            sent += 1;
        }
        accepted(client).await;
    }
    old.signal("TERM");
    for client in &mut clients {
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
    }
    let again = connect(&new, 10).await;
    drop(clients);
    assert!(old.ended().await.success());
    let transfers: usize = functions.events("transfer").values().map(Vec::len).sum();
    assert_eq!(transfers, sent);
    assert_eq!(functions.events("cleanup").len(), 10);
    assert_eq!((nodes(&redis), records(&redis)), (1, 10));
    drop(again);
    functions.wait_for_cleanups(20).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_node_that_was_stopped_for_longer_than_its_lease_closes_its_clients_and_joins_again() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (stopped, survivor) = (node(&redis, &functions), node(&redis, &functions));
    let mut clients = connect(&stopped, 10).await;
    stopped.signal("STOP");
    wait_until(|| "the process is stopped".to_owned(), || is_suspended(stopped.pid()).then_some(()));
    functions.wait_for_cleanups(10).await;
    wait_for_nodes(&redis, 1).await;
    // It arrives at a node that does not know yet that it was declared lost.
    clients[0].send_text("late").await;
    stopped.signal("CONT");
    for client in &mut clients {
        let (code, text) = client.closed().await;
        assert_eq!((u16::from(code), text.as_str()), (1012, "the gateway was cut off"));
    }
    stopped.wait_for_log("was declared lost").await;
    assert!(functions.events("transfer").is_empty(), "its client has been cleaned up after");
    wait_for_nodes(&redis, 2).await;
    let again = connect(&stopped, 3).await;
    wait_for_records(&redis, 3).await;
    // Pushes find it under its new id.
    let cleaned_up = functions.events("cleanup");
    for id in functions.events("register").keys().filter(|id| !cleaned_up.contains_key(*id)) {
        let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"});
        push_until_accepted(&survivor, &push).await;
    }
    for client in again {
        client.close().await;
    }
    functions.wait_for_cleanups(13).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_survivor_that_is_killed_in_the_middle_is_survived() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (killed, first) = (node(&redis, &functions), node(&redis, &functions));
    let clients = connect(&killed, 100).await;
    functions.hold_cleanups();
    killed.signal("KILL");
    functions.wait_for_cleanups(1).await;
    functions.allow(10);
    wait_for_records(&redis, 90).await;
    first.signal("KILL");
    drop(clients);
    let second = node(&redis, &functions);
    functions.release_cleanups();
    let cleaned_up = functions.wait_for_cleanups(100).await;
    assert!(cleaned_up.values().all(|events| events[0]["reason"] == "node lost"));
    second.wait_for_log("is taken over: 90 cleanups").await;
    wait_for_records(&redis, 0).await;
    wait_for_nodes(&redis, 1).await;
    let more_than_once = functions.events("cleanup").values().filter(|events| events.len() > 1).count();
    assert!(more_than_once <= 90, "only what was not settled is repeated: {more_than_once}");
}

#[tokio::test]
async fn of_several_survivors_one_takes_each_node_over() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let [one, other, _third, _fourth] = [(); 4].map(|()| node(&redis, &functions));
    let _clients = (connect(&one, 60).await, connect(&other, 60).await);
    one.signal("KILL");
    other.signal("KILL");
    functions.wait_for_cleanups(120).await;
    wait_for_nodes(&redis, 2).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_survivor_that_shuts_down_in_the_middle_leaves_the_rest_to_another() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (killed, mut first) = (node(&redis, &functions), node(&redis, &functions));
    let _clients = connect(&killed, 100).await;
    functions.hold_cleanups();
    killed.signal("KILL");
    // As many as are called as long as none is answered.
    functions.wait_for_cleanups(4).await;
    first.signal("TERM");
    first.wait_for_log("SIGTERM").await;
    // Those that are called already may end, and others begin only if that was before the signal.
    functions.release_cleanups();
    assert!(first.ended().await.success());
    let second = node(&redis, &functions);
    functions.wait_for_cleanups(100).await;
    wait_for_nodes(&redis, 1).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
    drop(second);
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_gets_all_records_again() {
    if !needs(Need::Redis) {
        return;
    }
    let (mut redis, functions) = (redis(), Functions::start().await);
    let (killed, survivor) = (node(&redis, &functions), node(&redis, &functions));
    let (mut lost, mut kept) = (connect(&killed, 10).await, connect(&survivor, 5).await);
    redis.stop();
    // Existing clients go on, new ones are refused, and those that leave are cleaned up after.
    let refused = eventually_refused(&survivor).await;
    assert!(refused.to_ascii_lowercase().contains("\r\nretry-after: "), "{refused}");
    lost[0].send_text("on").await;
    eventually("the frame", || (!functions.events("transfer").is_empty()).then_some(())).await;
    kept.pop().expect("a client").close().await;
    let while_away = functions.wait_for_cleanups(1).await;
    redis.restart();
    wait_for_records(&redis, 14).await;
    wait_for_nodes(&redis, 2).await;
    killed.signal("KILL");
    let cleaned_up = functions.wait_for_cleanups(11).await;
    let lost = cleaned_up.values().filter(|events| events[0]["reason"] == "node lost").count();
    assert_eq!((while_away.len(), lost), (1, 10));
    wait_for_records(&redis, 4).await;
    for client in kept {
        client.close().await;
    }
    functions.wait_for_cleanups(15).await;
    wait_for_records(&redis, 0).await;
    assert!(functions.events("cleanup").values().all(|events| events.len() == 1));
}

/// Pushes until it is accepted; before, the connection's node may be out of reach.
async fn push_until_accepted(gateway: &Gateway, push: &Value) {
    for _ in 0..1000 {
        let reply = gateway.push_json(push.clone()).await;
        if reply.err_no() == 0 {
            return;
        }
        assert_eq!(reply.err_no(), 503, "the connection exists");
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the push is not accepted");
}

/// Waits until the node refuses a client with 503, and returns the answer's head.
async fn eventually_refused(gateway: &Gateway) -> String {
    for _ in 0..1000 {
        let reply = gateway.ask("/chat", &[]).await;
        if reply.status == 503 {
            return reply.head;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("a client is accepted whose record cannot be written");
}

#[tokio::test]
async fn a_redis_that_is_paused_for_longer_than_a_lease_costs_no_client() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let (one, other) = (node(&redis, &functions), node(&redis, &functions));
    let (mut clients, mut others) = (connect(&one, 5).await, connect(&other, 5).await);
    redis.pause();
    sleep(Duration::from_secs(u64::from(LEASE_SECONDS) * 3)).await;
    redis.resume();
    for gateway in [&one, &other] {
        gateway.wait_for_log("the lease is renewed again").await;
    }
    // Longer than it would take to declare one lost.
    sleep(Duration::from_secs(u64::from(LEASE_SECONDS) * 2)).await;
    assert!(functions.events("cleanup").is_empty());
    for client in clients.drain(..).chain(others.drain(..)) {
        client.close().await;
    }
    functions.wait_for_cleanups(10).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
}

#[tokio::test]
async fn a_node_that_is_alone_cleans_up_after_its_last_run() {
    if !needs(Need::Redis) {
        return;
    }
    let (redis, functions) = (redis(), Functions::start().await);
    let port = ReservedPort::new();
    let number = port.number();
    drop(port.listen());
    let mut first = node_on(number, &redis, &functions, "");
    let _clients = connect(&first, 10).await;
    first.signal("KILL");
    first.ended().await;
    let second = node_on(number, &redis, &functions, "");
    functions.wait_for_cleanups(10).await;
    second.wait_for_log("is taken over: 10 cleanups").await;
    wait_for_nodes(&redis, 1).await;
    wait_for_records(&redis, 0).await;
    once_each(&functions);
}
