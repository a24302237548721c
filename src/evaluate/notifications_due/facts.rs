//! What gathered for notifications that are due together.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Result;

use super::super::facts::Sets;
use super::{Asked, Due, Gathered as Together, Group};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Impact;
use crate::incident::IncidentId;
use crate::journal::{self, Position};
use crate::notification::SeriesId;
use crate::record::Accounts;
use crate::store::View;
use crate::store::item::{DeliveryItem, Gathered, Item};
use crate::store::keys;

/// How many notifications are decided together at most.
const TOGETHER_MOST: usize = 256;

/// After so many things that were gathered, the rest of the notifications is left to the next decision.
const GATHERED_MOST: usize = 5_000;

/// After so many accounts that what they say names, too.
const ACCOUNTS_MOST: usize = 20_000;

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
    /// For notifications that are due together: what gathered for some of them. The public URL is the caller's to add.
    ///
    /// # Errors
    /// When store or journal cannot be read.
    pub fn tell_context(&self, due: &DueTogether<'_>, journal: &journal::Reader) -> Result<Together> {
        let mut groups: BTreeMap<Vec<GatheredKey>, Group> = BTreeMap::new();
        let mut sets = Sets::default();
        let mut verdicts = Verdicts::default();
        let has_one_communication = !self.has_several_communications(due.incident)?;
        let (mut read, mut taken, mut accounts) = (0, 0, 0);
        let planned = keys::planned(due.at, due.customer, due.communication);
        for item in self.scan_other(&planned) {
            let Item::Delivery(item) = item? else { continue };
            let Some(notification) = item.notification() else {
                continue;
            };
            let gathered = self.gathered_for(&item)?;
            (read, taken) = (read + gathered.len(), taken + 1);
            let key = gathered.iter().map(GatheredKey::of).collect();
            let group = match groups.entry(key) {
                Entry::Occupied(group) => group.into_mut(),
                Entry::Vacant(place) => {
                    let verdicts = self.asked(&gathered, &mut sets, &mut verdicts, journal)?;
                    accounts += verdicts.iter().map(|asked| asked.new.len()).sum::<usize>();
                    place.insert(Group {
                        verdicts,
                        notifications: Vec::new(),
                    })
                }
            };
            let is_first = has_one_communication && notification.part == 0;
            group.notifications.push(Due {
                is_reply: !is_first && self.is_threaded(&notification.endpoint, &notification.incident)?,
                notification,
            });
            if read >= GATHERED_MOST || taken >= TOGETHER_MOST || accounts >= ACCOUNTS_MOST {
                break;
            }
        }
        Ok(Together {
            groups: groups.into_values().collect(),
            incident: self.incident(due.incident)?,
            public_url: None,
            lost: self.lost()?,
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
    ) -> Result<Vec<Asked>> {
        let mut asked = Vec::new();
        for one in gathered {
            let new = self.new_accounts(one, sets, journal)?;
            if let Some((rule, impact)) = verdicts.find(self, one, journal)? {
                asked.push(Asked { rule, impact, new });
            }
        }
        Ok(asked)
    }
}
