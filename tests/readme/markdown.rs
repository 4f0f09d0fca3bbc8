//! As much of Markdown as the documents use: headings, code blocks, tables and prose with links and code.

/// A heading and what follows it, up to the next heading of any level. What is before the first heading has level 0.
#[derive(Debug, Default)]
pub struct Section {
    pub level: usize,
    pub title: String,
    pub code: Vec<CodeBlock>,
    pub tables: Vec<Vec<Row>>,
    /// All other lines.
    pub prose: String,
}

#[derive(Debug, PartialEq, Eq)]
pub struct CodeBlock {
    pub language: String,
    /// Each line without the indentation of the block.
    pub lines: Vec<String>,
}

/// The cells of a line of a table.
pub type Row = Vec<String>;

pub fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut lines = text.lines();
    let mut in_table = false;
    while let Some(line) = lines.next() {
        if let Some((level, title)) = heading(line) {
            sections.push(Section { level, title: title.to_owned(), ..Section::default() });
        }
        let section = sections.last_mut().expect("the first section");
        let trimmed = line.trim_start();
        let is_row = trimmed.starts_with('|');
        if let Some(language) = trimmed.strip_prefix("```") {
            let indentation = line.len() - trimmed.len();
            let lines = lines.by_ref().take_while(|line| line.trim() != "```");
            let lines = lines.map(|line| line.get(indentation..).unwrap_or_default().to_owned()).collect();
            section.code.push(CodeBlock { language: language.to_owned(), lines });
        } else if is_row {
            if !in_table {
                section.tables.push(Vec::new());
            }
            section.tables.last_mut().expect("a table").push(cells(trimmed));
        } else if heading(line).is_none() {
            section.prose += line;
            section.prose.push('\n');
        }
        in_table = is_row;
    }
    sections
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    Some((level, title.strip_prefix(' ')?.trim())).filter(|_| (1..=6).contains(&level))
}

/// The cells of a row, which are separated by `|` outside code.
fn cells(row: &str) -> Row {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    let mut cells = vec![String::new()];
    let mut in_code = false;
    for character in row.chars() {
        in_code ^= character == '`';
        if character == '|' && !in_code {
            cells.push(String::new());
        } else {
            cells.last_mut().expect("a cell").push(character);
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// What stands between backticks, and the text without it.
pub fn split_code(text: &str) -> (Vec<String>, String) {
    let mut parts = (Vec::new(), String::new());
    for (number, part) in text.split('`').enumerate() {
        if number % 2 == 1 {
            parts.0.push(part.split_whitespace().collect::<Vec<_>>().join(" "));
        } else {
            parts.1 += part;
            parts.1.push('`');
        }
    }
    parts
}

/// The targets of links and pictures, and the text without them.
pub fn split_links(text: &str) -> (Vec<String>, String) {
    let mut links = Vec::new();
    let mut rest = String::new();
    for (number, part) in text.split("](").enumerate() {
        let (target, after) =
            if number == 0 { ("", part) } else { part.split_once(')').unwrap_or((part, "")) };
        if number > 0 {
            links.push(target.trim().to_owned());
        }
        rest += after;
        rest.push(']');
    }
    (links, rest)
}

/// The targets of all links and pictures of a document.
pub fn links(text: &str) -> Vec<String> {
    let of_section = |section: Section| {
        let cells = section.tables.into_iter().flatten().flatten();
        let texts: Vec<String> = cells.chain([section.title, section.prose]).collect();
        texts.into_iter().flat_map(|text| split_links(&split_code(&text).1).0)
    };
    sections(text).into_iter().flat_map(of_section).collect()
}

/// The anchor of each heading, as the sites that show the documents make it.
pub fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for section in sections(text).iter().filter(|section| section.level > 0) {
        let anchor = anchor(&section.title);
        let earlier = |known: &&String| {
            known.strip_prefix(&anchor).is_some_and(|rest| {
                rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
            })
        };
        match anchors.iter().filter(earlier).count() {
            0 => anchors.push(anchor),
            number => anchors.push(format!("{anchor}-{number}")),
        }
    }
    anchors
}

fn anchor(title: &str) -> String {
    let (_, title) = split_links(title);
    title
        .to_lowercase()
        .chars()
        .filter(|character| character.is_alphanumeric() || ['-', '_', ' '].contains(character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# A `b`!\n\nSee [x](y.md#z) and `[no](link)`.\n\n| a | `b|c` |\n| --- | --- |\n\n  ```sh\n  ls\n  ```\n# A b\n";
    let sections = sections(text);
    assert_eq!(sections.len(), 3);
    assert_eq!(sections[1].tables, [[["a", "`b|c`"], ["---", "---"]]]);
    assert_eq!(sections[1].code, [CodeBlock { language: "sh".to_owned(), lines: vec!["ls".to_owned()] }]);
    assert_eq!(links(text), ["y.md#z"]);
    assert_eq!(anchors(text), ["a-b", "a-b-1"]);
}
