//! A person enters downtime that no incident explains, or withdraws it: the same again changes nothing.

use crate::claim::{DOWNTIMES_MOST, Downtime, Withdrawn};
use crate::clock::Time;
use crate::record::{Change, Why};

/// Keeps it, beside what the customer entered before. What comes out of an archive keeps its time, and replaces only what
/// is older.
pub fn enter(downtime: &Downtime, known: &[Downtime], now: Time) -> Vec<Change> {
    let before = known.iter().find(|one| one.id == downtime.id);
    let is_archived = downtime.taken_in_by.is_some();
    let is_said = |before: &Downtime| match is_archived {
        true => before.last_said() >= downtime.last_said(),
        false => before.is_same(downtime),
    };
    if before.is_some_and(is_said) {
        return nothing(Why::SaidBefore);
    }
    let others = known.iter().filter(|one| one.id != downtime.id && one.counts(now));
    if downtime.counts(now) && others.count() >= DOWNTIMES_MOST {
        let most = u32::try_from(DOWNTIMES_MOST).unwrap_or(u32::MAX);
        return nothing(Why::TooMany { most });
    }
    vec![Change::DowntimeEntered(Box::new(Downtime {
        at: if is_archived { downtime.at } else { now },
        ..downtime.clone()
    }))]
}

/// Keeps that it is withdrawn.
pub fn withdraw(known: Option<&Downtime>, by: &str, reason: &str, now: Time) -> Vec<Change> {
    let Some(known) = known.filter(|known| known.withdrawn.is_none()) else {
        return nothing(Why::NoSuchDowntime);
    };
    vec![Change::DowntimeEntered(Box::new(Downtime {
        withdrawn: Some(Withdrawn {
            at: now,
            by: by.to_owned(),
            reason: reason.to_owned(),
        }),
        ..known.clone()
    }))]
}

fn nothing(why: Why) -> Vec<Change> {
    vec![Change::Nothing { why }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::TypedDowntime;
    use crate::customer::CustomerId;

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    fn downtime(minute: usize, evidence: &str) -> Downtime {
        let from = time("2026-11-01T00:00:00Z") + chrono::Duration::minutes(i64::try_from(minute).expect("a minute"));
        let typed = TypedDowntime {
            service: "Virtual Machines".to_owned(),
            from: Some(from),
            until: Some(from + chrono::Duration::minutes(1)),
            reason: "it did not answer".to_owned(),
            evidence: vec![evidence.to_owned()],
            ..TypedDowntime::default()
        };
        let now = time("2026-11-24T09:00:00Z");
        typed
            .checked(&CustomerId::new("contoso"), "ada", now)
            .expect("a downtime")
    }

    fn only(changes: Vec<Change>) -> Downtime {
        match &changes[..] {
            [Change::DowntimeEntered(one)] => Downtime::clone(one),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_again_changes_nothing_and_other_evidence_replaces() {
        let now = time("2026-11-24T10:00:00Z");
        let first = only(enter(&downtime(0, "a graph"), &[], now));
        assert_eq!((first.at, first.by.as_str()), (now, "ada"));
        let known = [first.clone()];
        let again = enter(&downtime(0, "a graph"), &known, now + chrono::Duration::hours(1));
        assert_eq!(again, nothing(Why::SaidBefore));
        let better = only(enter(&downtime(0, "two graphs"), &known, now));
        assert_eq!((&better.id, &better.evidence[0]), (&first.id, &"two graphs".to_owned()));
    }

    #[test]
    fn what_is_withdrawn_may_be_entered_again_and_is_withdrawn_once() {
        let now = time("2026-11-24T10:00:00Z");
        let known = downtime(0, "a graph");
        let gone = only(withdraw(Some(&known), "bob", "it was ours", now));
        let withdrawn = gone.withdrawn.as_ref().expect("withdrawn");
        assert_eq!(
            (&*withdrawn.by, &*withdrawn.reason, withdrawn.at),
            ("bob", "it was ours", now)
        );
        assert!(!gone.counts(now));
        assert_eq!(withdraw(Some(&gone), "bob", "again", now), nothing(Why::NoSuchDowntime));
        assert_eq!(withdraw(None, "bob", "again", now), nothing(Why::NoSuchDowntime));
        assert_eq!(only(enter(&known, &[gone], now)).withdrawn, None);
    }

    #[test]
    fn as_many_count_as_are_allowed_and_not_one_more() {
        let now = time("2026-11-24T10:00:00Z");
        let mut known: Vec<Downtime> = (0..DOWNTIMES_MOST).map(|minute| downtime(minute, "a graph")).collect();
        let one_more = downtime(DOWNTIMES_MOST, "a graph");
        assert!(matches!(
            &enter(&one_more, &known, now)[..],
            [Change::Nothing {
                why: Why::TooMany { .. }
            }]
        ));
        known[0] = only(withdraw(Some(&known[0]), "bob", "it was ours", now));
        only(enter(&one_more, &known, now));
    }
}
