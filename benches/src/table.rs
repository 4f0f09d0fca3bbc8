//! Markdown tables: text in the first column, right-aligned figures in the others.

use std::fmt;
use std::time::Duration;

pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: impl IntoIterator<Item = &'static str>) -> Self {
        Self { head: head.into_iter().collect(), rows: Vec::new() }
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "| ---{} |", " | --:".repeat(self.head.len() - 1))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

pub fn us(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    if us < 10.0 { format!("{us:.1} µs") } else { format!("{} µs", thousands(us)) }
}

pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{} ms", thousands(ms)) }
}

pub fn mb(kb: u64) -> String {
    let tenths = (kb * 10 + 512) / 1024;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

pub fn ratio(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { thousands(ratio) }
}

/// Rounded to a whole number, with commas.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// In place of a figure that was not measured.
pub const DASH: &str = "–";

/// A figure, or the dash.
pub fn cell(figure: Option<f64>, format: impl Fn(f64) -> String) -> String {
    figure.map_or_else(|| DASH.to_owned(), format)
}

pub fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
pub fn float(number: u64) -> f64 {
    number as f64
}
