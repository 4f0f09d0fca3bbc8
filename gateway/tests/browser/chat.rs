//! The example chat's page: two people in two tabs, a phone in the dark, a gateway that goes away, and axe.

use std::{env, path::PathBuf};

use fantoccini::wd::WindowHandle;
use tempfile::TempDir;

use scf_websocket_test_harness::{Api, Gateway};

use crate::{
    accessibility::clean,
    harness::{Browser, Look},
};

const LAST: &str = "#lines li:last-child";

/// The example chat over a store in this folder; `CHAT` names its program.
fn chat(store: &TempDir) -> Api {
    let program = env::var_os("CHAT")
        .expect("CHAT names the example's program; `make test-browser` builds and names it");
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/chat.html");
    let page = page.to_str().expect("a path in UTF-8").to_owned();
    let store = format!("dir:{}", store.path().display());
    Api::of(&PathBuf::from(program)).env("WS_STORE", &store).args(&["--client-page", &page])
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

async fn open(browser: &Browser, gateway: &Gateway) {
    browser
        .client
        .goto(gateway.client_page.as_ref().expect("the chat page's address"))
        .await
        .expect("the page");
    browser.see("#state[data-open=yes]").await;
}

async fn enter(browser: &Browser, gateway: &Gateway, name: &str) {
    open(browser, gateway).await;
    browser.type_in("#name", name).await;
    browser.click("#introduce button").await;
    browser.read("#people", &format!("{name} (you)")).await;
}

async fn say(browser: &Browser, text: &str) {
    browser.type_in("#text", text).await;
    browser.click("#send").await;
}

async fn tab(browser: &Browser, tab: &WindowHandle) {
    browser.client.switch_to_window(tab.clone()).await.expect("the tab");
}

#[tokio::test]
async fn two_people_talk_in_two_tabs() {
    let store = folder();
    let gateway = chat(&store).start();
    let browser = Browser::start().await;
    let ann = browser.client.window().await.expect("the first tab");
    enter(&browser, &gateway, "ann").await;
    say(&browser, "hello, <b>anyone</b>?").await;
    browser.read("#lines .own p", "hello, <b>anyone</b>?").await;

    let ben = browser.client.new_window(true).await.expect("a second tab").handle;
    tab(&browser, &ben).await;
    open(&browser, &gateway).await;
    browser.type_in("#name", "ann").await;
    browser.click("#introduce button").await;
    browser.read("#objection", "Ann is taken.").await;
    browser.see("#name").await.clear().await.expect("an empty field");
    browser.type_in("#name", "ben").await;
    browser.click("#introduce button").await;
    browser.read("#people", "ann").await;
    browser.read("#lines", "hello, <b>anyone</b>?").await;
    say(&browser, "hello, ann").await;
    browser.read("#lines .own p", "hello, ann").await;

    tab(&browser, &ann).await;
    browser.read("#lines", "ben joined").await;
    browser.read("#lines", "hello, ann").await;
    browser.click("#people button[title='Write to ben alone']").await;
    browser.holds("document.getElementById('text').value === '/msg ben '").await;
    say(&browser, "psst").await;
    browser.read("#lines .own.private p", "psst").await;

    tab(&browser, &ben).await;
    browser.read("#lines .private:not(.own) p", "psst").await;
    browser.read("#lines .private b", "ann, only to you").await;
    browser.click("#move").await;
    browser.type_in("#wanted", "garden").await;
    browser.click("#join button").await;
    browser.read("#room", "garden").await;
    browser.holds("!document.getElementById('lines').innerText.includes('hello')").await;

    tab(&browser, &ann).await;
    browser.read("#lines", "ben left").await;
    browser.holds("document.querySelectorAll('#people li').length === 1").await;
    println!("the chat: {}", browser.picture("chat.png").await.display());
    browser.end().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_with_the_same_name_and_room() {
    let store = folder();
    let gateway = chat(&store).start();
    let listen = gateway.addr().to_owned();
    let browser = Browser::start().await;
    enter(&browser, &gateway, "ann").await;
    say(&browser, "/join garden").await;
    browser.read("#room", "garden").await;
    say(&browser, "before").await;
    browser.read("#lines .own p", "before").await;
    gateway.signal("TERM");
    browser.read("#state", "trying again").await;
    browser.read(LAST, "The connection was lost").await;
    browser.holds("document.getElementById('send').disabled").await;
    drop(gateway);
    let _again = chat(&store).args(&["--listen", &listen]).start();
    browser.see("#state[data-open=yes]").await;
    browser.read("#lines", "these were the last messages").await;
    browser.holds("document.getElementById('room').textContent === 'garden'").await;
    browser.holds("document.querySelectorAll('#lines .own p').length === 1").await;
    say(&browser, "after").await;
    browser.read(LAST, "after").await;
    browser.end().await;
}

#[tokio::test]
async fn axe_finds_nothing_in_light() {
    examine(&Look::default(), "chat-light.png").await;
}

#[tokio::test]
async fn axe_finds_nothing_on_a_phone_in_the_dark() {
    examine(&Look { dark: true, phone: true, ..Look::default() }, "chat-phone-dark.png").await;
}

async fn examine(look: &Look, picture: &str) {
    let store = folder();
    let gateway = chat(&store).start();
    let browser = Browser::looking(look).await;
    let mut guest = gateway.connect("/").await;
    for line in ["zoë", "Has anyone seen my umbrella?", "It is the yellow one."] {
        guest.send_text(line).await;
        guest.next_text().await;
    }
    open(&browser, &gateway).await;
    clean(&browser, "without a name").await;
    println!("entering: {}", browser.picture(&format!("enter-{picture}")).await.display());
    enter(&browser, &gateway, "ann").await;
    say(&browser, "By the door, I think.").await;
    browser.read("#lines .own p", "door").await;
    guest.send_text("/msg ann Thank you! And do not tell the others whose it is.").await;
    browser.read("#lines .private p", "Thank you").await;
    say(&browser, "/msg zoë Never.").await;
    browser.read("#lines .own.private", "Never.").await;
    browser.holds("document.getAnimations().length === 0").await;
    browser.holds("document.documentElement.scrollWidth <= innerWidth").await;
    // What one person says without a pause stands under their name once.
    browser.holds("document.querySelectorAll('#lines li:not(.own, .private) b').length === 1").await;
    clean(&browser, "in a room").await;
    println!("talking: {}", browser.picture(picture).await.display());
    browser.click("#move").await;
    browser.see("#rooms[open]").await;
    clean(&browser, "changing the room").await;
    browser.end().await;
}
