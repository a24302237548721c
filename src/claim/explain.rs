//! How a figure came about, in sentences: incidents, whose word, minutes, terms, edition, credit and last day.

use std::sync::LazyLock;

use chrono::NaiveDate;
use chrono::format::{Item, StrftimeItems};
use rust_decimal::Decimal;

use crate::clock::Time;

use super::assessment::{Assessment, Because, Month, Outcome, is_downtime};
use super::downtime::{DownMinute, spoken};
use super::incidents::{Incident, OnResource, said_by};
use super::row::Row;
use super::terms::{Per, Term};
use super::usage::Usage;

/// How many incidents are told one by one; the others are counted.
const INCIDENTS_TOLD_MOST: usize = 20;

/// How many resources a sentence names.
const RESOURCES_NAMED_MOST: usize = 5;

/// What is called so has no tracking id.
pub const ENTERED_BY_A_PERSON: &str = "entered by a person";

/// What an incident is called; what a person entered may have no tracking id.
pub fn incident_name(incident: &Incident) -> String {
    match incident.tracking_id.as_str() {
        "" => ENTERED_BY_A_PERSON.to_owned(),
        id => id.to_owned(),
    }
}

/// What was left out because the same resource and month is claimed once.
pub fn claimed_once(left: &Row) -> String {
    format!(
        "Another entry for the same resource and month ({}, credit {}) is left out: one claim for each.",
        left.tier.as_deref().unwrap_or("no tier"),
        left.credit.as_deref().unwrap_or("unknown")
    )
}

/// For which usages an incident does not count, because of the list of the resources that it impacted.
pub fn left_out_by_list(incident: &str, says: OnResource, usages: &[&Usage]) -> String {
    let why = match says {
        OnResource::OnlyPotential => "lists them as potentially impacted only",
        _ => "leaves them out",
    };
    let mut names: Vec<String> = usages.iter().map(|usage| usage.name()).collect();
    names.sort();
    names.dedup();
    format!(
        "{incident} is not counted for resources that are used: its list of impacted resources confirms others of the same \
         account and sort, and {why}: {}",
        some_of(&names)
    )
}

/// That not all months of an incident are computed.
pub fn too_long(incident: &Incident, most: u32) -> String {
    format!(
        "{} lasts for more than {most} billing months, since {}: only the last {most} are computed; a begin that is wrong can be \
         corrected",
        incident_name(incident),
        moment(incident.started)
    )
}

/// The first few, and how many more there are.
fn some_of(names: &[String]) -> String {
    let named = names
        .iter()
        .take(RESOURCES_NAMED_MOST)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(RESOURCES_NAMED_MOST) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Everything about one row.
pub(super) fn sentences(month: &Month<'_, '_>, assessed: &Assessment<'_>, last_day: Option<NaiveDate>) -> Vec<String> {
    let mut sentences = Vec::new();
    incidents(month, assessed, &mut sentences);
    left_out(month, assessed, &mut sentences);
    sentences.push(time(month, assessed));
    sentences.extend(month.is_in_parts().then(|| in_parts(month, assessed)));
    sentences.push(terms(assessed));
    sentences.push(edition(assessed));
    sentences.push(result(month, assessed));
    sentences.extend(not_compared(month, assessed.term));
    deadlines(assessed, last_day, &mut sentences);
    if month.month.end > month.asked.at {
        sentences.push("Provisional: the billing month is not over.".to_owned());
    }
    if !assessed.term.evidence.is_empty() {
        sentences.push(format!("A claim must bring: {}.", assessed.term.evidence.join("; ")));
    }
    if !(assessed.term.verified && assessed.edition.is_sure) {
        sentences.push(unverified(assessed.term));
    }
    sentences
}

/// How times are written; read once, as there are very many.
static MOMENT: LazyLock<Vec<Item<'static>>> = LazyLock::new(|| StrftimeItems::new("%Y-%m-%d %H:%M:%SZ").collect());

fn moment(time: Time) -> String {
    time.format_with_items(MOMENT.iter()).to_string()
}

fn incidents(month: &Month<'_, '_>, assessed: &Assessment<'_>, sentences: &mut Vec<String>) {
    for incident in assessed.incidents.iter().take(INCIDENTS_TOLD_MOST) {
        let until = match incident.mitigated {
            Some(mitigated) => format!("until {}", moment(mitigated)),
            None => format!("still going on at {}", moment(month.asked.at)),
        };
        let said_by = match &incident.entered {
            Some(entered) => entered.said_by(),
            None => said_by(incident.source, incident.ended_by),
        };
        sentences.push(format!(
            "{}: from {} {until}, {said_by}.",
            incident_name(incident),
            moment(incident.started),
        ));
    }
    listed(month, assessed, sentences);
    match assessed.incidents.len().saturating_sub(INCIDENTS_TOLD_MOST) {
        0 => {}
        more => sentences.push(format!("And {more} more incidents.")),
    }
}

/// What the lists of impacted resources say of the resources that it is of.
fn listed(month: &Month<'_, '_>, assessed: &Assessment<'_>, sentences: &mut Vec<String>) {
    let mut told: Vec<&str> = Vec::new();
    for incident in assessed.incidents.iter().filter(|incident| incident.listed.is_some()) {
        if told.contains(&incident.tracking_id.as_str()) || told.len() == INCIDENTS_TOLD_MOST {
            continue;
        }
        told.push(&incident.tracking_id);
        let (mut confirmed, mut potential, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for member in month.members.iter().filter(|member| member.has(incident)) {
            match incident.on_list(member.usage) {
                Some(OnResource::ConfirmedById | OnResource::Confirmed) => confirmed.push(member.usage.name()),
                Some(OnResource::Potential) => potential.push(member.usage.name()),
                Some(OnResource::Unknown) => unknown.push(member.usage.name()),
                Some(OnResource::OnlyPotential | OnResource::LeftOut) | None => {}
            }
        }
        for (names, says) in [
            (confirmed, "confirmed as impacted by the list of impacted resources"),
            (potential, "potentially impacted by that list, which is not confirmed"),
            (
                unknown,
                "counted without being confirmed: that list has nothing of the same account and sort",
            ),
        ] {
            if !names.is_empty() {
                sentences.push(format!("{}, {says}: {}.", incident_name(incident), some_of(&names)));
            }
        }
    }
}

/// What touched it and does not count under these terms.
fn left_out(month: &Month<'_, '_>, assessed: &Assessment<'_>, sentences: &mut Vec<String>) {
    let of_month = |incident: &&&Incident| {
        incident.started < month.month.end && incident.mitigated.is_none_or(|until| until > month.month.start)
    };
    let all = month
        .members
        .iter()
        .flat_map(|member| &member.incidents)
        .filter(of_month);
    let mut names: Vec<String> = all
        .filter(|incident| !is_downtime(incident, assessed.term) || month.is_in_parts())
        .filter(|incident| {
            !assessed
                .incidents
                .iter()
                .any(|counted| std::ptr::eq(*counted, **incident))
        })
        .map(|incident| format!("{} ({})", incident_name(incident), incident.event_type))
        .collect();
    names.sort();
    names.dedup();
    if !names.is_empty() {
        names.truncate(INCIDENTS_TOLD_MOST);
        sentences.push(format!("Not counted under these terms: {}.", names.join(", ")));
    }
}

fn time(month: &Month<'_, '_>, assessed: &Assessment<'_>) -> String {
    let counted = match assessed.term.down_minute {
        DownMinute::Exact | DownMinute::Share(_) => "to the second".to_owned(),
        DownMinute::AnySecond => "every minute of the clock in which any second was down".to_owned(),
        DownMinute::WholeMinute => "only minutes of the clock that were down from end to end".to_owned(),
        DownMinute::Consecutive(minutes) => format!("only what lasted at least {minutes} min at a stretch"),
    };
    let uptime = assessed.uptime;
    let what = match (month.per, month.members.len()) {
        (Per::Service, many) if many > 1 => format!("The service, {many} entries together,"),
        (Per::Service, _) => "The service".to_owned(),
        (Per::Resource, _) => month.members[0].usage.name(),
    };
    if let Outcome::Unknown(_) = assessed.outcome {
        return format!(
            "The windows of these incidents cover {} of the billing month from {} to {} ({}).",
            spoken(uptime.down),
            month.month.first,
            month.month.last,
            month.calendar.zone
        );
    }
    format!(
        "{what} was down for {} of {} in the billing month from {} to {} ({}), counted {counted}; times that overlap count \
         once: an uptime of {} %.",
        spoken(uptime.down),
        spoken(uptime.available),
        month.month.first,
        month.month.last,
        month.calendar.zone,
        uptime.percent()
    )
}

/// What of several entries for one resource counts.
fn in_parts(month: &Month<'_, '_>, assessed: &Assessment<'_>) -> String {
    let parts = month.members.iter().map(|member| {
        let usage = member.usage;
        let tier = usage.tier.as_deref().map(|tier| format!("{tier} "));
        let from = usage.deployed.filter(|from| *from > month.month.start);
        let until = usage.removed.filter(|until| *until < month.month.end);
        let times = match (from, until) {
            (Some(from), Some(until)) => format!("from {} until {}", moment(from), moment(until)),
            (None, Some(until)) => format!("until {}", moment(until)),
            (Some(from), None) => format!("from {}", moment(from)),
            (None, None) => "all month".to_owned(),
        };
        format!("{}{times}", tier.unwrap_or_default())
    });
    let parts: Vec<String> = parts.collect();
    let terms = match &assessed.usage.tier {
        _ if assessed.down.is_empty() => "nothing of it was down by the terms of its time".to_owned(),
        Some(tier) => format!("the terms of {tier} count: of those during whose time it was down they pay the most"),
        None => "of the terms during whose time it was down those count that pay the most".to_owned(),
    };
    format!(
        "It has {} entries in this month ({}), which are one claim; {terms}. What `fees:` names for the month is added up, and \
         of what `fee:` names the highest counts.",
        parts.len(),
        parts.join("; ")
    )
}

fn terms(assessed: &Assessment<'_>) -> String {
    let term = assessed.term;
    let steps = term
        .steps
        .iter()
        .map(|step| format!("below {} % pays {} %", step.below.normalize(), step.credit.normalize()));
    let steps: Vec<String> = steps.collect();
    let steps = match steps.is_empty() {
        true => "steps not known here".to_owned(),
        false => steps.join(", "),
    };
    let source = term.source.as_deref().unwrap_or("no source");
    // what nobody compared with its source was only noted down
    let verb = if term.verified { "checked" } else { "noted" };
    let checked = term
        .checked
        .map_or_else(|| "never checked".to_owned(), |day| format!("{verb} on {day}"));
    format!(
        "Terms of {}: {}: {steps} ({source}, {checked}).",
        term.provider,
        term.name()
    )
}

fn edition(assessed: &Assessment<'_>) -> String {
    let chosen = assessed.edition;
    let because = match chosen.because {
        Because::Renewed => format!("its subscription was renewed on {}", chosen.day),
        Because::Deployed => format!("it began on {}", chosen.day),
        Because::YearBeforeRenewal => {
            format!(
                "the term before its renewal is taken to have begun a year earlier, on {}",
                chosen.day
            )
        }
        Because::Nothing => format!(
            "begin and renewal of its subscription are not known, so the first day of the month counts, {}",
            chosen.day
        ),
    };
    let name = assessed.term.edition_name();
    let name = name.map_or_else(|| "Edition without a name".to_owned(), |name| format!("Edition {name}"));
    let sure = match chosen.is_sure {
        true => "",
        false => "; no edition is known for that day, and this is the nearest one",
    };
    format!("{name}: {because}{sure}.")
}

fn result(month: &Month<'_, '_>, assessed: &Assessment<'_>) -> String {
    match &assessed.outcome {
        Outcome::Nothing(why) => format!("Nothing is owed: {why}."),
        Outcome::Unknown(why) => format!("{}.", capitalised(why)),
        Outcome::Owed(step, None) if month.has_several_currencies() => format!(
            "{} % of the fees may be owed; they are in several currencies, and one claim has one: write them in one.",
            step.credit.normalize()
        ),
        Outcome::Owed(step, None) => format!(
            "{} % of the fee may be owed; the fee of {} is not known: add it to `fees`.",
            step.credit.normalize(),
            month.month.name
        ),
        Outcome::Owed(step, Some(credit)) => owed(month, step.credit, *credit),
    }
}

/// That the least amount that is paid is in another currency than the fee.
fn not_compared(month: &Month<'_, '_>, term: &Term) -> Option<String> {
    let ((least, of), (_, currency)) = (term.pays_above?, month.money()?);
    (of != currency).then(|| {
        format!(
            "The terms pay no credit of {} {of} or less: look at that yourself, as the fee is in {currency}.",
            of.shown(least)
        )
    })
}

fn owed(month: &Month<'_, '_>, percent: Decimal, credit: Decimal) -> String {
    let Some((fee, currency)) = month.money() else {
        return String::new();
    };
    format!(
        "{} {currency} x {} / 100 = {} {currency} may be owed: rounded half up, and at most the fee.",
        currency.shown(fee),
        percent.normalize(),
        currency.shown(credit)
    )
}

fn deadlines(assessed: &Assessment<'_>, last_day: Option<NaiveDate>, sentences: &mut Vec<String>) {
    for case in assessed.cases().iter().take(INCIDENTS_TOLD_MOST) {
        let (by, incident) = (moment(case.by), &case.incident);
        sentences.push(format!("A case must be opened by {by} for {incident}."));
    }
    match (last_day, assessed.term.claim_within) {
        (Some(day), Some(within)) => sentences.push(format!("The claim must be in by {day}: {within}.")),
        _ => sentences.push("The terms do not say until when a claim must be in.".to_owned()),
    }
    if let Some(seconds) = assessed.term.processed_within {
        sentences.push(format!(
            "The provider answers within {} days.",
            seconds / (24 * 60 * 60)
        ));
    }
}

fn unverified(term: &Term) -> String {
    let where_to = term.source.as_deref().unwrap_or("the provider's document");
    format!("Unverified: nobody has compared all of these terms with {where_to}; do so before you claim.")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
