//! SIGUSR2 and `--replace`: a new process takes the place of the one that runs.

mod under_load;

use std::{
    io::ErrorKind,
    os::unix::net::UnixDatagram,
    process::Command,
    sync::{Arc, Mutex},
};

use scf_websocket_test_harness::{
    Gateway, SOON,
    elsewhere::server::{Reply, Request, Server},
    eventually, from_file, gateway_program, kill, lives, request,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

/// The functions of the clients, which know the id of each by the number in its query.
struct Functions {
    server: Server,
    ids: Arc<Mutex<Vec<Option<String>>>>,
}

impl Functions {
    async fn start(clients: usize) -> Self {
        let ids = Arc::new(Mutex::new(vec![None; clients]));
        let known = Arc::clone(&ids);
        let handler = move |request: Request| -> futures_util::future::BoxFuture<'static, Reply> {
            let mut event: Value = serde_json::from_slice(&request.body).expect("an event");
            if request.target() == "POST /register" {
                let id = event["websocket"]["secConnectionID"].as_str().map(str::to_owned);
                let number =
                    event["queryString"]["n"].as_str().and_then(|number| number.parse::<usize>().ok());
                if let Some(number) = number {
                    known.lock().expect("no panic")[number] = id;
                }
            }
            event["errNo"] = json!(0);
            event["errMsg"] = json!("ok");
            Box::pin(async move { Reply::ok(event.to_string()) })
        };
        Self { server: Server::start(Arc::new(handler), None).await, ids }
    }

    fn id(&self, number: usize) -> Option<String> {
        self.ids.lock().expect("no panic")[number].clone()
    }

    fn file(&self, drain_seconds: u32) -> String {
        let at = self.server.addr;
        format!(
            "listen = \"127.0.0.1:0\"\npush_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             push_token = \"hunter2\"\ndrain_seconds = {drain_seconds}\n[limits]\nhandshakes_per_second_per_ip = 100000\n\
             [[api]]\npath = \"/\"\nregister = \"http://{at}/register\"\ntransfer = \"http://{at}/transfer\"\n\
             cleanup = \"http://{at}/cleanup\"\nfunction_timeout_seconds = 30\n"
        )
    }
}

/// The process that has taken over. Dropped, it is killed: it is no child of the test's.
struct NewProcess(u32);

impl NewProcess {
    /// The newest one that the log names.
    async fn of(gateway: &Gateway, number: usize) -> Self {
        let pid = eventually("a process that has taken over", || {
            let log = gateway.log();
            let mut pids = log.lines().filter_map(|line| {
                line.split_once("process ")?.1.split_once(" has taken over: ")?.0.parse().ok()
            });
            pids.nth(number)
        });
        Self(pid.await)
    }
}

impl Drop for NewProcess {
    fn drop(&mut self) {
        if lives(self.0) {
            kill(self.0, "KILL");
        }
    }
}

/// A function that pushes over a connection that it keeps.
struct Pusher {
    addr: String,
    path: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Pusher {
    fn of(gateway: &Gateway) -> Self {
        let (addr, path) =
            gateway.push.trim_start_matches("http://").split_once('/').expect("an address with a path");
        Self { addr: addr.to_owned(), path: format!("/{path}"), stream: None }
    }

    /// The `errNo` of the answer.
    async fn push(&mut self, id: &str, data: &str) -> i64 {
        let websocket =
            json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data});
        let body = json!({ "websocket": websocket }).to_string();
        let head =
            format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", self.path, body.len());
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self
                .stream
                .insert(BufReader::new(TcpStream::connect(&self.addr).await.expect("a connection"))),
        };
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
        let (mut length, mut is_last) = (0, false);
        loop {
            let mut line = String::new();
            timeout(SOON, stream.read_line(&mut line)).await.expect("in time").expect("an answer");
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length =
                line.strip_prefix("content-length: ").and_then(|text| text.parse().ok()).unwrap_or(length);
            is_last |= line == "connection: close";
        }
        assert!(length > 0, "the connection was cut");
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await.expect("a body");
        if is_last {
            self.stream = None;
        }
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        answer["errNo"].as_i64().expect("a number")
    }
}

#[tokio::test]
async fn a_new_process_that_does_not_come_up_changes_nothing() {
    let functions = Functions::start(4).await;
    let gateway = from_file(&functions.file(30)).start();
    let mut client = gateway.connect("/?n=0").await;
    gateway.rewrite("listen = \"nowhere\"\n");
    gateway.signal("USR2");
    gateway.wait_for_log("gateway.toml:1:10: listen = \"nowhere\"").await;
    gateway.wait_for_log("nothing has changed: the new process has ended with exit status: 2").await;
    let id = functions.id(0).expect("registered");
    assert_eq!(Pusher::of(&gateway).push(&id, "still here").await, 0);
    assert_eq!(client.next_text().await, "still here");
    gateway.connect("/?n=1").await.close().await;
    assert_eq!(replace(&gateway).await.0, Some(1));

    // The same once the file is right again.
    gateway.rewrite(&functions.file(30));
    let (status, said) = replace(&gateway).await;
    assert!(status == Some(0) && said.contains(" has taken over"), "{said}");
    let _new = NewProcess::of(&gateway, 0).await;
    gateway.connect("/?n=1").await.close().await;
}

/// `gateway --config FILE --replace`, and what it says.
async fn replace(gateway: &Gateway) -> (Option<i32>, String) {
    let mut command = Command::new(gateway_program());
    command.arg("--config").arg(gateway.file()).arg("--replace");
    let run = tokio::task::spawn_blocking(move || command.output().expect("the gateway runs"));
    let output = run.await.expect("no panic");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test]
async fn clients_of_the_old_process_are_reached_through_the_new_one() {
    let functions = Functions::start(4).await;
    let gateway = from_file(&functions.file(3600)).start();
    let mut clients = Vec::new();
    for number in 0..3 {
        clients.push(gateway.connect(&format!("/?n={number}")).await);
    }
    assert_eq!(replace(&gateway).await.0, Some(0));
    let _new = NewProcess::of(&gateway, 0).await;
    gateway.wait_for_log("closing 3 connections over 3600 s").await;
    // One of them is closed at once, the next one after twenty minutes.
    let mut pusher = Pusher::of(&gateway);
    let mut reached = 0;
    for (number, client) in clients.iter_mut().enumerate() {
        let id = functions.id(number).expect("registered");
        if pusher.push(&id, "from the old one").await == 0 {
            let message = client.next().await;
            if message.as_text() == Some("from the old one") {
                reached += 1;
            }
        }
    }
    assert!(reached >= 2, "{reached} of 3 were reached");
    let mut newcomer = gateway.connect("/?n=3").await;
    let ids: Vec<_> = (0..4).map(|number| functions.id(number).expect("registered")).collect();
    let batch = json!({"websocket": {"action": "data send", "secConnectionIDs": ids, "dataType": "binary", "data": "AAE="}});
    let reply = gateway.push(batch.to_string().as_bytes()).await;
    assert_eq!((reply.status, reply.err_no()), (200, 0), "{reply:?}");
    assert!(reply.json()["failed"].as_array().is_some_and(|failed| failed.len() <= 1), "{reply:?}");
    assert_eq!(newcomer.next().await.as_payload()[..], [0, 1]);
    // A look at a connection of the old process.
    let (addr, path) = gateway.push.trim_start_matches("http://").split_once('/').expect("an address");
    let mut found = 0;
    for id in &ids {
        let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let target = format!("/{path}?secConnectionID={id}");
        let reply = request(addr, "GET", &target, &[("Connection", "close")], b"").await;
        found += usize::from(reply.json()["connection"]["sourceIp"] == "127.0.0.1");
    }
    assert!(found >= 3, "{found} of 4 were found");
    // Of three processes the first and the last would not know of each other.
    let (status, said) = replace(&gateway).await;
    assert!(status == Some(1) && said.contains("has not ended yet"), "{said}");
}

#[tokio::test]
async fn systemd_is_told_which_process_is_the_main_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a time-out");
    let next = || {
        let mut state = [0; 256];
        // A child's end interrupts the call.
        let length = loop {
            match socket.recv(&mut state) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received.expect("a state in time"),
            }
        };
        String::from_utf8_lossy(&state[..length]).into_owned()
    };
    let functions = Functions::start(4).await;
    let gateway = from_file(&functions.file(1)).own_env("NOTIFY_SOCKET", &path.display().to_string()).start();
    assert_eq!(next(), "READY=1");
    gateway.signal("USR2");
    let new = NewProcess::of(&gateway, 0).await;
    let mut states = [next(), next()];
    states.sort();
    assert_eq!(states, [format!("MAINPID={}", new.0), "READY=1".to_owned()]);
    kill(new.0, "TERM");
    assert_eq!(next(), "STOPPING=1");
}
