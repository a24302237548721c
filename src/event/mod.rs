//! What a provider told us, in one shape whatever it came in.
//!
//! [`Event`] is parsed once, by a pure function per source format ([`read()`]), into a value that cannot be wrong:
//! from here on nobody meets a raw payload. This module names no clock, file or socket.
//!
//! - `read` is the door; `json` reads strictly, `azure` knows the forms, `draft` makes an [`Event`] of what they say
//! - `allowance` counts what a body would become before it is made; `draft`s share what their events have in common
//! - `note` is what could not be taken as it stands, and is told rather than dropped
//! - `html` and `plain` make strangers' text safe and plain; `kind` and `session` recognise what it is and announces
//! - `promise` is what a text says of reviews to come, `window` the times of impact that its prose says; [`reminder`] is what
//!   events of our own remind of
//! - [`catalogue`] knows names of services and regions; [`document`] takes a review apart; `identity` tells repeats

mod allowance;
mod azure;
pub mod catalogue;
pub mod document;
mod draft;
mod html;
mod identity;
mod json;
mod kept;
mod kind;
pub mod measure;
mod note;
mod plain;
mod posted;
mod promise;
mod read;
pub mod reminder;
mod session;
mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::journal::Position;

pub use allowance::Stop;
pub use identity::{communication_of, visible_digest};
pub use kept::Unfit;
pub use measure::{Measure, Measures};
pub use note::Note;
pub use posted::{Ignored, Source};
pub use promise::Promise;
pub use read::{Malformed, Parsed, bytes_to_read, parse, read};
pub use reminder::{Awaited, Reminder};
pub use session::sessions;
pub use window::Window;

/// One thing a provider told us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Who said it.
    pub provider: Provider,
    /// Which of the provider's sources, where it knows no accounts (`githubstatus.com`); matched against `public`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The provider's name for the trouble, as it wrote it. Any non-empty text of at most 256 characters.
    pub tracking_id: String,
    /// What sort of event it is.
    pub event_type: EventType,
    /// The advisory's subtype (`Retirement`, `Underbilling`), as the provider wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtype: Option<String>,
    /// What the provider says of the trouble's progress.
    pub stage: Stage,
    /// What this communication *is*.
    pub kind: Kind,
    /// How grave the provider says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// One line of plain text, without control characters.
    pub title: String,
    /// The text as HTML, sanitised by an allow list: safe to put into a page or a mail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub html: String,
    /// The text as plain text, derived from the HTML.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What is impacted; empty when the provider names nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impact: Vec<Impact>,
    /// The accounts (subscriptions) it was sent for, in lower case, sorted; empty when it names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// When impact began, as the metadata says (the prose may differ).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_start: Option<Time>,
    /// When impact was mitigated; for maintenance the planned end, for advisories the deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_end: Option<Time>,
    /// The provider's own time of this communication: what orders communications, never the arrival, unless it is wild
    /// (see [`Event::correct_time`]).
    pub published: Time,
    /// The provider's word for that time, where it is wild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_said: Option<Time>,
    /// The retrospective's sessions, for kind `retrospective`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Session>,
    /// Where to register for the retrospective, or watch the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<url::Url>,
    /// The alert rule's own key/values (`data.properties`, `customProperties`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// A test the provider (or the portal's "Test action group") made up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The provider's id of this communication, digits as a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication_id: Option<String>,
    /// Live, or history that tells nobody.
    #[serde(default)]
    pub arrival: Arrival,
    /// What the provider says that the communication is (`Final PIR`), in its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What it reminds of, for events of our own that remind of something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Box<Reminder>>,
    /// What its incident adds up to, where rules ask for it. It is worked out when the event is decided, and not kept.
    #[serde(skip)]
    pub measures: Option<Box<Measures>>,
    /// What of it could not be taken as it stands: words that this version does not know, times that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Which of the supported forms it came in (`azure activity log webhook`, …), for the record and for metrics.
    pub form: Form,
    /// Whether the provider left out its text: lists of events do so where one is sensitive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub text_withheld: bool,
    /// Where it was heard, if it was brought here out of an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// Where an event out of an archive was heard first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Imported {
    /// When.
    pub heard: Time,
    /// Its id there.
    pub id: Position,
}

/// One impacted service in one region, for some or all of the event's accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Impact {
    /// The service's name as the provider wrote it; empty where it named a region only.
    pub service: String,
    /// The provider's stable id of the service (`ServiceGuid`), in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The region as the provider wrote it; `None` when it named a service only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The accounts impacted here, if the provider says so per region; empty means all of the event's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
}

impl Impact {
    /// The service's name for people: also where only a region was named.
    pub fn service_name(&self) -> &str {
        service_name(&self.service)
    }
}

/// A service's name for people: also where only a region was named.
pub fn service_name(service: &str) -> &str {
    match service.is_empty() {
        true => "Service not named",
        false => service,
    }
}

/// One session of an incident retrospective's livestream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When it starts.
    pub start: Time,
    /// When it ends; providers rarely say, so usually an hour and a half later.
    pub end: Time,
}

/// Live events tell people; history is kept and shown, and tells nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Posted as it happened.
    #[default]
    Live,
    /// A back-fill (`?arrival=history`, `import`).
    History,
}

/// Text compared the way people type: without case, spaces, hyphens and underscores (`eastus`, `InProgress`).
pub fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, ' ' | '-' | '_' | '\u{a0}'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A closed vocabulary: one canonical word per variant, and other words that people and payloads use for it.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $alias:literal)* ,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+ }

        #[allow(dead_code, reason = "every vocabulary has the same words, used or not")]
        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The canonical word.
            pub fn word(self) -> &'static str { match self { $($name::$variant => $word),+ } }

            /// Reads a word or one of its synonyms, without regard to case, spaces, hyphens and underscores.
            pub fn read(text: &str) -> Option<$name> {
                let folded = fold(text);
                $(if [$word $(, $alias)*].iter().any(|word| fold(word) == folded) { return Some($name::$variant); })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.word()) }
        }
    };
}

words! {
    /// Who tells us of events.
    Provider {
        /// Microsoft Azure Service Health.
        Azure = "azure",
        /// AWS Health.
        Aws = "aws",
        /// Google Cloud Personalized Service Health and its public feed.
        Google = "google" | "gcp" | "google cloud",
        /// Atlassian Statuspage.
        Statuspage = "statuspage",
        /// The operator's own teams.
        Own = "own",
        /// Raised here: a rule file broken, a receiver failing, a review overdue.
        Bellwether = "bellwether",
    }
}

words! {
    /// What sort of event it is, in the words of Azure's portal; payload words are understood.
    EventType {
        /// Something is broken, or was.
        ServiceIssue = "Service issue" | "Service issues" | "Incident" | "EmergingIssues" | "RCA",
        /// Announced work.
        PlannedMaintenance = "Planned maintenance" | "Maintenance",
        /// Retirements, changes, things to do.
        HealthAdvisory = "Health advisory" | "Health advisories" | "ActionRequired" | "Informational" | "Information" | "Advisory",
        /// Security trouble.
        SecurityAdvisory = "Security advisory" | "Security advisories" | "Security",
        /// Billing changes.
        Billing = "Billing" | "Billing update" | "Billing updates",
        /// One that this version does not know; its subtype is the provider's word for it.
        Other = "Other",
    }
}

words! {
    /// What the provider says of the trouble's progress.
    Stage {
        /// Going on.
        Active = "Active" | "Investigating" | "Open",
        /// Over.
        Resolved = "Resolved" | "Mitigated" | "Closed",
        /// A review (root cause analysis) was published.
        Rca = "RCA" | "PIR",
        /// Maintenance announced.
        Planned = "Planned" | "Scheduled",
        /// Maintenance going on.
        InProgress = "In progress",
        /// Maintenance moved.
        Rescheduled = "Rescheduled",
        /// Maintenance called off.
        Canceled = "Canceled" | "Cancelled",
        /// Maintenance done.
        Complete = "Complete" | "Completed",
        /// A word that this version does not know, or none.
        Unknown = "Unknown",
    }
}

words! {
    /// What a communication *is*.
    Kind {
        /// News of something going on, or anything that is none of the others.
        Update = "update",
        /// The mitigation statement: it is over.
        Mitigation = "mitigation" | "mitigation statement" | "mitigated",
        /// A preliminary post incident review, generally within 72 hours.
        PreliminaryReview = "preliminary-review" | "preliminary PIR",
        /// A final post incident review, generally within 14 days; also one that nowhere says preliminary.
        FinalReview = "final-review" | "final PIR" | "PIR" | "RCA" | "review",
        /// There was no impact: a false positive taken back.
        Retraction = "retraction" | "false positive",
        /// The invitation to an incident retrospective's livestream.
        Retrospective = "retrospective" | "livestream",
        /// The recording of a retrospective.
        Recording = "recording",
        /// Ours: a customer's rule file has problems.
        RulesBroken = "rules-broken",
        /// Ours: a customer's rule file is good again.
        RulesMended = "rules-mended",
        /// Ours: a part of the journal was lost.
        JournalLost = "journal-lost",
        /// Ours: something could not be decided and is set aside.
        SetAside = "set-aside",
        /// Ours: the machine's clock jumped.
        ClockJumped = "clock-jumped",
        /// Ours: the mail relay refuses us.
        MailRefused = "mail-refused",
        /// Ours: a receiver does not take what it is told.
        ReceiverFailing = "receiver-failing",
        /// Ours: a receiver takes what it is told again.
        ReceiverBack = "receiver-back",
        /// Ours: something that came in was not understood.
        NotUnderstood = "not-understood",
        /// Ours: a review that a provider owes is due soon.
        ReviewDue = "review-due" | "PIR due" | "RCA due",
        /// Ours: a review that a provider owes has not come in time.
        ReviewOverdue = "review-overdue" | "PIR overdue" | "RCA overdue",
        /// Ours: the month has passed in which a repair was promised.
        RepairDue = "repair-due" | "repair item due",
        /// Ours: the next update that was promised has not come in time.
        UpdateOverdue = "update-overdue",
        /// Ours: a planned maintenance starts soon.
        MaintenanceStarting = "maintenance-starting" | "maintenance starts",
        /// Ours: the time of a planned maintenance is over.
        MaintenanceOver = "maintenance-over" | "maintenance ended",
        /// Ours: a credit may be owed for an incident whose review has come.
        ClaimPossible = "claim-possible",
        /// Ours: a case must be opened with the provider soon, or no credit can be claimed.
        CaseDue = "case-due",
        /// Ours: the last day of a claim comes.
        ClaimDue = "claim-due",
        /// Ours: a claim was not answered, or not credited, in the time that this takes.
        ClaimUnanswered = "claim-unanswered",
    }
}

words! {
    /// How large an incident is, by the words of what providers promise.
    Size {
        /// The mitigation statement is the last word.
        Small = "small",
        /// One review comes.
        Standard = "standard" | "medium" | "normal",
        /// A preliminary review comes, then a final one.
        Largest = "largest" | "large",
    }
}

words! {
    /// How grave the provider says it is (for Azure: `level`, never the alert's `severity`).
    Level {
        /// Never seen in an Azure service-health event.
        Critical = "Critical",
        /// Widespread over services or regions.
        Error = "Error",
        /// Some services or regions.
        Warning = "Warning",
        /// For the record.
        Informational = "Informational" | "Information" | "Info",
    }
}

words! {
    /// The form an event came in.
    Form {
        /// `schemaId = "Microsoft.Insights/activityLogs"`.
        AzureActivityLogWebhook = "azure-activity-log-webhook",
        /// `schemaId = "azureMonitorCommonAlertSchema"`.
        AzureCommonAlert = "azure-common-alert",
        /// An Activity Log event as the REST API gives it.
        AzureActivityLogEvent = "azure-activity-log-event",
        /// `{"records": [...]}` of a diagnostic setting.
        AzureDiagnosticRecords = "azure-diagnostic-records",
        /// `Microsoft.ResourceHealth/events`, as REST or the SDK gives it.
        AzureEvents = "azure-events",
        /// The emerging issues of Azure's public status page.
        AzureEmergingIssues = "azure-emerging-issues",
        /// Raised here.
        Bellwether = "bellwether",
    }
}

/// How far ahead of the clock a provider's time may be.
const AHEAD_MOST: chrono::Duration = chrono::Duration::days(1);

impl Event {
    /// When it was heard first, if it is written down `now`: what comes out of an archive was heard before.
    pub fn heard(&self, now: Time) -> Time {
        self.imported.map_or(now, |imported| imported.heard)
    }

    /// Takes a time of publishing that is more than a day ahead for wild: the event counts as published `now`, when it is
    /// written down, or everything that comes later would be older news than it.
    pub fn correct_time(&mut self, now: Time) {
        if self.published > now + AHEAD_MOST {
            self.published_said = Some(std::mem::replace(&mut self.published, now));
        }
    }
}

impl Kind {
    /// Kinds that only this daemon raises.
    pub fn is_own(self) -> bool {
        matches!(
            self,
            Kind::RulesBroken
                | Kind::RulesMended
                | Kind::JournalLost
                | Kind::SetAside
                | Kind::ClockJumped
                | Kind::MailRefused
                | Kind::ReceiverFailing
                | Kind::ReceiverBack
                | Kind::NotUnderstood
        ) || self.is_reminder()
    }

    /// Kinds that remind of what a provider owes, of a time that comes, or of a credit: they are about an incident of the
    /// provider.
    pub fn is_reminder(self) -> bool {
        matches!(
            self,
            Kind::ReviewDue
                | Kind::ReviewOverdue
                | Kind::RepairDue
                | Kind::UpdateOverdue
                | Kind::MaintenanceStarting
                | Kind::MaintenanceOver
        ) || self.is_of_claims()
    }

    /// Kinds that remind of a service credit.
    pub fn is_of_claims(self) -> bool {
        matches!(
            self,
            Kind::ClaimPossible | Kind::CaseDue | Kind::ClaimDue | Kind::ClaimUnanswered
        )
    }

    /// Whether it is a post incident review.
    pub fn is_review(self) -> bool {
        matches!(self, Kind::PreliminaryReview | Kind::FinalReview)
    }

    /// Which line of an incident's story it belongs to: within a line, a newer one overtakes an older one.
    pub fn line(self) -> Line {
        match self {
            Kind::PreliminaryReview | Kind::FinalReview => Line::Review,
            Kind::Retrospective | Kind::Recording => Line::Retrospective,
            _ => Line::Progress,
        }
    }

    /// Whether it says that, for now, it is over: what whoever was told of the beginning must hear too.
    pub fn is_ending(self) -> bool {
        matches!(self, Kind::Mitigation | Kind::Retraction)
    }
}

/// The lines of an incident's story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Updates, mitigation, retraction.
    Progress,
    /// Reviews.
    Review,
    /// The retrospective and its recording.
    Retrospective,
}
