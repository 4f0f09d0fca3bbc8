//! The Chinese documents say the same as the English ones: their headings, commands, tables, figures and links correspond,
//! section by section. Words are not compared, and neither are the words of a code block's comments.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::markdown::{CodeBlock, Row, Section, anchors, sections, split_code, split_links};
use super::{file, root};

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";

/// Each document that is there in both languages.
fn pairs() -> Vec<(String, String)> {
    let folder = fs::read_dir(root().join("docs/zh-CN")).expect("the folder");
    let pages = folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let pages = pages.map(|name| (format!("docs/{name}"), format!("docs/zh-CN/{name}")));
    pages.chain([(ENGLISH.to_owned(), CHINESE.to_owned())]).collect()
}

#[test]
fn both_languages_say_the_same() {
    let mut differences = Vec::new();
    for (english, chinese) in &pairs() {
        let found = self::differences((english, &file(english)), (chinese, &file(chinese)));
        differences.extend(found.iter().map(|found| format!("{english}: {found}")));
    }
    assert!(differences.is_empty(), "the languages differ, English first:\n{}", differences.join("\n"));
}

fn differences(english: (&str, &str), chinese: (&str, &str)) -> Vec<String> {
    let (english, chinese) = (Text::new(english), Text::new(chinese));
    let mut differences = Vec::new();
    let levels = |text: &Text| text.sections.iter().map(|section| section.level).collect::<Vec<_>>();
    compare("levels of the headings", &levels(&english), &levels(&chinese), &mut differences);
    for (one, other) in english.sections.iter().zip(&chinese.sections) {
        let mut found = Vec::new();
        compare_code(one, other, &mut found);
        compare_tables((&english, one), (&chinese, other), &mut found);
        compare_prose((&english, one), (&chinese, other), &mut found);
        differences.extend(found.iter().map(|found| format!("{} / {}: {found}", one.title, other.title)));
    }
    differences
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &str, one: &T, other: &T, differences: &mut Vec<String>) {
    if one != other {
        differences.push(format!("{what}: {one:?} / {other:?}"));
    }
}

/// A document, whose links can be compared with those of its translation.
struct Text {
    folder: PathBuf,
    sections: Vec<Section>,
    anchors: Vec<String>,
}

/// What has to be the same in both languages: code, figures, and the targets of links. Their order is the language's.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    code: Vec<String>,
    figures: Vec<String>,
    links: Vec<String>,
}

impl Text {
    fn new((name, text): (&str, &str)) -> Self {
        let folder = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, sections: sections(text), anchors: anchors(text) }
    }

    fn facts(&self, text: &str) -> Facts {
        let (code, rest) = split_code(text);
        let (links, rest) = split_links(&rest);
        let mut facts = Facts {
            code,
            figures: figures(&rest),
            links: links.iter().map(|link| self.target(link)).collect(),
        };
        facts.code.sort();
        facts.figures.sort();
        facts.links.sort();
        facts
    }

    /// A file of one language becomes that of the other, and the anchor of a heading its number.
    fn target(&self, link: &str) -> String {
        if link.contains("://") {
            return link.to_owned();
        }
        let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
        let target = normal(&self.folder.join(path));
        let number =
            |anchors: &[String]| anchor.map(|anchor| anchors.iter().position(|known| known == anchor));
        let heading = if path.is_empty() {
            number(&self.anchors)
        } else if anchor.is_some() {
            number(&anchors(&file(&target)))
        } else {
            None
        };
        let target = if path.is_empty() { String::new() } else { target };
        format!("{} heading {heading:?}", target.replace(".zh-CN.", ".").replace("/zh-CN/", "/"))
    }
}

/// A path without `..`.
fn normal(path: &Path) -> String {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal.to_string_lossy().into_owned()
}

/// The numbers of a text, such as `10,000`, `8.2` or `2024-07-01`.
fn figures(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_ascii_digit() && !",.-".contains(character));
    let words = words.map(|word| word.trim_matches([',', '.', '-']));
    words
        .filter(|word| word.contains(|character: char| character.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

fn compare_code(one: &Section, other: &Section, differences: &mut Vec<String>) {
    compare("code blocks", &one.code.len(), &other.code.len(), differences);
    for (one, other) in one.code.iter().zip(&other.code) {
        compare("language of a code block", &one.language, &other.language, differences);
        compare("lines of a code block", &one.lines.len(), &other.lines.len(), differences);
        for (line, translated) in one.lines.iter().zip(&other.lines) {
            if one.language == "text" {
                compare("figures of a text", &figures(line), &figures(translated), differences);
            } else {
                compare("code", &commented(one, line), &commented(one, translated), differences);
            }
        }
    }
}

/// A line's code without its comment, and the figures of the comment. A program of Rust is compared as it is.
fn commented<'l>(block: &CodeBlock, line: &'l str) -> (&'l str, Vec<String>) {
    let comment = if line.starts_with('#') { Some(0) } else { line.find(" #") };
    match comment {
        Some(start) if block.language != "rust" => (line[..start].trim_end(), figures(&line[start..])),
        _ => (line, Vec::new()),
    }
}

fn compare_tables(one: (&Text, &Section), other: (&Text, &Section), differences: &mut Vec<String>) {
    compare("tables", &one.1.tables.len(), &other.1.tables.len(), differences);
    for (rows, translated) in one.1.tables.iter().zip(&other.1.tables) {
        compare("rows of a table", &rows.len(), &translated.len(), differences);
        for (row, translated) in rows.iter().zip(translated) {
            compare_rows((one.0, row), (other.0, translated), differences);
        }
    }
}

/// A cell without a word to translate is the same in both.
fn compare_rows(one: (&Text, &Row), other: (&Text, &Row), differences: &mut Vec<String>) {
    compare("cells of a row", &one.1.len(), &other.1.len(), differences);
    for (cell, translated) in one.1.iter().zip(other.1) {
        compare("facts of a cell", &one.0.facts(cell), &other.0.facts(translated), differences);
        if !is_chinese(translated) {
            compare("a cell", &split_links(cell).1, &split_links(translated).1, differences);
        }
    }
}

fn is_chinese(text: &str) -> bool {
    text.contains(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
}

fn compare_prose(one: (&Text, &Section), other: (&Text, &Section), differences: &mut Vec<String>) {
    let facts = |(text, section): (&Text, &Section)| text.facts(&section.prose);
    compare("facts of the text", &facts(one), &facts(other), differences);
}

fn of_readmes(english: &str, chinese: &str) -> Vec<String> {
    differences((ENGLISH, english), (CHINESE, chinese))
}

/// Every digit of either README, wherever it stands.
#[test]
fn a_changed_figure_is_found() {
    let (english, chinese) = (file(ENGLISH), file(CHINESE));
    let changed = |text: &str, at: usize| {
        let digit = if &text[at..=at] == "9" { "8" } else { "9" };
        format!("{}{digit}{}", &text[..at], &text[at + 1..])
    };
    let digits = |text: &str| -> Vec<usize> {
        text.char_indices().filter(|(_, character)| character.is_ascii_digit()).map(|(at, _)| at).collect()
    };
    assert!(digits(&english).len() > 150);
    for at in digits(&english) {
        assert_ne!(of_readmes(&changed(&english, at), &chinese).len(), 0, "{}", around(&english, at));
    }
    for at in digits(&chinese) {
        assert_ne!(of_readmes(&english, &changed(&chinese, at)).len(), 0, "{}", around(&chinese, at));
    }
}

fn around(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    &text[start..end]
}

/// Every line of code without its last word, every row of a table and every heading removed.
#[test]
fn a_missing_command_row_or_heading_is_found() {
    let (english, chinese) = (file(ENGLISH), file(CHINESE));
    let mut in_code = false;
    let mut changed = 0;
    for (number, line) in english.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        let code = line.split(" #").next().unwrap_or_default().trim_end();
        let replacement = match code.rsplit_once(' ') {
            _ if line.starts_with('|') || (!in_code && line.starts_with('#')) => String::new(),
            Some((shorter, _)) if in_code && !line.starts_with('#') => shorter.to_owned(),
            _ => continue,
        };
        let lines = english.lines().enumerate();
        let lines = lines.filter(|(other, _)| *other != number || !replacement.is_empty());
        let lines = lines.map(|(other, line)| if other == number { replacement.as_str() } else { line });
        let text = lines.collect::<Vec<_>>().join("\n");
        changed += 1;
        assert_ne!(of_readmes(&text, &chinese).len(), 0, "{line}");
    }
    assert!(changed > 60, "only {changed} lines");
}

#[test]
fn a_changed_word_of_code_or_link_is_found() {
    let (english, chinese) = (file(ENGLISH), file(CHINESE));
    for (from, to) in [
        ("`gateway --config FILE --check`", "`gateway --config FILE --test`"),
        ("](docs/rooms.md)", "](docs/room.md)"),
        ("](#in-production)", "](#speed)"),
        (" ms |", " µs |"),
    ] {
        assert!(english.contains(from), "{from}");
        assert_ne!(of_readmes(&english.replacen(from, to, 1), &chinese).len(), 0, "{from}");
    }
}

/// The picture at the top is the same in both languages but for its words.
#[test]
fn both_pictures_are_the_same() {
    let shape = |name: &str| {
        let picture = file(name);
        let tags = picture.split('<').map(|tag| tag.split('>').next().unwrap_or_default().to_owned());
        tags.collect::<Vec<_>>()
    };
    assert_eq!(shape("docs/overview.svg"), shape("docs/overview.zh-CN.svg"));
}
