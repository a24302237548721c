//! What is owed is told in time: reviews before and after they are due, updates that were promised, repairs, and the start
//! and end of a maintenance. Time is moved by hand.

use serde_json::{Value, json};

use crate::world::{Azure, DEV, Mail, PROD, World};

/// Everything that is reminded of, by words as people type them.
const RULES: &str = "
subscriptions:
  production: [11111111-aaaa-4bbb-8ccc-111111111111]
receivers:
  leads: { to: [{ email: ada@contoso.example }, { webhook: '{hooks}/owed' }], zone: Europe/Berlin }
rules:
  - { name: Late, when: { kind: [review due, Review-Overdue], subscriptions: production }, notify: leads, settle: 0s }
  - { name: Other, when: { kind: [repair due, UPDATE OVERDUE, maintenance-starting, maintenance over] }, notify: leads, settle: 0s }
";

const PROMISE: &str = "<p>Connections failed.</p><p>We will publish a Preliminary Post Incident Review (PIR) within \
                       approximately 72 hours, and a Final PIR generally within 14 days.</p>";

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn event(azure: &Azure, change: impl FnOnce(&mut Value)) -> Value {
    let mut event = azure.json();
    change(&mut event["data"]["context"]["activityLog"]["properties"]);
    event
}

/// Mitigated at 09:30, and what is promised then.
fn mitigated(text: &str) -> Value {
    let statement = Azure {
        text: text.into(),
        ..Azure::mitigated()
    };
    event(&statement, |properties| {
        properties["impactMitigationTime"] = json!("2026-11-24T09:30:00Z");
    })
}

fn subjects(world: &World) -> Vec<String> {
    world.mails().into_iter().map(|mail| mail.subject).collect()
}

fn last(world: &World) -> Mail {
    let sent = world.mails();
    let newest = world.hooks.got("owed");
    let title = newest.last().expect("a hook").body["title"]
        .as_str()
        .expect("a title")
        .to_owned();
    let told = sent
        .into_iter()
        .find(|mail| mail.text.contains(title.split(" – ").next().expect("a part")));
    told.expect("the same by mail")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_is_told_when_it_is_due_soon_and_when_it_is_late_and_never_again() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.hear(&mitigated(PROMISE)).await;
    // two days after the mitigation, one before it is due
    world.pass(2 * DAY + 30 * 60 - 1).await;
    assert_eq!(subjects(&world), Vec::<String>::new());
    world.pass(1).await;
    let told = world.hooks.got("owed");
    assert_eq!(told.len(), 1, "{told:?}");
    let body = &told[0].body;
    assert_eq!(
        (
            &body["kind"],
            &body["provider"],
            &body["tracking_id"],
            &body["event_type"],
            &body["level"]
        ),
        (
            &json!("review-due"),
            &json!("bellwether"),
            &json!("VVTQ-J98"),
            &json!("Service issue"),
            &json!("Warning")
        )
    );
    assert_eq!(body["subscriptions"][0]["id"], PROD);
    assert_eq!(
        body["impact"],
        json!([{ "service": "Virtual Machines", "region": "East US" }])
    );
    let mail = last(&world);
    assert!(mail.subject.starts_with("[Review due] VVTQ-J98: "), "{}", mail.subject);
    assert!(
        mail.text.contains("27 Nov 2026, 10:30 CET (09:30 UTC)"),
        "{}",
        mail.text
    );
    world.pass(DAY).await;
    assert_eq!(world.hooks.got("owed").len(), 1, "it is due now, and not late");
    world.pass(1).await;
    let told = world.hooks.got("owed");
    assert_eq!((told.len(), &told[1].body["kind"]), (2, &json!("review-overdue")));
    assert!(
        told[1].body["title"]
            .as_str()
            .is_some_and(|title| title.starts_with("VVTQ-J98: the preliminary"))
    );
    // the final one, fourteen days after the mitigation
    world.pass(10 * DAY).await;
    assert_eq!(world.hooks.got("owed").len(), 3);
    world.pass(60 * DAY).await;
    let kinds: Vec<Value> = world
        .hooks
        .got("owed")
        .iter()
        .map(|hook| hook.body["kind"].clone())
        .collect();
    assert_eq!(kinds, ["review-due", "review-overdue", "review-due", "review-overdue"]);
    // who was told stands at the incident, and nothing of it among what the provider said
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    assert_eq!(
        (&incident["provider"], incident["entries"].as_array().map(Vec::len)),
        (&json!("azure"), Some(2))
    );
    let reminders = incident["reminders"].as_array().expect("a list");
    assert_eq!(reminders.len(), 4);
    assert!(
        reminders
            .iter()
            .all(|one| one["deliveries"].as_array().is_some_and(|all| all.len() == 2))
    );
    let (_, page) = world.page("/incidents/VVTQ-J98").await;
    assert!(page.contains("Reminder: a review is overdue"), "{page}");
    // the same stands in the feed, and is found by its kind
    let feeds = world.get("/v1/feeds").await;
    let feed = feeds["feeds"][0]["json"].as_str().expect("an address").to_owned();
    let path = feed.find("/feeds/").map(|at| &feed[at..]).expect("a path");
    for (query, count) in [("", 6), ("?kind=review+overdue", 2), ("?kind=repair+due", 0)] {
        let feed = world.get(&format!("{path}{query}")).await;
        assert_eq!(feed["items"].as_array().map(Vec::len), Some(count), "{query}: {feed}");
    }
    let found = world.get("/v1/incidents?kind=review+overdue").await;
    assert_eq!(found["incidents"][0]["tracking_id"], "VVTQ-J98");
    let other = world.get("/v1/incidents?kind=repair+due").await;
    assert_eq!(other["incidents"], json!([]));
}

/// A feed has room for a hundred communications; what a reminder is about may be older than all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_feed_has_the_reminder_of_an_incident_that_is_older_than_all_else_in_it() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.hear(&mitigated(PROMISE)).await;
    world.pass(DAY).await;
    for nth in 0..101 {
        let mut other = Azure {
            text: format!("<p>News {nth}.</p>"),
            at: "2026-11-25T09:00:00Z",
            ..Azure::active()
        }
        .json();
        other["data"]["context"]["activityLog"]["properties"]["trackingId"] = json!(format!("OTHER-{nth}"));
        world.hear(&other).await;
    }
    let feeds = world.get("/v1/feeds").await;
    let feed = feeds["feeds"][0]["json"].as_str().expect("an address").to_owned();
    let path = feed.find("/feeds/").map(|at| feed[at..].to_owned()).expect("a path");
    let titles = async |query: &str| {
        let feed = world.get(&format!("{path}{query}")).await;
        let items = feed["items"].as_array().expect("a list").clone();
        let titles = items
            .iter()
            .map(|item| item["title"].as_str().expect("a title").to_owned());
        titles.collect::<Vec<String>>()
    };
    let before = titles("").await;
    assert_eq!(before.len(), 100);
    assert!(
        before.iter().all(|title| title.contains("may be unreachable")),
        "{before:?}"
    );
    // of the reminders, the newest is the one that the review is overdue
    world.pass(3 * DAY).await;
    let after = titles("").await;
    assert_eq!(after.len(), 100);
    assert!(after[0].contains("VVTQ-J98: the preliminary"), "{after:?}");
    let other = titles("?service=Storage").await;
    assert_eq!(other.len(), 0, "{other:?}");
    assert!(titles("?service=Virtual+Machines").await[0].contains("VVTQ-J98: the preliminary"));
    let kind = titles("?kind=update").await;
    assert!(kind.iter().all(|title| !title.contains("the preliminary")), "{kind:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_off_tells_once_that_it_is_overdue_and_not_that_it_was_due() {
    let mut world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    world.hear(&mitigated(PROMISE)).await;
    world.stop().await;
    world.clock.advance(chrono::Duration::days(4));
    world.start().await;
    world.pass(1).await;
    let kinds: Vec<Value> = world
        .hooks
        .got("owed")
        .iter()
        .map(|hook| hook.body["kind"].clone())
        .collect();
    assert_eq!(kinds, ["review-overdue"]);
    world.stop().await;
    world.clock.advance(chrono::Duration::days(60));
    world.start().await;
    world.pass(1).await;
    assert_eq!(
        world.hooks.got("owed").len(),
        2,
        "the final one, after a long outage, too"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_what_came_in_time_was_taken_back_opened_again_is_a_test_or_came_as_history() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let named = |id: &'static str, mut event: Value| {
        event["data"]["context"]["activityLog"]["properties"]["trackingId"] = json!(id);
        event
    };
    // reviewed in time
    let review = |stage: &Azure| named("AAAA-111", stage.json());
    world.hear(&named("AAAA-111", mitigated(PROMISE))).await;
    world.hear(&review(&Azure::preliminary())).await;
    let last_review = Azure {
        title: "Post Incident Review (PIR) - Virtual Machines - East US",
        at: "2026-11-26T08:00:00Z",
        ..Azure::preliminary()
    };
    world.hear(&review(&last_review)).await;
    // taken back
    world.hear(&named("BBBB-111", mitigated(PROMISE))).await;
    let none = Azure {
        title: "No Impact - Virtual Machines",
        stage: "Resolved",
        at: "2026-11-24T11:00:00Z",
        ..Azure::active()
    };
    world.hear(&named("BBBB-111", none.json())).await;
    // opened again
    world.hear(&named("CCCC-111", mitigated(PROMISE))).await;
    let again = Azure {
        at: "2026-11-24T12:00:00Z",
        ..Azure::active()
    };
    world.hear(&named("CCCC-111", again.json())).await;
    // offered on request, a test, and a back-fill
    let offer = "<p>To request a Post Incident Review (PIR), use the “Request PIR” feature.</p>";
    world.hear(&named("DDDD-111", mitigated(offer))).await;
    let mut test = named("EEEE-111", mitigated(PROMISE));
    test["data"]["context"]["activityLog"]["properties"]["isSynthetic"] = json!("True");
    world.hear(&test).await;
    let body = named("FFFF-111", mitigated(PROMISE)).to_string();
    assert_eq!(world.post("/v1/events?arrival=history", body).await.0, 202);
    world.pass(40 * DAY).await;
    assert_eq!(subjects(&world), Vec::<String>::new());
    let back_filled = world.get("/v1/incidents/FFFF-111").await;
    assert_eq!(
        back_filled["owed"].as_array().map(Vec::len),
        Some(2),
        "it is shown all the same"
    );
    // the next mitigation owes everything anew
    let over = event(
        &Azure {
            text: PROMISE.into(),
            at: "2027-01-03T09:00:00Z",
            ..Azure::mitigated()
        },
        |properties| {
            properties["trackingId"] = json!("CCCC-111");
            properties["impactMitigationTime"] = json!("2027-01-03T08:00:00Z");
        },
    );
    world.hear(&over).await;
    world.pass(2 * DAY).await;
    world.pass(DAY).await;
    let told = world.hooks.got("owed");
    let told: Vec<(&Value, &Value)> = told
        .iter()
        .map(|hook| (&hook.body["tracking_id"], &hook.body["kind"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("CCCC-111"), &json!("review-due")),
            (&json!("CCCC-111"), &json!("review-overdue"))
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_was_promised_and_repairs_of_a_month_that_has_passed_are_told() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let promising = |at: &'static str| Azure {
        text: format!(
            "<p>We are looking into it ({at}).</p><p>The next update will be provided within 60 minutes.</p>"
        ),
        at,
        ..Azure::active()
    };
    world.hear(&promising("2026-11-24T08:50:00Z").json()).await;
    let owed = world.get("/v1/incidents/VVTQ-J98").await["owed"].clone();
    assert_eq!(
        (&owed[0]["kind"], &owed[0]["due"], &owed[0]["state"]),
        (&json!("update"), &json!("2026-11-24T09:50:00Z"), &json!("open"))
    );
    world.pass(30 * 60).await;
    world.hear(&promising("2026-11-24T09:30:00Z").json()).await;
    // the first promise was kept; the second one is late at 10:30, and told a quarter of an hour later
    world.pass(75 * 60 - 1).await;
    assert_eq!(subjects(&world), Vec::<String>::new());
    world.pass(1).await;
    let told = world.hooks.got("owed");
    assert_eq!((told.len(), &told[0].body["kind"]), (1, &json!("update-overdue")));
    let owed = world.get("/v1/incidents/VVTQ-J98").await["owed"].clone();
    assert_eq!(
        (&owed[0]["state"], &owed[0]["late_seconds"]),
        (&json!("overdue"), &json!(900))
    );
    let review = Azure {
        stage: "RCA",
        title: "Post Incident Review (PIR) - Virtual Machines - East US",
        text: "<p><strong>How are we making incidents like this less likely or less impactful?</strong></p><ul>\
               <li>We replace the switch (Estimated completion: December 2026)</li>\
               <li>We test more (Estimated completion: December 2026)</li><li>We fixed the alarm (Completed)</li></ul>\
               <p><strong>How can customers make incidents like this less impactful?</strong></p>\
               <ul><li>Use two zones</li></ul>"
            .into(),
        at: "2026-11-24T10:00:00Z",
        ..Azure::active()
    };
    world.hear(&review.json()).await;
    let incident = world.get("/v1/incidents/VVTQ-J98").await;
    assert_eq!(incident["recommendations"], json!(["Use two zones"]));
    let repairs: Vec<&Value> = incident["owed"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["kind"] == "repair")
        .collect();
    assert_eq!(repairs.len(), 2);
    assert_eq!(
        (&repairs[0]["text"], &repairs[0]["due"]),
        (&json!("We replace the switch"), &json!("2027-01-01T00:00:00Z"))
    );
    world.pass(38 * DAY).await;
    let told = world.hooks.got("owed");
    assert_eq!((told.len(), &told[1].body["kind"]), (2, &json!("repair-due")));
    let text = told[1].body["text"].as_str().expect("a text");
    assert!(
        text.contains("December 2026") && text.contains("- We replace the switch\n- We test more"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maintenance_is_told_before_it_starts_and_when_its_time_is_over_unless_it_is_called_off() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let planned = |id: &'static str, stage: &'static str, at: &'static str, start: &str, end: &str| {
        let plan = Azure {
            tracking_id: id,
            stage,
            title: "Planned maintenance for Virtual Machines",
            text: format!("<p>{stage} from {start} to {end}</p>"),
            at,
            level: "Informational",
            ..Azure::active()
        };
        event(&plan, |properties| {
            properties["incidentType"] = json!("Maintenance");
            properties["impactStartTime"] = json!(start);
            properties["impactMitigationTime"] = json!(end);
        })
    };
    let (start, end) = ("2026-11-28T20:00:00Z", "2026-11-28T23:00:00Z");
    world
        .hear(&planned("MNT1-AAA", "Planned", "2026-11-24T08:00:00Z", start, end))
        .await;
    // announced an hour before it starts, and one that is called off
    world
        .hear(&planned(
            "MNT2-AAA",
            "Planned",
            "2026-11-24T08:00:00Z",
            "2026-11-24T10:00:00Z",
            "2026-11-24T11:00:00Z",
        ))
        .await;
    world
        .hear(&planned("MNT3-AAA", "Planned", "2026-11-24T08:00:00Z", start, end))
        .await;
    world
        .hear(&planned("MNT3-AAA", "Canceled", "2026-11-24T08:30:00Z", start, end))
        .await;
    world.pass(1).await;
    let told = |world: &World| -> Vec<String> {
        let word = |hook: &Value, key: &str| hook[key].as_str().expect("text").to_owned();
        let hooks = world.hooks.got("owed").into_iter();
        hooks
            .map(|hook| format!("{} {}", word(&hook.body, "tracking_id"), word(&hook.body, "kind")))
            .collect()
    };
    assert_eq!(told(&world), ["MNT2-AAA maintenance-starting"]);
    world.pass(2 * HOUR).await;
    assert_eq!(
        told(&world).last().map(String::as_str),
        Some("MNT2-AAA maintenance-over")
    );
    world.pass(3 * DAY + 10 * HOUR).await;
    assert_eq!(
        told(&world).last().map(String::as_str),
        Some("MNT1-AAA maintenance-starting")
    );
    world.pass(2 * DAY).await;
    assert_eq!(
        told(&world)[2..],
        [
            "MNT1-AAA maintenance-starting".to_owned(),
            "MNT1-AAA maintenance-over".to_owned()
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_customer_is_reminded_of_what_it_heard_itself_however_many_there_are() {
    // so many accounts that one decision does not look at all of them
    let accounts = |customer: u32, own: &str| -> String {
        let others = (0..1_800).map(|nth| format!("{customer:04}{nth:04}-aaaa-4bbb-8ccc-000000000000"));
        others.chain([own.to_owned()]).collect::<Vec<_>>().join(", ")
    };
    let third = "33333333-aaaa-4bbb-8ccc-333333333333";
    let owners = [("contoso", PROD), ("fabrikam", DEV), ("tailspin", third)];
    let customers: Vec<String> = (1..)
        .zip(owners)
        .map(|(nth, (name, own))| format!("  {name}: {{ accounts: [{}] }}\n", accounts(nth, own)))
        .collect();
    let files: Vec<(String, String)> = owners
        .iter()
        .map(|(name, _)| {
            let rules = format!(
                "receivers:\n  leads: [{{ webhook: '{{hooks}}/{name}' }}]\nrules:\n  - {{ name: Late, when: {{ kind: review \
                 overdue }}, notify: leads, settle: 0s }}\n"
            );
            (format!("{name}/rules.yaml"), rules)
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let world = World::with_settings(&format!("customers:\n{}", customers.concat()), &files).await;
    // fabrikam hears no promise
    for (subscription, text) in [
        (PROD, PROMISE),
        (DEV, "<p>This is our final update.</p>"),
        (third, PROMISE),
    ] {
        let mut over = mitigated(text);
        over["data"]["context"]["activityLog"]["subscriptionId"] = json!(subscription);
        world.hear(&over).await;
    }
    world.pass(4 * DAY).await;
    let told = |name: &str| world.hooks.got(name).len();
    assert_eq!((told("contoso"), told("fabrikam"), told("tailspin")), (1, 0, 1));
    let hook = &world.hooks.got("tailspin")[0].body;
    assert_eq!(hook["subscriptions"], json!([{ "id": third, "groups": [] }]));
}

/// The rules that `tests/fixtures/state-4.tar.zst` was written under, by the version before reviews had a clock (store
/// schema 6), and one that asks for what is owed.
const FORMER_RULES: &str = "
receivers:
  leads: { to: [{ email: ada@contoso.example }], zone: Europe/Berlin }
rules:
  - { name: All, when: { event type: Service issue }, notify: leads, settle: 0s }
  - { name: Late, when: { kind: review overdue }, notify: leads, settle: 0s }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_of_the_version_before_has_a_clock_that_tells() {
    for without in [&[][..], &["store", "store.boot", "store.clean"][..]] {
        let mut world = World::with(&[("contoso/rules.yaml", FORMER_RULES)]).await;
        world.stop().await;
        std::fs::remove_dir_all(world.state()).expect("is removed");
        let packed = std::fs::File::open("tests/fixtures/state-4.tar.zst").expect("a fixture");
        let unpacked = zstd::Decoder::new(packed).expect("is packed");
        tar::Archive::new(unpacked).unpack(world.state()).expect("unpacks");
        for name in without {
            let path = world.state().join(name);
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.expect("is removed");
        }
        // it was stopped on 29 November; the preliminary review is due on 1 December, 09:30
        world.clock.advance(chrono::Duration::days(6));
        world.start().await;
        world.pass(1).await;
        let late = |world: &World| {
            subjects(world)
                .iter()
                .filter(|one| one.starts_with("[Review overdue]"))
                .count()
        };
        assert_eq!((world.mails().len(), late(&world)), (2, 0));
        world.pass(DAY + 30 * 60).await;
        assert_eq!(late(&world), 1, "{:?}", subjects(&world));
    }
}
