//! Nodes that share a Redis server.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::function::Functions;
use crate::Result;
use crate::gateway::directory::Directory;
use crate::gateway::own;
use crate::gateway::processes::{Processes, processor_time};
use crate::gateway::server::{Server, free_address};
use crate::http::read_head;
use crate::redis::Redis;

const GATEWAY: &str = "target/package/gateway";
/// The path of the push address: the token of each node is `bench`.
pub const PUSH_PATH: &str = "/api-bench";
/// Three nodes, where nothing else is said.
pub const NODES: usize = 3;
/// Seconds, unless `cluster_lease_seconds` is set.
pub const LEASE: f64 = 5.0;

/// What calls the functions of an API are.
pub enum Api<'f> {
    /// Of this bench.
    Seen(&'f Functions),
    /// The packaged bootstrap, which sends each frame to all clients.
    Room,
}

pub struct Node {
    pub server: Server,
    pub push_address: SocketAddr,
}

/// Dropped, the nodes are killed before their Redis server.
pub struct Nodes {
    pub all: Vec<Node>,
    pub redis: Redis,
}

impl Nodes {
    /// Starts so many, and waits until each is ready.
    pub fn start(count: usize, api: &Api) -> Result<Self> {
        let redis = Redis::start()?;
        let mut nodes = Self { all: Vec::new(), redis };
        for _ in 0..count {
            nodes.all.push(Node::start(&nodes.redis, api)?);
        }
        Ok(nodes)
    }

    /// What Redis has used.
    pub fn redis_time(&self) -> Result<Duration> {
        processor_time(self.redis.pid())
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, index: usize) {
        self.all.remove(index);
    }
}

impl Node {
    fn start(redis: &Redis, api: &Api) -> Result<Self> {
        let directory = Directory::make()?;
        let (listen, push_address, admin) = (free_address()?, free_address()?, free_address()?);
        let (functions, variables) = match api {
            Api::Seen(functions) => {
                let url = format!("\"http://{}/\"", functions.address);
                (format!("register = {url}\ntransfer = {url}\ncleanup = {url}"), String::new())
            }
            Api::Room => {
                let room = own::room(redis);
                (own::packaged_functions()?, format!("[api.env]\nWS_PUSH_ENCODING = \"raw\"\n{room}"))
            }
        };
        let limits = own::LIMITS;
        let config = directory.write(
            "gateway.toml",
            &format!(
                "listen = \"{listen}\"\n\
                 push_listen = \"{push_address}\"\n\
                 admin_listen = \"{admin}\"\n\
                 push_token = \"bench\"\n\
                 cluster = \"redis://127.0.0.1:{}\"\n\
                 {limits}\
                 [[api]]\n\
                 path = \"/\"\n\
                 {functions}\n\
                 idle_timeout_seconds = 86400\n\
                 {variables}\n",
                redis.port
            ),
        )?;
        let process = own::spawn(Path::new(GATEWAY), &config, false)?;
        let mut server = Server {
            address: listen,
            path: "/",
            certificate: None,
            publish: None,
            processes: Processes::one(process),
            _beside: Box::new(directory),
        };
        server.await_ready(&[listen, push_address, admin])?;
        await_joined(admin)?;
        Ok(Self { server, push_address })
    }
}

/// Waits until the node says that it reaches Redis.
fn await_joined(admin: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
        let head = read_head(&mut BufReader::new(stream))?.unwrap_or_default();
        if head.first_line.starts_with("http/1.1 200") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("a node is not ready after 10 s: {}", head.first_line).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
