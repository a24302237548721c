//! Rules as they were recorded: sealed texts and settings, found where they stand in the journal, and made rules of.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Compile;
use crate::journal;
use crate::journal::Position;
use crate::lookup;
use crate::record::{Input, SealedFile};
use crate::rule::RuleSet;
use crate::store::View;
use crate::store::item::RuleFileLine;

/// The rules in force, made of what was recorded; none at the very first start.
pub fn in_force(compile: &Compile, view: &View, journal: &journal::Reader) -> Result<Arc<RuleSet>> {
    let before = readable("the settings in force", settings_in_force(view, journal));
    // without the settings that say who owns what, no rule may decide: the folder is read next, and all of it is new
    let texts = match &before {
        Some(_) => texts_in_force(view, journal)?,
        None => Vec::new(),
    };
    let rules = compile_what_can_be(compile, texts, before.flatten().as_deref());
    Ok(Arc::new(rules.context("compiling the rules in force")?))
}

/// Rules made of recorded texts. What is rotten is left out: the folder is read next, and puts it on record anew.
///
/// # Errors
/// When not even rules without any file can be made.
pub fn compile_what_can_be(compile: &Compile, texts: Vec<(String, String)>, deciding: Option<&str>) -> Result<RuleSet> {
    let error = match compile(&texts, deciding) {
        Ok(rules) => return Ok(rules),
        Err(error) => error,
    };
    tracing::error!(
        error = format!("{error:#}"),
        "what was recorded of the rules cannot be used whole"
    );
    let mut good = texts;
    good.retain(|text| {
        let compiled = compile(std::slice::from_ref(text), deciding);
        readable(&text.0, compiled).is_some()
    });
    compile(&good, deciding).or_else(|_| compile(&[], None))
}

/// The sealed texts in force, by path; without those that are lost.
///
/// # Errors
/// When the store cannot be read.
pub fn texts_in_force(view: &View, journal: &journal::Reader) -> Result<Vec<(String, String)>> {
    Ok(texts_of(view.rule_files_at(u64::MAX, "")?, journal))
}

/// The sealed texts of these versions of files, by path; without those that are lost.
pub fn texts_of(files: Vec<RuleFileLine>, journal: &journal::Reader) -> Vec<(String, String)> {
    let mut together: BTreeMap<Position, Vec<RuleFileLine>> = BTreeMap::new();
    for line in files {
        together.entry(line.recorded).or_default().push(line);
    }
    let mut texts = BTreeMap::new();
    for (recorded, lines) in together {
        let files = recorded_files(journal, recorded);
        for line in lines {
            match files.get(line.nth as usize).filter(|file| file.path == line.path) {
                Some(file) => drop(texts.insert(line.path, file.sealed.clone())),
                None => tracing::error!(
                    file = line.path,
                    "the text of a recorded rule file is in a lost part of the journal"
                ),
            }
        }
    }
    texts.into_iter().collect()
}

/// The files that were recorded together; none, if they cannot be read.
fn recorded_files(journal: &journal::Reader, at: Position) -> Vec<SealedFile> {
    let read = readable("recorded rules", lookup::input(journal, at));
    let Some(Input::Rules { files, .. } | Input::RuleTexts { files }) = read else {
        return Vec::new();
    };
    files
}

/// What was read, or `None` with a line in the log: rot in one place must not prevent a start.
fn readable<T>(what: &str, read: Result<T>) -> Option<T> {
    read.inspect_err(|error| tracing::error!(what, error = format!("{error:#}"), "it cannot be read, and is left out"))
        .ok()
}

/// The sealed settings that decide, as last recorded.
///
/// # Errors
/// When store or journal cannot be read.
pub fn settings_in_force(view: &View, journal: &journal::Reader) -> Result<Option<String>> {
    settings_at(view, journal, u64::MAX)
}

/// The sealed settings that decided after the record `seq`.
///
/// # Errors
/// When store or journal cannot be read.
pub fn settings_at(view: &View, journal: &journal::Reader, seq: u64) -> Result<Option<String>> {
    let Some(at) = view.settings_at(seq)? else {
        return Ok(None);
    };
    let Input::Rules { settings, .. } = lookup::input(journal, at)? else {
        return Ok(None);
    };
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Customers;
    use crate::journal::Journal;
    use crate::record::{Change, FileInForce, Of, Record};
    use crate::rule::Revision;
    use crate::rule::check::{Deciding, Source, restore};
    use crate::store::Store;

    /// Makes rules of plain texts; one that says `rotten` cannot be read.
    fn compile() -> Compile {
        Arc::new(|texts, _| {
            let rotten = texts.iter().find(|(_, text)| text == "rotten");
            anyhow::ensure!(rotten.is_none(), "it is rotten");
            let source = |(path, text): &(String, String)| Source {
                path: path.clone(),
                text: text.clone(),
            };
            let deciding = Deciding::new(Customers::one_organisation(), None, false).map_err(anyhow::Error::msg)?;
            let sources: Vec<Source> = texts.iter().map(source).collect();
            Ok(RuleSet::new(restore(&sources, &deciding), &deciding))
        })
    }

    fn text(path: &str, text: &str) -> (String, String) {
        (path.to_owned(), text.to_owned())
    }

    #[test]
    fn one_rotten_text_is_left_out_and_the_others_are_in_force() {
        let texts = vec![
            text("a/one.yaml", "rules: []\n"),
            text("a/two.yaml", "rotten"),
            text("b/three.yaml", "rules: []\n"),
        ];
        let rules = compile_what_can_be(&compile(), texts, None).expect("rules");
        let paths: Vec<&String> = rules.files.keys().collect();
        assert_eq!(paths, ["a/one.yaml", "b/three.yaml"]);
    }

    #[test]
    fn texts_are_found_where_they_were_recorded_and_what_cannot_be_read_is_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut journal, _) =
            Journal::open(&dir.path().join("journal"), journal::Options::default()).expect("a journal");
        let file = |path: &str| SealedFile {
            path: path.to_owned(),
            digest: "9f86".to_owned(),
            sealed: format!("sealed {path}"),
        };
        let at = "2026-11-24T09:00:00Z".parse().expect("a time");
        let files = vec![file("b"), file("a")];
        let recorded = Record::Recorded {
            at,
            inputs: vec![Input::RuleTexts { files }],
        };
        let rot = br#"{"recorded":"rot"}"#.to_vec();
        journal.append(&[recorded.to_bytes(), rot]).expect("writes");
        let in_force = |path: &str, nth, seq| FileInForce {
            path: path.to_owned(),
            digest: "9f86".to_owned(),
            nth,
            recorded: Some(Position { seq, nth: 0 }),
        };
        let decided = Record::Decided {
            at,
            of: Of::Kept {
                at: Position { seq: 1, nth: 0 },
            },
            by: Revision("r".to_owned()),
            after: None,
            first: None,
            changes: vec![Change::InForce {
                revision: Revision("r".to_owned()),
                recorded: Position { seq: 1, nth: 0 },
                files: vec![
                    in_force("a", 1, 1),
                    in_force("b", 0, 1),
                    in_force("in rot", 0, 2),
                    in_force("gone", 0, 9),
                    in_force("not there", 7, 1),
                ],
                removed: Vec::new(),
                settings: false,
                given_back: Vec::new(),
            }],
        };
        let mut store = Store::open(&dir.path().join("store")).expect("opens");
        store.stage(3, &decided, &[]).expect("reads");
        let texts = texts_in_force(store.view(), &journal.reader()).expect("texts");
        assert_eq!(texts, [text("a", "sealed a"), text("b", "sealed b")]);
    }
}
