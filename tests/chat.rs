//! The example `chat` with clients of the real gateway, over each store.

use scf_websocket_test_harness::{Api, Need, Redis, needs};
use tokio::task::JoinSet;

const NAME: &str = "* please send a name first: letters, digits, . _ and -, at most 32 bytes";

#[tokio::test]
async fn the_chat_works_over_a_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    chat_over(&format!("dir:{}", folder.path().display())).await;
}

#[tokio::test]
async fn the_chat_works_over_redis() {
    if !needs(Need::Redis) {
        return;
    }
    let redis = Redis::start(&[]);
    chat_over(&redis.url()).await;
}

async fn chat_over(store: &str) {
    let gateway = Api::example("chat").env("WS_STORE", store).start();
    let mut ann = gateway.connect("/").await;
    assert_eq!(ann.ask("/who").await, NAME);
    for name in ["a b", "*", "a:", &"a".repeat(33)] {
        assert_eq!(ann.ask(name).await, NAME, "{name}");
    }
    assert_eq!(ann.ask("ann").await, "* welcome to lobby, ann");
    for number in 1..=22 {
        assert_eq!(ann.ask(&format!("line {number}")).await, format!("ann: line {number}"));
    }

    let mut ben = gateway.connect("/").await;
    assert_eq!(ben.ask("ann").await, "* ann is taken");
    let welcome = ben.ask("ben").await;
    let lines: Vec<&str> = welcome.lines().collect();
    assert_eq!(lines.len(), 21, "{welcome}");
    assert_eq!((lines[0], lines[19], lines[20]), ("ann: line 3", "ann: line 22", "* welcome to lobby, ben"));
    assert_eq!(ann.next_text().await, "* ben joined");
    assert_eq!(ann.ask("/who").await, "* in lobby: ann, ben");

    assert_eq!(ben.ask("hello, \"ann\" \\ 你好").await, "ben: hello, \"ann\" \\ 你好");
    assert_eq!(ann.next_text().await, "ben: hello, \"ann\" \\ 你好");
    assert_eq!(ben.ask("one\n* welcome to two").await, "ben: one * welcome to two", "a frame is one line");
    assert_eq!(ann.next_text().await, "ben: one * welcome to two");
    ann.send_text("/msg ben psst").await;
    assert_eq!(ben.next_text().await, "ann (only to you): psst");
    assert_eq!(ann.ask("/msg carl psst").await, "* carl is not here");
    assert_eq!(ann.ask("/dance").await, "* /join ROOM, /msg NAME TEXT, /who");

    assert!(ben.ask("/join ../etc").await.starts_with("* the room name \"../etc\" is not allowed"));
    assert_eq!(ben.ask("/join garden").await, "* welcome to garden, ben");
    assert_eq!(ann.next_text().await, "* ben left");
    assert_eq!(ben.ask("anyone?").await, "ben: anyone?");
    assert_eq!(ann.ask("/join garden").await, "ben: anyone?\n* welcome to garden, ann");
    assert_eq!(ben.next_text().await, "* ann joined");
    ben.close().await;
    assert_eq!(ann.next_text().await, "* ben left");
    assert_eq!(ann.ask("/who").await, "* in garden: ann");
}

#[tokio::test]
async fn a_name_is_given_once_however_many_ask_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    race_over(&format!("dir:{}", folder.path().display())).await;
    if needs(Need::Redis) {
        race_over(&Redis::start(&[]).url()).await;
    }
}

/// Eight clients ask for one name at once, again and again.
async fn race_over(store: &str) {
    let gateway = Api::example("chat").env("WS_STORE", store).start();
    for round in 0..15 {
        let name = format!("round-{round}");
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(gateway.connect("/").await);
        }
        let mut asking = JoinSet::new();
        for mut client in clients.drain(..) {
            let name = name.clone();
            asking.spawn(async move { (client.ask(&name).await, client) });
        }
        let (answers, clients): (Vec<_>, Vec<_>) = asking.join_all().await.into_iter().unzip();
        let named = answers.iter().filter(|answer| answer.contains("* welcome to lobby")).count();
        let taken = answers.iter().filter(|answer| **answer == format!("* {name} is taken")).count();
        assert_eq!((named, taken), (1, 7), "{answers:?}");
        for client in clients {
            client.close().await;
        }
    }
}
