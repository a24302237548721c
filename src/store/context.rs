//! What bears on a decision, fetched before it: see [`crate::evaluate::Context`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, Standing};
use crate::evaluate::hear::{self, Heard};
use crate::evaluate::{OldIncident, Pending, placing, tell, tried};
use crate::event::{Event, Impact};
use crate::incident::{Hearing, IncidentId};
use crate::journal;
use crate::journal::Position;
use crate::lookup;
use crate::notification::{EndpointId, SeriesId};
use crate::record::{Accounts, Change, Judged, Stands};
use crate::rule::RuleSet;
use crate::store::View;
use crate::store::item::{DeliveryItem, Gathered, Item, Progress};
use crate::store::keys;

/// How far a failed attempt looks for what waits behind it.
const BEHIND_MOST: usize = 64;

/// How many deliveries of a vanished endpoint are moved or ended by one decision.
const MOVED_MOST: usize = 200;

/// How many incidents one decision of retention looks at.
const LOOKED_AT_MOST: usize = 1_000;

/// How many notifications are decided together at most.
const TOGETHER_MOST: usize = 256;

/// After so many things that were gathered, the rest of the notifications is left to the next decision.
const GATHERED_MOST: usize = 5_000;

/// Notifications of one communication to one customer that are due at the same time.
pub struct DueTogether<'a> {
    /// When.
    pub at: Time,
    /// About which incident.
    pub incident: &'a IncidentId,
    /// Whose.
    pub customer: &'a CustomerId,
    /// Which communication.
    pub communication: &'a str,
}

/// What two notifications have in common if they say the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct GatheredKey {
    verdict: Position,
    new: Option<Accounts>,
    /// Where only the verdict itself holds the accounts, it holds those of each series.
    series: Option<SeriesId>,
}

impl GatheredKey {
    fn of(gathered: &Gathered) -> Self {
        Self {
            verdict: gathered.verdict,
            new: gathered.new.clone(),
            series: gathered.new.is_none().then(|| gathered.series.clone()),
        }
    }
}

/// Sets of accounts, each read once.
#[derive(Default)]
struct Sets(HashMap<Position, Arc<Vec<String>>>);

impl Sets {
    fn accounts(&mut self, view: &View, event: Position, accounts: &Accounts) -> Result<Arc<Vec<String>>> {
        let set = match accounts {
            Accounts::These(accounts) => return Ok(Arc::new(accounts.clone())),
            Accounts::Of(set) => *set,
        };
        if let Some(known) = self.0.get(&set.position(&Stands::alone(0))) {
            return Ok(known.clone());
        }
        let read = Arc::new(view.whole_set(event, set)?.accounts);
        self.0.insert(set.position(&Stands::alone(0)), read.clone());
        Ok(read)
    }
}

/// The rule of a verdict, and the impact that it left.
type Asking = (String, Arc<Vec<Impact>>);

/// Verdicts, each read once.
#[derive(Default)]
struct Verdicts(HashMap<Position, Option<Asking>>);

impl Verdicts {
    fn find(&mut self, view: &View, gathered: &Gathered, journal: &journal::Reader) -> Result<Option<Asking>> {
        if let Some(known) = self.0.get(&gathered.verdict) {
            return Ok(known.clone());
        }
        let judged = view.judged(gathered.event, gathered.verdict, journal)?;
        let found = judged.map(|judged| (judged.rule, Arc::new(judged.impact)));
        self.0.insert(gathered.verdict, found.clone());
        Ok(found)
    }
}

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
            let follows = self.follows(&id)?;
            context.asking = hear::asking(
                event,
                incident.as_ref(),
                &follows,
                &context.placed,
                &context.entries,
                rules,
            );
            // of an incident that is not known yet, nobody was told
            if incident.is_some() {
                self.add_series(&id, &heard, journal, &mut context)?;
            }
        }
        context.incident = incident;
        Ok(context)
    }

    fn add_series(
        &self,
        id: &IncidentId,
        heard: &BTreeMap<String, Vec<Hearing>>,
        journal: &journal::Reader,
        context: &mut Heard,
    ) -> Result<()> {
        for asking in &context.asking {
            for wanted in &asking.wanted {
                let Some(known) = self.latest_part(id, &wanted.endpoint, &wanted.series)? else {
                    continue;
                };
                let mut told = HashMap::new();
                for account in &asking.left.accounts {
                    let before = heard.get(account).map_or(&[][..], Vec::as_slice);
                    if self.has_reached(id, &wanted.series, account, before, &mut told, journal)? {
                        context.has_reached.insert(wanted.series.clone());
                        context.reached.insert((wanted.series.clone(), account.clone()));
                    }
                }
                let latest = hear::LatestPart {
                    part: known.delivery.part,
                    due: known.notification().map(|open| open.due),
                };
                context.series.insert(wanted.series.clone(), latest);
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
        told: &mut HashMap<Position, HashSet<String>>,
        journal: &journal::Reader,
    ) -> Result<bool> {
        for hearing in before {
            let accounts = match told.entry(hearing.event) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(place) => {
                    let mut accounts = HashSet::new();
                    for gathered in self.gathered_by(id, series, hearing.event)? {
                        let new = self.new_accounts(&gathered, &mut Sets::default(), journal)?;
                        accounts.extend(new.iter().cloned());
                    }
                    place.insert(accounts)
                }
            };
            if accounts.contains(account) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The accounts that an event added to a series; none, if the journal lost them.
    fn new_accounts(
        &self,
        gathered: &Gathered,
        sets: &mut Sets,
        journal: &journal::Reader,
    ) -> Result<Arc<Vec<String>>> {
        match &gathered.new {
            Some(accounts) => sets.accounts(self, gathered.event, accounts),
            None => {
                let judged = self.judged(gathered.event, gathered.verdict, journal)?;
                let tells = judged.into_iter().flat_map(|judged| judged.tells);
                let own = tells.filter(|tells| tells.series == gathered.series && tells.part == gathered.part);
                Ok(Arc::new(own.flat_map(|tells| tells.new).collect()))
            }
        }
    }

    /// For notifications that are due together: what gathered for some of them. The public URL is the caller's to add.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn tell_context(&self, due: &DueTogether<'_>, journal: &journal::Reader) -> Result<tell::Gathered> {
        let mut groups: BTreeMap<Vec<GatheredKey>, tell::Group> = BTreeMap::new();
        let mut sets = Sets::default();
        let mut verdicts = Verdicts::default();
        let has_one_communication = self.entries(due.incident)?.len() <= 1;
        let mut read = 0;
        let planned = keys::planned(due.at, due.customer, due.communication);
        for item in self.scan_other(&planned).take(TOGETHER_MOST) {
            let Item::Delivery(item) = item? else { continue };
            let Some(notification) = item.notification() else {
                continue;
            };
            let gathered = self.gathered_for(&item)?;
            read += gathered.len();
            let key = gathered.iter().map(GatheredKey::of).collect();
            let group = match groups.entry(key) {
                Entry::Occupied(group) => group.into_mut(),
                Entry::Vacant(place) => place.insert(tell::Group {
                    verdicts: self.asked(&gathered, &mut sets, &mut verdicts, journal)?,
                    notifications: Vec::new(),
                    frozen: None,
                }),
            };
            let is_first = has_one_communication && notification.part == 0;
            group.notifications.push(tell::Due {
                is_reply: !is_first && self.is_threaded(&notification.endpoint, &notification.incident)?,
                notification,
            });
            if read >= GATHERED_MOST {
                break;
            }
        }
        Ok(tell::Gathered {
            groups: groups.into_values().collect(),
            incident: self.incident(due.incident)?,
            public_url: None,
        })
    }

    /// What gathered for a delivery that is planned, in the order of events.
    fn gathered_for(&self, item: &DeliveryItem) -> Result<Vec<Gathered>> {
        let one = &item.delivery;
        let mut gathered: Vec<Gathered> = item.first_gathered().into_iter().collect();
        let later = self.gathered_since(&one.incident, &one.series, one.event)?;
        gathered.extend(later.into_iter().filter(|gathered| gathered.part == one.part));
        gathered.sort_by_key(|gathered| (gathered.event, gathered.verdict));
        Ok(gathered)
    }

    fn asked(
        &self,
        gathered: &[Gathered],
        sets: &mut Sets,
        verdicts: &mut Verdicts,
        journal: &journal::Reader,
    ) -> Result<Vec<tell::Asked>> {
        let mut asked = Vec::new();
        for one in gathered {
            let new = self.new_accounts(one, sets, journal)?;
            if let Some((rule, impact)) = verdicts.find(self, one, journal)? {
                asked.push(tell::Asked { rule, impact, new });
            }
        }
        Ok(asked)
    }

    /// A verdict by where it stands: from the store if it is small, else from the journal; if it is lost there, `None`.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn judged(&self, event: Position, at: Position, journal: &journal::Reader) -> Result<Option<Judged>> {
        if let Some(whole) = self.verdict(event, at)?.and_then(|line| line.whole) {
            return self.with_sets(*whole).map(Some);
        }
        match lookup::unless_lost(lookup::change(journal, at))? {
            Some(Change::Judged(judged)) => Ok(Some(judged)),
            Some(_) => bail!("record {at} is not the verdict it should be"),
            None => Ok(None),
        }
    }

    /// A verdict with the accounts and the impact that it refers to.
    fn with_sets(&self, mut judged: Judged) -> Result<Judged> {
        if let Some(set) = judged.accounts_of.take() {
            judged.accounts = self.whole_set(judged.event, set)?.accounts;
        }
        if let Some(set) = judged.impact_of.take() {
            judged.impact = self.whole_set(judged.event, set)?.impact;
        }
        Ok(judged)
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
                let frozen = lookup::unless_lost(lookup::content(journal, at))?;
                let item = self.delivery_item(&delivery.id)?;
                pending.push(Pending {
                    content: item.zip(frozen).map(|(item, frozen)| item.content_of(&frozen)),
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
