//! What goes wrong, and how often it did.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{Redis, kill, lives, processes};
use tokio::{
    sync::{Mutex, mpsc},
    time::sleep,
};

use crate::client::Order;

pub struct Chaos {
    gateway: u32,
    bootstrap: PathBuf,
    redis: Arc<Mutex<Redis>>,
    clients: Vec<mpsc::UnboundedSender<Order>>,
    dice: u64,
    done: BTreeMap<&'static str, usize>,
}

impl Chaos {
    pub fn new(gateway: u32, redis: Arc<Mutex<Redis>>, clients: Vec<mpsc::UnboundedSender<Order>>) -> Self {
        let bootstrap =
            std::env::var_os("BOOTSTRAP").map(PathBuf::from).and_then(|path| path.canonicalize().ok());
        let bootstrap = bootstrap.expect("BOOTSTRAP names a program");
        Self { gateway, bootstrap, redis, clients, dice: 0x2026_1124, done: BTreeMap::new() }
    }

    /// Something every half second or so, for so long.
    pub async fn reign(&mut self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            sleep(Duration::from_millis(200 + self.roll(600))).await;
            match self.roll(20) {
                0..6 => self.kill_a_function(),
                6..12 => self.pause_a_function(),
                12 => self.restart_redis().await,
                13 => self.pause_redis().await,
                14..17 => self.order(Order::Cut, "a line cut"),
                _ => self.order(Order::Close, "a connection closed"),
            }
        }
    }

    pub fn summary(&self) -> String {
        let lines = self.done.iter().map(|(what, times)| format!("| {what} | {times} |"));
        format!("\n| chaos | times |\n| --- | ---: |\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    }

    fn kill_a_function(&mut self) {
        if let Some(pid) = self.a_function() {
            self.count("a function killed");
            kill(pid, "KILL");
        }
    }

    fn pause_a_function(&mut self) {
        let Some(pid) = self.a_function() else { return };
        self.count("a function paused");
        let pause = Duration::from_millis(100 + self.roll(4000));
        kill(pid, "STOP");
        tokio::spawn(async move {
            sleep(pause).await;
            if lives(pid) {
                kill(pid, "CONT");
            }
        });
    }

    async fn restart_redis(&mut self) {
        self.count("Redis killed and started again");
        let pause = Duration::from_millis(self.roll(1500));
        let mut redis = self.redis.lock().await;
        redis.stop();
        sleep(pause).await;
        redis.restart();
    }

    async fn pause_redis(&mut self) {
        self.count("Redis paused");
        let pause = Duration::from_millis(100 + self.roll(3500));
        let redis = self.redis.lock().await;
        redis.pause();
        sleep(pause).await;
        redis.resume();
    }

    fn order(&mut self, order: Order, what: &'static str) {
        self.count(what);
        let client = usize::try_from(self.roll(self.clients.len() as u64)).expect("one of them");
        // A client that is just connecting obeys as soon as it is connected.
        let _ = self.clients[client].send(order);
    }

    fn a_function(&mut self) -> Option<u32> {
        let is_function =
            |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == self.bootstrap);
        let functions: Vec<u32> =
            processes(|stat| stat.parent == self.gateway).into_iter().filter(is_function).collect();
        let count = functions.len() as u64;
        (count > 0).then(|| functions[usize::try_from(self.roll(count)).expect("one of them")])
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }
}
