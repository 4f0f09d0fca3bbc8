//! `scf_websocket::testing`: functions run in process, with recorded pushes and rooms in memory.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use scf_websocket::testing::{Client, Content, Harness};
use scf_websocket::{Closing, Connecting, Context, Decision, Frame, Functions, Result};

use crate::programs::commands::Commands;

/// A room that counts its frames.
struct Room;

impl Functions for Room {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        if client.query("token") != Some("secret") {
            return Ok(Decision::refuse(401, "a token, please"));
        }
        context.room("all").join(client.id())?;
        Ok(Decision::accept_with(client.sub_protocols().next().unwrap_or("none")))
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let Some(text) = frame.text() else {
            context.push(frame.connection()).binary(frame.binary().unwrap_or_default())?;
            return Ok(());
        };
        let mut counter = context.stored_text("frames");
        let count = counter.get()?.unwrap_or_default() + "I";
        counter.set(&count)?;
        context.stored_list("texts").append(text, 2)?;
        let texts = context.stored_list("texts").items()?.join("+");
        let report = context.room("all").push_others(frame.connection()).text(&format!("{count} {texts}"))?;
        if report.delivered() == 0 {
            Err("no one listens")?;
        }
        Ok(())
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        context.room("all").leave(connection.id())?;
        context.room("all").push().text("bye")?;
        Ok(())
    }
}

fn client(id: &str) -> Client {
    Client::new(id).query("token", "secret").sub_protocols("chat, binary").header("Origin", "https://a")
}

#[test]
fn functions_run_in_process() -> Result<()> {
    let mut room = Harness::new(Room);
    let refused = room.connect("ann")?;
    assert_eq!((refused.err_no(), refused.message()), (401, "a token, please"));
    assert_eq!(room.connect(client("ann"))?.sub_protocol(), Some("chat"));
    assert!(room.connect(client("ben"))?.is_accepted());
    room.send_text("ann", "two")?;
    room.send_text("ann", "three")?;
    assert_eq!(room.texts_to("ben"), ["I two", "II two+three"]);
    assert!(room.texts_to("ann").is_empty());
    room.send_binary("ann", &[0, 255])?;
    let pushes = room.pushes();
    assert_eq!(pushes.len(), 1);
    assert_eq!((pushes[0].connection.as_str(), &pushes[0].content), ("ann", &Content::Binary(vec![0, 255])));
    room.leave("ann")?;
    assert_eq!(room.texts_to("ben"), ["bye"]);
    assert!(room.pushes().is_empty(), "nothing reaches a client that has left");
    Ok(())
}

#[test]
fn a_push_removes_a_client_that_has_vanished() -> Result<()> {
    let mut room = Harness::new(Room);
    for id in ["ann", "ben", "carl"] {
        room.connect(client(id))?;
    }
    room.vanish("carl");
    room.send_text("ann", "one")?;
    assert_eq!(room.texts_to("ben"), ["I one"]);
    room.vanish("ben");
    let error = room.send_text("ann", "two").expect_err("only ann is left");
    assert_eq!(error.to_string(), "no one listens");
    assert!(!room.is_connected("ann"), "a failed transfer closes the connection");
    assert!(room.pushes().is_empty(), "cleanup was called when nobody was left");
    Ok(())
}

fn three() -> Result<Harness<Commands>> {
    let mut harness = Harness::new(Commands);
    for id in ["ann", "ben", "carl"] {
        harness.connect(id)?;
        assert_eq!(harness.texts_to(id), ["welcome"]);
    }
    Ok(harness)
}

#[test]
fn a_closed_connection_gets_no_pushes_and_its_cleanup_only_on_request() -> Result<()> {
    let mut harness = three()?;
    harness.send_text("ann", "kick ben")?;
    let pushes = harness.pushes();
    let close = Content::Close { code: 4001, reason: "kicked".into() };
    assert_eq!((pushes[0].connection.as_str(), &pushes[0].content), ("ben", &close));
    let notified: BTreeSet<_> =
        pushes[1..].iter().map(|push| (push.connection.as_str(), &push.content)).collect();
    let left = Content::Text("BEN left".into());
    assert_eq!(notified, BTreeSet::from([("ann", &left), ("carl", &left)]), "cleanup was called");

    harness.send_text("ann", "close carl")?;
    let pushes = harness.pushes();
    let close = Content::Close { code: 1000, reason: String::new() };
    assert_eq!(pushes.iter().map(|push| &push.content).collect::<Vec<_>>(), [&close], "and no cleanup");
    harness.send_text("ann", "push carl")?;
    harness.send_text("ann", "push stranger")?;
    assert!(harness.pushes().is_empty(), "they are gone");
    harness.send_text("ann", "room")?;
    assert_eq!(harness.texts_to("ann"), ["ANN"]);
    assert!(harness.connect("ben")?.is_accepted(), "a kicked client can come back");
    harness.send_text("ben", "room")?;
    assert_eq!(harness.texts_to("ann"), ["BEN"]);
    Ok(())
}

#[test]
fn a_client_that_is_refused_or_whose_transfer_fails_is_not_connected() -> Result<()> {
    let mut harness = three()?;
    assert_eq!(harness.connect(Client::new("dora").path("/refused"))?.err_no(), 401);
    let message = harness.connect(Client::new("emil").path("/long")).expect_err("too long").to_string();
    assert!(message.starts_with("the attributes of the connection have 5011 bytes"), "{message}");
    harness.pushes();
    assert!(harness.send_text("ben", "fail").is_err());
    assert_eq!(harness.texts_to("ann"), ["BEN left"]);
    for id in ["ben", "dora", "emil"] {
        assert!(!harness.is_connected(id), "{id}");
    }
    Ok(())
}

#[test]
fn what_a_client_cannot_do_is_an_error_of_the_test() {
    type Act = fn(&mut Harness<Commands>) -> Result<()>;
    let acts: [(&str, Act); 5] = [
        ("the client \"ben\" is not connected, or not any more", |harness| harness.send_text("ben", "room")),
        ("the client \"ben\" is not connected, or not any more", |harness| harness.send_binary("ben", &[])),
        ("the client \"ben\" is not connected, or not any more", |harness| harness.leave("ben")),
        ("the client \"eve\" is not connected, or not any more", |harness| harness.send_text("eve", "room")),
        ("the client \"ann\" is connected already; each connection has its own id", |harness| {
            harness.connect("ann").map(drop)
        }),
    ];
    for (expected, act) in acts {
        let panic = catch_unwind(|| {
            let mut harness = three().expect("connected");
            harness.send_text("ann", "close ben").expect("closed");
            act(&mut harness)
        });
        let panic = panic.expect_err("an error of the test");
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some(expected));
    }
}

#[test]
fn the_clock_is_turned_by_hand() -> Result<()> {
    let mut harness = three()?;
    let ask = |harness: &mut Harness<Commands>| -> Result<(bool, SystemTime, bool)> {
        harness.send_text("ann", "later")?;
        Ok(serde_json::from_str(&harness.texts_to("ann").concat())?)
    };
    let (first, begun, late) = ask(&mut harness)?;
    assert_eq!((first, late), (true, false));
    assert_eq!(ask(&mut harness)?, (false, begun, false));
    harness.advance(Duration::from_secs(61));
    harness.set_time_limit(Duration::ZERO);
    assert_eq!(ask(&mut harness)?, (true, begun + Duration::from_secs(61), true));
    // A member that sends frames stays, the others are dropped after a day.
    for _ in 0..2 {
        harness.advance(Duration::from_hours(20));
        harness.send_text("ann", "room")?;
        assert_eq!(harness.texts_to("ann"), ["ANN"]);
    }
    assert!(harness.texts_to("ben").len() < 2, "silent for 40 hours");
    Ok(())
}

#[test]
fn no_test_can_rely_on_the_order_of_a_room() -> Result<()> {
    let order = || -> Result<Vec<String>> {
        let mut harness = Harness::new(Commands);
        for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            harness.connect(id)?;
        }
        harness.pushes();
        harness.send_text("a", "room")?;
        Ok(harness.pushes().into_iter().map(|push| push.connection).collect())
    };
    let orders = (0..20).map(|_| order()).collect::<Result<BTreeSet<_>>>()?;
    assert!(orders.len() > 1);
    Ok(())
}
