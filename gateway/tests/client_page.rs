//! The page for an API's own clients, which `--client-page` serves beside the developer's page.

use std::fs;

use scf_websocket_test_harness::{echo, request};

#[tokio::test]
async fn a_file_is_served_to_this_machine_and_read_anew_for_each_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("chat.html");
    fs::write(&file, "<p>one").expect("the file");
    let gateway = echo().args(&["--client-page", file.to_str().expect("text")]).start();
    let address = gateway.client_page.as_ref().expect("the client page's address is printed");
    assert_eq!(*address, format!("http://{}/client", gateway.addr()));

    let page = request(gateway.addr(), "GET", "/client", &[], b"").await;
    assert_eq!((page.status, page.body.as_str()), (200, "<p>one"));
    assert!(page.head.contains("content-type: text/html; charset=utf-8"), "{}", page.head);
    assert!(page.head.contains("default-src 'self' 'unsafe-inline'"), "its own scripts run: {}", page.head);

    fs::write(&file, "<p>two").expect("the file");
    let page = request(gateway.addr(), "GET", "/client", &[], b"").await;
    assert_eq!(page.body, "<p>two");

    fs::remove_file(&file).expect("the file is removed");
    let page = request(gateway.addr(), "GET", "/client", &[], b"").await;
    assert_eq!(page.status, 404);
    assert!(page.body.contains("the file of --client-page, cannot be read"), "{}", page.body);

    let foreign = request(gateway.addr(), "GET", "/client", &[("Host", "rebound.example")], b"").await;
    assert_eq!(foreign.status, 403);
    let mut client = gateway.connect("/client").await;
    client.send_text("a client may still connect on this path").await;
    client.next().await;
}

#[tokio::test]
async fn without_the_option_there_is_none() {
    let gateway = echo().start();
    assert_eq!(gateway.client_page, None);
    assert_eq!(request(gateway.addr(), "GET", "/client", &[], b"").await.status, 426);
}
