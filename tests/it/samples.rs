//! Every sample of Azure's events, posted to the daemon: what each incident adds up to.

use std::path::Path;

use serde_json::Value;

use crate::world::World;

/// The samples that are events of service health, real and made; other kinds of alert are refused.
fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
    let mut samples = Vec::new();
    for kind in ["azure", "synthetic"] {
        for file in std::fs::read_dir(folder.join(kind)).expect("a folder") {
            let path = file.expect("a file").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            samples.push((name, std::fs::read_to_string(&path).expect("text")));
        }
    }
    samples.sort();
    samples
}

/// An incident in a line, and what is owed of it each in one of its own.
fn told(incident: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let kinds: Vec<String> = incident["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| word(&entry["kind"]))
        .collect();
    let mut told = format!(
        "{} {}: {}, reopened {}, size {} by {}, {}\n",
        word(&incident["tracking_id"]),
        word(&incident["event_type"]),
        word(&incident["state"]),
        incident["reopened"],
        word(&incident["size"]["value"]),
        word(&incident["size"]["basis"]),
        kinds.join(" "),
    );
    for owed in incident["owed"].as_array().expect("a list") {
        told += &format!(
            "    {} since {} due {}: {} by {}\n",
            word(&owed["kind"]),
            word(&owed["since"]),
            word(&owed["due"]),
            word(&owed["state"]),
            word(&owed["basis"]),
        );
    }
    for one in incident["recommendations"].as_array().expect("a list") {
        told += &format!("    recommends {}\n", word(one));
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sample_adds_up_to_its_incident_with_what_is_owed_of_it() {
    let world = World::with(&[("contoso/rules.yaml", "rules: []\n")]).await;
    let mut refused = Vec::new();
    for (name, body) in samples() {
        let (status, _) = world.post("/v1/events?arrival=history", body).await;
        if status != 202 {
            refused.push(format!("{name} {status}"));
        }
    }
    world.settled().await;
    let list = world.get("/v1/incidents?limit=200").await;
    let mut told_of = Vec::new();
    for incident in list["incidents"].as_array().expect("a list") {
        let id = incident["tracking_id"].as_str().expect("an id");
        let segment = id.replace('{', "%7B").replace('}', "%7D");
        told_of.push(told(&world.get(&format!("/v1/incidents/{segment}")).await));
    }
    told_of.sort();
    insta::assert_snapshot!(refused.join("\n"), @"
    azure-activitylog-event-resourcehealth 200
    azure-common-administrative-testaction 200
    azure-common-resourcehealth-testaction 200
    azure-rest-actiongroup-secure-webhook 400
    azure-rest-impactedresources-real 200
    azure-webhook-legacy-administrative-testaction 200
    azure-webhook-legacy-resourcehealth-testaction 200
    azure-webhook-legacy-resourcehealth-unavailable 200
    ");
    // BC_1-FXZ is of Azure's documentation: reviews by its tags, and an event that still is active by its status
    insta::assert_snapshot!(told_of.concat(), @"
    0NIH-U2O Service issue: investigating, reopened 0, size - by -, update
    0NTJ-VV8 Service issue: closed, reopened 0, size largest by promise, retrospective final-review preliminary-review
        preliminary-review since 2024-09-05T05:14:00Z due 2024-09-08T05:14:00Z: met by promise
        final-review since 2024-09-05T05:14:00Z due 2024-09-19T05:14:00Z: met by promise
        recommends Consider reviewing our best practices surrounding App Service high availability and disaster recovery, to minimize the impact from incidents like this one: https://learn.microsoft.com/azure/reliability/reliability-app-service
        recommends More generally, consider evaluating the reliability of your applications using guidance from the Azure Well-Architected Framework and its interactive Well-Architected Review: https://aka.ms/AzPIR/WAF
        recommends The impact times above represent the full incident duration, so are not specific to any individual customer. Actual impact to service availability varied between customers and resources – for guidance on implementing monitoring to understand granular impact: https://aka.ms/AzPIR/Monitoring
        recommends Finally, consider ensuring that the right people in your organization will be notified about any future service issues – by configuring Azure Service Health alerts. These can trigger emails, SMS, push notifications, webhooks, and more: https://aka.ms/AzPIR/Alerts
    4KHK-LS8 Service issue: investigating, reopened 0, size - by -, update
    ABC1-DEF Service issue: closed, reopened 0, size standard by size, mitigation
    BC_1-FXZ Service issue: investigating, reopened 0, size largest by tag, final-review preliminary-review update update
        preliminary-review since 2025-05-13T10:32:48.120353Z due 2025-05-16T10:32:48.120353Z: met by tag
        final-review since 2025-05-13T10:32:48.120353Z due 2025-05-27T10:32:48.120353Z: met by tag
    GMYD-LB8 Service issue: retracted, reopened 0, size - by -, retraction
    KTTK-TZ8 Service issue: investigating, reopened 0, size - by -, update
    NA0F-BJG Service issue: investigating, reopened 0, size - by -, update
        update since 2017-07-20T23:30:14.802229700Z due 2017-07-21T00:30:14.802229700Z: overdue by promise
    PJ3M-VX8 Health advisory: in-progress, reopened 0, size - by -, update
    PMC0-PQ8 Health advisory: in-progress, reopened 0, size - by -, update
    QN5B-HD0 Health advisory: in-progress, reopened 0, size - by -, update
    SK7Q-LT0 Security advisory: in-progress, reopened 0, size - by -, update
    TEST-TTT Service issue: closed, reopened 0, size small by size, mitigation
    VM2C-TQ8 Planned maintenance: closed, reopened 1, size - by -, update update update update update
    ZMC5-NQ0 Planned maintenance: closed, reopened 0, size - by -, update update update
    ZMD1-RF0 Health advisory: in-progress, reopened 0, size - by -, update
    ZMM4-1_0 Planned maintenance: in-progress, reopened 0, size - by -, update update
    ZS10-TR8 Service issue: closed, reopened 0, size small by promise, mitigation update update
        final-review since 2024-11-01T18:07:00Z due -: open by on-request
        update since 2024-11-01T18:59:27.923Z due 2024-11-01T20:59:27.923Z: met by promise
    intake-refused:20261124 Health advisory: in-progress, reopened 0, size - by -, not-understood
    new-word:8b46e2780ae3d763dec4a87d3d0aaa80 Health advisory: in-progress, reopened 0, size - by -, not-understood
    {eventTrackingId} Billing: in-progress, reopened 0, size - by -, update
    ");
}
