//! How often each kind of fault happened.

use std::{collections::BTreeMap, fmt};

#[derive(Debug, Default)]
pub struct Tallies(BTreeMap<&'static str, usize>);

impl Tallies {
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

impl fmt::Display for Tallies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\n| chaos | times |\n| --- | ---: |")?;
        for (what, times) in &self.0 {
            writeln!(formatter, "| {what} | {times} |")?;
        }
        Ok(())
    }
}
