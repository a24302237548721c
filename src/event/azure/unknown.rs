//! What a later Azure may send: words that this version does not know, fields in other forms. Each costs nobody the notice.

use serde_json::{Value, json};

use crate::event::{Arrival, Event, EventType, Form, Kind, Level, Stage, communication_of, read};

/// A legacy webhook's notice; the entry and its properties can be changed.
fn webhook(change: impl Fn(&mut Value)) -> Value {
    let text = include_str!("../../../tests/fixtures/samples/synthetic/azure-legacy-incident-active.json");
    let mut body: Value = serde_json::from_str(text).expect("JSON");
    change(&mut body["data"]["context"]["activityLog"]);
    body
}

fn one(body: &Value) -> Event {
    let received = read(body.to_string().as_bytes(), None, Arrival::Live);
    let mut events = received.unwrap_or_else(|error| panic!("{error}: {body}")).events;
    assert_eq!(events.len(), 1, "{body}");
    events.remove(0)
}

fn with(change: impl Fn(&mut Value)) -> Event {
    one(&webhook(|entry| change(&mut entry["properties"])))
}

/// The same notice in the three other forms that share its properties.
fn other_forms(entry: &Value) -> [(Form, Value); 3] {
    let mut alert: Value = serde_json::from_str(include_str!(
        "../../../tests/fixtures/samples/synthetic/azure-common-incident-active.json"
    ))
    .expect("JSON");
    for key in ["properties", "operationName", "status"] {
        alert["data"]["alertContext"][key] = entry[key].clone();
    }
    let record = json!({ "records": [{
        "time": "2026-11-01T10:00:00Z", "resourceId": "/SUBSCRIPTIONS/11111111-AAAA-4BBB-8CCC-111111111111",
        "operationName": entry["operationName"], "category": "ServiceHealth", "resultType": entry["status"],
        "properties": { "eventProperties": entry["properties"] },
    }] });
    let wrapped = |key: &str| json!({ "value": entry[key], "localizedValue": entry[key] });
    let log = json!({
        "eventTimestamp": "2026-11-01T10:00:00Z", "category": { "value": "ServiceHealth" }, "operationName": wrapped("operationName"),
        "status": wrapped("status"), "level": "Warning", "properties": entry["properties"],
    });
    [
        (Form::AzureCommonAlert, alert),
        (Form::AzureDiagnosticRecords, record),
        (Form::AzureActivityLogEvent, log),
    ]
}

fn words(event: &Event) -> Vec<(&str, &str)> {
    let known = event.notes.iter();
    known
        .filter_map(|note| Some((note.field.as_str(), note.word.as_deref()?)))
        .collect()
}

fn pairs(event: &Event) -> Vec<String> {
    let pairs = event.impact.iter();
    pairs
        .map(|pair| format!("{}@{}", pair.service, pair.region.as_deref().unwrap_or("-")))
        .collect()
}

#[test]
fn what_the_field_sent_is_read() {
    let field = |text: &str| one(&serde_json::from_str(text).expect("JSON"));
    let only = field(include_str!(
        "../../../tests/fixtures/field/05-service-and-region-only.json"
    ));
    assert_eq!((pairs(&only), only.notes), (vec!["Storage@East US".to_owned()], vec![]));
    let region = field(include_str!(
        "../../../tests/fixtures/field/05-maintenance-region-only.json"
    ));
    assert_eq!(pairs(&region), ["@eastus"]);
    let time = field(include_str!(
        "../../../tests/fixtures/field/06-time-in-another-form.json"
    ));
    assert_eq!((time.impact_start, time.notes.len()), (None, 1));
    assert_eq!(time.notes[0].field, "impactStartTime");
    let new = field(include_str!("../../../tests/fixtures/field/06-type-not-known-yet.json"));
    assert_eq!(
        (new.event_type, new.subtype.as_deref()),
        (EventType::Other, Some("Retirement"))
    );
    assert_eq!(words(&new), [("incidentType", "Retirement")]);
}

#[test]
fn service_and_region_alone_are_read_in_every_form() {
    for impacted in [
        Value::Null,
        json!(""),
        json!("[]"),
        json!([]),
        json!("null"),
        json!("oops"),
        json!(17),
    ] {
        let body = webhook(|entry| {
            let properties = &mut entry["properties"];
            (properties["service"], properties["region"]) = ("Storage; Key Vault".into(), "East US".into());
            properties["impactedServices"] = impacted.clone();
        });
        let expected = ["Storage@East US", "Key Vault@East US"];
        assert_eq!(pairs(&one(&body)), expected, "{impacted}");
        for (form, other) in other_forms(&body["data"]["context"]["activityLog"]) {
            let event = one(&other);
            assert_eq!(
                (event.form, pairs(&event)),
                (form, expected.map(str::to_owned).to_vec()),
                "{impacted}"
            );
        }
    }
    let item = json!({ "name": "X-1", "eventType": "ServiceIssue", "status": "Active", "title": "T", "service": "Storage",
        "region": "East US, West US", "lastUpdateTime": "2026-11-01T10:00:00Z" });
    assert_eq!(pairs(&one(&item)), ["Storage@East US", "Storage@West US"]);
    let mut named = item.clone();
    named["impact"] = json!([{ "impactedService": "VM", "impactedRegions": [{ "impactedRegion": "x" }] }]);
    assert_eq!(pairs(&one(&named)), ["VM@x"]);
}

#[test]
fn a_type_that_is_not_known_yet_is_other_in_every_form() {
    for word in ["Retirement", "Rückruf", "EmergingIssue2", "Other", "17"] {
        let body = webhook(|entry| {
            entry["operationName"] = "Microsoft.ServiceHealth/novelty/action".into();
            entry["properties"]["incidentType"] = word.into();
        });
        for (form, body) in [(Form::AzureActivityLogWebhook, body.clone())]
            .into_iter()
            .chain(other_forms(&body["data"]["context"]["activityLog"]))
        {
            let event = one(&body);
            assert_eq!((event.form, event.event_type), (form, EventType::Other), "{word}");
            assert_eq!(words(&event), [("incidentType", word)], "{form}");
            assert_eq!(event.subtype.as_deref(), Some(word));
        }
    }
    let item = json!({ "name": "X-1", "eventType": "Novelty", "status": "Active", "title": "T", "lastUpdateTime": "2026-11-01T10:00:00Z" });
    let event = one(&item);
    assert_eq!(
        (event.event_type, words(&event)),
        (EventType::Other, vec![("eventType", "Novelty")])
    );
    assert_eq!(
        event.published,
        "2026-11-01T10:00:00Z".parse::<crate::clock::Time>().expect("a time")
    );
}

#[test]
fn an_operation_says_the_type_where_the_word_is_not_known() {
    let event = with(|properties| properties["incidentType"] = "Outage".into());
    assert_eq!(
        (event.event_type, words(&event)),
        (EventType::ServiceIssue, vec![("incidentType", "Outage")])
    );
    for absent in [Value::Null, json!(""), json!([]), json!({})] {
        let event = with(|properties| properties["incidentType"] = absent.clone());
        assert_eq!(event.event_type, EventType::ServiceIssue, "{absent}");
        assert!(words(&event).is_empty());
    }
}

#[test]
fn a_stage_that_is_not_known_is_what_the_status_says_or_unknown() {
    let stage = |stage: Value, status: Value| {
        let event = one(&webhook(|entry| {
            entry["status"] = status.clone();
            entry["properties"]["stage"] = stage.clone();
        }));
        (event.stage, event.notes.len())
    };
    assert_eq!(stage("Active".into(), Value::Null), (Stage::Active, 0));
    assert_eq!(stage("Paused".into(), "Resolved".into()), (Stage::Resolved, 1));
    assert_eq!(stage("Paused".into(), "Asleep".into()), (Stage::Unknown, 1));
    assert_eq!(stage("Unknown".into(), Value::Null), (Stage::Unknown, 1));
    assert_eq!(stage(Value::Null, "Active".into()), (Stage::Active, 0));
    assert_eq!(stage(Value::Null, Value::Null), (Stage::Unknown, 1));
    assert_eq!(stage(json!([[]]), json!({})), (Stage::Unknown, 2));
    let item = json!({ "name": "X-1", "eventType": "ServiceIssue", "status": "Dormant", "title": "T", "lastUpdateTime": "2026-11-01T10:00:00Z" });
    let event = one(&item);
    assert_eq!(
        (event.stage, words(&event)),
        (Stage::Unknown, vec![("status", "Dormant")])
    );
    let issue = json!({ "statusActiveEvents": [{ "trackingId": "X-1", "title": "T", "stage": "Dormant", "severity": "Grave", "startTime": "2026-11-01T10:00:00Z" }] });
    let event = one(&issue);
    assert_eq!((event.stage, event.level), (Stage::Unknown, None));
    assert_eq!(words(&event), [("stage", "Dormant"), ("severity", "Grave")]);
}

#[test]
fn a_level_that_is_not_known_counts_as_not_said() {
    let event = one(&webhook(|entry| entry["level"] = "Catastrophic".into()));
    assert_eq!((event.level, words(&event)), (None, vec![("level", "Catastrophic")]));
    let event = one(&webhook(|entry| entry["level"] = json!(2)));
    assert_eq!((event.level, event.notes), (Some(Level::Error), vec![]));
}

#[test]
fn values_of_another_sort_than_expected_cost_nothing_but_themselves() {
    let keys = [
        "title",
        "service",
        "region",
        "communication",
        "incidentType",
        "trackingId",
        "impactStartTime",
        "impactMitigationTime",
        "impactedServices",
        "defaultLanguageTitle",
        "defaultLanguageContent",
        "stage",
        "communicationId",
        "isHIR",
        "isSynthetic",
        "eventTags",
        "eventSubType",
    ];
    for key in keys {
        for value in [
            json!(17),
            json!(true),
            Value::Null,
            json!([]),
            json!(["a", 1]),
            json!({}),
            json!({ "value": [[]] }),
            json!("\u{202e}"),
        ] {
            let event = with(|properties| properties[key] = value.clone());
            let is_told = !event.title.is_empty() && !event.tracking_id.is_empty();
            assert!(is_told && event.form == Form::AzureActivityLogWebhook, "{key} {value}");
        }
    }
    for key in [
        "channels",
        "level",
        "status",
        "eventTimestamp",
        "submissionTimestamp",
        "correlationId",
        "subscriptionId",
        "description",
    ] {
        for value in [json!(17), json!(true), Value::Null, json!([]), json!({})] {
            assert!(
                !one(&webhook(|entry| entry[key] = value.clone())).title.is_empty(),
                "{key} {value}"
            );
        }
    }
}

#[test]
fn a_subscription_that_cannot_be_read_is_noted_and_one_in_another_form_is_read() {
    let id = "11111111-aaaa-4bbb-8ccc-111111111111";
    for form in [
        format!("/subscriptions/{id}"),
        format!("{{{id}}}"),
        format!("{id}, {id}"),
    ] {
        let event = one(&webhook(|entry| entry["subscriptionId"] = form.clone().into()));
        assert_eq!(
            (event.accounts, event.notes),
            (vec![id.to_owned()], Vec::new()),
            "{form}"
        );
    }
    let event = one(&webhook(|entry| entry["subscriptionId"] = "<our main one>".into()));
    assert!(event.accounts.is_empty());
    assert_eq!(event.notes[0].field, "subscriptionId");
    assert!(event.notes[0].word.is_some(), "the operator is told");
}

#[test]
fn without_a_readable_time_that_of_arrival_counts() {
    let event = one(&webhook(|entry| {
        entry["eventTimestamp"] = "01/02/2026 10:00".into();
        entry["submissionTimestamp"] = "2026-02-01T10:00:05Z".into();
    }));
    assert_eq!(
        event.published,
        "2026-02-01T10:00:05Z".parse::<crate::clock::Time>().expect("a time")
    );
    let body = webhook(|entry| {
        entry["eventTimestamp"] = "0001-01-01T00:00:00Z".into();
        entry["submissionTimestamp"] = "soon".into();
    });
    let (mut first, mut repeat) = (one(&body), one(&body));
    let now = "2026-11-01T10:00:00Z".parse().expect("a time");
    first.correct_time(now);
    repeat.correct_time(now + chrono::Duration::minutes(1));
    assert_eq!(first.published, now);
    assert_eq!(
        (communication_of(&first), first.published_said),
        (communication_of(&repeat), repeat.published_said)
    );
    assert!(
        first
            .notes
            .iter()
            .any(|note| note.what.contains("that of arrival counts"))
    );
    let old = read(body.to_string().as_bytes(), None, Arrival::History)
        .expect("is read")
        .events
        .remove(0);
    assert_eq!(Some(old.published), old.impact_start, "history is no news");
    let item = json!({ "name": "X-1", "eventType": "ServiceIssue", "status": "Active", "title": "T", "impact": [{ "impactedService": "VM",
        "impactedRegions": [{ "impactedRegion": "x", "updates": [{ "summary": "a", "updateDateTime": "soon" }, { "summary": "b", "updateDateTime": "2026-11-01T10:00:00Z" }] }] }] });
    let events = read(item.to_string().as_bytes(), None, Arrival::Live)
        .expect("is read")
        .events;
    let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["b", "a"], "what says no time is the latest");
}

#[test]
fn an_invitation_without_a_time_of_its_own_is_not_taken_for_one_of_another_year() {
    let text =
        include_str!("../../../tests/fixtures/samples/synthetic/azure-legacy-incident-rca-retrospective-invite.json");
    let mut body: Value = serde_json::from_str(text).expect("JSON");
    let entry = &mut body["data"]["context"]["activityLog"];
    for key in ["eventTimestamp", "submissionTimestamp"] {
        entry[key] = "soon".into();
    }
    entry["properties"]["impactStartTime"] = Value::Null;
    let event = one(&body);
    assert_eq!(
        (event.kind, event.sessions.len()),
        (Kind::Retrospective, 0),
        "it is told as a message"
    );
}

#[test]
fn a_session_that_is_struck_out_is_none() {
    let text =
        include_str!("../../../tests/fixtures/samples/synthetic/azure-legacy-incident-rca-retrospective-invite.json");
    let body: Value = serde_json::from_str(text).expect("JSON");
    let before = one(&body).sessions;
    assert_eq!(before.len(), 2);
    let moved = text.replace("15:00", "<s>15:00 UTC on 10 October 2024</s> 16:00");
    assert_ne!(moved, text);
    let after = one(&serde_json::from_str(&moved).expect("JSON")).sessions;
    assert!(
        after.iter().all(|session| session.start != before[0].start),
        "{after:?}"
    );
}

#[test]
fn a_schema_a_service_or_a_category_that_is_not_known_yet_is_read_by_its_operation() {
    let mut later = webhook(|_| {});
    later["schemaId"] = "Microsoft.Insights/activityLogs/v2".into();
    assert_eq!(one(&later).form, Form::AzureActivityLogWebhook);
    let event = one(&webhook(|entry| entry["eventSource"] = "HealthOfServices".into()));
    assert_eq!(event.tracking_id, "ZS10-TR8");
    let mut alert: Value = serde_json::from_str(include_str!(
        "../../../tests/fixtures/samples/synthetic/azure-common-incident-active.json"
    ))
    .expect("JSON");
    alert["schemaId"] = "azureMonitorCommonAlertSchemaV2".into();
    alert["data"]["essentials"]["monitoringService"] = "HealthOfServices".into();
    alert["data"]["alertContext"]["operationName"] = "Microsoft.ServiceHealth/incident/action".into();
    assert_eq!(one(&alert).form, Form::AzureCommonAlert);
    for category in ["Administrative", "ResourceHealth", "Security"] {
        let body = webhook(|entry| entry["eventSource"] = category.into());
        let received = read(body.to_string().as_bytes(), None, Arrival::Live).expect("is read");
        assert_eq!((received.events.len(), received.ignored.len()), (0, 1), "{category}");
    }
}

#[test]
fn in_a_list_all_are_read_also_those_with_new_words() {
    let item = |name: &str, kind: &str| json!({ "name": name, "properties": { "eventType": kind, "status": "Active", "title": "T", "lastUpdateTime": "2025-01-01T00:00:00Z" } });
    let body = json!({ "value": [item("A", "ServiceIssue"), item("B", "Novelty"), item("C", "RCA")] });
    let received = read(body.to_string().as_bytes(), None, Arrival::Live).expect("is read");
    let types: Vec<EventType> = received.events.iter().map(|event| event.event_type).collect();
    assert_eq!(
        types,
        [EventType::ServiceIssue, EventType::Other, EventType::ServiceIssue]
    );
    assert_eq!((received.events[2].stage, received.ignored.len()), (Stage::Rca, 0));
    let nothing = read(br#"{"value": []}"#, None, Arrival::Live).expect("is read");
    assert_eq!((nothing.events.len(), nothing.ignored.len()), (0, 1));
}
