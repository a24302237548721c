//! Posting events: what is taken, what is not, and what the sender is told.

use axum::http::{StatusCode, header};
use serde_json::json;

use super::super::Settings;
use super::{A, Place, alert};

#[tokio::test]
async fn what_is_no_health_event_is_ignored_and_says_why() {
    let place = Place::open(Settings::default());
    let other =
        include_str!("../../../tests/fixtures/samples/azure/azure-webhook-legacy-administrative-testaction.json");
    let answer = place.post("/v1/events/azure", other).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        !answer.json()["ignored"][0]["why"]
            .as_str()
            .expect("a reason")
            .is_empty()
    );
    assert_eq!(place.get("/v1/events").await.json()["events"], json!([]));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_names_the_field_and_becomes_no_event() {
    let place = Place::open(Settings::default());
    let answer = place
        .post(
            "/v1/events",
            r#"{"schemaId": "Microsoft.Insights/activityLogs", "data": {"context": {}}}"#,
        )
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["field"], "data.context.activityLog");
    for (path, body, status) in [
        ("/v1/events", "not json", StatusCode::BAD_REQUEST),
        ("/v1/events?arrival=histroy", "{}", StatusCode::BAD_REQUEST),
        ("/v1/events?arival=history", "{}", StatusCode::BAD_REQUEST),
        ("/v1/events?account=a%20b", "{}", StatusCode::BAD_REQUEST),
        ("/v1/events/nobody", "{}", StatusCode::NOT_FOUND),
    ] {
        let answer = place.post(path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.json()["error"]["what"].is_string());
    }
    place.ledger.idle().await;
    let events = place.get("/v1/events").await.json();
    let events = events["events"].as_array().expect("a list");
    assert_eq!(events.len(), 1, "the operator is told, once");
    assert_eq!(events[0]["provider"], "bellwether");
}

#[tokio::test]
async fn bodies_have_a_limit_and_history_a_larger_one() {
    let place = Place::open(Settings {
        body_bytes: 64,
        history_body_bytes: 4 << 20,
        ..Settings::default()
    });
    let body = alert("X", A, "Title", "Text");
    let answer = place.post("/v1/events", body.clone()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text.contains("64 bytes"), "{}", answer.text);
    let answer = place.post("/v1/events?arrival=history", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    place.ledger.idle().await;
    let events = place.get("/v1/events").await.json();
    assert_eq!(events["events"][0]["arrival"], "history");
}

#[tokio::test]
async fn an_event_that_names_no_account_belongs_to_the_one_in_the_address() {
    let place = Place::open(Settings::default());
    let emerging = include_str!("../../../tests/fixtures/samples/azure/azure-rest-emergingissues.json");
    let answer = place
        .post(&format!("/v1/events?account={}", A.to_uppercase()), emerging)
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    place.ledger.idle().await;
    let id = answer.json()["ids"][0].as_str().expect("an id").to_owned();
    assert_eq!(
        place.get(&format!("/v1/events/{id}")).await.json()["event"]["accounts"],
        json!([A])
    );
}

#[tokio::test]
async fn a_test_event_is_accepted_with_a_hint() {
    let place = Place::open(Settings::default());
    let test = include_str!(
        "../../../tests/fixtures/samples/azure/azure-common-servicehealth-incident-resolved-testaction.json"
    );
    let answer = place.post("/v1/events", test).await.json();
    assert!(answer["hint"].as_str().expect("a hint").contains("`test events: true`"));
}

#[tokio::test]
async fn when_the_ledger_has_stopped_senders_are_asked_to_come_again() {
    let place = Place::open(Settings::default());
    place.ledger.stop().await.expect("stops");
    let answer = place.post("/v1/events", alert("X-1", A, "Title", "Text")).await;
    assert_eq!(
        (answer.status, answer.header(header::RETRY_AFTER)),
        (StatusCode::SERVICE_UNAVAILABLE, "5")
    );
}

#[tokio::test]
async fn when_too_much_waits_to_be_decided_senders_are_asked_to_come_again() {
    let place = Place::open(Settings {
        waiting_events: 0,
        ..Settings::default()
    });
    let answer = place.post("/v1/events", alert("X-1", A, "Title", "Text")).await;
    assert_eq!(
        (answer.status, answer.header(header::RETRY_AFTER)),
        (StatusCode::SERVICE_UNAVAILABLE, "5")
    );
}
