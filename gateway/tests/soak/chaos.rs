//! What goes wrong, and how often it did.

mod nodes;
mod redis;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{Redis, try_kill};
use tokio::{
    sync::{Mutex, RwLock, mpsc},
    task::JoinSet,
    time::sleep,
};

use self::redis::Loss;
use crate::{
    client::Order,
    dice::Dice,
    functions::{self, Program},
    journal::Journal,
    node::Node,
    pushes::{Kind, Pushes},
    runs::Runs,
    tallies::Tallies,
};

/// What chaos knows; a gateway that is in none is the only node. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    pub nodes: Vec<Arc<Mutex<Node>>>,
    pub program: Program,
    pub redis: Arc<Mutex<Redis>>,
    pub lease: Duration,
    pub runs: Runs,
    pub journal: Journal,
    pub pushes: Pushes,
    /// Held for reading while records are needed of which no process knows, or while none can be written: for writing
    /// while Redis loses data, and until every node has written its records again.
    pub records: Arc<RwLock<()>>,
    /// Held while Redis loses data.
    pub losing: Arc<Mutex<()>>,
}

/// A fault of a node or of Redis.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Suspend,
    /// With pushes and closes to its clients under way.
    SuspendWithPushes,
    CutOff,
    Replace,
    HangCleanups,
    RestartRedis,
    PauseRedis,
    FillRedis,
    LoseData(Loss),
}

/// The faults of a cluster, each as often as it comes before any comes again.
const OF_A_CLUSTER: &[Fault] = &[
    Fault::Kill,
    Fault::SuspendWithPushes,
    Fault::LoseData(Loss::Flush),
    Fault::CutOff,
    Fault::FillRedis,
    Fault::HangCleanups,
    Fault::PauseRedis,
    Fault::LoseData(Loss::Snapshot),
    Fault::Suspend,
    Fault::Replace,
    Fault::RestartRedis,
    Fault::SuspendWithPushes,
    Fault::LoseData(Loss::Restart),
    Fault::CutOff,
    Fault::Kill,
    Fault::PauseRedis,
];

/// Those of a gateway alone. One that is killed calls no cleanup function any more, and no other one does.
const OF_ONE: &[Fault] = &[
    Fault::PauseRedis,
    Fault::Suspend,
    Fault::RestartRedis,
    Fault::CutOff,
    Fault::PauseRedis,
    Fault::SuspendWithPushes,
    Fault::RestartRedis,
    Fault::Replace,
];

pub struct Chaos {
    pub cluster: Cluster,
    pub clients: Vec<mpsc::UnboundedSender<Order>>,
    pub dice: Dice,
    pub done: Tallies,
    deck: Vec<Fault>,
    /// What takes a while and goes on beside the rest. Whether it ended well.
    under_way: JoinSet<bool>,
}

impl Chaos {
    pub fn new(cluster: Cluster, clients: Vec<mpsc::UnboundedSender<Order>>) -> Self {
        let (dice, done) = (Dice::new(), Tallies::default());
        Self { cluster, clients, dice, done, deck: Vec::new(), under_way: JoinSet::new() }
    }

    /// Something every half second or so, for so long. Whether everything ended well.
    pub async fn reign(&mut self, time: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < time {
            sleep(Duration::from_millis(200 + self.dice.roll(600))).await;
            // They hit a cluster's nodes in turn.
            let faults = if self.is_alone() { 5 } else { 13 };
            match self.dice.roll(27 + faults) {
                0..6 => self.kill_a_function(),
                6..12 => self.pause_a_function(),
                12..18 => self.order(Order::Cut, "a client's line cut"),
                18..23 => self.order(Order::Close, "a connection closed"),
                23..27 => self.push(),
                _ => self.next_fault(),
            }
        }
        let mut ended_well = true;
        while let Some(result) = self.under_way.join_next().await {
            ended_well &= result.expect("a fault");
        }
        ended_well
    }

    fn is_alone(&self) -> bool {
        self.cluster.nodes.len() == 1
    }

    /// The next fault of the deck that can begin now.
    fn next_fault(&mut self) {
        if self.deck.is_empty() {
            let faults = if self.is_alone() { OF_ONE } else { OF_A_CLUSTER };
            self.deck = faults.iter().rev().copied().collect();
        }
        let next = (0..self.deck.len()).rev().find(|at| self.begin(self.deck[*at]));
        if let Some(at) = next {
            self.deck.remove(at);
        }
    }

    /// Whether it has begun.
    fn begin(&mut self, fault: Fault) -> bool {
        let Some(node) = self.a_node() else { return false };
        let (cluster, time) = (self.cluster.clone(), self.up_to(self.cluster.lease.mul_f64(2.5)));
        let begun = match fault {
            Fault::Kill => nodes::kill(cluster, node, time),
            Fault::Suspend => nodes::suspend(node, time),
            Fault::SuspendWithPushes => nodes::suspend_with_pushes(cluster, node, time, self.dice.roll(1000)),
            Fault::CutOff => nodes::cut_off(node, time),
            Fault::Replace => nodes::replace(cluster, node),
            Fault::HangCleanups => nodes::hang_cleanups(cluster, node, Duration::from_secs(1) + time),
            Fault::RestartRedis => Some(redis::restart(cluster, time / 3)),
            Fault::PauseRedis => Some(redis::pause(cluster, Duration::from_millis(100) + time * 7 / 10)),
            Fault::FillRedis => redis::fill(cluster, Duration::from_secs(1) + time),
            Fault::LoseData(loss) => redis::lose_data(cluster, loss, node, time),
        };
        if let Some(begun) = begun {
            self.done.count(fault.name());
            self.under_way.spawn(begun);
            return true;
        }
        false
    }

    fn up_to(&mut self, time: Duration) -> Duration {
        time.mul_f64(f64::from(u32::try_from(self.dice.roll(1000)).expect("small")) / 1000.0)
    }

    fn a_function(&mut self) -> Option<u32> {
        let node = self.a_node()?;
        // A node that something is done to has no functions worth it.
        let node = node.try_lock().ok()?.pid();
        self.cluster.program.process_of(node, &mut self.dice)
    }

    fn a_node(&mut self) -> Option<Arc<Mutex<Node>>> {
        let numbers: Vec<usize> = (0..self.cluster.nodes.len()).collect();
        self.dice.pick(&numbers).map(|number| Arc::clone(&self.cluster.nodes[number]))
    }

    fn kill_a_function(&mut self) {
        if let Some(pid) = self.a_function() {
            self.done.count("a function killed");
            try_kill(pid, "KILL");
        }
    }

    fn pause_a_function(&mut self) {
        let Some(pid) = self.a_function() else { return };
        self.done.count("a function paused");
        functions::pause(pid, Duration::from_millis(100 + self.dice.roll(2500)));
    }

    fn order(&mut self, order: Order, what: &'static str) {
        self.done.count(what);
        let client = usize::try_from(self.dice.roll(self.clients.len() as u64)).expect("one of them");
        // A client that is just connecting obeys as soon as it is connected.
        let _ = self.clients[client].send(order);
    }

    /// Sends a client something, or closes its connection, through any node.
    fn push(&mut self) {
        let (Some(owner), Some(asked)) = (self.a_node(), self.a_node()) else { return };
        let by = asked.try_lock().map(|node| node.run);
        let open = owner.try_lock().map(|node| nodes::open_connections(&node, &self.cluster.journal));
        let (Ok(by), Ok(open)) = (by, open) else { return };
        let at = usize::try_from(self.dice.roll(open.len().max(1) as u64)).expect("one of them");
        let Some((life, id)) = open.into_iter().nth(at) else { return };
        let kind = if self.dice.roll(2) == 0 { Kind::Frame } else { Kind::Close };
        self.done.count(if kind == Kind::Frame { "a push" } else { "a connection closed by a push" });
        let cluster = self.cluster.clone();
        self.under_way.spawn(async move {
            cluster.pushes.make(kind, (life, &id), by, &cluster.runs).await;
            true
        });
    }
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "a node killed",
            Self::Suspend => "a node suspended",
            Self::SuspendWithPushes => "a node suspended, with pushes and closes under way",
            Self::CutOff => "a node cut off",
            Self::Replace => "a node replaced",
            Self::HangCleanups => "a node killed, the cleanup functions hanging",
            Self::RestartRedis => "Redis killed and started again",
            Self::PauseRedis => "Redis paused",
            Self::FillRedis => "Redis without memory",
            Self::LoseData(Loss::Restart) => "Redis killed, its data lost",
            Self::LoseData(Loss::Flush) => "Redis emptied (FLUSHALL), a node being away",
            Self::LoseData(Loss::Snapshot) => "Redis back with an older snapshot",
        }
    }
}
