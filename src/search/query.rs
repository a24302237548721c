//! A filter as a question to the index. Whatever it asks, it asks within what one viewer may know.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{BooleanQuery, FuzzyTermQuery, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};

use super::fields::{Fields, number, place, viewer_key};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::Kind;
use crate::view::filter::{Filter, Sought, review_names, state_word};

/// The question for one viewer, at `now`.
pub fn query(fields: &Fields, viewer: Option<&CustomerId>, filter: &Filter, now: Time) -> Box<dyn Query> {
    let term = |field: Field, text: &str| Term::from_field_text(field, text);
    let mut parts: Vec<Box<dyn Query>> = vec![one(term(fields.viewer, viewer_key(viewer)))];
    let mut any = |terms: Vec<Term>| {
        if !terms.is_empty() {
            parts.push(Box::new(TermSetQuery::new(terms)));
        }
    };
    any(filter.types.iter().map(|one| fields.of_type(*one)).collect());
    any(filter.accounts.iter().map(|one| term(fields.account, one)).collect());
    any(filter.kinds.iter().map(|one| fields.of_kind(*one)).collect());
    match (filter.services.is_empty(), filter.regions.is_empty()) {
        (true, _) => any(filter.regions.iter().map(|one| term(fields.region, one)).collect()),
        (_, true) => any(filter.services.iter().map(|one| term(fields.service, one)).collect()),
        (false, false) => any(pairs(filter).map(|place| term(fields.place, &place)).collect()),
    }
    parts.extend(states(fields, filter, now));
    if let Some(since) = filter.since {
        parts.push(range(fields.updated, Bound::Included(number(since)), Bound::Unbounded));
    }
    if let Some(until) = filter.until {
        parts.push(range(fields.began, Bound::Unbounded, Bound::Excluded(number(until))));
    }
    parts.extend(found(fields, filter));
    Box::new(BooleanQuery::intersection(parts))
}

/// Each service in each region.
fn pairs(filter: &Filter) -> impl Iterator<Item = String> {
    let services = filter.services.iter();
    services.flat_map(|service| filter.regions.iter().map(move |region| place(service, region)))
}

/// What is in one of the states at `now`: first, or by the clock alone.
fn states(fields: &Fields, filter: &Filter, now: Time) -> Option<Box<dyn Query>> {
    if filter.states.is_empty() {
        return None;
    }
    let now = number(now);
    let any = |field: Field| -> Box<dyn Query> {
        let terms = filter
            .states
            .iter()
            .map(|state| Term::from_field_text(field, state_word(*state)));
        Box::new(TermSetQuery::new(terms))
    };
    let is_first = range(fields.turns, Bound::Included(now), Bound::Unbounded);
    let has_turned = range(fields.turns, Bound::Unbounded, Bound::Excluded(now));
    let first = BooleanQuery::intersection(vec![any(fields.state), is_first]);
    let then = BooleanQuery::intersection(vec![any(fields.then), has_turned]);
    Some(Box::new(BooleanQuery::union(vec![Box::new(first), Box::new(then)])))
}

/// Everything that is searched for; or the tracking id itself.
fn found(fields: &Fields, filter: &Filter) -> Option<Box<dyn Query>> {
    let all: Vec<Box<dyn Query>> = filter.sought.iter().map(|sought| has(fields, sought)).collect();
    let id = filter.tracking_id.as_ref();
    let id = id.map(|id| one(Term::from_field_text(fields.tracking_id, id)));
    let all: Option<Box<dyn Query>> = match all.is_empty() {
        true => None,
        false => Some(Box::new(BooleanQuery::intersection(all))),
    };
    match (id, all) {
        (Some(id), Some(all)) => Some(Box::new(BooleanQuery::union(vec![id, all]))),
        (id, all) => id.or(all),
    }
}

fn has(fields: &Fields, sought: &Sought) -> Box<dyn Query> {
    match sought {
        Sought::Words(words) => phrase(fields, words),
        Sought::Beginning(beginning) => {
            let term = Term::from_field_text(fields.words, beginning);
            Box::new(FuzzyTermQuery::new_prefix(term, 0, false))
        }
        Sought::Review => {
            let kinds = Kind::ALL.iter().filter(|kind| kind.is_review());
            let kinds = kinds.map(|kind| one(fields.of_kind(*kind)));
            let names = review_names().map(|name| phrase(fields, &name));
            Box::new(BooleanQuery::union(kinds.chain(names).collect()))
        }
    }
}

fn phrase(fields: &Fields, words: &[String]) -> Box<dyn Query> {
    let terms: Vec<Term> = words
        .iter()
        .map(|word| Term::from_field_text(fields.words, word))
        .collect();
    match <[Term; 1]>::try_from(terms) {
        Ok([term]) => one(term),
        Err(terms) => Box::new(PhraseQuery::new(terms)),
    }
}

fn one(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn range(field: Field, from: Bound<i64>, to: Bound<i64>) -> Box<dyn Query> {
    let term = |at: i64| Term::from_field_i64(field, at);
    Box::new(RangeQuery::new(from.map(term), to.map(term)))
}
