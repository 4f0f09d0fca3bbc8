//! Scripts that Redis carries out, each as a whole.

use std::{fmt::Write as _, sync::LazyLock};

use redis::{Cmd, FromRedisValue, cmd};
use ring::digest;

use crate::registry::cluster::redis::{Redis, RedisError};

/// Under its hash, Redis carries out a script that it has seen before.
pub(super) struct Script {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {
        $(pub(super) static $name: Script = Script {
            code: include_str!(concat!("scripts/", $file)),
            hash: LazyLock::new(|| sha1(include_str!(concat!("scripts/", $file)))),
        };)+
    };
}

scripts! {
    RENEW = "renew.lua";
    RECORD = "record.lua";
    CLAIM = "claim.lua";
    KEEP = "keep.lua";
    SETTLE = "settle.lua";
    FINISH = "finish.lua";
    LEAVE = "leave.lua";
    OWED = "owed.lua";
    GONE = "gone.lua";
    REMEMBER = "remember.lua";
}

/// One call of a script: its keys first, then its arguments.
pub(super) struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl Call {
    pub(super) fn of(script: &'static Script) -> Self {
        Self { script, keys: Vec::new(), arguments: Vec::new() }
    }

    pub(super) fn keys(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys.extend(keys);
        self
    }

    pub(super) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments.extend(arguments.into_iter().map(str::to_owned));
        self
    }

    pub(super) async fn run<T: FromRedisValue>(&self, redis: &Redis) -> Result<T, RedisError> {
        match redis.query(&self.command("EVALSHA", &self.script.hash)).await {
            // Redis has not seen it yet, or was started anew.
            Err(RedisError::Refused(reason))
                if reason.contains("NOSCRIPT") || reason.contains("NoScript") =>
            {
                redis.query(&self.command("EVAL", self.script.code)).await
            }
            result => result,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}

fn sha1(code: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, code.as_bytes());
    digest.as_ref().iter().fold(String::with_capacity(40), |mut hash, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}
