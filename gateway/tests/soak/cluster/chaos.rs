//! What goes wrong in a cluster, and how often it did.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{Redis, kill};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::sleep,
};

use super::node::Node;
use crate::{
    client::Order,
    dice::Dice,
    functions::{self, Program},
    tallies::Tallies,
};

pub struct Chaos {
    pub nodes: Vec<Arc<Mutex<Node>>>,
    pub program: Program,
    /// Of the cluster.
    pub redis: Arc<Mutex<Redis>>,
    pub clients: Vec<mpsc::UnboundedSender<Order>>,
    pub lease: Duration,
    pub dice: Dice,
    pub done: Tallies,
    /// What takes a while and goes on beside the rest.
    pub under_way: JoinSet<bool>,
}

impl Chaos {
    /// Something every half second or so, for so long. Whether all processes that were asked to end did so.
    pub async fn reign(&mut self, time: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < time {
            sleep(Duration::from_millis(200 + self.dice.roll(600))).await;
            match self.dice.roll(40) {
                0..6 => self.kill_a_function(),
                6..12 => self.pause_a_function(),
                12..20 => self.order(Order::Cut, "a client's line cut"),
                20..26 => self.order(Order::Close, "a connection closed"),
                26..29 => self.fail_a_node("a node killed", |node, time| Box::pin(kill_node(node, time))),
                29..32 => self.fail_a_node("a node suspended", |node, time| Box::pin(stop_node(node, time))),
                32..35 => self.fail_a_node("a node cut off", |node, time| Box::pin(cut_off_node(node, time))),
                35 => self.fail_a_node("a node replaced", |node, _| Box::pin(replace_node(node))),
                36 => self.restart_redis().await,
                37 => self.empty_redis().await,
                _ => self.pause_redis().await,
            }
        }
        let mut ended_well = true;
        while let Some(result) = self.under_way.join_next().await {
            ended_well &= result.expect("a node's fault");
        }
        ended_well
    }

    fn a_function(&mut self) -> Option<u32> {
        let node = self.a_node()?;
        // A node that something is done to has no functions worth it.
        let node = node.try_lock().ok()?.pid();
        self.program.process_of(node, &mut self.dice)
    }

    fn a_node(&mut self) -> Option<Arc<Mutex<Node>>> {
        let numbers: Vec<usize> = (0..self.nodes.len()).collect();
        self.dice.pick(&numbers).map(|number| Arc::clone(&self.nodes[number]))
    }

    fn kill_a_function(&mut self) {
        if let Some(pid) = self.a_function() {
            self.done.count("a function killed");
            kill(pid, "KILL");
        }
    }

    fn pause_a_function(&mut self) {
        let Some(pid) = self.a_function() else { return };
        self.done.count("a function paused");
        functions::pause(pid, Duration::from_millis(100 + self.dice.roll(2500)));
    }

    /// Does something to a node for up to two and a half leases, beside everything else.
    fn fail_a_node(&mut self, what: &'static str, fault: fn(Arc<Mutex<Node>>, Duration) -> NodeFault) {
        let Some(node) = self.a_node() else { return };
        if node.try_lock().is_err() {
            return;
        }
        self.done.count(what);
        let time = self.lease.mul_f64(f64::from(u32::try_from(self.dice.roll(250)).expect("small")) / 100.0);
        self.under_way.spawn(fault(node, time));
    }

    async fn restart_redis(&mut self) {
        self.done.count("Redis killed and started again");
        let pause = Duration::from_millis(self.dice.roll(1500));
        restart(&mut *self.redis.lock().await, pause).await;
    }

    /// Redis loses its data while all nodes live: nothing else knows of the clients of a node that is gone.
    async fn empty_redis(&mut self) {
        let pause = Duration::from_millis(self.dice.roll(1500));
        let mut nodes = Vec::new();
        for node in &self.nodes {
            nodes.push(node.lock().await);
        }
        let mut redis = self.redis.lock().await;
        // The leases of nodes that were killed end.
        sleep(self.lease).await;
        if !all_live(&redis, nodes.len()).await {
            return;
        }
        self.done.count("Redis killed, its data lost");
        redis.command("FLUSHALL");
        restart(&mut redis, pause).await;
        // Each node writes its records again when it has renewed its lease.
        all_live(&redis, nodes.len()).await;
        sleep(self.lease / 2).await;
    }

    async fn pause_redis(&mut self) {
        self.done.count("Redis paused");
        let pause = Duration::from_millis(100 + self.dice.roll(3500));
        let redis = self.redis.lock().await;
        redis.pause();
        sleep(pause).await;
        redis.resume();
    }

    fn order(&mut self, order: Order, what: &'static str) {
        self.done.count(what);
        let client = usize::try_from(self.dice.roll(self.clients.len() as u64)).expect("one of them");
        // A client that is just connecting obeys as soon as it is connected.
        let _ = self.clients[client].send(order);
    }
}

async fn restart(redis: &mut Redis, pause: Duration) {
    redis.stop();
    sleep(pause).await;
    redis.restart();
}

/// Waits, not for ever, until so many nodes have a lease and no others have records. Whether it came to that.
async fn all_live(redis: &Redis, nodes: usize) -> bool {
    let named = |kind: &str| -> HashSet<String> {
        let answer = redis.command(&format!("KEYS {{scf-ws}}:{kind}:*"));
        let names = answer.lines().filter_map(|line| line.strip_prefix(&format!("{{scf-ws}}:{kind}:")));
        names.map(str::to_owned).collect()
    };
    for _ in 0..100 {
        let live = named("node");
        if live.len() == nodes && named("connections").is_subset(&live) {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}

type NodeFault = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

async fn kill_node(node: Arc<Mutex<Node>>, time: Duration) -> bool {
    node.lock().await.kill(time).await;
    true
}

async fn stop_node(node: Arc<Mutex<Node>>, time: Duration) -> bool {
    node.lock().await.stop(time).await;
    true
}

async fn cut_off_node(node: Arc<Mutex<Node>>, time: Duration) -> bool {
    node.lock().await.cut_off(time).await;
    true
}

async fn replace_node(node: Arc<Mutex<Node>>) -> bool {
    node.lock().await.replace().await
}
