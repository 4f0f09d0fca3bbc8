//! The admin API: programs list and close connections and check the gateway's health.

use std::process::Command;

use scf_websocket_gateway::{
    PageScope,
    config::Admin,
    function::{Failure, Role},
    secret::Secret,
};
use scf_websocket_test_harness::{Client, Gateway, InProcess, Need, Reply, needs, request};
use serde_json::{Value, json};
use tokio_websockets::CloseCode;

/// The register function derives the user from the path, such as `/chat/ann`.
async fn function(role: Role, event: Value) -> Result<Value, Failure> {
    let mut answer = json!({"errNo": 0, "errMsg": "ok", "websocket": {}});
    let path = event["requestContext"]["path"].as_str().unwrap_or_default();
    if role == Role::Register
        && let Some((_, user)) = path.rsplit_once('/').filter(|(_, user)| !user.is_empty())
    {
        answer["websocket"]["attributes"] = json!({"user": user, "level": "3"});
    }
    Ok(answer)
}

async fn started() -> (Gateway, String) {
    let admin = Admin::new(([127, 0, 0, 1], 0).into());
    let gateway = InProcess::of(function).gateway(|builder| builder.admin(admin)).start().await;
    let addr = gateway.running().admin_addr().expect("an admin address").to_string();
    (gateway, addr)
}

async fn get(admin: &str, path: &str) -> Reply {
    request(admin, "GET", path, &[], b"").await
}

async fn close(admin: &str, body: Value) -> Reply {
    let json = [("Content-Type", "application/json")];
    request(admin, "POST", "/admin/close", &json, body.to_string().as_bytes()).await
}

async fn connected(gateway: &Gateway, paths: &[&str]) -> Vec<Client> {
    let mut clients = Vec::new();
    for path in paths {
        clients.push(gateway.connect(path).await);
    }
    clients
}

fn users(listed: &Value) -> Vec<&str> {
    let connections = listed["connections"].as_array().expect("a list");
    connections.iter().map(|found| found["attributes"]["user"].as_str().unwrap_or("nobody")).collect()
}

#[tokio::test]
async fn connections_are_found_by_path_address_and_attribute() {
    let (gateway, admin) = started().await;
    let _clients = connected(&gateway, &["/chat/ann", "/chat/bob", "/chatter/ann", "/"]).await;
    for (query, mut found) in [
        ("", vec!["ann", "ann", "bob", "nobody"]),
        ("?path=/chat", vec!["ann", "bob"]),
        ("?path=/chat/ann", vec!["ann"]),
        ("?attribute.user=ann", vec!["ann", "ann"]),
        ("?attribute.user=ann&attribute.level=4", vec![]),
        ("?attribute.user=ann&path=/chatter", vec!["ann"]),
        ("?address=127.0.0.1&path=/chat", vec!["ann", "bob"]),
        ("?address=127.0.0.0/8", vec!["ann", "ann", "bob", "nobody"]),
        ("?address=10.0.0.0%2F8", vec![]),
    ] {
        let listed = get(&admin, &format!("/admin/connections{query}")).await.json();
        let mut seen = users(&listed);
        seen.sort_unstable();
        found.sort_unstable();
        assert_eq!((seen, &listed["total"]), (found.clone(), &json!(found.len())), "{query}");
        assert!(listed["next"].is_null(), "{listed}");
    }
    for query in ["?adress=127.0.0.1", "?address=here", "?limit=0", "?limit=1001", "?before=yesterday"] {
        let refused = get(&admin, &format!("/admin/connections{query}")).await;
        assert_eq!((refused.status, refused.err_no()), (400, 400), "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_from_the_newest_to_the_oldest() {
    let (gateway, admin) = started().await;
    let _clients =
        connected(&gateway, &["/chat/a", "/chat/b", "/other/x", "/chat/c", "/chat/d", "/chat/e"]).await;
    let (mut path, mut seen) = ("/admin/connections?path=/chat&limit=2".to_owned(), Vec::new());
    loop {
        let page = get(&admin, &path).await.json();
        assert_eq!(page["total"], 5, "{page}");
        assert!(users(&page).len() <= 2, "{page}");
        seen.extend(page["connections"].as_array().expect("a list").clone());
        // A client that connects between two requests does not shift the pages.
        let _newcomer = gateway.connect("/newcomer").await;
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    let mut names: Vec<_> =
        seen.iter().map(|found| found["attributes"]["user"].as_str().expect("a name")).collect();
    let times: Vec<_> = seen.iter().map(|found| found["connectedAt"].as_u64().expect("a time")).collect();
    assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn one_connection_is_looked_at_with_what_went_through_it() {
    let (gateway, admin) = started().await;
    let mut client = gateway.connect("/chat/ann").await;
    client.send_text("hello").await;
    gateway.wait_for_events("transfer", 1).await;
    let listed = get(&admin, "/admin/connections").await.json();
    let id = listed["connections"][0]["secConnectionID"].as_str().expect("an id").to_owned();
    let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "hi"});
    assert_eq!(gateway.push_json(push).await.err_no(), 0);
    assert_eq!(client.next_text().await, "hi");
    let encoded = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let found = get(&admin, &format!("/admin/connections/{encoded}")).await.json();
    for (name, value) in [
        ("secConnectionID", json!(id)),
        ("path", json!("/chat/ann")),
        ("sourceIp", json!("127.0.0.1")),
        ("attributes", json!({"user": "ann", "level": "3"})),
        ("waitingBytes", json!(0)),
        ("framesIn", json!(1)),
        ("bytesIn", json!(5)),
        ("framesOut", json!(1)),
        ("bytesOut", json!(2)),
    ] {
        assert_eq!(found[name], value, "{name} of {found}");
    }
    let unknown = get(&admin, "/admin/connections/AAAA").await;
    assert_eq!((unknown.status, unknown.err_no()), (404, 404));
}

#[tokio::test]
async fn an_operator_closes_by_id_address_and_attribute() {
    let (gateway, admin) = started().await;
    let mut clients = connected(&gateway, &["/chat/ann", "/chat/bob", "/chat/ann", "/eve", "/dave"]).await;
    let closed =
        close(&admin, json!({"attributes": {"user": "ann"}, "code": 4001, "reason": "banned"})).await;
    assert_eq!((&closed.json()["matched"], &closed.json()["closed"]), (&json!(2), &json!(2)), "{closed:?}");
    for client in [2, 0] {
        let (code, reason) = clients.remove(client).closed().await;
        assert_eq!((u16::from(code), reason.as_str()), (4001, "banned"));
    }
    // The cleanup function is called, unless the request says otherwise.
    gateway.wait_for_events("cleanup", 2).await;
    let listed = get(&admin, "/admin/connections?path=/eve").await.json();
    let id = &listed["connections"][0]["secConnectionID"];
    let closed = close(&admin, json!({"secConnectionIDs": [id, "AAAA"], "cleanup": false})).await.json();
    assert_eq!((&closed["matched"], &closed["closed"]), (&json!(2), &json!(1)), "{closed}");
    assert_eq!(clients.remove(1).closed().await.0, CloseCode::NORMAL_CLOSURE);
    let closed = close(&admin, json!({"address": "127.0.0.0/8"})).await.json();
    assert_eq!(closed["closed"], 2, "{closed}");
    for client in &mut clients {
        client.closed().await;
    }
    assert_eq!(gateway.wait_for_events("cleanup", 4).await.len(), 4);
    let left = eventually_empty(&admin).await;
    assert_eq!(left["connections"], json!([]));
    for body in [
        json!({}),
        json!({"code": 4001}),
        json!({"secConnectionIDs": [], "path": "/"}),
        json!({"adress": "127.0.0.1"}),
        json!({"path": "/", "code": 1001}),
        json!({"address": "everywhere"}),
    ] {
        let refused = close(&admin, body.clone()).await;
        assert_eq!((refused.status, refused.err_no()), (400, 400), "{body}");
    }
}

async fn eventually_empty(admin: &str) -> Value {
    for _ in 0..1000 {
        let listed = get(admin, "/admin/connections").await.json();
        if listed["total"] == 0 {
            return listed;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("connections that were closed are still listed");
}

#[tokio::test]
async fn it_is_guarded_as_the_page_is() {
    const READ: [&str; 3] = ["/admin/health", "/admin/connections", "/admin/connections/AAAA"];
    let mut admin = Admin::new(([127, 0, 0, 1], 0).into());
    admin.password = Some(Secret::new("hunter2"));
    admin.metrics_token = Some(Secret::new("read-only"));
    let gateway = InProcess::of(function).gateway(|builder| builder.admin(admin)).start().await;
    let addr = gateway.running().admin_addr().expect("an admin address").to_string();
    for path in READ {
        assert_eq!(get(&addr, path).await.status, 401, "{path}");
        let token = [("Authorization", "Bearer read-only")];
        assert_eq!(request(&addr, "GET", path, &token, b"").await.status, 401, "{path}");
        assert_ne!(get(gateway.addr(), path).await.status, 200, "{path} where clients connect");
    }
    assert_eq!(close(&addr, json!({"path": "/"})).await.status, 401);
    assert_ne!(close(gateway.addr(), json!({"path": "/"})).await.status, 200);

    let (_gateway, addr) = started().await;
    for path in READ {
        assert_eq!(request(&addr, "GET", path, &[("Host", "rebound.example")], b"").await.status, 403);
    }
    let foreign = [("Content-Type", "application/json"), ("Origin", "http://foreign.example")];
    assert_eq!(request(&addr, "POST", "/admin/close", &foreign, b"{\"path\":\"/\"}").await.status, 403);
    assert_eq!(request(&addr, "POST", "/admin/close", &[], b"{\"path\":\"/\"}").await.status, 403);

    let admin = Admin::new(([127, 0, 0, 1], 0).into());
    let without = |builder: scf_websocket_gateway::Builder| builder.admin(admin).page(PageScope::Nowhere);
    let gateway = InProcess::of(function).gateway(without).start().await;
    let addr = gateway.running().admin_addr().expect("an admin address").to_string();
    for path in READ {
        assert_eq!(get(&addr, path).await.status, 404, "{path}");
    }
    assert_eq!(close(&addr, json!({"path": "/"})).await.status, 404);
}

#[tokio::test]
async fn health_says_what_is_wrong() {
    let (gateway, admin) = started().await;
    let _client = gateway.connect("/").await;
    let health = get(&admin, "/admin/health").await.json();
    for (name, value) in [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("clients", json!("ready")),
        ("pushes", json!("ready")),
        ("problems", json!([])),
        ("connections", json!(1)),
        ("cleanupsPending", json!(0)),
        ("certificateExpiresAt", Value::Null),
        ("cluster", Value::Null),
    ] {
        assert_eq!(health[name], value, "{name} of {health}");
    }
    let register = json!({"api": "/", "role": "register", "circuit": "closed"});
    assert_eq!(health["functions"][0], register, "{health}");
}

#[tokio::test]
async fn a_function_that_is_down_is_a_problem() {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let gateway = scf_websocket_test_harness::from_file(&format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[[api]]\npath = \"/chat\"\nregister = \
         \"http://{nobody}/\"\ntransfer = \"http://{nobody}/\"\ncleanup = \"http://{nobody}/\"\n\
         function_timeout_seconds = 1\n"
    ))
    .start();
    let page = gateway.page.as_ref().expect("the page at the admin address");
    let admin = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut is_open = false;
    for _ in 0..50 {
        assert_ne!(gateway.ask("/chat", &[]).await.status, 101);
        let health = get(&admin, "/admin/health").await.json();
        is_open = health["problems"] == json!(["the register function of /chat is down"]);
        if is_open {
            break;
        }
    }
    assert!(is_open, "the circuit stayed closed");
}

/// The commands in docs/admin-api.md.
#[tokio::test(flavor = "multi_thread")]
async fn each_command_of_the_document_does_what_it_says() {
    if !needs(Need::Curl) {
        return;
    }
    let mut admin = Admin::new(([127, 0, 0, 1], 0).into());
    admin.password = Some(Secret::new("hunter2"));
    let gateway = InProcess::of(function).gateway(|builder| builder.admin(admin)).start().await;
    let addr = gateway.running().admin_addr().expect("an admin address");
    let mut client = gateway.connect("/chat/ann").await;
    let document = include_str!("../../docs/admin-api.md");
    let commands: Vec<_> =
        document.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let mut printed = Vec::new();
    for command in &commands {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .env("ADMIN", format!("http://{addr}"))
            .env("GATEWAY_ADMIN_PASSWORD", "hunter2");
        let output =
            tokio::task::spawn_blocking(move || shell.output()).await.expect("no panic").expect("sh");
        printed.push(serde_json::from_slice::<Value>(&output.stdout).expect("JSON"));
    }
    let [health, listed, closed] = &printed[..] else { panic!("{commands:?}") };
    assert_eq!(health["clients"], "ready", "{health}");
    assert_eq!(users(listed), ["ann"]);
    assert_eq!(closed["closed"], 1, "{closed}");
    let (code, reason) = client.closed().await;
    assert_eq!((u16::from(code), reason.as_str()), (4001, "banned"));
}
