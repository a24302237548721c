//! What bears on a decision, fetched before it: see [`crate::evaluate::Context`].

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::clock::Time;
use crate::delivery::{Attempt, Delivery, Standing};
use crate::evaluate::hear::{self, Heard};
use crate::evaluate::{OldIncident, Pending, placing, tell, tried};
use crate::event::Event;
use crate::incident::{Hearing, IncidentId};
use crate::journal;
use crate::journal::Position;
use crate::lookup;
use crate::notification::{EndpointId, SeriesId};
use crate::record::{Change, Judged};
use crate::rule::RuleSet;
use crate::store::View;
use crate::store::item::{Gathered, Progress};
use crate::store::keys;

/// How far a failed attempt looks for what waits behind it.
const BEHIND_MOST: usize = 64;

/// How many deliveries of a vanished endpoint are moved or ended by one decision.
const MOVED_MOST: usize = 200;

/// How many incidents one decision of retention looks at.
const LOOKED_AT_MOST: usize = 1_000;

impl View {
    /// For an event: its incident, what its accounts heard, who asks, and the notifications it could lead to.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn hear_context(&self, event: &Event, rules: &RuleSet, journal: &journal::Reader) -> Result<Heard> {
        let id = IncidentId::of(event);
        let mut heard = BTreeMap::new();
        for account in placing::accounts_of(event) {
            heard.insert(account.clone(), self.hearings_of(&id, &account)?);
        }
        let incident = self.incident(&id)?;
        let mut context = Heard {
            placed: placing::place(event, &heard),
            entries: self.entries(&id)?,
            ..Heard::default()
        };
        if context.placed.repeat_of.is_none() && event.arrival == crate::event::Arrival::Live {
            context.asking = hear::asking(event, incident.as_ref(), &self.follows(&id)?, rules);
            // of an incident that is not known yet, nobody was told
            if incident.is_some() {
                self.add_series(event, &heard, rules, journal, &mut context)?;
            }
        }
        context.incident = incident;
        Ok(context)
    }

    fn add_series(
        &self,
        event: &Event,
        heard: &BTreeMap<String, Vec<Hearing>>,
        rules: &RuleSet,
        journal: &journal::Reader,
        context: &mut Heard,
    ) -> Result<()> {
        let id = IncidentId::of(event);
        for asking in &context.asking {
            for wanted in hear::wanted(event, &context.placed, &context.entries, asking, rules) {
                let Some(known) = self.latest_part(&id, &wanted.endpoint, &wanted.series)? else {
                    continue;
                };
                for account in &asking.left.accounts {
                    let before = heard.get(account).map_or(&[][..], Vec::as_slice);
                    if self.has_reached(&id, &wanted.series, account, before, journal)? {
                        context.reached.insert((wanted.series.clone(), account.clone()));
                    }
                }
                let notification = known.notification().unwrap_or_else(|| known.closed());
                context.series.insert(wanted.series, notification);
            }
        }
        Ok(())
    }

    /// Whether an endpoint was told of an account by a series: by one of the events that the account heard `before`.
    fn has_reached(
        &self,
        id: &IncidentId,
        series: &SeriesId,
        account: &String,
        before: &[Hearing],
        journal: &journal::Reader,
    ) -> Result<bool> {
        for hearing in before {
            for gathered in self.gathered_from(id, series, hearing.event)? {
                if self.new_accounts(&gathered, journal)?.contains(account) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The accounts that an event added to a series; none, if the journal lost them.
    fn new_accounts(&self, gathered: &Gathered, journal: &journal::Reader) -> Result<Vec<String>> {
        if let Some(new) = &gathered.new {
            return Ok(new.clone());
        }
        let judged = self.judged(gathered.event, gathered.verdict, journal)?;
        let tells = judged.into_iter().flat_map(|judged| judged.tells);
        Ok(tells
            .filter(|tells| tells.series == gathered.series && tells.part == gathered.part)
            .flat_map(|tells| tells.new)
            .collect())
    }

    /// For a due notification: what gathered for it. The public URL is the caller's to add.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn tell_context(&self, series: &SeriesId, part: u32, journal: &journal::Reader) -> Result<tell::Gathered> {
        let Some(notification) = self.notification(series, part)? else {
            return Ok(tell::Gathered {
                notification: None,
                verdicts: Vec::new(),
                incident: None,
                is_reply: false,
                public_url: None,
            });
        };
        let mut verdicts = Vec::new();
        for one in self.gathered(&notification.incident, series)? {
            if one.part == part {
                verdicts.extend(self.judged(one.event, one.verdict, journal)?);
            }
        }
        Ok(tell::Gathered {
            incident: self.incident(&notification.incident)?,
            is_reply: self.is_threaded(&notification.endpoint, &notification.incident)?,
            notification: Some(notification),
            verdicts,
            public_url: None,
        })
    }

    /// A verdict by where it stands: from the store if it is small, else from the journal; if it is lost there, `None`.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn judged(&self, event: Position, at: Position, journal: &journal::Reader) -> Result<Option<Judged>> {
        if let Some(whole) = self.verdict(event, at)?.and_then(|line| line.whole) {
            return Ok(Some(*whole));
        }
        match lookup::unless_lost(lookup::change(journal, at))? {
            Some(Change::Judged(judged)) => Ok(Some(judged)),
            Some(_) => bail!("record {at} is not the verdict it should be"),
            None => Ok(None),
        }
    }

    /// Whether a verdict that a notification gathers is kept in the journal only, by a record from `from` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn gathers_from_journal(&self, series: &SeriesId, part: u32, from: u64) -> Result<bool> {
        let Some(notification) = self.notification(series, part)? else {
            return Ok(false);
        };
        for one in self.gathered(&notification.incident, series)? {
            let is_staged = one.part == part && one.verdict.seq >= from;
            if is_staged
                && self
                    .verdict(one.event, one.verdict)?
                    .is_none_or(|line| line.whole.is_none())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether something that waits for an endpoint was made by a record from `from` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn was_told_since(&self, endpoint: &EndpointId, from: u64) -> Result<bool> {
        for place in self.lane(endpoint, MOVED_MOST)? {
            if self
                .delivery(&place.delivery)?
                .is_some_and(|(_, content, _)| content.seq >= from)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// For an attempt's end: its delivery, and what waits behind it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tried_context(&self, attempt: &Attempt) -> Result<tried::Lane> {
        let delivery = self.known(&attempt.delivery)?;
        let mut lane = tried::Lane {
            behind: Vec::new(),
            carried: Vec::new(),
            delivery,
        };
        let failed = matches!(attempt.outcome, crate::channel::Outcome::Retry { .. });
        if let Some((delivery, _)) = lane.delivery.as_ref().filter(|_| failed) {
            for place in self.behind(&delivery.lane_key(), BEHIND_MOST)? {
                lane.behind.extend(self.known(&place.delivery)?);
            }
            for id in std::iter::once(&delivery.id).chain(lane.behind.iter().map(|(behind, _)| &behind.id)) {
                lane.carried.push((id.clone(), self.carried(id)?));
            }
        }
        Ok(lane)
    }

    /// A delivery and how far it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known(&self, id: &str) -> Result<Option<(Delivery, Standing)>> {
        Ok(self.delivery(id)?.map(|(delivery, _, standing)| (delivery, standing)))
    }

    /// For a vanished endpoint: what waits for it, some of it.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn endpoint_context(&self, endpoint: &EndpointId, journal: &journal::Reader) -> Result<Vec<Pending>> {
        let mut pending = Vec::new();
        for place in self.lane(endpoint, MOVED_MOST)? {
            if let Some((delivery, at, standing)) = self.delivery(&place.delivery)? {
                pending.push(Pending {
                    content: lookup::unless_lost(lookup::content(journal, at))?,
                    delivery,
                    standing,
                });
            }
        }
        Ok(pending)
    }

    /// For retention: deliveries that ended before `before`, some of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn old_deliveries(&self, before: Time, most: usize) -> Result<Vec<(Delivery, Standing)>> {
        let known = self.ended_before(before).take(most).map(|ended| {
            let ended = ended?;
            let standing = ended.standing();
            Ok(standing.map(|standing| (ended.delivery, standing)))
        });
        known.filter_map(Result::transpose).collect()
    }

    /// For retention: incidents that were last heard of before `before` (`before_review`, if they have a review), some
    /// of them; never one with anything pending, nor one of whose deliveries is still known. Looks at some incidents
    /// only, from the one behind `after` on, and says where to go on; `None` at the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn old_incidents(
        &self,
        after: Option<&IncidentId>,
        before: Option<Time>,
        before_review: Option<Time>,
        most: usize,
    ) -> Result<(Vec<OldIncident>, Option<IncidentId>)> {
        let mut old = Vec::new();
        for (nth, incident) in (1..).zip(self.incidents_after(after)) {
            let incident = incident?;
            let is_old = |before: Option<Time>| before.is_some_and(|before| incident.updated < before);
            // what is young on either count is passed over without reading anything more of it
            if is_old(before) || is_old(before_review) {
                let has_review = self.entries(&incident.id)?.iter().any(|entry| entry.kind.is_review());
                if is_old(if has_review { before_review } else { before }) {
                    old.extend(self.forgettable(&incident.id)?);
                }
            }
            if old.len() >= most || nth >= LOOKED_AT_MOST {
                return Ok((old, Some(incident.id)));
            }
        }
        Ok((old, None))
    }

    /// What goes with an incident, unless anything about it is pending, or one of its deliveries is still known.
    fn forgettable(&self, id: &IncidentId) -> Result<Option<OldIncident>> {
        let events = self.events_of(id)?;
        if self.has_undecided(&events)? {
            return Ok(None);
        }
        let mut series = Vec::new();
        for delivery in self.deliveries_about(id) {
            let delivery = delivery?;
            if delivery.progress != Progress::Forgotten {
                return Ok(None);
            }
            series.push(delivery.delivery.series);
        }
        Ok(Some(OldIncident {
            incident: id.clone(),
            events,
            series,
        }))
    }

    fn has_undecided(&self, events: &[Position]) -> Result<bool> {
        for at in events {
            if self.has(&keys::inbox(*at))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
