//! Downtime that no incident of a provider explains: a person enters it, with what proves it, and may withdraw it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::customer::account::account_id;
use crate::event::fold;
use crate::incident::resources::resource_key;

use super::standing::Unfit;
use super::words::provider_word;

/// The most downtimes of a customer that count: neither withdrawn nor too old.
pub const DOWNTIMES_MOST: usize = 1_000;

/// What ended so long ago can be claimed nowhere any more, days.
pub const DAYS_MOST: i64 = 450;

/// The longest downtime, days: a mistyped year would claim every month of it.
pub const LASTS_DAYS_MOST: i64 = 31;

/// The most pieces of evidence.
pub const EVIDENCE_MOST: usize = 20;

/// The longest piece of evidence, and the longest reason, characters.
pub const TEXT_CHARS_MOST: usize = 1_000;

/// The longest service, region or resource, characters.
const NAME_CHARS_MOST: usize = 500;

/// How many characters of a hash are a downtime's id.
const ID_CHARS: usize = 20;

/// Downtime that a person entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// The same for the same customer, thing and times.
    pub id: String,
    /// Whose.
    pub customer: CustomerId,
    /// The provider's word.
    pub provider: String,
    /// The service, as the person wrote it.
    pub service: String,
    /// Where; none: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account, in lower case; none: all of the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// The resource; none: all of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// When it began.
    pub from: Time,
    /// When it was over.
    pub until: Time,
    /// Why it counts.
    pub reason: String,
    /// What proves it: sentences, addresses, names of files; at least one.
    pub evidence: Vec<String>,
    /// When it was entered.
    pub at: Time,
    /// Who entered it: the name of the token, or the customer.
    pub by: String,
    /// That it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawn>,
    /// Who took it in, of one out of an archive: the name of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_in_by: Option<String>,
}

/// That a person took a downtime back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// When.
    pub at: Time,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a person enters, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The provider, in any of its words; empty: Azure.
    pub provider: String,
    /// The service.
    pub service: String,
    /// The region; empty: everywhere.
    pub region: String,
    /// The account; empty: all.
    pub subscription: String,
    /// The resource; empty: all.
    pub resource: String,
    /// When it began.
    pub from: Option<Time>,
    /// When it was over.
    pub until: Option<Time>,
    /// Why it counts.
    pub reason: String,
    /// What proves it.
    pub evidence: Vec<String>,
}

impl Typed {
    /// The downtime, if it can be one.
    ///
    /// # Errors
    /// With the field, and what to type.
    pub fn checked(self, customer: &CustomerId, by: &str, now: Time) -> Result<Downtime, Unfit> {
        self.is_recent(now)?;
        self.shaped(customer, by, now)
    }

    /// The downtime, whenever it was.
    fn shaped(self, customer: &CustomerId, by: &str, now: Time) -> Result<Downtime, Unfit> {
        let (from, until) = self.window()?;
        let provider = match self.provider.trim() {
            "" => "azure".to_owned(),
            word => provider_word(word),
        };
        let service = text("service", &self.service, NAME_CHARS_MOST)?;
        let service = service.ok_or_else(|| unfit("service", "downtime is of a service", "like `Virtual Machines`"))?;
        let reason = text("reason", &self.reason, TEXT_CHARS_MOST)?;
        let reason = reason.ok_or_else(|| {
            unfit(
                "reason",
                "downtime needs a reason",
                "say why it counts, for those who read it later",
            )
        })?;
        let subscription = match self.subscription.trim() {
            "" => None,
            word => Some(account_id(word).map_err(|why| unfit("subscription", &why.what, &why.hint))?),
        };
        let mut downtime = Downtime {
            id: String::new(),
            customer: customer.clone(),
            provider,
            service,
            region: text("region", &self.region, NAME_CHARS_MOST)?,
            subscription,
            resource: text("resource", &self.resource, NAME_CHARS_MOST)?,
            from,
            until,
            reason,
            evidence: evidence(&self.evidence)?,
            at: now,
            by: by.to_owned(),
            withdrawn: None,
            taken_in_by: None,
        };
        downtime.id = downtime.digest();
        Ok(downtime)
    }

    fn window(&self) -> Result<(Time, Time), Unfit> {
        let example = "like 2026-11-24T08:40:00Z";
        let from = self.from.ok_or_else(|| unfit("from", "when did it begin?", example))?;
        let until = self.until.ok_or_else(|| unfit("until", "when was it over?", example))?;
        if until <= from {
            return Err(unfit(
                "until",
                "downtime ends after it begins",
                "look at both times; they may have to be exchanged",
            ));
        }
        if until - from > chrono::Duration::days(LASTS_DAYS_MOST) {
            let what = format!(
                "this lasts {} days, and at most {LASTS_DAYS_MOST} are taken",
                (until - from).num_days()
            );
            return Err(unfit(
                "from",
                &what,
                "is the year right? Enter what lasted longer in parts",
            ));
        }
        Ok((from, until))
    }

    /// Whether it is over, and not too long ago.
    fn is_recent(&self, now: Time) -> Result<(), Unfit> {
        let (_, until) = self.window()?;
        if until > now {
            let hint = "enter it when it is over, or what of it is over";
            return Err(unfit("until", "this is not over yet: it ends in the future", hint));
        }
        if until < now - chrono::Duration::days(DAYS_MOST) {
            let what = format!("this ended more than {DAYS_MOST} days ago, and can be claimed nowhere any more");
            return Err(unfit("until", &what, "is the year right?"));
        }
        Ok(())
    }
}

impl Downtime {
    /// Derived from whose, what and when, so that the same downtime has the same id whoever enters it again.
    fn digest(&self) -> String {
        let or = |text: &Option<String>| text.as_deref().map(fold).unwrap_or_default();
        let resource = self.resource.as_deref().map(resource_key).unwrap_or_default();
        let parts = [
            self.customer.as_str().to_owned(),
            self.provider.clone(),
            fold(&self.service),
            or(&self.region),
            self.subscription.clone().unwrap_or_default(),
            resource,
            self.from.to_rfc3339(),
            self.until.to_rfc3339(),
        ];
        let digest = Sha256::digest(parts.join("\u{1f}"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        hex[..ID_CHARS].to_owned()
    }

    /// When a person said the last word of it.
    pub fn last_said(&self) -> Time {
        self.withdrawn.as_ref().map_or(self.at, |withdrawn| withdrawn.at)
    }

    /// What stands in an archive, if it may be kept: however long ago it was.
    ///
    /// # Errors
    /// When it may not, with the field.
    pub fn taken_from_archive(self) -> Result<Self, Unfit> {
        let typed = Typed {
            provider: self.provider.clone(),
            service: self.service.clone(),
            region: self.region.clone().unwrap_or_default(),
            subscription: self.subscription.clone().unwrap_or_default(),
            resource: self.resource.clone().unwrap_or_default(),
            from: Some(self.from),
            until: Some(self.until),
            reason: self.reason.clone(),
            evidence: self.evidence.clone(),
        };
        for (field, name) in [("customer", self.customer.as_str()), ("by", &self.by)] {
            let name = text(field, name, NAME_CHARS_MOST)?;
            name.ok_or_else(|| unfit(field, "nobody is named", "take the line as it was written"))?;
        }
        let shaped = typed.shaped(&self.customer, &self.by, self.at)?;
        if shaped.id != self.id {
            let hint = "take the line as it was written";
            return Err(unfit("id", "this is the id of another downtime", hint));
        }
        let withdrawn = self.withdrawn.map(|one| {
            Ok(Withdrawn {
                reason: reason(&one.reason)?,
                by: text("by", &one.by, NAME_CHARS_MOST)?.unwrap_or_default(),
                ..one
            })
        });
        Ok(Self {
            withdrawn: withdrawn.transpose()?,
            taken_in_by: self.taken_in_by,
            ..shaped
        })
    }

    /// Whether it is computed with at `now`: not withdrawn, and not too old.
    pub fn counts(&self, now: Time) -> bool {
        self.withdrawn.is_none() && self.until >= now - chrono::Duration::days(DAYS_MOST)
    }

    /// Whether both say the same, whoever says it and when.
    pub fn is_same(&self, other: &Self) -> bool {
        let says = |one: &Self| (one.id.clone(), one.reason.clone(), one.evidence.clone());
        says(self) == says(other) && self.withdrawn.is_none() && other.withdrawn.is_none()
    }

    /// Whose word it is and what proves it, as a sentence goes on.
    pub fn said_by(&self) -> String {
        format!(
            "by a person's entry of {} on {} ({}), evidence: {}",
            self.by,
            self.at.format("%Y-%m-%d"),
            self.reason,
            self.evidence.join("; ")
        )
    }
}

/// A reason for which a downtime is withdrawn.
///
/// # Errors
/// When there is none, or it is too long.
pub fn reason(typed: &str) -> Result<String, Unfit> {
    let reason = text("reason", typed, TEXT_CHARS_MOST)?;
    reason.ok_or_else(|| {
        unfit(
            "reason",
            "withdrawing needs a reason",
            "say why, for those who read it later",
        )
    })
}

fn evidence(typed: &[String]) -> Result<Vec<String>, Unfit> {
    let mut evidence = Vec::new();
    for one in typed {
        let one = text("evidence", one, TEXT_CHARS_MOST)?;
        evidence.extend(one.filter(|one| !evidence.contains(one)));
    }
    if evidence.is_empty() {
        let hint = "a sentence, an address or the name of a file that shows it";
        return Err(unfit("evidence", "downtime without an incident needs evidence", hint));
    }
    if evidence.len() > EVIDENCE_MOST {
        let what = format!("{} pieces of evidence are more than {EVIDENCE_MOST}", evidence.len());
        return Err(unfit("evidence", &what, "name the folder they are in"));
    }
    Ok(evidence)
}

/// A text on one line that is not too long; none where nothing is said.
fn text(field: &'static str, typed: &str, most: usize) -> Result<Option<String>, Unfit> {
    let text = typed.trim();
    if text.chars().count() > most || text.chars().any(char::is_control) {
        let what = format!("this has at most {most} characters, and none that controls something");
        return Err(unfit(field, &what, "say it in fewer words, on one line"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn unfit(field: &'static str, what: &str, hint: &str) -> Unfit {
    Unfit {
        field,
        what: what.to_owned(),
        hint: hint.to_owned(),
    }
}
