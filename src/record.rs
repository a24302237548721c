//! Everything that can happen, and everything that is remembered.
//!
//! The journal is a sequence of [`Record`]s. What happened is an [`Input`]; what follows from it, decided by
//! `evaluate`, is a list of [`Change`]s; what the store holds is what those changes add up to. A change puts small
//! values under their keys or removes them: applying never computes.
//!
//! **What is remembered for ever must be readable for ever.** Only optional fields are added; a variant is never
//! renamed, reused or given another meaning. `tests/fixtures/records.jsonl` holds a line of every variant ever
//! shipped, and a test reads it.

use serde::{Deserialize, Serialize};

use crate::claim::{Claimed, Downtime};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::delivery::{Attempt, Delivery, End, Failing, LaneKey};
use crate::event::{Event, Impact, Kind};
use crate::incident::correction::{Correction, Corrects, FirstSaid};
use crate::incident::reminders::Reminded;
use crate::incident::resources::{Resource, ResourceSummary, Resources};
use crate::incident::{Entry, Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::message::{Carried, FrozenContent, SharedContent};
use crate::notification::{Channel, EndpointId, Form, Notification, SeriesId};
use crate::rule::Revision;

mod reference;
mod verdict;

pub use reference::{Accounts, Piece, Ref, Stands};
pub use verdict::{Verdict, Why};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Somebody waits for these to be on disk: they will be decided, in this order, also after a crash.
    Recorded {
        /// When.
        at: Time,
        /// What came in together.
        inputs: Vec<Input>,
    },
    /// One input was decided, whole.
    Decided {
        /// When: the `now` of the decision.
        at: Time,
        /// Which input.
        of: Of,
        /// By which rules.
        by: Revision,
        /// The first of the records that hold changes before these, where a decision is too large for one record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// How many changes of the decision those records hold: [`Ref::Here`] counts through all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<u32>,
        /// What follows, at least one.
        changes: Vec<Change>,
    },
    /// The beginning, or the middle, of a decision that is too large for one record. It counts only with the `Decided`
    /// behind it that names it: without that, after a crash, the input is decided again as if this had not been written.
    Continued {
        /// When.
        at: Time,
        /// Of which input.
        of: Position,
        /// How many changes of the decision stand in the records before it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<u32>,
        /// Some of what follows.
        changes: Vec<Change>,
    },
    /// The daemon started.
    Started {
        /// When.
        at: Time,
        /// Which version of the program.
        version: String,
        /// The kernel's boot id, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        boot: Option<String>,
    },
    /// These sequence numbers were damaged and are gone.
    Lost {
        /// When it was noticed.
        at: Time,
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
        /// What was found.
        why: String,
    },
    /// The daemon ran at this time: a start looks at the newest record to know whether the clock is behind.
    Noted {
        /// When.
        at: Time,
    },
    /// These sequence numbers were retired on purpose, their retention over.
    Retired {
        /// When.
        at: Time,
        /// Up to which sequence number the journal was gone through.
        through: u64,
        /// How many records went.
        dropped: u64,
    },
}

/// The input that a decision is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// One that was recorded (or raised) before.
    Kept {
        /// Where it stands.
        at: Position,
    },
    /// One that nobody waits for: journalled here, once.
    Here(Input),
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A provider told us something.
    Heard {
        /// What.
        event: Box<Event>,
    },
    /// Texts of a change of rules that is too large for one record: the `Rules` behind it names them.
    RuleTexts {
        /// Good files that are new or changed.
        files: Vec<SealedFile>,
    },
    /// Rule files, or the settings that decide, have changed.
    Rules {
        /// What is in force after it.
        revision: Revision,
        /// Good files that are new or changed.
        #[serde(default)]
        files: Vec<SealedFile>,
        /// Where more of them were recorded before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        texts: Vec<Position>,
        /// Paths of files that are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
        /// The settings that decide, as sealed JSON, if they have changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<String>,
        /// What is broken now, all of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        broken: Vec<BrokenFile>,
    },
    /// Somebody asked for something.
    Commanded {
        /// On whose behalf.
        by: String,
        /// What.
        command: Command,
    },
    /// An attempt ended.
    Tried {
        /// How.
        attempt: Attempt,
    },
    /// Attempts ended, each of another delivery.
    AttemptsEnded {
        /// How.
        attempts: Vec<Attempt>,
    },
    /// A deadline has come.
    Due {
        /// Which.
        deadline: Deadline,
        /// When it was to be.
        at: Time,
    },
    /// The machine's clock jumped forward.
    ClockJumped {
        /// By how much, beyond the time that passed.
        by_seconds: i64,
    },
    /// An event was here and is forgotten: what came in together with it keeps its position.
    Retired,
}

/// A rule file's text, sealed with the state directory's key: it may hold URLs that are secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFile {
    /// Path below the rules folder.
    pub path: String,
    /// SHA-256 of its text, hex.
    pub digest: String,
    /// The text, sealed ([`crate::secret::Sealer`]).
    pub sealed: String,
}

/// A rule file whose text on disk is not in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BrokenFile {
    /// Path below the rules folder.
    pub path: String,
    /// Whose.
    pub customer: CustomerId,
    /// A digest of the text and its problems: the same trouble is told once.
    pub digest: String,
    /// The problems as the customer reads them, secrets masked.
    pub report: String,
    /// What is wrong with a whole folder, where that is no single file's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderTrouble>,
}

/// What is wrong with a folder of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderTrouble {
    /// A customer's folder is gone, or has no rule files; its last rules stay in force until somebody ends them.
    Gone,
    /// A customer in the settings has no rules: nobody hears of its events.
    WithoutRules,
    /// The rules folder itself is missing or empty.
    Nothing,
}

/// What somebody may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Try a delivery again that ended, or one that waits without waiting longer; with the same id and content.
    Redeliver {
        /// Its id.
        delivery: String,
    },
    /// Decide again what was set aside.
    Retry {
        /// Where it is listed.
        at: Position,
    },
    /// Send a message to a receiver that says of itself that it is a test.
    SendTest {
        /// Whose receiver.
        customer: CustomerId,
        /// Its name.
        receiver: String,
        /// Message or invitation.
        form: Form,
        /// What it tells. It stands here, and is no event that was heard: nobody else is told of it, and no incident is
        /// made of it.
        event: Box<Event>,
    },
    /// End the last rules of a customer whose folder is gone.
    ForgetRules {
        /// Whose.
        customer: CustomerId,
    },
    /// Count a person's word of an incident against the provider's.
    Correct {
        /// Of which incident.
        incident: IncidentId,
        /// What.
        corrects: Corrects,
        /// Why.
        reason: String,
        /// Of one out of an archive: when it was said first, and by whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<FirstSaid>,
    },
    /// Keep what a person says of a claim.
    Claim(Box<Claimed>),
    /// Remind a customer of claims, as far as it was not told before.
    RemindOfClaims {
        /// Whose.
        customer: CustomerId,
        /// What is told, each with the claims that it is about.
        reminders: Vec<ClaimsReminder>,
    },
    /// Do not remind a customer of claims again of which the daemon reminded it that an archive is of.
    RemindedElsewhere {
        /// Whom.
        customer: CustomerId,
        /// Of which, and of what.
        of: Vec<ClaimMark>,
    },
    /// Keep a list of the resources that an incident impacted.
    ListResources {
        /// Which incident.
        incident: IncidentId,
        /// Whose resources.
        customer: CustomerId,
        /// Which; no two have the same key.
        resources: Vec<Resource>,
        /// Whether the list is whole.
        is_complete: bool,
        /// Of a list out of an archive: when it was handed in first, and by whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<FirstSaid>,
    },
    /// Count downtime that a person enters.
    EnterDowntime(Box<Downtime>),
    /// Do not count downtime any more that was entered.
    WithdrawDowntime {
        /// Whose.
        customer: CustomerId,
        /// Its id.
        downtime: String,
        /// Why.
        reason: String,
    },
}

/// Something to be told of claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsReminder {
    /// What is told.
    pub event: Box<Event>,
    /// Which claims, each with the mark under which it is remembered that this was told.
    pub of: Vec<ClaimMark>,
}

/// What was told of a claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClaimMark {
    /// Its id.
    pub claim: String,
    /// What was told.
    pub mark: String,
}

/// What time brings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deadline {
    /// A notification has gathered long enough.
    Tell {
        /// Its series.
        series: SeriesId,
        /// Its part.
        part: u32,
    },
    /// Notifications of one communication to one customer have gathered long enough.
    Notifications {
        /// About which incident.
        incident: IncidentId,
        /// Whose.
        customer: CustomerId,
        /// Which communication.
        communication: String,
    },
    /// An endpoint with pending deliveries is no longer in the rules.
    Endpoint {
        /// Which.
        endpoint: EndpointId,
    },
    /// A delivery has outlived its life.
    Expire {
        /// Its id.
        delivery: String,
    },
    /// Time to forget what retention no longer keeps.
    Retention,
    /// Something that an incident owes may have to be told.
    Owed {
        /// Which incident.
        incident: IncidentId,
        /// Where to go on, if there are too many customers for one decision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<GoOn>,
    },
    /// Incidents that were heard by a version without a clock for what is owed are to be looked at.
    Clocks {
        /// The one behind which to go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<IncidentId>,
    },
}

/// Where a look at an incident goes on that is too much for one decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GoOn {
    /// The last customer that was looked at.
    pub after: CustomerId,
    /// When the look was to be.
    pub due: Time,
}

/// Everything that is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A rule matched an event; what follows for whom.
    Judged(Judged),
    /// Nothing follows, and why.
    Nothing {
        /// The reason.
        why: Why,
    },
    /// An event of our own; decided next like any other.
    Raised {
        /// What we tell.
        event: Box<Event>,
    },
    /// Something is to be looked at, at a time.
    Wake {
        /// What.
        deadline: Deadline,
        /// When.
        at: Time,
    },
    /// Something is no longer to be looked at then.
    Unwake {
        /// What.
        deadline: Deadline,
        /// When it would have been.
        at: Time,
    },
    /// What is known of an incident.
    Incident(Incident),
    /// A communication in an incident's history.
    Entry(Entry),
    /// An account heard a communication.
    Affected(Hearing),
    /// What an endpoint is to be told: opened, brought forward, or closed.
    Notification(Notification),
    /// A notification became a delivery; its content is frozen.
    Delivery {
        /// Where it goes.
        delivery: Delivery,
        /// What it says.
        #[serde(rename = "told")]
        content: Box<FrozenContent>,
        /// When its life ends, if that is not the usual time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Time>,
    },
    /// An attempt ended, and it will be tried again.
    Attempted {
        /// The attempt.
        attempt: Attempt,
        /// Whose.
        place: LaneKey,
        /// When it is tried next.
        again: Time,
        /// When its life ends.
        expires: Time,
    },
    /// A delivery ended.
    Ended {
        /// Which.
        place: LaneKey,
        /// How many attempts there were.
        attempts: u32,
        /// The last attempt, if that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<Attempt>,
        /// How.
        end: End,
        /// When.
        at: Time,
    },
    /// An ended delivery is scheduled again, on request.
    Requeued {
        /// Which.
        place: LaneKey,
        /// How it had ended.
        ended: End,
        /// When it had ended.
        ended_at: Time,
        /// Attempts so far.
        attempts: u32,
        /// When it is tried.
        again: Time,
        /// When its new life ends.
        expires: Time,
    },
    /// A delivery that waits is tried sooner, on request.
    Hastened {
        /// Which.
        place: LaneKey,
        /// Attempts so far.
        attempts: u32,
        /// When it is tried.
        again: Time,
        /// When its life ends, as before.
        expires: Time,
    },
    /// A delivery stands for others that were superseded by it.
    Carries {
        /// The successor.
        delivery: String,
        /// All that it carries, oldest first.
        carried: Vec<Carried>,
    },
    /// Accounts or impacts that are too many to be named by each that refers to them.
    Set(Set),
    /// Notifications were opened.
    Planned(Planned),
    /// An event adds to notifications that are open, or says again what was told.
    Gathered(Gathers),
    /// A notification is told sooner.
    BroughtForward {
        /// Its delivery.
        delivery: String,
        /// When it is due now.
        due: Time,
    },
    /// What the notifications of one communication share is frozen.
    Content(Box<SharedContent>),
    /// Notifications became deliveries.
    Told(Told),
    /// An attempt of the input ended, and the delivery will be tried again.
    Again {
        /// Which.
        delivery: String,
        /// When it is tried next.
        at: Time,
        /// When its life ends.
        expires: Time,
    },
    /// A delivery ended, by its attempt in the input if there is one.
    Finished {
        /// Which.
        delivery: String,
        /// How many attempts there were.
        attempts: u32,
        /// How.
        end: End,
    },
    /// An endpoint does not take what it is told.
    EndpointFails(Box<Failing>),
    /// An endpoint takes what it is told again, or is not there any more.
    EndpointWorks {
        /// Which.
        endpoint: EndpointId,
        /// The delivery that it took; empty, if it is not there any more.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        delivery: String,
    },
    /// Rules came into force.
    InForce {
        /// Which.
        revision: Revision,
        /// Where the texts were recorded.
        recorded: Position,
        /// Changed files: path, digest.
        #[serde(default)]
        files: Vec<FileInForce>,
        /// Paths that are gone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
        /// Whether the settings that decide were changed too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        settings: bool,
        /// Former versions of these files that decided nothing: their texts are given back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        given_back: Vec<GivenBack>,
    },
    /// A rule file is broken, or (without `broken`) no longer.
    Broken {
        /// Its path.
        path: String,
        /// What is wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broken: Option<BrokenFile>,
    },
    /// Nothing expires and nothing is deleted for a while.
    Hold {
        /// Until then.
        until: Time,
    },
    /// The input could not be decided, and is left until somebody asks for it to be decided again.
    SetAside(SetAside),
    /// What was set aside was decided after all, by the changes before this one.
    TakenUp {
        /// Where it was listed.
        at: Position,
    },
    /// An incident's retention is over: all that is known of it goes.
    IncidentForgotten {
        /// Which.
        incident: IncidentId,
        /// Its events.
        events: Vec<Position>,
        /// The series of notifications about it.
        series: Vec<SeriesId>,
    },
    /// When an incident is looked at next because of what it owes; `None`: only if something more is heard of it.
    NextLook {
        /// Which incident.
        incident: IncidentId,
        /// When.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Time>,
    },
    /// What a customer was reminded of, all of it.
    Reminded(Reminded),
    /// From here on every incident has a clock for what it owes.
    ClocksBegun,
    /// A person's word of an incident counts against the provider's.
    Corrected(Correction),
    /// A person's word of a claim.
    Claimed(Box<Claimed>),
    /// A customer was reminded of claims.
    RemindedOfClaims {
        /// Whose.
        customer: CustomerId,
        /// Of which, and of what.
        of: Vec<ClaimMark>,
    },
    /// Resources that an incident impacted, each in place of what was said of it before.
    ResourcesListed(Resources),
    /// What all resources of an incident that are listed for a customer come to.
    ResourcesCounted(ResourceSummary),
    /// Downtime that a person entered or withdrew, in place of what was said of it before.
    DowntimeEntered(Box<Downtime>),
    /// An ended delivery's retention is over.
    Forgotten {
        /// Which.
        place: LaneKey,
        /// How it had ended.
        end: End,
        /// When it had ended.
        ended_at: Time,
        /// How many attempts there were.
        attempts: u32,
    },
}

/// Something that could not be decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// What it is.
    pub what: Undecided,
    /// What went wrong.
    pub why: String,
    /// Whether the operator is told: once in an hour for each reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_told: bool,
    /// Notifications that stay open, by their deliveries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// What was to be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undecided {
    /// An event.
    Event {
        /// Of which incident.
        incident: IncidentId,
        /// Its title.
        title: String,
    },
    /// A change of rules.
    Rules,
    /// A command.
    Command(Command),
    /// Something that was due.
    Deadline(Deadline),
    /// An input that cannot even be read.
    Unreadable,
}

/// Accounts and impacts of an event that several verdicts and notifications refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The event.
    pub event: Position,
    /// The accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The impact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impact: Vec<Impact>,
}

/// Notifications that an event opens, of one customer and due together: what they share, then what each has of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// About which incident.
    pub incident: IncidentId,
    /// Its tracking id as the provider wrote it.
    pub tracking_id: String,
    /// Whose.
    pub customer: CustomerId,
    /// Which communication.
    pub communication: String,
    /// The event that opens them: the text that is told.
    pub event: Position,
    /// The provider's time of it.
    pub published: Time,
    /// Its title.
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// When they are told.
    pub due: Time,
    /// The accounts that they tell of.
    #[serde(default, skip_serializing_if = "Accounts::is_empty")]
    pub new: Accounts,
    /// Who is told.
    pub to: Vec<PlannedFor>,
}

/// One endpoint that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFor {
    /// Its series.
    pub series: SeriesId,
    /// The part of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
    /// Who is told.
    pub endpoint: EndpointId,
    /// The receiver that named it first.
    pub receiver: String,
    /// How.
    pub channel: Channel,
    /// Message or invitation.
    pub form: Form,
    /// The verdict that asked for it.
    pub verdict: Ref,
}

/// What a verdict on an event adds to notifications that are there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gathers {
    /// About which incident.
    pub incident: IncidentId,
    /// The event.
    pub event: Position,
    /// The verdict.
    pub verdict: Ref,
    /// The accounts that they were not to tell of before.
    #[serde(default, skip_serializing_if = "Accounts::is_empty")]
    pub new: Accounts,
    /// To which.
    pub to: Vec<PartOf>,
}

/// A part of a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartOf {
    /// The series.
    pub series: SeriesId,
    /// Which part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
    /// The receiver that names the endpoint in the rule.
    pub receiver: String,
}

/// Notifications that became deliveries: what they share, then what each has of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// About which incident.
    pub incident: IncidentId,
    /// What they share of what they say.
    pub content: Ref,
    /// The rules that asked, the first first.
    pub rules: Vec<String>,
    /// When their life ends.
    pub expires: Time,
    /// Which.
    pub to: Vec<ToldTo>,
}

/// One delivery that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldTo {
    /// Its id.
    pub delivery: String,
    /// The zone its receiver reads times in.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub zone: chrono_tz::Tz,
    /// Whether its endpoint was told of the incident before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reply: bool,
    /// Whether it is told even if something newer waits behind it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every: bool,
    /// Its retention is over: it is known only that it was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

fn utc() -> chrono_tz::Tz {
    chrono_tz::UTC
}

fn is_utc(zone: &chrono_tz::Tz) -> bool {
    *zone == chrono_tz::UTC
}

fn is_zero(part: &u32) -> bool {
    *part == 0
}

/// A rule matched an event; what follows for whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The event.
    pub event: Position,
    /// Its incident.
    pub incident: IncidentId,
    /// Whose rule.
    pub customer: CustomerId,
    /// Which rule.
    pub rule: String,
    /// What follows.
    pub verdict: Verdict,
    /// Whether only the incident's earlier messages made it match (`follow`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub followed: bool,
    /// The impact that was left after the rule's narrowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impact: Vec<Impact>,
    /// The accounts that were left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The impact that was left, if it is a set that was written down once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_of: Option<Ref>,
    /// The accounts that were left, if they are a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts_of: Option<Ref>,
    /// The notifications it leads to, in records of before they were written down apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tells: Vec<Tells>,
}

/// A notification that a verdict leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tells {
    /// Its series.
    pub series: SeriesId,
    /// Its part.
    pub part: u32,
    /// Who is told.
    pub endpoint: EndpointId,
    /// By which receiver.
    pub receiver: String,
    /// The accounts that this endpoint was not told of before, by this communication.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<String>,
}

/// One file that came into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInForce {
    /// Its path below the rules folder.
    pub path: String,
    /// SHA-256 of its text, hex.
    pub digest: String,
    /// Which of the recorded input's files.
    pub nth: u32,
    /// Where it was recorded, if not with the change itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Position>,
}

/// A version of a rule file by which nothing was decided while it was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenBack {
    /// Its path below the rules folder.
    pub path: String,
    /// The record that put it into force.
    pub in_force: u64,
    /// Where its text was recorded.
    pub recorded: Position,
    /// Which of the recorded input's files it is.
    pub nth: u32,
}

impl Record {
    /// When it was written.
    pub fn at(&self) -> Time {
        match self {
            Record::Recorded { at, .. }
            | Record::Decided { at, .. }
            | Record::Continued { at, .. }
            | Record::Started { at, .. }
            | Record::Lost { at, .. }
            | Record::Noted { at }
            | Record::Retired { at, .. } => *at,
        }
    }

    /// As a line of JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("records hold nothing that JSON cannot")
    }

    /// From a line of JSON.
    ///
    /// # Errors
    /// When it is not a record this version knows. What a newer version wrote is not met here: the segments of the
    /// journal say their format.
    pub fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| anyhow::anyhow!("a record of the journal cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests;
