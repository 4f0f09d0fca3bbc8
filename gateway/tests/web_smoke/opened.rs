//! What the instances' logs tell of the beginning and the end of each connection.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    logged::{self, Line},
    runs::RunId,
};

#[derive(Debug)]
pub struct Opened {
    pub id: String,
    /// The instance that it was a connection of.
    pub run: RunId,
    /// Outcomes of the register function.
    pub registers: Vec<String>,
    /// Frames that waited for it when it had to end.
    pub unsent: usize,
    /// When each of its frames was carried out, at the latest.
    pub transfers: Vec<Instant>,
}

/// By the path on which the connection was opened.
pub fn read(logs: &[String]) -> HashMap<String, Opened> {
    let mut registers = registers(logs);
    let mut transfers: HashMap<&str, Vec<Instant>> = HashMap::new();
    let mut unsent: HashMap<&str, usize> = HashMap::new();
    for (_, line) in lines(logs) {
        if line.role == "transfer" {
            transfers.entry(line.connection).or_default().extend(end_of(line.time));
        } else if let Some((_, rest)) = line.message.split_once(": the connection had to end before ") {
            let count = rest.split(' ').next().and_then(|count| count.parse().ok());
            *unsent.entry(line.connection).or_default() += count.unwrap_or(0);
        }
    }
    let opened = lines(logs).filter(|(_, line)| line.is_opened()).map(|(run, line)| {
        let id = line.connection;
        let registers = registers.remove(id).unwrap_or_default();
        let unsent = unsent.get(id).copied().unwrap_or(0);
        let transfers = transfers.remove(id).unwrap_or_default();
        (line.path.to_owned(), Opened { id: id.to_owned(), run, registers, unsent, transfers })
    });
    opened.collect()
}

/// Clients that the register function may have accepted, but that were never connected and got no closing event.
pub fn without_a_connection(logs: &[String]) -> Vec<String> {
    let has_one = |line: &Line<'_>| line.is_opened() || line.role == "cleanup";
    let known: HashSet<&str> =
        lines(logs).filter(|(_, line)| has_one(line)).map(|(_, line)| line.connection).collect();
    let refused = registers(logs).into_iter().filter(|(id, _)| !known.contains(id));
    refused
        .map(|(id, outcomes)| {
            format!("{id}: registered with {outcomes:?}, and neither opened nor cleaned up")
        })
        .collect()
}

/// Outcomes of the register function, by connection.
fn registers(logs: &[String]) -> HashMap<&str, Vec<String>> {
    let mut registers: HashMap<&str, Vec<String>> = HashMap::new();
    for (_, line) in lines(logs).filter(|(_, line)| line.role == "register") {
        registers.entry(line.connection).or_default().push(line.outcome.to_owned());
    }
    registers
}

/// The end of the millisecond that a line of the log names.
fn end_of(time: &str) -> Option<Instant> {
    let ago = Timestamp::now().duration_since(time.parse().ok()?).unsigned_abs();
    Instant::now().checked_sub(ago).map(|logged| logged + Duration::from_millis(1))
}

/// Each line, and whose it is.
fn lines(logs: &[String]) -> impl Iterator<Item = (RunId, Line<'_>)> {
    logs.iter().enumerate().flat_map(|(run, log)| logged::lines(log).map(move |line| (run, line)))
}
