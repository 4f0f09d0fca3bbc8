//! What the bench has measured stands in benches/ as it printed it. The documents quote it, and no figure is typed.

use super::file;
use super::markdown::{Row, sections};

/// The documents that quote, in tables whose figures are aligned to the right, and in prose.
const QUOTING: [&str; 3] = ["README.md", "docs/speed.md", "docs/rooms.md"];

const PRINTED: [&str; 3] = ["benches/GATEWAY.md", "benches/RESULTS.md", "benches/CLUSTER.md"];

type Table = Vec<Row>;

fn tables(text: &str) -> Vec<Table> {
    let tables = sections(text).into_iter().flat_map(|section| section.tables);
    let tables = tables.filter(|table| table[1].iter().any(|cell| cell == "--:"));
    let plain = |cell: &String| cell.replace("**", "").trim_end_matches(['¹', '²', '³']).to_owned();
    tables.map(|table| table.iter().map(|row| row.iter().map(plain).collect()).collect()).collect()
}

/// Where the columns of a quoting table are in a printed one.
fn columns(quoting: &Row, printed: &Row) -> Option<Vec<usize>> {
    quoting.iter().map(|head| printed.iter().position(|known| known == head)).collect()
}

/// Whether a printed row has each cell of a quoting one, of which some may be left out as `–`.
fn has(printed: &Row, columns: &[usize], quoting: &Row) -> bool {
    quoting.iter().zip(columns).all(|(cell, column)| cell == "–" || printed.get(*column) == Some(cell))
}

/// What no printed table or text has.
fn typed(document: &str, printed: &[String]) -> Vec<String> {
    let known: Vec<Table> = printed.iter().flat_map(|text| tables(text)).collect();
    let mut typed = Vec::new();
    for table in tables(document) {
        let sources: Vec<_> =
            known.iter().filter_map(|source| Some((source, columns(&table[0], &source[0])?))).collect();
        for row in &table[2..] {
            if !sources.iter().any(|(source, columns)| source.iter().any(|known| has(known, columns, row))) {
                typed.push(row.join(" | "));
            }
        }
    }
    let prose = sections(document).into_iter().map(|section| section.prose).collect::<Vec<_>>().concat();
    for figure in figures(&prose) {
        if !printed.iter().any(|text| figures(text).contains(&figure)) {
            typed.push(figure);
        }
    }
    typed
}

/// The figures of a text that are a quantity such as `2.1 kB` or `44 ms`, or have a separator as `9,000` has.
fn figures(text: &str) -> Vec<String> {
    const UNITS: [&str; 6] = ["µs", "ms", "s", "kB", "MB", "×"];
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || "()[]|".contains(c)).collect();
    let mut figures = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let number = word.trim_end_matches([',', '.', ':', ';']);
        if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || ",.".contains(c)) {
            continue;
        }
        let next = words.get(at + 1).map_or("", |next| next.trim_matches([',', '.', ':', ';']));
        if *word == number && UNITS.contains(&next) {
            figures.push(format!("{number} {next}"));
        } else if number.contains(',') {
            figures.push(number.to_owned());
        }
    }
    figures
}

fn printed() -> Vec<String> {
    PRINTED.iter().map(|name| file(name)).collect()
}

#[test]
fn every_measured_figure_is_quoted_from_what_the_bench_printed() {
    for document in QUOTING {
        let typed = typed(&file(document), &printed());
        assert!(typed.is_empty(), "{document}: benches/ does not have:\n{}", typed.join("\n"));
    }
}

#[test]
fn a_typed_figure_is_found() {
    let printed = [String::from(
        "The zip has 537 kB.\n\n| | a | b² |\n| --- | --: | --: |\n| **x** (9,000) | 2.1 kB | 7 |\n| y | 3 | 4¹ |\n",
    )];
    let found = |document: &str| typed(document, &printed).join("; ");
    let table = |row: &str| format!("| | b |\n| --- | --: |\n{row}\n");
    for right in ["| x (9,000) | 7 |", "| y | 4 |", "| y | – |"] {
        assert_eq!(found(&table(right)), "", "{right}");
    }
    for wrong in ["| x (9,000) | 8 |", "| y | 7 |", "| z | 4 |"] {
        assert_ne!(found(&table(wrong)), "", "{wrong}");
    }
    assert_eq!(found("It has 2.1 kB, or 537 kB for 9,000, and 12 of 13."), "");
    assert_eq!(found("It has 2.2 kB, or 53 kB for 9,001."), "2.2 kB; 53 kB; 9,001");
}
