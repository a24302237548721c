//! What can never match: conditions that contradict themselves, and `unless` that takes away all that `when` keeps.
//!
//! Only what holds for every event that a provider could send is said here, as it keeps a file from being used. What is
//! merely unlikely is a matter of [`super::lint`].

use std::sync::LazyLock;

use crate::event::{EventType, Kind, Provider, Stage};

use super::Condition;

mod cover;

pub use cover::covers;

/// What one communication says of itself, as far as the words go together.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Words {
    provider: Provider,
    event_type: EventType,
    stage: Stage,
    kind: Kind,
}

/// A contradiction: what is wrong, the key it shows at, and what would go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Never {
    /// The key to point at.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What goes together instead.
    pub hint: String,
}

/// The stages that only maintenance has.
const OF_MAINTENANCE: [Stage; 5] = [
    Stage::Planned,
    Stage::InProgress,
    Stage::Rescheduled,
    Stage::Canceled,
    Stage::Complete,
];

/// Whether Azure's documentation gives this type the stage.
pub fn has_stage(event_type: EventType, stage: Stage) -> bool {
    let is_of_maintenance = OF_MAINTENANCE.contains(&stage);
    let never = match event_type {
        EventType::ServiceIssue | EventType::SecurityAdvisory => is_of_maintenance,
        EventType::HealthAdvisory => is_of_maintenance || stage == Stage::Rca,
        EventType::PlannedMaintenance => stage == Stage::Rca,
        _ => false,
    };
    !never
}

/// Whether a communication of this type can be of this kind, as `event::kind` recognises them: what ends without having
/// been an incident has no mitigation statement and no review.
fn has_kind(event_type: EventType, kind: Kind) -> bool {
    let is_of_incidents = kind == Kind::Mitigation || kind.is_review();
    let is_livestream = matches!(kind, Kind::Retrospective | Kind::Recording);
    let never = match event_type {
        EventType::HealthAdvisory => is_of_incidents,
        EventType::PlannedMaintenance | EventType::Billing => is_of_incidents || is_livestream,
        _ => false,
    };
    !never
}

/// Whether an incident of this type can be reminded of in this way: reminders have its type, and no stage.
fn is_reminded_of(event_type: EventType, kind: Kind) -> bool {
    match kind {
        Kind::ReviewDue | Kind::ReviewOverdue | Kind::RepairDue => {
            matches!(
                event_type,
                EventType::ServiceIssue | EventType::SecurityAdvisory | EventType::Other
            )
        }
        Kind::MaintenanceStarting | Kind::MaintenanceOver => event_type == EventType::PlannedMaintenance,
        _ => true,
    }
}

/// Whether a communication of this stage can be of this kind.
fn stage_has_kind(event_type: EventType, stage: Stage, kind: Kind) -> bool {
    let is_incident = matches!(event_type, EventType::ServiceIssue | EventType::SecurityAdvisory);
    let never = match kind {
        // what is resolved is a mitigation, and what has the stage RCA a review
        Kind::Update => is_incident && matches!(stage, Stage::Resolved | Stage::Rca),
        Kind::Mitigation => stage == Stage::Rca,
        _ => false,
    };
    !never
}

/// All that goes together: of Azure, and of the events that are raised here.
static TOGETHER: LazyLock<Vec<Words>> = LazyLock::new(|| {
    let all = EventType::ALL.iter().flat_map(|event_type| {
        let of_stage = move |stage: &'static Stage| Kind::ALL.iter().map(move |kind| (*event_type, *stage, *kind));
        Stage::ALL.iter().flat_map(of_stage)
    });
    all.filter_map(|(event_type, stage, kind)| {
        let provider = if kind.is_own() {
            Provider::Bellwether
        } else {
            Provider::Azure
        };
        let goes_together = match provider {
            Provider::Bellwether if kind.is_reminder() => stage == Stage::Unknown && is_reminded_of(event_type, kind),
            Provider::Bellwether => {
                event_type == EventType::HealthAdvisory && matches!(stage, Stage::Active | Stage::Resolved)
            }
            _ => has_stage(event_type, stage) && has_kind(event_type, kind) && stage_has_kind(event_type, stage, kind),
        };
        goes_together.then_some(Words {
            provider,
            event_type,
            stage,
            kind,
        })
    })
    .collect()
});

fn names<T: PartialEq>(wanted: &Option<Vec<T>>, word: &T) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.contains(word))
}

/// Whether a condition allows these words.
fn allows(condition: &Condition, words: &Words) -> bool {
    names(&condition.providers, &words.provider)
        && names(&condition.event_types, &words.event_type)
        && names(&condition.stages, &words.stage)
        && names(&condition.kinds, &words.kind)
}

/// The same for a `when`: events of our own reach only rules that name their kind.
fn reaches(when: &Condition, words: &Words) -> bool {
    allows(when, words) && (words.provider != Provider::Bellwether || when.kinds.is_some())
}

/// Whether a word of a condition was refused, which has been told: nothing is known of such a condition.
fn is_refused(condition: &Condition) -> bool {
    let words = [
        condition.event_types.as_ref().map(Vec::len),
        condition.stages.as_ref().map(Vec::len),
        condition.kinds.as_ref().map(Vec::len),
        condition.levels.as_ref().map(Vec::len),
        condition.providers.as_ref().map(Vec::len),
        condition.sizes.as_ref().map(Vec::len),
    ];
    words.contains(&Some(0))
}

/// Whether the table above knows all of a condition's providers: what others say is not known.
fn is_known(condition: &Condition) -> bool {
    let known = [Provider::Azure, Provider::Bellwether];
    let mut providers = condition.providers.iter().flatten();
    providers.all(|provider| known.contains(provider))
}

/// Why the words of a condition (`when`, or an `unless`) can never stand together in one event; `None` if they can.
pub fn contradiction(condition: &Condition, is_when: bool) -> Option<Never> {
    if is_refused(condition) || !is_known(condition) {
        return None;
    }
    let is_possible = |words: &Words| match is_when {
        true => reaches(condition, words),
        false => allows(condition, words),
    };
    if TOGETHER.iter().any(is_possible) {
        return None;
    }
    let only = |keep: fn(&Condition) -> Condition| {
        let part = keep(condition);
        !TOGETHER.iter().any(|words| allows(&part, words))
    };
    let type_and_kind = only(|all| Condition {
        event_types: all.event_types.clone(),
        kinds: all.kinds.clone(),
        ..Condition::default()
    });
    let type_and_stage = only(|all| Condition {
        event_types: all.event_types.clone(),
        stages: all.stages.clone(),
        ..Condition::default()
    });
    let stage_and_kind = only(|all| Condition {
        stages: all.stages.clone(),
        kinds: all.kinds.clone(),
        ..Condition::default()
    });
    let without_kinds = Condition {
        kinds: None,
        ..condition.clone()
    };
    Some(if type_and_kind {
        of_type_and_kind(condition)
    } else if type_and_stage {
        of_type_and_stage(condition)
    } else if stage_and_kind {
        of_stage_and_kind(condition)
    } else if condition.providers.is_some() {
        of_provider(condition)
    } else {
        Never {
            key: "kind",
            what: "no event has this event type, stage and kind at once: this never matches".to_owned(),
            hint: format!("with these types and stages there are {}", kinds_of(&without_kinds)),
        }
    })
}

fn of_type_and_kind(condition: &Condition) -> Never {
    let types = either(&condition.event_types);
    let kinds = either(&condition.kinds);
    let only_types = Condition {
        event_types: condition.event_types.clone(),
        ..Condition::default()
    };
    Never {
        key: "kind",
        what: format!("{types} never has the kind {kinds}: this never matches"),
        hint: format!("its kinds are {}", kinds_of(&only_types)),
    }
}

fn of_type_and_stage(condition: &Condition) -> Never {
    let types = condition.event_types.iter().flatten();
    let stages = Stage::ALL
        .iter()
        .filter(|stage| types.clone().any(|one| has_stage(*one, **stage)));
    Never {
        key: "stage",
        what: format!(
            "{} never has the stage {}: this never matches",
            either(&condition.event_types),
            either(&condition.stages)
        ),
        hint: format!("its stages are {}", listed(stages)),
    }
}

fn of_stage_and_kind(condition: &Condition) -> Never {
    let only_stages = Condition {
        stages: condition.stages.clone(),
        ..Condition::default()
    };
    Never {
        key: "kind",
        what: format!(
            "what has the stage {} is never of the kind {}: this never matches",
            either(&condition.stages),
            either(&condition.kinds)
        ),
        hint: format!(
            "its kinds are {}; `stage` may simply be left out",
            kinds_of(&only_stages)
        ),
    }
}

fn of_provider(condition: &Condition) -> Never {
    let providers = either(&condition.providers);
    let hint = match condition.providers.as_deref() {
        Some([Provider::Bellwether]) => {
            "bellwether's own events are of the type Health advisory, reminders of their incident's; name their `kind`: "
        }
        _ => "its kinds are ",
    };
    let only_providers = Condition {
        providers: condition.providers.clone(),
        ..Condition::default()
    };
    Never {
        key: "provider",
        what: format!("{providers} never sends an event of this type, stage and kind: this never matches"),
        hint: format!("{hint}{}", kinds_of(&only_providers)),
    }
}

/// The kinds that a condition's other words leave.
fn kinds_of(condition: &Condition) -> String {
    let with = |kind: &&Kind| {
        let is_this = |words: &Words| words.kind == **kind;
        TOGETHER.iter().any(|words| is_this(words) && allows(condition, words))
    };
    let all: Vec<&Kind> = Kind::ALL.iter().filter(with).collect();
    let own = all.iter().filter(|kind| kind.is_own()).count();
    let is_shown = |kind: &&&Kind| own == all.len() || !kind.is_own();
    listed(all.iter().filter(is_shown).copied())
}

fn listed<T: std::fmt::Display>(words: impl Iterator<Item = T>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

fn either<T: std::fmt::Display>(words: &Option<Vec<T>>) -> String {
    super::why::either(words.iter().flatten())
}

/// Whether a condition can hold for an event of this kind, as far as its words say.
pub fn may_be_of_kind(condition: &Condition, kind: Kind) -> bool {
    let is_this = |words: &Words| words.kind == kind;
    let any = || TOGETHER.iter().any(|words| is_this(words) && allows(condition, words));
    names(&condition.kinds, &kind) && (!is_known(condition) || any())
}

/// Whether `unless` takes away everything that `when` keeps, whatever happens.
pub fn is_taken_away(when: &Condition, unless: &[Condition]) -> bool {
    let sound = unless.iter().filter(|one| !is_refused(one) && !is_refused(when));
    // of each of these nothing but the words decides
    let by_words: Vec<&Condition> = sound.filter(|one| cover::covers_but_words(one, when)).collect();
    if by_words.iter().any(|one| covers(one, when)) {
        return true;
    }
    // who names providers may think of those to come
    if by_words.is_empty() || !is_known(when) || by_words.iter().any(|one| one.providers.is_some()) {
        return false;
    }
    let mut kept = TOGETHER.iter().filter(|words| reaches(when, words)).peekable();
    kept.peek().is_some() && kept.all(|words| by_words.iter().any(|one| allows(one, words)))
}

/// Whether an `unless` can never take anything away, as `when` allows nothing of what it names.
pub fn takes_nothing_away(when: &Condition, unless: &Condition) -> bool {
    if is_refused(when) || is_refused(unless) {
        return false;
    }
    let both = |words: &Words| reaches(when, words) && allows(unless, words);
    let levels = match (&when.levels, &unless.levels) {
        (Some(these), Some(those)) => !these.iter().any(|level| those.contains(level)),
        _ => false,
    };
    levels || (is_known(when) && is_known(unless) && !TOGETHER.iter().any(both))
}

#[cfg(test)]
mod tests;
