//! What the terms ask for and is not there, and what a person should know before the claim is sent.

use std::fmt::Write as _;

use serde::Serialize;

use crate::event::fold;

use super::layout::{Laid, Layout};
use super::request::lasted;
use super::words::{count, line, moment};
use super::{Pack, Resource};
use crate::claim::State;
use crate::incident::resources::{resource_key, resource_name};

/// What is missing, and what is not sure.
#[derive(Debug)]
pub struct Missing<'p> {
    /// Everything that the terms ask for, and how it is met.
    pub items: Vec<Item<'p>>,
    /// Sentences about what is not sure, or left out.
    pub warnings: Vec<String>,
}

/// One thing that the terms ask for.
#[derive(Debug, Serialize)]
pub struct Item<'p> {
    /// In the words of the terms.
    pub asked: &'p str,
    /// Where it is; none: it is missing.
    pub place: Option<String>,
}

impl<'p> Missing<'p> {
    pub fn of(pack: &'p Pack<'_>, layout: &Layout<'_>) -> Self {
        let items = pack.term_evidence.iter().map(|asked| Item {
            asked,
            place: provided(pack, asked).or_else(|| brought(pack, asked)),
        });
        Self {
            items: items.collect(),
            warnings: warnings(pack, layout),
        }
    }

    /// What is asked for and missing.
    pub fn items_missing(&self) -> impl Iterator<Item = &Item<'p>> {
        self.items.iter().filter(|item| item.place.is_none())
    }

    /// `missing.txt`.
    pub fn text(&self, pack: &Pack<'_>) -> String {
        let mut text = format!("What is missing from claim {}, and what is not sure\n\n", pack.row.id);
        let missing: Vec<&Item<'_>> = self.items_missing().collect();
        let is_known = !self.items.is_empty();
        match (missing.is_empty(), is_known) {
            (true, false) => text.push_str("The terms that are known here do not say what a claim must bring.\n"),
            (true, true) => text.push_str("Everything that the terms ask for is there.\n"),
            (false, _) => text.push_str("The terms ask for this, and it is missing:\n"),
        }
        for item in missing {
            let _ = writeln!(text, "- {}", line(item.asked, 500));
        }
        if self.items.iter().any(|item| item.place.is_some()) {
            text.push_str("\nThe terms ask for this, and it is there:\n");
        }
        for item in &self.items {
            if let Some(place) = &item.place {
                let _ = writeln!(text, "- {}: {}", line(item.asked, 500), line(place, 500));
            }
        }
        if !self.warnings.is_empty() {
            text.push_str("\nBefore the claim is sent:\n");
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "- {warning}");
        }
        text.push_str(FOR_WHOM);
        text
    }
}

/// Which files are for whom.
const FOR_WHOM: &str = "\nrequest.txt and the folder evidence/ go to the provider; this file, claim.html and claim.json are for you, and say \
                        what is not sure.\n";

/// Where a person says it is.
fn provided(pack: &Pack<'_>, asked: &str) -> Option<String> {
    let said = pack
        .provided
        .iter()
        .find(|provided| fold(&provided.asked) == fold(asked))?;
    Some(format!("{} (by a person's word)", line(&said.place, 300)))
}

/// What a customer has and this program never sees: a request for it is only met by a person's word.
const NEVER_BROUGHT: [&str; 5] = ["log", "count", "request", "error", "screenshot"];

/// Where the pack itself brings it. Whatever is not understood counts as missing: somebody looks once too often.
fn brought(pack: &Pack<'_>, asked: &str) -> Option<String> {
    let asked = asked.to_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| asked.contains(word));
    if names(&NEVER_BROUGHT) || pack.incidents.is_empty() {
        return None;
    }
    let all = |is: fn(&super::Evidence) -> bool| pack.incidents.iter().all(is);
    let has_resources = pack.row.resource.is_some() || pack.incidents.iter().any(|it| !it.resources.is_empty());
    // each thing that is named must be there
    let parts = [
        (names(&["tracking id"]), all(|it| !it.tracking_id.trim().is_empty())),
        (names(&["date", "time"]), all(|it| !it.windows.is_empty())),
        (names(&["resource", "instance"]), has_resources),
        (names(&["service"]), !pack.row.service.is_empty()),
        (
            names(&["project", "subscription", "account"]),
            pack.row.subscription.is_some(),
        ),
    ];
    let mut asked_for = parts.into_iter().filter(|(is_named, _)| *is_named).peekable();
    let is_understood = asked_for.peek().is_some();
    (is_understood && asked_for.all(|(_, is_there)| is_there)).then(|| "request.txt".to_owned())
}

fn warnings(pack: &Pack<'_>, layout: &Layout<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |is: bool, sentence: &str| warnings.extend(is.then(|| sentence.to_owned()));
    let row = pack.row;
    warn(
        !row.verified,
        "The figures rest on unverified terms: nobody has compared all of these with the provider's document. Compare them first.",
    );
    warn(
        row.provisional,
        "The figures are provisional: the billing month is not over.",
    );
    warn(
        row.state == Some(State::Expired),
        "The last day on which the claim may be in is over.",
    );
    warn(
        row.credit.is_none(),
        "No amount could be computed; the page claim.html says why.",
    );
    for case in &pack.cases_to_open {
        let (name, by) = (line(&case.incident, 200), moment(case.by));
        warnings.push(match case.by < pack.made {
            true => format!(
                "The terms ask for a case about {name}, to be opened by {by}, and nobody has said that one was: without it the \
                 provider may deny the claim."
            ),
            false => format!("The terms ask for a case about {name}: it must be opened by {by}."),
        });
    }
    let mut warn = |is: bool, sentence: &str| warnings.extend(is.then(|| sentence.to_owned()));
    warn(pack.addressee.is_none(), "Nobody has said to whom this claim is sent.");
    if let Some(difference) = &pack.difference {
        warnings.push(format!(
            "The claim was submitted with these figures. By what is known now the credit differs by {} {}.",
            line(difference, 60),
            line(row.currency.as_deref().unwrap_or_default(), 10)
        ));
    }
    warnings.extend(not_proven(pack));
    warnings.extend(
        layout
            .incidents
            .iter()
            .filter_map(|incident| not_on_list(pack, incident)),
    );
    warnings.extend(layout.incidents.iter().flat_map(left_out));
    if layout.incidents_left_out > 0 {
        let left_out = count(layout.incidents_left_out, "more incident");
        warnings.push(format!("There is no room for the evidence of {left_out}."));
    }
    warnings
}

/// Incidents that the claim rests on, and that nothing is known of here.
fn not_proven<'a>(pack: &'a Pack<'_>) -> impl Iterator<Item = String> + 'a {
    let is_there = |id: &str| pack.incidents.iter().any(|it| fold(&it.tracking_id) == fold(id));
    // what a person entered has no tracking id, and the row says so in words
    let is_nameless = |id: &str| id.contains(' ') && pack.incidents.iter().any(|it| it.tracking_id.is_empty());
    let unknown = pack.row.incidents.iter();
    unknown
        .filter(move |id| !is_there(id) && !is_nameless(id))
        .map(|id| format!("There is no evidence of the incident {} in this pack.", line(id, 200)))
}

/// That a list of impacted resources, which goes with the claim, does not bear it out.
fn not_on_list(pack: &Pack<'_>, incident: &Laid<'_>) -> Option<String> {
    let claimed = pack.row.resource.as_deref()?;
    let key = resource_key(claimed);
    let of_name = |listed: &&Resource| {
        let other = resource_key(&listed.id);
        let are_whole_ids = other.contains('/') && key.contains('/');
        other == key || (!are_whole_ids && resource_name(&other) == resource_name(&key))
    };
    let listed: Vec<&Resource> = incident.resources.iter().filter(of_name).collect();
    let (name, claimed) = (line(&incident.evidence.tracking_id, 200), line(claimed, 300));
    let says_nothing = !incident.resources.iter().any(|one| one.confirmed);
    let is_cut = !incident.evidence.is_list_whole || incident.resources_left_out > 0 || says_nothing;
    match () {
        () if listed.iter().any(|one| one.confirmed) => None,
        () if !listed.is_empty() => Some(format!(
            "The list of resources that {name} impacted has {claimed} as potentially impacted only."
        )),
        () if is_cut => None,
        () => Some(format!(
            "The list of resources that {name} impacted, which is in this pack, does not name {claimed}."
        )),
    }
}

fn left_out(incident: &Laid<'_>) -> Vec<String> {
    let name = line(&incident.evidence.tracking_id, 200);
    let mut sentences = Vec::new();
    if incident.evidence.entered.is_some() {
        let what = "A downtime rests on a person's entry alone: attach what its evidence names.";
        sentences.push(what.to_owned());
    } else if incident.evidence.communications.is_empty() {
        sentences.push(format!("No communication of the provider about {name} is known here."));
    }
    if let Some(since) = &incident.evidence.window_since {
        sentences.push(format!(
            "After the claim was submitted, other times of {name} became known: {}. The figures are those of the submission.",
            lasted(since)
        ));
    }
    if incident
        .evidence
        .windows
        .first()
        .is_some_and(|window| window.until.is_none())
    {
        sentences.push(format!("{name} is still going on: the figures will change."));
    }
    if incident.communications_left_out > 0 {
        let left_out = count(incident.communications_left_out, "communication");
        sentences.push(format!("There is no room for {left_out} about {name}."));
    }
    if incident.resources_left_out > 0 {
        let left_out = count(incident.resources_left_out, "impacted resource");
        sentences.push(format!("There is no room for {left_out} of {name}."));
    }
    for said in incident.communications.iter().filter(|said| said.bytes_left_out > 0) {
        let left_out = count(said.bytes_left_out, "byte");
        sentences.push(format!("{} is cut: {left_out} of its text are left out.", said.file));
    }
    sentences
}
