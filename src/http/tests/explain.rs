//! What became of an event, and who may ask: the operator about everybody, a customer about its own part.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::super::Settings;
use super::{A, Answer, B, LOCAL, Place, REMOTE, RULES, Tokens, alert, tokens, two_customers};
use crate::customer::{Customer, CustomerId, Customers};
use crate::secret::Secret;

const FABRIKAM: &str = "receivers: { fab-ops: [{ email: night@fabrikam.example }] }\n\
    rules:\n  - { name: Fabrikam alone, when: { event type: Service issue }, notify: fab-ops }\n";

/// Tokens of two customers; who has none and asks from this machine is the operator.
fn customer_tokens() -> Settings {
    let token = |name: &str| (CustomerId::new(name), Secret::new(&format!("{name}-reads")));
    Settings {
        tokens: Tokens {
            customers: vec![token("contoso"), token("fabrikam")],
            ..Tokens::default()
        },
        ..Settings::default()
    }
}

/// Two customers that both own the account `A`.
fn sharing() -> Customers {
    let customer = || Customer {
        accounts: [A.to_owned()].into(),
        ..Customer::default()
    };
    let known = ["contoso", "fabrikam"].map(|name| (CustomerId::new(name), customer()));
    Customers {
        by_name: Some(BTreeMap::from(known)),
        contact: None,
    }
}

impl Place {
    async fn as_contoso(&self, path: &str) -> Answer {
        self.with_token(LOCAL, "GET", path, "contoso-reads", String::new())
            .await
    }

    async fn page_as(&self, token: &str, path: &str) -> Answer {
        let request = Request::get(path)
            .header(header::ACCEPT, "text/html")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.ask(LOCAL, request.body(Body::empty()).expect("a request")).await
    }

    async fn page_of_a_stranger(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, "text/html,*/*;q=0.8");
        self.ask(REMOTE, request.body(Body::empty()).expect("a request")).await
    }

    /// Posts an alert and lets it be told; the event's id.
    async fn heard(&self, body: String) -> String {
        let accepted = self.told(body).await.json();
        accepted["ids"][0].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn a_customer_explains_its_own_part_of_an_event_and_learns_nothing_of_others() {
    let place = Place::open(customer_tokens());
    let files = [("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", FABRIKAM)];
    place.rules(&files, two_customers()).await;
    let own = place.heard(alert("SHARED-1", A, "Title", "Text")).await;
    let others = place.heard(alert("SHARED-1", B, "Title", "Text")).await;
    let foreign = place.heard(alert("OTHER-1", B, "Title", "Text")).await;

    let event = place.as_contoso(&format!("/v1/events/{own}")).await;
    assert_eq!(event.status, StatusCode::OK, "{}", event.text);
    let json = event.json();
    assert_eq!(json["verdicts"][0]["rule"], "Everything");
    assert_eq!(json["not_matched"][0]["rule"], "Billing only");
    assert_eq!(json["verdicts"][0]["became"][0]["state"], "scheduled");
    let what_if = place.as_contoso(&format!("/v1/events/{own}/explain")).await;
    assert_eq!(what_if.status, StatusCode::OK, "{}", what_if.text);
    assert_eq!(what_if.json()["told"][0]["receiver"], "ops");
    for answer in [&event, &what_if] {
        for secret in ["abrikam", "fab-ops", B, "contoso.example"] {
            assert!(!answer.text.contains(secret), "{secret}: {}", answer.text);
        }
    }

    let nobodys = place.as_contoso("/v1/events/999.0").await;
    assert_eq!(nobodys.status, StatusCode::NOT_FOUND);
    for path in ["", "/explain"] {
        for id in [&others, &foreign] {
            let answer = place.as_contoso(&format!("/v1/events/{id}{path}")).await;
            assert_eq!(
                (answer.status, &answer.text),
                (nobodys.status, &nobodys.text),
                "{id}{path}"
            );
        }
        let named = |customer: &str| format!("/v1/events/{own}{path}?customer={customer}");
        assert_eq!(place.as_contoso(&named("contoso")).await.status, StatusCode::OK);
        let (known, unknown) = (
            place.as_contoso(&named("fabrikam")).await,
            place.as_contoso(&named("nobody")).await,
        );
        assert_eq!(known.status, StatusCode::NOT_FOUND);
        assert_eq!(known.text, unknown.text, "whether there is such a customer is not said");
    }
    assert_eq!(place.as_contoso("/v1/events").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whether_somebody_elses_rule_matched_or_was_changed_is_not_said() {
    let nothing_of_ours = "receivers: { ops: [{ email: ops@contoso.example }] }\n\
        rules:\n  - { name: Billing only, when: { event type: Billing }, notify: ops }\n";
    let mut said = Vec::new();
    for others in [FABRIKAM.to_owned(), FABRIKAM.replace("Service issue", "Billing")] {
        let place = Place::open(customer_tokens());
        let files = [
            ("contoso/rules.yaml", nothing_of_ours),
            ("fabrikam/rules.yaml", &others),
        ];
        place.rules(&files, sharing()).await;
        let id = place.heard(alert("SHARED-1", A, "Title", "Text")).await;
        let event = place.as_contoso(&format!("/v1/events/{id}")).await.json();
        assert_eq!(event["nothing"], "no rule matched");
        let incident = place.as_contoso("/v1/incidents/SHARED-1").await.json();
        assert_eq!(incident["entries"][0]["nothing"], json!(["no rule matched"]));
        let mended = [
            ("contoso/rules.yaml", nothing_of_ours),
            ("fabrikam/rules.yaml", "rules: []\n"),
        ];
        place.rules(&mended, sharing()).await;
        let after = place.as_contoso(&format!("/v1/events/{id}")).await.json();
        for key in ["nothing", "rules_changed", "revision", "verdicts"] {
            assert_eq!(
                after[key], event[key],
                "a change of others' rules changes nothing here: {key}"
            );
        }
        assert_eq!(
            (&event["rules_changed"], &event["revision"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(
            place.get(&format!("/v1/events/{id}")).await.json()["rules_changed"],
            true
        );
        let ours = [("contoso/rules.yaml", RULES), ("fabrikam/rules.yaml", "rules: []\n")];
        place.rules(&ours, sharing()).await;
        assert_eq!(
            place.as_contoso(&format!("/v1/events/{id}")).await.json()["rules_changed"],
            true
        );
        said.push(event);
    }
    assert_eq!(said[0]["verdicts"], said[1]["verdicts"]);
    assert_eq!(said[0]["decided"], said[1]["decided"]);
}

#[tokio::test]
async fn a_verdict_says_what_became_of_it_at_every_step() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    let accepted = place.post("/v1/events", alert("X-1", A, "Title", "Text")).await.json();
    place.ledger.idle().await;
    let path = format!("/v1/events/{}", accepted["ids"][0].as_str().expect("an id"));
    let became = async || place.get(&path).await.json()["verdicts"][0]["became"][0].clone();
    let gathering = became().await;
    assert_eq!(
        gathering,
        json!({ "receiver": "ops", "channel": "email", "state": "gathering", "delivery": gathering["delivery"],
            "at": "2026-11-24T09:00:10Z" })
    );
    let whole = place.get(&path).await.json();
    assert_eq!(whole["gathering"][0]["rules"], json!(["Everything"]));
    assert_eq!(whole["deliveries"], json!([]));

    place.clock.advance(chrono::Duration::seconds(11));
    place.ledger.tick();
    place.ledger.idle().await;
    assert_eq!(became().await["state"], "scheduled");
    let id = place.refuse_delivery("550 <ops@contoso.example>: no such user").await;
    let dead = became().await;
    assert_eq!((&dead["state"], &dead["delivery"]), (&json!("dead"), &json!(id)));
    assert!(dead["why"].as_str().expect("why").contains("550 <(address)>"), "{dead}");
    let whole = place.get(&path).await.json();
    assert_eq!(
        (&whole["deliveries"][0]["id"], &whole["gathering"]),
        (&json!(id), &json!([]))
    );
}

#[tokio::test]
async fn where_a_receiver_reads_is_shown_to_its_customer_and_the_operator_and_not_by_a_link() {
    let place = Place::open(customer_tokens());
    let hook = "receivers: { ops: [{ email: ops@contoso.example }, { webhook: { url: https://hooks.contoso.example/T0/hunter2 } }] }";
    let rules = RULES.replace("receivers: { ops: [{ email: ops@contoso.example }] }", hook);
    let files = [("contoso/rules.yaml", &*rules), ("fabrikam/rules.yaml", FABRIKAM)];
    place.rules(&files, two_customers()).await;
    place.heard(alert("SHARED-1", A, "Title", "Text")).await;
    place.heard(alert("SHARED-1", B, "Title", "Text")).await;
    let path = "/incidents/SHARED-1?provider=azure";
    let operator = place.get_page(path).await.text;
    let contoso = place.page_as("contoso-reads", path).await.text;
    let link = place.links.token(&CustomerId::new("contoso"), "azure", "SHARED-1");
    let by_link = place.page_of_a_stranger(&format!("{path}&link={link}")).await.text;
    for (page, own, others) in [
        (&operator, true, true),
        (&contoso, true, false),
        (&by_link, false, false),
    ] {
        assert_eq!(page.contains("ops@contoso.example"), own, "{page}");
        assert_eq!(page.contains("hooks.contoso.example"), own, "{page}");
        assert_eq!(page.contains("night@fabrikam.example"), others, "{page}");
        assert!(!page.contains("hunter2") && page.contains(">Everything</td>"), "{page}");
    }
}

#[tokio::test]
async fn a_customer_reads_no_path_of_this_machine() {
    let place = Place::open(customer_tokens());
    place.rules(&[("contoso/rules.yaml", RULES)], two_customers()).await;
    let event = place.heard(alert("X-1", A, "Title", "Text")).await;
    let id = place
        .refuse_delivery("reading the secret /etc/bellwether/credentials/contoso-teams: No such file")
        .await;
    let paths = [
        "/incidents/X-1".to_owned(),
        "/v1/incidents/X-1".to_owned(),
        "/v1/deliveries".to_owned(),
        format!("/v1/deliveries/{id}"),
        format!("/v1/events/{event}"),
    ];
    for path in paths {
        let own = place.as_contoso(&path).await;
        assert!(
            own.text.contains("…/contoso-teams: No such file"),
            "{path}: {}",
            own.text
        );
        assert!(!own.text.contains("/etc/"), "{path}: {}", own.text);
        assert!(
            place.get(&path).await.text.contains("/etc/bellwether"),
            "{path}: the operator does"
        );
    }
}

#[tokio::test]
async fn a_stranger_is_told_how_to_get_in_and_not_what_there_is() {
    let place = Place::open(Settings {
        tokens: Tokens {
            customers: customer_tokens().tokens.customers,
            ..tokens()
        },
        ..Settings::default()
    });
    place.rules(&[("contoso/rules.yaml", RULES)], two_customers()).await;
    let body = alert("THERE-1", A, "Title", "Text");
    place.with_token(LOCAL, "POST", "/v1/events", "may-post", body).await;
    place.ledger.idle().await;
    let link = place.links.token(&CustomerId::new("contoso"), "azure", "OTHER-1");
    for query in ["", "?token=wrong", "?link=wrong", &format!("?link={link}")] {
        let there = place.page_of_a_stranger(&format!("/incidents/THERE-1{query}")).await;
        let missing = place.page_of_a_stranger(&format!("/incidents/MISSING{query}")).await;
        // the way back through the form is the address that was asked for, whatever there is
        assert_eq!(
            (there.status, there.text.replace("THERE-1", "MISSING")),
            (StatusCode::UNAUTHORIZED, missing.text),
            "{query}"
        );
        for part in [
            "Sign in to read this",
            "You came from a message?",
            "Sign in with a token",
        ] {
            assert!(there.text.contains(part), "{query} {part}: {}", there.text);
        }
        assert!(
            there.text.matches("THERE-1").count() == 1 && !there.text.contains("wrong"),
            "{}",
            there.text
        );
    }
    // who is signed in learns no more of what is not its own
    let foreign = alert("FOREIGN-1", B, "Title", "Text");
    place.with_token(LOCAL, "POST", "/v1/events", "may-post", foreign).await;
    place.ledger.idle().await;
    let others = place.page_as("contoso-reads", "/incidents/FOREIGN-1").await;
    let nobodys = place.page_as("contoso-reads", "/incidents/MISSING").await;
    assert_eq!((others.status, &others.text), (StatusCode::NOT_FOUND, &nobodys.text));
    assert!(others.text.contains("There is nothing here") && others.text.contains("All incidents that you may see"));
    let own = place.page_as("contoso-reads", "/incidents/THERE-1").await;
    assert_eq!(own.status, StatusCode::OK);
    // programs get JSON, and what to send
    let program = Request::get("/incidents/MISSING")
        .body(Body::empty())
        .expect("a request");
    let error: Value = place.ask(REMOTE, program).await.json();
    assert!(
        error["error"]["hint"]
            .as_str()
            .expect("a hint")
            .contains("Authorization: Bearer")
    );
}
