//! What follows from everything that can happen: the product on one page.
//!
//! [`evaluate`] is a pure function over closed enums: an input, what is known that bears on it, the rules, the time;
//! out come changes, at least one, each with its reason. It reads no clock, no file, no store: who calls it fetched
//! the [`Case`] before, and writes the changes down after. Each file here is one thing that can happen; its `facts`
//! look up what bears on it, and everything else decides, and names no view, journal, clock, file or socket.
//!
//! ```text
//! an event was received       ──▶ event_received     repeats, history, who asks, gates, notifications that gather
//! notifications are due       ──▶ notifications_due  they become deliveries, their content frozen
//! attempts ended              ──▶ attempt_finished   done, again at, dead, superseded; a relay that refuses us
//! rules changed               ──▶ rules_changed      in force, broken, mended
//! an endpoint is gone         ──▶ receiver_gone      what waits moves to the new address, or is dead
//! a delivery's life is over   ──▶ delivery_expired
//! redelivery was asked for    ──▶ redelivery_asked
//! an event has no rules yet   ──▶ rules_awaited      kept until there are rules
//! rules are to be forgotten   ──▶ rules_forgotten    those of a customer whose folder is gone end
//! retention is over           ──▶ retention_due      what is old is forgotten
//! the machine's clock jumped  ──▶ clock_jumped       for an hour nothing expires and nothing is deleted
//! something owed may be due    ──▶ owed_due           customers are reminded by events of our own, each of its part
//! a person corrects something ──▶ correction_asked   it counts against the provider's word, and clocks are set anew
//! a person speaks of a claim  ──▶ claim_asked        kept, if the claim is so far
//! resources are listed        ──▶ resources_listed   kept with their incident, each in place of what was said before
//! a person enters downtime    ──▶ downtime_entered   it counts like an incident, until it is withdrawn
//! claims are to be told of    ──▶ claims_due         by events of our own, each once, also where another daemon told it
//! it could not be decided     ──▶ set_aside          listed, told to the operator, and everything else goes on
//! that is to be tried again   ──▶ retry_asked
//! a test was asked for        ──▶ test_asked         this receiver is told, and nothing else
//! ```

use crate::claim::{Claimed, Downtime};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, Standing};
use crate::event::Event;
use crate::journal::Position;
use crate::record::{Change, ClaimMark, Input, Why};
use crate::rule::RuleSet;

pub(crate) mod attempt_finished;
mod claim_asked;
mod claims_due;
mod clock_jumped;
mod correction_asked;
mod delivery_expired;
mod downtime_entered;
pub(crate) mod event_received;
mod facts;
mod measuring;
pub(crate) mod notifications_due;
mod owed_due;
pub(crate) mod own;
pub(crate) mod placing;
mod receiver_gone;
mod redelivery_asked;
mod resources_listed;
mod retention_due;
pub(crate) mod retry_asked;
pub(crate) mod rules_awaited;
mod rules_changed;
mod rules_forgotten;
pub(crate) mod set_aside;
pub(crate) mod test_asked;

pub use correction_asked::Correcting;
pub use measuring::{Measuring, alone};
pub use notifications_due::{DueTogether, azure_page};
pub use owed_due::{LookAt, Part};
pub use resources_listed::Listing;
pub use retention_due::Old;
pub use rules_changed::RulesChange;
pub use rules_forgotten::Forgetting;

/// What is to be decided, with what is known that bears on it: one variant per thing that can happen.
pub enum Case<'a> {
    /// An event was heard, or raised here.
    EventReceived {
        /// Where it stands.
        at: Position,
        /// The event.
        event: &'a Event,
        /// What is known.
        heard: event_received::Heard,
    },
    /// Notifications are due.
    NotificationsDue(Box<notifications_due::Gathered>),
    /// Attempts ended, each with its lane.
    AttemptsFinished(Vec<(Attempt, attempt_finished::Lane)>),
    /// Rules have changed, as the input says.
    RulesChanged(&'a Input, RulesChange),
    /// An event came before there were any rules.
    RulesAwaited(&'a Event),
    /// The rules of a customer are to end.
    RulesForgotten(Forgetting),
    /// An endpoint is in no rule file any more; what waits for it.
    ReceiverGone(Vec<receiver_gone::Pending>),
    /// A delivery is to expire.
    DeliveryExpired(Option<(Delivery, Standing)>),
    /// A delivery is to be tried again.
    RedeliveryAsked(Option<(Delivery, Standing)>),
    /// Retention is looked at.
    RetentionDue(Old),
    /// Something that an incident owes may have to be told; `None` if nothing is known of it (any more).
    OwedDue(Option<owed_due::Owing>),
    /// Incidents that were heard by a version without clocks.
    Unclocked(owed_due::Unclocked),
    /// A person corrects something of an incident.
    CorrectionAsked(Correcting<'a>),
    /// A person says something of a claim, of which this was said before.
    ClaimAsked {
        /// What.
        claimed: &'a Claimed,
        /// The oldest first.
        before: Vec<Claimed>,
    },
    /// A customer hands in a list of the resources that an incident impacted.
    ResourcesListed(resources_listed::Listing<'a>),
    /// A person enters downtime, beside what was entered before.
    DowntimeEntered {
        /// What.
        downtime: &'a Downtime,
        /// All that the customer entered.
        known: Vec<Downtime>,
    },
    /// A person withdraws downtime.
    DowntimeWithdrawn {
        /// What was entered, if anything was.
        known: Option<Downtime>,
        /// Who withdraws it.
        by: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A customer is to be reminded of claims.
    ClaimsDue(claims_due::Reminding<'a>),
    /// A customer was reminded of claims by another daemon.
    RemindedElsewhere {
        /// Which.
        customer: &'a CustomerId,
        /// Of what, as far as it was not told here.
        new: Vec<ClaimMark>,
    },
    /// The machine's clock jumped forward, by so much.
    ClockJumped(chrono::Duration),
    /// Something could not be decided.
    SetAside(set_aside::Trouble),
    /// What attempts led to could not be decided; how far their deliveries are.
    AttemptsUndecided(Vec<(Attempt, Option<Standing>)>),
    /// What is set aside is to be decided again.
    RetryAsked(retry_asked::Retry),
    /// A receiver is to be sent a test.
    TestAsked(test_asked::Test<'a>),
    /// There is nothing to decide, for this reason.
    Nothing(Why),
}

/// What follows, by these rules, at this time.
pub fn evaluate(case: &Case<'_>, rules: &RuleSet, now: Time) -> Vec<Change> {
    let changes = match case {
        Case::EventReceived { at, event, heard } => event_received::hear(*at, event, heard, now),
        Case::NotificationsDue(gathered) => notifications_due::tell(gathered, rules, now),
        Case::AttemptsFinished(ended) => attempt_finished::all_finished(ended, now),
        Case::RulesChanged(input, change) => rules_changed::rules(input, change, now),
        Case::RulesAwaited(event) => rules_awaited::keep(event),
        Case::RulesForgotten(forgetting) => rules_forgotten::forgotten(forgetting, now),
        Case::ReceiverGone(pending) => receiver_gone::endpoint(pending, rules, now),
        Case::DeliveryExpired(found) => delivery_expired::expire(found.as_ref(), now),
        Case::RedeliveryAsked(found) => redelivery_asked::redeliver(found.as_ref(), now),
        Case::RetentionDue(old) => retention_due::retention(old),
        Case::OwedDue(owing) => owing
            .as_ref()
            .map_or_else(Vec::new, |owing| owed_due::remind(owing, now)),
        Case::Unclocked(unclocked) => owed_due::begin(unclocked, now),
        Case::CorrectionAsked(correcting) => correction_asked::correct(correcting, now),
        Case::ClaimAsked { claimed, before } => claim_asked::keep(claimed, before, now),
        Case::ResourcesListed(listing) => resources_listed::keep(listing, now),
        Case::DowntimeEntered { downtime, known } => downtime_entered::enter(downtime, known, now),
        Case::DowntimeWithdrawn { known, by, reason } => downtime_entered::withdraw(known.as_ref(), by, reason, now),
        Case::ClaimsDue(reminding) => claims_due::remind(reminding),
        Case::RemindedElsewhere { customer, new } => claims_due::keep(customer, new),
        Case::ClockJumped(by) => clock_jumped::jumped(*by, now),
        Case::SetAside(trouble) => set_aside::set_aside(trouble, now),
        Case::AttemptsUndecided(attempts) => {
            let each = attempts
                .iter()
                .map(|(attempt, standing)| set_aside::plain_attempt(attempt, standing.as_ref(), now));
            each.flatten().collect()
        }
        Case::RetryAsked(retry) => retry_asked::retry(retry, now),
        Case::TestAsked(test) => test_asked::send(test, rules, now),
        Case::Nothing(why) => vec![Change::Nothing { why: why.clone() }],
    };
    match changes.is_empty() {
        true => vec![Change::Nothing { why: Why::NoLongerDue }],
        false => changes,
    }
}
