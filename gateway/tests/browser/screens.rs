//! The page on screens of different sizes, and the pictures of it.

use std::{env, fs, path::PathBuf};

use tempfile::tempdir;

use crate::harness::{Browser, Look, raw, row};

#[tokio::test]
async fn on_a_phone_the_time_line_is_within_the_first_screen_and_a_half() {
    let gateway = raw().start();
    let browser = Browser::looking(&Look { phone: true, ..Look::default() }).await;
    browser.open(&gateway).await;
    assert_eq!(browser.value("[innerWidth, innerHeight]").await, serde_json::json!([390, 844]));
    browser.connect().await;
    for text in ["hello", "from a phone", "{\"a\":[1,2,3]}"] {
        browser.send(text).await;
    }
    browser
        .holds("document.querySelectorAll('.row[data-role=transfer][data-outcome=ok]').length === 3")
        .await;
    println!("phone: {}", browser.picture("phone.png").await.display());
    // The whole list of rows begins there, with frames above it.
    let top =
        browser.value("document.getElementById('timeline').getBoundingClientRect().top + scrollY").await;
    assert!(top.as_f64().is_some_and(|top| top < 844.0 * 1.5 - 100.0), "the rows begin at {top}");
    browser
        .client
        .execute("document.getElementById('timeline-panel').scrollIntoView()", Vec::new())
        .await
        .expect("a script");
    println!("phone: {}", browser.picture("phone-timeline.png").await.display());
    // Nothing is wider than the screen.
    browser.holds("document.documentElement.scrollWidth <= innerWidth").await;
    browser.end().await;
}

/// On a screen of 1280 pixels everything has its line, nothing moves while a person types, and a hex dump has whole lines.
#[tokio::test]
async fn on_a_notebook_nothing_wraps() {
    let gateway = raw().start();
    let browser = Browser::start().await;
    browser.client.set_window_size(1280, 943).await.expect("a size");
    browser.open(&gateway).await;
    browser.holds("innerWidth === 1280").await;
    let heights = "JSON.stringify([...document.querySelectorAll('.line:not(li), .figures, fieldset')]\
                   .map((element) => element.getBoundingClientRect().height))";
    let before = browser.value(heights).await;
    let long = "a long text that is typed in here ".repeat(3);
    browser.click("#only-mine").await;
    browser.type_in("#path", &long).await;
    browser.type_in("#protocols", &long).await;
    browser.reload().await;
    browser.client.execute("sessionStorage.clear()", Vec::new()).await.expect("a script");
    browser.reload().await;
    browser.connect().await;
    browser.echo("hello").await;
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("bytes");
    fs::write(&file, [0xab; 64]).expect("a file");
    browser.type_in("#file", &file.display().to_string()).await;
    browser.read(".frame[data-direction=in] .hex", "0038  ab").await;
    browser.type_in("#message", "x").await;
    browser.type_in("#search", &long).await;
    browser.read("#shown", "0 of 6 rows").await;
    assert_eq!(browser.value(heights).await, before, "something has moved");
    // Whatever stands in a line overlaps with all the rest of it.
    for line in ["#timeline-panel .part > .line", "#filters", "#figures"] {
        let boxes = format!(
            "[...document.querySelectorAll('{line} > :not(.unseen)')].map((child) => child.getBoundingClientRect())"
        );
        browser.holds(&format!("Math.max(...{boxes}.map(({{ top }}) => top)) < Math.min(...{boxes}.map(({{ bottom }}) => bottom))")).await;
    }
    browser
        .holds("[...document.querySelectorAll('.hex')].every((hex) => hex.scrollWidth <= hex.clientWidth)")
        .await;
    browser
        .client
        .execute("document.getElementById('show-all').click()", Vec::new())
        .await
        .expect("a script");
    let binary = format!("{}:last-child", row("transfer", "ok"));
    browser.click(&format!("{binary} summary")).await;
    let frame = format!("{binary} pre[aria-label=Frame]");
    browser.read(&frame, "0030  ab").await;
    let lines = "(Number.parseFloat(getComputedStyle(pre).lineHeight) * pre.textContent.split('\\n').length)";
    let pre = format!(
        "((pre) => pre.scrollWidth <= pre.clientWidth && pre.scrollHeight - {lines} < 20)(document.querySelector('{frame}'))"
    );
    browser.holds(&pre).await;
    println!("notebook: {}", browser.picture("notebook.png").await.display());
    browser.end().await;
}

#[tokio::test]
async fn the_page_is_shown_in_dark_too() {
    let gateway = raw().start();
    let browser = Browser::looking(&Look { dark: true, ..Look::default() }).await;
    browser.open(&gateway).await;
    browser.connect().await;
    browser.send("{\"in\":\"the dark\"}").await;
    browser.read(".frame[data-direction=in]", "\"in\": \"the dark\"").await;
    gateway.push(b"no push").await;
    browser.see(".row[data-kind=push]").await;
    let ground = browser.value("getComputedStyle(document.body).backgroundColor").await;
    assert_eq!(ground, "rgb(14, 17, 22)");
    browser.click("#connections > summary").await;
    browser.see("#connection-list li").await;
    println!("dark: {}", browser.picture("dark.png").await.display());
    browser.end().await;
}

#[tokio::test]
async fn a_browser_in_chinese_shows_chinese() {
    let gateway = raw().start();
    let browser = Browser::looking(&Look { chinese: true, ..Look::default() }).await;
    browser.open(&gateway).await;
    browser.read("#status", "未连接").await;
    browser.connect().await;
    browser.read("#status", "已连接到 /, 无子协议").await;
    browser.send("你好").await;
    browser.read(&row("transfer", "ok"), "1 次推送").await;
    browser.click("#disconnect").await;
    browser.read(&row("cleanup", "ok"), "客户端已断开").await;
    assert_eq!(browser.value("document.documentElement.lang").await, "zh-CN");
    println!("chinese: {}", browser.picture("chinese.png").await.display());
    browser.end().await;
}

/// The picture in the README: `PICTURE` says where to, otherwise it is left beside what was built.
pub async fn picture_for_the_readme(browser: &Browser) {
    let newest = format!("{}:last-child", row("transfer", "ok"));
    browser.click(&format!("{newest} summary")).await;
    browser.read(&format!("{newest} .body"), "outcome=ok").await;
    // Where a person would be who is about to send the next frame.
    browser.type_in("#message", "").await;
    browser.holds("document.getAnimations().length === 0").await;
    let mut path = browser.picture("page.png").await;
    if let Some(wanted) = env::var_os("PICTURE").map(PathBuf::from) {
        std::fs::copy(path, &wanted).expect("the picture's file");
        path = wanted;
    }
    println!("the page: {}", path.display());
}
