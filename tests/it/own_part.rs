//! Whether an incident is over for the one who reads: two customers in two regions read the same incident.

use serde_json::{Value, json};

use crate::world::{Azure, DEV, PROD, World};

const TOKENS: [(&str, &str); 2] = [
    ("contoso-read", "contoso-read-0123456789abcdef"),
    ("fabrikam-read", "fabrikam-read-0123456789abcdef"),
];

async fn two_customers() -> World {
    let settings = format!(
        "secrets: {{dir}}/secrets\ncustomers:\n  contoso: {{ accounts: [{PROD}], tokens: contoso-read }}\n  fabrikam: {{ \
         accounts: [{DEV}], tokens: fabrikam-read }}\n"
    );
    let rules = [
        ("contoso/rules.yaml", "rules: []\n"),
        ("fabrikam/rules.yaml", "rules: []\n"),
    ];
    let mut world = World::with(&rules).await;
    let secrets = world.rules().parent().expect("a folder").join("secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    for (name, token) in TOKENS {
        std::fs::write(secrets.join(name), token).expect("a file");
    }
    world.change_settings(&settings).await;
    world
}

/// One service in these regions, as Azure names it.
fn regions(names: &[&str]) -> Value {
    let regions: Vec<Value> = names.iter().map(|name| json!({ "RegionName": name })).collect();
    json!([{ "ServiceName": "Virtual Machines", "ImpactedRegions": regions }])
}

/// What a customer is told about its own part: the state, and each place with what it rests on.
async fn own_part(world: &World, customer: usize) -> (String, Vec<String>) {
    let (status, incident) = world.get_as(TOKENS[customer].1, "/v1/incidents/VVTQ-J98").await;
    assert_eq!(status, 200, "{incident}");
    let own = &incident["for_you"];
    let places = own["places"].as_array().expect("a list").iter().map(|place| {
        let word = |key: &str| place[key].as_str().unwrap_or("?").to_owned();
        format!(
            "{}: {} at {}, over: {}",
            word("region"),
            word("basis"),
            &word("said")[11..16],
            place["is_over"]
        )
    });
    (own["state"].as_str().expect("a state").to_owned(), places.collect())
}

async fn page(world: &World, customer: usize) -> String {
    let (_, token) = TOKENS[customer];
    world.page(&format!("/incidents/VVTQ-J98?token={token}")).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_customers_in_two_regions_are_each_told_whether_it_is_over_for_them() {
    let world = two_customers().await;
    let said = |subscription, at, names: &[&str]| Azure {
        subscription,
        at,
        impact: regions(names),
        ..Azure::active()
    };
    let both = ["East US", "West Europe"];
    for subscription in [PROD, DEV] {
        world
            .hear(&said(subscription, "2026-11-24T08:50:00Z", &both).json())
            .await;
    }
    for customer in [0, 1] {
        let (state, places) = own_part(&world, customer).await;
        assert_eq!(state, "going-on");
        assert_eq!(
            places,
            [
                "East US: named at 08:50, over: false",
                "West Europe: named at 08:50, over: false"
            ]
        );
    }
    // a later word to contoso names one of the two regions only
    let narrowed = Azure {
        text: "<p>East US has recovered.</p>".into(),
        ..said(PROD, "2026-11-24T09:10:00Z", &["West Europe"])
    };
    world.hear(&narrowed.json()).await;
    let (state, places) = own_part(&world, 0).await;
    assert_eq!(state, "partly-over");
    assert_eq!(
        places,
        [
            "East US: no-longer-named at 09:10, over: true",
            "West Europe: named at 09:10, over: false"
        ]
    );
    let shown = page(&world, 0).await;
    for sentence in [
        "Is it over for you?",
        "Not over: Virtual Machines in West Europe. Named in what was said last of it, on 24 Nov 2026, 09:10 UTC.",
        "Over: Virtual Machines in East US. No longer named in what was said on 24 Nov 2026, 09:10 UTC.",
    ] {
        assert!(shown.contains(sentence), "{sentence}: {shown}");
    }
    assert_eq!(
        own_part(&world, 1).await.0,
        "going-on",
        "fabrikam was told nothing of that"
    );
    // fabrikam is told that it is over, contoso not yet
    let over = Azure {
        subscription: DEV,
        at: "2026-11-24T09:40:00Z",
        impact: regions(&both),
        ..Azure::mitigated()
    };
    world.hear(&over.json()).await;
    let (state, places) = own_part(&world, 1).await;
    assert_eq!(state, "over");
    assert_eq!(places[0], "East US: said-to-be-over at 09:40, over: true");
    assert_eq!(own_part(&world, 0).await.0, "partly-over");
    // for the operator it goes on as long as it does for one of them
    let all = world.get("/v1/incidents/VVTQ-J98").await;
    let (own, places) = (&all["for_you"], &all["for_you"]["places"]);
    assert_eq!(
        (&own["state"], &places[0]["is_over"], &places[1]["is_over"]),
        (&json!("partly-over"), &json!(true), &json!(false)),
        "{own}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_region_is_named_it_is_said_that_it_cannot_be_told_until_it_is_over() {
    let world = two_customers().await;
    let nameless = |azure: Azure| Azure {
        impact: json!([]),
        ..azure
    };
    world.hear(&nameless(Azure::active()).json()).await;
    assert_eq!(own_part(&world, 0).await, ("unknown".to_owned(), Vec::new()));
    assert!(page(&world, 0).await.contains("This cannot be told"));
    world.hear(&nameless(Azure::mitigated()).json()).await;
    assert_eq!(own_part(&world, 0).await, ("over".to_owned(), Vec::new()));
    let review = Azure {
        tracking_id: "ONLY-001",
        ..Azure::preliminary()
    };
    world.hear(&review.json()).await;
    let (_, reviewed) = world.get_as(TOKENS[0].1, "/v1/incidents/ONLY-001").await;
    assert_eq!(
        reviewed["for_you"]["state"], "over",
        "what is reviewed is over: {reviewed}"
    );
    let mut advisory = nameless(Azure::active()).json();
    let properties = &mut advisory["data"]["context"]["activityLog"]["properties"];
    properties["incidentType"] = json!("ActionRequired");
    properties["trackingId"] = json!("ADVICE-1");
    world.hear(&advisory).await;
    let (_, advice) = world.get_as(TOKENS[0].1, "/v1/incidents/ADVICE-1").await;
    assert_eq!(advice["for_you"], Value::Null, "an advisory is no trouble that ends");
}
