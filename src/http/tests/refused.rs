//! What is refused of known senders is kept, listed for the operator, and taken in later if it can be read then.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::Value;

use super::super::Settings;
use super::{A, Answer, LOCAL, Place, REMOTE, RULES, alert, tokens, two_customers};

/// A body that no version can read.
const NO_JSON: &str = "{\"schemaId\": \"Microsoft.Insights/activityLogs\", \"data\": ";

/// The ids of what is kept, the latest first.
async fn kept(place: &Place) -> Vec<String> {
    let listed = place.get("/v1/intake/refused").await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.text);
    ids(&listed)
}

fn ids(listed: &Answer) -> Vec<String> {
    let lines = listed.json()["refused"].as_array().expect("a list").clone();
    lines
        .iter()
        .map(|line| line["id"].as_str().expect("an id").to_owned())
        .collect()
}

async fn retry(place: &Place, id: &str, query: &str) -> Answer {
    place.post(&format!("/v1/intake/refused/{id}/retry{query}"), "").await
}

#[tokio::test]
async fn every_sort_of_refused_body_is_kept_with_its_reason() {
    let place = Place::open(Settings::default());
    let good = alert("X-1", A, "Title", "Text");
    for (path, body, status) in [
        ("/v1/events", NO_JSON.to_owned(), 400),
        ("/v1/events", "{}".to_owned(), 400),
        (
            "/v1/events",
            r#"{"schemaId":"Microsoft.Insights/activityLogs","data":{}}"#.to_owned(),
            400,
        ),
        ("/v1/events/azure", "[17]".to_owned(), 400),
        ("/v1/events", format!("[{}1]", "1,".repeat(200_000)), 413),
        ("/v1/events/nobody", good.clone(), 404),
        ("/v1/events?arival=history", good.clone(), 400),
        ("/v1/events?arrival=histroy", good.clone(), 400),
        ("/v1/events?account=a%20b", good.clone(), 400),
    ] {
        let before = kept(&place).await.len();
        let answer = place.post(path, body.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        let id = answer.json()["error"]["kept"].as_str().map(str::to_owned);
        if path.contains("account") || path.contains("arival") || path.contains("nobody") {
            // the same body on the same terms as one that is kept is counted with it
            assert!(id.is_some());
            continue;
        }
        assert_eq!(kept(&place).await.len(), before + 1, "{path}");
        let shown = place
            .get(&format!("/v1/intake/refused/{}", id.expect("is kept")))
            .await
            .json();
        assert_eq!(shown["body"], body, "{path}");
        assert_eq!(shown["why"]["status"], status);
        assert_eq!(shown["why"]["what"], answer.json()["error"]["what"]);
    }
    let answer = place.post("/v1/events", Body::from(vec![b'"', 0xff, b'"'])).await;
    let id = answer.json()["error"]["kept"].as_str().expect("is kept").to_owned();
    let shown = place.get(&format!("/v1/intake/refused/{id}")).await.json();
    assert_eq!((&shown["body"], &shown["body_base64"]), (&Value::Null, &"Iv8i".into()));
}

#[tokio::test]
async fn what_was_taken_ignored_or_is_to_come_again_is_not_kept() {
    let place = Place::open(Settings {
        body_bytes: 4_096,
        ..Settings::default()
    });
    place.post("/v1/events", alert("X-1", A, "Title", "Text")).await;
    place
        .post("/v1/events", r#"{"schemaId": "AIP Budget Notification", "data": {}}"#)
        .await;
    place.post("/v1/events", "x".repeat(5_000)).await;
    place.ledger.stop().await.expect("stops");
    let later = place.post("/v1/events", alert("X-2", A, "Title", "Text")).await;
    assert_eq!(later.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(kept(&place).await.is_empty());
}

#[tokio::test]
async fn strangers_bodies_are_not_kept_and_only_the_operator_sees_what_is() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    for (peer, token) in [
        (REMOTE, ""),
        (REMOTE, "wrong"),
        (LOCAL, ""),
        (REMOTE, "may-read"),
        (LOCAL, "may-operate"),
    ] {
        for path in ["/v1/events", "/v1/events/nobody", "/v1/events?arrival=x"] {
            let answer = place.with_token(peer, "POST", path, token, NO_JSON.to_owned()).await;
            assert!(
                [401, 403].contains(&answer.status.as_u16()),
                "{peer} {token} {path}: {}",
                answer.text
            );
        }
    }
    let list = async |token: &str| {
        place
            .with_token(REMOTE, "GET", "/v1/intake/refused", token, String::new())
            .await
    };
    assert!(ids(&list("may-read").await).is_empty());
    let answer = place
        .with_token(REMOTE, "POST", "/v1/events", "may-post", NO_JSON.to_owned())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let id = answer.json()["error"]["kept"].as_str().expect("is kept").to_owned();
    assert_eq!(ids(&list("may-read").await), std::slice::from_ref(&id));
    for token in ["", "may-post", "wrong"] {
        assert!([401, 403].contains(&list(token).await.status.as_u16()), "{token}");
    }
    let path = format!("/v1/intake/refused/{id}/retry");
    for token in ["", "may-read", "may-post"] {
        let answer = place.with_token(REMOTE, "POST", &path, token, String::new()).await;
        assert!([401, 403].contains(&answer.status.as_u16()), "{token}");
    }
    let answer = place
        .with_token(REMOTE, "POST", &path, "may-operate", String::new())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_customer_does_not_see_what_is_kept() {
    let mut known = tokens();
    known.customers = vec![(
        crate::customer::CustomerId::new("contoso"),
        crate::secret::Secret::new("contosos"),
    )];
    let place = Place::open(Settings {
        tokens: known,
        ..Settings::default()
    });
    place.rules(&[("contoso/a.yaml", RULES)], two_customers()).await;
    let answer = place
        .with_token(REMOTE, "POST", "/v1/events", "may-post", NO_JSON.to_owned())
        .await;
    let id = answer.json()["error"]["kept"].as_str().expect("is kept").to_owned();
    for path in ["/v1/intake/refused".to_owned(), format!("/v1/intake/refused/{id}")] {
        let answer = place.with_token(REMOTE, "GET", &path, "contosos", String::new()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn what_can_be_read_now_is_taken_in_and_no_longer_kept() {
    let place = Place::open(Settings::default());
    let good = alert("X-1", A, "Title", "Text");
    place.post("/v1/events?arrival=histroy", good.clone()).await;
    let id = kept(&place).await.remove(0);
    let answer = retry(&place, &id, "").await;
    assert_eq!(
        answer.status,
        StatusCode::BAD_REQUEST,
        "it is not guessed whether people are to be told"
    );
    assert!(
        answer.json()["error"]["hint"]
            .as_str()
            .expect("a hint")
            .contains("arrival=live")
    );
    assert_eq!(kept(&place).await, std::slice::from_ref(&id));
    let answer = retry(&place, &id, "?arrival=live").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    place.ledger.idle().await;
    let event = answer.json()["ids"][0].as_str().expect("an id").to_owned();
    let event = place.get(&format!("/v1/events/{event}")).await.json();
    assert_eq!(
        (&event["tracking_id"], &event["arrival"]),
        (&"X-1".into(), &"live".into())
    );
    assert!(kept(&place).await.is_empty());
    assert_eq!(retry(&place, &id, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_account_in_the_address_is_kept_with_the_body() {
    let place = Place::open(Settings::default());
    let emerging = include_str!("../../../tests/fixtures/samples/azure/azure-rest-emergingissues.json");
    place.post(&format!("/v1/events?account={A}&arrival=x"), emerging).await;
    let id = kept(&place).await.remove(0);
    let answer = retry(&place, &id, "?arrival=history").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    place.ledger.idle().await;
    let event = answer.json()["ids"][0].as_str().expect("an id").to_owned();
    let event = place.get(&format!("/v1/events/{event}")).await.json();
    assert_eq!(
        (&event["event"]["accounts"][0], &event["arrival"]),
        (&A.into(), &"history".into())
    );
}

#[tokio::test]
async fn what_still_cannot_be_read_stays_with_the_reason_of_today() {
    let place = Place::open(Settings::default());
    place.post("/v1/events/nobody", NO_JSON).await;
    let id = kept(&place).await.remove(0);
    let answer = retry(&place, &id, "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["kept"], id.as_str());
    let shown = place.get(&format!("/v1/intake/refused/{id}")).await.json();
    assert!(
        shown["why"]["what"].as_str().expect("a reason").contains("not JSON"),
        "{shown}"
    );
    assert_eq!(retry(&place, "nosuch", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_turns_out_to_be_no_health_event_goes_and_says_so() {
    let place = Place::open(Settings::default());
    place
        .post(
            "/v1/events?arival=live",
            r#"{"schemaId": "AIP Budget Notification", "data": {}}"#,
        )
        .await;
    let id = kept(&place).await.remove(0);
    let answer = retry(&place, &id, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.json()["ignored"][0]["why"].is_string());
    assert!(kept(&place).await.is_empty());
}

#[tokio::test]
async fn the_operator_is_told_once_a_day_and_sees_it_where_one_looks() {
    let place = Place::open(Settings::default());
    let told = async || {
        place.ledger.idle().await;
        let events = place.get("/v1/events").await.json();
        events["events"].as_array().expect("a list").len()
    };
    for nth in 0..5 {
        place.post("/v1/events", format!("no json {nth}")).await;
    }
    assert_eq!(told().await, 1);
    place.clock.advance(chrono::Duration::days(1));
    place.post("/v1/events", "no json 6").await;
    place.post("/v1/events", "no json 6").await;
    assert_eq!(told().await, 2);
    assert_eq!(place.get("/readyz?verbose").await.json()["refused_bodies_kept"], 6);
    let request = Request::get("/metrics").body(Body::empty()).expect("a request");
    let metrics = place.ask(LOCAL, request).await.text;
    assert!(metrics.contains("bellwether_refused_bodies_kept 6"), "{metrics}");
    assert!(
        metrics.contains("bellwether_refused_bodies_pushed_out_total 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn of_a_list_what_can_be_read_is_taken_and_the_body_is_kept_for_the_rest() {
    let place = Place::open(Settings::default());
    let body = format!(
        "[{}, {{\"a\": 1}}, {}]",
        alert("X-1", A, "Title", "Text"),
        alert("X-2", A, "Title", "Text")
    );
    let answer = place.post("/v1/events", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let said = answer.json();
    assert_eq!(said["ids"].as_array().map(Vec::len), Some(2));
    assert_eq!(said["unreadable"]["field"], "[1]", "{said}");
    let id = said["unreadable"]["kept"].as_str().expect("is kept").to_owned();
    assert_eq!(kept(&place).await, std::slice::from_ref(&id));
    let again = retry(&place, &id, "").await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text);
    assert_eq!(again.json()["unreadable"]["kept"], id.as_str());
    assert_eq!(
        kept(&place).await,
        [id],
        "it stays as long as a part of it cannot be read"
    );
}
