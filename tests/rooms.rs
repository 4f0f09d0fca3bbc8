//! Rooms: three functions share a room through a store, frames reach all members, and gone connections are removed.
//!
//! The tests in `every_store` run against each store, and against a push address with and without batches.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use scf_websocket_test_harness::{
    Act, Batches, Function, Need, PushAddress, Redis, ReservedPort, RuntimeLimits, Wire, error, needs,
    response,
};

/// A store, and ways to inspect it from outside.
enum Store {
    Dir(tempfile::TempDir),
    Redis(Redis),
}

impl Store {
    fn url(&self) -> String {
        match self {
            Self::Dir(folder) => format!("dir:{}", folder.path().display()),
            Self::Redis(redis) => redis.url(),
        }
    }

    /// The number of connections in the room, including expired ones.
    fn count(&self, room: &str) -> usize {
        match self {
            Self::Dir(folder) => fs::read_dir(folder.path().join(room)).map_or(0, Iterator::count),
            Self::Redis(redis) => {
                let answer = redis.command(&format!("ZCARD ws:connections:{room}"));
                answer.trim().trim_start_matches(':').parse().expect("a number")
            }
        }
    }

    /// Moves the time at which the connection was last seen into the past.
    fn backdate(&self, room: &str, id: &str, by: Duration) {
        let then = SystemTime::now() - by;
        match self {
            Self::Dir(folder) => {
                let file = fs::File::open(folder.path().join(room).join(id)).expect("the connection's file");
                file.set_modified(then).expect("an older time");
            }
            Self::Redis(redis) => {
                let ms = then.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
                redis.command(&format!("ZADD ws:connections:{room} XX {ms} {id}"));
            }
        }
    }
}

/// The three functions of an API, and its push address.
struct Api {
    gateway: PushAddress,
    register: Function,
    transfer: Function,
    cleanup: Function,
}

impl Api {
    fn start(store: &Store, batches: Batches, more: &[(&str, &str)]) -> Self {
        let gateway = PushAddress::with(batches);
        let (url, store) = (gateway.url(), store.url());
        let function = |role| {
            let mut env = vec![
                ("WS_ROLE", role),
                ("WS_PUSH_URL", url.as_str()),
                ("WS_STORE", store.as_str()),
                ("WS_PUSH_TO", "all"),
                ("WS_PUSH_ENCODING", "raw"),
            ];
            env.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
            env.extend_from_slice(more);
            Function::start(&env)
        };
        Self {
            register: function("register"),
            transfer: function("transfer"),
            cleanup: function("cleanup"),
            gateway,
        }
    }

    fn connect(&self, id: &str) {
        let answer = response(&self.register.invoke(connecting(id)));
        assert!(answer.starts_with(r#"{"errNo":0,"#), "{answer}");
    }

    fn leave(&self, id: &str) {
        response(&self.cleanup.invoke(event("closing", id)));
    }

    /// Handles a frame from this connection and returns the ids that it was pushed to.
    fn send(&self, id: &str) -> BTreeSet<String> {
        self.gateway.take();
        response(&self.transfer.invoke(event("data recv", id)));
        let ids = self.gateway.take_ids();
        let reached: BTreeSet<String> = ids.iter().cloned().collect();
        assert_eq!(reached.len(), ids.len(), "each connection receives one push");
        reached
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn connecting(id: &str) -> String {
    format!(
        r#"{{"requestContext":{{}},"websocket":{{"action":"connecting","secConnectionID":{}}}}}"#,
        json(id)
    )
}

fn event(action: &str, id: &str) -> String {
    let data = if action == "data recv" { r#","dataType":"text","data":"hello""# } else { "" };
    format!(r#"{{"websocket":{{"action":"{action}","secConnectionID":{}{data}}}}}"#, json(id))
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// The behaviour that all stores share.
fn every_store(store: &Store, batches: Batches) {
    connections_come_and_go(store, batches);
    ids_of_any_kind_are_kept_apart(store, batches);
    expired_connections_are_removed(store, batches);
    rooms_are_separate(store, batches);
    gone_connections_are_removed(store, batches);
    an_outage_of_the_gateway_empties_no_room(store, batches);
    closed_connections_are_removed(store, batches);
    a_thousand_connections_are_all_reached(store, batches);
}

fn connections_come_and_go(store: &Store, batches: Batches) {
    let api = Api::start(store, batches, &[("WS_ROOM", "come-and-go")]);
    for id in ["a==", "b==", "c=="] {
        api.connect(id);
        api.connect(id);
    }
    assert_eq!(api.send("a=="), set(&["a==", "b==", "c=="]));
    let others = Api::start(store, batches, &[("WS_ROOM", "come-and-go"), ("WS_PUSH_TO", "others")]);
    assert_eq!(others.send("a=="), set(&["b==", "c=="]));
    api.leave("b==");
    api.leave("b==");
    api.leave("never-seen");
    assert_eq!(api.send("a=="), set(&["a==", "c=="]));
    api.leave("a==");
    api.leave("c==");
    assert_eq!(store.count("come-and-go"), 0);
}

fn ids_of_any_kind_are_kept_apart(store: &Store, batches: Batches) {
    let api = Api::start(store, batches, &[("WS_ROOM", "any.id")]);
    let (long, longer) = ("x".repeat(200), "你".repeat(200));
    let ids = [
        "/",
        "..",
        "../..",
        "a/b",
        ".",
        "",
        " ",
        "a b",
        "\n",
        "%",
        "%2F",
        "~",
        "é",
        "e\u{301}",
        "A",
        "a",
        "*",
        "\u{0}",
        "-inf",
        "$(id)",
        "a\r\nFLUSHALL\r\n",
        &long,
        &longer,
    ];
    for id in ids {
        api.connect(id);
    }
    assert_eq!(store.count("any.id"), ids.len());
    assert_eq!(api.send("a"), set(&ids));
    for id in ids {
        api.leave(id);
    }
    assert_eq!(store.count("any.id"), 0);
}

fn expired_connections_are_removed(store: &Store, batches: Batches) {
    let room = ("WS_ROOM", "expiry");
    let hour = Api::start(store, batches, &[room, ("WS_STORE_TTL", "3600")]);
    let never = Api::start(store, batches, &[room, ("WS_STORE_TTL", "0")]);
    for id in ["old", "renewed", "young"] {
        hour.connect(id);
        store.backdate("expiry", id, Duration::from_secs(if id == "young" { 3500 } else { 3700 }));
    }
    assert_eq!(never.send("young"), set(&["old", "renewed", "young"]));
    store.backdate("expiry", "young", Duration::from_secs(3500));
    // A frame renews its sender, regardless of WS_PUSH_TO.
    let sender = Api::start(store, batches, &[room, ("WS_PUSH_TO", "sender")]);
    assert_eq!(sender.send("renewed"), set(&["renewed"]));
    assert_eq!(hour.send("young"), set(&["renewed", "young"]));
    assert_eq!(store.count("expiry"), 2);
}

fn rooms_are_separate(store: &Store, batches: Batches) {
    let (one, two) = (
        Api::start(store, batches, &[("WS_ROOM", "one")]),
        Api::start(store, batches, &[("WS_ROOM", "two")]),
    );
    one.connect("in-one");
    two.connect("in-two");
    assert_eq!(one.send("in-one"), set(&["in-one"]));
    assert_eq!(two.send("in-two"), set(&["in-two"]));
}

fn gone_connections_are_removed(store: &Store, batches: Batches) {
    let api = Api::start(store, batches, &[("WS_ROOM", "gone")]);
    for id in ["stays", "gone-1", "gone-2"] {
        api.connect(id);
    }
    api.gateway.forget("gone-1");
    api.gateway.forget("gone-2");
    assert_eq!(api.send("stays").len(), 3);
    let line = "INFO pushes asked=3 delivered=1 gone=2 failed=0 untried=0";
    let output = api.transfer.process.await_output(line);
    assert!(!output.contains("WARN"), "{output}");
    assert_eq!(api.send("stays"), set(&["stays"]));

    // Only an `errNo` 404 says so. The status alone may be that of a proxy, or of a wrong address.
    for (status, body) in [(404, ""), (410, ""), (200, r#"{"errNo":503,"errMsg":"not now"}"#)] {
        api.connect("away");
        let gateway = Wire::start(move |request| {
            let away = String::from_utf8_lossy(&request.body).contains("away");
            vec![if away { Act::answer(status, "", body) } else { delivered(batches) }]
        });
        let transfer = transfer_to(&gateway, store, "gone", LIMIT);
        // A batch is refused as a whole, and its connections follow one by one.
        response(&transfer.invoke(event("data recv", "stays")));
        transfer.process.await_output("WARN pushes asked=2 delivered=1 gone=0 failed=1 untried=0");
        assert_eq!(store.count("gone"), 2, "{status}");
    }
}

/// SCF's default. A tenth of it is what a busy machine may be late by.
const LIMIT: Duration = Duration::from_secs(3);

fn delivered(batches: Batches) -> Act {
    Act::answer(200, "", batches.ok())
}

fn transfer_to(gateway: &Wire, store: &Store, room: &str, limit: Duration) -> Function {
    Function::with_limits(
        RuntimeLimits::new(128, limit),
        &[
            ("WS_ROLE", "transfer"),
            ("WS_PUSH_URL", &gateway.url()),
            ("WS_STORE", &store.url()),
            ("WS_ROOM", room),
            ("WS_PUSH_TO", "all"),
        ],
    )
}

fn an_outage_of_the_gateway_empties_no_room(store: &Store, batches: Batches) {
    let api = Api::start(store, batches, &[("WS_ROOM", "outage")]);
    let ids: Vec<String> = (0..40).map(|n| format!("id-{n}")).collect();
    for id in &ids {
        api.connect(id);
    }
    for status in [403, 404, 410, 500, 502, 503] {
        let gateway = Wire::start(move |_| vec![Act::answer(status, "", "<html>sorry</html>")]);
        let transfer = transfer_to(&gateway, store, "outage", LIMIT);
        let message = error(&transfer.invoke(event("data recv", "id-0")));
        assert!(message.starts_with("no push of this event reached the gateway"), "{message}");
        transfer.process.await_output("pushes asked=40 delivered=0 gone=0 failed=40 untried=0");
        assert_eq!(store.count("outage"), 40);
    }
    let busy = Wire::start(|_| vec![Act::answer(429, "", "")]);
    response(&transfer_to(&busy, store, "outage", LIMIT).invoke(event("data recv", "id-0")));
    assert_eq!(store.count("outage"), 40);

    let hang = Wire::start(|_| vec![Act::Wait(Duration::from_mins(1))]);
    let transfer = transfer_to(&hang, store, "outage", LIMIT);
    let message = error(&transfer.invoke(event("data recv", "id-0")));
    assert!(message.starts_with("no push of this event reached the gateway"), "{message}");
    transfer.process.await_output("pushes asked=40 delivered=0 gone=0 failed=32 untried=8");
    assert_eq!(store.count("outage"), 40);

    // 429 at first: every push is retried until it is delivered.
    let mut refusals = 60;
    let throttling = Wire::start(move |_| {
        refusals -= i32::from(refusals > 0);
        vec![if refusals > 0 { Act::answer(429, "", "") } else { delivered(batches) }]
    });
    let transfer = transfer_to(&throttling, store, "outage", Duration::from_secs(5));
    response(&transfer.invoke(event("data recv", "id-0")));
    transfer.process.await_output("INFO pushes asked=40 delivered=40 gone=0 failed=0 untried=0");
}

fn closed_connections_are_removed(store: &Store, batches: Batches) {
    let api =
        Api::start(store, batches, &[("WS_ROOM", "closed"), ("WS_CLOSE", "victim-1,victim-2,stranger")]);
    for id in ["leaver", "victim-1", "victim-2", "stays"] {
        api.connect(id);
    }
    api.gateway.forget("stranger");
    api.leave("leaver");
    assert_eq!(api.gateway.take_ids().len(), 3);
    assert_eq!(store.count("closed"), 1);
}

fn a_thousand_connections_are_all_reached(store: &Store, batches: Batches) {
    let api = Api::start(store, batches, &[("WS_ROOM", "thousand"), ("RUST_LOG", "warn")]);
    let ids: Vec<String> = (0..1000).map(|n| format!("connection/{n}==")).collect();
    for id in &ids {
        api.connect(id);
    }
    assert_eq!(api.send(&ids[0]).len(), 1000);
}

#[test]
fn the_directory_store() {
    for batches in Batches::BOTH {
        every_store(&Store::Dir(tempfile::tempdir().expect("a folder")), batches);
    }
}

#[test]
fn the_redis_store() {
    if !needs(Need::Redis) {
        return;
    }
    for batches in Batches::BOTH {
        every_store(&Store::Redis(Redis::start(&[])), batches);
    }
}

#[test]
fn a_directory_that_vanishes_is_an_error_until_it_is_back() {
    let base = tempfile::tempdir().expect("a folder");
    let path = base.path().join("mount");
    let store = format!("dir:{}", path.display());
    let env = |role| [("WS_ROLE", role), ("WS_STORE", store.as_str())];
    let (register, cleanup) = (Function::start(&env("register")), Function::start(&env("cleanup")));
    let refused = register.not_recorded("a");
    assert!(refused.starts_with("recording a connection in the store's folder "), "{refused}");
    assert!(refused.contains("No such file or directory"), "{refused}");
    fs::create_dir(&path).expect("mounted");
    assert!(response(&register.invoke(connecting("a"))).starts_with(r#"{"errNo":0,"#));
    response(&cleanup.invoke(event("closing", "a")));
    fs::remove_dir_all(&path).expect("unmounted");
    register.not_recorded("a");
}

#[test]
fn a_stray_file_is_ignored_with_one_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::Dir(folder);
    let api = Api::start(&store, Batches::Offered(1000), &[("WS_ROOM", "strays")]);
    api.connect("a");
    let Store::Dir(folder) = &store else { unreachable!() };
    let room = folder.path().join("strays");
    for name in ["README.txt", "%2f", "~0123", "a b"] {
        fs::write(room.join(name), "stray").expect("a stray file");
    }
    fs::create_dir(room.join("folder")).expect("a stray folder");
    for _ in 0..3 {
        assert_eq!(api.send("a"), set(&["a"]));
    }
    let output = api.transfer.process.await_output("folder is not a connection");
    assert_eq!(output.matches("is not a connection of this room and is ignored").count(), 5, "{output}");
}

#[test]
fn functions_survive_restarts_of_redis() {
    if !needs(Need::Redis) {
        return;
    }
    let mut redis = Redis::start(&[]);
    let store = redis.url();
    let gateway = PushAddress::start();
    let (url, room) = (gateway.url(), ("WS_ROOM", "restart"));
    let env = |role| {
        [
            ("WS_ROLE", role),
            ("WS_STORE", store.as_str()),
            room,
            ("WS_PUSH_URL", url.as_str()),
            ("WS_PUSH_TO", "all"),
        ]
    };
    let functions = ["register", "transfer", "cleanup"].map(|role| Function::start(&env(role)));
    let [register, transfer, cleanup] = &functions;
    response(&register.invoke(connecting("a")));
    response(&register.invoke(connecting("b")));
    response(&transfer.invoke(event("data recv", "a")));
    response(&cleanup.invoke(event("closing", "unknown")));
    redis.stop();
    let refused = register.not_recorded("c");
    assert!(refused.starts_with("the store redis://127.0.0.1:"), "{refused}");
    assert!(refused.contains("cannot be reached"), "{refused}");
    for (function, action) in [(transfer, "data recv"), (cleanup, "closing")] {
        let message = error(&function.invoke(event(action, "a")));
        assert!(message.contains("cannot be reached"), "{message}");
    }
    redis.restart();
    assert!(response(&register.invoke(connecting("c"))).starts_with(r#"{"errNo":0,"#));
    gateway.take();
    response(&transfer.invoke(event("data recv", "a")));
    assert_eq!(gateway.take_ids().len(), 3, "no member was lost");
    response(&cleanup.invoke(event("closing", "a")));
    // A restart between two events leaves stale connections, which has no visible effect.
    redis.stop();
    redis.restart();
    gateway.take();
    response(&transfer.invoke(event("data recv", "b")));
    assert_eq!(gateway.take_ids().len(), 2);
}

#[test]
fn redis_keeps_one_connection() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let register = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &redis.url())]);
    for n in 0..20 {
        response(&register.invoke(connecting(&n.to_string())));
    }
    let info = redis.command("INFO stats");
    let received = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    // The function's and this one.
    assert_eq!(received, Some("2"), "{info}");
}

#[test]
fn redis_errors_become_clear_messages() {
    if !needs(Need::Redis) {
        return;
    }
    let refusal =
        |url: &str| Function::start(&[("WS_ROLE", "register"), ("WS_STORE", url)]).not_recorded("a");
    let locked = Redis::start(&["--requirepass", "sesame"]);
    let at = format!("127.0.0.1:{}", locked.port);
    assert!(
        refusal(&format!("redis://{at}"))
            .ends_with("requires a password: put user:password@ before the host in WS_STORE")
    );
    let wrong = refusal(&format!("redis://:wrong@{at}"));
    assert!(
        wrong.contains("refuses the user or password of WS_STORE") && !wrong.contains("wrong@"),
        "{wrong}"
    );
    let open = Function::start(&[("WS_ROLE", "register"), ("WS_STORE", &format!("redis://:sesame@{at}/1"))]);
    assert!(response(&open.invoke(connecting("a"))).starts_with(r#"{"errNo":0,"#));

    let redis = Redis::start(&[]);
    redis.command("SET ws:connections:default something");
    let message = refusal(&redis.url());
    assert!(message.contains("another type of value at ws:connections:default"), "{message}");
    redis.command("DEL ws:connections:default");
    redis.command("CONFIG SET maxmemory 1");
    assert!(refusal(&redis.url()).contains("is out of memory"));
    redis.command("CONFIG SET maxmemory 0");
    let primary = ReservedPort::new();
    redis.command(&format!("REPLICAOF 127.0.0.1 {}", primary.number()));
    assert!(refusal(&redis.url()).contains("is a read-only replica"));
}

#[test]
fn a_read_only_replica_lists_rooms_and_accepts_clients_once_promoted() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let store = Store::Redis(redis);
    let api = Api::start(&store, Batches::Offered(1000), &[]);
    api.connect("a");
    let Store::Redis(redis) = &store else { unreachable!() };
    redis.command("CONFIG SET replica-serve-stale-data yes");
    let primary = ReservedPort::new();
    redis.command(&format!("REPLICAOF 127.0.0.1 {}", primary.number()));
    assert_eq!(api.send("a"), set(&["a"]));
    api.transfer.process.await_output("WARN connection \"a\" was not renewed: the store redis://127.0.0.1:");
    redis.command("REPLICAOF NO ONE");
    api.connect("b");
    assert_eq!(api.send("a"), set(&["a", "b"]));
}

#[test]
fn a_paused_redis_times_out_and_works_again_when_resumed() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    let limits = RuntimeLimits::new(128, Duration::from_secs(1));
    let env = [("WS_ROLE", "register"), ("WS_STORE", &redis.url())];
    let function = Function::with_limits(limits, &env);
    assert!(response(&function.invoke(connecting("before"))).contains(r#""errNo":0"#));
    redis.pause();
    let refused = function.not_recorded("meanwhile");
    assert!(refused.contains("did not answer in time"), "{refused}");
    redis.resume();
    assert!(response(&function.invoke(connecting("after"))).contains(r#""errNo":0"#));
}

#[test]
fn a_store_that_hangs_times_out() {
    let hang = Wire::start(|_| vec![Act::Wait(Duration::from_mins(1))]);
    let store = format!("redis://127.0.0.1:{}", hang.port);
    let env = [("WS_ROLE", "register"), ("WS_STORE", store.as_str())];
    let register = Function::with_limits(RuntimeLimits::new(128, LIMIT), &env);
    let refused = register.not_recorded("a");
    assert!(refused.contains("did not answer in time"), "{refused}");
}

#[test]
fn concurrent_functions_lose_no_connection() {
    concurrent_functions(&Store::Dir(tempfile::tempdir().expect("a folder")));
    if needs(Need::Redis) {
        concurrent_functions(&Store::Redis(Redis::start(&[])));
    }
}

fn concurrent_functions(store: &Store) {
    let url = store.url();
    let env = |role| [("WS_ROLE", role), ("WS_STORE", url.as_str()), ("WS_ROOM", "crowd")];
    let pairs: Vec<_> =
        (0..4).map(|_| (Function::start(&env("register")), Function::start(&env("cleanup")))).collect();
    thread::scope(|scope| {
        for (number, (register, cleanup)) in pairs.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..50 {
                    response(&register.invoke(connecting(&format!("stays-{number}-{n}"))));
                    response(&register.invoke(connecting("shared")));
                    response(&cleanup.invoke(event("closing", "shared")));
                }
            });
        }
    });
    response(&pairs[0].1.invoke(event("closing", "shared")));
    assert_eq!(store.count("crowd"), 200);
}
