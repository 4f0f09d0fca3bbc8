//! What the page shows of the cluster.

use scf_websocket_gateway::cluster::{ClusterSettings, NodeId, RedisUrl};
use scf_websocket_test_harness::{Gateway, InProcess, Redis};
use serde_json::json;

use crate::{
    accessibility::clean,
    harness::{Browser, Look, raw},
};

async fn node(redis: &Redis) -> Gateway {
    let settings = ClusterSettings::new(RedisUrl::parse(&redis.url()).expect("a URL"));
    InProcess::echo().gateway(|builder| builder.cluster(settings)).start().await
}

#[tokio::test]
async fn the_nodes_their_leases_and_the_ways_of_pushes_are_shown_and_what_becomes_of_them() {
    let mut redis = Redis::start(&[]);
    let (gateway, other) = (node(&redis).await, node(&redis).await);
    let mut client = other.connect("/").await;
    let id = client.id(&other).await;
    let mut passing = gateway.connect("/").await;
    let own = passing.id(&gateway).await;
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.read("#cluster > summary", "2 nodes").await;
    let node = NodeId::of_connection(&own).expect("a connection's id");
    browser.read("#cluster-own", &format!("this is node {node}")).await;
    browser.read("#cluster-redis", "Redis up").await;
    browser.read("#cluster-lag", " ms").await;
    browser.read("#cluster-pushes", "pushes 1 local, 0 remote").await;
    browser.read("#cluster-take-overs", "0 take-overs").await;
    let push = json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": "x"});
    assert_eq!(gateway.push_json(push).await.err_no(), 0);
    browser.read("#cluster-pushes", "pushes 1 local, 1 remote").await;
    browser.click("#cluster > summary").await;
    for address in [gateway.addr(), other.addr()] {
        browser.read("#cluster-nodes", address).await;
    }
    let marked = "[...document.querySelectorAll('#cluster-nodes tr')].filter((row) => row.textContent.includes('(this node)')).map((row) => row.cells[1].textContent)";
    assert_eq!(browser.value(marked).await, json!([gateway.addr()]));
    browser
        .holds("[...document.querySelectorAll('#cluster-nodes td:nth-child(3)')].every((cell) => /^[0-5]\\.\\d s ago$/.test(cell.textContent))")
        .await;
    browser.read("#cluster-note", "silent for 5 s").await;
    clean(&browser, "a cluster").await;
    println!("cluster: {}", browser.picture("cluster.png").await.display());
    drop((client, passing, other));
    browser.read("#cluster-take-overs", "1 take-over").await;
    browser.read("#cluster-count", "1 node").await;
    browser.holds("document.querySelectorAll('#cluster-nodes tr').length === 1").await;
    redis.stop();
    browser.read("#cluster-redis", "Redis away").await;
    browser.read("#cluster-note", "as they were last seen").await;
    browser.read("#cluster-lag", "silent").await;
    clean(&browser, "a cluster without Redis").await;
    println!("cluster without Redis: {}", browser.picture("cluster-away.png").await.display());
    redis.restart();
    browser.read("#cluster-redis", "Redis up").await;
    browser.read("#cluster-count", "1 node").await;
    browser.holds("document.getElementById('cluster-lost').hidden").await;
    // As another node would that takes this one over.
    redis.command(&format!("SET {{scf-ws}}:lost:{node} 1 PX 60000"));
    browser.read("#cluster-lost", "declared lost 1 time").await;
    browser.holds(&format!("!document.getElementById('cluster-own').textContent.includes('{node}')")).await;
    drop(gateway);
    browser.read("#live", "Is it still running?").await;
    browser.holds("document.getElementById('cluster').hidden").await;
    browser.end().await;
}

#[tokio::test]
async fn the_cluster_is_shown_in_dark_and_on_a_phone_too() {
    let redis = Redis::start(&[]);
    let (gateway, _other) = (node(&redis).await, node(&redis).await);
    for (look, picture) in [
        (Look { dark: true, ..Look::default() }, "cluster-dark.png"),
        (Look { phone: true, ..Look::default() }, "cluster-phone.png"),
    ] {
        let browser = Browser::looking(&look).await;
        browser.open(&gateway).await;
        browser.read("#cluster-count", "2 nodes").await;
        browser.click("#cluster > summary").await;
        browser.holds("document.querySelectorAll('#cluster-nodes tr').length === 2").await;
        clean(&browser, picture).await;
        browser.holds("document.documentElement.scrollWidth <= innerWidth").await;
        println!("cluster: {}", browser.picture(picture).await.display());
        browser.end().await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_alone_shows_none() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    let script = "const done = arguments[arguments.length - 1]; fetch('/admin/health').then((answer) => answer.json()).then(({ cluster }) => done(cluster))";
    let seen = browser.client.execute_async(script, Vec::new()).await.expect("an answer");
    assert_eq!(seen, json!(null));
    browser.connect().await;
    browser.echo("hello").await;
    browser.holds("document.getElementById('cluster').hidden").await;
    browser.end().await;
}
