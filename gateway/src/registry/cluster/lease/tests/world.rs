//! Nodes, clients and a Redis, and what becomes of them step by step.

mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::cmd;

use super::{
    Fault, Step,
    clock::{Clock, LEASE, RENEWAL, times},
};
use crate::{
    function::remote::client::Trust,
    registry::cluster::{
        lease::{
            keeper::compare,
            keys::Keys,
            store::{Claim, Recorded, Renewal, Store},
        },
        node::NodeId,
        redis::{Redis, RedisError, RedisUrl},
    },
};

const RECORD: &str = "10.0.0.1 /chat";

/// A message to Redis.
#[derive(Debug, Clone)]
enum Message {
    Renew { node: NodeId, epoch: Option<String>, new_epoch: String },
    Write { node: NodeId, client: String },
    Delete { node: NodeId, clients: Vec<String> },
    Claim { lost: NodeId, by: NodeId },
    Keep { lost: NodeId, by: NodeId },
    Settle { lost: NodeId, client: String },
    Finish { lost: NodeId, by: NodeId },
    Leave { node: NodeId },
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
struct TakeOver {
    lost: NodeId,
    until: u32,
    todo: Vec<String>,
    cleaned: Vec<String>,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "faults, each of its own")]
struct Node {
    id: NodeId,
    epoch: Option<String>,
    stored: i64,
    in_doubt: bool,
    certain_until: u32,
    renewed: u32,
    /// Of this id, without those of which it is finished.
    clients: BTreeSet<String>,
    finished: Vec<String>,
    take_overs: Vec<TakeOver>,
    taken: Vec<NodeId>,
    unsettled: BTreeSet<String>,
    stopped: bool,
    cut: bool,
    loses_answers: bool,
    /// Redis was interrupted since the node last wrote whom it has taken over.
    interrupted: bool,
    /// Redis has lost the node's records, which are not written again yet.
    unrecorded: bool,
}

pub(super) struct World {
    redis: Redis,
    store: Store,
    clock: Clock,
    nodes: Vec<Node>,
    clients: BTreeMap<String, Client>,
    sent: Vec<Message>,
    away: bool,
    /// Clients for which a cleanup too many is no violation, after faults that explain it.
    excused: BTreeSet<String>,
    all_excused: bool,
    data_lost: bool,
    violation: Option<String>,
}

type Answer<T> = Result<T, RedisError>;

fn unavailable<T>() -> Answer<T> {
    Err(RedisError::Unavailable("as the test wants it".to_owned()))
}

impl World {
    pub(super) async fn new(url: &str) -> Self {
        let url = RedisUrl::parse(url).expect("a URL");
        let redis = Redis::connect(&url, &Trust::System).expect("no TLS");
        redis.query::<()>(&cmd("FLUSHALL")).await.expect("an answer");
        let store = Store::new(redis.clone(), Keys::default(), times());
        let mut world = Self {
            redis,
            store,
            clock: Clock::default(),
            nodes: Vec::new(),
            clients: BTreeMap::new(),
            sent: Vec::new(),
            away: false,
            excused: BTreeSet::new(),
            all_excused: false,
            data_lost: false,
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
            Step::Flush(n) => self.with(n, async |world, n| world.flush(n).await).await,
            Step::Look(n) => self.with(n, async |world, n| world.look(n).await).await,
            Step::Clean(n) => self.with(n, async |world, n| world.clean(n).await).await,
            Step::Settle(n) => self.with(n, async |world, n| world.settle(n).await).await,
            Step::Shutdown(n) => self.with(n, async |world, n| world.shut_down(n).await).await,
        }
    }

    /// Carries a step out at a node that is there and not stopped.
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
            if self.nodes.len() > 1 {
                let killed = self.nodes.remove(n % self.nodes.len());
                for client in killed.clients.iter().filter(|_| killed.unrecorded) {
                    self.clients.entry(client.clone()).or_default().forgotten = true;
                }
                self.excused.extend(killed.finished);
                self.excused.extend(killed.take_overs.into_iter().flat_map(|taken| taken.cleaned));
            }
            return;
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
            Fault::Mend(n) => set(n, |node| node.cut = false),
            Fault::LoseAnswers(n) => set(n, |node| node.loses_answers = true),
            Fault::Away => self.interrupt(true),
            Fault::Back => self.away = false,
            Fault::BackEmpty => {
                self.interrupt(false);
                self.forget_clients_of_the_dead();
                self.data_lost = true;
                for node in &mut self.nodes {
                    node.unrecorded = true;
                }
                self.redis.query::<()>(&cmd("FLUSHALL")).await.expect("an answer");
                self.clock.forget();
            }
            Fault::Again(number) if !self.away && !self.sent.is_empty() => {
                let message = self.sent[number % self.sent.len()].clone();
                self.carry_out(&message).await;
            }
            Fault::Kill(_) | Fault::Again(_) => {}
        }
    }

    fn forget_clients_of_the_dead(&mut self) {
        for (id, client) in &mut self.clients {
            client.forgotten |= !self.nodes.iter().any(|node| node.clients.contains(id));
        }
    }

    fn interrupt(&mut self, away: bool) {
        self.away = away;
        for node in &mut self.nodes {
            node.interrupted = true;
            node.in_doubt = true;
        }
    }

    async fn carry_out(&self, message: &Message) {
        let store = &self.store;
        let carried_out = match message {
            Message::Renew { node, epoch, new_epoch } => {
                store.renew(*node, "{}", (epoch.as_deref(), new_epoch)).await.map(drop)
            }
            Message::Write { node, client } => store.record(*node, &[(client, RECORD)], &[]).await.map(drop),
            Message::Delete { node, clients } => {
                let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
                store.record(*node, &[], &clients).await.map(drop)
            }
            Message::Claim { lost, by } => store.claim(*lost, *by, false).await.map(drop),
            Message::Keep { lost, by } => store.keep_claim(*lost, *by).await.map(drop),
            Message::Settle { lost, client } => store.settle(*lost, client).await,
            Message::Finish { lost, by } => store.finish(*lost, *by).await.map(drop),
            Message::Leave { node } => store.leave(*node).await.map(drop),
        };
        carried_out.expect("Redis answers");
    }

    /// Sends a message of a node: `call` is how.
    async fn send<T>(
        &mut self,
        n: usize,
        message: Message,
        call: impl AsyncFnOnce(&Store) -> Answer<T>,
    ) -> Answer<T> {
        if self.away || self.nodes[n].cut {
            self.nodes[n].in_doubt = true;
            return unavailable();
        }
        self.sent.push(message);
        let answer = call(&self.store).await;
        self.clock.note(&self.redis).await;
        if std::mem::take(&mut self.nodes[n].loses_answers) {
            self.nodes[n].in_doubt = true;
            return unavailable();
        }
        Ok(answer.expect("Redis answers"))
    }

    async fn start(&mut self) {
        let node = Node {
            id: NodeId::random().expect("random bytes"),
            epoch: None,
            stored: 0,
            in_doubt: false,
            certain_until: 0,
            renewed: 0,
            clients: BTreeSet::new(),
            finished: Vec::new(),
            take_overs: Vec::new(),
            taken: Vec::new(),
            unsettled: BTreeSet::new(),
            stopped: false,
            cut: false,
            loses_answers: false,
            interrupted: false,
            unrecorded: false,
        };
        self.nodes.push(node);
        self.renew(self.nodes.len() - 1).await;
    }

    async fn tick(&mut self) {
        // What Redis lets expire while it is away is gone when it is back.
        self.clock.tick(&self.redis).await;
        for n in 0..self.nodes.len() {
            let due = self.nodes[n].renewed + RENEWAL <= self.clock.now;
            if due && !self.nodes[n].stopped {
                self.renew(n).await;
                self.keep_claims(n).await;
            }
        }
    }

    async fn renew(&mut self, n: usize) {
        // A second attempt joins under another id.
        for _ in 0..2 {
            let (id, epoch) = (self.nodes[n].id, self.nodes[n].epoch.clone());
            let new_epoch = NodeId::random().expect("random bytes").to_string();
            let message = Message::Renew { node: id, epoch: epoch.clone(), new_epoch: new_epoch.clone() };
            let begun = self.clock.now;
            let renewal = self
                .send(n, message, async |store| store.renew(id, "{}", (epoch.as_deref(), &new_epoch)).await)
                .await;
            let Ok(renewal) = renewal else { return };
            let node = &mut self.nodes[n];
            node.renewed = begun;
            node.epoch = match renewal {
                Renewal::Lost => {
                    self.was_declared_lost(n).await;
                    continue;
                }
                Renewal::Held { epoch, records } => {
                    node.in_doubt |= records != node.stored;
                    Some(epoch)
                }
                Renewal::Empty { epoch } => {
                    node.in_doubt = true;
                    Some(epoch)
                }
            };
            node.certain_until = begun + LEASE;
            let taken = |id: &&String| self.clients.get(*id).is_some_and(|client| client.taken_over);
            if let Some(client) = self.nodes[n].clients.iter().find(taken).filter(|_| !self.data_lost) {
                self.violation =
                    Some(format!("node {id} is alive again, and {client} has had its cleanup from another"));
            }
            let node = &mut self.nodes[n];
            if node.in_doubt {
                let own: HashMap<Box<str>, Box<str>> =
                    node.clients.iter().map(|id| (id.as_str().into(), RECORD.into())).collect();
                let stored = compare(&self.store, id, || own).await.expect("Redis answers");
                if let Some(stored) = stored {
                    let node = &mut self.nodes[n];
                    (node.stored, node.in_doubt, node.unrecorded) = (stored, false, false);
                }
            }
            return;
        }
    }

    /// Closes the clients, and carries out the cleanups that no other node has or will have.
    async fn was_declared_lost(&mut self, n: usize) {
        let id = self.nodes[n].id;
        for client in std::mem::take(&mut self.nodes[n].clients) {
            let owed = self.store.is_owed(id, &client).await.expect("Redis answers");
            if owed {
                self.cleaned_up(&client);
                self.delete(n, id, vec![client]).await;
            }
        }
        let node = &mut self.nodes[n];
        node.id = NodeId::random().expect("random bytes");
        (node.epoch, node.stored, node.in_doubt) = (None, 0, false);
    }

    fn cleaned_up(&mut self, client: &str) {
        self.clients.entry(client.to_owned()).or_default().cleanups += 1;
    }

    async fn connect(&mut self, n: usize) {
        let id = self.nodes[n].id;
        let client = id.connection().expect("random bytes");
        self.nodes[n].clients.insert(client.clone());
        let message = Message::Write { node: id, client: client.clone() };
        let recorded =
            self.send(n, message, async |store| store.record(id, &[(&client, RECORD)], &[]).await).await;
        if let Ok((Recorded::Ok, more)) = recorded {
            self.nodes[n].stored += more;
            // The register function is called, and accepts it.
            self.clients.entry(client).or_default().accepted = true;
        } else {
            self.nodes[n].clients.remove(&client);
            self.nodes[n].finished.push(client);
            self.renew(n).await;
        }
    }

    fn client_of(&self, n: usize, number: usize) -> Option<String> {
        let clients = &self.nodes[n].clients;
        clients.iter().nth(number % clients.len().max(1)).cloned()
    }

    async fn disconnect(&mut self, n: usize, number: usize) {
        let Some(client) = self.client_of(n, number) else { return };
        if self.clock.now >= self.nodes[n].certain_until {
            self.renew(n).await;
        }
        if self.nodes[n].clients.remove(&client) {
            self.cleaned_up(&client);
            self.nodes[n].finished.push(client);
        }
    }

    fn close(&mut self, n: usize, number: usize) {
        let Some(client) = self.client_of(n, number) else { return };
        self.nodes[n].clients.remove(&client);
        self.clients.entry(client.clone()).or_default().closed_by_function = true;
        self.nodes[n].finished.push(client);
    }

    async fn flush(&mut self, n: usize) {
        let finished = std::mem::take(&mut self.nodes[n].finished);
        let mut by_node: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        for client in finished {
            by_node.entry(NodeId::of_connection(&client).expect("an id")).or_default().push(client);
        }
        for (id, clients) in by_node {
            self.delete(n, id, clients).await;
        }
    }

    async fn delete(&mut self, n: usize, id: NodeId, clients: Vec<String>) {
        let message = Message::Delete { node: id, clients: clients.clone() };
        let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
        let deleted = self.send(n, message, async |store| store.record(id, &[], &clients).await).await;
        if let (Ok((_, more)), true) = (deleted, id == self.nodes[n].id) {
            self.nodes[n].stored += more;
        }
    }

    async fn look(&mut self, n: usize) {
        if self.away || self.nodes[n].cut {
            return;
        }
        if std::mem::take(&mut self.nodes[n].interrupted) {
            let taken = self.nodes[n].taken.clone();
            self.store.remember_lost(taken.into_iter()).await.expect("Redis answers");
        }
        let by = self.nodes[n].id;
        let seen = self.store.nodes().await.expect("Redis answers");
        for lost in seen.into_iter().filter(|seen| !seen.has_lease() && seen.node != by).map(|seen| seen.node)
        {
            if self.nodes[n].take_overs.iter().any(|taken| taken.lost == lost) {
                continue;
            }
            let begun = self.clock.now;
            let message = Message::Claim { lost, by };
            let claim = self.send(n, message, async |store| store.claim(lost, by, false).await).await;
            if let Ok(Claim::Claimed { .. }) = claim {
                let todo = self.records_of(lost).await;
                let node = &mut self.nodes[n];
                node.taken.push(lost);
                node.take_overs.push(TakeOver { lost, until: begun + LEASE, todo, cleaned: Vec::new() });
            }
        }
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

    async fn keep_claims(&mut self, n: usize) {
        let by = self.nodes[n].id;
        for lost in self.nodes[n].take_overs.iter().map(|taken| taken.lost).collect::<Vec<_>>() {
            let begun = self.clock.now;
            let message = Message::Keep { lost, by };
            let kept = self.send(n, message, async |store| store.keep_claim(lost, by).await).await;
            let taken = self.nodes[n].take_overs.iter_mut().find(|taken| taken.lost == lost);
            if let (Ok(kept), Some(taken)) = (kept, taken) {
                taken.until = if kept.is_some() { begun + LEASE } else { 0 };
            }
        }
    }

    /// Calls the next cleanup of a take-over, or ends it if there is none left.
    async fn clean(&mut self, n: usize) {
        let now = self.clock.now;
        let node = &mut self.nodes[n];
        let Some(taken) = node.take_overs.first_mut() else { return };
        if now >= taken.until {
            taken.todo.clear();
        }
        if let Some(client) = taken.todo.pop() {
            taken.cleaned.push(client.clone());
            if !node.unsettled.contains(&client) {
                self.cleaned_up(&client);
                self.clients.entry(client).or_default().taken_over = true;
            }
            return;
        }
        if taken.cleaned.is_empty() {
            let (lost, by) = (taken.lost, node.id);
            node.take_overs.remove(0);
            let message = Message::Finish { lost, by };
            let _ = self.send(n, message, async |store| store.finish(lost, by).await).await;
        }
    }

    async fn settle(&mut self, n: usize) {
        let Some(taken) = self.nodes[n].take_overs.iter_mut().find(|taken| !taken.cleaned.is_empty()) else {
            return;
        };
        let (lost, client) = (taken.lost, taken.cleaned.pop().expect("not empty"));
        let message = Message::Settle { lost, client: client.clone() };
        let settled = self.send(n, message, async |store| store.settle(lost, &client).await).await;
        let unsettled = &mut self.nodes[n].unsettled;
        if settled.is_ok() {
            unsettled.remove(&client);
        } else {
            unsettled.insert(client);
        }
    }

    async fn shut_down(&mut self, n: usize) {
        if self.nodes.len() == 1 || self.away || self.nodes[n].cut {
            return;
        }
        while self.nodes[n].take_overs.iter().any(|taken| !taken.cleaned.is_empty()) {
            self.settle(n).await;
        }
        while !self.nodes[n].take_overs.is_empty() {
            self.nodes[n].take_overs[0].todo.clear();
            self.clean(n).await;
        }
        while !self.nodes[n].clients.is_empty() {
            self.disconnect(n, 0).await;
        }
        self.flush(n).await;
        if self.nodes[n].in_doubt {
            self.renew(n).await;
        }
        let node = self.nodes[n].id;
        let _ = self.send(n, Message::Leave { node }, async |store| store.leave(node).await).await;
        self.nodes.remove(n);
    }
}
