//! Every sample payload, read: what each of them is, trap by trap.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::event::read::Received;
use crate::event::{Arrival, Event, EventType, Form, Kind, Level, Stage, communication_of, read, visible_digest};
use EventType::*;
use Form::*;
use Kind::*;
use Stage::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples")
}

fn body(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn received(name: &str) -> Received {
    read(&body(name), None, Arrival::Live).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn events(name: &str) -> Vec<Event> {
    let received = received(name);
    assert!(received.ignored.is_empty(), "{name}: {:?}", received.ignored);
    received.events
}

fn event(name: &str) -> Event {
    let mut events = events(name);
    assert_eq!(events.len(), 1, "{name}");
    events.remove(0)
}

/// A sample with some words replaced.
fn changed(name: &str, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(body(name)).unwrap();
    assert!(text.contains(from), "{name} holds {from}");
    text.replace(from, to).into_bytes()
}

fn time(text: &str) -> crate::clock::Time {
    text.parse().unwrap()
}

const A: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const HOOK: Form = AzureActivityLogWebhook;
const ALERT: Form = AzureCommonAlert;
const SDK: &str = "a1a1a1a1-b2b2-4c3c-8d4d-e5e5e5e5e501";

/// Form, tracking id, event type, stage and kind.
type Told = (Form, &'static str, EventType, Stage, Kind);

const INDEX: &[(&str, &[Told])] = &[
    (
        "azure/azure-activitylog-event-servicehealth-incident-active",
        &[(AzureActivityLogEvent, "NA0F-BJG", ServiceIssue, Active, Update)],
    ),
    (
        "azure/azure-common-servicehealth-incident-resolved-testaction",
        &[(ALERT, "TEST-TTT", ServiceIssue, Resolved, Mitigation)],
    ),
    (
        "azure/azure-webhook-legacy-servicehealth-incident-active",
        &[(HOOK, "0NIH-U2O", ServiceIssue, Active, Update)],
    ),
    (
        "azure/azure-webhook-legacy-servicehealth-incident-resolved-testaction",
        &[(HOOK, "ABC1-DEF", ServiceIssue, Resolved, Mitigation)],
    ),
    (
        "azure/azure-rest-event-billing",
        &[(AzureEvents, "{eventTrackingId}", Billing, Active, Update)],
    ),
    (
        "azure/azure-rest-events-list-subscription",
        &[
            (AzureEvents, "BC_1-FXZ", ServiceIssue, Active, Update),
            (AzureEvents, "BC_1-FXZ", ServiceIssue, Rca, PreliminaryReview),
            (AzureEvents, "BC_1-FXZ", ServiceIssue, Rca, FinalReview),
        ],
    ),
    (
        "azure/azure-rest-events-list-tenant",
        &[(AzureEvents, "BC_1-FXZ", ServiceIssue, Active, Update)],
    ),
    (
        "azure/azure-sdk-event-advisory-billing-change-ZMD1-RF0",
        &[(AzureEvents, "ZMD1-RF0", HealthAdvisory, Active, Update)],
    ),
    (
        "azure/azure-sdk-event-advisory-retirement-PMC0-PQ8",
        &[(AzureEvents, "PMC0-PQ8", HealthAdvisory, Active, Update)],
    ),
    (
        "azure/azure-sdk-event-maintenance-complete-ZMC5-NQ0",
        &[
            (AzureEvents, "ZMC5-NQ0", PlannedMaintenance, Planned, Update),
            (AzureEvents, "ZMC5-NQ0", PlannedMaintenance, Planned, Update),
            (AzureEvents, "ZMC5-NQ0", PlannedMaintenance, Complete, Update),
        ],
    ),
    (
        "azure/azure-sdk-event-maintenance-inprogress-ZMM4-1_0",
        &[
            (AzureEvents, "ZMM4-1_0", PlannedMaintenance, Planned, Update),
            (AzureEvents, "ZMM4-1_0", PlannedMaintenance, InProgress, Update),
        ],
    ),
    (
        "azure/azure-sdk-event-serviceissue-mitigated-ZS10-TR8",
        &[
            (AzureEvents, "ZS10-TR8", ServiceIssue, Active, Update),
            (AzureEvents, "ZS10-TR8", ServiceIssue, Resolved, Mitigation),
        ],
    ),
    (
        "azure/azure-sdk-event-serviceissue-pir-final-0NTJ-VV8",
        &[(AzureEvents, "0NTJ-VV8", ServiceIssue, Rca, FinalReview)],
    ),
    (
        "azure/azure-rest-emergingissues",
        &[
            (AzureEmergingIssues, "KTTK-TZ8", ServiceIssue, Active, Update),
            (AzureEmergingIssues, "4KHK-LS8", ServiceIssue, Active, Update),
        ],
    ),
    (
        "synthetic/azure-common-actionrequired-active",
        &[(ALERT, "PJ3M-VX8", HealthAdvisory, Active, Update)],
    ),
    (
        "synthetic/azure-common-incident-active",
        &[(ALERT, "ZS10-TR8", ServiceIssue, Active, Update)],
    ),
    (
        "synthetic/azure-common-incident-rca-preliminary-pir",
        &[(ALERT, "0NTJ-VV8", ServiceIssue, Rca, PreliminaryReview)],
    ),
    (
        "synthetic/azure-common-incident-resolved-mitigation-statement",
        &[(ALERT, "ZS10-TR8", ServiceIssue, Resolved, Mitigation)],
    ),
    (
        "synthetic/azure-common-informational-active",
        &[(ALERT, "QN5B-HD0", HealthAdvisory, Active, Update)],
    ),
    (
        "synthetic/azure-common-maintenance-canceled",
        &[(ALERT, "VM2C-TQ8", PlannedMaintenance, Canceled, Update)],
    ),
    (
        "synthetic/azure-common-maintenance-complete",
        &[(ALERT, "VM2C-TQ8", PlannedMaintenance, Complete, Update)],
    ),
    (
        "synthetic/azure-common-maintenance-inprogress",
        &[(ALERT, "VM2C-TQ8", PlannedMaintenance, InProgress, Update)],
    ),
    (
        "synthetic/azure-common-maintenance-planned",
        &[(ALERT, "VM2C-TQ8", PlannedMaintenance, Planned, Update)],
    ),
    (
        "synthetic/azure-common-maintenance-rescheduled",
        &[(ALERT, "VM2C-TQ8", PlannedMaintenance, Rescheduled, Update)],
    ),
    (
        "synthetic/azure-common-security-active",
        &[(ALERT, "SK7Q-LT0", SecurityAdvisory, Active, Update)],
    ),
    (
        "synthetic/azure-legacy-actionrequired-active",
        &[(HOOK, "PJ3M-VX8", HealthAdvisory, Active, Update)],
    ),
    (
        "synthetic/azure-legacy-incident-active",
        &[(HOOK, "ZS10-TR8", ServiceIssue, Active, Update)],
    ),
    (
        "synthetic/azure-legacy-incident-false-positive",
        &[(HOOK, "GMYD-LB8", ServiceIssue, Resolved, Retraction)],
    ),
    (
        "synthetic/azure-legacy-incident-rca-final-pir",
        &[(HOOK, "0NTJ-VV8", ServiceIssue, Rca, FinalReview)],
    ),
    (
        "synthetic/azure-legacy-incident-rca-retrospective-invite",
        &[(HOOK, "0NTJ-VV8", ServiceIssue, Rca, Retrospective)],
    ),
    (
        "synthetic/azure-legacy-incident-resolved-mitigation-statement",
        &[(HOOK, "ZS10-TR8", ServiceIssue, Resolved, Mitigation)],
    ),
    (
        "synthetic/azure-legacy-maintenance-canceled",
        &[(HOOK, "VM2C-TQ8", PlannedMaintenance, Canceled, Update)],
    ),
    (
        "synthetic/azure-legacy-maintenance-complete",
        &[(HOOK, "VM2C-TQ8", PlannedMaintenance, Complete, Update)],
    ),
    (
        "synthetic/azure-legacy-maintenance-inprogress",
        &[(HOOK, "VM2C-TQ8", PlannedMaintenance, InProgress, Update)],
    ),
    (
        "synthetic/azure-legacy-maintenance-planned",
        &[(HOOK, "VM2C-TQ8", PlannedMaintenance, Planned, Update)],
    ),
    (
        "synthetic/azure-legacy-security-active",
        &[(HOOK, "SK7Q-LT0", SecurityAdvisory, Active, Update)],
    ),
    ("azure/azure-activitylog-event-resourcehealth", &[]),
    ("azure/azure-common-administrative-testaction", &[]),
    ("azure/azure-common-resourcehealth-testaction", &[]),
    ("azure/azure-webhook-legacy-administrative-testaction", &[]),
    ("azure/azure-webhook-legacy-resourcehealth-testaction", &[]),
    ("azure/azure-webhook-legacy-resourcehealth-unavailable", &[]),
    ("azure/azure-rest-impactedresources-real", &[]),
];

#[test]
fn every_sample_is_read_or_ignored_as_the_index_says() {
    let expected: BTreeMap<&str, _> = INDEX.iter().copied().collect();
    for (name, wanted) in &expected {
        let received = received(&format!("{name}.json"));
        let found: Vec<_> = received
            .events
            .iter()
            .map(|event| {
                (
                    event.form,
                    event.tracking_id.as_str(),
                    event.event_type,
                    event.stage,
                    event.kind,
                )
            })
            .collect();
        assert_eq!(found, *wanted, "{name}");
        assert_eq!(
            wanted.is_empty(),
            received.events.is_empty() && !received.ignored.is_empty(),
            "{name}"
        );
    }
    let no_event_at_all = ["azure/azure-rest-actiongroup-secure-webhook"];
    let files = ["azure", "synthetic"].iter().flat_map(|part| {
        std::fs::read_dir(folder().join(part))
            .unwrap()
            .map(move |file| (part, file))
    });
    for (part, file) in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = format!("{part}/{}", name.trim_end_matches(".json"));
        assert!(
            expected.contains_key(name.as_str()) || no_event_at_all.contains(&name.as_str()),
            "{name} is in the table"
        );
    }
}

#[test]
fn a_legacy_webhook_is_read_whole() {
    let event = event("azure/azure-webhook-legacy-servicehealth-incident-active.json");
    assert_eq!(event.title, "Virtual Machines - Australia East");
    assert_eq!(event.level, Some(Level::Informational));
    assert_eq!(event.accounts, ["cccc2c2c-dd3d-ee4e-ff5f-aaaaaa6a6a6a"]);
    assert_eq!(event.impact_start, Some(time("2017-10-18T02:48:00Z")));
    assert_eq!((event.impact_end, event.test), (None, false));
    assert_eq!(event.published, time("2017-10-18T23:49:25.3736084Z"));
    assert_eq!(event.communication_id.as_deref(), Some("636439673646212912"));
    assert_eq!(
        (event.impact.len(), event.impact[0].region.as_deref()),
        (1, Some("Australia East"))
    );
    assert!(
        event.text.contains("stopped \"deallocated\" or suspended"),
        "{}",
        event.text
    );
    assert!(event.properties.is_empty());
}

#[test]
fn the_rules_own_properties_are_kept() {
    let event = event("synthetic/azure-legacy-incident-active.json");
    assert_eq!(event.properties.get("customKey1").map(String::as_str), Some("value1"));
    assert_eq!(event.impact.len(), 3);
    let alert = changed(
        "synthetic/azure-common-incident-active.json",
        "\"alertContext\": {",
        "\"customProperties\": {\"team\": \"a\", \"n\": 3}, \"alertContext\": {",
    );
    let alert = read(&alert, None, Arrival::Live).unwrap().events.remove(0);
    assert_eq!(alert.properties.get("team").map(String::as_str), Some("a"));
    assert_eq!(alert.properties.get("n").map(String::as_str), Some("3"));
}

#[test]
fn the_portals_test_notifications_are_tests() {
    let common = event("azure/azure-common-servicehealth-incident-resolved-testaction.json");
    assert!(common.test && common.accounts == [A] && common.level == Some(Level::Warning));
    assert_eq!(common.impact[0].service, "AzureServiceName");
    let legacy = event("azure/azure-webhook-legacy-servicehealth-incident-resolved-testaction.json");
    assert!(legacy.test && legacy.accounts == [A]);
    assert!(legacy.text.contains("Preliminary Root Cause: This is"));
    assert!(!event("synthetic/azure-common-incident-active.json").test);
    for (spelling, value) in [
        ("isSynthetic", "\"true\""),
        ("IsSynthetic", "true"),
        ("ISSYNTHETIC", "\"True\""),
    ] {
        let body = changed(
            "synthetic/azure-legacy-incident-active.json",
            "\"isSynthetic\": \"False\"",
            &format!("\"{spelling}\": {value}"),
        );
        assert!(
            read(&body, None, Arrival::Live).unwrap().events[0].test,
            "{spelling} {value}"
        );
    }
}

#[test]
fn numbers_of_the_common_schema_are_words() {
    assert_eq!(
        event("synthetic/azure-common-incident-active.json").level,
        Some(Level::Warning)
    );
    assert_eq!(
        event("synthetic/azure-common-informational-active.json").level,
        Some(Level::Informational)
    );
}

#[test]
fn an_activity_log_event_without_a_real_subscription_names_no_account() {
    let event = event("azure/azure-activitylog-event-servicehealth-incident-active.json");
    assert_eq!((event.accounts.len(), event.level), (0, Some(Level::Warning)));
    assert_eq!(event.impact[0].service, "Service Fabric");
    assert_eq!(event.published, time("2017-07-20T23:30:14.8022297Z"));
}

#[test]
fn two_services_in_unlike_regions_stay_pairs() {
    let event = event("synthetic/azure-common-actionrequired-active.json");
    let pairs: Vec<_> = event
        .impact
        .iter()
        .map(|pair| (pair.service.as_str(), pair.region.as_deref().unwrap()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("Virtual Network", "East US"),
            ("Virtual Network", "West Europe"),
            ("Load Balancer", "East US")
        ]
    );
}

#[test]
fn legacy_and_common_forms_of_one_thing_are_one_communication() {
    let mut compared = 0;
    for file in std::fs::read_dir(folder().join("synthetic")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let common = name.replace("-legacy-", "-common-");
        if name == common || !folder().join("synthetic").join(&common).exists() {
            continue;
        }
        let (legacy, mut common) = (
            event(&format!("synthetic/{name}")),
            event(&format!("synthetic/{common}")),
        );
        assert_eq!(communication_of(&legacy), communication_of(&common), "{name}");
        common.properties = legacy.properties.clone();
        assert_eq!(visible_digest(&legacy), visible_digest(&common), "{name}");
        compared += 1;
    }
    assert!(compared >= 6);
}

#[test]
fn different_stages_of_one_incident_are_different_communications() {
    let stages = ["planned", "rescheduled", "canceled", "inprogress", "complete"];
    let mut seen: Vec<_> = stages
        .iter()
        .map(|stage| communication_of(&event(&format!("synthetic/azure-common-maintenance-{stage}.json"))))
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), stages.len());
}

#[test]
fn the_sdk_story_is_told_oldest_first() {
    let events = events("azure/azure-sdk-event-serviceissue-mitigated-ZS10-TR8.json");
    assert_eq!(
        events[0].title,
        "App Service – Erroneous 404 failures in alerts and logs"
    );
    assert!(events[0].text.starts_with("Impact Statement: Starting at 10:01 UTC"));
    assert_eq!((events[0].impact_end, events[0].impact.len()), (None, 3));
    assert_eq!(
        events[1].title,
        "App Service – Erroneous 404 failures in alerts and logs – Mitigated"
    );
    assert!(
        events[1].text.starts_with("What happened?\n\nBetween 10:01 UTC"),
        "the summary is cut, this is not"
    );
    assert_eq!(events[1].impact_end, Some(time("2024-11-01T18:07:00Z")));
    assert_eq!(events[1].published, time("2024-11-01T20:31:21.966Z"));
    assert_eq!(
        events[1].level,
        Some(Level::Informational),
        "eventLevel is the real one"
    );
    assert_eq!(events[1].accounts, [SDK]);
    assert_eq!(events[1].impact[0].accounts, [SDK]);
    let webhook = event("synthetic/azure-legacy-incident-resolved-mitigation-statement.json");
    assert_eq!(
        communication_of(&events[1]),
        communication_of(&webhook),
        "a back-fill knows what a webhook brought"
    );
}

#[test]
fn a_review_from_rest_is_the_webhooks_review() {
    let rest = event("azure/azure-sdk-event-serviceissue-pir-final-0NTJ-VV8.json");
    let webhook = event("synthetic/azure-legacy-incident-rca-final-pir.json");
    assert_eq!(communication_of(&rest), communication_of(&webhook));
    assert_eq!(
        rest.impact_start,
        Some(time("2024-09-05T04:25:54.920Z")),
        "metadata, not prose"
    );
    assert!(
        rest.text
            .contains("How can we make our incident communications more useful?")
    );
    assert_eq!(rest.link, None, "the survey is no recording");
}

#[test]
fn advisories_and_billing_keep_their_subtype_and_deadline() {
    let retirement = event("azure/azure-sdk-event-advisory-retirement-PMC0-PQ8.json");
    assert_eq!(retirement.subtype.as_deref(), Some("Retirement"));
    assert_eq!(retirement.impact_end, Some(time("2025-03-28T23:00:00Z")));
    let change = event("azure/azure-sdk-event-advisory-billing-change-ZMD1-RF0.json");
    assert_eq!((change.subtype, change.impact.len()), (None, 4));
    let billing = event("azure/azure-rest-event-billing.json");
    assert_eq!(billing.subtype.as_deref(), Some("Underbilling"));
    assert_eq!(
        billing.impact[0].service_id.as_deref(),
        Some("80853877-1df8-40c2-9c79-44c0d1c95e01")
    );
    assert_eq!(
        (billing.accounts.len(), billing.impact[0].accounts.len()),
        (0, 0),
        "a placeholder is no account"
    );
}

#[test]
fn a_tenant_event_without_updates_is_one_event_of_its_own_time() {
    let event = event("azure/azure-rest-events-list-tenant.json");
    assert_eq!(event.published, time("2018-11-08T00:00:00Z"));
    assert_eq!((event.impact.len(), event.accounts.len()), (1, 0));
    assert!(event.text.starts_with("An outage alert is being investigated."));
}

#[test]
fn emerging_issues_are_public_and_banners_are_not_events() {
    let received = received("azure/azure-rest-emergingissues.json");
    let issue = &received.events[1];
    assert_eq!(
        (issue.source.as_deref(), issue.level),
        (Some("status.azure.com"), Some(Level::Error))
    );
    assert_eq!(issue.impact[0].region.as_deref(), Some("West Europe"));
    assert_eq!(received.ignored.len(), 2);
    assert_eq!(
        received.ignored[1].field.as_deref(),
        Some("properties.statusBanners[1]")
    );
}

#[test]
fn the_invitation_has_its_sessions_and_link() {
    let event = event("synthetic/azure-legacy-incident-rca-retrospective-invite.json");
    let starts: Vec<_> = event.sessions.iter().map(|session| session.start).collect();
    assert_eq!(starts, [time("2024-10-10T15:00:00Z"), time("2024-10-11T01:00:00Z")]);
    assert_eq!(event.sessions[1].end, time("2024-10-11T02:30:00Z"));
    assert_eq!(
        event.link.map(String::from).as_deref(),
        Some("https://aka.ms/AIR/0NTJ-VV8/RSVP")
    );
}

#[test]
fn the_default_language_is_what_rules_match() {
    let text = String::from_utf8(body("synthetic/azure-legacy-incident-active.json")).unwrap();
    let translated = text
        .replacen("\"communication\": \"<p>", "\"communication\": \"<p>Auswirkungen: ", 1)
        .replacen("\"title\": \"App", "\"title\": \"Dienst App", 1);
    let translated = read(translated.as_bytes(), None, Arrival::Live)
        .unwrap()
        .events
        .remove(0);
    assert_eq!(
        communication_of(&translated),
        communication_of(&event("synthetic/azure-legacy-incident-active.json"))
    );
}

#[test]
fn diagnostic_records_are_read_and_others_among_them_ignored() {
    let text = String::from_utf8(body("azure/azure-activitylog-event-servicehealth-incident-active.json")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    let record = |category: &str| {
        serde_json::json!({
            "time": "2017-07-20T23:30:14.8022297", "resourceId": "/SUBSCRIPTIONS/AAAA0A0A-BB1B-CC2C-DD3D-EEEEEE4E4E4E",
            "operationName": "Microsoft.ServiceHealth/incident/action", "category": category, "resultType": "Active",
            "level": "Information", "properties": entry["properties"],
        })
    };
    let body = serde_json::json!({"records": [record("ServiceHealth"), record("Administrative"), record("Security"), record("Autoscale")]});
    let received = read(body.to_string().as_bytes(), None, Arrival::History).unwrap();
    let event = &received.events[0];
    assert_eq!(
        (event.form, event.arrival),
        (Form::AzureDiagnosticRecords, Arrival::History)
    );
    assert_eq!(
        (event.accounts.as_slice(), event.level),
        ([A.to_string()].as_slice(), Some(Level::Informational))
    );
    let ignored: Vec<_> = received
        .ignored
        .iter()
        .map(|ignored| (ignored.what.as_str(), ignored.field.as_deref().unwrap()))
        .collect();
    assert_eq!(
        ignored,
        [
            ("Administrative", "records[1]"),
            ("Security", "records[2]"),
            ("Autoscale", "records[3]")
        ]
    );
}

#[test]
fn other_alerts_of_the_same_endpoint_are_ignored_with_their_reason() {
    for body in [
        r#"{"schemaId": "AIP Budget Notification", "data": {"SubscriptionName": "x"}}"#,
        r#"{"schemaId": "AzureMonitorMetricAlert", "data": {}}"#,
        r#"{"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": {"monitoringService": "Platform"}}}"#,
        r#"{"version": "1.0", "status": "Activated", "operation": "Scale Out", "context": {"resourceId": "/x"}}"#,
        r#"{"status": "Activated", "context": {"condition": {}}}"#,
        r#"{"SubscriptionId": "x", "AlertRuleName": "y", "SearchQuery": "z"}"#,
        r#"{"schemaId": "Microsoft.Insights/activityLogs", "data": {"context": {"activityLog": {"eventSource": "Security", "properties": {}}}}}"#,
    ] {
        let received = read(body.as_bytes(), None, Arrival::Live).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert!(
            received.events.is_empty() && !received.ignored[0].why.is_empty(),
            "{body}"
        );
    }
}

fn any_sample() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<String> = ["azure", "synthetic"]
        .iter()
        .flat_map(|part| {
            std::fs::read_dir(folder().join(part))
                .unwrap()
                .map(move |file| format!("{part}/{}", file.unwrap().file_name().display()))
        })
        .collect();
    proptest::sample::select(names).prop_map(|name| body(&name))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_samples_never_panic(
        sample in any_sample(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::weighted(0.2, any::<proptest::sample::Index>()),
    ) {
        let mut sample = sample;
        for (place, byte) in changes {
            let place = place.index(sample.len());
            sample[place] = byte;
        }
        if let Some(cut) = cut {
            sample.truncate(cut.index(sample.len()));
        }
        if let Err(error) = read(&sample, None, Arrival::Live) {
            prop_assert!(error.offset.is_some_and(|offset| offset <= sample.len()), "{error}");
        }
    }

    #[test]
    fn values_of_any_sort_in_any_place_never_panic(sample in any_sample(), nth in any::<proptest::sample::Index>(), value in 0usize..7) {
        let mut tree: serde_json::Value = serde_json::from_slice(&sample).unwrap();
        let values = ["null", "true", "1e300", "\"0001-01-01\"", "[[]]", "{\"value\":{}}", "\"<p>\\u202e <b>\""];
        let paths = leaves(&tree, String::new());
        *tree.pointer_mut(&paths[nth.index(paths.len())]).unwrap() = serde_json::from_str(values[value]).unwrap();
        let _ = read(tree.to_string().as_bytes(), None, Arrival::Live);
    }
}

/// The JSON pointers of everything inside a value.
fn leaves(value: &serde_json::Value, at: String) -> Vec<String> {
    let inside: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(map) => map
            .iter()
            .map(|(key, value)| (format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), value))
            .collect(),
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(nth, value)| (format!("{at}/{nth}"), value))
            .collect(),
        _ => Vec::new(),
    };
    let deeper: Vec<String> = inside
        .iter()
        .flat_map(|(path, value)| leaves(value, path.clone()))
        .collect();
    inside.into_iter().map(|(path, _)| path).chain(deeper).collect()
}
