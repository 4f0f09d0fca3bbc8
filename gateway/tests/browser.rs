//! The page, driven in a real browser as a person would: the mouse, the keyboard, two tabs.
//!
//! `make test-browser` installs Chromium and its driver, and names the packaged bootstrap.

mod common;

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{Gateway, Setup, bootstrap, processes};
use fantoccini::{Client, ClientBuilder, Locator, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::{net::TcpListener, sync::Mutex};

/// A browser that must start first, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two browsers at once would be two heavy programs on two processors.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A browser with a profile of its own. Dropped, it is killed.
struct Browser {
    client: Client,
    driver: Child,
    profile: Profile,
}

/// The folder of a browser's profile.
struct Profile(PathBuf);

impl Profile {
    fn argument(&self) -> String {
        format!("--user-data-dir={}", self.0.display())
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // After a failure the browser itself still runs; nobody else has this profile.
        let argument = self.profile.argument();
        for pid in processes(|_| true) {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()) {
                // One of them may have ended with another.
                let kill = ["-s", "KILL", &pid.to_string()];
                let _ = Command::new("kill").args(kill).stderr(Stdio::null()).status();
            }
        }
    }
}

impl Browser {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let driver = Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).spawn();
        let driver = driver.expect("chromedriver starts: `make test-browser` installs it");
        let profile = Profile(env::temp_dir().join(format!("page-test-{}-{port}", std::process::id())));
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            // With what headless Chromium takes for itself, the page has 1440 by 800.
            "--window-size=1440,943",
            "--hide-scrollbars",
            &profile.argument(),
        ];
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        let url = format!("http://127.0.0.1:{port}");
        let begun = std::time::Instant::now();
        let client = loop {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            match builder.capabilities(capabilities.clone()).connect(&url).await {
                Ok(client) => break client,
                Err(e) => assert!(begun.elapsed() < PATIENCE, "no session with chromedriver: {e}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        Self { client, driver, profile }
    }

    /// Opens the page and waits until its time line is live.
    async fn open(&self, gateway: &Gateway) {
        self.client.goto(gateway.page.as_ref().expect("the page's address")).await.expect("the page");
        self.see("#live[data-live=yes]").await;
    }

    /// Waits for the element.
    async fn see(&self, css: &str) -> fantoccini::elements::Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(e) => panic!("{css} is not on the page ({e}):\n{}", self.text("body").await),
        }
    }

    /// The element's text; none if it is just being replaced by its next state.
    async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the element's text contains this.
    async fn read(&self, css: &str, part: &str) -> String {
        let begun = std::time::Instant::now();
        loop {
            self.see(css).await;
            let text = self.text(css).await;
            if text.contains(part) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "{css} has no {part:?}: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn click(&self, css: &str) {
        self.see(css).await.click().await.expect("it can be clicked");
    }

    async fn type_in(&self, css: &str, keys: &str) {
        self.see(css).await.send_keys(keys).await.expect("it takes keys");
    }

    async fn connect(&self) {
        self.click("#connect").await;
        self.see("#status[data-state=open]").await;
    }

    async fn send(&self, text: &str) {
        self.type_in("#message", text).await;
        self.click("#send").await;
    }

    async fn end(self) {
        let _ = self.client.clone().close().await;
    }
}

fn raw() -> Setup {
    bootstrap().env("WS_PUSH_ENCODING", "raw")
}

fn row(role: &str, outcome: &str) -> String {
    format!(".row[data-kind=invocation][data-role={role}][data-outcome={outcome}]")
}

#[tokio::test]
async fn a_person_connects_sends_and_sees_the_echo_and_its_three_rows() {
    let _alone = ALONE.lock().await;
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.send("hello, functions").await;
    browser.read(".frame[data-direction=in]", "hello, functions").await;
    browser.click("#disconnect").await;
    browser.see("#status[data-state=closed]").await;

    let register = browser.read(&row("register", "ok"), "connect /").await;
    assert!(register.contains("cold") && register.contains("ms"), "{register}");
    browser.read(&row("cleanup", "ok"), "the client left").await;
    let transfer = row("transfer", "ok");
    browser.read(&transfer, "1 push").await;
    browser.click(&format!("{transfer} summary")).await;
    let body = browser.read(&format!("{transfer} .body"), "hello, functions").await;
    for part in ["Event", "data recv", "Answer", "Pushes", "Log", "invocation request_id="] {
        assert!(body.contains(part), "no {part:?} in the unfolded row: {body}");
    }
    browser.end().await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let _alone = ALONE.lock().await;
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    let enter = String::from(char::from(Key::Enter));
    browser.type_in("#path", &enter).await;
    browser.see("#status[data-state=open]").await;
    browser.type_in("#message", &format!("typed{enter}")).await;
    browser.read(".frame[data-direction=in]", "typed").await;
    browser.see(&row("transfer", "ok")).await;
    let (down, right) = (char::from(Key::Down), char::from(Key::Right));
    browser.type_in("#timeline", &String::from(down)).await;
    let focused = browser.client.active_element().await.expect("a focused row");
    focused.send_keys(&String::from(right)).await.expect("it takes keys");
    browser.see("#timeline .row[open] .body").await;
    browser.end().await;
}

#[tokio::test]
async fn a_file_goes_out_and_comes_back_as_bytes() {
    let _alone = ALONE.lock().await;
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    let file = env::temp_dir().join(format!("page-test-{}.bin", std::process::id()));
    fs::write(&file, [0xde, 0xad, 0xbe, 0xef]).expect("a file");
    browser.type_in("#file", &file.display().to_string()).await;
    browser.read(".frame[data-direction=in]", "de ad be ef").await;
    browser.read(&row("transfer", "ok"), "binary, 4").await;
    fs::remove_file(file).expect("removed");
    browser.end().await;
}

#[tokio::test]
async fn a_refusal_says_why() {
    let _alone = ALONE.lock().await;
    let gateway = raw().env("WS_SUBPROTOCOLS", "chat").start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.type_in("#protocols", "other").await;
    browser.click("#connect").await;
    browser.see("#status[data-state=failed]").await;
    // A browser does not tell a page why; the time line does.
    browser.read("#status", "in the newest register row").await;
    browser.read(&row("register", "refused"), "no sub-protocol in common").await;
    browser.end().await;
}

/// As under `make run`: a room in a directory, each frame to everybody in it.
#[tokio::test]
async fn two_tabs_talk_to_each_other() {
    let _alone = ALONE.lock().await;
    let room = Profile(env::temp_dir().join(format!("page-test-room-{}", std::process::id())));
    fs::create_dir_all(&room.0).expect("a folder");
    let store = format!("dir:{}", room.0.display());
    let gateway = raw().env("WS_STORE", &store).env("WS_PUSH_TO", "all").start();
    let browser = Browser::start().await;
    browser.open(&gateway).await;
    browser.connect().await;
    let first = browser.client.window().await.expect("the first tab");
    let second = browser.client.new_window(true).await.expect("a second tab").handle;
    browser.client.switch_to_window(second.clone()).await.expect("the second tab");
    browser.open(&gateway).await;
    browser.connect().await;

    browser.send("from the second").await;
    browser.read(".frame[data-direction=in]", "from the second").await;
    browser.client.switch_to_window(first).await.expect("the first tab");
    browser.read(".frame[data-direction=in]", "from the second").await;
    browser.send("from the first").await;
    browser.client.switch_to_window(second).await.expect("the second tab");
    browser.read(".frame[data-direction=in]:last-child", "from the first").await;
    for text in ["how are you?", "fine, and you?", "never better", "see you", "bye", "bye-bye"] {
        browser.send(text).await;
        browser.read(".frame[data-direction=in]:last-child", text).await;
    }
    browser.click("#disconnect").await;
    browser.see(&row("cleanup", "ok")).await;
    browser.connect().await;
    browser.send("back again").await;
    browser.read(".frame[data-direction=in]:last-child", "back again").await;
    picture(&browser).await;
    browser.end().await;
}

/// The picture in the README: `PICTURE` says where to, otherwise it is left beside what was built.
async fn picture(browser: &Browser) {
    let path = env::var_os("PICTURE")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page.png"), PathBuf::from);
    let newest = format!("{}:last-child", row("transfer", "ok"));
    browser.click(&format!("{newest} summary")).await;
    browser.read(&format!("{newest} .body"), "outcome=ok").await;
    // Where a person would be who is about to send the next frame.
    browser.type_in("#message", "").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let png = browser.client.screenshot().await.expect("a picture");
    fs::write(&path, png).expect("the picture's file");
    println!("the page: {}", path.display());
}
