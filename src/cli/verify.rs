//! `bellwether verify`: reads everything a stopped daemon keeps, and says whether it is sound. It changes nothing.
//!
//! The journal is the truth; checkpoints and the store only shorten a start. So the journal's damage is damage, and a
//! store that is not believed is only a remark. sled writes when it opens: a copy of the store is looked at.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::failure::{Exit, Failure};
use super::output::{self, Format, count};
use crate::journal;
use crate::record::Record;
use crate::store::trust::{self, Trust};
use crate::store::{Store, checkpoint, directory};

/// How many records that cannot be read are named.
const NAMED_MOST: usize = 10;

/// Check the journal, the checkpoints and the store of a stopped daemon
#[derive(Debug, Clone, clap::Args)]
pub struct Verify {
    /// Where the daemon keeps what it knows
    #[arg(long, value_name = "DIR", default_value = "state")]
    state: PathBuf,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was found.
#[derive(Serialize)]
struct Found {
    sound: bool,
    /// What is wrong.
    damage: Vec<String>,
    /// What is odd and loses nothing.
    remarks: Vec<String>,
    journal: journal::Report,
    checkpoints: Vec<Checkpoint>,
    store: StoreFound,
}

#[derive(Serialize)]
struct Checkpoint {
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

#[derive(Serialize)]
struct StoreFound {
    /// Why it is believed at the next start, or not.
    trust: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_through: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

impl Verify {
    /// Verifies: 1 if anything is not sound.
    pub fn run(self) -> Result<Exit> {
        let found = Found::of(&self.state)?;
        match self.format {
            Format::Json => output::print_json(&found)?,
            Format::Text => output::print(&found.text())?,
        }
        Ok(if found.sound { Exit::Fine } else { Exit::Failed })
    }
}

impl Found {
    fn of(state: &Path) -> Result<Self> {
        let dir = state.join("journal");
        if !dir.is_dir() {
            let what = format!("{} holds no journal", state.display());
            return Err(Failure::new(Exit::Failed, what)
                .hint("--state names the directory that `serve` was given")
                .into());
        }
        let journal = journal::verify(&dir).map_err(|error| in_words(state, error))?;
        let mut found = Self {
            sound: false,
            damage: damage(&journal),
            remarks: journal.notes.clone(),
            checkpoints: checkpoints(state)?,
            store: store(state),
            journal,
        };
        found.damage.extend(unreadable_records(&dir, state)?);
        found.judge_checkpoints();
        found.judge_store();
        found.sound = found.damage.is_empty();
        Ok(found)
    }

    fn last(&self) -> u64 {
        self.journal.next - 1
    }

    fn judge_checkpoints(&mut self) {
        let last = self.last();
        for one in &self.checkpoints {
            let file = one.file.display();
            match (&one.damage, one.through) {
                (Some(why), _) => self.damage.push(format!("the checkpoint {file}: {why}")),
                (None, Some(through)) if through > last => self.damage.push(format!(
                    "the checkpoint {file} knows of record {through}, and the journal ends with {last}"
                )),
                _ => {}
            }
        }
    }

    fn judge_store(&mut self) {
        let last = self.last();
        match (&self.store.damage, self.store.applied_through) {
            (Some(why), _) => self.damage.push(format!("the store: {why}")),
            (None, Some(through)) if through > last => self.damage.push(format!(
                "the store knows of record {through}, and the journal ends with {last}: its end is lost"
            )),
            (None, Some(through)) if through < last => self.remarks.push(format!(
                "the store is {} behind; the next start catches up",
                count(usize::try_from(last - through).unwrap_or(usize::MAX), "record")
            )),
            (None, Some(_)) => {}
            (None, None) => self.remarks.push(format!(
                "the store is built again at the next start: {}",
                self.store.trust
            )),
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.damage
            .iter()
            .for_each(|what| text.push_str(&format!("damage: {what}\n")));
        self.remarks
            .iter()
            .for_each(|what| text.push_str(&format!("remark: {what}\n")));
        let bytes: u64 = self.journal.segments.iter().map(|segment| segment.bytes).sum();
        let (first, last) = (self.journal.first.unwrap_or(self.journal.next), self.last());
        text.push_str(&format!(
            "journal      {} in {}, {} MiB: numbers {first} to {last}\n",
            number(self.journal.records, "record"),
            count(self.journal.segments.len(), "segment"),
            bytes.div_ceil(1 << 20),
        ));
        for one in &self.checkpoints {
            let items = number(one.items.unwrap_or(0), "item");
            let through = one.through.map_or_else(
                || "not readable".to_owned(),
                |through| format!("{items}, up to record {through}"),
            );
            text.push_str(&format!("checkpoint   {through}\n"));
        }
        let through = self.store.applied_through.map_or_else(
            || "not looked at".to_owned(),
            |through| format!("up to record {through}"),
        );
        text.push_str(&format!("store        {through}: {}\n", self.store.trust));
        text.push_str(if self.sound { "sound\n" } else { "not sound\n" });
        text
    }
}

fn number(number: u64, one: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), one)
}

fn in_words(state: &Path, error: journal::Error) -> anyhow::Error {
    match error {
        journal::Error::InUse { .. } => {
            let what = format!("a daemon runs with the state {}", state.display());
            Failure::new(Exit::Failed, what)
                .hint("stop it first, or verify a copy of the directory")
                .into()
        }
        other => anyhow::Error::new(other).context("reading the journal"),
    }
}

/// What the journal itself says is wrong.
fn damage(journal: &journal::Report) -> Vec<String> {
    let mut damage = Vec::new();
    if let Some(torn) = &journal.torn {
        damage.push(format!(
            "segment {} ends in the middle of a group ({} bytes), which nobody was told of; the next start cuts it off",
            torn.segment, torn.bytes
        ));
    }
    let lost = journal.lost.iter().filter(|loss| !loss.recorded);
    damage.extend(lost.map(|loss| {
        format!(
            "records {} to {} are lost: {}",
            loss.range.from, loss.range.to, loss.range.why
        )
    }));
    for segment in &journal.segments {
        damage.extend(segment.damage.iter().map(|one| match (one.from, one.to) {
            (Some(from), Some(to)) => format!("segment {}, records {from} to {to}: {}", segment.number, one.why),
            _ => format!("segment {}: {}", segment.number, one.why),
        }));
    }
    damage
}

/// Records whose bytes are whole and whose meaning is not known.
fn unreadable_records(dir: &Path, state: &Path) -> Result<Vec<String>> {
    let (mut named, mut more) = (Vec::new(), 0_usize);
    let take = |seq: u64, bytes: &[u8]| {
        if let Err(error) = Record::from_bytes(bytes) {
            match named.len() < NAMED_MOST {
                true => named.push(format!("record {seq}: {error:#}")),
                false => more += 1,
            }
        }
    };
    journal::each_record(dir, take).map_err(|error| in_words(state, error))?;
    if more > 0 {
        named.push(format!("{} more cannot be read", count(more, "record")));
    }
    Ok(named)
}

fn checkpoints(state: &Path) -> Result<Vec<Checkpoint>> {
    let files = checkpoint::list(state)?;
    let looked = files.into_iter().map(|file| match checkpoint::verify(&file) {
        Ok(read) => Checkpoint {
            file,
            through: Some(read.through),
            items: Some(read.items),
            damage: None,
        },
        Err(error) => Checkpoint {
            file,
            through: None,
            items: None,
            damage: Some(format!("{error:#}")),
        },
    });
    Ok(looked.collect())
}

/// Looks at a copy of the store, if the next start would believe it.
fn store(state: &Path) -> StoreFound {
    let (trust, is_believed) = match trust::judge(state, trust::boot_id().as_deref()) {
        Trust::CleanStop => ("closed in an orderly way", true),
        Trust::SameBoot => ("not closed, and written in this boot of the machine", true),
        Trust::Missing => ("there is none", false),
        Trust::PowerCut => ("not closed, and not written in this boot of the machine", false),
    };
    let looked = is_believed.then(|| applied_through(&directory(state)));
    let (applied_through, damage) = match looked {
        None => (None, None),
        Some(Ok(through)) => (Some(through), None),
        Some(Err(error)) => (None, Some(format!("{error:#}"))),
    };
    StoreFound {
        trust,
        applied_through,
        damage,
    }
}

fn applied_through(store: &Path) -> Result<u64> {
    let copy = tempfile::tempdir().context("making a place for a copy of the store")?;
    copy_all(store, copy.path()).context("copying the store")?;
    Ok(Store::open(copy.path())?.applied_through())
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&to)?;
            copy_all(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::described;
    use crate::clock::Time;
    use crate::journal::{Journal, Options};

    const SMALL: Options = Options {
        segment_bytes: 64 << 10,
        clean: false,
        salt: || 77,
    };

    fn started() -> Record {
        let at: Time = "2024-09-05T04:41:41Z".parse().expect("a time");
        Record::Started {
            at,
            version: "0.1.0".to_owned(),
            boot: None,
        }
    }

    /// A state directory whose journal holds these records, each a group.
    fn state(records: &[Vec<u8>]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut journal, _) = Journal::open(&dir.path().join("journal"), SMALL).expect("a journal");
        for record in records {
            journal.append(&[record]).expect("written");
            journal.sync().expect("synced");
        }
        dir
    }

    #[test]
    fn a_journal_alone_is_sound_and_the_store_is_a_remark() {
        let dir = state(&[started().to_bytes(), started().to_bytes()]);
        let found = Found::of(dir.path()).expect("looked at");
        assert!(found.sound, "{}", found.text());
        assert_eq!(found.journal.records, 2);
        assert_eq!(
            found.remarks,
            ["the store is built again at the next start: there is none"]
        );
        assert!(
            found
                .text()
                .ends_with("store        not looked at: there is none\nsound\n"),
            "{}",
            found.text()
        );
    }

    #[test]
    fn a_record_that_is_none_is_damage_with_its_number() {
        let dir = state(&[started().to_bytes(), br#"{"foretold":{}}"#.to_vec()]);
        let found = Found::of(dir.path()).expect("looked at");
        assert!(!found.sound);
        assert!(found.damage[0].starts_with("record 2: "), "{:?}", found.damage);
        assert!(found.damage[0].contains("foretold"), "{:?}", found.damage);
    }

    #[test]
    fn a_store_ahead_of_the_journal_proves_a_loss_and_a_store_behind_it_does_not() {
        let dir = state(&[started().to_bytes(), started().to_bytes()]);
        let apply = |seq| {
            let mut store = Store::open(&directory(dir.path())).expect("a store");
            store.stage(seq, &started(), &[]).expect("reads");
            store.commit(seq).expect("applied");
            store.close(&directory(dir.path())).expect("closed");
        };
        trust::vouch(dir.path()).expect("a marker");
        apply(1);
        trust::vouch(dir.path()).expect("a marker");
        let behind = Found::of(dir.path()).expect("looked at");
        assert!(behind.sound, "{}", behind.text());
        assert_eq!(
            behind.remarks,
            ["the store is 1 record behind; the next start catches up"]
        );
        apply(9);
        trust::vouch(dir.path()).expect("a marker");
        let ahead = Found::of(dir.path()).expect("looked at");
        assert!(!ahead.sound);
        assert!(
            ahead.damage[0].starts_with("the store knows of record 9, and the journal ends with 2"),
            "{:?}",
            ahead.damage
        );
    }

    #[test]
    fn a_flipped_byte_in_the_journal_is_found() {
        let dir = state(&[started().to_bytes(), started().to_bytes(), started().to_bytes()]);
        let segment = std::fs::read_dir(dir.path().join("journal"))
            .expect("segments")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "raw"))
            .min()
            .expect("a segment");
        let mut bytes = std::fs::read(&segment).expect("bytes");
        let word = bytes
            .windows(7)
            .position(|window| window == b"started")
            .expect("the first record");
        bytes[word] ^= 1;
        std::fs::write(&segment, bytes).expect("written");
        let found = Found::of(dir.path()).expect("looked at");
        assert!(
            !found.sound && found.text().contains("records 1 to 1 are lost"),
            "{}",
            found.text()
        );
    }

    #[test]
    fn a_running_daemons_journal_is_left_alone() {
        let dir = state(&[started().to_bytes()]);
        let _open = Journal::open(&dir.path().join("journal"), SMALL).expect("a journal");
        let error = Found::of(dir.path()).err().expect("in use");
        assert!(
            described(&error).0.contains("hint: stop it first"),
            "{}",
            described(&error).0
        );
    }

    #[test]
    fn a_directory_that_is_no_state_is_named() {
        let error = Found::of(Path::new("/nowhere")).err().expect("no state");
        assert_eq!(
            described(&error).0,
            "error: /nowhere holds no journal\nhint: --state names the directory that `serve` was given\n"
        );
    }
}
