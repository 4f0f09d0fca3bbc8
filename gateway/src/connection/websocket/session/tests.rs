//! A session on a clock that stands still while anything happens, over a socket whose other end the test holds.

use std::{
    net::Ipv4Addr,
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    connection::{
        clients::{ClientSettings, Clients},
        limits::{Permits, UnfinishedShare},
        websocket::framing::Decoder,
    },
    contract::Close,
    function::{Call, Failure, FunctionBackend, Invoked, Timings},
    observe::report::Reports,
    push::PushUrl,
    registry::{
        ConnectionRegistry as _, Deliver as _, Delivery, DeliveryError, MemoryRegistry, NewConnection,
    },
    start::{api::Api, assembly::Assembly},
};

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const TEXT: u8 = 1;

/// What fits between the two ends of the socket.
const WIRE_BYTES: usize = 16 * 1024;

/// A frame of the client, masked with zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame");
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(length) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => frame.extend([&[0xfe], &length.to_be_bytes()[..]].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The next short frame of the gateway.
async fn receive(client: &mut DuplexStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.expect("a frame's head");
    let mut payload = vec![0; head[1].into()];
    client.read_exact(&mut payload).await.expect("its payload");
    (head[0] & 0x0f, payload)
}

/// The transfer function. Each event takes a permit.
struct Transferring {
    events: Mutex<Vec<String>>,
    permits: Semaphore,
    fails: bool,
}

impl FunctionBackend for Transferring {
    fn invoke<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Invoked> {
        Box::pin(async move {
            let event: serde_json::Value = serde_json::from_slice(&call.event).expect("an event");
            let data = event["websocket"]["data"].as_str().expect("text").to_owned();
            self.events.lock().push(data);
            self.permits.acquire().await.expect("open").forget();
            let result = if self.fails { Err(Failure::Error("no".into())) } else { Ok("{}".into()) };
            Invoked::new(result, Timings::default())
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A connection that was accepted, with all that it needs.
struct Accepted {
    function: Arc<Transferring>,
    registry: MemoryRegistry,
    connection: AcceptedConnection,
    drain: Drain,
}

impl Accepted {
    async fn new(permits: usize, change: impl FnOnce(&mut ClientSettings)) -> Self {
        Self::with(
            Transferring { events: Mutex::default(), permits: Semaphore::new(permits), fails: false },
            change,
        )
        .await
    }

    async fn with(function: Transferring, change: impl FnOnce(&mut ClientSettings)) -> Self {
        let function = Arc::new(function);
        let mut settings = ClientSettings::default();
        change(&mut settings);
        let clients = Clients::new(settings, Arc::default()).expect("without a certificate");
        let assembly = Assembly {
            push_url: PushUrl::default(),
            reports: Reports::default(),
            orphan_reaper: None,
            metrics: Arc::clone(&clients.metrics),
            trace: false,
            made: AtomicUsize::new(0),
        };
        let current = clients.current();
        let registry = MemoryRegistry::default();
        let new = NewConnection::on("/chat", current.settings.limits.send_queue_bytes);
        let opening = registry.open(new).await.expect("memory never fails");
        let permit = clients.admit(Ipv4Addr::LOCALHOST.into()).expect("the first client");
        let connection = AcceptedConnection {
            ownership: opening.ownership,
            api: assembly.run(&Api::of("/chat", Arc::clone(&function))),
            deliveries: opening.deliveries,
            request_id: "request".to_owned(),
            current,
            deflate: None,
            permits: Box::new(Permits { connection: permit, by_attribute: None }),
        };
        Self { function, registry, connection, drain: Drain::new(CancellationToken::new()) }
    }

    /// Serves the connection whose client does this, and how it ends.
    async fn serve(&self, client: impl AsyncFnOnce(DuplexStream)) -> End {
        let (ours, theirs) = duplex(WIRE_BYTES);
        let current = &self.connection.current;
        let decoder = Decoder::new(current.settings.limits.frame_bytes, false);
        let unfinished = UnfinishedShare::new(Arc::clone(&current.unfinished));
        let mut socket = Socket::new(ours, &Bytes::new(), (decoder, unfinished), None);
        let held = AtomicBool::new(false);
        let mut session = Session::new(&self.connection, &mut socket);
        let mut serving = pin!(session.run(&held, &self.drain));
        tokio::select! {
            end = serving.as_mut() => end,
            () = client(theirs) => serving.await,
        }
    }

    async fn push(&self, delivery: Delivery) -> Result<(), DeliveryError> {
        let ids = [self.connection.id().to_owned()];
        self.registry.deliver(&ids, delivery).await.remove(0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_gets_a_ping_and_then_counts_as_lost() {
    let begun = Instant::now();
    let accepted = Accepted::new(0, |clients| clients.timeouts.ping_interval = Duration::from_secs(20)).await;
    let end = accepted
        .serve(async |mut client| {
            assert_eq!(receive(&mut client).await, (PING, vec![]));
            assert_eq!(begun.elapsed().as_secs(), 20);
            std::future::pending::<()>().await;
        })
        .await;
    assert_eq!((end.reason, begun.elapsed().as_secs()), (CloseReason::Unresponsive, 40));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_answers_pings_is_idle() {
    let begun = Instant::now();
    let accepted = Accepted::new(0, |clients| clients.timeouts.ping_interval = Duration::from_mins(1)).await;
    let mut pings = 0;
    let end = accepted
        .serve(async |mut client| {
            loop {
                assert_eq!(receive(&mut client).await.0, PING);
                pings += 1;
                client.write_all(&frame(PONG, b"")).await.expect("a pong");
            }
        })
        .await;
    assert_eq!((end.reason, begun.elapsed().as_secs(), pings), (CloseReason::Idle, 600, 9));
}

#[tokio::test(start_paused = true)]
async fn frames_are_events_one_after_the_other_until_the_client_closes() {
    let accepted = Accepted::new(0, |_| ()).await;
    let end = accepted
        .serve(async |mut client| {
            let frames = [frame(TEXT, b"a"), frame(TEXT, b"b"), frame(PING, b"?")].concat();
            client.write_all(&frames).await.expect("frames");
            assert_eq!(receive(&mut client).await, (PONG, b"?".to_vec()), "a ping waits for no event");
            assert_eq!(*accepted.function.events.lock(), ["a"]);
            accepted.function.permits.add_permits(1);
            sleep(Duration::from_secs(1)).await;
            assert_eq!(*accepted.function.events.lock(), ["a", "b"]);
            client.write_all(&frame(CLOSE, &4321_u16.to_be_bytes())).await.expect("a close frame");
        })
        .await;
    assert_eq!((end.reason, end.code()), (CloseReason::ClosedByClient, Some(4321)));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_function_does_not_carry_out_ends_it() {
    let function = Transferring { events: Mutex::default(), permits: Semaphore::new(9), fails: true };
    let accepted = Accepted::with(function, |_| ()).await;
    let end = accepted
        .serve(async |mut client| {
            client.write_all(&[frame(TEXT, b"a"), frame(TEXT, b"b")].concat()).await.expect("frames");
            std::future::pending::<()>().await;
        })
        .await;
    assert_eq!(end.reason, CloseReason::TransferFailed("failed"));
    assert_eq!(*accepted.function.events.lock(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_events_wait_is_read_no_further_and_its_silence_says_nothing() {
    let accepted = Accepted::new(0, |clients| clients.timeouts.ping_interval = Duration::from_secs(20)).await;
    let end = accepted
        .serve(async |mut client| {
            let frames = frame(TEXT, &[b'x'; 1000]).repeat(600);
            let mut sending = pin!(client.write_all(&frames));
            let stalled = timeout(Duration::from_mins(5), sending.as_mut()).await;
            assert!(stalled.is_err(), "not more is read than may wait");
            accepted.function.permits.add_permits(1000);
            sending.await.expect("the rest is read");
            client.write_all(&frame(CLOSE, b"")).await.expect("a close frame");
        })
        .await;
    assert_eq!(end.reason, CloseReason::ClosedByClient);
}

#[tokio::test(start_paused = true)]
async fn pushes_go_out_in_order_and_a_close_behind_them() {
    let accepted = Accepted::new(0, |_| ()).await;
    let kicked = Close { code: 4001, reason: "kicked".into(), cleanup: false };
    let end = accepted
        .serve(async |mut client| {
            for text in ["x", "y"] {
                assert_eq!(accepted.push(Delivery::Frame(Frame::text(text))).await, Ok(()));
            }
            assert_eq!(accepted.push(Delivery::Close(kicked)).await, Ok(()));
            for text in ["x", "y"] {
                assert_eq!(receive(&mut client).await, (TEXT, text.into()));
            }
        })
        .await;
    assert_eq!(
        (end.reason, end.code(), end.text.as_str()),
        (CloseReason::ClosedByFunction, Some(4001), "kicked")
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_pushes_is_too_slow() {
    let accepted = Accepted::new(0, |clients| clients.limits.send_queue_bytes = 10_000).await;
    let end = accepted
        .serve(async |_client| {
            while accepted.push(Delivery::Frame(Frame::text("x".repeat(1000)))).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
            std::future::pending::<()>().await;
        })
        .await;
    assert_eq!(end.reason, CloseReason::TooSlow);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_end_is_given_up() {
    let begun = Instant::now();
    let accepted =
        Accepted::new(0, |clients| clients.limits.message_seconds = NonZeroU32::MIN.saturating_add(6)).await;
    let end = accepted
        .serve(async |mut client| {
            client.write_all(&frame(TEXT, b"the whole")[..8]).await.expect("a part");
            std::future::pending::<()>().await;
        })
        .await;
    assert_eq!((end.reason, begun.elapsed().as_secs()), (CloseReason::MessageTimedOut, 7));
}

#[tokio::test(start_paused = true)]
async fn more_frames_a_second_than_allowed_end_it() {
    let accepted =
        Accepted::new(9, |clients| clients.limits.frames_per_second = NonZeroU32::MIN.saturating_add(1))
            .await;
    let end = accepted
        .serve(async |mut client| {
            client.write_all(&frame(TEXT, b"x").repeat(9)).await.expect("frames");
            std::future::pending::<()>().await;
        })
        .await;
    assert_eq!(end.reason, CloseReason::TooFast);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_it_when_its_turn_has_come() {
    let accepted = Accepted::new(0, |_| ()).await;
    let end = accepted
        .serve(async |_client| {
            sleep(Duration::from_secs(1)).await;
            accepted.drain.begin(1, Duration::from_secs(9));
            std::future::pending::<()>().await;
        })
        .await;
    assert_eq!(end.reason, CloseReason::ShuttingDown);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_ends_it() {
    let accepted = Accepted::new(0, |_| ()).await;
    let end = accepted.serve(async |client| drop(client)).await;
    assert_eq!(end.reason, CloseReason::ConnectionLost);
}
