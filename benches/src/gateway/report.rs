//! The tables of the section.

use std::fmt::Write as _;

use super::subject::{Kind, about};
use super::trial::{CROWD, CROWD_OVER_TLS, ECHOING, FIRST, HANDSHAKES, Hold, PACED};
use super::{Part, Row, compression, figures, goals, hold};
use crate::table::{DASH, Table, cell, float, ms, ratio, seconds, thousands, us};

const INTRODUCTION: &str = "\
## Gateway

WebSocket connections over loopback; clients, server and functions share the processors. The rows are interleaved: each \
round runs each of them once, in a new process; figures are medians of the rounds, *×* the median of the rounds' ratios. \
All clients are in one process with one thread (an epoll loop).

";

pub fn report(parts: &[Part], rows: &[Row], hold: Option<&Hold>) -> String {
    let mut text = introduction(parts, rows, hold);
    for part in parts {
        text += &match part {
            Part::Crowd => crowd(rows),
            Part::Tls => tls(rows),
            Part::Cpu => cpu(rows),
            Part::Handshakes => handshakes(rows),
            Part::Latency => latency(rows),
            Part::Compression => compression::report(rows),
            Part::Hold => hold.map(held).unwrap_or_default(),
        };
    }
    text
}

fn crowd(rows: &[Row]) -> String {
    let mut table = Table::new([
        "",
        "memory before",
        "a connection",
        "× nchan",
        "× floor",
        "after frames",
        "first frame to all",
        "warm",
        "× nchan",
    ]);
    for row in measured(rows, |row| !row.crowd.is_empty()) {
        let of = |figure| figures::of(row, figure);
        table.row([
            row.subject.name.clone(),
            cell(of(figures::base_bytes), megabytes),
            cell(of(figures::bytes), bytes),
            cell(figures::to(rows, &Kind::Nchan, row, figures::bytes), ratio),
            cell(figures::to(rows, &Kind::Floor, row, figures::bytes), ratio),
            cell(of(figures::bytes_afterwards), bytes),
            cell(of(figures::first_fan_out), |s| ms(seconds(s))),
            cell(of(figures::warm_fan_out), |s| ms(seconds(s))),
            cell(figures::to(rows, &Kind::Nchan, row, figures::warm_fan_out), ratio),
        ]);
    }
    let clients = thousands(float(CROWD as u64));
    format!(
        "
### Idle connections, and one frame to all of them

{clients} clients. Memory is what the server's processes have resident, shared pages divided among those who share them (PSS); \
a connection's is the growth from the first {FIRST} to all, so that code and tables of a fixed size do not count. The \
kernel's memory of a socket is not in it and is the same for all. *After frames*: once each client has received six. One \
frame to all: from the send of one client's frame (gateway: through the transfer function, the room in Redis) or of the \
publish request (peers) to the last client's receipt; *warm* is the median of five.

{table}"
    )
}

fn tls(rows: &[Row]) -> String {
    let mut table = Table::new(["", "a connection"]);
    for row in measured(rows, |row| !row.tls.is_empty()) {
        table.row([row.subject.name.clone(), cell(figures::of(row, figures::bytes_over_tls), bytes)]);
    }
    format!(
        "
### Idle connections over TLS

{} clients, TLS 1.3 with the gateway's own rustls; as above.

{table}",
        thousands(float(CROWD_OVER_TLS as u64))
    )
}

fn cpu(rows: &[Row]) -> String {
    let mut table =
        Table::new(["", "frames a second", "CPU a frame", "× floor", "CPU of the functions a frame"]);
    for row in measured(rows, |row| !row.cpu.is_empty()) {
        let of = |figure| figures::of(row, figure);
        table.row([
            row.subject.name.clone(),
            cell(of(figures::echoes), thousands),
            cell(of(figures::echo_processor_time), |s| us(seconds(s))),
            cell(figures::to(rows, &Kind::Floor, row, figures::echo_processor_time), ratio),
            match row.subject.kind {
                Kind::Gateway(_) => cell(of(figures::echo_of_functions), |s| us(seconds(s))),
                _ => DASH.to_owned(),
            },
        ]);
    }
    format!(
        "
### A frame and back

{ECHOING} clients, each of which sends a short frame as soon as the last one came back. CPU is user and system time of the \
server's processes. Gateway: through the transfer function and back as its push (`WS_PUSH_TO=sender`), the functions' \
processes counted apart. nchan: each client publishes to a channel of its own, no application is asked. Pushpin: each frame \
is a request to an application behind it, which is not counted. The floor answers by itself.

{table}"
    )
}

fn handshakes(rows: &[Row]) -> String {
    let mut table = Table::new(["", "handshakes a second", "× floor", "CPU a handshake"]);
    for row in measured(rows, |row| !row.handshakes.is_empty()) {
        let of = |figure| figures::of(row, figure);
        table.row([
            row.subject.name.clone(),
            cell(of(figures::handshakes), thousands),
            cell(figures::to(rows, &Kind::Floor, row, figures::handshakes), ratio),
            cell(of(figures::handshake_processor_time), |s| us(seconds(s))),
        ]);
    }
    format!(
        "
### Handshakes

{} connections opened, 64 handshakes in flight, all of them kept open. Each one asks an application: the gateway its \
register function, nchan an `nchan_authorize_request`, Pushpin its backend; the floor asks no application.

{table}",
        thousands(float(HANDSHAKES as u64))
    )
}

fn latency(rows: &[Row]) -> String {
    let mut table = Table::new(["", "frames a second", "p50", "p99", "p99.9", "p99 to p50"]);
    for row in measured(rows, |row| !row.latency.is_empty()) {
        let of = |figure| figures::of(row, figure);
        let time = |figure| cell(of(figure), |s| us(seconds(s)));
        table.row([
            row.subject.name.clone(),
            cell(of(figures::paced_rate), thousands),
            time(figures::p50),
            time(figures::p99),
            time(figures::p999),
            cell(of(figures::p99_to_p50), ratio),
        ]);
    }
    format!(
        "
### Latency at half load

{} clients. The rate is half of what the same clients reach when each sends as soon as the last frame came back. Frames are \
sent at their times whatever has come back, and latency counts from the time at which a frame should have been sent (no \
coordinated omission).

{table}",
        thousands(float(PACED as u64))
    )
}

fn held(hold: &Hold) -> String {
    let mut table = Table::new(["after", "memory of the gateway"]);
    for (after, bytes) in &hold.memory {
        table.row([format!("{} s", after.as_secs()), megabytes(float(*bytes))]);
    }
    format!(
        "
### {} connections in one process

Idle, each answering the gateway's pings. The gateway starts with a soft limit of 1,024 open files and raises it itself. At the end each sent a ping: {} had their pong.

{table}",
        thousands(float(hold::CLIENTS as u64)),
        thousands(float(hold.answered))
    )
}

fn measured(rows: &[Row], is_measured: fn(&Row) -> bool) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| is_measured(row))
}

fn bytes(bytes: f64) -> String {
    format!("{:.1} kB", bytes / 1e3)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

fn introduction(parts: &[Part], rows: &[Row], hold: Option<&Hold>) -> String {
    let mut versions = String::new();
    for row in rows {
        // Writing to a String cannot fail.
        let _ = match row.subject.missing {
            Some(why) => writeln!(versions, "- Not measured: {}, since {why}.", row.subject.name),
            None => writeln!(versions, "- {}", about(&row.subject.kind)),
        };
        for failure in &row.failures {
            let _ = writeln!(versions, "- **Failed**: {}, {failure}.", row.subject.name);
        }
    }
    let goals = goals::table(parts, rows, hold);
    format!("{INTRODUCTION}{versions}\n{goals}")
}
