//! Who may what: tokens, links, this machine.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use super::super::Settings;
use super::{A, B, LOCAL, Place, REMOTE, RULES, alert, tokens, two_customers};
use crate::customer::CustomerId;
use crate::record::BrokenFile;

#[tokio::test]
async fn without_tokens_the_doors_are_open_to_this_machine_alone() {
    let place = Place::open(Settings::default());
    assert_eq!(place.get("/v1/events").await.status, StatusCode::OK);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v1/rules"),
        ("GET", "/v1/export"),
        ("POST", "/v1/import"),
        ("GET", "/metrics"),
        ("POST", "/v1/events"),
        ("POST", "/v1/deliveries/dlv_1/redeliver"),
        ("GET", "/v1/status"),
        ("POST", "/v1/receivers/contoso/ops/test"),
        ("POST", "/v1/incidents/0NTJ-VV8/corrections"),
        ("GET", "/v1/times"),
    ] {
        let answer = place.with_token(REMOTE, method, path, "guess", String::new()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(
            answer.json()["error"]["hint"]
                .as_str()
                .expect("a hint")
                .contains("tokens:"),
            "{path}"
        );
    }
    let request = Request::get("/readyz").body(Body::empty()).expect("a request");
    let answer = place.ask(REMOTE, request).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "there are no rules here"
    );
    assert!(answer.text.contains("accepted and kept"), "{}", answer.text);
    for path in ["/healthz", "/style.css", "/favicon.svg"] {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        assert_eq!(place.ask(REMOTE, request).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn where_the_world_is_led_here_this_machine_needs_a_token_too() {
    let public_url = Some("https://health.contoso.example/".parse().expect("a URL"));
    let place = Place::open(Settings {
        public_url,
        ..Settings::default()
    });
    let answer = place.get("/v1/events").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("tokens: { read:"), "{}", answer.text);
    let public_url = Some("http://127.0.0.1:8080/".parse().expect("a URL"));
    let place = Place::open(Settings {
        public_url,
        ..Settings::default()
    });
    assert_eq!(place.get("/v1/events").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_opens_what_it_is_for_and_nothing_else() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    let (post, read, operate) = (
        ("POST", "/v1/events"),
        ("GET", "/v1/events"),
        ("POST", "/v1/deliveries/x/redeliver"),
    );
    for (token, (method, path), status) in [
        ("may-post", post, 400),
        ("may-post", read, 403),
        ("may-post", operate, 403),
        ("may-read", post, 403),
        ("may-read", read, 200),
        ("may-read", operate, 403),
        ("may-operate", post, 403),
        ("may-operate", read, 200),
        ("may-operate", operate, 404),
        ("wrong", post, 401),
        ("wrong", read, 401),
        ("wrong", operate, 401),
    ] {
        let answer = place.with_token(LOCAL, method, path, token, String::new()).await;
        assert_eq!(answer.status.as_u16(), status, "{token} {path}: {}", answer.text);
    }
    let answer = place.get("/v1/events").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header(header::WWW_AUTHENTICATE)),
        (401, "Bearer realm=\"Bellwether\"")
    );
}

#[tokio::test]
async fn after_ten_wrong_tokens_an_address_is_told_to_wait_and_others_are_not() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    for nth in 0..12 {
        let answer = place
            .with_token(REMOTE, "GET", "/v1/events", "guess", String::new())
            .await;
        let expected = if nth < 10 { 401 } else { 429 };
        assert_eq!(answer.status.as_u16(), expected, "the {nth}th");
    }
    let right = place
        .with_token(REMOTE, "GET", "/v1/events", "may-read", String::new())
        .await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!right.header(header::RETRY_AFTER).is_empty());
    let other = place
        .with_token("192.0.2.8:1", "GET", "/v1/events", "may-read", String::new())
        .await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn wrong_tokens_through_a_proxy_that_names_nobody_do_not_close_intake_for_the_right_one() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    for _ in 0..12 {
        place
            .with_token(LOCAL, "POST", "/v1/events", "guess", String::new())
            .await;
    }
    let wrong = place
        .with_token(LOCAL, "POST", "/v1/events", "guess", String::new())
        .await;
    assert_eq!(wrong.status, StatusCode::TOO_MANY_REQUESTS);
    let right = place
        .with_token(LOCAL, "POST", "/v1/events", "may-post", alert("X", A, "T", "T"))
        .await;
    assert_eq!(right.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_signed_link_opens_one_incident_as_its_customer_sees_it() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    let files = [
        ("contoso/rules.yaml", RULES),
        ("fabrikam/rules.yaml", &RULES.replace("Everything", "All of ours")),
    ];
    place.rules(&files, two_customers()).await;
    for body in [
        alert("SHARED-1", A, "Known to both", "The common text."),
        alert("SHARED-1", B, "Known to both", "The common text."),
        alert("SHARED-1", B, "Fabrikam's own news", "What only fabrikam was told."),
        alert("OTHER-1", A, "Another incident", "Text."),
    ] {
        let answer = place.with_token(LOCAL, "POST", "/v1/events", "may-post", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    }
    place.ledger.idle().await;
    let link = place.links.token(&CustomerId::new("contoso"), "azure", "SHARED-1");
    let page = place
        .get_page(&format!("/incidents/shared-1?provider=azure&link={link}"))
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(
        page.text.contains("Known to both") && page.text.contains("The common text."),
        "{}",
        page.text
    );
    for foreign in ["Fabrikam", "fabrikam", B, "All of ours"] {
        assert!(!page.text.contains(foreign), "{foreign}: {}", page.text);
    }
    let whole = place.get(&format!("/v1/incidents/SHARED-1?link={link}")).await;
    for foreign in ["Fabrikam", "fabrikam", B, "All of ours"] {
        assert!(!whole.text.contains(foreign), "{foreign}: {}", whole.text);
    }
    for closed in [
        "/incidents/OTHER-1",
        "/",
        "/v1/incidents",
        "/v1/deliveries",
        "/v1/events",
        "/v1/export",
        "/v1/rules",
        "/metrics",
    ] {
        let answer = place.get(&format!("{closed}?link={link}")).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 401),
            "{closed}: {}",
            answer.status
        );
    }
    let forged = place.links.token(&CustomerId::new("fabrikam"), "azure", "SHARED-1");
    let forged = forged.replace("fabrikam~", "contoso~");
    assert_eq!(
        place.get(&format!("/incidents/SHARED-1?link={forged}")).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_customer_without_a_part_in_an_incident_does_not_find_it() {
    let place = Place::open(Settings::default());
    place.rules(&[("contoso/rules.yaml", RULES)], two_customers()).await;
    place.told(alert("SECRET-1", B, "Title", "Text")).await;
    let link = place.links.token(&CustomerId::new("contoso"), "azure", "SECRET-1");
    assert_eq!(
        place.get(&format!("/incidents/SECRET-1?link={link}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(place.get("/incidents/SECRET-1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_customer_reads_the_page_about_its_own_broken_file_and_nobody_elses() {
    let place = Place::open(Settings::default());
    let broken = BrokenFile {
        path: "contoso/production.yaml".to_owned(),
        customer: CustomerId::new("contoso"),
        digest: "d".to_owned(),
        report: "line 3: there is no `wen`".to_owned(),
        folder: None,
    };
    place
        .rules_with_broken(&[("contoso/rules.yaml", RULES)], two_customers(), vec![broken])
        .await;
    let opened = async |customer: &str| {
        let link = place.links.token(
            &CustomerId::new(customer),
            "bellwether",
            "rules:contoso/production.yaml",
        );
        place
            .get_page(&format!(
                "/incidents/rules:contoso%2Fproduction.yaml?provider=bellwether&link={link}"
            ))
            .await
    };
    let own = opened("contoso").await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text);
    assert!(
        own.text.contains("there is no `wen`") && own.text.contains("href=\"../style.css\""),
        "{}",
        own.text
    );
    for part in [
        "<span class=\"badge alarm\">Needs mending</span>",
        "The rule file production.yaml has errors",
        "Bellwether · Notice<",
    ] {
        assert!(own.text.contains(part), "{part}: {}", own.text);
    }
    assert!(
        !own.text.contains("contoso/production.yaml") && !own.text.contains("Mitigated"),
        "{}",
        own.text
    );
    assert_eq!(opened("fabrikam").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_public_source_is_seen_by_the_customers_that_list_it() {
    let place = Place::open(Settings::default());
    let mut customers = two_customers();
    let known = customers.by_name.as_mut().expect("customers");
    let contoso = known.get_mut(&CustomerId::new("contoso")).expect("contoso");
    contoso.public.insert("Status.Azure.com".to_owned());
    place.rules(&[("contoso/rules.yaml", RULES)], customers).await;
    let emerging = include_str!("../../../tests/fixtures/samples/azure/azure-rest-emergingissues.json");
    place.told(emerging.to_owned()).await;
    let events = place.get("/v1/events").await.json();
    let tracking_id = events["events"][0]["tracking_id"].as_str().expect("one").to_owned();
    for (customer, status) in [("contoso", StatusCode::OK), ("fabrikam", StatusCode::NOT_FOUND)] {
        let link = place.links.token(&CustomerId::new(customer), "azure", &tracking_id);
        let answer = place.get(&format!("/v1/incidents/{tracking_id}?link={link}")).await;
        assert_eq!(answer.status, status, "{customer}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_log_holds_neither_tokens_nor_links() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    let log = Log::default();
    let written = log.0.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || Log(written.clone()))
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for path in [
        "/v1/events?token=hunter2",
        "/incidents/X?link=contoso~hunter2",
        "/hunter2",
        "/v1/events/hunter2",
    ] {
        place.with_token(REMOTE, "GET", path, "hunter2", String::new()).await;
        place.with_token(REMOTE, "POST", path, "may-post", String::new()).await;
    }
    drop(guard);
    let text = String::from_utf8(log.0.lock().expect("a lock").clone()).expect("text");
    assert!(
        text.contains("a request was answered") && text.contains("a wrong token"),
        "{text}"
    );
    assert!(!text.contains("hunter2") && !text.contains("may-post"), "{text}");
}

/// Where a test's log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
