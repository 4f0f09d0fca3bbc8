//! What goes wrong, and how often it did.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{Redis, try_kill};
use tokio::{
    sync::{Mutex, mpsc},
    time::sleep,
};

use crate::{
    client::Order,
    dice::Dice,
    functions::{self, Program},
    tallies::Tallies,
};

pub struct Chaos {
    gateway: u32,
    program: Program,
    redis: Arc<Mutex<Redis>>,
    clients: Vec<mpsc::UnboundedSender<Order>>,
    dice: Dice,
    pub done: Tallies,
}

impl Chaos {
    pub fn new(gateway: u32, redis: Arc<Mutex<Redis>>, clients: Vec<mpsc::UnboundedSender<Order>>) -> Self {
        let (program, dice) = (Program::named(), Dice::new());
        Self { gateway, program, redis, clients, dice, done: Tallies::default() }
    }

    /// Something every half second or so, for so long.
    pub async fn reign(&mut self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {
            sleep(Duration::from_millis(200 + self.dice.roll(600))).await;
            match self.dice.roll(20) {
                0..6 => self.kill_a_function(),
                6..12 => self.pause_a_function(),
                12 => self.restart_redis().await,
                13 => self.pause_redis().await,
                14..17 => self.order(Order::Cut, "a line cut"),
                _ => self.order(Order::Close, "a connection closed"),
            }
        }
    }

    fn kill_a_function(&mut self) {
        if let Some(pid) = self.program.process_of(self.gateway, &mut self.dice) {
            self.done.count("a function killed");
            try_kill(pid, "KILL");
        }
    }

    fn pause_a_function(&mut self) {
        let Some(pid) = self.program.process_of(self.gateway, &mut self.dice) else { return };
        self.done.count("a function paused");
        functions::pause(pid, Duration::from_millis(100 + self.dice.roll(4000)));
    }

    async fn restart_redis(&mut self) {
        self.done.count("Redis killed and started again");
        let pause = Duration::from_millis(self.dice.roll(1500));
        let mut redis = self.redis.lock().await;
        redis.stop();
        sleep(pause).await;
        redis.restart();
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
