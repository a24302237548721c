//! The gates that every rule that asks must pass, and the notifications that gather behind them, one per endpoint.
//!
//! What follows is linear in what is told: accounts and impacts of which there are many are written down once and
//! referred to, and an endpoint takes one line in what its customer's notifications share.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asking, Heard, Wanted, without_accounts};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Event, Impact, Kind, Session};
use crate::incident::IncidentId;
use crate::journal::Position;
use crate::notification::{Form, SeriesId};
use crate::record::{Accounts, Change, Gathers, Judged, PartOf, Planned, PlannedFor, Ref, Set, Verdict, Why};
use crate::rule::condition::Left;

/// Up to so many accounts or impacts are named where they are needed; more are a set of their own.
const NAMED_MOST: usize = 8;

/// How many endpoints one change names at most: a record of the journal must be able to hold it.
const TOGETHER_MOST: usize = 1_000;

/// The latest part of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestPart {
    /// Which.
    pub part: u32,
    /// When it is due; `None` if it was told.
    pub due: Option<Time>,
}

/// A notification that this event opens.
struct Opened {
    customer: CustomerId,
    due: Time,
    new: Accounts,
    to: PlannedFor,
}

/// The notifications that one event leads to, as they gather rule by rule.
pub(super) struct Plan<'a> {
    at: Position,
    event: &'a Event,
    heard: &'a Heard,
    now: Time,
    changes: Vec<Change>,
    sets: BTreeMap<Vec<String>, Accounts>,
    impacts: BTreeMap<Vec<Impact>, Ref>,
    series: BTreeMap<SeriesId, LatestPart>,
    /// What this event tells by each series so far.
    told: BTreeMap<SeriesId, Vec<Accounts>>,
    /// What is left of a set of accounts after others were told.
    rest: BTreeMap<(Vec<Accounts>, Accounts), Vec<String>>,
    opened: BTreeMap<SeriesId, Opened>,
    /// What was open already, and when it is due now.
    brought_forward: BTreeMap<SeriesId, (u32, Time)>,
}

impl<'a> Plan<'a> {
    /// Nothing yet but `changes`, for the event that stands at `at`.
    pub fn of(at: Position, event: &'a Event, heard: &'a Heard, now: Time, changes: Vec<Change>) -> Self {
        Self {
            at,
            event,
            heard,
            now,
            changes,
            sets: BTreeMap::new(),
            impacts: BTreeMap::new(),
            series: heard.series.clone(),
            told: BTreeMap::new(),
            rest: BTreeMap::new(),
            opened: BTreeMap::new(),
            brought_forward: BTreeMap::new(),
        }
    }

    /// Lets one rule pass the gates, and gathers what it wants.
    pub fn judge(&mut self, asking: &Asking) {
        let left = self.not_overtaken(asking);
        let accounts = self.accounts(asking.left.accounts.clone());
        let impact: Vec<Impact> = asking.left.impact.iter().map(without_accounts).collect();
        let impact_of = self.impact_set(&impact);
        let why = self.gate(asking, left.as_ref());
        let verdict = here(self.changes.len());
        let nth = self.changes.len();
        let (accounts, accounts_of) = match accounts {
            Accounts::These(accounts) => (accounts, None),
            Accounts::Of(set) => (Vec::new(), Some(set)),
        };
        self.changes.push(Change::Judged(Judged {
            event: self.at,
            incident: IncidentId::of(self.event),
            customer: asking.rule.customer.clone(),
            rule: asking.rule.name.clone(),
            verdict: Verdict::Joined,
            followed: asking.followed,
            impact: if impact_of.is_some() { Vec::new() } else { impact },
            accounts,
            impact_of,
            accounts_of,
            tells: Vec::new(),
        }));
        let found = match why {
            Some(why) => Verdict::Withheld { why },
            None => self.gather(asking, left.unwrap_or_else(|| asking.left.clone()), verdict),
        };
        if let Change::Judged(judged) = &mut self.changes[nth] {
            judged.verdict = found;
        }
    }

    /// Why a rule that matched tells nobody.
    fn gate(&self, asking: &Asking, left: Option<&Left>) -> Option<Why> {
        if asking.is_too_costly {
            return Some(Why::TooCostly);
        }
        if left.is_none() {
            let by = self.heard.placed.overtaken.values().next().copied()?;
            return Some(Why::Overtaken { by });
        }
        if self.is_late_invitation(asking) {
            let by = self.heard.placed.overtaken.values().next().copied()?;
            return Some(Why::Overtaken { by });
        }
        if !asking.wanted.is_empty() {
            let over = self.event.kind == Kind::Retrospective && !self.event.sessions.is_empty();
            let over = over
                && asking.rule.notify.is_empty()
                && self.event.sessions.iter().all(|session| self.is_over(session));
            return over.then_some(Why::SessionsAreOver);
        }
        Some(Why::NothingToInviteTo)
    }

    /// Whether a rule that hears every communication only wants invitations that a newer one has replaced in all
    /// calendars: sent now, they would move sessions back to where they were.
    fn is_late_invitation(&self, asking: &Asking) -> bool {
        let all_are = |wanted: &[Wanted]| wanted.iter().all(|one| one.form != Form::Message);
        !asking.wanted.is_empty() && all_are(&asking.wanted) && self.is_overtaken(&asking.left)
    }

    /// Whether everybody whom this part of the event concerns heard something newer.
    fn is_overtaken(&self, left: &Left) -> bool {
        let overtaken = &self.heard.placed.overtaken;
        match left.accounts.is_empty() {
            true => overtaken.contains_key(""),
            false => left.accounts.iter().all(|account| overtaken.contains_key(account)),
        }
    }

    fn is_over(&self, session: &Session) -> bool {
        session.end <= self.now && !self.heard.is_on_hold
    }

    /// What is left of the event without the accounts that heard something newer; `None` if that is all of them.
    fn not_overtaken(&self, asking: &Asking) -> Option<Left> {
        let overtaken = &self.heard.placed.overtaken;
        if asking.rule.every || overtaken.is_empty() {
            return Some(asking.left.clone());
        }
        if asking.left.accounts.is_empty() {
            return (!overtaken.contains_key("")).then(|| asking.left.clone());
        }
        let accounts: Vec<String> = asking
            .left
            .accounts
            .iter()
            .filter(|account| !overtaken.contains_key(*account))
            .cloned()
            .collect();
        (!accounts.is_empty()).then(|| Left {
            accounts,
            ..asking.left.clone()
        })
    }

    /// Adds what a rule wants to the notifications; says what comes of it.
    fn gather(&mut self, asking: &Asking, left: Left, verdict: Ref) -> Verdict {
        let settle = i64::try_from(asking.rule.settle_seconds).unwrap_or(i64::MAX / 2_000);
        let due = self.now + chrono::Duration::seconds(settle);
        let all = self.accounts(left.accounts.clone());
        let is_overtaken = self.is_overtaken(&left);
        let mut is_planned = false;
        let mut joined: BTreeMap<Accounts, Vec<PartOf>> = BTreeMap::new();
        for wanted in &asking.wanted {
            let is_past = matches!(
                wanted.form,
                Form::Invitation { session, .. } if is_overtaken || self.is_over(&self.event.sessions[session])
            );
            if is_past {
                continue;
            }
            let new = self.new_accounts(wanted, &left, &all);
            self.told.entry(wanted.series.clone()).or_default().push(new.clone());
            match self.open(asking, wanted, due, &new, verdict) {
                Some(part) => joined.entry(new).or_default().push(PartOf {
                    series: wanted.series.clone(),
                    part,
                    receiver: wanted.receiver.clone(),
                }),
                None => is_planned = true,
            }
        }
        let (incident, event) = (IncidentId::of(self.event), self.at);
        self.changes.extend(joined.into_iter().map(|(new, to)| {
            Change::Gathered(Gathers {
                incident: incident.clone(),
                event,
                verdict,
                new,
                to,
            })
        }));
        match is_planned {
            true => Verdict::Planned,
            false => Verdict::Joined,
        }
    }

    /// The accounts of `left` that a series was not, and by this event is not yet, told of.
    fn new_accounts(&mut self, wanted: &Wanted, left: &Left, all: &Accounts) -> Accounts {
        let before = self.told.get(&wanted.series);
        let is_reached = |account: &String| self.heard.reached.contains(&(wanted.series.clone(), account.clone()));
        let has_reached = self.heard.has_reached.contains(&wanted.series);
        if before.is_none() && !has_reached {
            return all.clone();
        }
        let before = before.cloned().unwrap_or_default();
        let rest = match self.rest.get(&(before.clone(), all.clone())) {
            Some(rest) => rest.clone(),
            None => {
                let told: BTreeSet<&String> = before.iter().flat_map(|one| self.named(one)).collect();
                let rest = left.accounts.iter().filter(|account| !told.contains(account));
                let rest: Vec<String> = rest.cloned().collect();
                self.rest.insert((before, all.clone()), rest.clone());
                rest
            }
        };
        match has_reached {
            false => self.accounts(rest),
            true => {
                let rest = rest.into_iter().filter(|account| !is_reached(account)).collect();
                self.accounts(rest)
            }
        }
    }

    /// The accounts that are meant.
    fn named<'s>(&'s self, accounts: &'s Accounts) -> &'s [String] {
        match accounts {
            Accounts::These(accounts) => accounts,
            Accounts::Of(Ref::Here(nth)) => {
                let Some(Change::Set(set)) = self.changes.get(*nth as usize) else {
                    return &[];
                };
                &set.accounts
            }
            Accounts::Of(Ref::At(_)) => &[],
        }
    }

    /// Opens a notification, or joins the open one, or (for accounts that come later) opens the next part. Gives back
    /// the part that was joined, if none was opened.
    fn open(&mut self, asking: &Asking, wanted: &Wanted, due: Time, new: &Accounts, verdict: Ref) -> Option<u32> {
        let part = match self.series.get_mut(&wanted.series) {
            None => 0,
            Some(LatestPart {
                part,
                due: Some(was_due),
            }) => {
                let part = *part;
                if due < *was_due {
                    *was_due = due;
                    self.bring_forward(wanted, part, due);
                }
                return Some(part);
            }
            Some(told) if !new.is_empty() && wanted.form == Form::Message => told.part + 1,
            Some(told) => return Some(told.part),
        };
        let latest = LatestPart { part, due: Some(due) };
        self.series.insert(wanted.series.clone(), latest);
        let to = PlannedFor {
            series: wanted.series.clone(),
            part,
            endpoint: wanted.endpoint.clone(),
            receiver: wanted.receiver.clone(),
            channel: wanted.channel,
            form: wanted.form,
            verdict,
        };
        let (customer, new) = (asking.rule.customer.clone(), new.clone());
        self.opened
            .insert(wanted.series.clone(), Opened { customer, due, new, to });
        None
    }

    /// A notification is told sooner: one of this event is opened so, and one that was open is moved.
    fn bring_forward(&mut self, wanted: &Wanted, part: u32, due: Time) {
        match self.opened.get_mut(&wanted.series) {
            Some(opened) => opened.due = due,
            None => drop(self.brought_forward.insert(wanted.series.clone(), (part, due))),
        }
    }

    /// Accounts as they are written down: named, or a set of their own that the next one refers to as well.
    fn accounts(&mut self, accounts: Vec<String>) -> Accounts {
        if accounts.len() <= NAMED_MOST {
            return Accounts::These(accounts);
        }
        if let Some(known) = self.sets.get(&accounts) {
            return known.clone();
        }
        let set = Accounts::Of(here(self.changes.len()));
        self.changes.push(Change::Set(Set {
            event: self.at,
            accounts: accounts.clone(),
            impact: Vec::new(),
        }));
        self.sets.insert(accounts, set.clone());
        set
    }

    fn impact_set(&mut self, impact: &[Impact]) -> Option<Ref> {
        if impact.len() <= NAMED_MOST {
            return None;
        }
        if let Some(known) = self.impacts.get(impact) {
            return Some(*known);
        }
        let set = here(self.changes.len());
        self.changes.push(Change::Set(Set {
            event: self.at,
            accounts: Vec::new(),
            impact: impact.to_vec(),
        }));
        self.impacts.insert(impact.to_vec(), set);
        Some(set)
    }

    /// Everything that follows.
    pub fn changes(mut self) -> Vec<Change> {
        let mut together: BTreeMap<(CustomerId, Time, Accounts), Vec<PlannedFor>> = BTreeMap::new();
        for one in self.opened.into_values() {
            let key = (one.customer, one.due, one.new);
            together.entry(key).or_default().push(one.to);
        }
        let opened = together.into_iter().flat_map(|(key, to)| {
            let chunks: Vec<Vec<PlannedFor>> = to.chunks(TOGETHER_MOST).map(<[_]>::to_vec).collect();
            chunks.into_iter().map(move |to| (key.clone(), to))
        });
        self.changes.extend(opened.map(|((customer, due, new), to)| {
            Change::Planned(Planned {
                incident: IncidentId::of(self.event),
                tracking_id: self.event.tracking_id.clone(),
                customer,
                communication: self.heard.placed.communication.clone(),
                event: self.at,
                published: self.event.published,
                title: self.event.title.clone(),
                kind: self.event.kind,
                due,
                new,
                to,
            })
        }));
        let moved = self.brought_forward.into_iter();
        self.changes
            .extend(moved.map(|(series, (part, due))| Change::BroughtForward {
                delivery: series.delivery(part),
                due,
            }));
        self.changes
    }
}

fn here(nth: usize) -> Ref {
    Ref::Here(u32::try_from(nth).unwrap_or(u32::MAX))
}
