//! `docs/troubleshooting.md` has an entry for each message of the bootstrap and of the gateway, and none that has no message.
//!
//! A message is a text of the sources that can end up in a line of the log at `warn` or `error`, or in the line with which
//! a program ends: the format string of such a macro, and each sentence that such a line may take over (the text of an
//! error, the reason that a function returns). An entry is a row of a table; the code in its first cell is the message,
//! with `…` for each value. A text of few words needs no entry, but may have one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, LitStr, Macro, Meta, Pat};

const DOCUMENT: &str = "docs/troubleshooting.md";

/// Macros whose format strings are lines at `warn` or `error`, or what a program says when it ends.
const LINES: [&str; 5] = ["warn", "error", "log", "eprintln", "eprint"];

/// Macros whose texts are for another reader, or another level.
const OTHERS: [&str; 16] = [
    "info",
    "debug",
    "trace",
    "println",
    "print",
    "panic",
    "unreachable",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "matches",
    "env",
    "concat",
    "include_str",
    "json",
];

/// How many words make a text a sentence, outside the macros of [`LINES`].
const SENTENCE: usize = 3;

/// The same for what is written, which is mostly how an error describes itself.
const WRITTEN: usize = 2;

/// Files and folders whose sentences reach no such line, each with the reason.
const NOT_LOGGED: [(&str, &str); 21] = [
    ("src/answer.rs", "answers to the gateway"),
    ("src/bootstrap.rs", "--help"),
    ("src/config/variables.rs", "--help"),
    ("src/fuzzing.rs", "for the fuzzer"),
    ("src/http/lean.rs", "heads of requests"),
    ("src/push/message.rs", "bodies of pushes"),
    ("src/runtime/signals.rs", "level info"),
    ("src/testing.rs", "for tests of users"),
    ("src/testing", "for tests of users"),
    ("gateway/src/admin/mod.rs", "answers of the admin address"),
    ("gateway/src/config/configured.rs", "the summary on standard output"),
    ("gateway/src/config/configured/online.rs", "the report of --check --online, on standard output"),
    ("gateway/src/function/remote/scf/check.rs", "the report of --check --online, on standard output"),
    ("gateway/src/function/remote/scf/sign.rs", "what is signed"),
    ("gateway/src/observe/metrics", "help of metrics"),
    ("gateway/src/admin/page", "answers to the page"),
    ("gateway/src/admin/page.rs", "answers to the page"),
    ("gateway/src/admin/page_access.rs", "answers to the page"),
    ("gateway/src/observe/timeline", "the page"),
    ("gateway/src/server/tls/authority.rs", "for tests"),
    ("gateway/src/connection/websocket", "why connections end, at level info"),
];

/// Beginnings of texts that reach no such line though others of their file do, each with the reason.
const NO_MESSAGES: [(&str, &str); 5] = [
    ("{frames_in} frames", "a connection that has ended, at level info"),
    ("A WebSocket gateway in front of", "--help"),
    ("push_url={}", "the first line of the log, at level info"),
    (" room={}", "the first line of the log, at level info"),
    ("given up: the caller", "the page"),
];

#[test]
fn every_message_has_an_entry_and_every_entry_a_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let messages = messages_of_the_programs(root);
    let required = messages.values().filter(|place| place.is_required).count();
    assert!(required > 300, "only {required} messages were found");
    let text = fs::read_to_string(root.join(DOCUMENT)).expect(DOCUMENT);
    let problems = problems(&messages, &entries(&text));
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_file_that_is_left_out_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, _) in NOT_LOGGED {
        assert!(root.join(path).exists(), "{path} does not exist: remove it from NOT_LOGGED");
    }
}

type Messages = BTreeMap<String, Place>;

/// Where a message occurs, and whether it must have an entry.
#[derive(Debug, PartialEq)]
struct Place {
    file: String,
    line: usize,
    is_required: bool,
}

fn messages_of_the_programs(root: &Path) -> Messages {
    let mut messages = Messages::new();
    for folder in ["src", "gateway/src"] {
        for path in sources(&root.join(folder)) {
            let name = path.strip_prefix(root).expect("below the root").display().to_string();
            let text = fs::read_to_string(&path).expect("a source file");
            let lines_only = NOT_LOGGED.iter().any(|(left_out, _)| Path::new(&name).starts_with(left_out));
            for Found { line, message, is_required } in messages_of(&text, lines_only) {
                let place = Place { file: name.clone(), line, is_required };
                let known = messages.entry(message).or_insert(place);
                known.is_required |= is_required;
            }
        }
    }
    messages
}

/// All files below, in order, without those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of sources")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The messages of one file with their lines; of a file whose sentences are not logged, only the macros of [`LINES`].
fn messages_of(source: &str, lines_only: bool) -> Vec<Found> {
    let mut finder = Finder { lines_only, found: Vec::new() };
    finder.visit_file(&syn::parse_file(source).expect("Rust"));
    finder.found
}

struct Found {
    line: usize,
    message: String,
    is_required: bool,
}

struct Finder {
    lines_only: bool,
    found: Vec<Found>,
}

impl Finder {
    /// Notes a text of one line, which must have an entry if it has at least so many words.
    fn note(&mut self, literal: &LitStr, words: usize) {
        let text = literal.value();
        if text.trim().contains('\n') || NO_MESSAGES.iter().any(|(known, _)| text.starts_with(known)) {
            return;
        }
        let message = message(&text);
        let count = message.split_whitespace().filter(|word| is_word(word)).count();
        if count > 0 {
            let line = literal.span().start().line;
            self.found.push(Found { line, message, is_required: count >= words });
        }
    }

    /// `words` as in [`Finder::note`]; `None` for texts that are no messages.
    fn visit_tokens(&mut self, tokens: TokenStream, words: Option<usize>) {
        let mut tokens = tokens.into_iter().peekable();
        let (mut name, mut called) = (String::new(), false);
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Literal(literal) => {
                    if let (Some(words), syn::Lit::Str(text)) = (words, syn::Lit::new(literal)) {
                        self.note(&text, words);
                    }
                }
                TokenTree::Group(group) if called && group.delimiter() != Delimiter::None => {
                    self.visit_call(&name, group.stream());
                }
                TokenTree::Group(group) => {
                    self.visit_tokens(group.stream(), words.and_then(|_| self.sentence()));
                }
                TokenTree::Ident(ident) => {
                    let is_call = matches!(tokens.peek(), Some(TokenTree::Punct(next))
                        if next.as_char() == '!' && next.spacing() == Spacing::Alone);
                    if is_call {
                        tokens.next();
                        (name, called) = (ident.to_string(), true);
                        continue;
                    }
                }
                TokenTree::Punct(_) => {}
            }
            called = false;
        }
    }

    fn visit_call(&mut self, name: &str, arguments: TokenStream) {
        let words = match name {
            name if LINES.contains(&name) => Some(1),
            name if OTHERS.contains(&name) => None,
            "write" => (!self.lines_only).then_some(WRITTEN),
            // Of a file whose sentences are not logged: a line that is counted before it is logged.
            "format_args" if self.lines_only => Some(1),
            _ => self.sentence(),
        };
        self.visit_tokens(arguments, words);
    }

    /// How many words make a text a message outside all macros; `None` where none is one.
    fn sentence(&self) -> Option<usize> {
        (!self.lines_only).then_some(SENTENCE)
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        let is_test =
            matches!(item, Item::Mod(module) if module.attrs.iter().any(|a| a.path().is_ident("cfg")));
        if !is_test && !matches!(item, Item::Macro(_)) {
            visit::visit_item(self, item);
        }
    }

    /// How an error describes itself, if it does not call `write`.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && list.path.is_ident("error")
        {
            self.visit_call("write", list.tokens.clone());
        }
    }

    /// What is compared with is not said.
    fn visit_pat(&mut self, _: &'ast Pat) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.visit_call(&name, call.tokens.clone());
    }

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        if let Some(words) = self.sentence() {
            self.note(literal, words);
        }
    }
}

/// A format string with `…` for each value, on one line.
fn message(format: &str) -> String {
    let mut message = String::new();
    let mut rest = format.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '{' | '}' if rest.peek() == Some(&character) => {
                rest.next();
                message.push(character);
            }
            '{' => {
                rest.by_ref().find(|end| *end == '}');
                message.push('…');
            }
            other => message.push(other),
        }
    }
    message.split_whitespace().collect::<Vec<_>>().join(" ").replace("……", "…")
}

fn is_word(word: &str) -> bool {
    let letters = word.trim_matches(|c: char| !c.is_alphabetic());
    !letters.is_empty() && letters.chars().all(|c| c.is_alphabetic() || "'-_.".contains(c))
}

/// One message of the document with its line, and whether the row says anything of it.
struct Entry {
    line: usize,
    message: String,
    is_explained: bool,
}

fn entries(document: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (index, row) in document.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let cells = cells(row);
        let is_explained =
            cells.len() == 3 && cells[1..].iter().all(|cell| !["", "?"].contains(&cell.as_str()));
        for message in code(&cells[0]) {
            entries.push(Entry { line: index + 1, message, is_explained });
        }
    }
    entries
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\0");
    row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

/// The code spans of Markdown, which begin and end with equally many backticks.
fn code(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].chars().take_while(|c| *c == '`').count();
        let inner = &rest[start + ticks..];
        let Some(end) = inner.find(&"`".repeat(ticks)) else { break };
        spans.push(inner[..end].trim().to_owned());
        rest = &inner[end + ticks..];
    }
    spans
}

fn problems(messages: &Messages, entries: &[Entry]) -> Vec<String> {
    let mut problems = Vec::new();
    for (message, Place { file, line, .. }) in messages.iter().filter(|(_, place)| place.is_required) {
        if !entries.iter().any(|entry| entry.message == *message) {
            let ticks = if message.contains('`') { ("`` ", " ``") } else { ("`", "`") };
            let cell = format!("{}{}{}", ticks.0, message.replace('|', "\\|"), ticks.1);
            problems.push(format!(
                "{file}:{line}: add this row to a table of {DOCUMENT}, with cause and remedy for the two ?:\n| {cell} | ? | ? |"
            ));
        }
    }
    for (at, Entry { line, message, is_explained }) in entries.iter().enumerate() {
        if entries[..at].iter().any(|entry| entry.message == *message) {
            problems.push(format!("{DOCUMENT}:{line}: `{message}` stands in a row above, too"));
        }
        if !messages.contains_key(message) {
            problems.push(format!("{DOCUMENT}:{line}: no program prints `{message}`; correct or remove it"));
        }
        if !is_explained {
            problems.push(format!("{DOCUMENT}:{line}: `{message}` needs a cause and a remedy"));
        }
    }
    problems
}

#[test]
fn each_kind_of_message_is_found() {
    let source = r#"
        fn f() -> Result<(), String> {
            warn!("line of {} and {value:?}", format!("the inner text {x}"));
            log::error!(connection, request_id; "one {{brace}}");
            log!(level, "levels {vary}");
            info!("this is not {one}");
            tokio::select! {
                _ = a() => warn!("within a select"),
            }
            let short = "two words";
            match x { "is not a message" => Err("the host has no address".into()), _ => Err(format!("{x} is not so")) }
        }
        #[cfg(test)]
        mod tests { fn f() { warn!("in a test") } }
    "#;
    let messages = |lines_only| -> Vec<String> {
        let found = messages_of(source, lines_only).into_iter().filter(|found| found.is_required);
        found.map(|found| found.message).collect()
    };
    let expected = [
        "line of … and …",
        "the inner text …",
        "one {brace}",
        "levels …",
        "within a select",
        "the host has no address",
        "… is not so",
    ];
    assert_eq!(messages(false), expected);
    assert_eq!(messages(true).len(), 4, "only lines");
}

#[test]
fn missing_outdated_and_unexplained_entries_are_found() {
    let document = "| message | cause | remedy |\n| --- | --- | --- |\n\
        | `known …`, `` `old` one `` | a cause | a remedy |\n| `a \\| b` | ? | ? |\n| `known …` | a cause | a remedy |\n";
    let place = |is_required| Place { file: "src/x.rs".to_owned(), line: 1, is_required };
    let messages = [("known …", true), ("a | b", false), ("new `x`", true), ("short", false)]
        .map(|(message, is_required)| (message.to_owned(), place(is_required)))
        .into();
    let problems = problems(&messages, &entries(document));
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems[0].ends_with("\n| `` new `x` `` | ? | ? |"), "{}", problems[0]);
    assert!(problems[1].contains(":3: no program prints ``old` one`"), "{}", problems[1]);
    assert!(problems[2].contains(":4: `a | b` needs a cause"), "{}", problems[2]);
    assert!(problems[3].contains(":5: `known …` stands in a row above"), "{}", problems[3]);
}
