//! One measured run of each kind, with a Redis server and nodes of its own.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::bare;
use super::function::Functions;
use super::nodes::{Api, NODES, Nodes, PUSH_PATH};
use super::pusher::{Flow, Pusher, batch, flow, single};
use crate::Result;
use crate::gateway::load::Load;
use crate::table::float;
use crate::trial::{median, percentile};

/// As many as one batch may have.
pub const BATCH: usize = 1_000;
pub const IN_FLIGHT: usize = 32;
pub const CROWD: usize = 9_000;
pub const LOST: usize = 3_000;
/// Pushes one after the other, in turns of the local and the remote way.
pub const SINGLES: usize = 2_000;
pub const BATCHES: usize = 200;

const TURNS: usize = 4;
/// A tenth as many first, which do not count.
const WARM: usize = 10;
const TURN: Duration = Duration::from_millis(750);
const WARM_FAN_OUTS: usize = 5;
/// A third of the time between two renewals.
const PHASE: Duration = Duration::from_millis(556);
const IDLE: Duration = Duration::from_secs(3);
const CLOSING_TIMEOUT: Duration = Duration::from_mins(1);

/// The same of a push through the node that holds the clients, and through another one.
#[derive(Clone, Copy)]
pub struct Ways {
    pub p50: f64,
    pub p99: f64,
    /// With [`IN_FLIGHT`] of them.
    pub per_second: f64,
    /// CPU seconds of Redis for one, in sequence and with many in flight. The nodes' upkeep is included.
    pub redis: f64,
    pub redis_in_flight: f64,
    /// `PUBLISH` commands for one, likewise.
    pub messages: f64,
    pub messages_in_flight: f64,
    /// Bytes that Redis received for one with many in flight; it sends as many.
    pub bytes: f64,
    /// All of them, with those that are not counted otherwise.
    pushes: u64,
}

pub struct Pushes {
    pub local: Ways,
    pub remote: Ways,
    pub local_batch: Ways,
    pub remote_batch: Ways,
    /// From the request with a batch to the last client's receipt.
    pub local_received: f64,
    pub remote_received: f64,
    /// CPU seconds of Redis for the end of a connection.
    pub redis_closed: f64,
    /// Seconds of a message through Redis without gateways.
    pub bare: f64,
    /// CPU seconds of Redis for a node's look at another one.
    pub look: f64,
}

/// All clients are on the first node; the push goes to it, or to the second one.
pub fn pushes() -> Result<Pushes> {
    let functions = Functions::start()?;
    let nodes = Nodes::start(NODES, &Api::Seen(&functions))?;
    let mut load = Load::start(&nodes.all[0].server)?;
    load.connect(BATCH)?;
    let connections = functions.accepted();
    let singles: Vec<String> =
        connections.iter().map(|connection| single(connection, "a short frame")).collect();
    let batches = [batch(&connections, "a short frame")];
    let [local, remote] = ways(&nodes, &singles, SINGLES)?;
    load.await_frames(local.pushes + remote.pushes, CLOSING_TIMEOUT)?;
    let bare = bare::message(&nodes)?;
    let look = bare::look(&nodes)?;
    let [local_batch, remote_batch] = ways(&nodes, &batches, BATCHES)?;
    let frames = BATCH as u64 * (local_batch.pushes + remote_batch.pushes);
    load.await_frames(local.pushes + remote.pushes + frames, CLOSING_TIMEOUT)?;
    let local_received = received(&mut load, nodes.all[0].push_address, &connections)?;
    let remote_received = received(&mut load, nodes.all[1].push_address, &connections)?;
    let before = nodes.redis_time()?;
    load.close()?;
    functions.await_closed(&connections, CLOSING_TIMEOUT)?;
    let redis_closed = (nodes.redis_time()?.saturating_sub(before)).as_secs_f64() / float(BATCH as u64);
    Ok(Pushes {
        local,
        remote,
        local_batch,
        remote_batch,
        local_received,
        remote_received,
        redis_closed,
        bare,
        look,
    })
}

/// The local and the remote way.
fn ways(nodes: &Nodes, bodies: &[String], count: usize) -> Result<[Ways; 2]> {
    let addresses = [nodes.all[0].push_address, nodes.all[1].push_address];
    let mut pushers = [Pusher::connect(addresses[0])?, Pusher::connect(addresses[1])?];
    let mut taken: [Vec<f64>; 2] = Default::default();
    let mut used = [Used::default(); 2];
    let mut used_in_flight = [Used::default(); 2];
    let mut per_second: [Vec<f64>; 2] = Default::default();
    let mut bodies_in_turn = bodies.iter().cycle();
    for pusher in &mut pushers {
        for body in bodies_in_turn.by_ref().take(count / WARM) {
            pusher.push(body)?;
        }
    }
    for _ in 0..TURNS {
        for (way, pusher) in pushers.iter_mut().enumerate() {
            used[way].add(nodes, || {
                for body in bodies_in_turn.by_ref().take(count / TURNS) {
                    taken[way].push(pusher.push(body)?.as_secs_f64());
                }
                Ok((count / TURNS) as u64)
            })?;
        }
    }
    for _ in 0..TURNS {
        for way in 0..2 {
            used_in_flight[way].add(nodes, || {
                let Flow { pushes, elapsed } = flow(addresses[way], bodies, IN_FLIGHT, TURN)?;
                per_second[way].push(float(pushes) / elapsed.as_secs_f64());
                Ok(pushes)
            })?;
        }
    }
    let warm = (count / WARM) as u64;
    let way = |way: usize| -> Option<Ways> {
        let taken = &taken[way];
        Some(Ways {
            p50: median(taken.iter().copied())?,
            p99: percentile(taken.iter().copied(), 99)?,
            per_second: median(per_second[way].iter().copied())?,
            redis: used[way].redis_each(),
            redis_in_flight: used_in_flight[way].redis_each(),
            messages: used[way].messages_each(),
            messages_in_flight: used_in_flight[way].messages_each(),
            bytes: float(used_in_flight[way].bytes) / float(used_in_flight[way].pushes),
            pushes: warm + used[way].pushes + used_in_flight[way].pushes,
        })
    };
    way(0).zip(way(1)).map(<[Ways; 2]>::from).ok_or_else(|| "nothing was pushed".into())
}

/// What Redis did for some pushes.
#[derive(Default, Clone, Copy)]
struct Used {
    pushes: u64,
    redis: Duration,
    messages: u64,
    bytes: u64,
}

impl Used {
    fn add(&mut self, nodes: &Nodes, push: impl FnOnce() -> Result<u64>) -> Result<()> {
        let (time, messages, bytes) =
            (nodes.redis_time()?, nodes.redis.published()?, nodes.redis.received()?);
        self.pushes += push()?;
        self.redis += nodes.redis_time()?.saturating_sub(time);
        self.bytes += nodes.redis.received()?.saturating_sub(bytes);
        self.messages += nodes.redis.published()?.saturating_sub(messages);
        Ok(())
    }

    fn redis_each(&self) -> f64 {
        self.redis.as_secs_f64() / float(self.pushes)
    }

    fn messages_each(&self) -> f64 {
        float(self.messages) / float(self.pushes)
    }
}

/// From the request to the last client's receipt, the median of several.
fn received(load: &mut Load, address: SocketAddr, connections: &[String]) -> Result<f64> {
    let mut taken = Vec::new();
    for number in 0..WARM_FAN_OUTS {
        let payload = format!("a-frame-to-all-of-the-batch-{number}");
        let body = batch(connections, &payload);
        taken.push(load.fan_out_post(address, PUSH_PATH, &payload, &body)?.seconds());
    }
    median(taken).ok_or_else(|| "nothing was pushed".into())
}

/// One frame to [`CROWD`] clients, in seconds.
pub struct FanOut {
    pub one_node: RoomTime,
    pub three_nodes: RoomTime,
}

#[derive(Clone, Copy)]
pub struct RoomTime {
    pub first: f64,
    pub warm: f64,
    /// CPU seconds of Redis, the store of the room included.
    pub redis: f64,
}

pub fn fan_out() -> Result<FanOut> {
    Ok(FanOut { one_node: room(1)?, three_nodes: room(NODES)? })
}

fn room(count: usize) -> Result<RoomTime> {
    let nodes = Nodes::start(count, &Api::Room)?;
    let mut load = Load::start(&nodes.all[0].server)?;
    for node in &nodes.all {
        load.target(&node.server)?;
        load.connect(CROWD / count)?;
    }
    load.idle(Duration::from_secs(1))?;
    let first = load.fan_out_frame("the-first-frame")?.seconds();
    let before = nodes.redis_time()?;
    let mut warm = Vec::new();
    for number in 0..WARM_FAN_OUTS {
        warm.push(load.fan_out_frame(&format!("a-frame-to-all-{number}"))?.seconds());
    }
    let redis = nodes.redis_time()?.saturating_sub(before).as_secs_f64() / float(WARM_FAN_OUTS as u64);
    Ok(RoomTime { first, warm: median(warm).unwrap_or(f64::NAN), redis })
}

/// From `kill -9` to cleanup events, in seconds, and what connections cost Redis.
pub struct TakeOver {
    pub first: f64,
    pub last: f64,
    /// Cleanup events that came twice.
    pub repeated: f64,
    /// CPU seconds of Redis for one handshake.
    pub redis_handshake: f64,
    /// Bytes of Redis for one connection.
    pub record_bytes: f64,
    /// CPU seconds a second of Redis for the upkeep of all nodes.
    pub redis_idle: f64,
}

/// The round decides at which time after the node's last renewal it is killed.
pub fn take_over(round: usize) -> Result<TakeOver> {
    let functions = Functions::start()?;
    let mut nodes = Nodes::start(NODES, &Api::Seen(&functions))?;
    let mut load = Load::start(&nodes.all[0].server)?;
    let (time, bytes) = (nodes.redis_time()?, nodes.redis.memory()?);
    load.connect(LOST)?;
    let each = |sum: f64| sum / float(LOST as u64);
    let redis_handshake = each(nodes.redis_time()?.saturating_sub(time).as_secs_f64());
    let record_bytes = each(float(nodes.redis.memory()?.saturating_sub(bytes)));
    let time = nodes.redis_time()?;
    thread::sleep(IDLE);
    let redis_idle = nodes.redis_time()?.saturating_sub(time).as_secs_f64() / IDLE.as_secs_f64();
    let connections = functions.accepted();
    if connections.len() != LOST {
        return Err(format!("{} clients were accepted instead of {LOST}", connections.len()).into());
    }
    thread::sleep(PHASE * u32::try_from(round % 3)?);
    let killed = Instant::now();
    nodes.kill(0);
    let times = functions.await_closed(&connections, CLOSING_TIMEOUT)?;
    let after = |time: Option<&Instant>| {
        time.map_or(f64::NAN, |time| time.saturating_duration_since(killed).as_secs_f64())
    };
    Ok(TakeOver {
        first: after(times.first()),
        last: after(times.last()),
        repeated: float(functions.repeated() as u64),
        redis_handshake,
        record_bytes,
        redis_idle,
    })
}
