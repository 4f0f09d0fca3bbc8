//! The example `quiz`: in process, and its functions' processes in a race over each store. `SECONDS=60` lets them race for
//! so long.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use scf_websocket::Result;
use scf_websocket::testing::{Client, Content, Harness};
use scf_websocket_test_harness::{Function, Need, PushAddress, Redis, needs, response, rounds};
use serde_json::{Value, json};

use crate::programs::quiz::Quiz;

fn player(id: &str, name: &str) -> Client {
    Client::new(id).query("name", name).query("room", "blue")
}

/// Ann and Ben have joined and read their messages so far.
fn two() -> Result<Harness<Quiz>> {
    let mut quiz = Harness::new(Quiz);
    quiz.connect(player("a", "ann"))?;
    quiz.connect(player("b", "ben"))?;
    assert_eq!(quiz.texts_to("a"), ["ann joined", "ben joined"]);
    assert_eq!(quiz.texts_to("b"), ["ben joined"]);
    Ok(quiz)
}

/// The answer to `question 1: 2 x 8?`.
fn solve(question: &str) -> String {
    let (_, product) = question.split_once(": ").expect("a question");
    let factors =
        product.trim_end_matches('?').split(" x ").map(|factor| factor.parse::<i64>().expect("a factor"));
    factors.product::<i64>().to_string()
}

#[test]
fn the_first_right_answer_wins_a_point() -> Result<()> {
    let mut quiz = two()?;
    quiz.send_text("a", "12")?;
    assert_eq!(quiz.texts_to("b"), ["ask first"]);
    quiz.send_text("a", "ask")?;
    let question = quiz.texts_to("b").concat();
    assert!(question.starts_with("question 1: "), "{question}");
    quiz.send_text("b", "ask")?;
    quiz.send_text("b", "0")?;
    assert_eq!(quiz.texts_to("a")[2..], ["a question is open", "ben: 0 is wrong"]);
    quiz.pushes();
    for id in ["b", "a"] {
        quiz.send_text(id, &solve(&question))?;
    }
    assert_eq!(quiz.texts_to("a"), ["question 1: ben wins and has 1"]);
    quiz.send_text("b", "ask")?;
    let question = quiz.texts_to("a").concat();
    quiz.advance(Duration::from_secs(21));
    quiz.send_text("a", &solve(&question))?;
    assert_eq!(quiz.texts_to("a"), ["ask first"], "too late");
    quiz.send_text("a", "ask")?;
    let question = quiz.texts_to("a").concat();
    assert!(question.starts_with("question 3: "), "{question}");
    quiz.send_text("a", &solve(&question))?;
    quiz.pushes();
    quiz.send_text("a", "scores")?;
    assert_eq!(quiz.texts_to("a"), ["scores: ann 1, ben 1"]);
    Ok(())
}

#[test]
fn a_kicked_player_is_missed_and_can_come_back() -> Result<()> {
    let mut quiz = two()?;
    assert_eq!(quiz.connect(player("c", "ben"))?.err_no(), 409);
    assert_eq!(quiz.texts_to("b"), ["somebody wants to play as ben"]);
    quiz.send_text("a", "kick ben")?;
    assert_eq!(quiz.texts_to("a"), ["ben left"]);
    let closes: Vec<_> = quiz.pushes().into_iter().map(|push| (push.connection, push.content)).collect();
    assert_eq!(closes, [("b".into(), Content::Close { code: 4001, reason: "kicked by ann".into() })]);
    assert!(quiz.connect(player("d", "ben"))?.is_accepted());
    assert_eq!(quiz.texts_to("a"), ["ben joined"]);
    quiz.leave("d")?;
    assert_eq!(quiz.texts_to("a"), ["ben left"]);
    quiz.send_text("a", "kick ben")?;
    assert_eq!(quiz.texts_to("a"), ["ben does not play"]);
    Ok(())
}

#[test]
fn a_name_whose_player_has_vanished_is_free() -> Result<()> {
    let mut quiz = two()?;
    quiz.vanish("b");
    assert!(quiz.connect(player("c", "ben"))?.is_accepted());
    quiz.send_text("c", "scores")?;
    assert_eq!(quiz.texts_to("c"), ["ben joined", "scores: "]);
    Ok(())
}

#[test]
fn rooms_are_apart_and_names_are_checked() -> Result<()> {
    let mut quiz = two()?;
    assert!(quiz.connect(Client::new("c").query("name", "ben"))?.is_accepted(), "in the lobby");
    assert!(quiz.texts_to("a").is_empty());
    assert_eq!(quiz.connect("d")?.err_no(), 401);
    let refused = quiz.connect(player("e", "eve").query("room", "../etc"))?;
    assert_eq!(refused.err_no(), 400);
    assert!(
        refused.message().starts_with("the room name \"../etc\" is not allowed"),
        "{}",
        refused.message()
    );
    Ok(())
}

/// An event of the player with this number.
fn event(websocket: &Value, number: usize) -> String {
    let mut event = json!({
        "requestContext": {}, "queryString": {"name": format!("player {number}"), "room": "race"},
        "attributes": {"name": format!("player {number}"), "room": "race"},
        "websocket": websocket,
    });
    event["websocket"]["secConnectionID"] = json!(number.to_string());
    event.to_string()
}

fn frame(text: &str, number: usize) -> String {
    event(&json!({"action": "data recv", "dataType": "text", "data": text}), number)
}

/// Eight players, each with a process of its own, answer the same questions at once.
fn race_over(store: &str) {
    const PLAYERS: usize = 8;
    const ROUNDS: usize = 25;
    let gateway = PushAddress::start();
    let url = gateway.url();
    let env = [("WS_PUSH_URL", url.as_str()), ("WS_STORE", store), ("RUST_LOG", "warn")];
    let players: Vec<Function> = (0..PLAYERS).map(|_| Function::of_example("quiz", &env)).collect();
    for (number, player) in players.iter().enumerate() {
        let answer = response(&player.invoke(event(&json!({"action": "connecting"}), number)));
        assert!(answer.starts_with(r#"{"errNo":0,"#), "{answer}");
    }
    let texts = || -> Vec<String> {
        let bodies = gateway.take_bodies();
        let pushes = bodies.iter().map(|body| serde_json::from_str::<Value>(body).expect("JSON"));
        pushes.map(|push| push["websocket"]["data"].as_str().expect("a text").to_owned()).collect()
    };
    texts();
    let start = Barrier::new(PLAYERS);
    let (mut winners, mut played) = (BTreeSet::new(), 0);
    for round in rounds(ROUNDS) {
        response(&players[0].invoke(frame("ask", 0)));
        let answer = solve(&texts()[0]);
        thread::scope(|scope| {
            for (number, player) in players.iter().enumerate() {
                let (start, answer) = (&start, &answer);
                scope.spawn(move || {
                    start.wait();
                    response(&player.invoke(frame(answer, number)));
                });
            }
        });
        let wins: BTreeSet<String> =
            texts().into_iter().filter(|text| text.contains(" wins and has ")).collect();
        assert_eq!(wins.len(), 1, "round {round}: {wins:?}");
        winners.extend(wins);
        played = round;
    }
    assert_eq!(winners.len(), played);
    response(&players[0].invoke(frame("scores", 0)));
    let scores = texts().concat();
    let points = scores.trim_start_matches("scores: ").split(", ").map(|score| {
        let (_, points) = score.rsplit_once(' ').expect("points");
        points.parse::<usize>().expect("a number")
    });
    assert_eq!(points.sum::<usize>(), played, "{scores}");
    println!("{played} questions over {store}: {scores}");
}

#[test]
fn each_question_has_one_winner_and_no_point_is_lost_over_a_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    race_over(&format!("dir:{}", folder.path().display()));
}

#[test]
fn each_question_has_one_winner_and_no_point_is_lost_over_redis() {
    if needs(Need::Redis) {
        race_over(&Redis::start(&[]).url());
    }
}
