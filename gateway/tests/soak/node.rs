//! A node: a gateway of the cluster, or the only one, restarted whenever it has ended.

use std::{collections::HashSet, time::Duration};

use scf_websocket_gateway::cluster::NodeId;
use scf_websocket_test_harness::{Gateway, Relay, from_file, kill};
use tokio::time::sleep;

use crate::{
    functions::Program,
    journal::LifeId,
    logged,
    runs::{Fault, RunId, Runs},
};

/// What all nodes have in common.
#[derive(Clone)]
pub struct Settings {
    pub program: Program,
    /// Of the Redis from which a node can be cut off.
    pub redis_port: u16,
    /// With a cluster that Redis is its own, and the functions have this one. With the lease.
    pub cluster: Option<(String, Duration)>,
}

/// A running node.
pub struct Node {
    settings: Settings,
    runs: Runs,
    relay: Relay,
    gateway: Gateway,
    pub run: RunId,
}

impl Node {
    pub async fn start(settings: Settings, runs: &Runs) -> Self {
        let relay = Relay::to(settings.redis_port).await;
        let gateway = started(&settings, &relay);
        let run = runs.started(&gateway);
        Self { settings, runs: runs.clone(), relay, gateway, run }
    }

    pub fn pid(&self) -> u32 {
        self.gateway.pid()
    }

    /// The log of the process so far.
    pub fn log(&self) -> String {
        self.gateway.log()
    }

    /// The connections that the process has opened, and their ids.
    pub fn connections(&self) -> Vec<(LifeId, String)> {
        let log = self.gateway.log();
        let opened = logged::opened(&log);
        opened.filter_map(|(id, path)| Some((LifeId::parse(path)?, id.to_owned()))).collect()
    }

    /// What the process was called in the cluster while it opened connections.
    pub fn names(&self) -> HashSet<NodeId> {
        let log = self.gateway.log();
        logged::opened(&log).filter_map(|(id, _)| NodeId::of_connection(id)).collect()
    }

    /// Kills the process, and starts another one after a while.
    pub async fn kill(&mut self, pause: Duration) {
        self.runs.leaves(self.run);
        self.runs.begins(self.run, Fault::Killed);
        self.gateway.signal("KILL");
        self.gateway.ended().await;
        sleep(pause).await;
        self.start_another();
    }

    /// Suspends the process for a while.
    pub async fn stop(&mut self, time: Duration) {
        self.runs.begins(self.run, Fault::Stopped);
        kill(self.pid(), "STOP");
        sleep(time).await;
        kill(self.pid(), "CONT");
        self.runs.ends(self.run, Fault::Stopped);
    }

    /// Cuts the process off from the cluster's Redis for a while, or its functions from theirs.
    pub async fn cut_off(&mut self, time: Duration) {
        self.runs.begins(self.run, Fault::CutOff);
        self.relay.cut();
        sleep(time).await;
        self.relay.mend();
        self.runs.ends(self.run, Fault::CutOff);
    }

    /// Ends the process as a rolling restart does, and starts another one. Whether it ended well.
    pub async fn replace(&mut self) -> bool {
        let ended_well = self.end().await;
        self.start_another();
        ended_well
    }

    /// Ends the process. Whether it ended well.
    pub async fn end(&mut self) -> bool {
        self.runs.leaves(self.run);
        self.gateway.signal("TERM");
        let status = self.gateway.ended().await;
        self.runs.keep_log(self.run, self.gateway.log());
        if !status.success() {
            println!("soak: process {} ended with {status}", self.run);
        }
        status.success()
    }

    fn start_another(&mut self) {
        self.runs.keep_log(self.run, self.gateway.log());
        self.gateway = started(&self.settings, &self.relay);
        self.run = self.runs.started(&self.gateway);
    }
}

fn started(settings: &Settings, relay: &Relay) -> Gateway {
    let program = settings.program.0.display();
    let redis = format!("redis://127.0.0.1:{}", relay.port);
    let (store, cluster) = match &settings.cluster {
        Some((store, lease)) => {
            let lease = lease.as_secs();
            (store, format!("cluster = \"{redis}\"\ncluster_lease_seconds = {lease}"))
        }
        None => (&redis, String::new()),
    };
    let text = format!(
        r#"
        listen = "127.0.0.1:0"
        {cluster}
        drain_seconds = 1

        [limits]
        handshakes_per_second_per_ip = 10000
        connections_per_ip = 10000

        [[api]]
        path = "/"
        register = "process:{program}"
        transfer = "process:{program}"
        cleanup = "process:{program}"

        [api.env]
        WS_STORE = "{store}"
        WS_PUSH_TO = "all"
        WS_PUSH_ENCODING = "raw"
        "#
    );
    from_file(&text).args(&["--trace", "--log-format", "json"]).start()
}
