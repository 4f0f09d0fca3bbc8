//! A quiz: clients connect with `/?name=ann&room=blue`, see who plays, and answer questions; the first right answer
//! wins a point. `ask` starts a question, `scores` shows the points, `kick NAME` closes a player's connection, anything else
//! is an answer. Needs `WS_STORE`, since several instances share the state.

use std::time::{Duration, UNIX_EPOCH};

use scf_websocket::{Closing, Config, ConfigError, Connecting, Context, Decision, Frame, Functions, Result};
use serde::{Deserialize, Serialize};

/// How long a question may be answered.
const OPEN: Duration = Duration::from_secs(20);

pub(crate) struct Quiz;

/// The question that a room answers.
#[derive(Deserialize, Serialize)]
struct Question {
    number: i64,
    answer: String,
    /// In milliseconds since 1970.
    until: u128,
}

impl Functions for Quiz {
    fn register(&mut self, client: &Connecting<'_>, context: &mut Context<'_>) -> Result<Decision> {
        let (name, room) =
            (client.query("name").unwrap_or_default(), client.query("room").unwrap_or("lobby"));
        if name.is_empty() || name.len() > 32 {
            return Ok(Decision::refuse(401, "a name, please: 1 to 32 bytes"));
        }
        if let Err(e) = context.room(room).join(client.id()) {
            return Ok(Decision::refuse(400, e.to_string()));
        }
        if !take_name(name, room, client.id(), context)? {
            context.room(room).leave(client.id())?;
            return Ok(Decision::refuse(409, format!("{name} plays already")));
        }
        let _ = say(room, &format!("{name} joined"), context); // An error would refuse the player, who has the name.
        Ok(Decision::accept().attribute("name", name).attribute("room", room))
    }

    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let (name, room) = attributes(frame.attribute("name"), frame.attribute("room"))?;
        let id = Some(frame.connection());
        context.stored_text(&player(room, name)).compare_and_set(id, id)?; // kept for another day
        let text = frame.text().unwrap_or_default().trim();
        match text.split_once(' ').unwrap_or((text, "")) {
            ("ask", "") => ask(room, context),
            ("scores", "") => scores(frame.connection(), room, context),
            ("kick", other) => kick(name, other, room, context),
            _ => answer(name, room, text, context),
        }
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        let (name, room) = attributes(connection.attribute("name"), connection.attribute("room"))?;
        context.room(room).leave(connection.id())?;
        // Another client may have taken the name by now.
        context.stored_text(&player(room, name)).compare_and_set(Some(connection.id()), None)?;
        say(room, &format!("{name} left"), context)
    }
}

fn attributes<'f>(name: Option<&'f str>, room: Option<&'f str>) -> Result<(&'f str, &'f str)> {
    Ok(name.zip(room).ok_or("the gateway keeps no attributes; the quiz needs one that does")?)
}

fn player(room: &str, name: &str) -> String {
    format!("{room}: player {name}")
}

/// Takes a name that is free, or that of a player who is gone and whose cleanup is still to come.
fn take_name(name: &str, room: &str, id: &str, context: &mut Context<'_>) -> Result<bool> {
    let key = player(room, name);
    if context.stored_text(&key).set_if_absent(id)? {
        return Ok(true);
    }
    let Some(holder) = context.stored_text(&key).get()? else { return Ok(false) };
    let report = context.push(&holder).text(&format!("somebody wants to play as {name}"))?;
    Ok(!report.gone().is_empty() && context.stored_text(&key).compare_and_set(Some(&holder), Some(id))?)
}

/// Asks the next question, unless one is open.
fn ask(room: &str, context: &mut Context<'_>) -> Result<()> {
    let asks = format!("{room}: a question is open");
    if !context.stored_text(&asks).kept_for(OPEN).set_if_absent("")? {
        return say(room, "a question is open", context);
    }
    let number = context.stored_text(&format!("{room}: questions")).add(1)?;
    let (a, b) = (number % 9 + 1, number * 7 % 10 + 1);
    let until = (context.now() + OPEN).duration_since(UNIX_EPOCH)?.as_millis();
    let question = Question { number, answer: (a * b).to_string(), until };
    context.stored_text(&format!("{room}: question")).set_json(&question)?;
    say(room, &format!("question {number}: {a} x {b}?"), context)
}

/// Gives the point to the first right answer in time.
fn answer(name: &str, room: &str, text: &str, context: &mut Context<'_>) -> Result<()> {
    let now = context.now().duration_since(UNIX_EPOCH)?.as_millis();
    let question: Option<Question> = context.stored_text(&format!("{room}: question")).json()?;
    let Some(question) = question.filter(|question| now < question.until) else {
        return say(room, "ask first", context);
    };
    if question.answer != text {
        return say(room, &format!("{name}: {text} is wrong"), context);
    }
    if !context.stored_text(&format!("{room}: winner of {}", question.number)).set_if_absent(name)? {
        return Ok(());
    }
    let points = context.stored_text(&format!("{room}: points of {name}")).add(1)?;
    if points == 1 {
        context.stored_list(&format!("{room}: winners")).append(name, 1000)?;
    }
    context.stored_text(&format!("{room}: a question is open")).remove()?;
    say(room, &format!("question {}: {name} wins and has {points}", question.number), context)
}

/// Shows the points of all who have some, those of the best first.
fn scores(to: &str, room: &str, context: &mut Context<'_>) -> Result<()> {
    let mut scores = Vec::new();
    for name in context.stored_list(&format!("{room}: winners")).items()? {
        let points = context.stored_text(&format!("{room}: points of {name}")).add(0)?;
        scores.push((-points, name));
    }
    scores.sort();
    let lines: Vec<String> = scores.iter().map(|(minus, name)| format!("{name} {}", -minus)).collect();
    Ok(context.push(to).text(&format!("scores: {}", lines.join(", "))).map(drop)?)
}

/// Closes the player's connection. Cleanup gives the name back and tells the others, as if the player had left.
fn kick(name: &str, other: &str, room: &str, context: &mut Context<'_>) -> Result<()> {
    match context.stored_text(&player(room, other)).get()? {
        Some(id) => {
            let reason = format!("kicked by {name}");
            Ok(context.push(&id).and_clean_up().close_with(4001, &reason).map(drop)?)
        }
        None => say(room, &format!("{other} does not play"), context),
    }
}

fn say(room: &str, line: &str, context: &mut Context<'_>) -> Result<()> {
    Ok(context.room(room).push().text(line).map(drop)?)
}

fn main() -> std::process::ExitCode {
    scf_websocket::main(|config: &Config| -> Result<Quiz, ConfigError> {
        config.require_push("the quiz")?;
        config.require_store("the quiz").map(|()| Quiz)
    })
}
