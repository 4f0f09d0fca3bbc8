//! What one Redis carries, on paper: a processor divided by what was measured.

use super::Rounds;
use super::nodes::{LEASE, NODES};
use super::trial::BATCH;
use crate::table::{Table, float, seconds, thousands, us};

/// Redis carries out commands in one thread. Half of a processor is left for bursts, and for what is beside.
const LOAD: f64 = 0.5;
/// How long a client stays, in seconds, for the handshakes that many connections make.
const STAY: f64 = 600.0;
/// How often each node looks at all others, in a lease.
const LOOKS: f64 = 4.0;
/// A look reads a node's entry and whether it has its lease.
const COMMANDS: f64 = 2.0;

pub fn section(rounds: &Rounds) -> String {
    let push = rounds.push(|pushes| pushes.remote.redis_in_flight);
    let push_bytes = rounds.push(|pushes| pushes.remote.bytes);
    let alone = rounds.push(|pushes| pushes.remote.redis);
    let batch = rounds.push(|pushes| pushes.remote_batch.redis_in_flight);
    let batch_bytes = rounds.push(|pushes| pushes.remote_batch.bytes);
    let handshake = rounds.take_over(|take_over| take_over.redis_handshake);
    let stay = handshake + rounds.push(|pushes| pushes.redis_closed);
    let record = rounds.take_over(|take_over| take_over.record_bytes);
    let connections = STAY * LOAD / stay;

    let mut table = Table::new(["", "CPU of one", "a second", "network each way"]);
    let mut row = |name: &str, cost: f64, bytes: Option<f64>| {
        let network =
            bytes.map_or("–".to_owned(), |bytes| format!("{:.2} Gbit/s", bytes * 8e-9 * LOAD / cost));
        table.row([name.to_owned(), us(seconds(cost)), thousands(LOAD / cost), network]);
    };
    row("pushes to other nodes, many at a time", push, Some(push_bytes));
    row("the same, one at a time", alone, None);
    row(&format!("batches of {BATCH} to one other node"), batch, Some(batch_bytes));
    row("handshakes", handshake, None);
    row("connections that come and go", stay, None);
    format!(
        "\
### What one Redis carries

On paper: {LOAD} processors like these divided by the CPU times above, each row alone. Handshakes are \
measured with 64 in flight, which share commands. With batches the network ends first: 1 Gbit/s \
carries {} batches a second. The handshakes of clients that stay for {} minutes \
allow {} connections; then memory ends first, as the records take {record:.0} bytes each, {:.1} GB. \
The upkeep of {NODES} nodes takes {} a second. A node that looks at another one costs {}, and each looks at all {LOOKS} times in a \
lease: {} nodes use up the half of a processor by that alone.

{table}",
        thousands(1e9 / 8.0 / batch_bytes),
        STAY / 60.0,
        thousands(connections),
        connections * record / 1e9,
        us(seconds(rounds.take_over(|take_over| take_over.redis_idle))),
        us(seconds(COMMANDS * rounds.push(|pushes| pushes.look))),
        thousands(most_nodes(rounds)),
    )
}

/// Upkeep of `n` nodes is `n` times that of one, and `n²` looks.
fn most_nodes(rounds: &Rounds) -> f64 {
    let look = COMMANDS * LOOKS / LEASE * rounds.push(|pushes| pushes.look);
    let one = rounds.take_over(|take_over| take_over.redis_idle) / float(NODES as u64);
    ((one * one + 4.0 * look * LOAD).sqrt() - one) / (2.0 * look)
}
