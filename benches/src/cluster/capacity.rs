//! What one Redis carries, on paper: a processor divided by what was measured.

use super::Rounds;
use super::nodes::NODES;
use super::report::seconds;
use super::trial::{BATCH, float};
use crate::table::{Table, thousands, us};

/// Redis carries out commands in one thread. Half of a processor is left for bursts, and for what is beside.
const LOAD: f64 = 0.5;
/// How long a client stays, in seconds, for the handshakes that many connections make.
const STAY: f64 = 600.0;

pub fn section(rounds: &Rounds) -> String {
    let push = rounds.push(|pushes| pushes.remote.redis_in_flight);
    let push_alone = rounds.push(|pushes| pushes.remote.redis);
    let batch = rounds.push(|pushes| pushes.remote_batch.redis_in_flight);
    let handshake = rounds.take_over(|take_over| take_over.redis_handshake);
    let closed = rounds.push(|pushes| pushes.redis_closed);
    let upkeep = rounds.take_over(|take_over| take_over.redis_idle) / float(NODES as u64);
    let record = rounds.take_over(|take_over| take_over.record_bytes);
    let each = |cost: f64| thousands(LOAD / cost);
    let mut table = Table::new(["one Redis at half of a processor", "CPU of one", "carries"]);
    let mut row = |name: String, cost: f64, carries: String| {
        table.row([name, us(seconds(cost)), carries]);
    };
    row("pushes to other nodes, many at once".into(), push, each(push) + " a second");
    row("the same, none at the same time as another".into(), push_alone, each(push_alone) + " a second");
    let frames = thousands(LOAD / batch * float(BATCH as u64));
    row(format!("batches of {BATCH}"), batch, format!("{} a second: {frames} frames", each(batch)));
    row("handshakes".into(), handshake, each(handshake) + " a second");
    row(
        "handshakes and ends of connections".into(),
        handshake + closed,
        each(handshake + closed) + " a second",
    );
    let connections = STAY * LOAD / (handshake + closed);
    row(
        format!("connections of {} minutes each", STAY / 60.0),
        (handshake + closed) / STAY,
        format!("{}, {:.1} GB", thousands(connections), connections * record / 1e9),
    );
    row("nodes that do nothing, by their upkeep, a second".into(), upkeep, each(upkeep));
    format!(
        "\
### What one Redis carries

On paper: {LOAD} processors of this machine divided by the CPU times above; each row alone. A connection's record takes \
{record:.0} bytes of Redis.

{table}"
    )
}
