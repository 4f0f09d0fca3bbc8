//! A chat: the first line that a client sends is its name, every other line goes to its room; `/join ROOM`,
//! `/msg NAME TEXT` and `/who` are commands. Needs `WS_STORE`, since several instances share the state.

use scf_websocket::{Closing, Config, ConfigError, Context, Frame, Functions, Result};

const HELP: &str = "* /join ROOM, /msg NAME TEXT, /who";
const NAME: &str = "* please send a name first: letters, digits, . _ and -, at most 32 bytes";

pub(crate) struct Chat;

struct Member {
    name: String,
    room: String,
}

impl Functions for Chat {
    fn transfer(&mut self, frame: &Frame<'_>, context: &mut Context<'_>) -> Result<()> {
        let id = frame.connection();
        let line = &*frame.text().unwrap_or_default().trim().replace(['\r', '\n'], " ");
        let Some(member) = load(id, context)? else { return introduce(id, line, context) };
        save(id, &member, context)?; // again, which keeps an active member from expiring
        match line.split_once(' ').unwrap_or((line, "")) {
            ("/join", room) => join(id, member, room.trim(), context),
            ("/msg", rest) => whisper(id, &member, rest, context),
            ("/who", _) => who(id, &member, context),
            (word, _) if word.starts_with('/') || line.is_empty() => tell(id, HELP, context),
            _ => {
                let line = format!("{}: {line}", member.name);
                context.stored_list(&format!("history {}", member.room)).append(&line, 20)?; // shown in welcomes
                say(&member.room, &line, context)
            }
        }
    }

    fn cleanup(&mut self, connection: &Closing<'_>, context: &mut Context<'_>) -> Result<()> {
        let Some(member) = load(connection.id(), context)? else { return Ok(()) };
        context.room(&member.room).leave(connection.id())?;
        context.stored_text(&format!("member {}", connection.id())).remove()?;
        context.stored_text(&format!("name {}", member.name)).compare_and_set(Some(connection.id()), None)?;
        say(&member.room, &format!("* {} left", member.name), context)
    }
}

fn load(id: &str, context: &mut Context<'_>) -> Result<Option<Member>> {
    let stored = context.stored_text(&format!("member {id}")).get()?.unwrap_or_default(); // NAME ROOM
    Ok(stored.split_once(' ').map(|(name, room)| Member { name: name.into(), room: room.into() }))
}

fn save(id: &str, member: &Member, context: &mut Context<'_>) -> Result<()> {
    context.stored_text(&format!("member {id}")).set(&format!("{} {}", member.name, member.room))?;
    context.stored_text(&format!("name {}", member.name)).compare_and_set(Some(id), Some(id))?;
    Ok(context.room(&member.room).join(id)?)
}

fn introduce(id: &str, name: &str, context: &mut Context<'_>) -> Result<()> {
    let fits =
        (1..=32).contains(&name.len()) && name.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    if !fits {
        return tell(id, NAME, context);
    }
    if !context.stored_text(&format!("name {name}")).set_if_absent(id)? {
        return tell(id, &format!("* {name} is taken"), context);
    }
    enter(id, &Member { name: name.into(), room: "lobby".into() }, context)
}

fn join(id: &str, member: Member, room: &str, context: &mut Context<'_>) -> Result<()> {
    if let Err(e) = context.room(room).join(id) {
        return tell(id, &format!("* {e}"), context);
    }
    if room != member.room {
        context.room(&member.room).leave(id)?;
        say(&member.room, &format!("* {} left", member.name), context)?;
    }
    enter(id, &Member { room: room.into(), ..member }, context)
}

/// Sends the last lines of the room to the member, and announces the member to the others.
fn enter(id: &str, member: &Member, context: &mut Context<'_>) -> Result<()> {
    save(id, member, context)?;
    let mut welcome = context.stored_list(&format!("history {}", member.room)).items()?;
    welcome.push(format!("* welcome to {}, {}", member.room, member.name));
    tell(id, &welcome.join("\n"), context)?;
    Ok(context.room(&member.room).push_others(id).text(&format!("* {} joined", member.name)).map(drop)?)
}

fn whisper(id: &str, member: &Member, rest: &str, context: &mut Context<'_>) -> Result<()> {
    let Some((name, text)) = rest.split_once(' ') else { return tell(id, HELP, context) };
    match context.stored_text(&format!("name {name}")).get()? {
        Some(to) => tell(&to, &format!("{} (only to you): {text}", member.name), context),
        None => tell(id, &format!("* {name} is not here"), context),
    }
}

fn who(id: &str, member: &Member, context: &mut Context<'_>) -> Result<()> {
    let mut names = Vec::new();
    for other in context.room(&member.room).members()? {
        names.extend(load(&other, context)?.map(|other| other.name));
    }
    names.sort();
    tell(id, &format!("* in {}: {}", member.room, names.join(", ")), context)
}

fn say(room: &str, line: &str, context: &mut Context<'_>) -> Result<()> {
    Ok(context.room(room).push().text(line).map(drop)?)
}

fn tell(id: &str, text: &str, context: &mut Context<'_>) -> Result<()> {
    Ok(context.push(id).text(text).map(drop)?)
}

fn main() -> std::process::ExitCode {
    scf_websocket::main(|config: &Config| -> Result<Chat, ConfigError> {
        config.require_push("the chat")?;
        config.require_store("the chat").map(|()| Chat)
    })
}
