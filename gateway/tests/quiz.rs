//! The example `quiz` behind the gateway: attributes, closes with a code and a reason, refusals with a status, and eight
//! clients in a race. `SECONDS=60` lets them race for so long.

use std::collections::{BTreeMap, HashMap};

use scf_websocket_test_harness::{Api, Client, Gateway, Need, Redis, needs, rounds};
use tokio::task::JoinSet;

const PLAYERS: usize = 8;
const ROUNDS: usize = 20;

fn name(number: usize) -> String {
    format!("p{number}")
}

async fn enter(gateway: &Gateway, number: usize) -> Client {
    gateway.connect(&format!("/?name={}&room=blue", name(number))).await
}

/// The answer to `question 1: 2 x 8?`, if the text is a question.
fn solve(text: &str) -> Option<String> {
    let (left, right) = text.strip_suffix('?')?.split_once(": ")?.1.split_once(" x ")?;
    Some((left.parse::<i64>().ok()? * right.parse::<i64>().ok()?).to_string())
}

/// Reads up to a text that fits.
async fn read_to(client: &mut Client, fits: impl Fn(&str) -> bool) -> String {
    loop {
        let text = client.next_text().await;
        if fits(&text) {
            return text;
        }
    }
}

/// Answers this question, and reads who won it, and the points. A process may tell of the winner before another one has
/// told everybody the question.
async fn play(client: &mut Client, question: usize) -> (String, usize) {
    let begins = format!("question {question}: ");
    let (mut asked, mut won) = (false, None);
    while !asked || won.is_none() {
        let text = read_to(client, |text| text.starts_with(&begins)).await;
        if let Some((who, points)) = text[begins.len()..].split_once(" wins and has ") {
            won = Some((who.to_owned(), points.parse().expect("points")));
        } else {
            assert!(!std::mem::replace(&mut asked, true), "each question is asked once");
            client.send_text(&solve(&text).expect("a question")).await;
        }
    }
    won.expect("a winner")
}

#[tokio::test]
async fn the_quiz_works_over_a_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    quiz_over(&format!("dir:{}", folder.path().display())).await;
}

#[tokio::test]
async fn the_quiz_works_over_redis() {
    if needs(Need::Redis) {
        quiz_over(&Redis::start(&[]).url()).await;
    }
}

async fn quiz_over(store: &str) {
    let gateway = Api::example("quiz").env("WS_STORE", store).start();
    let mut players = Vec::new();
    for number in 0..PLAYERS {
        players.push(enter(&gateway, number).await);
    }
    for (path, status) in [("/?name=p0&room=blue", 409), ("/?room=blue", 401), ("/?name=p9&room=a%2Fb", 400)]
    {
        assert_eq!(gateway.ask(path, &[]).await.status, status, "{path}");
    }

    let mut scores: HashMap<String, usize> = HashMap::new();
    for round in rounds(ROUNDS) {
        if round % 5 == 0 {
            kick_and_return(&gateway, &mut players, round % (PLAYERS - 1) + 1).await;
        }
        players[0].send_text("ask").await;
        let mut playing = JoinSet::new();
        for (number, mut client) in players.drain(..).enumerate() {
            playing.spawn(async move { (number, play(&mut client, round).await, client) });
        }
        let mut seen: Vec<_> = playing.join_all().await;
        seen.sort_by_key(|(number, ..)| *number);
        let (_, (winner, points), _) = &seen[0];
        let won = scores.entry(winner.clone()).or_default();
        *won += 1;
        assert_eq!(*points, *won, "no point is lost or given twice");
        for (number, what, _) in &seen {
            assert_eq!(what, &seen[0].1, "{} sees another winner", name(*number));
        }
        players = seen.into_iter().map(|(_, _, client)| client).collect();
    }
    players[0].send_text("scores").await;
    let shown = read_to(&mut players[0], |text| text.starts_with("scores: ")).await;
    let shown: BTreeMap<&str, usize> = shown["scores: ".len()..]
        .split(", ")
        .map(|score| score.split_once(' ').expect("a score"))
        .map(|(name, points)| (name, points.parse().expect("points")))
        .collect();
    let counted: BTreeMap<&str, usize> =
        scores.iter().map(|(name, points)| (name.as_str(), *points)).collect();
    assert_eq!(shown, counted);
    println!("{} questions over {store}: {counted:?}", counted.values().sum::<usize>());
}

/// A kicked player receives the reason, all others hear of it, and the player can come back.
async fn kick_and_return(gateway: &Gateway, players: &mut [Client], number: usize) {
    let kicked = name(number);
    players[0].send_text(&format!("kick {kicked}")).await;
    let (code, reason) = players[number].closed().await;
    assert_eq!((u16::from(code), reason.as_str()), (4001, "kicked by p0"));
    let left = format!("{kicked} left");
    for (other, client) in players.iter_mut().enumerate().filter(|(other, _)| *other != number) {
        let heard = read_to(client, |text| text == left).await;
        assert_eq!(heard, left, "{}", name(other));
    }
    players[number] = enter(gateway, number).await;
}
