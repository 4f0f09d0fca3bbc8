//! What the instances' logs tell of the beginning and the end of each connection.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::runs::RunId;

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
    for (at, said) in logs.iter().flat_map(|log| log.lines()).filter_map(|line| line.split_once("] ")) {
        if said.starts_with("trace role=transfer ") {
            transfers.entry(value(said, " connection=")).or_default().extend(second_after(at));
        }
    }
    let mut unsent: HashMap<&str, usize> = HashMap::new();
    for (id, rest) in
        said(logs).filter_map(|(_, said)| said.split_once(": the connection had to end before "))
    {
        *unsent.entry(id).or_default() +=
            rest.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    }
    let opened = said(logs).filter_map(|(run, said)| {
        let (id, rest) = said.split_once(" opened from ")?;
        let path = rest.split_once(" on ")?.1.split(' ').next()?;
        let registers = registers.remove(id).unwrap_or_default();
        let unsent = unsent.get(id).copied().unwrap_or(0);
        let transfers = transfers.remove(id).unwrap_or_default();
        Some((path.to_owned(), Opened { id: id.to_owned(), run, registers, unsent, transfers }))
    });
    opened.collect()
}

/// Clients that the register function may have accepted, but that were never connected and got no closing event.
pub fn without_a_connection(logs: &[String]) -> Vec<String> {
    let opened: HashSet<&str> =
        said(logs).filter_map(|(_, said)| Some(said.split_once(" opened from ")?.0)).collect();
    let cleaned: HashSet<&str> = said(logs)
        .filter(|(_, said)| said.starts_with("trace role=cleanup "))
        .map(|(_, said)| value(said, " connection="))
        .collect();
    let refused = registers(logs).into_iter().filter(|(id, _)| !opened.contains(id) && !cleaned.contains(id));
    refused
        .map(|(id, outcomes)| {
            format!("{id}: registered with {outcomes:?}, and neither opened nor cleaned up")
        })
        .collect()
}

/// Outcomes of the register function, by connection.
fn registers(logs: &[String]) -> HashMap<&str, Vec<String>> {
    let mut registers: HashMap<&str, Vec<String>> = HashMap::new();
    for (_, said) in said(logs).filter(|(_, said)| said.starts_with("trace role=register ")) {
        registers.entry(value(said, " connection=")).or_default().push(value(said, " outcome=").to_owned());
    }
    registers
}

/// The end of the second that a line of the log begins with.
fn second_after(line: &str) -> Option<Instant> {
    let logged: Timestamp = line.strip_prefix('[')?.split(' ').next()?.parse().ok()?;
    let ago = Timestamp::now().duration_since(logged).unsigned_abs();
    Instant::now().checked_sub(ago).map(|logged| logged + Duration::from_secs(1))
}

/// Each line without its time and level, and whose it is.
fn said(logs: &[String]) -> impl Iterator<Item = (RunId, &str)> {
    let lines = logs.iter().enumerate().flat_map(|(run, log)| log.lines().map(move |line| (run, line)));
    lines.filter_map(|(run, line)| Some((run, line.split_once("] ")?.1)))
}

fn value<'l>(line: &'l str, name: &str) -> &'l str {
    line.split_once(name).map_or("", |(_, rest)| rest.split(' ').next().unwrap_or(""))
}
