//! One frame of JSON to all clients: plain, compressed once, and compressed for each.

use std::fmt::Write as _;
use std::time::Duration;

use super::Row;
use super::load::{FanOut, Load};
use super::server::Purpose;
use super::subject::Kind;
use super::trial::{CROWD, growth_of_idle};
use crate::Result;
use crate::table::{Table, cell, float, ms, ratio, seconds, thousands, us};
use crate::trial::median;

/// What is sent to all, in bytes.
const PAYLOADS: [usize; 3] = [250, 2_000, 20_000];
const FAN_OUTS: usize = 3;
const OFFER: &str = "permessage-deflate";
/// A gigabit, for all clients together.
const BYTES_PER_SECOND: f64 = 125e6;

/// The gateway built with `--cfg compress_each`.
const FOR_EACH: &str = "target/package/gateway-compress-each";

/// How frames get to the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    Once,
    ForEach,
}

const WAYS: [Way; 3] = [Way::Plain, Way::Once, Way::ForEach];

/// One round of one way.
#[derive(Debug, Clone)]
pub struct Measured {
    way: Way,
    idle_bytes: f64,
    /// One for each of the payloads.
    sizes: Vec<OfSize>,
}

#[derive(Debug, Clone, Copy)]
struct OfSize {
    wire_bytes: f64,
    processor_seconds: f64,
    seconds: f64,
    seconds_on_the_network: f64,
}

/// All the ways that it has.
pub fn measure(kind: &Kind) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for way in WAYS {
        match (kind, way) {
            (Kind::Gateway(_) | Kind::Nchan, Way::Plain | Way::Once) => {
                measured.push(measure_way(kind, way)?);
            }
            (Kind::Gateway(file), Way::ForEach) if file.starts_with("target/package") => {
                measured.push(measure_way(&Kind::Gateway(FOR_EACH.into()), way)?);
            }
            _ => {}
        }
    }
    Ok(measured)
}

fn measure_way(kind: &Kind, way: Way) -> Result<Measured> {
    let server = kind.start(Purpose::CompressedRoom)?;
    let mut load = Load::start(&server)?;
    if way != Way::Plain {
        load.offer(OFFER)?;
    }
    let idle_bytes = growth_of_idle(&server, &mut load, CROWD)?;
    let mut sizes = Vec::new();
    for size in PAYLOADS {
        load.fan_out(&server, &messages(size, 0))?;
        let before = server.processes.processor_time()?;
        let mut fan_outs = Vec::new();
        for number in 1..=FAN_OUTS {
            fan_outs.push(load.fan_out(&server, &messages(size, number))?);
        }
        let used = server.processes.processor_time()?.saturating_sub(before);
        let clients = float(CROWD as u64);
        sizes.push(OfSize {
            wire_bytes: median(fan_outs.iter().map(|fan_out| float(fan_out.bytes) / clients)).unwrap_or(0.0),
            processor_seconds: used.as_secs_f64() / clients / float(FAN_OUTS as u64),
            seconds: median(fan_outs.iter().map(FanOut::seconds)).unwrap_or(0.0),
            seconds_on_the_network: 0.0,
        });
    }
    load.rate(BYTES_PER_SECOND)?;
    for (size, of_size) in PAYLOADS.into_iter().zip(&mut sizes) {
        of_size.seconds_on_the_network = load.fan_out(&server, &messages(size, 9))?.seconds();
    }
    Ok(Measured { way, idle_bytes, sizes })
}

/// A JSON array of made-up chat messages, a little shorter than this. Without spaces, as the load's commands have to be.
fn messages(bytes: usize, number: usize) -> String {
    const NAMES: [&str; 8] = ["ann", "bob", "chen", "dieter", "eva", "farid", "grace", "hao"];
    const WORDS: [&str; 40] = [
        "the", "and", "is", "to", "a", "of", "in", "that", "it", "for", "on", "was", "with", "they", "at",
        "be", "this", "have", "from", "or", "one", "had", "by", "word", "but", "not", "what", "all", "were",
        "meeting", "tomorrow", "please", "answer", "question", "ready", "weather", "Shenzhen", "ticket",
        "deploy", "lunch",
    ];
    let mut state = number as u64 + 1;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let mut text = String::from("[");
    loop {
        let words: Vec<&str> = (0..4 + random(9)).map(|_| WORDS[random(WORDS.len())]).collect();
        let message = format!(
            r#"{{"id":"{:08x}","user":"{}","at":17{:011},"text":"{}"}}"#,
            random(usize::MAX >> 8) & 0xffff_ffff,
            NAMES[random(NAMES.len())],
            random(99_999_999_999),
            words.join("_")
        );
        if text.len() + message.len() + 1 > bytes {
            text.pop();
            text.push(']');
            return text;
        }
        text += &message;
        text.push(',');
    }
}

/// The median of the rounds.
fn of(rounds: &[Measured], way: Way, figure: impl Fn(&Measured) -> f64) -> Option<f64> {
    median(rounds.iter().filter(|measured| measured.way == way).map(figure))
}

/// The median of the rounds' ratios to the plain way.
fn to_plain(rounds: &[Measured], way: Way, figure: impl Fn(&Measured) -> f64) -> Option<f64> {
    let of_way = |way| rounds.iter().filter(move |measured| measured.way == way).map(&figure);
    median(of_way(way).zip(of_way(Way::Plain)).map(|(own, plain)| own / plain))
}

/// The time to the last of all clients for the largest payload at 1 Gbit/s, compressed to plain.
pub(super) fn on_the_network(row: &Row) -> Option<f64> {
    to_plain(&row.compression, Way::Once, |measured| {
        measured.sizes[PAYLOADS.len() - 1].seconds_on_the_network
    })
}

/// The same over loopback.
pub(super) fn over_loopback(row: &Row) -> Option<f64> {
    to_plain(&row.compression, Way::Once, |measured| measured.sizes[PAYLOADS.len() - 1].seconds)
}

/// The memory of an idle connection that has agreed on compression, to one that has not.
pub(super) fn idle_memory(row: &Row) -> Option<f64> {
    to_plain(&row.compression, Way::Once, |measured| measured.idle_bytes)
}

pub(super) fn report(rows: &[Row]) -> String {
    let mut table = Table::new([
        "payload",
        "",
        "bytes to a client",
        "CPU for it",
        "to the last client",
        "× plain",
        "at 1 Gbit/s",
        "× plain",
        "an idle connection",
    ]);
    for (index, size) in PAYLOADS.into_iter().enumerate() {
        for row in rows.iter().filter(|row| !row.compression.is_empty()) {
            for way in WAYS {
                let rounds = &row.compression;
                let Some(bytes) = of(rounds, way, |measured| measured.sizes[index].wire_bytes) else {
                    continue;
                };
                let time = |time: Duration| ms(time);
                table.row([
                    format!("{} B", thousands(float(size as u64))),
                    format!("{}, {}", row.subject.name, name(&row.subject.kind, way)),
                    thousands(bytes),
                    cell(of(rounds, way, |measured| measured.sizes[index].processor_seconds), |s| {
                        us(seconds(s))
                    }),
                    cell(of(rounds, way, |measured| measured.sizes[index].seconds), |s| time(seconds(s))),
                    cell(to_plain(rounds, way, |measured| measured.sizes[index].seconds), ratio),
                    cell(of(rounds, way, |measured| measured.sizes[index].seconds_on_the_network), |s| {
                        time(seconds(s))
                    }),
                    cell(
                        to_plain(rounds, way, |measured| measured.sizes[index].seconds_on_the_network),
                        ratio,
                    ),
                    cell(of(rounds, way, |measured| measured.idle_bytes), |bytes| {
                        format!("{:.1} kB", bytes / 1e3)
                    }),
                ]);
            }
        }
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "
### Compressed frames to all

{} clients, one JSON array of made-up chat messages to all of them, from the send of one client's frame (gateway) or of the \
publish request (nchan) to the last client's receipt. *Compressed for each* is a build of the gateway that does not share \
what it has compressed. *At 1 Gbit/s* all clients together read so much in a second. nchan compresses a message when it is \
published (`nchan_deflate_message_for_websocket`).

{table}",
        thousands(float(CROWD as u64))
    );
    text
}

fn name(kind: &Kind, way: Way) -> &'static str {
    match (kind, way) {
        (_, Way::Plain) => "plain",
        (Kind::Nchan, _) => "compressed",
        (_, Way::Once) => "compressed once",
        (_, Way::ForEach) => "compressed for each",
    }
}
