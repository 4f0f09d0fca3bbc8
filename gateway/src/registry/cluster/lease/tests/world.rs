//! Nodes, clients and a Redis, and what becomes of them step by step. The nodes decide with the real state machines; the
//! world runs what these want, or lets it fail.

mod data;
mod pushes;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use redis::cmd;

use super::{
    Fault, Step,
    clock::{Clock, LEASE, TICK, times},
};
use crate::{
    function::remote::client::Trust,
    registry::{
        Cleaned,
        cluster::{
            lease::{
                command::{LeaseCommand, Records, Reply},
                keeper::{Keeper, Next, Standing},
                knowledge::Knowledge,
                store::Store,
            },
            node::NodeId,
            redis::{Redis, RedisError, RedisUrl},
            takeover::{
                watch::Watch,
                work::{Work, WorkOutcome},
            },
        },
    },
};

const RECORD: &str = "10.0.0.1 /chat";

/// A message to Redis.
#[derive(Debug, Clone)]
enum Message {
    OfKeeper(LeaseCommand),
    OfWatch(Work),
}

/// What a client was promised, and got.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each of its own")]
struct Client {
    accepted: bool,
    closed_by_function: bool,
    /// Its node was dead when Redis lost its data, or died before it had written its records again: nothing is left that
    /// knows of the client.
    forgotten: bool,
    /// A survivor has called its cleanup.
    taken_over: bool,
    cleanups: u32,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "faults, each of its own")]
pub(super) struct Node {
    keeper: Keeper,
    watch: Watch,
    knowledge: Knowledge,
    /// Clients that are connected, of this id and of those before.
    clients: BTreeSet<String>,
    /// Those that have left and whose cleanup is not decided.
    due: BTreeSet<String>,
    /// Those of which the node is finished.
    finished: BTreeSet<String>,
    /// In which epoch the records of earlier ids were complete.
    complete_in: BTreeMap<NodeId, Option<String>>,
    cleanups: VecDeque<Work>,
    settles: VecDeque<Work>,
    /// Cleanups of take-overs that are not settled.
    unsettled: BTreeSet<String>,
    last_number: u64,
    connects: u64,
    /// Since when its connection to Redis has not been interrupted.
    up_since: u32,
    stopped: bool,
    cut: bool,
    loses_answers: bool,
    hangs: bool,
    /// Redis has lost the node's records, which are not written again yet.
    unrecorded: bool,
    renewed_since: bool,
}

impl Node {
    fn reconnects(&mut self, now: u32) {
        self.connects += 1;
        self.up_since = now;
    }
}

pub(super) struct World {
    redis: Redis,
    store: Store,
    clock: Clock,
    begun: Instant,
    pub(super) nodes: Vec<Node>,
    clients: BTreeMap<String, Client>,
    sent: Vec<Message>,
    away: bool,
    saved: Option<data::Saved>,
    /// Clients for which a cleanup too many is no violation, after faults that explain it.
    excused: BTreeSet<String>,
    all_excused: bool,
    data_lost: bool,
    /// Nodes of which pushes were answered with 404 while they had the client.
    answered_as_gone: BTreeSet<NodeId>,
    violation: Option<String>,
}

fn unavailable<T>() -> Result<T, RedisError> {
    Err(RedisError::Unavailable("as the test wants it".to_owned()))
}

impl World {
    pub(super) async fn new(url: &str) -> Self {
        let url = RedisUrl::parse(url).expect("a URL");
        let redis = Redis::connect(&url, &Trust::System).expect("no TLS");
        redis.query::<()>(&cmd("FLUSHALL")).await.expect("an answer");
        let store = Store::new(redis.clone(), times());
        let mut world = Self {
            redis,
            store,
            clock: Clock::default(),
            begun: Instant::now(),
            nodes: Vec::new(),
            clients: BTreeMap::new(),
            sent: Vec::new(),
            away: false,
            saved: None,
            excused: BTreeSet::new(),
            all_excused: false,
            data_lost: false,
            answered_as_gone: BTreeSet::new(),
            violation: None,
        };
        for _ in 0..3 {
            world.start().await;
        }
        world
    }

    pub(super) async fn step(&mut self, step: Step) {
        match step {
            Step::Tick => self.tick().await,
            Step::Lease => {
                for _ in 0..=LEASE {
                    self.tick().await;
                }
            }
            Step::Start if self.nodes.len() < 5 => self.start().await,
            Step::Start => {}
            Step::Fault(fault) => self.fault(fault).await,
            Step::Connect(n) => self.with(n, async |world, n| world.connect(n).await).await,
            Step::Disconnect(n, c) => self.with(n, async |world, n| world.disconnect(n, c).await).await,
            Step::CloseByFunction(n, c) => self.with(n, async |world, n| world.close(n, c)).await,
            Step::Flush(n) => self.with(n, async |world, n| world.keep(n).await).await,
            Step::Look(n) => self.with(n, async |world, n| world.watch(n).await).await,
            Step::Clean(n) => self.with(n, async |world, n| world.clean(n).await).await,
            Step::Settle(n) => self.with(n, async |world, n| world.settle(n).await).await,
            Step::Push(n, c) => self.with(n, async |world, n| world.push(n, c).await).await,
            Step::Shutdown(n) => self.with(n, async |world, n| world.shut_down(n).await).await,
        }
    }

    /// Runs a step at a node that is there and not stopped.
    async fn with(&mut self, number: usize, step: impl AsyncFnOnce(&mut Self, usize)) {
        if self.nodes.is_empty() {
            return;
        }
        let n = number % self.nodes.len();
        if !self.nodes[n].stopped {
            step(self, n).await;
        }
    }

    async fn fault(&mut self, fault: Fault) {
        if let Fault::Kill(n) = fault {
            return self.kill(n).await;
        }
        self.all_excused = true;
        let count = self.nodes.len().max(1);
        let mut set = |n: usize, change: fn(&mut Node)| {
            if let Some(node) = self.nodes.get_mut(n % count) {
                change(node);
            }
        };
        match fault {
            Fault::Stop(n) => set(n, |node| node.stopped = true),
            Fault::Continue(n) => set(n, |node| node.stopped = false),
            Fault::Cut(n) => set(n, |node| node.cut = true),
            Fault::Mend(n) => self.mend(n % count),
            Fault::LoseAnswers(n) => set(n, |node| node.loses_answers = true),
            Fault::Hang(n) => set(n, |node| node.hangs = true),
            Fault::Away => self.interrupt(true),
            Fault::Back => self.away = false,
            Fault::BackEmpty => {
                self.interrupt(false);
                self.lose_data().await;
            }
            Fault::Flush => self.lose_data().await,
            Fault::Save => self.saved = Some(self.save().await),
            Fault::BackOld => {
                self.interrupt(false);
                self.lose_data().await;
                self.restore().await;
            }
            Fault::Full => self.set_memory("1").await,
            Fault::Again(number) if !self.away && !self.sent.is_empty() => {
                let message = self.sent[number % self.sent.len()].clone();
                self.run_again(&message).await;
                self.clock.note(&self.redis).await;
            }
            Fault::Kill(_) | Fault::Again(_) => {}
        }
    }

    async fn kill(&mut self, n: usize) {
        if self.nodes.len() == 1 {
            return;
        }
        let killed = self.nodes.remove(n % self.nodes.len());
        let lost = killed.clients.iter().chain(&killed.due);
        for client in lost.filter(|_| killed.unrecorded) {
            self.clients.entry(client.clone()).or_default().forgotten = true;
        }
        let left = self.records_of(killed.keeper.node()).await;
        self.excused.extend(left.into_iter().filter(|id| killed.finished.contains(id)));
        self.excused.extend(killed.unsettled);
        self.forget_who_is_gone().await;
    }

    /// Redis has no data any more.
    async fn lose_data(&mut self) {
        for (id, client) in &mut self.clients {
            let is_owned = |node: &Node| node.clients.contains(id) || node.due.contains(id);
            client.forgotten |= !self.nodes.iter().any(is_owned);
        }
        self.data_lost = true;
        for node in &mut self.nodes {
            (node.unrecorded, node.renewed_since) = (true, false);
        }
        self.redis.query::<()>(&cmd("FLUSHALL")).await.expect("an answer");
        self.clock.forget();
        self.forget_who_is_gone().await;
    }

    fn interrupt(&mut self, away: bool) {
        self.away = away;
        for node in &mut self.nodes {
            node.reconnects(self.clock.now);
        }
    }

    fn mend(&mut self, n: usize) {
        let now = self.clock.now;
        if let Some(node) = self.nodes.get_mut(n).filter(|node| node.cut) {
            node.cut = false;
            node.reconnects(now);
        }
    }

    async fn run_again(&self, message: &Message) {
        // What it comes to is of no interest; without memory it is refused.
        match message {
            Message::OfKeeper(command) => drop(command.run(&self.store).await),
            Message::OfWatch(work) => drop(work.ask(&self.store).await),
        }
    }

    fn now(&self) -> Instant {
        self.begun + TICK * self.clock.now
    }

    /// Whether a message of a node reaches Redis.
    fn reaches(&self, n: usize) -> bool {
        !self.away && !self.nodes[n].cut
    }

    async fn start(&mut self) {
        let now = self.now();
        let id = NodeId::random().expect("random bytes");
        let node = Node {
            keeper: Keeper::new(id, "{}".to_owned(), times(), now),
            watch: Watch::new(times(), None, now),
            knowledge: Knowledge::default(),
            clients: BTreeSet::new(),
            due: BTreeSet::new(),
            finished: BTreeSet::new(),
            complete_in: BTreeMap::new(),
            cleanups: VecDeque::new(),
            settles: VecDeque::new(),
            unsettled: BTreeSet::new(),
            last_number: 0,
            connects: 1,
            up_since: self.clock.now,
            stopped: false,
            cut: false,
            loses_answers: false,
            hangs: false,
            unrecorded: false,
            renewed_since: true,
        };
        self.nodes.push(node);
        self.keep(self.nodes.len() - 1).await;
    }

    async fn tick(&mut self) {
        // What Redis lets expire while it is away is gone when it is back.
        self.clock.tick(&self.redis).await;
        for n in 0..self.nodes.len() {
            if !self.nodes[n].stopped {
                self.keep(n).await;
                self.watch(n).await;
            }
        }
    }

    /// Runs what the keeper wants.
    async fn keep(&mut self, n: usize) {
        loop {
            let now = self.now();
            let node = &mut self.nodes[n];
            let Next::Run(command) = node.keeper.next(now, &node.knowledge) else { break };
            let connects = node.connects;
            let reply = self.ask(n, Message::OfKeeper(command.clone())).await;
            let node = &mut self.nodes[n];
            node.renewed_since |= matches!(reply, Ok(Reply::Renewed(_)));
            let (clients, due) = (&node.clients, &node.due);
            let own = |id| -> Records {
                let all =
                    clients.iter().chain(due).filter(|client| NodeId::of_connection(client) == Some(id));
                all.map(|client| (client.as_str().into(), RECORD.into())).collect()
            };
            node.keeper.replied((now, connects), reply, own, &mut node.knowledge);
            self.check_renewal(n, &command).await;
            if let Some(before) = self.nodes[n].keeper.take_before() {
                let node = &mut self.nodes[n];
                node.complete_in.insert(before.node, before.epoch);
                // Its clients are closed.
                let closed = std::mem::take(&mut node.clients);
                node.due.extend(closed);
            }
        }
        let node = &mut self.nodes[n];
        if node.renewed_since && node.keeper.is_complete() {
            node.unrecorded = false;
        }
        self.decide(n).await;
    }

    async fn ask(&mut self, n: usize, message: Message) -> Result<Reply, RedisError> {
        if !self.reaches(n) {
            return unavailable();
        }
        let Message::OfKeeper(command) = &message else { return unavailable() };
        let reply = command.run(&self.store).await;
        self.sent.push(message);
        self.clock.note(&self.redis).await;
        if std::mem::take(&mut self.nodes[n].loses_answers) {
            return unavailable();
        }
        reply
    }

    async fn connect(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let client = node.keeper.node().connection().expect("random bytes");
        node.clients.insert(client.clone());
        node.last_number += 1;
        node.keeper.write(node.last_number, client.as_str().into(), RECORD.into());
        self.keep(n).await;
        let node = &mut self.nodes[n];
        if node.keeper.take_outcomes().iter().any(|(_, outcome)| outcome.is_ok()) {
            // The register function is called, and accepts it.
            self.clients.entry(client).or_default().accepted = true;
        } else {
            node.due.remove(&client);
            node.clients.remove(&client);
            self.finish(n, client);
        }
    }

    /// Nothing more is due for a client.
    fn finish(&mut self, n: usize, client: String) {
        self.nodes[n].keeper.delete(client.as_str().into());
        self.nodes[n].finished.insert(client);
    }

    fn client_of(&self, n: usize, number: usize) -> Option<String> {
        let clients = &self.nodes[n].clients;
        clients.iter().nth(number % clients.len().max(1)).cloned()
    }

    async fn disconnect(&mut self, n: usize, number: usize) {
        let Some(client) = self.client_of(n, number) else { return };
        self.nodes[n].clients.remove(&client);
        self.nodes[n].due.insert(client);
        let (now, node) = (self.now(), &mut self.nodes[n]);
        if node.keeper.renewed().is_none_or(|renewed| now >= renewed + times().lease) {
            node.keeper.hurry(now);
        }
        self.keep(n).await;
    }

    /// Calls the cleanups that are this node's.
    async fn decide(&mut self, n: usize) {
        for client in self.nodes[n].due.clone() {
            let id = NodeId::of_connection(&client).expect("an id");
            let node = &self.nodes[n];
            let is_own = match node.complete_in.get(&id) {
                None if matches!(node.keeper.standing(), Standing::Stranger(_)) => continue,
                None => true,
                Some(_) if !self.reaches(n) => continue,
                Some(epoch) => {
                    let owed = self.store.is_owed(id, &client, epoch.as_deref()).await;
                    owed.expect("Redis answers")
                }
            };
            self.nodes[n].due.remove(&client);
            if is_own {
                self.cleaned_up(&client);
                self.finish(n, client);
            }
        }
    }

    fn cleaned_up(&mut self, client: &str) {
        self.clients.entry(client.to_owned()).or_default().cleanups += 1;
    }

    fn close(&mut self, n: usize, number: usize) {
        let Some(client) = self.client_of(n, number) else { return };
        self.nodes[n].clients.remove(&client);
        self.clients.entry(client.clone()).or_default().closed_by_function = true;
        self.finish(n, client);
    }

    /// Runs what the watch wants, but for cleanups and their deletions, which are steps of their own.
    async fn watch(&mut self, n: usize) {
        loop {
            let now = self.now();
            let node = &mut self.nodes[n];
            let is_held = matches!(node.keeper.standing(), Standing::Held { .. });
            let own = is_held.then(|| node.keeper.node());
            let Some(work) = node.watch.next(now, own, node.connects) else { break };
            match work {
                Work::Clean { .. } => node.cleanups.push_back(work),
                Work::Settle { .. } => node.settles.push_back(work),
                work => self.perform(n, work).await,
            }
        }
    }

    async fn perform(&mut self, n: usize, work: Work) {
        let outcome = if self.reaches(n) {
            let outcome = work.ask(&self.store).await.expect("it is for Redis");
            self.sent.push(Message::OfWatch(work.clone()));
            self.clock.note(&self.redis).await;
            let is_lost = std::mem::take(&mut self.nodes[n].loses_answers);
            if is_lost { unavailable() } else { outcome }
        } else {
            unavailable()
        };
        self.done(n, &work, outcome);
    }

    fn done(&mut self, n: usize, work: &Work, outcome: Result<WorkOutcome, RedisError>) {
        let (now, node) = (self.now(), &mut self.nodes[n]);
        let own = node.keeper.node();
        node.watch.done(now, own, work, outcome, &mut node.knowledge);
    }

    /// Calls the next cleanup of a take-over.
    async fn clean(&mut self, n: usize) {
        let Some(work) = self.nodes[n].cleanups.pop_front() else { return };
        let cleaned =
            if std::mem::take(&mut self.nodes[n].hangs) { Cleaned::Postponed } else { Cleaned::Done };
        if let (Cleaned::Done, Work::Clean { connection, .. }) = (cleaned, &work) {
            self.cleaned_up(connection);
            self.clients.entry(connection.to_string()).or_default().taken_over = true;
            self.nodes[n].unsettled.insert(connection.to_string());
        }
        self.done(n, &work, Ok(WorkOutcome::Cleaned(cleaned)));
        self.watch(n).await;
    }

    async fn settle(&mut self, n: usize) {
        let Some(work) = self.nodes[n].settles.pop_front() else { return };
        let is_settled = self.reaches(n) && !self.nodes[n].loses_answers;
        if let (true, Work::Settle { connection, .. }) = (is_settled, &work) {
            self.nodes[n].unsettled.remove(&**connection);
        }
        self.perform(n, work).await;
        self.watch(n).await;
    }

    async fn records_of(&self, node: NodeId) -> Vec<String> {
        let mut records = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let page = self.store.records(node, cursor).await.expect("Redis answers");
            records.extend(page.records.into_iter().map(|(client, _)| client));
            cursor = page.cursor;
            if cursor == 0 {
                return records.into_iter().collect();
            }
        }
    }

    async fn shut_down(&mut self, n: usize) {
        if self.nodes.len() == 1 || !self.reaches(n) {
            return;
        }
        self.nodes[n].watch.stop();
        self.watch(n).await;
        while !self.nodes[n].watch.is_idle() {
            self.clean(n).await;
            self.settle(n).await;
        }
        while !self.nodes[n].clients.is_empty() {
            self.disconnect(n, 0).await;
        }
        let now = self.now();
        self.nodes[n].keeper.leave(now);
        self.keep(n).await;
        let left = self.nodes.remove(n);
        for client in left.due.iter().filter(|_| left.unrecorded) {
            self.clients.entry(client.clone()).or_default().forgotten = true;
        }
        self.excused.extend(left.finished);
        self.forget_who_is_gone().await;
    }
}
