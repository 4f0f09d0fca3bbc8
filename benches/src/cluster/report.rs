//! The tables of the section.

use super::Rounds;
use super::nodes::{LEASE, NODES};
use super::trial::{BATCH, BATCHES, CROWD, IN_FLIGHT, LOST, Pushes, SINGLES, Ways};
use crate::gateway::goals::Goals;
use crate::table::{Table, float, ms, ratio, seconds, thousands, us};

// Of the remote way to the local one.
const LATENCY: f64 = 3.0;
const THROUGHPUT: f64 = 0.5;
const TAKE_OVER: f64 = 2.0;

pub fn report(rounds: &Rounds) -> String {
    format!(
        "\
## Cluster

{NODES} gateways (`target/package/gateway`) and one redis-server without persistence on this machine, over loopback: nodes, \
Redis, clients and functions share the processors. The lease is the default, {LEASE} s. Each round has new processes; figures are \
medians of the rounds, *×* the median of the rounds' ratios.

{}
### A push to another node's client

A push to a client of the node whose push address is called (*same node*), and through another node. Latency is from the request \
to its answer, which says that the frame is in the client's queue: {SINGLES} single pushes and {BATCHES} batches of {BATCH} \
clients, one after the other on a kept connection, both ways in turns. *A second*: {IN_FLIGHT} connections, each of which pushes \
again as soon as it is answered; clients, nodes and Redis compete for the processors. *Received*: from the request to the last \
client's receipt. At the end, the clients have received every frame once. *Redis alone*: for comparison, twice the time of a message \
from `PUBLISH` to its subscriber without gateways, since a push to another node is a message there and one back; it depends on the scheduler.

{}
What a push through another node costs Redis, by its process's CPU time and its count of `PUBLISH`. Requests and answers that \
are under way at the same time share a message. *Bytes*: what Redis receives; it sends about as many.

{}
### One frame to {} clients

The first client sends a frame, and the packaged bootstrap pushes it to all, in batches: the room is in the same Redis. *Warm* is \
the median of five, to the last client's receipt.

{}
### After `kill -9`

A node with {} clients is killed, in each round at another time between two renewals. Times are from the kill to the arrival of closing events at the cleanup function, all of which \
the other nodes call.

{}
### What else costs Redis

CPU of Redis; handshakes are measured with 64 in flight, which share commands. docs/scale.md says what follows from it.

{}",
        goals(rounds),
        pushes(rounds),
        redis(rounds),
        thousands(float(CROWD as u64)),
        fan_out(rounds),
        thousands(float(LOST as u64)),
        take_over(rounds),
        upkeep(rounds),
    )
}

fn goals(rounds: &Rounds) -> Table {
    let mut goals = Goals::new();
    for (what, ways) in [("push", singles as fn(&Pushes) -> [Ways; 2]), ("batch", batches)] {
        let to_local = |figure: fn(&Ways) -> f64| Some(remote_to_local(rounds, ways, figure));
        goals.at_most(
            &format!("{what} to another node, p50 to the same node's"),
            LATENCY,
            "",
            to_local(|way| way.p50),
        );
        goals.at_most(
            &format!("{what} to another node, p99 to the same node's"),
            LATENCY,
            "",
            to_local(|way| way.p99),
        );
        let name = format!("{what} to another node, a second, to the same node's");
        goals.at_least(&name, THROUGHPUT, to_local(|way| way.per_second));
    }
    let last = slowest(rounds) / LEASE;
    goals.at_most("last cleanup after `kill -9`, the slowest round, in leases", TAKE_OVER, "", Some(last));
    goals.0
}

fn singles(pushes: &Pushes) -> [Ways; 2] {
    [pushes.local, pushes.remote]
}

fn batches(pushes: &Pushes) -> [Ways; 2] {
    [pushes.local_batch, pushes.remote_batch]
}

fn remote_to_local(rounds: &Rounds, ways: fn(&Pushes) -> [Ways; 2], figure: impl Fn(&Ways) -> f64) -> f64 {
    rounds.push(|pushes| {
        let [local, remote] = ways(pushes);
        figure(&remote) / figure(&local)
    })
}

fn pushes(rounds: &Rounds) -> Table {
    let mut table = Table::new(["", "p50", "p99", "a second", "received"]);
    let received = [|pushes: &Pushes| pushes.local_received, |pushes: &Pushes| pushes.remote_received];
    for (what, ways) in [("push", singles as fn(&Pushes) -> [Ways; 2]), ("batch", batches)] {
        for (index, by) in ["same node", "another node"].into_iter().enumerate() {
            let of = |figure: fn(&Ways) -> f64| rounds.push(|pushes| figure(&ways(pushes)[index]));
            table.row([
                format!("{what}, {by}"),
                us(seconds(of(|way| way.p50))),
                us(seconds(of(|way| way.p99))),
                thousands(of(|way| way.per_second)),
                if what == "batch" { ms(seconds(rounds.push(received[index]))) } else { "–".to_owned() },
            ]);
        }
        let to_local = |figure: fn(&Ways) -> f64| ratio(remote_to_local(rounds, ways, figure));
        if what == "push" {
            let alone = us(seconds(rounds.push(|pushes| 2.0 * pushes.bare)));
            table.row(["two messages, Redis alone", &alone, "–", "–", "–"]);
        }
        table.row([
            format!("{what}, ×"),
            to_local(|way| way.p50),
            to_local(|way| way.p99),
            to_local(|way| way.per_second),
            if what == "batch" {
                ratio(rounds.push(|pushes| pushes.remote_received / pushes.local_received))
            } else {
                "–".to_owned()
            },
        ]);
    }
    table
}

fn redis(rounds: &Rounds) -> Table {
    let mut table = Table::new(["", "messages", "CPU of Redis", "bytes"]);
    let mut row = |name: String, messages: f64, time: f64, bytes: String| {
        table.row([name, format!("{messages:.2}"), us(seconds(time)), bytes]);
    };
    for (what, ways) in [("push", singles as fn(&Pushes) -> [Ways; 2]), ("batch", batches)] {
        let of = |figure: fn(&Ways) -> f64| rounds.push(|pushes| figure(&ways(pushes)[1]));
        let alone = format!("{what}, one after the other");
        row(alone, of(|way| way.messages), of(|way| way.redis), "–".to_owned());
        row(
            format!("{what}, {IN_FLIGHT} in flight"),
            of(|way| way.messages_in_flight),
            of(|way| way.redis_in_flight),
            thousands(of(|way| way.bytes)),
        );
    }
    table
}

fn fan_out(rounds: &Rounds) -> Table {
    let mut table = Table::new(["", "first", "warm", "CPU of Redis"]);
    for (name, index) in [("one node", 0), ("three nodes", 1)] {
        let of = |figure: fn(&super::trial::RoomTime) -> f64| {
            rounds.fan_out(|fan_out| figure([&fan_out.one_node, &fan_out.three_nodes][index]))
        };
        table.row([
            name.to_owned(),
            ms(seconds(of(|room| room.first))),
            ms(seconds(of(|room| room.warm))),
            ms(seconds(of(|room| room.redis))),
        ]);
    }
    table.row([
        "×".to_owned(),
        ratio(rounds.fan_out(|fan_out| fan_out.three_nodes.first / fan_out.one_node.first)),
        ratio(rounds.fan_out(|fan_out| fan_out.three_nodes.warm / fan_out.one_node.warm)),
        ratio(rounds.fan_out(|fan_out| fan_out.three_nodes.redis / fan_out.one_node.redis)),
    ]);
    table
}

fn take_over(rounds: &Rounds) -> Table {
    let mut table = Table::new(["", "after"]);
    let last = |figure: f64| format!("{figure:.2} s");
    let soonest = rounds.take_overs.iter().map(|take_over| take_over.first).fold(f64::INFINITY, f64::min);
    table.row(["first cleanup, the soonest round".to_owned(), last(soonest)]);
    table.row(["first cleanup".to_owned(), last(rounds.take_over(|take_over| take_over.first))]);
    table.row(["last cleanup".to_owned(), last(rounds.take_over(|take_over| take_over.last))]);
    table.row(["last cleanup, the slowest round".to_owned(), last(slowest(rounds))]);
    let repeated = rounds.take_over(|take_over| take_over.repeated);
    table.row(["cleanups that came twice".to_owned(), thousands(repeated)]);
    table
}

fn upkeep(rounds: &Rounds) -> Table {
    let mut table = Table::new(["", ""]);
    let mut row = |name: String, figure: String| table.row([name, figure]);
    let handshake = rounds.take_over(|take_over| take_over.redis_handshake);
    let both = handshake + rounds.push(|pushes| pushes.redis_closed);
    row("a handshake".to_owned(), us(seconds(handshake)));
    row("a handshake and the connection's end".to_owned(), us(seconds(both)));
    // It reads the other's entry and whether it has its lease.
    row("a node's look at another one".to_owned(), us(seconds(rounds.push(|pushes| 2.0 * pushes.look))));
    let idle = rounds.take_over(|take_over| take_over.redis_idle);
    row(format!("{NODES} nodes without clients, a second"), us(seconds(idle)));
    let record = rounds.take_over(|take_over| take_over.record_bytes);
    row("memory of a connection's record".to_owned(), format!("{record:.0} bytes"));
    table
}

/// The latest cleanup of all rounds, in seconds.
fn slowest(rounds: &Rounds) -> f64 {
    rounds.take_overs.iter().map(|take_over| take_over.last).fold(0.0, f64::max)
}
