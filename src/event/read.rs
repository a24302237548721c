//! The one door from bytes to [`Event`]s.
//!
//! A body is either [`Received`], or [`Malformed`] with the field and the byte that are to blame. Of a list, what can be
//! read is received, and what cannot is named beside it. Which form it has is told by its content, never by where it was posted.

use std::fmt;

use super::allowance::{Allowance, Stop};
use super::azure;
use super::draft::Draft;
use super::json::{self, Fault, Node, Sort};
use super::posted::{Ignored, Source};
use super::{Arrival, Event};

/// What one JSON value takes with its key while a body is read, bytes.
const VALUE_BYTES: usize = 160;

/// How many times its length a text takes while it is made safe and plain.
const TIMES_AS_HTML: usize = 32;

/// What the largest text takes while it is made safe and plain, bytes.
const LARGEST_TEXT_BYTES: usize = 16 << 20;

/// What a body held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Received {
    /// The health events, oldest first within one incident.
    pub events: Vec<Event>,
    /// What is no health event, and why.
    pub ignored: Vec<Ignored>,
    /// What is wrong with elements that cannot be read beside others that can.
    pub unreadable: Option<Malformed>,
}

/// A body that was read: its events can be made, one after another. Until then they share what they have in common and
/// take no more than the body did.
#[derive(Debug)]
pub struct Parsed {
    drafts: std::vec::IntoIter<Draft>,
    arrival: Arrival,
    /// What is no health event, and why. Of very many, the first ones and how many more there are.
    pub ignored: Vec<Ignored>,
    /// How many things are no health event.
    pub ignored_count: usize,
    /// What is wrong with elements that cannot be read beside others that can: where the first is, and how many there
    /// are.
    pub unreadable: Option<Malformed>,
}

impl Parsed {
    /// How many events there still are.
    pub fn len(&self) -> usize {
        self.drafts.len()
    }

    /// Whether one of them is a test.
    pub fn has_test(&self) -> bool {
        self.drafts.as_slice().iter().any(|draft| draft.test)
    }

    /// What the events take until they are made, bytes, roughly.
    pub fn bytes(&self) -> usize {
        let texts = self.drafts.as_slice().iter().map(|draft| draft.body.len());
        texts.sum::<usize>() + self.len() * size_of::<Draft>()
    }

    /// The next event, made now.
    pub fn next_event(&mut self) -> Option<Event> {
        self.drafts.next().map(|draft| draft.finish(self.arrival))
    }
}

/// A body that cannot be read, and what in it is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    /// The JSON path of what is to blame (`data.context.activityLog.properties.impactedServices`).
    pub field: Option<String>,
    /// The byte of the body where it is.
    pub offset: Option<usize>,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it is not wrong but more than is taken.
    pub is_too_much: bool,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.what)?;
        match self.offset {
            Some(offset) => write!(f, " (byte {offset})"),
            None => Ok(()),
        }
    }
}

/// Reads a posted body. `source` is the path's hint, which only makes the answer to an unknown form clearer.
pub fn read(body: &[u8], source: Option<Source>, arrival: Arrival) -> Result<Received, Malformed> {
    let mut parsed = parse(body, source, arrival, Stop::default())?;
    let events = std::iter::from_fn(|| parsed.next_event()).collect();
    Ok(Received {
        events,
        ignored: parsed.ignored,
        unreadable: parsed.unreadable,
    })
}

/// The same, with its events still to be made, and given up when nobody waits for them any more.
pub fn parse(body: &[u8], source: Option<Source>, arrival: Arrival, stop: Stop) -> Result<Parsed, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| Malformed {
        field: None,
        offset: Some(error.valid_up_to()),
        what: "the body is not UTF-8".to_string(),
        hint: Some("send JSON in UTF-8".to_string()),
        is_too_much: false,
    })?;
    let mut document = json::parse(text).map_err(|fault| malformed(text, None, fault))?;
    let heard = azure::read(&mut document, source, Allowance::new(arrival, stop))
        .map_err(|fault| malformed(text, Some(&document.root), fault))?;
    let root = &document.root;
    let unreadable = heard.unreadable.map(|(fault, count)| {
        let first = malformed(text, Some(root), fault);
        let what = match count {
            1 => first.what,
            _ => format!("{} (the first of {count} elements that cannot be read)", first.what),
        };
        Malformed { what, ..first }
    });
    let named = heard.ignored.into_iter().map(|(at, ignored)| named(root, at, ignored));
    let mut ignored: Vec<Ignored> = named.collect();
    if heard.ignored_count > ignored.len() {
        ignored.push(more_ignored(heard.ignored_count - ignored.len()));
    }
    Ok(Parsed {
        drafts: heard.drafts.into_iter(),
        arrival,
        ignored,
        ignored_count: heard.ignored_count,
        unreadable,
    })
}

/// What reading a body of this length takes at most, beside the body itself, bytes: its values, its texts once more,
/// and the largest of them as HTML.
pub fn bytes_to_read(body_bytes: usize) -> usize {
    // a value takes two bytes with the comma behind it
    let values = (body_bytes / 2).min(json::MAX_VALUES);
    values * VALUE_BYTES + 2 * body_bytes + (TIMES_AS_HTML * body_bytes).min(LARGEST_TEXT_BYTES)
}

fn more_ignored(count: usize) -> Ignored {
    Ignored {
        what: format!("{count} more"),
        why: "these are no health events either; only the first are named".to_string(),
        field: None,
    }
}

fn named(root: &Node, at: usize, ignored: Ignored) -> Ignored {
    Ignored {
        field: root.path_to(at).filter(|path| !path.is_empty()),
        ..ignored
    }
}

fn malformed(text: &str, root: Option<&Node>, fault: Fault) -> Malformed {
    let path = fault.path.or_else(|| root.and_then(|root| root.path_to(fault.at)));
    let field = match (path.filter(|path| !path.is_empty()), fault.key) {
        (Some(path), Some(key)) => Some(format!("{path}.{key}")),
        (path, key) => path.or(key.map(str::to_string)),
    };
    let offset = fault
        .inside
        .map_or(fault.at, |inside| json::place_in_string(text, fault.at, inside));
    Malformed {
        field,
        offset: Some(offset),
        what: fault.what,
        hint: fault.hint,
        is_too_much: fault.sort == Sort::TooMuch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Malformed {
        read(body.as_bytes(), None, Arrival::Live).unwrap_err()
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named() {
        let error = read(b"{\"a\": \"\xff\"}", Some(Source::Azure), Arrival::Live).unwrap_err();
        assert_eq!(error.offset, Some(7));
    }

    #[test]
    fn an_unknown_form_says_what_would_be_understood() {
        for body in ["{}", "[]x", "\"text\"", "17", r#"{"hello": "world"}"#] {
            assert!(!refused(body).what.is_empty(), "{body}");
        }
        assert!(refused("{}").hint.unwrap().contains("schemaId"));
    }

    #[test]
    fn other_providers_are_named_in_the_refusal() {
        let aws = include_str!("../../tests/fixtures/samples/other/aws-health-ec2-operational-issue-public.json");
        assert!(refused(aws).what.contains("AWS Health"), "{}", refused(aws));
        let page = include_str!("../../tests/fixtures/samples/other/statuspage-incident-created.json");
        assert!(refused(page).what.contains("Statuspage"), "{}", refused(page));
    }

    #[test]
    fn a_missing_key_is_named_with_its_path() {
        let error = refused(r#"{"schemaId": "Microsoft.Insights/activityLogs", "data": {"context": {}}}"#);
        assert_eq!(error.field.as_deref(), Some("data.context.activityLog"));
        assert_eq!(
            error.to_string(),
            "`data.context.activityLog`: `activityLog` is missing (byte 68)"
        );
    }

    #[test]
    fn what_has_nothing_to_tell_is_refused_and_says_what_would_be_read() {
        let alert = |properties: &str| {
            format!(
                r#"{{"schemaId":"Microsoft.Insights/activityLogs","data":{{"context":{{"activityLog":{{"eventSource":"ServiceHealth","eventTimestamp":"2026-11-01T10:00:00Z"{properties}}}}}}}}}"#
            )
        };
        for properties in [
            "",
            r#","properties":{}"#,
            r#","properties":{"incidentType":"Incident","stage":"Active"}"#,
            r#","properties":{"title":"","communication":" ","trackingId":""}"#,
            r#","properties":"text""#,
            r#","properties":[]"#,
        ] {
            let error = refused(&alert(properties));
            assert!(
                error.what.contains("neither a title nor a text"),
                "{properties}: {error}"
            );
            let field = error.field.expect("a field");
            assert!(field.starts_with("data.context.activityLog.properties"), "{field}");
            assert!(error.hint.expect("a hint").contains("`title`"));
        }
        for properties in [
            r#","properties":{"title":"T"}"#,
            r#","properties":{"communication":"<p>T</p>"}"#,
            r#","properties":{"trackingId":"X-1"}"#,
            r#","description":"T""#,
            r#","properties":"{\"title\":\"T\"}""#,
        ] {
            let received = read(alert(properties).as_bytes(), None, Arrival::Live);
            assert_eq!(received.map(|received| received.events.len()), Ok(1), "{properties}");
        }
        for item in [
            r#"{"eventType":"RCA"}"#,
            r#"{"statusActiveEvents":[{"stage":"Active"}]}"#,
        ] {
            assert!(refused(item).hint.is_some(), "{item}");
        }
    }

    #[test]
    fn an_element_that_cannot_be_read_costs_the_others_nothing_and_is_named() {
        let entry = |id: &str| {
            format!(
                r#"{{"category":"ServiceHealth","eventTimestamp":"2026-11-01T10:00:00Z","operationName":"Microsoft.ServiceHealth/incident/action","properties":{{"title":"T","trackingId":"{id}","incidentType":"Incident","stage":"Active"}}}}"#
            )
        };
        let (one, two) = (entry("X-1"), entry("X-2"));
        for (body, field) in [
            (format!(r#"[{one},{{"a":1}},{two}]"#), "[1]"),
            (format!(r#"{{"value":[{one},17,{two}]}}"#), "value[1]"),
            (format!(r#"{{"records":[{{"a":1}},{one},{two},[]]}}"#), "records[0]"),
        ] {
            let received = read(body.as_bytes(), None, Arrival::Live).expect("is read");
            let ids: Vec<&str> = received.events.iter().map(|event| event.tracking_id.as_str()).collect();
            assert_eq!(ids, ["X-1", "X-2"], "{body}");
            let unreadable = received.unreadable.expect("is named");
            assert_eq!(unreadable.field.as_deref(), Some(field), "{unreadable}");
        }
        let two_broken = format!(r#"[{one},{{"a":1}},{{"b":1}}]"#);
        let received = read(two_broken.as_bytes(), None, Arrival::Live).expect("is read");
        assert!(received.unreadable.expect("is named").what.contains("the first of 2"));
        assert!(
            read(br#"[{"a":1},{"b":1}]"#, None, Arrival::Live).is_err(),
            "nothing can be read"
        );
    }

    #[test]
    fn what_could_be_understood_in_more_than_one_way_is_noted_where_it_stands() {
        let entry = |id: &str, more: &str| {
            format!(
                r#"{{"category":"ServiceHealth","eventTimestamp":"2026-11-01T10:00:00Z","operationName":"Microsoft.ServiceHealth/incident/action","subscriptionId":"11111111-aaaa-4bbb-8ccc-111111111111","properties":{{"title":"T","trackingId":"{id}","incidentType":"Incident","stage":"Active"{more}}}}}"#
            )
        };
        let noted = |body: &str| -> Vec<(String, Vec<String>)> {
            let received = read(body.as_bytes(), None, Arrival::Live).expect(body);
            let events = received.events.into_iter();
            events
                .map(|event| (event.title, event.notes.into_iter().map(|note| note.field).collect()))
                .collect()
        };
        let one = noted(&entry("X-1", r#","title":"New\u0000 title","region":"\ud83d""#));
        let fields = ["properties.title", "properties.title", "properties.region"];
        assert_eq!(one, [("New title".to_owned(), fields.map(str::to_owned).to_vec())]);

        let (plain, odd) = (entry("X-1", ""), entry("X-2", r#","stage":"Resolved""#));
        let broken = r#"{"a":1,"a":2}"#;
        let of_list = noted(&format!(r#"{{"value":[{plain},{broken},{odd},{plain}],"value2":1}}"#));
        let fields: Vec<Vec<String>> = of_list.into_iter().map(|(_, fields)| fields).collect();
        assert_eq!(fields, [vec![], vec!["value[2].properties.stage".to_owned()], vec![]]);

        let inside = r#","impactedServices":"[{\"ServiceName\":\"A\",\"ServiceName\":\"B\"}]""#;
        assert_eq!(noted(&entry("X-1", inside))[0].1, ["impactedServices[0].ServiceName"]);
        let item = r#"{"name":"X-1","properties":{"eventType":"ServiceIssue","title":"T","description":"d","status":"Active","status":"Active",
            "impact":[{"impactedService":"A","impactedRegions":[{"impactedRegion":"x","updates":[
                {"summary":"one","updateDateTime":"2026-11-01T10:00:00Z"},{"summary":"two","updateDateTime":"2026-11-01T11:00:00Z"}]}]}]}}"#;
        let updates = noted(item);
        assert!(updates.len() >= 2, "{updates:?}");
        assert!(
            updates
                .iter()
                .all(|(_, fields)| fields.contains(&"properties.status".to_owned())),
            "{updates:?}"
        );
    }

    #[test]
    fn what_is_more_than_is_taken_says_so() {
        assert!(refused(&format!("[{}1]", "1,".repeat(json::MAX_VALUES))).is_too_much);
        assert!(refused(&format!("{}{}", "[".repeat(33), "]".repeat(33))).is_too_much);
        assert!(refused(&format!("[\"{}\"]", "x".repeat(json::MAX_STRING_BYTES + 1))).is_too_much);
        assert!(!refused("{}").is_too_much);
    }

    #[test]
    fn a_reader_stops_when_nobody_waits() {
        let stop = Stop::default();
        stop.set();
        let error = parse(b"[[]]", None, Arrival::Live, stop).unwrap_err();
        assert_eq!(error.what, "its sender went away");
    }

    #[test]
    fn a_source_is_named_as_in_its_path() {
        assert_eq!(Source::named("Azure"), Some(Source::Azure));
        assert_eq!(Source::named("aws"), None);
    }
}
