//! What people said beside the incidents: which resources were impacted. What they said of claims and downtimes stands in a
//! file as it is kept ([`Claimed`], [`Downtime`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Unfit;
use crate::claim::{self, Claimed, Downtime};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Provider;
use crate::incident::IncidentId;
use crate::incident::correction::FirstSaid;
use crate::incident::resources::{Resource, TOGETHER_MOST};
use crate::record::{ClaimMark, Command};

/// How many resources stand in one line.
pub const RESOURCES_IN_LINE: usize = 500;

/// The longest name or id, characters.
const NAME_CHARS_MOST: usize = 200;

/// The longest mark, characters: some hold a tracking id.
const MARK_CHARS_MOST: usize = 400;

/// Of which claims a customer was reminded, and of what: another daemon need not tell it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimRemindersLine {
    /// Whom.
    pub customer: CustomerId,
    /// Of which.
    pub of: Vec<ClaimMark>,
}

/// Resources that the incident before it impacted, as they were listed together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourcesLine {
    /// Who named the incident.
    pub provider: Provider,
    /// Its tracking id.
    pub tracking_id: String,
    /// Whose resources.
    pub customer: CustomerId,
    /// When they were listed.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// Whether the newest list of all was whole.
    pub complete: bool,
    /// Which.
    pub resources: Vec<Resource>,
}

/// What a line says that people said, as it may be taken in.
#[derive(Debug, Clone)]
pub enum Saying {
    /// Of claims: a customer was reminded.
    Reminders(ClaimRemindersLine),
    /// Of a claim.
    Claim(Box<Claimed>),
    /// Of downtime.
    Downtime(Box<Downtime>),
    /// Of resources.
    Resources(Box<ResourcesLine>),
}

impl Saying {
    /// Whether it may be taken in.
    ///
    /// # Errors
    /// When it may not: what of it is wrong.
    pub fn checked(self) -> Result<Self, Unfit> {
        let of_claim = |unfit: claim::Unfit| Unfit {
            field: unfit.field,
            what: unfit.what,
        };
        Ok(match self {
            Self::Reminders(line) => {
                named("customer", line.customer.as_str(), NAME_CHARS_MOST)?;
                if line.of.len() > RESOURCES_IN_LINE {
                    let what = format!("a line has at most {RESOURCES_IN_LINE} reminders");
                    return Err(unfit("of", what));
                }
                for one in &line.of {
                    named("of", &one.claim, NAME_CHARS_MOST)?;
                    named("of", &one.mark, MARK_CHARS_MOST)?;
                }
                Self::Reminders(line)
            }
            Self::Claim(claimed) => Self::Claim(Box::new(claimed.taken_from_archive().map_err(of_claim)?)),
            Self::Downtime(downtime) => Self::Downtime(Box::new(downtime.taken_from_archive().map_err(of_claim)?)),
            Self::Resources(line) => {
                named("customer", line.customer.as_str(), NAME_CHARS_MOST)?;
                named("by", &line.by, NAME_CHARS_MOST)?;
                if line.resources.is_empty() || line.resources.len() > TOGETHER_MOST {
                    let what = format!("a line has 1 to {TOGETHER_MOST} resources");
                    return Err(unfit("resources", what));
                }
                let is_kept = line.resources.iter().try_for_each(Resource::is_kept);
                is_kept.map_err(|what| unfit("resources", what))?;
                let mut keys = BTreeSet::new();
                if !line.resources.iter().all(|one| keys.insert(one.key())) {
                    return Err(unfit("resources", "a resource is named twice".to_owned()));
                }
                Self::Resources(line)
            }
        })
    }

    /// Whose it is.
    pub fn customer(&self) -> &CustomerId {
        match self {
            Self::Reminders(line) => &line.customer,
            Self::Claim(claimed) => &claimed.customer,
            Self::Downtime(downtime) => &downtime.customer,
            Self::Resources(line) => &line.customer,
        }
    }

    /// The command that keeps it, on behalf of who takes it in.
    pub fn command(self, by: &str) -> Command {
        match self {
            Self::Reminders(line) => Command::RemindedElsewhere {
                customer: line.customer,
                of: line.of,
            },
            Self::Claim(claimed) => Command::Claim(Box::new(Claimed {
                taken_in_by: Some(by.to_owned()),
                ..*claimed
            })),
            Self::Downtime(downtime) => Command::EnterDowntime(Box::new(Downtime {
                taken_in_by: Some(by.to_owned()),
                ..*downtime
            })),
            Self::Resources(line) => Command::ListResources {
                incident: IncidentId::new(line.provider, &line.tracking_id),
                customer: line.customer,
                resources: line.resources,
                is_complete: line.complete,
                first: Some(FirstSaid {
                    at: line.at,
                    by: line.by,
                }),
            },
        }
    }
}

fn named(field: &'static str, name: &str, most: usize) -> Result<(), Unfit> {
    let is_long = name.chars().count() > most;
    match name.is_empty() || is_long || name.chars().any(char::is_control) {
        true => {
            let what = format!("a name has 1 to {most} characters, and none that controls something");
            Err(unfit(field, what))
        }
        false => Ok(()),
    }
}

fn unfit(field: &'static str, what: String) -> Unfit {
    Unfit { field, what }
}
