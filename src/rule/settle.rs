//! One folder of rule files on its way into force: the newest versions that check clean together.
//!
//! A file with an error, or a failing test, goes back to its last good version; so does one that takes away a name that
//! a version in force still needs. That is repeated until nothing changes; it ends, as versions only ever go back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::claim::{self, Catalogue, Exclusion, Identity, Usage};
use crate::customer::CustomerId;
use crate::event::Provider;
use crate::problem::{Place, Problem, Severity};

use super::deciding::{Deciding, Source};
use super::file::resolve::{Names, resolve};
use super::file::{Draft, MAX_PATTERN_BYTES, MAX_PATTERN_PLACES, MAX_RULES, MAX_USAGES, Scope};
use super::findings::Findings;
use super::steps::Steps;
use super::test::{Outcome, Ran, Results, Stage, run};
use super::{Cost, Need, Pattern, Rule, RuleFile, Sort};

/// How often the files of a folder may hold each other back before all of them are: each time, all of them are looked at
/// again.
const ROUNDS_MOST: usize = 20;

/// All files of one customer.
pub(super) struct Folder<'t> {
    pub(super) settings: &'t Deciding,
    pub(super) files: Vec<Member<'t>>,
    /// Files that are not there any more and stay in force all the same.
    pub(super) vanished: BTreeMap<String, Arc<RuleFile>>,
    /// Files that are not there any more.
    pub(super) gone: Vec<Arc<RuleFile>>,
}

/// One file of a folder, on its way into force.
pub(super) struct Member<'t> {
    pub(super) draft: Draft<'t>,
    last_good: Option<Arc<RuleFile>>,
    pub(super) state: State,
    /// What came of its tests, and of what they were run on; `None` until they were run.
    tested: Option<(Tested, Results)>,
    /// What its tests may still take of this check.
    steps: Steps,
}

/// What a file's tests are run on.
#[derive(PartialEq)]
struct Tested {
    file: Arc<RuleFile>,
    /// The rules of other files that its tests name.
    others: Vec<Arc<Rule>>,
}

impl Tested {
    fn of(file: &Arc<RuleFile>, rules: &BTreeMap<String, Arc<Rule>>) -> Self {
        let named = file.tests.iter().flat_map(|test| test.expect.keys());
        let named: BTreeSet<&String> = named.collect();
        let own: BTreeSet<&String> = file.rules.iter().map(|rule| &rule.name).collect();
        Self {
            file: file.clone(),
            others: named
                .difference(&own)
                .filter_map(|name| rules.get(*name).cloned())
                .collect(),
        }
    }
}

/// Which version of a file is to be in force.
pub(super) enum State {
    /// The one that was read, with its names resolved.
    New(Option<Arc<RuleFile>>),
    /// The last good one, if there is any.
    Kept(Option<Arc<RuleFile>>),
}

impl<'t> Member<'t> {
    /// The version that is to be in force.
    pub(super) fn in_force(&self) -> Option<&Arc<RuleFile>> {
        match &self.state {
            State::New(file) | State::Kept(file) => file.as_ref(),
        }
    }

    pub(super) fn is_new(&self) -> bool {
        matches!(self.state, State::New(_))
    }

    /// What came of the tests that were read.
    fn ran(&self) -> impl Iterator<Item = Ran> {
        self.draft.tests.iter().enumerate().map(|(nth, test)| Ran {
            path: self.draft.reading.file.to_owned(),
            name: test.name.clone(),
            line: test.place.line,
            outcome: self.outcome(nth),
        })
    }

    fn outcome(&self, nth: usize) -> Outcome {
        let Some((_, results)) = &self.tested else {
            return Outcome::NotRun;
        };
        if results.too_costly.is_some_and(|first| first <= nth) {
            return Outcome::NotRun;
        }
        match results.failures.iter().find(|failure| failure.nth == nth) {
            Some(failure) => Outcome::Failed(failure.what.clone()),
            None => Outcome::Passed,
        }
    }

    /// Goes back to the last good version if anything is wrong.
    fn hold_back(&mut self) -> bool {
        let is_wrong = self.is_new() && self.draft.reading.has_errors();
        if is_wrong {
            self.state = State::Kept(self.last_good.clone());
        }
        is_wrong
    }
}

impl<'t> Folder<'t> {
    /// An empty folder.
    pub(super) fn new(settings: &'t Deciding) -> Self {
        Self {
            settings,
            files: Vec::new(),
            vanished: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// Adds a file that was read.
    pub(super) fn add(&mut self, source: &'t Source, last_good: Option<&Arc<RuleFile>>) {
        let scope = Scope {
            catalogue: &self.settings.catalogue,
            allow_private: self.settings.allow_private,
        };
        let draft = Draft::read(&source.path, &source.text, scope);
        self.files.push(Member {
            draft,
            last_good: last_good.cloned(),
            state: State::New(None),
            tested: None,
            steps: Steps::of_tests(source.text.len()),
        });
    }

    /// Finds the newest versions that check clean together.
    pub(super) fn settle(&mut self, customer: &CustomerId, findings: &mut Findings) {
        self.files
            .sort_by(|one, other| one.draft.reading.file.cmp(other.draft.reading.file));
        self.refuse_too_many();
        self.refuse_claimed_twice();
        self.say_what_usage_lacks(customer);
        let all = self.names(true);
        self.resolve(&all);
        self.hold_back();
        let mut rounds = 0;
        loop {
            let names = self.names(false);
            self.resolve(&names);
            let is_settled = !(self.hold_back() || self.keep_what_is_needed(&names, findings) || self.fail_tests());
            rounds += 1;
            if is_settled {
                break;
            }
            if rounds == ROUNDS_MOST {
                self.keep_everything(findings);
                break;
            }
        }
    }

    /// A folder's limits: no customer may slow down the others.
    fn refuse_too_many(&self) {
        let (mut count, mut cost) = (0, Cost::default());
        for member in &self.files {
            let error = |what: &str, hint: &str| member.draft.reading.error(Place::default(), what, Some(hint));
            count += member.draft.rules.len();
            if count > MAX_RULES {
                let what = format!("a folder has at most {MAX_RULES} rules; with this file it has {count}");
                error(&what, "one rule may name many services and receivers");
            }
            self.refuse_patterns(member, &mut cost);
        }
    }

    /// Files of a folder may not claim the same resource for the same time.
    fn refuse_claimed_twice(&self) {
        let mut all: Vec<(&Member<'_>, &Usage)> = Vec::new();
        for member in &self.files {
            all.extend(member.draft.usages.iter().map(|usage| (member, usage)));
            if all.len() > MAX_USAGES {
                let count = all.len();
                let what = format!("a folder has at most {MAX_USAGES} entries of usage; with this file it has {count}");
                let hint = "an entry without `resource:` is all of a service in an account";
                return member.draft.reading.error(Place::default(), &what, Some(hint));
            }
        }
        for ((first, one), (second, other)) in claim::claimed_twice(&all, |(_, usage)| *usage) {
            // within a file it was said when that was read
            if first.draft.reading.file != second.draft.reading.file {
                let (what, hint) = claim::said_twice((one, Some(first.draft.reading.file)), other);
                second.draft.reading.error(other.place, &what, Some(&hint));
            }
        }
    }

    /// A credit for a service as a whole is of the sum of its fees, so these are in one currency.
    fn refuse_two_currencies(&self, terms: &Catalogue) {
        let mut known: HashMap<Identity, (&Member<'_>, &Usage)> = HashMap::new();
        for member in &self.files {
            let usages = member.draft.usages.iter().filter(|usage| usage.currency.is_some());
            for usage in usages.filter(|usage| terms.sums_up(usage)) {
                let (first, one) = known.entry(usage.identity_of_service()).or_insert((member, usage));
                if let (Some(currency), Some(other)) = (one.currency, usage.currency)
                    && currency != other
                    && one.is_beside(usage)
                {
                    let (service, line, file) = (&usage.service, one.place.line, first.draft.reading.file);
                    let what = format!(
                        "fees of {service} in two currencies: {other} here, {currency} on line {line} of {file}; its credit \
                         is for the service as a whole"
                    );
                    let hint = "write them in the currency of the bill, or name the `subscription:` of each";
                    member.draft.reading.error(usage.place, &what, Some(hint));
                }
            }
        }
    }

    /// Says of usage for which nothing can be worked out why: no terms, an account that nobody hears of here, or fees that
    /// cannot be added up.
    fn say_what_usage_lacks(&self, customer: &CustomerId) {
        if self.files.iter().all(|member| member.draft.usages.is_empty()) {
            return;
        }
        let own = self.files.iter().flat_map(|member| member.draft.terms.iter().cloned());
        let terms = Catalogue::shipped(&self.settings.catalogue).with_own(own.collect());
        self.refuse_two_currencies(&terms);
        let known = self.settings.customers.by_name.as_ref();
        let owner = known.and_then(|known| known.get(customer));
        for member in &self.files {
            let reading = &member.draft.reading;
            let mut unknown_regions = BTreeSet::new();
            for usage in &member.draft.usages {
                if let Some(why) = terms.lacks(usage) {
                    let hint = "`bellwether claims terms` lists what is known; write your own under `terms:`";
                    reading.warning(usage.tier_place, &why, Some(hint));
                }
                if let Some(region) = usage
                    .region
                    .as_deref()
                    .filter(|_| usage.provider == Provider::Azure.word())
                    && !self.settings.catalogue.knows_region(region)
                    && unknown_regions.insert(region)
                {
                    let what = format!("no region called `{region}` is known");
                    let hint = match self.settings.catalogue.closest_region(region) {
                        Some(closest) => format!("did you mean `{closest}`?"),
                        None => "if it is right, add it to the catalogue".to_owned(),
                    };
                    reading.warning(usage.region_place, &what, Some(&hint));
                }
                for (is_so, what, word) in [
                    (usage.free, Exclusion::Free, "free"),
                    (usage.preview, Exclusion::Preview, "preview"),
                ] {
                    if is_so && !terms.excludes(usage, what) {
                        let what = format!(
                            "`{word}: true` changes nothing: the terms of {} leave that in",
                            usage.service
                        );
                        let hint = format!("`exclude: [{word}]` in its terms; leave the key out where it is paid for");
                        reading.warning(usage.place, &what, Some(&hint));
                    }
                }
                if let (Some(owner), Some(account)) = (owner, &usage.subscription)
                    && !owner.accounts.contains(account)
                {
                    let what =
                        format!("no event of the account {account} reaches this customer, so nothing is computed");
                    let hint = "the operator's settings say which accounts a customer owns";
                    reading.warning(usage.place, &what, Some(hint));
                }
            }
        }
    }

    /// Adds a file's regular expressions to those of the files before it, and refuses it if they are too many.
    fn refuse_patterns(&self, member: &Member<'_>, cost: &mut Cost) {
        let before = *cost;
        member.draft.patterns().for_each(|pattern| *cost += pattern.cost());
        let error = |what: &str, largest: Option<&Pattern>, hint: &str| {
            let place = largest
                .and_then(|pattern| member.draft.place_of(pattern))
                .unwrap_or_default();
            member.draft.reading.error(place, what, Some(hint));
        };
        if cost.bytes > MAX_PATTERN_BYTES && cost.bytes > before.bytes {
            let (most, now) = (MAX_PATTERN_BYTES >> 20, cost.bytes.div_ceil(1 << 20));
            let what = format!(
                "the regular expressions of a folder take at most {most} MiB when compiled; with this file it is {now}"
            );
            let largest = member.draft.patterns().max_by_key(|pattern| pattern.cost().bytes);
            error(
                &what,
                largest,
                "this is the largest here; write globs: they take next to nothing",
            );
        }
        if cost.places > MAX_PATTERN_PLACES && cost.places > before.places {
            let (now, earlier) = (cost.places, before.places);
            let what = format!(
                "the regular expressions of a folder have at most {MAX_PATTERN_PLACES} classes, alternatives and \
                 repetitions, each counted as often as it is repeated; with this file it is {now}, {earlier} of them in \
                 the files before it"
            );
            let largest = member.draft.patterns().max_by_key(|pattern| pattern.cost().places);
            let share = largest.map_or(0, |pattern| pattern.cost().places);
            let hint = format!("this one counts as {share}: make repetitions like `{{50}}` smaller, or write a glob");
            error(&what, largest, &hint);
        }
    }

    /// What the files define together: the versions to be in force, or (`all`) also the broken ones just read.
    fn names(&self, all: bool) -> Names {
        let mut names = Names::default();
        self.vanished.values().for_each(|file| names.add_file(file));
        for member in self.files.iter().filter(|member| !member.is_new()) {
            names.unread.push(member.draft.reading.file.to_owned());
            member.in_force().iter().for_each(|file| names.add_file(file));
        }
        self.files
            .iter()
            .filter(|member| member.is_new())
            .for_each(|member| names.add_draft(&member.draft));
        if all {
            let unread = self.files.iter().filter(|member| member.draft.reading.has_errors());
            let unread: Vec<_> = unread.map(|member| member.draft.reading.file.to_owned()).collect();
            self.files
                .iter()
                .filter_map(|member| member.last_good.as_ref())
                .for_each(|file| names.add_file(file));
            names.unread.extend(unread);
        }
        names
    }

    fn resolve(&mut self, names: &Names) {
        for member in self.files.iter_mut().filter(|member| member.is_new()) {
            member.state = State::New(Some(Arc::new(resolve(&member.draft, names, &self.settings.customers))));
        }
    }

    fn hold_back(&mut self) -> bool {
        self.files
            .iter_mut()
            .fold(false, |any, member| member.hold_back() | any)
    }

    /// A kept version may need a name that a newer version of another file (or a file that is gone) took away: then
    /// that one is held back too.
    fn keep_what_is_needed(&mut self, names: &Names, findings: &mut Findings) -> bool {
        let kept = self
            .files
            .iter()
            .filter(|member| !member.is_new())
            .filter_map(Member::in_force);
        let kept = kept.chain(self.vanished.values());
        let needs = kept.flat_map(|file| file.needs.iter().map(|need| (file.path.clone(), need.clone())));
        let missing: Vec<_> = needs.filter(|(_, need)| !names.has(need)).collect();
        missing
            .into_iter()
            .fold(false, |any, (path, need)| self.bring_back(&path, &need, findings) | any)
    }

    fn bring_back(&mut self, path: &str, need: &Need, findings: &mut Findings) -> bool {
        let had = |file: &Arc<RuleFile>| defines(file, need);
        let what = format!(
            "line {} of {path} needs the {} `{}`, which was here",
            need.line, need.sort, need.name
        );
        let hint = "take it out of that rule first, or put it back here";
        let culprit = self
            .files
            .iter_mut()
            .find(|member| member.is_new() && member.last_good.as_ref().is_some_and(had));
        if let Some(member) = culprit {
            member.draft.reading.error(Place::default(), &what, Some(hint));
            return member.hold_back();
        }
        let Some(nth) = self.gone.iter().position(had) else {
            return false;
        };
        let file = self.gone.swap_remove(nth);
        findings
            .problems
            .push(Problem::of_file(Severity::Error, &file.path, &what, Some(hint)));
        findings.broken(&file.path, &file.customer, 1, String::new());
        self.vanished.insert(file.path.clone(), file);
        true
    }

    /// Keeps everything as it was: the last good versions check clean together.
    fn keep_everything(&mut self, findings: &mut Findings) {
        let what = format!(
            "the files of this folder hold each other back: after {ROUNDS_MOST} rounds it is not clear which versions go \
             together"
        );
        let hint = "mend the files that have other errors first";
        for member in self.files.iter_mut().filter(|member| member.is_new()) {
            member.draft.reading.error(Place::default(), &what, Some(hint));
            member.state = State::Kept(member.last_good.clone());
        }
        for file in self.gone.drain(..) {
            let problem = Problem::of_file(Severity::Error, &file.path, &what, Some(hint));
            findings.problems.push(problem);
            findings.broken(&file.path, &file.customer, 1, String::new());
            self.vanished.insert(file.path.clone(), file);
        }
    }

    fn fail_tests(&mut self) -> bool {
        let rules = self.rules();
        let stage = Stage {
            rules: &rules,
            customers: &self.settings.customers,
            catalogue: &self.settings.catalogue,
        };
        for member in self.files.iter_mut().filter(|member| member.is_new()) {
            let Some(file) = member.in_force() else { continue };
            let tested = Tested::of(file, &rules);
            if member.tested.as_ref().is_some_and(|(before, _)| *before == tested) {
                continue;
            }
            let results = run(file, stage, &member.steps);
            for failure in &results.failures {
                let test = &member.draft.tests[failure.nth];
                let what = format!("the test `{}` fails: {}", test.name, failure.what.join("; "));
                member.draft.reading.error(test.place, &what, None);
            }
            if let Some(test) = results.too_costly.map(|nth| &member.draft.tests[nth]) {
                let what = format!(
                    "the tests of this file take more than {} million steps together; `{}` and those behind it are not run",
                    member.steps.most() / 1_000_000,
                    test.name
                );
                let hint = "each test tries each rule of its file: write fewer, shorten patterns that begin with `*` and \
                            go on with many `?`, or split the file";
                member.draft.reading.error(test.place, &what, Some(hint));
            }
            member.tested = Some((tested, results));
        }
        self.hold_back()
    }

    pub(super) fn rules(&self) -> BTreeMap<String, Arc<Rule>> {
        let files = self
            .files
            .iter()
            .filter_map(Member::in_force)
            .chain(self.vanished.values());
        files
            .flat_map(|file| &file.rules)
            .map(|rule| (rule.name.clone(), rule.clone()))
            .collect()
    }

    /// The receivers of the versions in force.
    pub(super) fn receivers(&self) -> Vec<&Arc<super::Receiver>> {
        let files = self
            .files
            .iter()
            .filter_map(Member::in_force)
            .chain(self.vanished.values());
        files.flat_map(|file| &file.receivers).collect()
    }

    pub(super) fn report(&mut self, findings: &mut Findings) {
        for member in &self.files {
            let problems = member.draft.reading.take_problems();
            if !member.is_new() {
                let errors = problems.iter().filter(|problem| problem.is_error()).count();
                findings.broken(
                    member.draft.reading.file,
                    &member.draft.customer,
                    errors,
                    member.draft.digest.clone(),
                );
            }
            findings.tests.extend(member.ran());
            findings.problems.extend(problems);
        }
    }

    /// The versions in force, by path.
    pub(super) fn into_files(self) -> Vec<(String, Arc<RuleFile>)> {
        let kept = self.files.iter().filter_map(|member| member.in_force().cloned());
        kept.chain(self.vanished.into_values())
            .map(|file| (file.path.clone(), file))
            .collect()
    }
}

fn defines(file: &RuleFile, need: &Need) -> bool {
    match need.sort {
        Sort::Receiver => file.receivers.iter().any(|receiver| receiver.name == need.name),
        Sort::Group => file.groups.contains_key(&need.name),
    }
}
