//! Whether an incident is over for those who read of it: in the regions that were named to their own accounts.
//!
//! A provider tells each account what it needs to know: that it is over is said to one account after another, and an
//! account that still waits for it is not over, whatever others were told. While it goes on, what the newest
//! communication to an account no longer names is over there.

use std::collections::{BTreeSet, HashMap};

use super::{Affected, Chapter, impact_of};
use crate::clock::Time;
use crate::event::{EventType, Impact, Line};
use crate::incident::{Hearing, Incident, Status};
use crate::journal::Position;

/// What is known of the readers' own part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnPart {
    /// What is (or was) affected there, and whether it still is.
    Places(Vec<Place>),
    /// No communication names a place, and every account was told that it is over: the last one then.
    Over(Time),
    /// No communication names a place, and not every account was told that it is over.
    Unknown,
}

/// A service in a region, and whether it is over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The service.
    pub service: String,
    /// The region, if one was named.
    pub region: Option<String>,
    /// Whether it is over.
    pub is: Standing,
    /// The provider's time of the communication that says so.
    pub said: Time,
}

/// Whether it is over in a place, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The newest communication to an account that is not told that it is over names it.
    Named,
    /// That communication no longer names it.
    NoLongerNamed,
    /// Every account that it was named to was told that it is over.
    SaidToBeOver,
}

impl Standing {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        self != Standing::Named
    }

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Named => "named",
            Standing::NoLongerNamed => "no-longer-named",
            Standing::SaidToBeOver => "said-to-be-over",
        }
    }
}

impl OwnPart {
    /// The word of the API.
    pub fn word(&self) -> &'static str {
        match self {
            OwnPart::Over(_) => "over",
            OwnPart::Unknown => "unknown",
            OwnPart::Places(places) => {
                let over = places.iter().filter(|place| place.is.is_over()).count();
                match over {
                    0 => "going-on",
                    over if over == places.len() => "over",
                    _ => "partly-over",
                }
            }
        }
    }
}

/// A service in a region, by name.
type Named<'h> = (&'h str, Option<&'h str>);

/// What one account heard last.
#[derive(Default)]
struct Account<'h> {
    /// How far it is, and since which communication.
    status: Option<(Time, Status)>,
    /// The newest review, or invitation to talk about it.
    reviewed: Option<Time>,
    /// The newest communication that names a place.
    naming: Option<(Time, BTreeSet<Named<'h>>)>,
}

impl Account<'_> {
    /// When it was told that it is over; `None` if it goes on. Who heard nothing but a review knows that it is, too.
    fn over(&self) -> Option<Time> {
        match self.status {
            Some((at, status)) => status.is_over().then_some(at),
            None => self.reviewed,
        }
    }
}

/// What is known of it by these hearings; `affected` is what was ever named in them, `None` is of what is no trouble of a
/// service.
pub(super) fn own_part(
    incident: &Incident,
    chapters: &[Chapter],
    hearings: &[Hearing],
    events: &HashMap<Position, Vec<Impact>>,
    affected: &[Affected],
) -> Option<OwnPart> {
    if incident.event_type != EventType::ServiceIssue {
        return None;
    }
    let accounts = accounts(chapters, hearings, events);
    if affected.is_empty() {
        let over: Option<Vec<Time>> = accounts.values().map(Account::over).collect();
        let last = over.and_then(|over| over.into_iter().max());
        return Some(last.map_or(OwnPart::Unknown, OwnPart::Over));
    }
    Some(OwnPart::Places(
        affected.iter().filter_map(|one| place(one, &accounts)).collect(),
    ))
}

fn accounts<'h>(
    chapters: &[Chapter],
    hearings: &'h [Hearing],
    events: &'h HashMap<Position, Vec<Impact>>,
) -> HashMap<&'h str, Account<'h>> {
    let said: HashMap<&str, &Chapter> = chapters.iter().map(|one| (one.communication.as_str(), one)).collect();
    let mut accounts: HashMap<&str, Account<'h>> = HashMap::new();
    for hearing in hearings {
        let account = accounts.entry(&hearing.account).or_default();
        let at = hearing.published;
        let chapter = said.get(hearing.communication.as_str());
        let status = chapter.and_then(|chapter| Status::of(chapter.kind, chapter.stage));
        if let Some(status) = status.filter(|_| account.status.is_none_or(|(known, _)| known <= at)) {
            account.status = Some((at, status));
        }
        if chapter.is_some_and(|chapter| chapter.kind.line() != Line::Progress) {
            account.reviewed = account.reviewed.max(Some(at));
        }
        let named = impact_of(hearing, events);
        if !named.is_empty() && account.naming.as_ref().is_none_or(|(known, _)| *known <= at) {
            let places = named.iter().map(|one| (one.service.as_str(), one.region.as_deref()));
            account.naming = Some((at, places.collect()));
        }
    }
    accounts
}

/// How it is in a place, by the accounts that it was named to: it goes on as long as it does for one of them.
fn place(affected: &Affected, accounts: &HashMap<&str, Account<'_>>) -> Option<Place> {
    let wanted = (affected.service.as_str(), affected.region.as_deref());
    let standing = |account: &Account<'_>| {
        if let Some(at) = account.over() {
            return Some((Standing::SaidToBeOver, at));
        }
        let (at, named) = account.naming.as_ref()?;
        let is_named = named.contains(&wanted);
        Some((
            if is_named {
                Standing::Named
            } else {
                Standing::NoLongerNamed
            },
            *at,
        ))
    };
    // what names no account is heard under an empty name
    let concerned = affected.accounts.iter().map(String::as_str);
    let concerned = concerned.chain(affected.accounts.is_empty().then_some(""));
    let each = concerned.filter_map(|account| standing(accounts.get(account)?));
    let (is, said) = each.min_by_key(|(is, at)| (*is, std::cmp::Reverse(*at)))?;
    Some(Place {
        service: affected.service.clone(),
        region: affected.region.clone(),
        is,
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_has_its_word_and_the_whole_follows_from_the_places() {
        let place = |is| Place {
            service: "SQL".to_owned(),
            region: Some("East US".to_owned()),
            is,
            said: Time::UNIX_EPOCH,
        };
        use Standing::{Named, NoLongerNamed, SaidToBeOver};
        for (all, expected) in [
            (&[Named][..], "going-on"),
            (&[Named, NoLongerNamed], "partly-over"),
            (&[NoLongerNamed, SaidToBeOver], "over"),
        ] {
            let places = all.iter().map(|is| place(*is)).collect();
            assert_eq!(OwnPart::Places(places).word(), expected);
        }
    }
}
