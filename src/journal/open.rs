//! Opening: what the survey found is put in order, durably, before the first write.
//!
//! A damaged file is never deleted while it may be the only place of anything: it stays as `….damaged-N`. Order matters after a crash half-way: losses are noted
//! before the file that shows why is replaced, and each file is replaced by one rename.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::ahead::{Ahead, Plan};
use super::background::Background;
use super::closed::{Identity, Packed};
use super::error::{Error, Result};
use super::frame::Link;
use super::losses::{Losses, LostRange};
use super::pack;
use super::reader::{Reader, Segment, Shared};
use super::scan::scan;
use super::segment::{self, Header, Raw};
use super::survey::{Body, Fate, Found, Survey, Torn};
use super::{Journal, Options};
use crate::durable;

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The end that was cut off.
    pub torn: Option<Torn>,
    /// Numbers that are gone and not yet recorded by the owner, see [`Journal::losses_recorded`].
    pub lost: Vec<LostRange>,
    /// What is odd and loses nothing, in words.
    pub notes: Vec<String>,
    /// The first number there is, or 1.
    pub first: u64,
    /// The next number.
    pub next: u64,
}

const SMALLEST_SEGMENT: u64 = 256;
/// A group's length is a `u32`, and a start reads a segment into memory.
const LARGEST_SEGMENT: u64 = 1 << 30;

/// Work on one directory.
struct Work<'a> {
    dir: &'a Path,
    options: &'a Options,
    survey: Survey,
    segments: Vec<Segment>,
    /// Per found file, under which name it is kept.
    kept: Vec<Option<PathBuf>>,
}

impl Journal {
    /// Opens the journal in `dir`, or starts one there. [`Error::NoSpace`] if the disk is too full even for that.
    pub fn open(dir: &Path, options: Options) -> Result<(Journal, Opening)> {
        let segment_bytes = options
            .segment_bytes
            .clamp(SMALLEST_SEGMENT, LARGEST_SEGMENT)
            .next_multiple_of(8);
        let options = Options {
            segment_bytes,
            ..options
        };
        let opened = open_in_order(dir, &options);
        opened.map_err(|error| if error.is_no_space() { Error::NoSpace } else { error })
    }
}

fn open_in_order(dir: &Path, options: &Options) -> Result<(Journal, Opening)> {
    durable::create_dir_durably(dir).map_err(Error::io("create", dir))?;
    let lock = lock(dir, File::try_lock)?;
    let mut work = Work::look(dir, options)?;
    let losses = work.note_losses()?;
    work.put_in_order()?;
    let opening = work.opening(&losses);
    Ok((work.start(lock, losses)?, opening))
}

impl<'a> Work<'a> {
    fn look(dir: &'a Path, options: &'a Options) -> Result<Work<'a>> {
        let survey = Survey::of(dir)?;
        let mut work = Work {
            dir,
            options,
            kept: Vec::new(),
            segments: Vec::new(),
            survey,
        };
        work.doubt_the_last_one();
        work.kept = work.survey.found.iter().map(|found| work.name_to_keep(found)).collect();
        Ok(work)
    }

    /// After an unclean stop even a segment that looks sound is copied: the page cache may show what a sync lost.
    fn doubt_the_last_one(&mut self) {
        let Some(last) = self.survey.last().filter(|_| !self.options.clean) else {
            return;
        };
        let last = &mut self.survey.found[last];
        if matches!(last.body, Body::Raw(_)) && last.fate == Fate::Sound {
            last.fate = Fate::Cut;
        }
    }

    /// A torn tail is only kept when it cannot be one: after a clean stop, or when it is more than one group.
    fn name_to_keep(&self, found: &Found) -> Option<PathBuf> {
        let keeps = match found.fate {
            Fate::Mend | Fate::Aside => true,
            Fate::Cut | Fate::Spoilt => self.options.clean || found.has_rot_at_end(),
            Fate::Sound | Fate::Ahead => false,
        };
        let name = found.path.file_name()?.to_string_lossy().into_owned();
        let mut names = (1..).map(|nth| PathBuf::from(format!("{name}.damaged-{nth}")));
        if keeps {
            names.find(|name| !self.dir.join(name).exists())
        } else {
            None
        }
    }

    fn note_losses(&self) -> Result<Losses> {
        let mut losses = Losses::load(self.dir);
        if losses.reconcile(&self.survey.losses(|at| self.kept[at].clone())) {
            losses.save()?;
        }
        Ok(losses)
    }

    fn opening(&self, losses: &Losses) -> Opening {
        let mut notes = self.survey.notes.clone();
        notes.extend(losses.unreadable.clone());
        Opening {
            torn: self.survey.torn.clone().map(|torn| self.with_kept_file(torn)),
            lost: losses.unrecorded(),
            notes,
            first: self.survey.first.unwrap_or(1),
            next: self.survey.next,
        }
    }

    fn with_kept_file(&self, torn: Torn) -> Torn {
        let at = self.survey.found.iter().position(|found| found.number == torn.segment);
        Torn {
            kept_file: at.and_then(|at| self.kept[at].clone()),
            ..torn
        }
    }

    fn put_in_order(&mut self) -> Result<()> {
        let mut leftovers = self.survey.twins.iter().chain(&self.survey.temporary);
        leftovers.try_for_each(|path| remove(path))?;
        for at in 0..self.survey.found.len() {
            if let Some(segment) = self.put_one_in_order(at)? {
                self.segments.push(segment);
            }
        }
        durable::sync_dir(self.dir).map_err(Error::io("sync", self.dir))
    }

    /// Does what the survey says is to become of a file; returns it if it holds records.
    fn put_one_in_order(&self, at: usize) -> Result<Option<Segment>> {
        let (found, keep) = (
            &self.survey.found[at],
            self.kept[at].as_ref().map(|name| self.dir.join(name)),
        );
        match found.fate {
            Fate::Ahead => Ok(None),
            Fate::Aside | Fate::Spoilt => set_aside(&found.path, keep.as_deref()).map(|()| None),
            Fate::Sound => self.adopt(found).map(Some),
            Fate::Mend | Fate::Cut => match &found.body {
                Body::Raw(_) => self.copy(found, keep.as_deref()).map(Some),
                Body::Packed(packed) => self.repack(found.number, packed, keep.as_deref()).map(Some),
            },
        }
    }

    fn adopt(&self, found: &Found) -> Result<Segment> {
        Ok(match &found.body {
            Body::Raw(scan) => Segment::Raw(Arc::new(Raw::open(
                found.path.clone(),
                scan.header,
                scan.index.clone(),
            )?)),
            Body::Packed(packed) => Segment::Packed(Arc::new(Packed {
                path: packed.path.clone(),
                identity: packed.identity,
                bytes: packed.bytes,
                blocks: packed.blocks.clone(),
                damage: None,
            })),
        })
    }

    /// Copies the valid part of a segment, and looks whether it is all there.
    fn copy(&self, found: &Found, keep: Option<&Path>) -> Result<Segment> {
        let Body::Raw(old) = &found.body else {
            return self.adopt(found);
        };
        let copy = || segment::copy_valid(&found.path, old.header, &old.extents, keep);
        let copied = self.with_space(|| copy().map_err(Error::io("copy", &found.path)));
        match copied {
            Err(error) if error.is_no_space() && found.fate == Fate::Cut && keep.is_none() => {
                let written = segment::write_over(&found.path, old.header, &old.extents);
                written.map_err(Error::io("write over", &found.path))?;
            }
            other => other?,
        }
        let bytes = fs::read(&found.path).map_err(Error::io("read", &found.path))?;
        let path = found.path.clone();
        match scan(&bytes, found.number) {
            Ok(new) if new.index.span() == old.index.span() && !new.is_damaged() => {
                Ok(Segment::Raw(Arc::new(Raw::open(path, new.header, new.index)?)))
            }
            _ => {
                let why = format!("the copy of {} does not hold what was copied", path.display());
                let (from, to) = found.span().unwrap_or_default();
                Err(Error::Damaged { from, to, why })
            }
        }
    }

    /// Does something that takes space. On a full disk the segment made ahead is given up for it: it is empty.
    fn with_space<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        let result = work();
        if !result.as_ref().is_err_and(Error::is_no_space) {
            return result;
        }
        for ahead in self.survey.found.iter().filter(|found| found.fate == Fate::Ahead) {
            durable::remove_durably(&ahead.path).map_err(Error::io("delete", &ahead.path))?;
        }
        work()
    }

    fn repack(&self, number: u64, packed: &Packed, keep: Option<&Path>) -> Result<Segment> {
        let link = packed
            .identity
            .map_or_else(|| self.followed_after(number), |identity| identity.link);
        let salt = packed.identity.map_or_else(self.options.salt, |identity| identity.salt);
        let Some(keep) = keep else {
            return Err(Error::Poisoned {
                why: "a damaged file has no name to keep".into(),
            });
        };
        let mended = self.with_space(|| pack::mend(packed, Identity { number, salt, link }, keep))?;
        Ok(Segment::Packed(Arc::new(mended)))
    }

    /// The last group of a segment that forgot it, as the one behind it remembers.
    fn followed_after(&self, number: u64) -> Link {
        let next = self.survey.found.iter().find(|found| found.number > number);
        match next.map(|next| &next.body) {
            Some(Body::Raw(scan)) => scan.follows.unwrap_or_default(),
            _ => Link::default(),
        }
    }

    fn start(mut self, lock: File, losses: Losses) -> Result<Journal> {
        let plan = Plan {
            dir: self.dir.to_owned(),
            bytes: self.options.segment_bytes,
            salt: self.options.salt,
        };
        let last = self.survey.last().map_or(0, |last| self.survey.found[last].number);
        let mut ready = self.take_ready(last)?;
        let open = match self.segments.last() {
            Some(Segment::Raw(raw)) => Arc::clone(raw),
            _ => Arc::new(ready.take().map_or_else(|| self.make(&plan, last + 1), Ok)?),
        };
        let closed = self.closed_but_not_packed(&open);
        let shared = Arc::new(Shared::new(self.dir.to_owned(), std::mem::take(&mut self.segments)));
        let ahead = Ahead::start(plan, open.number + 1, ready)?;
        let background = Background::start(Arc::clone(&shared), self.options.salt, closed)?;
        let (next, link) = (self.survey.next, self.survey.link.unwrap_or_default());
        Ok(Journal {
            ahead,
            background,
            reader: Reader { shared },
            open,
            next,
            link,
            losses,
            most: self.options.segment_bytes - segment::HEADER as u64,
            unsynced: false,
            poisoned: None,
            buffer: Vec::new(),
            lock,
        })
    }

    fn closed_but_not_packed(&self, open: &Arc<Raw>) -> Vec<Arc<Raw>> {
        let raws = self.segments.iter().filter_map(|segment| match segment {
            Segment::Raw(raw) if !Arc::ptr_eq(raw, open) => Some(Arc::clone(raw)),
            _ => None,
        });
        raws.collect()
    }

    fn make(&self, plan: &Plan, number: u64) -> Result<Raw> {
        let made = plan.make(number, &AtomicBool::new(false));
        made.map_err(Error::io("prepare", &segment::path_of(self.dir, number)))
    }

    /// The segment that was made ahead, if it is the next and has the size we make; others are deleted.
    fn take_ready(&self, last: u64) -> Result<Option<Raw>> {
        let mut ready = None;
        for found in self
            .survey
            .found
            .iter()
            .filter(|found| found.fate == Fate::Ahead && found.path.exists())
        {
            let Body::Raw(scan) = &found.body else { continue };
            let Header { number, bytes, .. } = scan.header;
            if number == last + 1 && bytes == self.options.segment_bytes {
                ready = Some(Raw::open(found.path.clone(), scan.header, scan.index.clone())?);
            } else {
                remove(&found.path)?;
            }
        }
        Ok(ready)
    }
}

/// Locks the directory itself, so that a reader of a stopped journal need not write a lock file.
pub(super) fn lock(dir: &Path, how: impl Fn(&File) -> std::result::Result<(), TryLockError>) -> Result<File> {
    let handle = File::open(dir).map_err(Error::io("open", dir))?;
    match how(&handle) {
        Ok(()) => Ok(handle),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::Io {
            doing: "lock",
            path: dir.to_owned(),
            source,
        }),
    }
}

fn set_aside(path: &Path, keep: Option<&Path>) -> Result<()> {
    match keep {
        Some(keep) => fs::rename(path, keep).map_err(Error::io("set aside", path)),
        None => remove(path),
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(Error::io("delete", path))
}
