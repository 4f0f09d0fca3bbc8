//! A headless Chromium with a profile of its own, driven as a person would: the mouse, the keyboard, tabs.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit},
    time::sleep,
};

use scf_websocket_test_harness::{Api, Gateway, bootstrap};

/// How long a browser may take to start or a page to change, on a machine that may be busy.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// More browsers at once than processors would only slow each other down.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A running browser. Dropped, it and its profile are gone.
pub struct Browser {
    pub client: Client,
    driver: Child,
    _turn: SemaphorePermit<'static>,
}

/// How the browser's window looks to the page.
#[derive(Default)]
pub struct Look {
    pub dark: bool,
    pub phone: bool,
    pub chinese: bool,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input tells the script to end all.
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}

impl Browser {
    pub async fn start() -> Self {
        Self::looking(&Look::default()).await
    }

    pub async fn looking(look: &Look) -> Self {
        let turn = TURNS.acquire().await.expect("never closed");
        let port = TcpListener::bind("127.0.0.1:0").await.and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let profile = env::temp_dir().join(format!("page-test-{}-{port}", std::process::id()));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/driver.sh");
        let mut driver = Command::new(script);
        driver.arg(port.to_string()).arg(&profile).process_group(0).stdin(Stdio::piped());
        let driver = driver.spawn().expect("chromedriver's script starts");
        let client = session(&format!("http://127.0.0.1:{port}"), &capabilities(&profile, look)).await;
        Self { client, driver, _turn: turn }
    }

    /// Opens the page and waits until its timeline is live.
    pub async fn open(&self, gateway: &Gateway) {
        self.client.goto(gateway.page.as_ref().expect("the page's address")).await.expect("the page");
        self.see("#live[data-live=yes]").await;
    }

    pub async fn reload(&self) {
        self.client.refresh().await.expect("the page again");
        self.see("#live[data-live=yes]").await;
    }

    /// Waits for the element.
    pub async fn see(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(WAIT_TIMEOUT).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(e) => panic!("{css} is not on the page ({e}):\n{}", self.text("body").await),
        }
    }

    /// The element's visible text; none if it is just being replaced by its next state.
    pub async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the element's text contains this.
    pub async fn read(&self, css: &str, part: &str) -> String {
        let begun = Instant::now();
        loop {
            self.see(css).await;
            let text = self.text(css).await;
            if text.contains(part) {
                return text;
            }
            assert!(begun.elapsed() < WAIT_TIMEOUT, "{css} has no {part:?}: {text}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the script, an expression, is true.
    pub async fn holds(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression).await != true {
            assert!(begun.elapsed() < WAIT_TIMEOUT, "not so: {expression}\n{}", self.text("body").await);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the expression comes to in the page.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return ({expression})"), Vec::new()).await.expect("a value")
    }

    pub async fn click(&self, css: &str) {
        self.see(css).await.click().await.unwrap_or_else(|e| panic!("{css} can be clicked: {e}"));
    }

    pub async fn type_in(&self, css: &str, keys: &str) {
        self.see(css).await.send_keys(keys).await.unwrap_or_else(|e| panic!("{css} takes keys: {e}"));
    }

    pub async fn connect(&self) {
        self.click("#connect").await;
        self.see("#status[data-state=open]").await;
    }

    /// Sends a frame and waits for its echo.
    pub async fn echo(&self, text: &str) {
        self.send(text).await;
        self.read(".frame[data-direction=in]:last-child", text).await;
    }

    pub async fn send(&self, text: &str) {
        self.type_in("#message", text).await;
        self.click("#send").await;
    }

    /// The buttons that copy put their texts here from now on, in place of the clipboard, which headless Chromium keeps
    /// from scripts.
    pub async fn watch_clipboard(&self) {
        let script = "window.copied = []; navigator.clipboard.writeText = async (text) => { window.copied.push(text); }";
        self.client.execute(script, Vec::new()).await.expect("a script");
    }

    /// The text that was copied last.
    pub async fn copied(&self) -> String {
        self.holds("window.copied.length > 0").await;
        self.value("window.copied.pop()").await.as_str().expect("a text").to_owned()
    }

    /// Saves a picture under this name beside what was built.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let png = self.client.screenshot().await.expect("a picture");
        fs::write(&path, png).expect("the picture's file");
        path
    }

    pub async fn end(self) {
        let _ = self.client.clone().close().await;
    }
}

fn capabilities(profile: &Path, look: &Look) -> serde_json::Map<String, Value> {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        // With what headless Chromium takes for itself, the page has 1440 by 800.
        "--window-size=1440,943".to_owned(),
        "--hide-scrollbars".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    if look.dark {
        arguments.push("--force-dark-mode".to_owned());
    }
    arguments.push(format!("--accept-lang={}", if look.chinese { "zh-CN" } else { "en" }));
    let mut options = json!({ "args": arguments });
    if look.phone {
        let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true });
        options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let mut capabilities = serde_json::Map::new();
    capabilities.insert("goog:chromeOptions".into(), options);
    capabilities
}

async fn session(url: &str, capabilities: &serde_json::Map<String, Value>) -> Client {
    let begun = Instant::now();
    loop {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        match builder.capabilities(capabilities.clone()).connect(url).await {
            Ok(client) => return client,
            Err(e) => assert!(begun.elapsed() < WAIT_TIMEOUT, "no session with chromedriver: {e}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The packaged bootstrap, which sends frames back as they came.
pub fn raw() -> Api {
    bootstrap().env("WS_PUSH_ENCODING", "raw")
}

/// The row of an invocation.
pub fn row(role: &str, outcome: &str) -> String {
    format!(".row[data-kind=invocation][data-role={role}][data-outcome={outcome}]")
}
