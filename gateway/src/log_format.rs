//! The log on standard error, or in a web function, where SCF keeps only that, on standard output: lines of text, or of JSON.
//!
//! A line of JSON has `time`, `level` and `message`; a line about a connection also `connection` and, if it is about one
//! request, `request_id`; docs/troubleshooting.md names what else some have. In text all are within the message. Where
//! standard error is systemd's journal, a line begins with its priority, which the journal takes off. A log that cannot be
//! written, as on a full disk, stops nothing.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
};

use env_logger::{Builder, Target, fmt::Formatter};
use log::{
    Level, LevelFilter, Record,
    kv::{self, Key, Value, VisitSource},
};
use scf_websocket_gateway::config::LogFormat;
use serde_json::{Map, Value as Json};

/// Sets the log up. `RUST_LOG` says what is logged; left out or empty: this level.
pub fn init(format: LogFormat, level: LevelFilter, to_stdout: bool) {
    let mut builder = Builder::new();
    if to_stdout {
        builder.target(Target::Stdout);
    }
    match std::env::var("RUST_LOG").ok().filter(|filters| !filters.trim().is_empty()) {
        Some(filters) => builder.parse_filters(&filters),
        None => builder.filter_level(level),
    };
    let journal = is_journal();
    builder.format(move |formatter, record| {
        if journal {
            write!(formatter, "<{}>", priority(record.level()))?;
        }
        match format {
            LogFormat::Text => write_text(formatter, record),
            LogFormat::Json => write_json(formatter, record),
        }
    });
    builder.init();
}

/// Whether standard error is what `JOURNAL_STREAM` names: device and inode.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    fs::metadata("/proc/self/fd/2")
        .is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// As in syslog.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

fn write_text(formatter: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let style = formatter.default_level_style(record.level());
    let (time, level) = (formatter.timestamp_seconds(), record.level());
    writeln!(formatter, "[{time} {style}{level:<5}{style:#}] {}", record.args())
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
        let number = value.to_u64().map(Json::from).or_else(|| value.to_f64().map(Json::from));
        let json = number.unwrap_or_else(|| value.to_string().into());
        self.0.insert(key.as_str().to_owned(), json);
        Ok(())
    }
}
