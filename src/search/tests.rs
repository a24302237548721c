//! The index against its slow twin: whatever is asked, it finds what [`Filter::matches`] matches, in the same order.

use tantivy::{Index, IndexWriter};

use super::fields::Fields;
use super::newest::Newest;
use super::*;
use crate::event::catalogue::Catalogue;
use crate::event::{EventType, Kind, Provider};
use crate::incident::reviews::Phase;
use crate::view::filter::{Facts, Reading, State, words};
use crate::view::story::Outline;

/// A moment, minutes after the beginning.
fn at(minutes: i64) -> Time {
    Time::UNIX_EPOCH + chrono::Duration::minutes(minutes)
}

/// One of several, by a number.
fn pick<T: Copy>(of: &[T], number: usize) -> T {
    of[number % of.len()]
}

/// An incident that differs from others by its number in everything that filters look at.
fn outline(nth: usize) -> Outline {
    let tracking_id = format!("T{nth}-X{}", nth % 7);
    let known = serde_json::json!({
        "id": IncidentId::new(Provider::Azure, &tracking_id), "tracking_id": tracking_id, "event_type": "Service issue",
        "status": "active", "status_at": at(0), "title": "Trouble", "kind": "update",
        "updated": at(nth as i64 / 3), "first_heard": at(0),
    });
    let phases = [Phase::Investigating, Phase::Mitigated, Phase::UnderReview];
    let state = State {
        first: pick(&phases, nth),
        then: nth.is_multiple_of(2).then(|| (at(nth as i64), Phase::Closed)),
    };
    let text = pick(
        &[
            "disks are slow",
            "slow queries",
            "a post incident review",
            "the RCA of disks",
        ],
        nth / 2,
    );
    Outline {
        facts: Facts {
            event_type: pick(EventType::ALL, nth / 3),
            state,
            places: [
                (pick(&["storage", "sql"], nth).to_owned(), Some("eastus".to_owned())),
                (
                    "aks".to_owned(),
                    (!nth.is_multiple_of(5)).then(|| pick(&["westeurope", "eastus"], nth / 2).to_owned()),
                ),
            ]
            .into(),
            accounts: [pick(&["one", "two", "three"], nth).to_owned()].into(),
            kinds: [Kind::Update, pick(Kind::ALL, nth)].into(),
            began: at(nth as i64 / 6),
            updated: at(nth as i64 / 3),
            tracking_id: crate::event::fold(&tracking_id),
            texts: vec![words(&tracking_id), words(text)],
        },
        line: Listed {
            incident: serde_json::from_value(known).expect("an incident"),
            is_back_filled: false,
            state,
            owed: Vec::new(),
            is_incomplete: false,
        },
    }
}

/// An index of incidents, as two commits, so that there is more than one segment.
fn index(outlines: &[Outline]) -> (tempfile::TempDir, Fields, IndexReader) {
    let directory = tempfile::tempdir().expect("a folder");
    let (schema, fields) = Fields::schema();
    let index = Index::create_in_dir(directory.path(), schema).expect("an index");
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
    for half in [0, 1] {
        let some = outlines.iter().enumerate().filter(|(nth, _)| nth % 2 == half);
        for (_, outline) in some {
            let document = fields.document(None, &outline.line.incident.id, outline);
            writer.add_document(document).expect("is added");
            let other = CustomerId::new("somebody-else");
            let document = fields.document(Some(&other), &outline.line.incident.id, outline);
            writer.add_document(document).expect("is added");
        }
        writer.commit().expect("is written");
    }
    let reader = index.reader().expect("a reader");
    (directory, fields, reader)
}

fn filter(query: &str) -> Filter {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let reading = Reading {
        catalogue: &Catalogue::default(),
        now: at(0),
        zone: chrono_tz::UTC,
        accounts_named: &|_| std::collections::BTreeSet::new(),
    };
    Filter::read(pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())), reading).expect("a filter")
}

#[test]
fn the_index_finds_what_its_slow_twin_matches_page_by_page() {
    let outlines: Vec<Outline> = (0..120).map(outline).collect();
    let (_directory, fields, reader) = index(&outlines);
    let searcher = reader.searcher();
    for query in [
        "",
        "type=Billing,Security",
        "state=closed",
        "state=mitigated,investigating",
        "service=storage",
        "region=eastus",
        "service=aks&region=westeurope",
        "service=sql&region=westeurope",
        "account=two",
        "kind=PIR",
        "kind=update",
        "since=1970-01-01T00:20:00Z",
        "until=1970-01-01T00:10:00Z",
        "q=disks",
        "q=%22slow+queries%22",
        "q=queries+slow",
        "q=que*",
        "q=RCA",
        "q=T7-X0",
        "q=t11x4",
        "q=nothing",
        "type=Incident&state=closed&q=slow",
    ] {
        let filter = filter(query);
        let now = at(60);
        let mut expected: Vec<&Listed> = outlines
            .iter()
            .filter(|one| filter.matches(&one.facts, now))
            .map(|one| &one.line)
            .collect();
        expected.sort_by_key(|one| std::cmp::Reverse((one.incident.updated, incident_key(&one.incident.id))));
        let asked = query::query(&fields, None, &filter, now);
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let newest = Newest { before, most: 7 };
            let gathered = searcher.search(&*asked, &newest).expect("is asked");
            assert_eq!(gathered.count, expected.len(), "{query}");
            let page: Vec<Listed> = gathered
                .documents
                .into_iter()
                .map(|address| line(&searcher, &fields, address).expect("a line"))
                .collect();
            let Some(last) = page.last() else { break };
            before = Some((number(last.incident.updated), incident_key(&last.incident.id)));
            found.extend(page);
        }
        let ids =
            |lines: &[&Listed]| -> Vec<String> { lines.iter().map(|one| one.incident.tracking_id.clone()).collect() };
        assert_eq!(ids(&found.iter().collect::<Vec<_>>()), ids(&expected), "{query}");
    }
}
