//! A table of the file, taken apart key by key. What cannot be used becomes a problem and the default; the keys that
//! are left over at the end are unknown ones.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    num::NonZeroU32,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problems::Problems;

/// Keys that stand above the first table. Below one they would be its own, which TOML does not show.
pub(super) const TOP_LEVEL: [&str; 16] = [
    "listen",
    "push_listen",
    "push_url",
    "push_token",
    "push_token_previous",
    "admin_listen",
    "metrics_token",
    "page",
    "page_rows",
    "cluster",
    "cluster_lease_seconds",
    "drain_seconds",
    "compression",
    "log_format",
    "log_level",
    "watch",
];

/// A table that is being read.
pub(super) struct Section<'p, 'i> {
    /// What stands before each of its keys in a message: `limits.`, nothing at the top.
    prefix: &'static str,
    /// Where it begins, for keys that are not there.
    pub(super) span: Range<usize>,
    table: DeTable<'i>,
    pub(super) problems: &'p Problems<'i>,
    asked: Vec<&'static str>,
    given: Vec<(&'static str, Range<usize>)>,
}

impl<'p, 'i> Section<'p, 'i> {
    pub(super) fn new(
        prefix: &'static str,
        table: DeTable<'i>,
        span: Range<usize>,
        problems: &'p Problems<'i>,
    ) -> Self {
        Self { prefix, span, table, problems, asked: Vec::new(), given: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.asked.push(key);
        let value = self.table.remove(key)?;
        self.given.push((key, value.span()));
        Some(value)
    }

    /// Whether a key that was read is in the file, with a value that can be used or not.
    pub(super) fn was_given(&self, key: &str) -> bool {
        self.given(key).is_some()
    }

    /// Where the value of a key that was read is.
    pub(super) fn given(&self, key: &str) -> Option<&Range<usize>> {
        self.given.iter().find(|(given, _)| *given == key).map(|(_, span)| span)
    }

    /// Reports what is wrong with the value of a key.
    pub(super) fn problem(&self, span: &Range<usize>, key: &str, message: &str) {
        self.problems.add(span, format!("{}{key}{message}", self.prefix));
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'i>>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.problem(&value.span(), key, &format!(" must be {wanted}, not {}", with_article(found)));
    }

    fn text(&self, key: &str, value: Spanned<DeValue<'i>>, wanted: &str) -> Option<Spanned<Cow<'i, str>>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::String(text) => Some(Spanned::new(span, text)),
            other => {
                self.wrong_type(key, &Spanned::new(span, other), wanted);
                None
            }
        }
    }

    /// A text, read by `parse`, whose error is a sentence that says what is allowed.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        let value = self.take(key)?;
        let text = self.text(key, value, "a string")?;
        self.parse(key, &text, parse)
    }

    /// Like [`Section::parsed`], but no message shows the text.
    pub(super) fn secret<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let text = self.text(key, value, "a string")?;
        let parsed = parse(text.get_ref());
        parsed.map_err(|sentence| self.problem(&text.span(), key, &format!(": {sentence}"))).ok()
    }

    /// Like [`Section::parsed`]; that the key is not there is a problem.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        if !self.table.contains_key(key) {
            self.problems.add_missing(&self.span, format!("{}{key} is missing: {what}", self.prefix));
        }
        self.parsed(key, parse)
    }

    /// A list of texts. Each element that cannot be read is a problem of its own; then there is no list.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Spanned<Vec<T>>> {
        let value = self.take(key)?;
        let span = value.span();
        let elements = match value.into_inner() {
            DeValue::Array(elements) => elements,
            other => {
                self.wrong_type(key, &Spanned::new(span, other), "a list of strings");
                return None;
            }
        };
        let read = |element| {
            let text = self.text(key, element, "a list of strings")?;
            self.parse(key, &text, &parse).map(Spanned::into_inner)
        };
        // Read to the end before the first failure ends the collecting.
        let list: Vec<Option<T>> = elements.into_iter().map(read).collect();
        Some(Spanned::new(span, list.into_iter().collect::<Option<_>>()?))
    }

    fn parse<T>(
        &self,
        key: &str,
        text: &Spanned<Cow<'i, str>>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        match parse(text.get_ref()) {
            Ok(parsed) => Some(Spanned::new(text.span(), parsed)),
            Err(sentence) => {
                self.problem(&text.span(), key, &format!(" = {:?}: {sentence}", text.get_ref()));
                None
            }
        }
    }

    /// A whole number in a range.
    pub(super) fn integer(&mut self, key: &'static str, default: u64, allowed: RangeInclusive<u64>) -> u64 {
        let Some(value) = self.take(key) else { return default };
        let DeValue::Integer(integer) = value.get_ref() else {
            self.wrong_type(key, &value, "a whole number");
            return default;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        if let Some(number) = number.filter(|number| allowed.contains(number)) {
            return number;
        }
        let sentence = format!(" = {integer}: allowed are {} to {}", allowed.start(), allowed.end());
        self.problem(&value.span(), key, &sentence);
        default
    }

    /// A whole number of things in memory.
    pub(super) fn count(&mut self, key: &'static str, default: usize, allowed: RangeInclusive<u64>) -> usize {
        usize::try_from(self.integer(key, default as u64, allowed)).unwrap_or(default)
    }

    /// Whole numbers from 1 on, by names that are free.
    pub(super) fn counts(&mut self, key: &'static str, prefix: &'static str) -> BTreeMap<String, usize> {
        let Some(value) = self.take(key) else { return BTreeMap::new() };
        let Some(section) = self.open(key, value, prefix, "a table of numbers by name, such as { user = 5 }")
        else {
            return BTreeMap::new();
        };
        let mut counts = BTreeMap::new();
        for (name, value) in section.table.clone() {
            let count = value.get_ref().as_integer().and_then(|integer| integer.as_str().parse().ok());
            match count.filter(|count| *count > 0) {
                Some(count) => drop(counts.insert(name.into_inner().into_owned(), count)),
                None => section.problem(&value.span(), name.get_ref(), " must be a whole number from 1 on"),
            }
        }
        counts
    }

    /// A whole number from 1 to `most`.
    pub(super) fn positive(&mut self, key: &'static str, default: NonZeroU32, most: u64) -> NonZeroU32 {
        let number = self.integer(key, u64::from(default.get()), 1..=most);
        u32::try_from(number).ok().and_then(NonZeroU32::new).unwrap_or(default)
    }

    /// A whole number of seconds.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        default: u64,
        allowed: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.integer(key, default, allowed))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.take(key) else { return default };
        let DeValue::Boolean(flag) = value.get_ref() else {
            self.wrong_type(key, &value, "true or false");
            return default;
        };
        *flag
    }

    /// `true`, `false`, or a table, which means `true` and has the details.
    pub(super) fn flag_or_section(
        &mut self,
        key: &'static str,
        prefix: &'static str,
        default: bool,
    ) -> (bool, Option<Section<'p, 'i>>) {
        match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::Table(_)) => (true, self.section(key, prefix)),
            _ => (self.flag(key, default), None),
        }
    }

    /// A table within this one.
    pub(super) fn section(&mut self, key: &'static str, prefix: &'static str) -> Option<Section<'p, 'i>> {
        let value = self.take(key)?;
        self.open(key, value, prefix, &format!("a table: write [{key}]"))
    }

    /// The tables of a list, in the order of the file. That there is none is a problem.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        what: &str,
        prefix: &'static str,
    ) -> Vec<Section<'p, 'i>> {
        let Some(value) = self.take(key) else {
            self.problems.add_missing(&self.span, format!("there is no [[{key}]]: {what}"));
            return Vec::new();
        };
        let wanted = format!("a list of tables: write [[{key}]]");
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(tables) => {
                tables.into_iter().filter_map(|table| self.open(key, table, prefix, &wanted)).collect()
            }
            other => {
                self.wrong_type(key, &Spanned::new(span, other), &wanted);
                Vec::new()
            }
        }
    }

    fn open(
        &self,
        key: &str,
        value: Spanned<DeValue<'i>>,
        prefix: &'static str,
        wanted: &str,
    ) -> Option<Section<'p, 'i>> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(Section::new(prefix, table, span, self.problems)),
            other => {
                self.wrong_type(key, &Spanned::new(span, other), wanted);
                None
            }
        }
    }

    /// The entries of a table whose keys are free: name and text, in the order of the file.
    pub(super) fn entries(self) -> Vec<(Spanned<String>, String)> {
        let mut entries = Vec::new();
        for (name, value) in self.table.clone() {
            let name = Spanned::new(name.span(), name.into_inner().into_owned());
            if let Some(text) = self.text(name.get_ref(), value, "a string") {
                entries.push((name, text.into_inner().into_owned()));
            }
        }
        entries.sort_by_key(|(name, _)| name.span().start);
        entries
    }

    /// Ends the reading: each key that nothing asked for is unknown.
    pub(super) fn finish(self) {
        for name in self.table.keys() {
            let (written, prefix) = (name.get_ref().as_ref(), self.prefix);
            let misplaced = !prefix.is_empty() && TOP_LEVEL.contains(&written);
            let hint = match nearest(written, &self.asked) {
                _ if misplaced => "the key of this name belongs above the first [table]".to_owned(),
                Some(meant) => format!("did you mean {prefix}{meant}?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            // A name that TOML writes in quotes is shown in them: it may be empty.
            let bare = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
            let shown = if !written.is_empty() && written.chars().all(bare) {
                written.to_owned()
            } else {
                format!("{written:?}")
            };
            self.problems.add(&name.span(), format!("{prefix}{shown} is not a known key; {hint}"));
        }
    }
}

/// The key that was most likely meant.
fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let alike = known.iter().map(|key| (strsim::jaro_winkler(written, key), *key));
    alike
        .filter(|(alike, _)| *alike > 0.85)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, key)| key)
}

fn with_article(type_name: &str) -> String {
    let article = if type_name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {type_name}")
}
