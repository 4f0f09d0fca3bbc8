//! A kept connection that something in between has dropped without a word, as a NAT or a load balancer does: the next event
//! takes a new one.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use scf_websocket_test_harness::{Clock, DATA_RECV, Function, Need, PushAddress, Redis, needs, response};

/// Forwards connections, until it has dropped them: it then goes on reading from both ends, and both see an open connection.
struct Nat {
    port: u16,
    accepted: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Nat {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let nat = Self {
            port: listener.local_addr().expect("an address").port(),
            accepted: Arc::default(),
            dropped: Arc::default(),
        };
        let (accepted, dropped) = (Arc::clone(&nat.accepted), Arc::clone(&nat.dropped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = accepted.fetch_add(1, Ordering::SeqCst) + 1;
                let inside = stream.expect("a connection");
                let outside = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
                for (from, to) in [(&inside, &outside), (&outside, &inside)] {
                    let (mut from, mut to) =
                        (from.try_clone().expect("a copy"), to.try_clone().expect("a copy"));
                    let dropped = Arc::clone(&dropped);
                    thread::spawn(move || {
                        forward(&mut from, &mut to, || number <= dropped.load(Ordering::SeqCst))
                    });
                }
            }
        });
        nat
    }

    /// Drops the connections that it has.
    fn drop_connections(&self) {
        self.dropped.store(self.accepted(), Ordering::SeqCst);
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

fn forward(from: &mut TcpStream, to: &mut TcpStream, is_dropped: impl Fn() -> bool) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        if !is_dropped() {
            to.write_all(&bytes[..read])?;
        }
    }
}

/// The clock is that of a machine that was suspended: only its monotonic clock stood still.
#[test]
fn a_connection_is_not_used_again_after_30_seconds_of_silence() {
    if !needs(Need::Redis) {
        return;
    }
    let Some(clock) = Clock::new() else { return };
    let (redis, gateway) = (Redis::start(&[]), PushAddress::start());
    let (to_redis, to_gateway) = (Nat::to(redis.port), Nat::to(gateway.port()));
    let (url, store) = (
        format!("http://127.0.0.1:{}/api-local", to_gateway.port),
        format!("redis://127.0.0.1:{}", to_redis.port),
    );
    let variables = clock.env();
    let mut env: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    env.extend([("WS_ROLE", "transfer"), ("WS_PUSH_URL", url.as_str())]);
    env.extend([("WS_PUSH_TO", "all"), ("WS_STORE", store.as_str())]);
    let function = Function::start(&env);
    let handle_event = |offset: &str, connections: [usize; 2]| {
        clock.set(offset);
        assert_eq!(response(&function.invoke(DATA_RECV)), DATA_RECV, "{offset}");
        assert_eq!(gateway.take().len(), 1, "each event is pushed once");
        assert_eq!([&to_redis, &to_gateway].map(Nat::accepted), connections, "{offset}");
    };
    handle_event("+0", [1, 1]);
    handle_event("+20", [1, 1]);
    // Rooms are read again, on a new connection, when a quarter of the time is over.
    to_redis.drop_connections();
    handle_event("+40", [2, 1]);
    for nat in [&to_redis, &to_gateway] {
        nat.drop_connections();
    }
    handle_event("+71", [3, 2]);
    // A clock that is set back says nothing.
    handle_event("-3600", [3, 2]);
    let output = function.process.await_output("request_id=request-5");
    assert!(!output.contains("WARN"), "{output}");
}
