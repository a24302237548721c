//! Questions and their answers, for programs and for people.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use super::super::Settings;
use super::super::refusal::Refusal;
use super::{A, LOCAL, Place, RULES, alert, tokens};
use crate::customer::{Customers, Viewer};

#[tokio::test]
async fn what_was_posted_is_in_the_lists_with_what_became_of_it() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    let accepted = place
        .told(alert("0NIH-U2O", A, "Storage is down", "We are looking into it."))
        .await
        .json();
    let id = accepted["ids"][0].as_str().expect("an id").to_owned();
    assert_eq!(accepted.get("hint"), None);

    let events = place.get("/v1/events").await.json();
    assert_eq!(events["events"][0]["id"], id.as_str());
    assert_eq!(events["next"], Value::Null);

    let event = place.get(&format!("/v1/events/{id}")).await.json();
    assert_eq!(event["decided"], true);
    assert_eq!(event["verdicts"][0]["rule"], "Everything");
    assert_eq!(event["verdicts"][0]["verdict"], "planned");
    assert_eq!(event["not_matched"][0]["rule"], "Billing only");
    assert_eq!(event["rules_changed"], false);

    let incidents = place.get("/v1/incidents").await.json();
    assert_eq!(incidents["incidents"][0]["tracking_id"], "0NIH-U2O");
    assert_eq!(incidents["incidents"][0]["status"], "Active");

    let incident = place.get("/v1/incidents/0nih-u2o").await.json();
    let entry = &incident["entries"][0];
    assert_eq!(entry["title"], "Storage is down");
    assert_eq!(entry["deliveries"][0]["receiver"], "ops");
    assert_eq!(entry["deliveries"][0]["state"], "scheduled");
    assert_eq!(
        incident["impact"][0],
        json!({"service": "Virtual Machines", "region": "Australia East", "accounts": [A]})
    );

    let deliveries = place.get("/v1/deliveries?tracking_id=0NIH-U2O").await.json();
    assert_eq!(deliveries["deliveries"][0]["rule"], "Everything");
    assert_eq!(
        deliveries["deliveries"],
        place.get("/v1/deliveries").await.json()["deliveries"]
    );
}

#[tokio::test]
async fn a_store_that_a_question_finds_damaged_ends_the_ledger_and_any_other_error_does_not() {
    let (app_state, place) = Place::app_state(Settings::default());
    let other = app_state.read(Viewer::Operator, |_| {
        Err::<(), _>(Refusal::from(anyhow::anyhow!("a bug")))
    });
    assert_eq!(
        other.await.expect_err("refused").status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    place.ledger.idle().await;
    assert!(!place.ledger.is_failed());
    let damage = || Refusal {
        is_damage: true,
        ..Refusal::not_found("what was asked for could not be read")
    };
    let damaged = app_state.read(Viewer::Operator, move |_| Err::<(), _>(damage()));
    damaged.await.expect_err("refused");
    place.ledger.idle().await;
    assert!(place.ledger.is_failed(), "it is to be built anew");
}

#[tokio::test]
async fn an_incidents_page_tells_its_story_and_the_list_leads_to_it() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    place
        .told(alert("0NIH-U2O", A, "Storage is down", "We are looking into it."))
        .await;
    let list = place.get_page("/").await;
    assert_eq!(list.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert!(
        list.text.contains("href=\"./incidents/0NIH-U2O?provider=azure\""),
        "{}",
        list.text
    );
    let page = place.get_page("/incidents/0NIH-U2O?provider=azure").await;
    for shown in [
        "Storage is down",
        "We are looking into it.",
        "Virtual Machines",
        "ops",
        "scheduled",
        "Billing only",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(page.text.contains("href=\"../style.css\""), "{}", page.text);
}

#[tokio::test]
async fn lists_go_on_where_the_last_answer_ended() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    for nth in 0..3 {
        place
            .told(alert(&format!("ID-{nth}"), A, &format!("Trouble {nth}"), "Text"))
            .await;
    }
    for (path, list) in [
        ("/v1/events", "events"),
        ("/v1/incidents", "incidents"),
        ("/v1/deliveries", "deliveries"),
    ] {
        let (mut seen, mut before) = (Vec::new(), String::new());
        for _ in 0..3 {
            let page = place.get(&format!("{path}?limit=1{before}")).await.json();
            seen.push(page[list][0]["tracking_id"].as_str().expect("one more").to_owned());
            before = page["next"]
                .as_str()
                .map(|next| format!("&before={next}"))
                .unwrap_or_default();
        }
        assert_eq!(before, "", "{path} ends");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 3, "{path}: {seen:?}");
        assert_eq!(
            place.get(&format!("{path}?before=nonsense")).await.status,
            StatusCode::BAD_REQUEST
        );
    }
}

#[tokio::test]
async fn browsers_get_a_page_and_programs_json() {
    let place = Place::open(Settings {
        tokens: tokens(),
        ..Settings::default()
    });
    let page = place.get_page("/").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text.starts_with("<!DOCTYPE html>"), "{}", page.text);
    assert!(page.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
    assert!(place.get("/").await.json()["error"]["what"].is_string());
    let missing = place.get_page("/no/such/thing").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.text.contains("href=\"../../style.css\""), "{}", missing.text);
    let method = place
        .ask(
            LOCAL,
            Request::delete("/v1/events").body(Body::empty()).expect("a request"),
        )
        .await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(method.header(header::ALLOW).contains("POST") && method.json()["error"]["what"].is_string());
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let place = Place::open(Settings::default());
    for path in [
        "/",
        "/incidents/none",
        "/v1/events",
        "/no/such/thing",
        "/style.css",
        "/metrics",
        "/healthz",
    ] {
        let answer = place.get_page(path).await;
        assert!(
            answer
                .header(header::CONTENT_SECURITY_POLICY)
                .starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin", "{path}");
        let kept = if path == "/style.css" {
            "public, max-age=600"
        } else {
            "no-store"
        };
        assert_eq!(answer.header(header::CACHE_CONTROL), kept, "{path}");
    }
}

#[tokio::test]
async fn an_ended_delivery_is_tried_again_on_request_and_a_waiting_one_is_not() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    place.told(alert("X-1", A, "Title", "Text")).await;
    let id = place.get("/v1/deliveries").await.json()["deliveries"][0]["id"]
        .as_str()
        .expect("one")
        .to_owned();
    let path = format!("/v1/deliveries/{id}/redeliver");
    assert_eq!(place.post(&path, "").await.status, StatusCode::CONFLICT);
    place.refuse_delivery("550 no such user").await;
    assert_eq!(place.get(&format!("/v1/deliveries/{id}")).await.json()["state"], "dead");
    assert_eq!(place.post(&path, "").await.status, StatusCode::ACCEPTED);
    place.ledger.idle().await;
    let again = place.get(&format!("/v1/deliveries/{id}")).await.json();
    assert_eq!(
        (&again["state"], again["attempts"].as_array().map(Vec::len)),
        (&json!("scheduled"), Some(1))
    );
    assert_eq!(
        place.post("/v1/deliveries/dlv_none/redeliver", "").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn no_answer_of_the_api_holds_a_receivers_address() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    let accepted = place.told(alert("X-1", A, "Title", "Text")).await.json();
    let id = place
        .refuse_delivery("550 5.1.1 <ops@contoso.example>: no such user")
        .await;
    let event = format!("/v1/events/{}", accepted["ids"][0].as_str().expect("an id"));
    let delivery = format!("/v1/deliveries/{id}");
    for path in [
        "/",
        "/v1/incidents/X-1",
        "/v1/deliveries",
        "/v1/rules",
        "/v1/export",
        "/v1/events",
        "/metrics",
        &event,
        &delivery,
    ] {
        let answer = place.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.text.contains("contoso.example"), "{path}: {}", answer.text);
    }
    assert!(place.get("/incidents/X-1").await.text.contains("550 5.1.1"));
    // an event of our own quotes the server: it goes out without the address, and is known when it comes in again
    let archive = place.get("/v1/export").await.text;
    assert!(
        archive.contains("receiver-failing") && archive.contains("(address)"),
        "{archive}"
    );
    let events: Vec<&str> = archive
        .lines()
        .filter(|line| line.contains("\"type\":\"event\""))
        .collect();
    let taken = place.post("/v1/import", events.join("\n")).await.json();
    assert_eq!(
        (&taken["new"], &taken["known"]),
        (&serde_json::json!(0), &serde_json::json!(events.len())),
        "{taken}"
    );
}

#[tokio::test]
async fn what_is_counted_is_in_the_metrics() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    place.told(alert("X-1", A, "Title", "Text")).await;
    place.post("/v1/events", "nonsense").await;
    let text = place.get("/metrics").await.text;
    for line in [
        "bellwether_intake_events_total{form=\"azure-activity-log-webhook\",outcome=\"accepted\"} 1",
        "bellwether_intake_events_total{form=\"none\",outcome=\"malformed\"} 1",
        "bellwether_http_answers_total{method=\"POST\",route=\"/v1/events\",status=\"202\"} 1",
        "bellwether_rules 2",
        "bellwether_rule_files_broken 0",
        "bellwether_endpoints_waiting 1",
        "bellwether_uptime_seconds 11",
        "bellwether_ready 1",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
}

#[tokio::test]
async fn an_incident_whose_tracking_id_is_dots_has_links_that_lead_to_it() {
    let place = Place::open(Settings::default());
    place
        .rules(&[("production.yaml", RULES)], Customers::one_organisation())
        .await;
    for (id, segment) in [(".", "~."), ("..", "~..")] {
        let title = format!("Known as {}", id.len());
        place.told(alert(id, A, &title, "Text")).await;
        let list = place.get_page("/").await.text;
        let link = format!("incidents/{}?provider=azure", segment.replace('~', "%7E"));
        assert!(list.contains(&format!("href=\"./{link}\"")), "{list}");
        let base = url::Url::parse("http://x/").expect("a URL");
        let followed = base.join(&link).expect("a link");
        let page = place
            .get_page(&format!("{}?{}", followed.path(), followed.query().unwrap_or_default()))
            .await;
        assert!(page.text.contains(&title), "{}", page.text);
        let whole = place.get(&format!("/v1/incidents/{segment}")).await.json();
        assert_eq!(whole["tracking_id"], id);
    }
}

#[tokio::test]
async fn few_stories_are_gathered_at_once_and_other_questions_do_not_wait_for_them() {
    let (app_state, _place) = Place::app_state(Settings::default());
    let app_state = std::sync::Arc::new(app_state);
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Arc::new(std::sync::Mutex::new(told));
    let begun = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let stories: Vec<_> = (0..8)
        .map(|_| {
            let (app_state, told, begun) = (app_state.clone(), told.clone(), begun.clone());
            tokio::spawn(async move {
                let story = move |_: &_| {
                    begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    told.lock().expect("a lock").recv().expect("is told to go on");
                    Ok(())
                };
                app_state.read_story(Viewer::Operator, story).await
            })
        })
        .collect();
    let begun = || begun.load(std::sync::atomic::Ordering::SeqCst);
    while begun() < 2 {
        tokio::task::yield_now().await;
    }
    app_state.read(Viewer::Operator, |_| Ok(())).await.expect("an answer");
    assert_eq!(begun(), 2, "the others wait for their turn");
    (0..8).for_each(|_| tell.send(()).expect("somebody waits"));
    for story in stories {
        story.await.expect("ends").expect("an answer");
    }
    assert_eq!(begun(), 8);
}
