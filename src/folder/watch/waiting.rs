//! What changed a moment ago, and may change still; and how long what changes again and again has to wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Part;

/// How long a file must be quiet before it counts as written.
pub(super) const QUIET: Duration = Duration::from_millis(700);

/// How long a folder waits after it was looked into; twice as long each time that it changes again soon after.
const PAUSE_LEAST: Duration = Duration::from_secs(2);

/// How long it waits at most.
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// How often everything is looked at, at most: whoever floods us with changes must not keep us at that.
const WHOLE_PAUSE: Duration = Duration::from_secs(3);

/// What changed a moment ago, and may change still.
#[derive(Default)]
pub(super) struct Waiting {
    /// The folders, each with when it changed the last time.
    since: BTreeMap<String, Instant>,
    /// When everything may have changed.
    whole_since: Option<Instant>,
    /// Before this, everything is not looked at again.
    whole_paused: Option<Instant>,
    /// The folders that were looked into not long ago.
    paused: BTreeMap<String, Paused>,
}

/// A folder that was looked into.
#[derive(Clone, Copy)]
struct Paused {
    until: Instant,
    pause: Duration,
}

impl Waiting {
    /// Something changed.
    pub fn heard(&mut self, part: Part, now: Instant) {
        match part {
            // not put off by more of it: whoever floods us must not keep everybody waiting
            Part::Whole => drop(self.whole_since.get_or_insert(now)),
            Part::Folders(names) => self.since.extend(names.into_iter().map(|name| (name, now))),
        }
    }

    /// When something may be quiet the next time.
    pub fn next(&self) -> Option<Instant> {
        let folders = self.since.iter().map(|(name, since)| self.ready(name, *since));
        folders.chain(self.whole_ready()).min()
    }

    fn ready(&self, name: &str, since: Instant) -> Instant {
        let paused = self.paused.get(name).map(|paused| paused.until);
        (since + QUIET).max(paused.unwrap_or(since))
    }

    fn whole_ready(&self) -> Option<Instant> {
        let since = self.whole_since?;
        Some((since + QUIET).max(self.whole_paused.unwrap_or(since)))
    }

    /// Takes out what has been quiet for long enough and need not wait.
    pub fn quiet(&mut self, now: Instant) -> Option<Part> {
        if self.whole_ready().is_some_and(|ready| ready <= now) {
            self.whole_since = None;
            self.whole_paused = Some(now + WHOLE_PAUSE);
            self.since.retain(|_, since| *since + QUIET > now);
            return Some(Part::Whole);
        }
        let ready = self
            .since
            .iter()
            .filter(|(name, since)| self.ready(name, **since) <= now);
        let names: BTreeSet<String> = ready.map(|(name, _)| name.clone()).collect();
        self.since.retain(|name, _| !names.contains(name));
        (!names.is_empty()).then_some(Part::Folders(names))
    }

    /// Puts off the folders that have to wait still; they are looked into later.
    pub fn put_off(&mut self, names: &mut BTreeSet<String>, now: Instant) {
        let must_wait = |name: &&String| self.paused.get(*name).is_some_and(|paused| paused.until > now);
        let later: Vec<String> = names.iter().filter(must_wait).cloned().collect();
        for name in later {
            names.remove(&name);
            self.since.entry(name).or_insert(now);
        }
    }

    /// These folders are different and will be read: how long they wait from now on. What was quiet for as long as it had
    /// to wait before begins anew.
    pub fn reported(&mut self, part: &Part, now: Instant) {
        self.paused.retain(|_, paused| now < paused.until + paused.pause);
        let Part::Folders(names) = part else { return };
        for name in names {
            let before = self.paused.get(name).map(|paused| paused.pause * 2);
            let pause = before.unwrap_or(PAUSE_LEAST).min(PAUSE_MOST);
            let until = now + pause;
            self.paused.insert(name.clone(), Paused { until, pause });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> Part {
        Part::Folders([name.to_owned()].into())
    }

    #[test]
    fn what_is_quiet_is_looked_at_and_what_goes_on_changing_waits_by_itself() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        waiting.heard(folder("contoso"), start);
        assert_eq!(waiting.quiet(start), None);
        waiting.heard(folder("busy"), start + QUIET);
        assert_eq!(waiting.quiet(start + QUIET), Some(folder("contoso")));
        assert_eq!(waiting.quiet(start + 2 * QUIET), Some(folder("busy")));
        waiting.heard(folder("contoso"), start);
        waiting.heard(Part::Whole, start);
        assert_eq!(waiting.quiet(start + QUIET), Some(Part::Whole));
        assert_eq!(waiting.next(), None);
    }

    #[test]
    fn a_folder_that_changes_every_two_seconds_is_read_ever_more_seldom_and_another_one_at_once() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        let mut read = Vec::new();
        for tenth in 0..36_000_u32 {
            let now = start + Duration::from_millis(100) * tenth;
            if tenth % 20 == 0 {
                waiting.heard(folder("busy"), now);
            }
            if let Some(part) = waiting.quiet(now) {
                assert_eq!(part, folder("busy"));
                waiting.reported(&part, now);
                read.push(tenth / 10);
            }
        }
        assert_eq!(read[..7], [0, 2, 6, 14, 30, 62, 122], "seconds");
        assert!(read.len() < 70, "in an hour: {}", read.len());
        let now = start + Duration::from_secs(3_600);
        waiting.heard(folder("contoso"), now);
        waiting.heard(folder("busy"), now);
        assert_eq!(waiting.quiet(now + QUIET), Some(folder("contoso")));
        // after a quiet time it is read at once again, and has to wait as little as the first time
        let later = now + Duration::from_secs(300);
        assert_eq!(waiting.quiet(later), Some(folder("busy")));
        waiting.reported(&folder("busy"), later);
        waiting.heard(folder("busy"), later + PAUSE_LEAST);
        assert_eq!(waiting.quiet(later + PAUSE_LEAST + QUIET), Some(folder("busy")));
    }

    #[test]
    fn what_has_to_wait_is_not_forgotten_when_everything_is_looked_at() {
        let mut waiting = Waiting::default();
        let start = Instant::now();
        waiting.reported(&folder("busy"), start);
        waiting.heard(Part::Whole, start);
        assert_eq!(waiting.quiet(start + QUIET), Some(Part::Whole));
        let mut names: BTreeSet<String> = ["busy", "contoso"].map(str::to_owned).into();
        waiting.put_off(&mut names, start + QUIET);
        assert_eq!(Part::Folders(names), folder("contoso"));
        assert_eq!(waiting.quiet(start + QUIET), None);
        assert_eq!(waiting.quiet(start + PAUSE_LEAST), Some(folder("busy")));
    }
}
