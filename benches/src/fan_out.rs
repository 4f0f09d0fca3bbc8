//! Pushes one frame to all members of a room.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::function::Launch;
use crate::push_address::{DELAY, PushAddress};
use crate::redis::Redis;
use crate::runtime_api::{Dialect, RuntimeApi};
use crate::table::{Table, mb, ms, ratio, thousands};
use crate::trial::{Session, median};
use crate::{Result, event, subject};

const IN_FLIGHT: u32 = 32;
const WARM_EVENTS: usize = 3;

const INTRODUCTION: &str = "\
## Fan-out

One frame to all members of a room: `WS_PUSH_TO=all`, 32 pushes in flight, a push address that answers after 5 ms. The \
ideal is connections × 5 ms ÷ 32. The first event starts the workers and opens their connections; warm events reuse them. \
The last row pushes sequentially, each push on a new connection, as the vendor's sample does, and does nothing else that a \
function does.

";

/// A build: its name in the table, and how to launch it in a role.
type Bootstrap = (&'static str, fn(&str) -> Result<Launch>);

const WITH_MUSL: Bootstrap = ("**bootstrap**", subject::bootstrap);
const WITH_GLIBC: Bootstrap = ("bootstrap built with glibc", subject::glibc_bootstrap);

pub fn section() -> Result<String> {
    let mut table = Table::new(["", "connections", "ideal", "first event", "warm", "× ideal", "peak memory"]);
    let push_address = PushAddress::open()?;
    let mut notes = String::new();
    let mut bench = Bench { api: RuntimeApi::open()?, push_address, table: &mut table };
    if subject::runs("redis-server", &["--version"]) {
        for connections in [1_000, 10_000] {
            let redis = Redis::start()?;
            let store = format!("redis://127.0.0.1:{}", redis.port);
            let reads = bench.room(WITH_MUSL, "Redis", &store, connections, Some(&redis))?;
            let connections = thousands(f64::from(connections));
            // Writing to a String cannot fail.
            let _ = write!(
                notes,
                "\nA warm event on {connections} connections costs {reads} read(s) of the Redis server, each a round \
                 trip.\n"
            );
        }
    } else {
        notes += "\nNot measured: Redis, since redis-server is not installed.\n";
    }
    for connections in [1_000, 10_000] {
        let directory = Directory::make()?;
        let store = format!("dir:{}", directory.0.display());
        bench.room(WITH_MUSL, "directory", &store, connections, None)?;
        // With many threads, the allocator of the C library matters.
        bench.room(WITH_GLIBC, "directory", &store, connections, None)?;
    }
    bench.sequential(1_000)?;
    Ok(format!("{INTRODUCTION}{table}{notes}"))
}

struct Bench<'t> {
    api: RuntimeApi,
    push_address: PushAddress,
    table: &'t mut Table,
}

impl Bench<'_> {
    /// Fills a room and pushes to it. Returns how often Redis reads during a warm event.
    fn room(
        &mut self,
        (name, launch_in_role): Bootstrap,
        store_name: &str,
        store: &str,
        connections: u32,
        redis: Option<&Redis>,
    ) -> Result<u64> {
        self.fill(store, connections)?;
        self.push_address.take_counts();
        let launch = launch_in_role("transfer")?
            .with("WS_PUSH_TO", "all")
            .with("WS_STORE", store)
            .with("WS_PUSH_URL", format!("http://{}/push", self.push_address.host_and_port));
        let frame = event::frame(&event::connection_id(0), "hello");
        let mut session = Session::start(&mut self.api, &launch, Dialect::Scf, &frame)?;
        let (_, first) = session.invoke()?;
        let reads = || redis.map_or(Ok(0), Redis::reads);
        let (mut warm, before) = (Vec::new(), reads()?);
        for _ in 0..WARM_EVENTS {
            warm.push(session.invoke()?.1);
        }
        let reads = (reads()? - before).saturating_sub(u64::from(redis.is_some())) / WARM_EVENTS as u64;
        let peak_memory = mb(session.function.peak_memory_kb()?);
        self.check_counts(connections as usize * (1 + WARM_EVENTS))?;
        let warm = median(warm).unwrap_or_default();
        let ideal = DELAY * connections / IN_FLIGHT;
        self.table.row([
            format!("{name}, {store_name}"),
            thousands(f64::from(connections)),
            ms(ideal),
            ms(first),
            ms(warm),
            ratio(warm.as_secs_f64() / ideal.as_secs_f64()),
            peak_memory,
        ]);
        Ok(reads)
    }

    /// Fills the room through the register function.
    fn fill(&mut self, store: &str, connections: u32) -> Result<()> {
        let launch = subject::bootstrap("register")?.with("WS_STORE", store);
        let event = |number: u32| event::connect(&event::connection_id(number as usize));
        let mut session = Session::start(&mut self.api, &launch, Dialect::Scf, &event(0))?;
        for number in 0..connections {
            session.change_event(&event(number), number);
            session.invoke()?;
        }
        Ok(())
    }

    fn check_counts(&self, expected: usize) -> Result<()> {
        match self.push_address.take_counts() {
            (pushes, _) if pushes != expected => {
                Err(format!("{pushes} pushes were made instead of {expected}").into())
            }
            (_, connections) if connections > IN_FLIGHT as usize => {
                Err(format!("{connections} connections were made instead of {IN_FLIGHT}").into())
            }
            _ => Ok(()),
        }
    }

    fn sequential(&mut self, connections: u32) -> Result<()> {
        let begun = Instant::now();
        for number in 0..connections {
            self.push_on_new_connection(&event::connection_id(number as usize))?;
        }
        let taken: Duration = begun.elapsed();
        let ideal = DELAY * connections / IN_FLIGHT;
        self.table.row([
            "sequential, as in the vendor's sample".to_owned(),
            thousands(f64::from(connections)),
            ms(ideal),
            ms(taken),
            "the same".to_owned(),
            ratio(taken.as_secs_f64() / ideal.as_secs_f64()),
            "–".to_owned(),
        ]);
        Ok(())
    }

    fn push_on_new_connection(&self, connection: &str) -> Result<()> {
        let host = &self.push_address.host_and_port;
        let body = format!(
            r#"{{"websocket":{{"action":"data send","secConnectionID":"{connection}","dataType":"text","data":"hello"}}}}"#
        );
        let mut stream = TcpStream::connect(host)?;
        let length = body.len();
        let request = format!(
            "POST /push HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

/// A temporary directory, removed on drop.
struct Directory(PathBuf);

impl Directory {
    fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("scf-websocket-bench-room-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
