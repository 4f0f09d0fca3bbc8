//! The log on standard error, or in a web function, where SCF keeps only that, on standard output: lines of text, or of JSON.
//!
//! A line of JSON has `time`, `level` and `message`; a line about a connection also `connection` and, if it is about
//! one request, `request_id`. In text both are within the message. A log that cannot be written, as on a full disk,
//! stops nothing.

use std::io::{self, Write as _};

use clap::ValueEnum;
use env_logger::{Builder, Env, Target, fmt::Formatter};
use log::{
    Record,
    kv::{self, Key, Value, VisitSource},
};
use serde_json::{Map, Value as Json};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// `[time LEVEL] message`
    #[default]
    Text,
    /// An object a line
    Json,
}

/// Sets the log up, on standard output if asked. `RUST_LOG` says what is logged; left out: `info`.
pub fn init(format: LogFormat, to_stdout: bool) {
    let mut builder = Builder::from_env(Env::default().default_filter_or("info"));
    if to_stdout {
        builder.target(Target::Stdout);
    }
    match format {
        LogFormat::Text => builder.format(|formatter, record| {
            let style = formatter.default_level_style(record.level());
            let (time, level) = (formatter.timestamp_seconds(), record.level());
            writeln!(formatter, "[{time} {style}{level:<5}{style:#}] {}", record.args())
        }),
        LogFormat::Json => builder.format(write_json),
    };
    builder.init();
}

fn write_json(formatter: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut line = Map::new();
    line.insert("time".to_owned(), formatter.timestamp_millis().to_string().into());
    line.insert("level".to_owned(), record.level().as_str().into());
    line.insert("message".to_owned(), record.args().to_string().into());
    // The visitor never fails.
    let _ = record.key_values().visit(&mut Fields(&mut line));
    writeln!(formatter, "{}", Json::Object(line))
}

struct Fields<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.0.insert(key.as_str().to_owned(), value.to_string().into());
        Ok(())
    }
}
