//! What a person does besides looking: copy, replay, push to a connection, close it.

use serde_json::Value;

use crate::harness::{Browser, raw, row};

#[tokio::test]
async fn an_event_is_copied_as_json_and_as_a_command_that_works() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.echo("it's here").await;
    let transfer = row("transfer", "ok");
    browser.see(&transfer).await;
    browser.click(&format!("{transfer} summary")).await;
    browser.watch_clipboard().await;
    for title in ["Event", "Answer"] {
        click_in_part(&browser, &transfer, title, "Copy JSON").await;
        let event: Value = serde_json::from_str(&browser.copied().await).expect("JSON");
        assert_eq!(event["websocket"]["data"], "it's here", "{title}");
    }
    click_in_part(&browser, &transfer, "Event", "Copy as curl").await;
    run(&browser.copied().await);
    browser.holds("document.querySelectorAll('.frame[data-direction=in]').length === 2").await;
    browser.see(&format!("{transfer}[data-replay=yes]")).await;
    click_in_part(&browser, &transfer, "Pushes", "Copy as curl").await;
    run(&browser.copied().await);
    browser.read(".row[data-kind=push]", "“it's here”, pushed from outside").await;
    browser.end().await;
}

#[tokio::test]
async fn an_event_is_replayed_to_its_function() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.echo("again").await;
    let transfer = row("transfer", "ok");
    browser.see(&transfer).await;
    browser.click(&format!("{transfer} summary")).await;
    click_in_part(&browser, &transfer, "Event", "Replay").await;
    let replay = format!("{transfer}[data-replay=yes]");
    let text = browser.read(&replay, "replay").await;
    assert!(text.contains("“again”"), "{text}");
    browser.holds("document.querySelectorAll('.frame[data-direction=in]').length === 2").await;
    browser.read("#sum-invocations", "3").await;
    browser.end().await;
}

#[tokio::test]
async fn connections_are_listed_pushed_to_and_closed() {
    let gateway = raw().start();
    let mut other = gateway.connect("/other").await;
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.read("#connection-count", "2").await;
    browser.click("#connections > summary").await;
    let list = browser.read("#connection-list", "/other").await;
    assert!(list.contains("mine"), "{list}");
    browser.watch_clipboard().await;
    let of_other = "#connection-list li:last-child";
    browser.read(of_other, "/other").await;
    let id = browser.see(of_other).await.attr("data-connection").await.expect("an element").expect("an id");
    let button = |number: usize| format!("{of_other} button:nth-of-type({number})");
    browser.click(&button(1)).await;
    assert_eq!(browser.copied().await, id);
    browser.click(&button(2)).await;
    assert_eq!(browser.value("document.getElementById('push-to').value").await, id.as_str());
    browser.type_in("#push-data", "hello, other").await;
    browser.click("#push button").await;
    browser.read("#push-answer", "Pushed to ").await;
    assert_eq!(other.next_text().await, "hello, other");
    browser.click("#push-binary").await;
    browser.click("#push button").await;
    browser.read("#push-answer", "no Base64").await;
    browser.click(&button(3)).await;
    browser.read("#push-answer", "Closed ").await;
    other.closed().await;
    browser.read("#connection-count", "1").await;
    browser.end().await;
}

async fn click_in_part(browser: &Browser, row: &str, title: &str, button: &str) {
    browser.see(&format!("{row} .body")).await;
    let script = "const parts = [...document.querySelector(arguments[0]).querySelectorAll('.body > div')]; \
                  const part = parts.find((part) => part.querySelector('h3')?.textContent.startsWith(arguments[1])); \
                  return [...part.querySelectorAll('button')].find((button) => button.textContent === arguments[2]);";
    let arguments = [row, title, button].map(Value::from).to_vec();
    let found = browser.client.execute(script, arguments).await.expect("the button");
    let element: fantoccini::elements::Element =
        fantoccini::elements::Element::from_element_id(browser.client.clone(), id(&found).into());
    element.click().await.expect("it can be clicked");
}

/// A web element's id, under the key that the protocol fixes.
fn id(element: &Value) -> String {
    let id = element["element-6066-11e4-a52e-4f735466cecf"].as_str();
    id.unwrap_or_else(|| panic!("no such button: {element}")).to_owned()
}

/// Runs a shell command as a person who has pasted it.
fn run(command: &str) {
    let output = std::process::Command::new("sh").args(["-c", command]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("\"errNo\":0"), "{command}: {text}");
}
