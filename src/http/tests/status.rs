//! How the daemon is, and sending tests: at the doors.

use super::*;

/// Two customers' rules; `contoso` has a mailbox and a webhook.
const TWO: &[(&str, &str)] = &[
    (
        "contoso/a.yaml",
        "receivers:\n  ops: [{ email: ops@contoso.example }]\n  hook: [{ webhook: 'https://hooks.example/x' }]\n  \
         both: [{ email: ada@contoso.example }, { webhook: 'https://hooks.example/y' }]\n\
         rules: [{ name: Everything, when: {}, notify: ops }]\n",
    ),
    (
        "fabrikam/b.yaml",
        "receivers: { ops: [{ email: ops@fabrikam.example }] }\nrules: [{ name: Everything, when: {}, notify: ops }]\n",
    ),
];

fn with_customers() -> Tokens {
    let customers = ["contoso", "fabrikam"].map(|name| (CustomerId::new(name), Secret::new(&format!("{name}-reads"))));
    Tokens {
        customers: customers.into(),
        ..tokens()
    }
}

async fn place() -> Place {
    let settings = Settings {
        tokens: with_customers(),
        ..Settings::default()
    };
    let place = Place::open(settings);
    let broken = BrokenFile {
        path: "fabrikam/c.yaml".to_owned(),
        customer: CustomerId::new("fabrikam"),
        digest: "d".to_owned(),
        report: "a secret of fabrikam's".to_owned(),
        folder: None,
    };
    // what is wrong with a whole folder is no broken file
    let folder = BrokenFile {
        path: "contoso/".to_owned(),
        customer: CustomerId::new("contoso"),
        digest: String::new(),
        report: "the folder is gone".to_owned(),
        folder: Some(crate::record::FolderTrouble::Gone),
    };
    place
        .rules_with_broken(TWO, two_customers(), vec![broken, folder])
        .await;
    place
}

impl Place {
    async fn as_who(&self, token: &str, method: &str, path: &str) -> Answer {
        self.with_token(REMOTE, method, path, token, String::new()).await
    }

    /// Posts an event and lets it be told, with the intake's token.
    async fn hears(&self, account: &str) {
        let body = alert("X-1", account, "Title", "Text");
        let answer = self.with_token(REMOTE, "POST", "/v1/events", "may-post", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        self.ledger.idle().await;
        self.clock.advance(chrono::Duration::seconds(11));
        self.ledger.tick();
        self.ledger.idle().await;
    }

    /// Ends an attempt at each scheduled delivery.
    async fn end_all(&self, outcome: Outcome) {
        let scheduled = self
            .as_who("may-read", "GET", "/v1/deliveries?state=scheduled")
            .await
            .json();
        let now = Clock::ByHand(self.clock.clone()).now();
        for delivery in scheduled["deliveries"].as_array().expect("a list") {
            let attempts = delivery["attempts"].as_array().expect("a list").len();
            self.ledger.tried(Attempt {
                delivery: delivery["id"].as_str().expect("an id").to_owned(),
                number: u32::try_from(attempts + 1).expect("few"),
                started: now,
                ended: now,
                outcome: outcome.clone(),
                digest: String::new(),
            });
        }
        self.ledger.idle().await;
    }

    async fn status(&self, token: &str) -> Value {
        let answer = self.as_who(token, "GET", "/v1/status").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }
}

fn unavailable() -> Outcome {
    Outcome::Retry {
        why: "550 not now, says <ada@contoso.example>".to_owned(),
        after_seconds: None,
    }
}

fn needs(status: &Value) -> Vec<&str> {
    let needs = status["needs"].as_array().expect("a list").iter();
    needs.map(|need| need["what"].as_str().expect("text")).collect()
}

#[tokio::test]
async fn a_daemon_without_rules_needs_a_person_and_one_that_is_well_does_not() {
    let place = Place::open(Settings::default());
    let status = place.get("/v1/status").await.json();
    assert_eq!(needs(&status), ["no rule is in force: nobody is told of anything"]);
    place.rules(&[("a.yaml", RULES)], Customers::one_organisation()).await;
    place.clock.advance(chrono::Duration::hours(2));
    let status = place.get("/v1/status").await.json();
    assert_eq!(needs(&status), Vec::<&str>::new());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&status["up_since"], &status["now"]),
        (&"2026-11-24T09:00:00Z".into(), &"2026-11-24T11:00:00Z".into())
    );
    assert_eq!(
        (&status["rules"]["rules"], &status["rules"]["files"]),
        (&2.into(), &1.into())
    );
    assert!(
        status["disk"]["free_bytes"].as_u64().is_some_and(|free| free > 0),
        "{status}"
    );
    assert_eq!(status["last_heard"], serde_json::json!([]));
}

#[tokio::test]
async fn each_source_is_listed_with_when_it_was_last_heard_and_a_back_fill_is_not_hearing() {
    let place = Place::open(Settings::default());
    place.rules(&[("a.yaml", RULES)], Customers::one_organisation()).await;
    let old = alert("OLD-1", A, "Old", "Text");
    assert_eq!(
        place.post("/v1/events?arrival=history", old).await.status,
        StatusCode::ACCEPTED
    );
    place.ledger.idle().await;
    assert_eq!(
        place.get("/v1/status").await.json()["last_heard"],
        serde_json::json!([])
    );
    for minutes in [1, 5] {
        place.clock.advance(chrono::Duration::minutes(minutes));
        place.told(alert(&format!("X-{minutes}"), A, "Title", "Text")).await;
    }
    let common = include_str!(
        "../../../tests/fixtures/samples/azure/azure-common-servicehealth-incident-resolved-testaction.json"
    );
    place.told(common.to_owned()).await;
    let heard = place.get("/v1/status").await.json()["last_heard"].clone();
    let line = |form: &str, at: &str| serde_json::json!({ "provider": "azure", "form": form, "at": at });
    let expected = serde_json::json!([
        line("azure-activity-log-webhook", "2026-11-24T09:06:11Z"),
        line("azure-common-alert", "2026-11-24T09:06:22Z"),
    ]);
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_receiver_that_fails_is_shown_with_since_when_and_why_and_needs_a_person_when_it_lasts() {
    let place = place().await;
    place.hears(A).await;
    place.end_all(unavailable()).await;
    let status = place.status("may-read").await;
    let fails = &status["failing"][0];
    assert_eq!(
        (&fails["customer"], &fails["receiver"]),
        (&"contoso".into(), &"ops".into())
    );
    assert_eq!(
        (&fails["since"], &fails["needs_a_person"]),
        (&"2026-11-24T09:00:11Z".into(), &false.into())
    );
    assert_eq!(fails["why"], "550 not now, says <(address)>");
    assert_eq!(status["waiting"]["deliveries"], 1);
    assert_eq!(needs(&status).len(), 1, "only the broken file: {status}");
    place.clock.advance(chrono::Duration::hours(5));
    let status = place.status("may-read").await;
    assert_eq!(status["waiting"]["oldest_seconds"], 5 * 3_600);
    assert_eq!(
        needs(&status)[1],
        "contoso/ops (email) has failed for 5 h 0 min: 550 not now, says <(address)>"
    );
    place.end_all(Outcome::Delivered).await;
    let status = place.status("may-read").await;
    assert_eq!(
        (&status["failing"], &status["waiting"]["deliveries"]),
        (&serde_json::json!([]), &0.into())
    );
}

#[tokio::test]
async fn what_a_receiver_refused_for_good_needs_a_person_at_once_and_what_is_in_no_rule_any_more_does_not() {
    let place = place().await;
    place.hears(A).await;
    place.end_all(Outcome::Refused { why: "404".to_owned() }).await;
    let status = place.status("may-read").await;
    let need = status["needs"].as_array().expect("a list").iter().find(|need| {
        need["what"]
            .as_str()
            .is_some_and(|what| what.starts_with("contoso/ops (email) has failed"))
    });
    let hint = need.expect("is said")["hint"].as_str().expect("a hint").to_owned();
    assert!(
        hint.contains("bellwether send-test contoso ops") && hint.contains("redeliver dlv_"),
        "{hint}"
    );
    place.rules(&TWO[1..], two_customers()).await;
    assert_eq!(place.status("may-read").await["failing"], serde_json::json!([]));
    place.rules(TWO, two_customers()).await;
    assert_eq!(
        place.status("may-read").await["failing"],
        serde_json::json!([]),
        "it begins anew"
    );
}

#[tokio::test]
async fn a_customer_sees_its_own_part_and_nothing_of_others_or_of_the_operators() {
    let place = place().await;
    place.hears(B).await;
    place.end_all(Outcome::Refused { why: "404".to_owned() }).await;
    place.hears(A).await;
    let own = place.status("fabrikam-reads").await;
    assert_eq!(
        (&own["failing"][0]["customer"], &own["rules"]["broken"]),
        (&"fabrikam".into(), &1.into())
    );
    assert_eq!(needs(&own).len(), 2, "{own}");
    assert_eq!(own["waiting"]["deliveries"], 0);
    let other = place.as_who("contoso-reads", "GET", "/v1/status").await;
    assert!(!other.text.contains("fabrikam"), "{}", other.text);
    let other = other.json();
    assert_eq!(
        (&other["failing"], &other["needs"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    assert_eq!(
        (&other["waiting"]["deliveries"], &other["rules"]["rules"]),
        (&1.into(), &1.into())
    );
    for whose in [&own, &other] {
        for key in ["last_heard", "disk", "set_aside"] {
            assert!(whose.get(key).is_none(), "{key} is the operator's: {whose}");
        }
    }
    for (token, status) in [
        ("may-read", 200),
        ("may-operate", 200),
        ("may-post", 403),
        ("nonsense", 401),
    ] {
        assert_eq!(place.as_who(token, "GET", "/v1/status").await.status, status, "{token}");
    }
}

#[tokio::test]
async fn readyz_says_the_same_of_what_needs_a_person() {
    let place = place().await;
    place.hears(A).await;
    place.end_all(Outcome::Refused { why: "404".to_owned() }).await;
    let ready = place.as_who("may-read", "GET", "/readyz?verbose").await.json();
    assert_eq!(ready["needs"], place.status("may-read").await["needs"]);
    assert_eq!(
        (&ready["ready"], &ready["rule_files_broken"], &ready["set_aside"]),
        (&true.into(), &1.into(), &0.into())
    );
    assert_eq!(
        place.as_who("contoso-reads", "GET", "/readyz?verbose").await.status,
        403
    );
}

#[tokio::test]
async fn a_test_becomes_a_delivery_for_each_endpoint_and_no_event_and_no_incident() {
    let place = place().await;
    let path = "/v1/receivers/contoso/both/test?as=mitigation";
    let answer = place.as_who("may-operate", "POST", path).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let answer = answer.json();
    let ids = answer["deliveries"].as_array().expect("a list");
    assert_eq!(ids.len(), 2);
    let tracking_id = answer["tracking_id"].as_str().expect("an id");
    for id in ids {
        let path = format!("/v1/deliveries/{}", id.as_str().expect("an id"));
        let delivery = place.as_who("may-read", "GET", &path).await.json();
        assert_eq!(
            (&delivery["state"], &delivery["rule"]),
            (&"scheduled".into(), &"(send-test)".into())
        );
        assert!(
            delivery["title"]
                .as_str()
                .is_some_and(|title| title.starts_with("TEST: ")),
            "{delivery}"
        );
        assert_eq!(delivery["expires"], "2026-11-24T09:10:00Z", "it is tried for minutes");
    }
    for path in ["/v1/events", "/v1/incidents"] {
        let text = place.as_who("may-read", "GET", path).await.text;
        assert!(!text.contains("TEST"), "{text}");
    }
    let path = format!("/v1/deliveries?tracking_id={tracking_id}");
    for (token, many) in [("may-read", 2), ("contoso-reads", 2), ("fabrikam-reads", 0)] {
        let listed = place.as_who(token, "GET", &path).await.json();
        assert_eq!(listed["deliveries"].as_array().map(Vec::len), Some(many), "{token}");
    }
    assert_eq!(place.status("may-read").await["last_heard"], serde_json::json!([]));
}

#[tokio::test]
async fn a_test_that_cannot_be_sent_says_why_and_what_there_is() {
    let place = place().await;
    for (path, status, hint) in [
        (
            "/v1/receivers/contoso/both/test?as=party",
            400,
            "known: update, mitigation",
        ),
        ("/v1/receivers/contoso/nobody/test", 404, "it has `both`, `hook`, `ops`"),
        ("/v1/receivers/nobody/ops/test", 404, "bellwether status"),
        ("/v1/receivers/contoso/hook/test?as=invitation", 409, "as=update"),
        ("/v1/receivers/contoso/ops/test?to=x", 400, ""),
    ] {
        let answer = place.as_who("may-operate", "POST", path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        let error = answer.json()["error"].clone();
        assert!(
            error["hint"].as_str().unwrap_or_default().contains(hint),
            "{path}: {error}"
        );
    }
    for token in ["may-read", "contoso-reads", "may-post", "nonsense"] {
        let answer = place.as_who(token, "POST", "/v1/receivers/contoso/ops/test").await;
        assert!([401, 403].contains(&answer.status.as_u16()), "{token}: {}", answer.text);
    }
    let listed = place.as_who("may-read", "GET", "/v1/deliveries").await.json();
    assert_eq!(listed["deliveries"], serde_json::json!([]), "nothing was sent");
}

#[tokio::test]
async fn only_the_mailbox_of_a_receiver_is_sent_a_test_invitation() {
    let place = place().await;
    let answer = place
        .as_who("may-operate", "POST", "/v1/receivers/contoso/both/test?as=invitation")
        .await;
    let ids = answer.json()["deliveries"].as_array().expect("a list").clone();
    assert_eq!(ids.len(), 1);
    let path = format!("/v1/deliveries/{}", ids[0].as_str().expect("an id"));
    let delivery = place.as_who("may-read", "GET", &path).await.json();
    assert_eq!(
        (&delivery["channel"], &delivery["form"]),
        (&"email".into(), &"invitation".into())
    );
}
