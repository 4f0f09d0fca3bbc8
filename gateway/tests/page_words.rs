//! The developer's page has a Chinese word for each English one, and none for a word that it does not have.

use std::{collections::BTreeSet, fs, path::Path};

/// What is shown as it is: the names of the roles and keys, and an example.
const KEPT: [&str; 6] = ["register", "transfer", "cleanup", "Enter", "⇧ Enter", "chat, json"];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page/web")
}

/// The words of one script: of each template that is marked `t`, and of each call of `count`.
fn words_of_script(source: &str, words: &mut BTreeSet<String>) {
    let code: String = source.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])).collect();
    templates(&code, words);
    for call in code.split("count(").skip(1) {
        let arguments = call.split(')').next().unwrap_or_default();
        let mut texts = arguments.split('\'').skip(1).step_by(2);
        let Some(one) = texts.next() else { continue };
        words.insert(format!("{{0}} {one}"));
        words.insert(texts.next().map_or_else(|| format!("{{0}} {one}s"), |many| format!("{{0}} {many}")));
    }
}

/// Each template marked `t` in a piece of code, with `{0}` for its first value; also those within values.
fn templates(code: &str, words: &mut BTreeSet<String>) {
    let mut rest = code;
    while let Some(start) = rest.find('`') {
        let marked =
            rest[..start].strip_suffix('t').is_some_and(|before| !before.ends_with(char::is_alphanumeric));
        let (text, values, after) = template(&rest[start + 1..]);
        if marked {
            words.insert(text);
        }
        for value in values {
            templates(value, words);
        }
        rest = after;
    }
}

/// What follows a backtick: the template's text, the code of its values, and what comes after it.
fn template(code: &str) -> (String, Vec<&str>, &str) {
    let (mut text, mut values) = (String::new(), Vec::new());
    let mut rest = code;
    loop {
        if let Some(after) = rest.strip_prefix('`') {
            return (text, values, after);
        }
        if let Some(value) = rest.strip_prefix("${") {
            let end = end_of_value(value);
            text.extend(["{", &values.len().to_string(), "}"]);
            values.push(&value[..end]);
            rest = &value[end + 1..];
            continue;
        }
        let next = rest.chars().next().expect("the template ends");
        text.push(next);
        rest = &rest[next.len_utf8()..];
    }
}

/// Where the brace is that ends a value; braces and templates within it are passed over.
fn end_of_value(code: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    loop {
        match &code[at..=at] {
            "}" if depth == 0 => return at,
            "}" => depth -= 1,
            "{" => depth += 1,
            "`" => {
                let (_, _, after) = template(&code[at + 1..]);
                at = code.len() - after.len();
                continue;
            }
            _ => {}
        }
        at += code[at..].chars().next().expect("the value ends").len_utf8();
    }
}

/// The texts of the page's body, and its labels.
fn words_of_page(page: &str, words: &mut BTreeSet<String>) {
    let body = page.split_once("<body").and_then(|(_, body)| body.split_once('>')).expect("a body").1;
    for piece in body.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or(("", piece));
        words.insert(text.trim().to_owned());
        for name in ["aria-label", "title", "placeholder", "data-empty"] {
            let value = tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
            words.extend(value.map(|(value, _)| value.to_owned()));
        }
    }
}

/// The entries of chinese.js: each has an English and a Chinese text in quotes, on one line or two.
fn chinese(source: &str) -> Vec<(String, String)> {
    let code = source.split_once("CHINESE = {").expect("the words").1;
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<String>();
    let texts: Vec<&str> = code.split('\'').skip(1).step_by(2).collect();
    texts.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

#[test]
fn are_the_same_in_both_languages() {
    let mut words = BTreeSet::new();
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("text");
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("js") if !path.ends_with("chinese.js") => words_of_script(&text, &mut words),
            Some("html") => words_of_page(&text, &mut words),
            _ => {}
        }
    }
    words.retain(|word| word.contains(|c: char| c.is_ascii_alphabetic()) && !KEPT.contains(&word.as_str()));
    assert!(words.len() > 200, "only {} words", words.len());
    let chinese = chinese(&fs::read_to_string(folder().join("chinese.js")).expect("the words"));
    let translated: BTreeSet<String> = chinese.iter().map(|(english, _)| english.clone()).collect();
    assert_eq!(chinese.len(), translated.len(), "a word stands twice");
    let (missing, unused): (Vec<_>, Vec<_>) =
        (words.difference(&translated).collect(), translated.difference(&words).collect());
    assert!(
        missing.is_empty() && unused.is_empty(),
        "without Chinese: {missing:#?}, without English: {unused:#?}"
    );
    for (english, chinese) in &chinese {
        for value in ["{0}", "{1}", "{2}"] {
            assert_eq!(english.contains(value), chinese.contains(value), "{english}: {chinese}");
        }
        let is_chinese =
            |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c) || c == '/' || c == ' ' || c == '，';
        assert!(chinese.contains(is_chinese), "{english}: {chinese}");
    }
}

#[test]
fn are_found_within_values() {
    let mut words = BTreeSet::new();
    words_of_script(
        "say(x ? t`a ${b(`${c}`)} d ${e ? t`f ${g}` : ''}` : at`no`, count(n, 'push', 'pushes'))",
        &mut words,
    );
    let expected = ["a {0} d {1}", "f {0}", "{0} push", "{0} pushes"].map(str::to_owned);
    assert_eq!(words, expected.into());
}
