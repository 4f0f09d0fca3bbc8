//! A sharded Redis: the nodes find the server that has their keys, and follow them to another one.

use std::time::Duration;

use scf_websocket_test_harness::{Gateway, Need, Redis, eventually, needs};

use super::{
    faults::{readiness, with_admin},
    node::{process, process_with, send, wait_for_push},
};

const SLOTS: usize = 16_384;
const SERVERS: usize = 3;

/// Three servers, each with a third of the slots.
struct Sharded {
    servers: [Redis; SERVERS],
    /// The slot of the nodes' keys.
    slot: usize,
}

impl Sharded {
    async fn start() -> Self {
        let servers: [Redis; SERVERS] = std::array::from_fn(|_| Redis::start(&["--cluster-enabled", "yes"]));
        for (index, server) in servers.iter().enumerate() {
            let (first, end) = (SLOTS * index / SERVERS, SLOTS * (index + 1) / SERVERS);
            ok(server, &format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1));
            ok(server, &format!("CLUSTER MEET 127.0.0.1 {}", servers[0].port));
        }
        for server in &servers {
            eventually("a cluster of three servers", || {
                let info = server.command("CLUSTER INFO");
                let is_complete = ["state:ok", "known_nodes:3", "slots_ok:16384", "size:3"]
                    .iter()
                    .all(|part| info.contains(&format!("cluster_{part}\r\n")));
                is_complete.then_some(())
            })
            .await;
        }
        let slot = servers[0].command("CLUSTER KEYSLOT {scf-ws}:");
        let slot = slot.trim().trim_start_matches(':').parse().expect("a slot");
        Self { servers, slot }
    }

    /// The server that has the nodes' keys at the start.
    fn owner(&self) -> usize {
        (0..SERVERS).find(|index| self.slot < SLOTS * (index + 1) / SERVERS).expect("one of them")
    }

    fn another(&self) -> usize {
        (self.owner() + 1) % SERVERS
    }

    fn url_of(&self, servers: &[usize]) -> String {
        let addresses: Vec<_> =
            servers.iter().map(|&server| format!("127.0.0.1:{}", self.servers[server].port)).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// Moves the nodes' keys from their owner to another server, as `redis-cli --cluster reshard` does.
    fn move_keys(&self) {
        let (from, to) = (&self.servers[self.owner()], &self.servers[self.another()]);
        let id = |server: &Redis| bulk(&server.command("CLUSTER MYID")).remove(0);
        let slot = self.slot;
        ok(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from)));
        ok(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to)));
        loop {
            let keys = bulk(&from.command(&format!("CLUSTER GETKEYSINSLOT {slot} 100")));
            if keys.is_empty() {
                break;
            }
            let command = format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {}", to.port, keys.join(" "));
            let moved = from.command(&command);
            assert!(moved.starts_with("+OK") || moved.starts_with("+NOKEY"), "{moved}");
        }
        for server in [to, from].into_iter().chain(&self.servers) {
            ok(server, &format!("CLUSTER SETSLOT {slot} NODE {}", id(to)));
        }
    }
}

fn ok(server: &Redis, command: &str) {
    assert_eq!(server.command(command), "+OK\r\n", "{command}");
}

/// The strings of an answer.
fn bulk(answer: &str) -> Vec<String> {
    let lines = answer.lines().filter(|line| !line.starts_with(['*', '$']));
    lines.map(str::to_owned).collect()
}

async fn push(node: &Gateway, id: &str, text: &str) {
    let reply = node.push_json(send(id, text)).await;
    assert_eq!((reply.status, reply.err_no()), (200, 0), "{text}: {reply:?}");
}

#[tokio::test]
async fn nodes_serve_as_one_and_follow_their_keys_to_another_server() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let sharded = Sharded::start().await;
    // One node is told a server that has the keys, the other one servers that do not.
    let others: Vec<_> = (0..SERVERS).filter(|&server| server != sharded.owner()).collect();
    let urls = [sharded.url_of(&[sharded.owner()]), sharded.url_of(&others)];
    let [one, two] = urls.map(|url| process_with(&url, Duration::from_secs(2)).start());
    let (mut alice, mut bob) = (one.connect("/").await, two.connect("/").await);
    let ids = [alice.id(&one).await, bob.id(&two).await];
    for round in 0..3 {
        push(&one, &ids[1], &format!("to bob {round}")).await;
        assert_eq!(bob.next_text().await, format!("to bob {round}"));
        push(&two, &ids[0], &format!("to alice {round}")).await;
        assert_eq!(alice.next_text().await, format!("to alice {round}"));
    }

    sharded.move_keys();
    let new_server = format!("at 127.0.0.1:{}", sharded.servers[sharded.another()].port);
    for node in [&one, &two] {
        node.wait_for_log(&new_server).await;
    }
    for (node, id, client) in [(&one, &ids[1], &mut bob), (&two, &ids[0], &mut alice)] {
        wait_for_push(node, id, (200, 0)).await;
        // Earlier attempts may have arrived.
        push(node, id, "moved").await;
        while client.next_text().await != "moved" {}
    }
    let log = one.log() + &two.log();
    assert!(!log.contains("was declared lost") && !log.contains("is lost"), "{log}");

    one.signal("KILL");
    let cleanup = &two.wait_for_events("cleanup", 1).await[0];
    assert_eq!(
        (&cleanup["reason"], &cleanup["websocket"]["secConnectionID"]),
        (&"node lost".into(), &(*ids[0]).into())
    );
    wait_for_push(&two, &ids[0], (200, 404)).await;
    push(&two, &ids[1], "still here").await;
    assert_eq!(bob.next_text().await, "still here");
}

#[tokio::test]
async fn a_server_that_is_down_is_not_waited_for() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let sharded = Sharded::start().await;
    let another = &sharded.servers[sharded.another()];
    let url = sharded.url_of(&[sharded.another(), sharded.owner()]);
    another.pause();
    let node = process(&url).start();
    node.connect("/").await.id(&node).await;
    another.resume();
    let checked = process(&url).args(&["--check", "--online"]).output();
    assert!(checked.status.success(), "{checked:?}");
}

#[tokio::test]
async fn a_url_of_a_sharded_redis_refuses_servers_that_share_nothing() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let servers = [Redis::start(&[]), Redis::start(&[])];
    let [one, two] = servers.each_ref().map(|server| server.port);
    let node = process(&format!("redis+cluster://127.0.0.1:{one},127.0.0.1:{two}")).start();
    node.wait_for_log("it is not sharded: write cluster = \"redis://user:password@host\"").await;
    assert!(!node.log().contains("INFO ] connected to"), "{}", node.log());
}

#[tokio::test]
async fn a_url_of_one_server_is_refused_once_with_what_to_write() {
    if !needs(Need::Redis) || !needs(Need::Python) {
        return;
    }
    let sharded = Sharded::start().await;
    let another = &sharded.servers[sharded.another()];
    let url = another.url();
    let remedy = "this Redis is sharded: write cluster = \"redis+cluster://";
    let node = process(&url).start();
    node.wait_for_log(remedy).await;
    node.wait_for_log("the gateway starts without its cluster").await;
    assert_eq!(readiness(&with_admin(another).start().await).await.0, 503);
    assert_eq!(node.ask("/", &[]).await.status, 503);
    let log = node.log();
    assert_eq!(log.lines().filter(|line| line.contains("cannot connect to")).count(), 1, "{log}");
    assert!(!log.contains("INFO ] connected to") && !log.contains("has ended"), "{log}");
    let checked = process(&url).args(&["--check", "--online"]).output();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("FAILED cluster") && text.contains(remedy), "{text}");
}
