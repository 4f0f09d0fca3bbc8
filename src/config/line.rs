//! The configuration as the log's first line shows it: no secret, no path of the push address.

use std::fmt;

use super::{
    Cleanup, Close, Config, PushSettings, Recipients, Register, Role, Settings, SubProtocols, TextEncoding,
    Transfer,
};
use crate::store::RoomSettings;

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runtime_api={}", self.settings, self.runtime_api)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "role={}", self.role.name())?;
        match &self.role {
            Role::Register(register) => write!(f, " {register}")?,
            Role::Transfer(transfer) => write!(f, " {transfer}")?,
            Role::Cleanup(cleanup) => write!(f, " {cleanup}")?,
            Role::Auto(all) => write!(f, " {} {} {}", all.register, all.transfer, all.cleanup)?,
        }
        write!(f, " integration_response={}", self.integration_response)
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sub_protocols {
            SubProtocols::AsOffered => f.write_str("sub_protocols=as-offered")?,
            SubProtocols::Known(known) => write!(f, "sub_protocols={}", known.join(","))?,
        }
        write_room(f, self.room.as_ref())
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (push, to, encoding) = match self {
            Self::Silent { room } => {
                f.write_str("push_to=none")?;
                return write_room(f, room.as_ref());
            }
            Self::Push { push, to, encoding } => (push, to, encoding),
        };
        let room = match to {
            Recipients::Sender { room } => {
                f.write_str("push_to=sender")?;
                room.as_ref()
            }
            Recipients::Fixed { ids, room } => {
                write!(f, "push_to={:?}", ids.join(","))?;
                room.as_ref()
            }
            Recipients::Room { room, with_sender } => {
                write!(f, "push_to={}", if *with_sender { "all" } else { "others" })?;
                Some(room)
            }
        };
        let encoding = match encoding {
            TextEncoding::Json => "json",
            TextEncoding::Raw => "raw",
        };
        write!(f, " push_encoding={encoding} {push}")?;
        write_room(f, room)
    }
}

impl fmt::Display for PushSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "push_url={} push_concurrency={}", self.url, self.concurrency)
    }
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.close {
            None => f.write_str("close=none")?,
            Some(Close { push, connections }) => write!(f, "close={:?} {push}", connections.join(","))?,
        }
        write_room(f, self.room.as_ref())
    }
}

fn write_room(f: &mut fmt::Formatter<'_>, room: Option<&RoomSettings>) -> fmt::Result {
    match room {
        Some(room) => write!(f, " {room}"),
        None => f.write_str(" store=none"),
    }
}
