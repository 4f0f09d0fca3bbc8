//! A connection registry that drops, delays and duplicates: what clients and functions notice.

use std::{sync::Arc, time::Duration};

use scf_websocket_gateway::{
    contract::{Close, Frame},
    registry::{ConnectionRegistry, Delivery, DeliveryError, MemoryRegistry},
};
use scf_websocket_test_harness::{Fault, FaultyRegistry, InProcess, Need, Redis, needs};
use serde_json::{Value, json};

use crate::cluster::node::{asker, in_process};

fn send(id: &str, data: &str) -> Value {
    json!({"action": "data send", "secConnectionID": id, "dataType": "text", "data": data})
}

/// What every registry does as long as nothing fails.
#[tokio::test]
async fn each_registry_delivers_closes_and_forgets() {
    let registries: [Arc<dyn ConnectionRegistry>; 2] =
        [Arc::new(MemoryRegistry::default()), FaultyRegistry::new()];
    for registry in registries {
        delivers_closes_and_forgets(InProcess::echo().registry(Arc::clone(&registry)), registry).await;
    }
}

/// The same, asked of another node than the one that holds the connections.
#[tokio::test]
async fn a_cluster_delivers_closes_and_forgets() {
    if needs(Need::Redis) {
        let redis = Redis::start(&[]);
        delivers_closes_and_forgets(in_process(&redis), asker(&redis).await).await;
    }
}

async fn delivers_closes_and_forgets(gateway: InProcess, registry: Arc<dyn ConnectionRegistry>) {
    let mut gateway = gateway.start().await;
    let (mut closed, mut leaving) = (gateway.connect("/a").await, gateway.connect("/b").await);
    let ids = [closed.id(&gateway).await, leaving.id(&gateway).await];
    assert_eq!(&*registry.look_up(&ids[0]).await.expect("known").path, "/a");
    for (client, id) in [(&mut closed, &ids[0]), (&mut leaving, &ids[1])] {
        assert_eq!(gateway.push_json(send(id, "pushed")).await.err_no(), 0);
        assert_eq!(client.next_text().await, "pushed");
    }
    let delivered = registry.deliver(&ids, Delivery::Frame(Frame::text("both"))).await;
    assert_eq!(delivered, [Ok(()), Ok(())]);
    assert_eq!((closed.next_text().await, leaving.next_text().await), ("both".into(), "both".into()));
    assert_eq!(registry.deliver(&ids[..1], Delivery::Close(Close::default())).await, [Ok(())]);
    closed.closed().await;
    leaving.close().await;
    gateway.wait_for_events("cleanup", 1).await;
    for id in &ids {
        assert_eq!(gateway.push_json(send(id, "late")).await.err_no(), 404);
        assert!(registry.look_up(id).await.is_err());
    }
    let late = registry.deliver(&ids, Delivery::Frame(Frame::text("late"))).await;
    assert_eq!(late, [Err(DeliveryError::NotFound), Err(DeliveryError::NotFound)]);
    gateway.shutdown().await;
    let cleaned_up = gateway.events("cleanup");
    assert_eq!(cleaned_up.len(), 1, "a function closed the other");
    assert_eq!(cleaned_up[0]["websocket"]["secConnectionID"], ids[1].as_str());
}

#[tokio::test]
async fn a_connection_that_cannot_be_reached_now_is_503_and_stays() {
    let registry = FaultyRegistry::new();
    let gateway = InProcess::echo().registry(registry.clone()).start().await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    for fault in [Fault::DropRequest, Fault::DropAnswer] {
        registry.fail(fault);
        let lost = gateway.push_json(send(&id, "lost")).await;
        assert_eq!((lost.status, lost.err_no()), (503, 503), "the function keeps the connection: {fault:?}");
    }
    registry.fail(Fault::None);
    assert_eq!(gateway.push_json(send(&id, "again")).await.err_no(), 0);
    assert_eq!(client.next_text().await, "lost", "only the answer was lost of the second");
    assert_eq!(client.next_text().await, "again");
    let unknown = gateway.push_json(send("unknown==", "x")).await;
    assert_eq!((unknown.status, unknown.err_no()), (200, 404), "one that does not exist is another matter");
    client.close().await;
}

#[tokio::test]
async fn a_client_that_cannot_be_registered_is_refused_and_its_function_is_not_called() {
    let registry = FaultyRegistry::new();
    let gateway = InProcess::echo().registry(registry.clone()).start().await;
    for fault in [Fault::DropRequest, Fault::DropAnswer] {
        registry.fail(fault);
        let refused = gateway.ask("/", &[]).await;
        assert_eq!((refused.status, refused.err_no()), (503, 503), "{fault:?}");
        assert!(refused.head.contains("\r\nretry-after: 1"), "{}", refused.head);
        let sentence = refused.json()["errMsg"].to_string();
        assert!(sentence.contains("cannot take new connections now"), "{sentence}");
    }
    registry.fail(Fault::None);
    assert!(gateway.events("register").is_empty());
    gateway.connect("/").await.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_the_registry_is_away_is_cleaned_up_after_once() {
    for fault in
        [Fault::DropRequest, Fault::DropAnswer, Fault::Duplicate, Fault::Delay(Duration::from_millis(50))]
    {
        let registry = FaultyRegistry::new();
        let mut gateway = InProcess::echo().registry(registry.clone()).start().await;
        let client = gateway.connect("/").await;
        registry.fail(fault);
        client.close().await;
        gateway.wait_for_events("cleanup", 1).await;
        gateway.shutdown().await;
        assert_eq!(gateway.events("cleanup").len(), 1, "{fault:?}");
    }
}

/// The function knows that it closed the connection, even if the registry cannot say so.
#[tokio::test]
async fn a_client_that_a_function_closed_is_not_cleaned_up_after_while_the_registry_is_away() {
    let registry = FaultyRegistry::new();
    let mut gateway = InProcess::echo().registry(registry.clone()).start().await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    registry.fail(Fault::DropAnswer);
    let closing = json!({"action": "closing", "secConnectionID": id});
    assert_eq!(gateway.push_json(closing).await.status, 503);
    client.closed().await;
    gateway.wait_for_record("closed", |record| record["what"] == "closed").await;
    gateway.shutdown().await;
    assert!(gateway.events("cleanup").is_empty());
}

#[tokio::test]
async fn a_slow_registry_keeps_the_order_of_what_is_pushed() {
    let registry = FaultyRegistry::new();
    let gateway = InProcess::echo().registry(registry.clone()).start().await;
    let mut client = gateway.connect("/").await;
    registry.fail(Fault::Delay(Duration::from_millis(5)));
    for number in 0..20 {
        client.send_text(&number.to_string()).await;
    }
    for number in 0..20 {
        assert_eq!(client.next_text().await, number.to_string());
    }
}

#[tokio::test]
async fn a_duplicated_close_closes_once() {
    let registry = FaultyRegistry::new();
    let gateway = InProcess::echo().registry(registry.clone()).start().await;
    let mut client = gateway.connect("/").await;
    let id = client.id(&gateway).await;
    registry.fail(Fault::Duplicate);
    let closing = json!({"action": "closing", "secConnectionID": id});
    assert_eq!(gateway.push_json(closing.clone()).await.err_no(), 0);
    client.closed().await;
    assert_eq!(gateway.push_json(closing).await.err_no(), 404);
}
