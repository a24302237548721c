//! Typed look-ups, for contexts, doors and pages.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use anyhow::{Context as _, Result};

use crate::claim::Claimed;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, Failing, LaneKey, Standing, StateWord};
use crate::event::{Form, Provider};
use crate::incident::correction::Correction;
use crate::incident::reminders::Mark;
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::message::Carried;
use crate::notification::{EndpointId, Notification, SeriesId};
use crate::record::{BrokenFile, ClaimMark, Deadline, Ref, Set, Stands, Why};
use crate::rule::Revision;
use crate::store::View;
use crate::store::item::{DeliveryItem, EventLine, Gathered, Item, RuleFileLine, SetAsideLine, VerdictLine};
use crate::store::keys::{self, Key, letter};

/// Takes the items of one variant out of a scan.
macro_rules! collect {
    ($scan:expr, $pattern:pat => $value:expr) => {
        $scan
            .filter_map(|item| match item {
                Ok($pattern) => Some(Ok($value)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<Vec<_>>>()
    };
}

/// Takes the one item of a variant.
macro_rules! one {
    ($view:expr, $key:expr, $pattern:pat => $value:expr) => {
        Ok(match $view.get($key)? {
            Some($pattern) => Some($value),
            _ => None,
        })
    };
}

pub mod listed;

impl View {
    /// An incident.
    pub fn incident(&self, id: &IncidentId) -> Result<Option<Incident>> {
        one!(self, &keys::incident_key(id), Item::Incident(incident) => incident)
    }

    /// All incidents.
    #[cfg(test)]
    pub fn incidents(&self) -> Result<Vec<Incident>> {
        collect!(self.scan(&Key::of(letter::INCIDENT)), Item::Incident(incident) => incident)
    }

    /// Incidents, those with the newest communication first, behind `before` (its newest communication, and which). Each
    /// is read when it is asked for: a list takes what it shows, however many there are.
    pub fn incidents_newest_first(
        &self,
        before: Option<(Time, &IncidentId)>,
    ) -> impl Iterator<Item = Result<Incident>> + '_ {
        let before = before.map(|(updated, id)| keys::updated(updated, id));
        let found = self.scan_other_back(&keys::all_updated(), before.as_ref());
        found.filter_map(|item| match item {
            Ok(Item::Incident(incident)) => Some(Ok(incident)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Incidents in the order of their keys, from the one behind `after` on.
    pub fn incidents_after(&self, after: Option<&IncidentId>) -> impl Iterator<Item = Result<Incident>> + '_ {
        let all = Key::of(letter::INCIDENT);
        let from = after.map_or_else(|| all.clone(), |id| past(&keys::incident_key(id)));
        self.scan_from(&all, &from).filter_map(|item| match item {
            Ok(Item::Incident(incident)) => Some(Ok(incident)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// An incident's communications, the provider's oldest first.
    pub fn entries(&self, id: &IncidentId) -> Result<Vec<Entry>> {
        let mut entries = collect!(self.scan(&keys::entries(id)), Item::Entry(entry) => entry)?;
        entries.sort_by_key(|entry| (entry.published, entry.event));
        Ok(entries)
    }

    /// The communications of an incident that are this text: its tellings, in no order.
    pub fn tellings(&self, id: &IncidentId, text: &str) -> Result<Vec<Entry>> {
        collect!(self.scan(&keys::entries(id).beginning(text)), Item::Entry(entry) => entry)
    }

    /// Whether more than one communication of an incident is known.
    pub fn has_several_communications(&self, id: &IncidentId) -> Result<bool> {
        Ok(self.scan(&keys::entries(id)).nth(1).transpose()?.is_some())
    }

    /// Who heard what of an incident.
    pub fn hearings(&self, id: &IncidentId) -> Result<Vec<Hearing>> {
        collect!(self.scan(&keys::hearings(id)), Item::Hearing(hearing) => hearing)
    }

    /// The first so many hearings of an incident, by account.
    pub fn first_hearings(&self, id: &IncidentId, most: usize) -> Result<Vec<Hearing>> {
        collect!(self.scan(&keys::hearings(id)).take(most), Item::Hearing(hearing) => hearing)
    }

    /// What one account (or, empty, an event without any) heard of an incident, the latest first, at most so many.
    pub fn hearings_of(&self, id: &IncidentId, account: &str, most: usize) -> Result<Vec<Hearing>> {
        let latest_first = self.scan(&keys::hearings(id).text(account));
        collect!(latest_first.take(most), Item::Hearing(hearing) => hearing)
    }

    /// When an incident is looked at next because of what it owes; `None` inside: only if something more is heard of it.
    pub fn clock(&self, id: &IncidentId) -> Result<Option<Option<Time>>> {
        one!(self, &keys::clock(id), Item::Clock { at, .. } => at)
    }

    /// Whether every incident has a clock for what it owes.
    pub fn have_clocks_begun(&self) -> Result<bool> {
        Ok(self.get(&keys::clocks_begun())?.is_some())
    }

    /// What a customer was reminded of, of an incident.
    pub fn reminded(&self, id: &IncidentId, customer: &CustomerId) -> Result<Vec<Mark>> {
        let key = keys::reminded_of(id).text(customer.as_str());
        let reminded: Result<Option<Vec<Mark>>> = one!(self, &key, Item::Reminded(one) => one.of);
        Ok(reminded?.unwrap_or_default())
    }

    /// What persons said of an incident, the oldest first.
    pub fn corrections(&self, id: &IncidentId) -> Result<Vec<Correction>> {
        let kept: Result<Vec<Correction>> =
            collect!(self.scan(&keys::corrections(id)), Item::Correction { correction, .. } => correction);
        Ok(as_said(kept?, |one| one.at, |one| one.taken_in_by.is_some()))
    }

    /// What was said of a claim, the oldest first.
    pub fn claimed(&self, customer: &CustomerId, claim: &str) -> Result<Vec<Claimed>> {
        let kept: Result<Vec<Claimed>> =
            collect!(self.scan(&keys::claimed(customer, claim)), Item::Claimed { claimed, .. } => *claimed);
        Ok(as_said(kept?, |one| one.at, |one| one.taken_in_by.is_some()))
    }

    /// What was said of claims, by whose they are and by claim, the oldest first: of a customer, or of all.
    pub fn all_claimed(&self, customer: Option<&CustomerId>) -> Result<BTreeMap<(CustomerId, String), Vec<Claimed>>> {
        let all = keys::all_claimed();
        let prefix = customer.map_or_else(|| all.clone(), |one| all.clone().text(one.as_str()));
        let mut by_claim: BTreeMap<(CustomerId, String), Vec<Claimed>> = BTreeMap::new();
        for item in self.scan(&prefix) {
            if let Item::Claimed { claimed, .. } = item? {
                let claim = (claimed.customer.clone(), claimed.claim.clone());
                by_claim.entry(claim).or_default().push(*claimed);
            }
        }
        for said in by_claim.values_mut() {
            *said = as_said(std::mem::take(said), |one| one.at, |one| one.taken_in_by.is_some());
        }
        Ok(by_claim)
    }

    /// What a customer was reminded of, of its claims.
    pub fn reminded_of_claims(&self, customer: &CustomerId) -> Result<Vec<ClaimMark>> {
        collect!(self.scan(&keys::reminded_of_claims(customer)), Item::RemindedOfClaim { of, .. } => of)
    }

    /// What was said of the claim behind another one, of a customer or of all; none behind the last one.
    pub fn claimed_after(
        &self,
        customer: Option<&CustomerId>,
        after: (&CustomerId, &str),
    ) -> Result<Option<Vec<Claimed>>> {
        let all = keys::all_claimed();
        let prefix = customer.map_or_else(|| all.clone(), |one| all.clone().text(one.as_str()));
        let next = self.scan_from(&prefix, &past(&keys::claimed(after.0, after.1))).next();
        match next.transpose()? {
            Some(Item::Claimed { claimed, .. }) => self.claimed(&claimed.customer, &claimed.claim).map(Some),
            _ => Ok(None),
        }
    }

    /// The customer behind another one that was reminded of claims; none behind the last one.
    pub fn reminded_of_claims_after(
        &self,
        customer: Option<&CustomerId>,
        after: &CustomerId,
    ) -> Result<Option<CustomerId>> {
        let prefix = customer.map_or_else(keys::all_reminded_of_claims, keys::reminded_of_claims);
        let next = self.scan_from(&prefix, &past(&keys::reminded_of_claims(after))).next();
        Ok(next.transpose()?.and_then(|item| match item {
            Item::RemindedOfClaim { customer, .. } => Some(customer),
            _ => None,
        }))
    }

    /// Whether a customer was told this of a claim.
    pub fn was_reminded_of_claim(&self, customer: &CustomerId, of: &ClaimMark) -> Result<bool> {
        self.has(&keys::reminded_of_claim(customer, &of.claim).text(&of.mark))
    }

    /// The rules that told of an incident.
    pub fn follows(&self, id: &IncidentId) -> Result<Vec<(CustomerId, String)>> {
        collect!(self.scan(&keys::follows(id)), Item::Follows { customer, rule, .. } => (customer, rule))
    }

    /// The verdicts on an event.
    pub fn verdicts(&self, event: Position) -> Result<Vec<VerdictLine>> {
        collect!(self.scan(&keys::verdicts(event)), Item::Verdict(line) => line)
    }

    /// Why nothing (more) followed from an input.
    pub fn nothing(&self, of: Position) -> Result<Option<Why>> {
        one!(self, &Key::of(letter::NOTHING).position(of), Item::Nothing { why, .. } => why)
    }

    /// The record that decided an event; `None` if none did (or, in stores of before this was kept, if it is not known).
    pub fn decided_at(&self, event: Position) -> Result<Option<u64>> {
        let first = self.scan(&keys::verdicts(event)).next().transpose()?;
        if let Some(Item::Verdict(line)) = first {
            return Ok(Some(line.at.seq));
        }
        let nothing = self.get(&keys::nothing(event))?;
        Ok(nothing.and_then(|item| match item {
            Item::Nothing { decided, .. } => decided,
            _ => None,
        }))
    }

    /// The latest part of a series about an incident, of one endpoint.
    pub fn latest_part(&self, id: &IncidentId, to: &EndpointId, series: &SeriesId) -> Result<Option<DeliveryItem>> {
        let latest = self.scan_other(&keys::parts(id, to, series)).next();
        Ok(latest.transpose()?.and_then(|item| match item {
            Item::Delivery(one) => Some(*one),
            _ => None,
        }))
    }

    /// The notification that is still gathering for a part of a series.
    pub fn notification(&self, series: &SeriesId, part: u32) -> Result<Option<Notification>> {
        let item = self.delivery_item(&series.delivery(part))?;
        Ok(item.and_then(|item| item.notification()))
    }

    /// One verdict on an event.
    pub fn verdict(&self, event: Position, at: Position) -> Result<Option<VerdictLine>> {
        one!(self, &keys::verdicts(event).position(at), Item::Verdict(line) => line)
    }

    /// What gathered for a series by the event `event` and later ones, in their order, but for what opened its parts.
    pub fn gathered_since(&self, id: &IncidentId, series: &SeriesId, event: Position) -> Result<Vec<Gathered>> {
        let all = keys::gathered(id, series);
        collect!(self.scan_from(&all, &all.clone().position(event)), Item::Gathered(one) => one)
    }

    /// What an event added to a series: to parts that were open, and to those that it opened.
    pub fn gathered_by(&self, id: &IncidentId, series: &SeriesId, event: Position) -> Result<Vec<Gathered>> {
        let joined = keys::gathered(id, series).position(event);
        let mut gathered: Vec<Gathered> = collect!(self.scan(&joined), Item::Gathered(one) => one)?;
        let opened: Vec<DeliveryItem> =
            collect!(self.scan_other(&keys::opened_by(id, series, event)), Item::Delivery(one) => *one)?;
        gathered.extend(opened.iter().filter_map(DeliveryItem::first_gathered));
        Ok(gathered)
    }

    /// What these events added to what was or will be told about an incident, with the receivers and customers.
    pub fn gathered_about(&self, id: &IncidentId, events: &HashSet<Position>) -> Result<Vec<(Gathered, DeliveryItem)>> {
        let mut all = Vec::new();
        let mut parts: HashMap<String, Option<DeliveryItem>> = HashMap::new();
        // most are not asked for: the key says it, and reading a delivery takes many times as long
        for found in self.scan(&keys::opened_about(id)).steps() {
            let (key, held) = found?;
            if !keys::opening_event(&key, &held).is_some_and(|event| events.contains(&event)) {
                continue;
            }
            if let Some(Item::Delivery(item)) = self.get(&Key(held))? {
                all.extend(item.first_gathered().map(|one| (one, DeliveryItem::clone(&item))));
                parts.insert(item.delivery.id.clone(), Some(*item));
            }
        }
        let joined: Vec<Gathered> = collect!(self.scan(&keys::gathered_about(id)), Item::Gathered(one) => one)?;
        for one in joined.into_iter().filter(|one| events.contains(&one.event)) {
            let part = match parts.entry(one.series.delivery(one.part)) {
                Slot::Occupied(known) => known.into_mut(),
                Slot::Vacant(new) => {
                    let item = self.delivery_item(new.key())?;
                    new.insert(item)
                }
            };
            all.extend(part.clone().map(|item| (one, item)));
        }
        Ok(all)
    }

    /// A set of accounts and impacts of an event.
    pub fn whole_set(&self, event: Position, set: Ref) -> Result<Set> {
        let parts = self.scan(&keys::sets(event).position(set.position(&Stands::alone(0))));
        let parts: Vec<Set> = collect!(parts, Item::Set { set, .. } => set)?;
        let mut whole = Set {
            event,
            accounts: Vec::new(),
            impact: Vec::new(),
        };
        for part in parts {
            whole.accounts.extend(part.accounts);
            whole.impact.extend(part.impact);
        }
        Ok(whole)
    }

    /// A delivery, planned and forgotten ones included.
    pub fn delivery_item(&self, id: &str) -> Result<Option<DeliveryItem>> {
        one!(self, &keys::delivery(id), Item::Delivery(one) => *one)
    }

    /// A delivery, where its content stands, and how far it is.
    pub fn delivery(&self, id: &str) -> Result<Option<(Delivery, Position, Standing)>> {
        Ok(self.delivery_item(id)?.and_then(|item| {
            let (standing, content) = (item.standing()?, item.content?);
            Some((item.delivery, content, standing))
        }))
    }

    /// A delivery's finished attempts.
    pub fn attempts(&self, id: &str) -> Result<Vec<Attempt>> {
        let mut attempts: Vec<Attempt> = collect!(self.scan(&keys::attempts(id)), Item::Attempt(attempt) => attempt)?;
        attempts.extend(self.delivery_item(id)?.and_then(|item| item.last));
        attempts.sort_by_key(|attempt| attempt.number);
        attempts.dedup_by_key(|attempt| attempt.number);
        Ok(attempts)
    }

    /// What a delivery carries of others.
    pub fn carried(&self, id: &str) -> Result<Vec<Carried>> {
        Ok(self.delivery_item(id)?.map(|item| item.carried).unwrap_or_default())
    }

    /// Ids of deliveries in a state, the newest first, before `before` (time made, id).
    pub fn listed(&self, state: StateWord, before: Option<(Time, &str)>, most: usize) -> Result<Vec<(Time, String)>> {
        let before = before.map(|(created, id)| keys::listed(state, created, id));
        let found = self
            .scan_other_back(&keys::listed_in(state), before.as_ref())
            .take(most);
        collect!(found, Item::Delivery(one) => (one.delivery.created, one.delivery.id))
    }

    /// How many deliveries are in a state, counted up to `most`.
    pub fn count_in(&self, state: StateWord, most: usize) -> Result<usize> {
        let keys = self.keys_under(&keys::listed_in(state)).take(most);
        keys.map(|key| key.map(|_| 1)).sum()
    }

    /// Deliveries in a state, the newest first, at most so many.
    pub fn listed_deliveries(&self, state: StateWord, most: usize) -> Result<Vec<Delivery>> {
        let found = self.scan_other_back(&keys::listed_in(state), None).take(most);
        collect!(found, Item::Delivery(one) => one.delivery)
    }

    /// When the oldest delivery in a state was made.
    pub fn oldest(&self, state: StateWord) -> Result<Option<Time>> {
        match self.scan_other(&keys::listed_in(state)).next().transpose()? {
            Some(Item::Delivery(one)) => Ok(Some(one.delivery.created)),
            _ => Ok(None),
        }
    }

    /// Deliveries that ended before `before`, the first that ended first.
    pub fn ended_before(&self, before: Time) -> impl Iterator<Item = Result<DeliveryItem>> + '_ {
        let until = Key::of(letter::ENDED_AT).time(before);
        let ended = self.scan_other_from(&Key::of(letter::ENDED_AT), &Key::of(letter::ENDED_AT));
        let ended = ended.take_while(move |found| found.as_ref().map_or(true, |(key, _)| *key < until));
        ended.filter_map(|found| match found {
            Ok((_, Item::Delivery(one))) => Some(Ok(*one)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// The endpoints that have deliveries scheduled.
    pub fn endpoints_with_work(&self) -> Result<Vec<EndpointId>> {
        let mut endpoints = Vec::new();
        let mut from = keys::lanes();
        while let Some((_, Item::Delivery(one))) = self.first_other(&keys::lanes(), &from)? {
            from = past(&keys::lane_of(&one.delivery.endpoint));
            endpoints.push(one.delivery.endpoint);
        }
        Ok(endpoints)
    }

    /// Whether anything is scheduled in an endpoint's lane.
    pub fn has_work(&self, endpoint: &EndpointId) -> Result<bool> {
        Ok(self.keys_under(&keys::lane_of(endpoint)).next().transpose()?.is_some())
    }

    /// The first scheduled delivery about an incident in an endpoint's lane, with how far it is.
    pub fn head(&self, endpoint: &EndpointId, incident: &IncidentId) -> Result<Option<(LaneKey, Standing)>> {
        let heads = self.scan_other(&keys::lane_about(endpoint, incident));
        let mut known = heads.filter_map(|item| match item {
            Ok(Item::Delivery(one)) => one.standing().map(|standing| Ok((one.lane_key(), standing))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        known.next().transpose()
    }

    /// The first scheduled delivery of each incident in an endpoint's lane, with how far it is, in the order of keys from
    /// the incident behind `after` on. Each is read when it is asked for. A delivery that is not known (its making was
    /// lost) is passed over.
    pub fn heads(&self, endpoint: &EndpointId, after: Option<&IncidentId>) -> Heads<'_> {
        let lane = keys::lane_of(endpoint);
        let behind = after.map(|incident| past(&keys::lane_about(endpoint, incident)));
        Heads {
            view: self,
            from: behind.unwrap_or_else(|| lane.clone()),
            lane,
        }
    }

    /// Everything scheduled in an endpoint's lane, at most `most`.
    pub fn lane(&self, endpoint: &EndpointId, most: usize) -> Result<Vec<LaneKey>> {
        collect!(self.scan_other(&keys::lane_of(endpoint)).take(most), Item::Delivery(one) => one.lane_key())
    }

    /// What waits behind a delivery in its lane, about the same incident.
    pub fn behind(&self, place: &LaneKey, most: usize) -> Result<Vec<LaneKey>> {
        let about = keys::lane_about(&place.endpoint, &place.incident);
        let behind = self.scan_other_from(&about, &past(&keys::lane(place))).take(most);
        collect!(behind.map(|found| Ok(found?.1)), Item::Delivery(one) => one.lane_key())
    }

    /// Whether an endpoint was told of an incident.
    pub fn is_threaded(&self, endpoint: &EndpointId, incident: &IncidentId) -> Result<bool> {
        for item in self.scan_other(&keys::deliveries_to(incident, endpoint)) {
            if let Item::Delivery(one) = item?
                && one.is_told()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is to be looked at next, and when.
    pub fn next_wake(&self) -> Result<Option<(Deadline, Time)>> {
        let (wake, planned) = (self.wakes(1)?.pop(), self.next_planned()?);
        Ok([planned, wake].into_iter().flatten().min_by_key(|(_, at)| *at))
    }

    /// What is to be told next, and when.
    fn next_planned(&self) -> Result<Option<(Deadline, Time)>> {
        let planned = self.scan_other(&keys::all_planned());
        let mut open = planned.filter_map(|item| match item {
            Ok(Item::Delivery(one)) => one.notification().map(Ok),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        let notification = open.next().transpose()?;
        Ok(notification.map(|one| {
            let deadline = Deadline::Notifications {
                incident: one.incident,
                customer: one.customer,
                communication: one.communication,
            };
            (deadline, one.due)
        }))
    }

    /// What is to be looked at, the earliest first.
    pub fn wakes(&self, most: usize) -> Result<Vec<(Deadline, Time)>> {
        collect!(self.scan(&Key::of(letter::WAKE)).take(most), Item::Wake { deadline, at } => (deadline, at))
    }

    /// What is recorded and not decided.
    pub fn inbox(&self) -> Result<Vec<Position>> {
        collect!(self.scan(&Key::of(letter::INBOX)), Item::Inbox { at } => at)
    }

    /// The last recorded input that was decided.
    pub fn decided_through(&self) -> Result<Option<Position>> {
        self.mark(&keys::decided_through())
    }

    /// Events, the newest first.
    pub fn events(&self, before: Option<Position>, most: usize) -> Result<Vec<EventLine>> {
        let before = before.map(|at| Key::of(letter::EVENT).position(at));
        collect!(self.scan_back(&Key::of(letter::EVENT), before.as_ref()).take(most), Item::Event(line) => line)
    }

    /// An event's line.
    pub fn event(&self, at: Position) -> Result<Option<EventLine>> {
        one!(self, &Key::of(letter::EVENT).position(at), Item::Event(line) => line)
    }

    /// The events of an incident.
    pub fn events_of(&self, id: &IncidentId) -> Result<Vec<Position>> {
        collect!(self.scan_other(&keys::events_of(id)), Item::Event(line) => line.at)
    }

    /// The lines of an incident's events, from the one behind `after` on.
    pub fn event_lines_of(
        &self,
        id: &IncidentId,
        after: Option<Position>,
    ) -> impl Iterator<Item = Result<EventLine>> + '_ {
        let all = keys::events_of(id);
        let from = after.map_or_else(|| all.clone(), |at| past(&all.clone().position(at)));
        self.scan_other_from(&all, &from).filter_map(|found| match found {
            Ok((_, Item::Event(line))) => Some(Ok(line)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// The line of an incident's latest event.
    pub fn latest_event_of(&self, id: &IncidentId) -> Result<Option<EventLine>> {
        let latest = self.scan_other_back(&keys::events_of(id), None).next().transpose()?;
        Ok(latest.and_then(|item| match item {
            Item::Event(line) => Some(line),
            _ => None,
        }))
    }

    /// Everything that was or will be told about an incident, from what stands behind the delivery `after` on.
    pub fn deliveries_about_after(
        &self,
        id: &IncidentId,
        after: Option<&DeliveryItem>,
    ) -> impl Iterator<Item = Result<DeliveryItem>> + '_ {
        let all = keys::deliveries_of(id);
        let from = after.map(|one| past(&keys::part(&one.delivery)));
        let found = self.scan_other_from(&all, &from.unwrap_or_else(|| all.clone()));
        found.filter_map(|found| match found {
            Ok((_, Item::Delivery(one))) => Some(Ok(*one)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// The last sequence number that is in it.
    pub fn applied_through(&self) -> Result<u64> {
        Ok(self.mark(&keys::applied_through())?.map_or(0, |at| at.seq))
    }

    /// Everything that was or will be told about an incident.
    pub fn deliveries_about(&self, id: &IncidentId) -> impl Iterator<Item = Result<DeliveryItem>> + '_ {
        let found = self.scan_other(&keys::deliveries_of(id));
        found.filter_map(|item| match item {
            Ok(Item::Delivery(one)) => Some(Ok(*one)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// The revision in force after the record `seq`.
    pub fn revision_at(&self, seq: u64) -> Result<Option<Revision>> {
        Ok(self.last_until(letter::IN_FORCE, seq)?.and_then(|item| match item {
            Item::InForce { revision, .. } => Some(revision),
            _ => None,
        }))
    }

    /// The record by which the rules in force at a moment came into force; `None` before the first.
    pub fn in_force_at(&self, time: Time) -> Result<Option<u64>> {
        let all = collect!(self.scan(&Key::of(letter::IN_FORCE)), Item::InForce { seq, since, .. } => (seq, since))?;
        // in the order of records: a clock that was set back does not bring older rules back
        let last = all.into_iter().rev().find(|(_, since)| *since <= time);
        Ok(last.map(|(seq, _)| seq))
    }

    /// The revision that came into force by the record `seq`, and when.
    pub fn came_into_force(&self, seq: u64) -> Result<Option<(Revision, Time)>> {
        one!(self, &Key::of(letter::IN_FORCE).number(seq), Item::InForce { revision, since, .. } => (revision, since))
    }

    /// Where the settings that decided after the record `seq` were recorded.
    pub fn settings_at(&self, seq: u64) -> Result<Option<Position>> {
        Ok(self.last_until(letter::SETTINGS, seq)?.and_then(|item| match item {
            Item::Settings { recorded, .. } => Some(recorded),
            _ => None,
        }))
    }

    fn last_until(&self, letter: u8, seq: u64) -> Result<Option<Item>> {
        let mut last = None;
        for item in self.scan(&Key::of(letter)) {
            let item = item?;
            match &item {
                Item::InForce { seq: at, .. } | Item::Settings { seq: at, .. } if *at <= seq => last = Some(item),
                _ => break,
            }
        }
        Ok(last)
    }

    /// The rule files in force after the record `seq` whose paths begin with `folder`.
    pub fn rule_files_at(&self, seq: u64, folder: &str) -> Result<Vec<RuleFileLine>> {
        let below = Key::of(letter::RULE_FILE).beginning(folder);
        let versions = collect!(self.scan(&below), Item::RuleFile(line) => line)?;
        let mut in_force = std::collections::BTreeMap::new();
        for line in versions.into_iter().filter(|line| line.seq <= seq) {
            in_force.insert(line.path.clone(), line);
        }
        Ok(in_force.into_values().filter(|line| line.digest.is_some()).collect())
    }

    /// Whether there ever was a rule file whose path begins with `folder`.
    pub fn had_rule_files(&self, folder: &str) -> Result<bool> {
        let below = Key::of(letter::RULE_FILE).beginning(folder);
        Ok(self.scan(&below).next().transpose()?.is_some())
    }

    /// Until when nothing expires and nothing is deleted, by the last jump of the machine's clock.
    pub fn hold(&self) -> Result<Option<Time>> {
        one!(self, &keys::hold(), Item::Hold { until } => until)
    }

    /// When it was last noticed that a part of the journal is lost.
    pub fn lost(&self) -> Result<Option<Time>> {
        one!(self, &keys::lost(), Item::Lost { at } => at)
    }

    /// What is known of an endpoint whose last attempt failed.
    pub fn failing(&self, endpoint: &EndpointId) -> Result<Option<Failing>> {
        one!(self, &keys::failing(endpoint), Item::Failing(failing) => failing)
    }

    /// The endpoints whose last attempts failed.
    pub fn all_failing(&self) -> impl Iterator<Item = Result<Failing>> + '_ {
        let found = self.scan(&Key::of(letter::FAILING));
        found.filter_map(|item| match item {
            Ok(Item::Failing(failing)) => Some(Ok(failing)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// When a customer was last told that a receiver of its own fails.
    pub fn told_of_failing(&self, customer: &CustomerId) -> Result<Option<Time>> {
        one!(self, &keys::told_of_failing(customer), Item::ToldOfFailing { at, .. } => at)
    }

    /// When each provider was last heard, in each form.
    pub fn last_heard(&self) -> Result<Vec<(Provider, Form, Time)>> {
        let heard = self.scan(&keys::last_heard());
        collect!(heard, Item::LastHeard { provider, form, at } => (provider, form, at))
    }

    /// What is set aside, the latest first, before `before`.
    pub fn set_aside(&self, before: Option<Position>, most: usize) -> Result<Vec<SetAsideLine>> {
        let before = before.map(keys::set_aside);
        let lines = self.scan_back(&Key::of(letter::SET_ASIDE), before.as_ref());
        collect!(lines.take(most), Item::SetAside(line) => line)
    }

    /// Something that is set aside.
    pub fn set_aside_at(&self, at: Position) -> Result<Option<SetAsideLine>> {
        one!(self, &keys::set_aside(at), Item::SetAside(line) => line)
    }

    /// The planned deliveries of one communication to one customer that are due at the same time, at most so many.
    pub fn planned_together(
        &self,
        due: Time,
        customer: &CustomerId,
        communication: &str,
        most: usize,
    ) -> Result<Vec<String>> {
        let held = self.held_by(&keys::planned(due, customer, communication));
        let ids = held.take(most).map(|key| {
            let key = key?;
            keys::unpacked_id(&key.0[1..]).context("a delivery's key holds no id")
        });
        ids.collect()
    }

    /// The rule files that are broken.
    pub fn broken(&self) -> Result<Vec<BrokenFile>> {
        collect!(self.scan(&Key::of(letter::BROKEN)), Item::Broken(file) => file)
    }
}

/// See [`View::heads`].
pub struct Heads<'a> {
    view: &'a View,
    lane: Key,
    from: Key,
}

impl Heads<'_> {
    fn head(&mut self) -> Result<Option<(LaneKey, Standing)>> {
        while let Some((_, Item::Delivery(one))) = self.view.first_other(&self.lane, &self.from)? {
            let lane_key = one.lane_key();
            self.from = past(&keys::lane_about(&lane_key.endpoint, &lane_key.incident));
            if let Some(standing) = one.standing() {
                return Ok(Some((lane_key, standing)));
            }
        }
        Ok(None)
    }
}

impl Iterator for Heads<'_> {
    type Item = Result<(LaneKey, Standing)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.head().transpose()
    }
}

/// What was kept, in the order in which it was said: what was taken in from an archive stands before what was said here
/// later. The others stay as they are, because a clock may have been set back.
fn as_said<T>(kept: Vec<T>, at: impl Fn(&T) -> Time, is_taken_in: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken_in, said): (Vec<T>, Vec<T>) = kept.into_iter().partition(is_taken_in);
    if taken_in.is_empty() {
        return said;
    }
    let mut all: Vec<T> = Vec::with_capacity(taken_in.len() + said.len());
    let mut taken_in = taken_in.into_iter().collect::<VecDeque<T>>();
    taken_in.make_contiguous().sort_by_key(&at);
    for one in said {
        while let Some(earlier) = taken_in.pop_front_if(|earlier| at(earlier) <= at(&one)) {
            all.push(earlier);
        }
        all.push(one);
    }
    all.extend(taken_in);
    all
}

/// The first key behind everything that begins with `key`.
fn past(key: &Key) -> Key {
    match crate::store::end_of(&key.0) {
        std::ops::Bound::Excluded(end) => Key(end),
        _ => Key(vec![u8::MAX]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Provider};
    use crate::notification::{Channel, Form};
    use crate::store::Store;
    use crate::store::apply::Op;

    fn about(tracking_id: &str) -> IncidentId {
        IncidentId::new(Provider::Azure, tracking_id)
    }

    /// A delivery named by its lane, its tracking id, and the minute of publishing.
    fn delivery(lane: &str, tracking_id: &str, minute: i64) -> Delivery {
        Delivery {
            id: format!("{lane} {tracking_id} {minute}"),
            customer: CustomerId::new("contoso"),
            receiver: "all".to_owned(),
            endpoint: EndpointId(lane.to_owned()),
            channel: Channel::Webhook,
            form: Form::Message,
            incident: about(tracking_id),
            tracking_id: tracking_id.to_owned(),
            rules: Vec::new(),
            series: SeriesId("a series".to_owned()),
            part: 0,
            event: Position { seq: 1, nth: 0 },
            published: Time::UNIX_EPOCH + chrono::Duration::minutes(minute),
            title: String::new(),
            kind: Kind::Update,
            created: Time::UNIX_EPOCH,
            every: false,
        }
    }

    fn store(dir: &std::path::Path, deliveries: &[(&str, &str, i64)]) -> Store {
        let mut store = Store::open(dir).expect("opens");
        for (lane, tracking_id, minute) in deliveries {
            let delivery = delivery(lane, tracking_id, *minute);
            let (content, expires) = (delivery.event, Time::UNIX_EPOCH);
            let item = Item::Delivery(Box::new(DeliveryItem::scheduled(delivery, content, expires)));
            store.put(Op::Put(Box::new(item))).expect("puts");
        }
        store.commit(0).expect("writes");
        store
    }

    fn heads(store: &Store, lane: &str, after: Option<&str>) -> Vec<String> {
        let after = after.map(about);
        let heads = store.view().heads(&EndpointId(lane.to_owned()), after.as_ref());
        heads.map(|head| head.expect("reads").0.delivery).collect()
    }

    fn incident(tracking_id: &str, minute: i64) -> Incident {
        let known = serde_json::json!({
            "id": about(tracking_id), "tracking_id": tracking_id, "event_type": "Service issue", "status": "active",
            "status_at": Time::UNIX_EPOCH, "title": "Trouble", "kind": "update",
            "updated": Time::UNIX_EPOCH + chrono::Duration::minutes(minute), "first_heard": Time::UNIX_EPOCH,
        });
        serde_json::from_value(known).expect("an incident")
    }

    #[test]
    fn incidents_are_listed_by_their_newest_communication_each_once_and_from_anywhere_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(dir.path()).expect("opens");
        for (tracking_id, minute) in [("a", 3), ("b", 1), ("c", 2), ("d", 2), ("b", 4)] {
            let item = Item::Incident(incident(tracking_id, minute));
            store.put(Op::Put(Box::new(item))).expect("puts");
            store.commit(0).expect("writes");
        }
        let listed = |before: Option<(i64, &str)>| -> Vec<String> {
            let before = before.map(|(minute, id)| (Time::UNIX_EPOCH + chrono::Duration::minutes(minute), about(id)));
            let before = before.as_ref().map(|(updated, id)| (*updated, id));
            let found = store.view().incidents_newest_first(before);
            found.map(|one| one.expect("reads").tracking_id).collect()
        };
        assert_eq!(listed(None), ["b", "a", "d", "c"]);
        assert_eq!(listed(Some((3, "a"))), ["d", "c"]);
        assert_eq!(listed(Some((2, "d"))), ["c"]);
        assert_eq!(listed(Some((2, "c"))), Vec::<String>::new());
        store.put(Op::Remove(keys::incident_key(&about("b")))).expect("removes");
        store.commit(0).expect("writes");
        let left = store.view().incidents_newest_first(None);
        assert_eq!(left.count(), 3);
        store.check().expect("holds what it counts");
    }

    #[test]
    fn each_incident_has_one_head_the_oldest_published() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(
            dir.path(),
            &[("l", "b", 2), ("l", "b", 1), ("l", "a", 3), ("l2", "c", 1)],
        );
        assert_eq!(heads(&store, "l", None), ["l a 3", "l b 1"]);
        assert_eq!(heads(&store, "l2", None), ["l2 c 1"]);
        assert_eq!(heads(&store, "l3", None), Vec::<String>::new());
    }

    #[test]
    fn a_lane_is_gone_through_from_behind_any_incident_on_to_its_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(
            dir.path(),
            &[("l", "a", 1), ("l", "c", 1), ("l", "e", 1), ("m", "b", 1)],
        );
        assert_eq!(heads(&store, "l", None), ["l a 1", "l c 1", "l e 1"]);
        assert_eq!(heads(&store, "l", Some("a")), ["l c 1", "l e 1"]);
        assert_eq!(heads(&store, "l", Some("d")), ["l e 1"], "d is not there any more");
        assert_eq!(heads(&store, "l", Some("e")), Vec::<String>::new());
        assert_eq!(heads(&store, "n", Some("a")), Vec::<String>::new());
    }

    #[test]
    fn a_delivery_whose_making_was_lost_keeps_nothing_behind_it_waiting() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut store = store(dir.path(), &[("l", "a", 1), ("l", "a", 2), ("l", "b", 1)]);
        for lost in ["l a 1", "l b 1"] {
            store.put(Op::Remove(keys::delivery(lost))).expect("puts");
        }
        assert_eq!(heads(&store, "l", None), ["l a 2"]);
    }
}
