//! Reading terms from YAML, with every problem at its place.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::event::catalogue::Catalogue as Services;
use crate::event::fold;
use crate::problem::examine::Texts;
use crate::problem::fields::{Fields, Keys, Reading};
use crate::problem::yaml::{self, Node, Value};

use super::super::downtime::DownMinute;
use super::super::last_day::{ClaimWithin, FORMS};
use super::super::money::{Currency, read_amount, read_percent};
use super::super::words::{checked, day, given, list_of, needed, one_of, provider_word, service_key, word, words};
use super::{Exclusion, Measure, Per, Step, Term};

/// The longest time within which something is to be done, in seconds: three years.
const WITHIN_MOST: u64 = 3 * 366 * 24 * 60 * 60;

/// The longest stretch that `consecutive` may ask for, in minutes: a day.
const CONSECUTIVE_MOST: u32 = 24 * 60;

/// The keys of a file of terms.
const FILE: Keys = Keys {
    of: "a file of terms",
    known: &["terms", "version"],
    later: &[],
    meant: &[("term", "terms"), ("sla", "terms"), ("catalogue", "terms")],
    takes_own: true,
};

/// The keys of one term.
const TERMS: Keys = Keys {
    of: "a term",
    known: &[
        "provider",
        "service",
        "tier",
        "edition",
        "per",
        "measure",
        "down minute",
        "steps",
        "exclude",
        "claim within",
        "open case within",
        "evidence",
        "processed within",
        "pays above",
        "valid",
        "source",
        "checked",
        "verified",
    ],
    later: &[],
    meant: &[
        ("name", "service"),
        ("services", "service"),
        ("tiers", "tier"),
        ("sku", "tier"),
        ("version", "edition"),
        ("credits", "steps"),
        ("tiers of credit", "steps"),
        ("excludes", "exclude"),
        ("exclusions", "exclude"),
        ("deadline", "claim within"),
        ("claim by", "claim within"),
        ("downtime", "down minute"),
        ("down minutes", "down minute"),
        ("minute", "down minute"),
        ("from", "=`valid: { from: 2026-01-01 }`"),
        ("until", "=`valid: { until: 2026-12-01 }`"),
        ("url", "source"),
        ("minimum", "pays above"),
    ],
    takes_own: true,
};

const STEP: Keys = Keys {
    of: "a step",
    known: &["below", "credit"],
    later: &[],
    meant: &[
        ("under", "below"),
        ("less than", "below"),
        ("uptime", "below"),
        ("percent", "credit"),
        ("pays", "credit"),
    ],
    takes_own: false,
};

const VALID: Keys = Keys {
    of: "`valid`",
    known: &["from", "until"],
    later: &[],
    meant: &[
        ("since", "from"),
        ("to", "until"),
        ("till", "until"),
        ("start", "from"),
        ("end", "until"),
    ],
    takes_own: false,
};

/// Where a character that nobody sees does which harm.
const TEXTS: Texts = Texts {
    free: &["evidence", "source"],
    loose: &[
        "provider",
        "service",
        "tier",
        "per",
        "measure",
        "down minute",
        "claim within",
    ],
    only_told: false,
};

/// Reads a file of terms.
pub fn read_terms(reading: &Reading<'_>, services: &Services) -> Vec<Term> {
    let Some(tree) = reading.tree_within(TEXTS, yaml::BY_HAND) else {
        return Vec::new();
    };
    let example = "- { provider: azure, service: Virtual Machines, steps: [{ below: 99.9, credit: 10 }] }";
    if let Value::Nothing = tree.value {
        let hint = format!("`terms:` and below it `{example}`");
        reading.error(tree.place, "this file is empty", Some(&hint));
        return Vec::new();
    }
    let Some(fields) = reading.fields(&tree, &FILE) else {
        return Vec::new();
    };
    match needed(reading, &fields, &FILE, "terms", example) {
        Some(node) => read_items(reading, node, services),
        None => Vec::new(),
    }
}

/// Reads the list under `terms`.
pub fn read_items(reading: &Reading<'_>, node: &Node, services: &Services) -> Vec<Term> {
    let example = "- { provider: azure, service: Virtual Machines, steps: [{ below: 99.9, credit: 10 }] }";
    let items = list_of(reading, node, "terms", example).into_iter();
    let terms: Vec<Term> = items.filter_map(|item| term(reading, item, services)).collect();
    refuse_overlaps(reading, &terms);
    terms
}

fn term(reading: &Reading<'_>, node: &Node, services: &Services) -> Option<Term> {
    let fields = reading.fields(node, &TERMS)?;
    let provider = needed(reading, &fields, &TERMS, "provider", "azure");
    let service = needed(reading, &fields, &TERMS, "service", "Virtual Machines");
    let steps = steps(reading, &fields);
    let (from, until) = valid(reading, &fields);
    let provider = word(reading, provider?, "the provider")?;
    let service = word(reading, service?, "the service")?;
    if given(&fields, "claim within").is_none() {
        let what = "a term without `claim within`: nobody can be reminded of its last day";
        reading.warning(fields.place, what, Some(FORMS));
    }
    Some(Term {
        provider: provider_word(&provider),
        service_key: service_key(services, &service),
        service,
        tiers: given(&fields, "tier")
            .map(|node| words(reading, node, "the tier"))
            .unwrap_or_default(),
        edition: given(&fields, "edition").and_then(|node| word(reading, node, "the edition")),
        per: choice(reading, &fields, "per", &PER).unwrap_or(Per::Resource),
        measure: choice(reading, &fields, "measure", &MEASURE).unwrap_or(Measure::Downtime),
        down_minute: given(&fields, "down minute")
            .and_then(|node| checked(reading, node, "`down minute`", down_minute))
            .unwrap_or(DownMinute::Exact),
        steps,
        exclude: exclusions(reading, &fields),
        claim_within: given(&fields, "claim within").and_then(|node| claim_within(reading, node)),
        open_case_within: seconds(reading, &fields, "open case within"),
        evidence: given(&fields, "evidence")
            .map(|node| words(reading, node, "the evidence"))
            .unwrap_or_default(),
        processed_within: seconds(reading, &fields, "processed within"),
        pays_above: given(&fields, "pays above").and_then(|node| checked(reading, node, "`pays above`", pays_above)),
        from,
        until,
        source: given(&fields, "source").and_then(|node| word(reading, node, "the source")),
        checked: given(&fields, "checked").and_then(|node| checked(reading, node, "`checked`", day)),
        verified: given(&fields, "verified")
            .and_then(|node| reading.flag(node, "`verified`"))
            .unwrap_or(false),
        place: fields.place_of("service").unwrap_or(node.place),
    })
}

const PER: [(&str, Per); 2] = [("resource", Per::Resource), ("service", Per::Service)];

const MEASURE: [(&str, Measure); 2] = [("downtime", Measure::Downtime), ("error rate", Measure::ErrorRate)];

const EXCLUSIONS: [(&str, Exclusion); 8] = [
    ("preview", Exclusion::Preview),
    ("free", Exclusion::Free),
    ("planned maintenance", Exclusion::PlannedMaintenance),
    ("previews", Exclusion::Preview),
    ("free tier", Exclusion::Free),
    ("free tiers", Exclusion::Free),
    ("maintenance", Exclusion::PlannedMaintenance),
    ("scheduled maintenance", Exclusion::PlannedMaintenance),
];

fn choice<T: Copy + PartialEq>(
    reading: &Reading<'_>,
    fields: &Fields<'_>,
    key: &str,
    known: &[(&'static str, T)],
) -> Option<T> {
    one_of(reading, given(fields, key)?, &format!("`{key}`"), known)
}

fn exclusions(reading: &Reading<'_>, fields: &Fields<'_>) -> Vec<Exclusion> {
    let items = given(fields, "exclude")
        .map(|node| reading.items(node))
        .unwrap_or_default();
    let read = |item| one_of(reading, item, "exclusion", &EXCLUSIONS);
    items.into_iter().filter_map(read).collect()
}

fn seconds(reading: &Reading<'_>, fields: &Fields<'_>, key: &str) -> Option<u64> {
    reading.seconds(given(fields, key)?, &format!("`{key}`"), WITHIN_MOST)
}

fn claim_within(reading: &Reading<'_>, node: &Node) -> Option<ClaimWithin> {
    let text = word(reading, node, "`claim within`")?;
    let within = ClaimWithin::read(&text);
    if within.is_none() {
        let what = format!("`{text}` is no time within which something is claimed");
        reading.error(node.place, &what, Some(FORMS));
    }
    within
}

/// `exact`, `any second`, `whole minute`, `consecutive 5`, `share 5%`.
fn down_minute(text: &str) -> Result<DownMinute, String> {
    match fold(text).as_str() {
        "exact" => return Ok(DownMinute::Exact),
        "anysecond" => return Ok(DownMinute::AnySecond),
        "wholeminute" => return Ok(DownMinute::WholeMinute),
        _ => {}
    }
    let lower = text.trim().to_lowercase();
    let number = |rest: &str| {
        rest.trim()
            .split(' ')
            .next()
            .and_then(|number| number.parse::<u32>().ok())
    };
    if let Some(minutes) = lower.strip_prefix("consecutive").and_then(number)
        && (1..=CONSECUTIVE_MOST).contains(&minutes)
    {
        return Ok(DownMinute::Consecutive(minutes));
    }
    if let Some(Ok(share)) = lower.strip_prefix("share").map(read_percent) {
        return Ok(DownMinute::Share(share));
    }
    Err(format!(
        "`{text}` is no way to count minutes: exact, any second, whole minute, consecutive 5, share 5%"
    ))
}

fn pays_above(text: &str) -> Result<(rust_decimal::Decimal, Currency), String> {
    match read_amount(text)? {
        (amount, Some(currency)) => Ok((amount, currency)),
        (_, None) => Err(format!("`{text}` has no currency: write `{text} USD`")),
    }
}

fn steps(reading: &Reading<'_>, fields: &Fields<'_>) -> Vec<Step> {
    let Some(node) = needed(reading, fields, &TERMS, "steps", "[{ below: 99.9, credit: 10 }]") else {
        return Vec::new();
    };
    let items = list_of(reading, node, "steps", "- { below: 99.9, credit: 10 }");
    let mut steps: Vec<Step> = Vec::new();
    for item in items {
        let Some(step) = step(reading, item) else { continue };
        if let Some(before) = steps.last()
            && (step.below >= before.below || step.credit <= before.credit)
        {
            let what = format!(
                "steps out of order: below {} % pays {} %, and the step before is below {} % and pays {} %",
                step.below, step.credit, before.below, before.credit
            );
            let hint = "the highest `below` comes first, and each further step pays more: \
                        [{ below: 99.9, credit: 10 }, { below: 99, credit: 25 }]";
            reading.error(item.place, &what, Some(hint));
        }
        steps.push(step);
    }
    steps
}

fn step(reading: &Reading<'_>, node: &Node) -> Option<Step> {
    let fields = reading.fields(node, &STEP)?;
    let below = needed(reading, &fields, &STEP, "below", "99.9");
    let credit = needed(reading, &fields, &STEP, "credit", "10");
    let below = below.and_then(|node| checked(reading, node, "`below`", read_percent));
    let credit = credit.and_then(|node| checked(reading, node, "`credit`", read_percent));
    Some(Step {
        below: below?,
        credit: credit?,
    })
}

fn valid(reading: &Reading<'_>, fields: &Fields<'_>) -> (Option<NaiveDate>, Option<NaiveDate>) {
    let Some(fields) = given(fields, "valid").and_then(|node| reading.fields(node, &VALID)) else {
        return (None, None);
    };
    let date = |key: &str| given(&fields, key).and_then(|node| checked(reading, node, &format!("`{key}`"), day));
    let (from, until) = (date("from"), date("until"));
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        let what = format!("this edition ends on {until}, before it begins on {from}");
        reading.error(
            fields.place,
            &what,
            Some("`until` is the first day on which it is no longer current"),
        );
    }
    (from, until)
}

/// Two editions of the same terms may not be current at the same time.
fn refuse_overlaps(reading: &Reading<'_>, terms: &[Term]) {
    let mut by_tier: BTreeMap<(&str, &str, String), Vec<&Term>> = BTreeMap::new();
    for term in terms {
        let words: Vec<String> = match term.tiers.is_empty() {
            true => vec![String::new()],
            false => term.tiers.iter().map(|tier| fold(tier)).collect(),
        };
        for tier in words {
            by_tier
                .entry((&term.provider, &term.service_key, tier))
                .or_default()
                .push(term);
        }
    }
    for mut editions in by_tier.into_values() {
        editions.sort_by_key(|term| (term.from, term.place));
        // sorted by their begin, so that an edition can only reach into those behind it
        let mut reaching: Option<&Term> = None;
        for term in editions {
            if let Some(before) = reaching.filter(|before| overlaps(before, term)) {
                refuse_overlap(reading, before, term);
            }
            let reaches_further = |before: &Term| {
                before
                    .until
                    .is_some_and(|until| term.until.is_none_or(|own| own > until))
            };
            if reaching.is_none_or(reaches_further) {
                reaching = Some(term);
            }
        }
    }
}

fn overlaps(before: &Term, term: &Term) -> bool {
    before
        .until
        .is_none_or(|until| term.from.is_none_or(|from| from < until))
}

fn refuse_overlap(reading: &Reading<'_>, one: &Term, other: &Term) {
    let (first, second) = match one.place <= other.place {
        true => (one, other),
        false => (other, one),
    };
    let what = format!(
        "the terms of {} overlap in time with those on line {}",
        second.name(),
        first.place.line
    );
    let hint = match other.from {
        Some(from) => format!("end the earlier edition where this one begins: `valid: {{ until: {from} }}`"),
        None => "say from when each edition is current: `valid: { from: 2026-01-01 }`, and `until` for the one before"
            .to_owned(),
    };
    reading.error(second.place, &what, Some(&hint));
}
