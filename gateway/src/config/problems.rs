//! What is wrong with a file: each problem with its line and column, all of them in one report.

use std::{
    cell::{Cell, RefCell},
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 for what does not stand in the file.
    pub line: usize,
    /// The column in characters, from 1; 0 for what does not stand in the file.
    pub column: usize,
    /// What is wrong, on what input, and what is allowed.
    pub message: String,
}

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemReport {
    /// The file, as it was named by the caller.
    pub file: PathBuf,
    /// The problems.
    pub problems: Vec<Problem>,
}

impl ProblemReport {
    /// A report about the file as a whole.
    pub(super) fn of_file(file: &Path, message: String) -> Self {
        Self { file: file.to_owned(), problems: vec![Problem { line: 0, column: 0, message }] }
    }
}

impl fmt::Display for ProblemReport {
    /// A line for each problem, in the form `FILE:LINE:COLUMN: MESSAGE` that editors understand.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (index, Problem { line, column, message }) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            match line {
                0 => write!(formatter, "{file}: {message}")?,
                _ => write!(formatter, "{file}:{line}:{column}: {message}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ProblemReport {}

/// Collects problems while a file is read.
pub(super) struct Problems<'s> {
    source: &'s str,
    found: RefCell<Vec<(Option<usize>, String)>>,
    syntax: Cell<bool>,
}

impl<'s> Problems<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, found: RefCell::default(), syntax: Cell::new(false) }
    }

    pub(super) fn add(&self, span: &Range<usize>, message: impl Into<String>) {
        self.found.borrow_mut().push((Some(span.start), message.into()));
    }

    /// Something that does not stand in the file, such as the value of a variable.
    pub(super) fn add_outside(&self, message: impl Into<String>) {
        self.found.borrow_mut().push((None, message.into()));
    }

    /// Text that is not TOML. What it was meant to say is unknown.
    pub(super) fn add_syntax(&self, span: &Range<usize>, message: impl Into<String>) {
        self.syntax.set(true);
        self.add(span, message);
    }

    /// Something that is not there. Says nothing if part of the file is not TOML: it may stand there.
    pub(super) fn add_missing(&self, span: &Range<usize>, message: impl Into<String>) {
        if !self.syntax.get() {
            self.add(span, message);
        }
    }

    /// The report, or `None` if there is nothing to report.
    pub(super) fn into_report(self, file: &Path) -> Option<ProblemReport> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|(offset, _)| *offset);
        let locate = |(offset, message): (Option<usize>, String)| {
            let (line, column) = offset.map_or((0, 0), |offset| position(self.source, offset));
            Problem { line, column, message }
        };
        Some(ProblemReport { file: file.to_owned(), problems: found.into_iter().map(locate).collect() })
    }
}

/// Line and column of a byte, both from 1.
fn position(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters() {
        assert_eq!(position("ä = 1\nö = 2", 0), (1, 1));
        assert_eq!(position("ä = 1\nö = 2", "ä = 1\nö ".len()), (2, 3));
        assert_eq!(position("a", 99), (1, 2));
    }
}
