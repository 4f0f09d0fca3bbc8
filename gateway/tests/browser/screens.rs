//! The page on screens of different sizes, and the pictures of it.

use std::{env, path::PathBuf};

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
