//! Finding incidents again: filters, words, states over time, pages of a list, and the index behind it, as the API and
//! the page answer.

use serde_json::{Value, json};

use crate::world::{Azure, DEV, PROD, World};

const RULES: &str = "rules: []\n";

/// The tracking ids that a question finds, the newest first.
async fn found(world: &World, query: &str) -> Vec<String> {
    ids(&world.get(&format!("/v1/incidents?{query}")).await)
}

fn ids(answer: &Value) -> Vec<String> {
    let incidents = answer["incidents"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let ids = incidents
        .iter()
        .map(|one| one["tracking_id"].as_str().expect("an id").to_owned());
    ids.collect()
}

/// The same trouble, to say more of it.
fn again(azure: &Azure) -> Azure {
    Azure {
        text: azure.text.clone(),
        impact: azure.impact.clone(),
        ..*azure
    }
}

/// Trouble with a disk, trouble with a database that was reviewed, and a maintenance to come.
async fn three(world: &World) {
    let disk = Azure {
        tracking_id: "DISK-001",
        title: "Disks in East US",
        text: "<p>Writes to disks are slow; gateways are fine.</p>".into(),
        at: "2026-11-24T08:50:00Z",
        impact: json!([{ "ServiceName": "Storage", "ImpactedRegions": [{ "RegionName": "East US" }] }]),
        ..Azure::active()
    };
    let database = Azure {
        tracking_id: "DATA-002",
        title: "Databases in West Europe",
        text: "<p>Queries time out.</p>".into(),
        subscription: DEV,
        at: "2026-11-23T08:50:00Z",
        impact: json!([{ "ServiceName": "SQL Database", "ImpactedRegions": [{ "RegionName": "West Europe" }] }]),
        ..Azure::active()
    };
    let over = Azure {
        stage: "Resolved",
        title: "Databases in West Europe - Mitigated",
        at: "2026-11-23T10:50:00Z",
        ..again(&database)
    };
    let review = Azure {
        stage: "RCA",
        title: "Post Incident Review (PIR) - Databases",
        text: "<p>What happened? A certificate had expired.</p>".into(),
        at: "2026-11-23T12:00:00Z",
        ..again(&database)
    };
    for event in [&database, &over, &review, &disk] {
        world.hear(&event.json()).await;
    }
    let mut planned = Azure {
        tracking_id: "WORK-003",
        title: "Network maintenance",
        text: "<p>Switches are replaced.</p>".into(),
        stage: "Planned",
        at: "2026-11-22T08:50:00Z",
        impact: json!([{ "ServiceName": "Network Infrastructure", "ImpactedRegions": [{ "RegionName": "Global" }] }]),
        ..Azure::active()
    }
    .json();
    planned["data"]["context"]["activityLog"]["properties"]["incidentType"] = json!("Maintenance");
    world.hear(&planned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incidents_are_found_by_every_filter_and_by_words_and_a_wrong_one_says_what_may_stand_there() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    three(&world).await;
    let all = ["DISK-001", "DATA-002", "WORK-003"];
    for (query, expected) in [
        ("", &all[..]),
        ("type=Planned+maintenance", &all[2..]),
        ("state=investigating", &all[..1]),
        ("state=closed", &all[1..2]),
        ("service=sqldatabase", &all[1..2]),
        ("service=Storage&region=West+Europe", &[]),
        ("region=east+us", &all[..1]),
        (&format!("account={DEV}"), &all[1..2]),
        ("kind=RCA", &all[1..2]),
        ("kind=pir", &all[1..2]),
        ("since=2026-11-24", &all[..1]),
        ("until=2026-11-22", &all[2..]),
        ("q=gateways", &all[..1]),
        ("q=root+cause+analysis+databases", &all[1..2]),
        ("q=certificate", &all[1..2]),
        ("q=data-002", &all[1..2]),
        ("q=%22slow+writes%22", &[]),
        ("type=incident&q=slow", &all[..1]),
    ] {
        assert_eq!(found(&world, query).await, expected, "{query}");
    }
    for (path, said) in [
        ("/v1/incidents?state=done", "under-review"),
        ("/?kind=memo", "final-review"),
    ] {
        let (status, wrong) = world.page(path).await;
        assert!(status == 400 && wrong.contains(said), "{status} {wrong}");
    }
    for path in ["/v1/incidents", "/"] {
        let (status, _) = world.page(&format!("{path}?q={}", "x".repeat(60_000))).await;
        assert_eq!(status, 400);
    }
    let (_, page) = world.page("/?q=certificate&type=Incident").await;
    for part in [
        "1 incident matches",
        "DATA-002",
        "value=\"certificate\"",
        "remove this filter",
        "Review",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("DISK-001"), "{page}");
    let (_, none) = world.page("/?service=Virtual+Machnies").await;
    assert!(
        none.contains("No incident matches") && none.contains(">Virtual Machines</a>?"),
        "{none}"
    );
    let (_, top) = world.page("/").await;
    let (_, now) = top.split_once("Going on now").expect("what goes on");
    let (now, _) = now.split_once("All incidents").expect("the list");
    assert!(now.contains("Disks in East US") && !now.contains("Databases"), "{now}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_changes_by_the_clock_alone_is_found_as_it_is_at_the_moment_of_asking() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    world.hear(&Azure::active().json()).await;
    assert_eq!(found(&world, "state=investigating").await, ["VVTQ-J98"]);
    let offered = Azure {
        text: "<p>It is over. If you need one, you can request a PIR (Post Incident Review) in the portal.</p>".into(),
        ..Azure::mitigated()
    };
    world.hear(&offered.json()).await;
    let state = world.get("/v1/incidents").await["incidents"][0]["state"].clone();
    let state = state.as_str().expect("a state");
    assert_eq!(found(&world, &format!("state={state}")).await, ["VVTQ-J98"]);
    world.pass(31 * 86_400).await;
    let line = world.get("/v1/incidents").await["incidents"][0].clone();
    assert_eq!(world.get("/v1/incidents/VVTQ-J98").await["state"], line["state"]);
    let now = line["state"].as_str().expect("a state");
    assert_eq!(found(&world, &format!("state={now}")).await, ["VVTQ-J98"]);
    if now != state {
        assert_eq!(found(&world, &format!("state={state}")).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_finds_another_customers_words_also_after_the_index_was_damaged_or_deleted() {
    let named = |account: &str| format!("subscriptions: {{ production: [{account}] }}\nrules: []\n");
    let (ours, theirs) = (named(PROD), named(DEV));
    let rules = [("contoso/rules.yaml", &*ours), ("fabrikam/rules.yaml", &*theirs)];
    let settings = format!(
        "secrets: {{dir}}/secrets\ncustomers:\n  contoso: {{ accounts: [{PROD}], tokens: contoso-read }}\n  fabrikam: {{ \
         accounts: [{DEV}], tokens: fabrikam-read }}\n"
    );
    let mut world = World::with(&rules).await;
    let secrets = world.rules().parent().expect("a folder").join("secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    for name in ["contoso-read", "fabrikam-read"] {
        std::fs::write(secrets.join(name), format!("{name}-0123456789abcdef")).expect("a file");
    }
    world.change_settings(&settings).await;
    three(&world).await;
    let shared = Azure {
        subscription: DEV,
        text: "<p>Fabrikam's own paragraph.</p>".into(),
        at: "2026-11-24T09:00:00Z",
        ..Azure::active()
    };
    world.hear(&Azure::active().json()).await;
    world.hear(&shared.json()).await;
    for damage in [Damage::None, Damage::Deleted, Damage::Written] {
        let index = world.state().join("search");
        if damage != Damage::None {
            world.stop().await;
            damage.do_to(&index);
            world.start().await;
        }
        for (token, query, expected) in [
            ("contoso", "", &["VVTQ-J98", "DISK-001", "WORK-003"][..]),
            ("contoso", "q=paragraph", &[]),
            ("contoso", "q=certificate", &[]),
            ("contoso", "q=DATA-002", &[]),
            ("contoso", "region=West+Europe", &[]),
            ("contoso", &format!("account={DEV}"), &[]),
            // a name stands for what the reader's own files say
            ("contoso", "account=Production", &["VVTQ-J98", "DISK-001", "WORK-003"]),
            ("contoso", "account=staging", &[]),
            ("fabrikam", "account=production", &["VVTQ-J98", "DATA-002"]),
            ("contoso", "q=unreachable", &["VVTQ-J98"]),
            ("fabrikam", "q=paragraph", &["VVTQ-J98"]),
            ("fabrikam", "", &["VVTQ-J98", "DATA-002"]),
        ] {
            let path = format!("/v1/incidents?{query}");
            let (status, answer) = world.get_as(&format!("{token}-read-0123456789abcdef"), &path).await;
            assert_eq!(
                (status, ids(&answer)),
                (200, expected.iter().map(|id| (*id).to_owned()).collect()),
                "{token} {query} {damage:?}"
            );
            let theirs = if token == "contoso" { DEV } else { PROD };
            assert!(!answer.to_string().contains(theirs), "{answer}");
        }
    }
    let all = found(&world, "account=production").await;
    assert_eq!(all.len(), 4, "for the operator, what all of them call so: {all:?}");
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    None,
    Deleted,
    Written,
}

impl Damage {
    fn do_to(self, index: &std::path::Path) {
        match self {
            Damage::None => {}
            Damage::Deleted => std::fs::remove_dir_all(index).expect("is there"),
            Damage::Written => {
                let files = std::fs::read_dir(index)
                    .expect("is there")
                    .map(|file| file.expect("a file").path());
                let stored = files.filter(|file| file.extension().is_some_and(|kind| kind == "store"));
                for file in stored {
                    let mut bytes = std::fs::read(&file).expect("a file");
                    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
                    std::fs::write(&file, bytes).expect("is written");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_a_list_stay_where_they_are_while_incidents_arrive() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let times = [
        "2026-11-24T08:01:00Z",
        "2026-11-24T08:02:00Z",
        "2026-11-24T08:02:00Z",
        "2026-11-24T08:04:00Z",
    ];
    let ids_of = ["PAGE-1", "PAGE-2", "PAGE-3", "PAGE-4"];
    let event = |nth: usize| Azure {
        tracking_id: ids_of[nth],
        at: times[nth],
        ..Azure::active()
    };
    for nth in 0..3 {
        world.hear(&event(nth).json()).await;
    }
    let first = world.get("/v1/incidents?limit=1&q=unreachable").await;
    assert_eq!(ids(&first), ["PAGE-3"]);
    world.hear(&event(3).json()).await;
    let next = first["next"].as_str().expect("more").to_owned();
    let rest = world
        .get(&format!("/v1/incidents?limit=2&q=unreachable&before={next}"))
        .await;
    assert_eq!(
        (ids(&rest), &rest["next"]),
        (vec!["PAGE-2".to_owned(), "PAGE-1".to_owned()], &Value::Null)
    );
    assert_eq!(found(&world, "q=unreachable").await[0], "PAGE-4");
}
