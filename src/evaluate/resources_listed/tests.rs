//! What becomes of lists, one after another.

use proptest::prelude::*;

use super::*;
use crate::event::Provider;

fn time() -> Time {
    "2026-11-24T10:00:00Z".parse().expect("a time")
}

fn resource(id: &str, confirmed: bool) -> Resource {
    Resource {
        id: id.to_owned(),
        kind: String::new(),
        name: String::new(),
        account: None,
        region: None,
        confirmed,
    }
}

/// What is known after these changes, and why nothing came of them.
fn apply(
    known: &mut BTreeMap<String, KnownResource>,
    summary: &mut Option<ResourceSummary>,
    changes: Vec<Change>,
) -> Option<Why> {
    for change in changes {
        match change {
            Change::ResourcesListed(listed) => {
                assert!(listed.resources.len() <= IN_ONE_CHANGE);
                let at = listed.at;
                let listed = listed.resources.into_iter();
                known.extend(listed.map(|resource| (resource.key(), KnownResource { at, resource })));
            }
            Change::ResourcesCounted(counted) => *summary = Some(counted),
            Change::Nothing { why } => return Some(why),
            other => panic!("{other:?}"),
        }
    }
    None
}

fn keep_with(
    resources: &[Resource],
    is_complete: bool,
    known: &BTreeMap<String, KnownResource>,
    summary: Option<&ResourceSummary>,
) -> Vec<Change> {
    keep_as(None, resources, is_complete, known, summary)
}

fn keep_as(
    first: Option<&FirstSaid>,
    resources: &[Resource],
    is_complete: bool,
    known: &BTreeMap<String, KnownResource>,
    summary: Option<&ResourceSummary>,
) -> Vec<Change> {
    let listing = Listing {
        incident: &IncidentId::new(Provider::Azure, "T-1"),
        customer: &CustomerId::new("contoso"),
        by: "ada",
        resources,
        is_complete,
        first,
        known: ResourcesKnown {
            has_incident: true,
            summary: summary.cloned(),
            resources: known.clone(),
        },
    };
    keep(&listing, time())
}

#[test]
fn the_same_list_again_changes_nothing_and_another_word_replaces() {
    let (mut known, mut summary) = (BTreeMap::new(), None);
    let list = [resource("A", false), resource("b", true)];
    let changes = keep_with(&list, true, &known, None);
    assert_eq!(apply(&mut known, &mut summary, changes), None);
    let counts = |summary: &Option<ResourceSummary>| summary.as_ref().map(|one| (one.confirmed, one.potential));
    assert_eq!(counts(&summary), Some((1, 1)));
    let again = keep_with(&list, true, &known, summary.as_ref());
    assert_eq!(apply(&mut known, &mut summary, again), Some(Why::SaidBefore));
    let confirmed = keep_with(&[resource("a", true)], true, &known, summary.as_ref());
    assert_eq!(apply(&mut known, &mut summary, confirmed), None);
    assert_eq!(
        (counts(&summary), known.len()),
        (Some((2, 0)), 2),
        "in any case it is the same"
    );
    // that a list is not whole is worth keeping by itself
    let cut = keep_with(&[resource("a", true)], false, &known, summary.as_ref());
    assert_eq!(apply(&mut known, &mut summary, cut), None);
    assert!(!summary.expect("a summary").is_complete);
}

#[test]
fn what_an_archive_lists_keeps_its_time_and_replaces_only_what_is_older() {
    let first = |at: &str| FirstSaid {
        at: at.parse().expect("a time"),
        by: "grace".to_owned(),
    };
    let (mut known, mut summary) = (BTreeMap::new(), None);
    let here = keep_with(&[resource("a", true)], true, &known, None);
    apply(&mut known, &mut summary, here);
    // older than what is here: what is new of it is kept, and the rest stays
    let older = first("2026-11-20T10:00:00Z");
    let list = [resource("a", false), resource("b", false)];
    let changes = keep_as(Some(&older), &list, false, &known, summary.as_ref());
    assert_eq!(apply(&mut known, &mut summary, changes), None);
    assert!(known["a"].resource.confirmed && known["b"].at == older.at);
    let newest = summary.clone().expect("a summary");
    assert_eq!(
        (
            newest.confirmed,
            newest.potential,
            newest.is_complete,
            newest.at,
            &*newest.by
        ),
        (1, 1, true, time(), "ada")
    );
    let again = keep_as(Some(&older), &list, false, &known, summary.as_ref());
    assert_eq!(apply(&mut known, &mut summary, again), Some(Why::SaidBefore));
    // newer: it replaces, under its own time and name
    let newer = first("2026-11-25T10:00:00Z");
    let changes = keep_as(Some(&newer), &list, false, &known, summary.as_ref());
    assert_eq!(apply(&mut known, &mut summary, changes), None);
    let newest = summary.expect("a summary");
    assert!(!known["a"].resource.confirmed && known["a"].at == newer.at);
    assert_eq!(
        (newest.confirmed, newest.potential, newest.is_complete, &*newest.by),
        (0, 2, false, "grace")
    );
}

#[test]
fn as_many_are_kept_as_are_allowed_and_not_one_more() {
    let summary = |count: usize| ResourceSummary {
        incident: IncidentId::new(Provider::Azure, "T-1"),
        customer: CustomerId::new("contoso"),
        confirmed: u32::try_from(count).expect("a count"),
        potential: 0,
        is_complete: true,
        at: time(),
        by: "ada".to_owned(),
    };
    let one = [resource("a", true)];
    let (full, nearly) = (summary(KEPT_MOST), summary(KEPT_MOST - 1));
    let too_many = keep_with(&one, true, &BTreeMap::new(), Some(&full));
    assert!(
        matches!(
            &too_many[..],
            [Change::Nothing {
                why: Why::TooMany { .. }
            }]
        ),
        "{too_many:?}"
    );
    assert_eq!(keep_with(&one, true, &BTreeMap::new(), Some(&nearly)).len(), 2);
    let known = KnownResource {
        at: time(),
        resource: resource("a", false),
    };
    let known = BTreeMap::from([("a".to_owned(), known)]);
    let full = ResourceSummary { potential: 1, ..nearly };
    assert_eq!(
        keep_with(&one, true, &known, Some(&full)).len(),
        2,
        "one that is known is none more"
    );
}

proptest! {
    #[test]
    fn the_counts_are_those_of_what_is_kept(
        lists in prop::collection::vec(prop::collection::btree_map("[a-h]", any::<bool>(), 0..8), 0..8),
    ) {
        let (mut known, mut summary) = (BTreeMap::new(), None);
        for list in lists {
            let list: Vec<Resource> = list.iter().map(|(id, confirmed)| resource(id, *confirmed)).collect();
            let changes = keep_with(&list, true, &known, summary.as_ref());
            apply(&mut known, &mut summary, changes);
            let confirmed = known.values().filter(|one| one.resource.confirmed).count();
            let counted = summary.as_ref().map_or((0, 0), |one| (one.confirmed as usize, one.potential as usize));
            prop_assert_eq!(counted, (confirmed, known.len() - confirmed));
        }
    }
}
