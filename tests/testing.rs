//! `scf_websocket::testing`: functions run in process, with recorded pushes and rooms in memory.

use scf_websocket::testing::{Client, Content, Harness};
use scf_websocket::{Closing, Connecting, Context, Decision, Frame, Functions, Result};

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
    assert_eq!(room.text("ann", "one").expect_err("no one").to_string(), "no one listens");
    assert!(room.connect(client("ben"))?.is_accepted());
    room.text("ann", "two")?;
    room.text("ann", "three")?;
    assert_eq!(room.texts_to("ben"), ["II one+two", "III two+three"]);
    assert!(room.texts_to("ann").is_empty());
    room.binary("ann", &[0, 255])?;
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
    room.text("ann", "one")?;
    assert_eq!(room.texts_to("ben"), ["I one"]);
    room.vanish("ben");
    assert!(room.text("ann", "two").is_err(), "only ann is left");
    Ok(())
}
