//! Signing in and out in a browser, what a session opens, and what ends it.

use axum::http::{StatusCode, header};

use super::super::caller::{LOCAL_COOKIE, SECURE_COOKIE};
use super::super::{Doors, Settings, router};
use super::{LOCAL, Place, REMOTE, Two, form_token, settings_of_two};
use crate::clock::Clock;
use crate::secret::Secret;

fn published() -> Settings {
    Settings {
        public_url: Some("https://health.contoso.example/".parse().expect("a URL")),
        ..settings_of_two()
    }
}

#[tokio::test]
async fn who_may_not_read_a_page_is_led_to_the_form_and_back() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let page = place
        .browse(LOCAL, "/incidents/CONTOSO-1?provider=azure&token=wrong", &[])
        .await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let leads = "href=\"../sign-in?to=%2Fincidents%2FCONTOSO-1%3Fprovider%3Dazure\"";
    assert!(page.text.contains(leads), "{}", page.text);
    let form = place
        .browse(LOCAL, "/sign-in?to=/incidents/CONTOSO-1%3Fprovider%3Dazure", &[])
        .await;
    assert!(
        form.text.contains("value=\"/incidents/CONTOSO-1?provider=azure\""),
        "{}",
        form.text
    );
    let fields = [
        ("token", "contoso-reads"),
        ("to", "/incidents/CONTOSO-1?provider=azure"),
    ];
    let answer = place.submit(LOCAL, "/sign-in", &[], &fields).await;
    assert_eq!(
        (answer.status, answer.header(header::LOCATION)),
        (StatusCode::SEE_OTHER, "./incidents/CONTOSO-1?provider=azure")
    );
    let cookie = answer.header(header::SET_COOKIE);
    let expected = "; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200";
    assert!(
        cookie.starts_with(LOCAL_COOKIE) && cookie.ends_with(expected),
        "{cookie}"
    );
    assert!(!cookie.contains("contoso"), "it is sealed: {cookie}");
    let cookie = cookie.split(';').next().expect("a cookie");
    let page = place.browse(LOCAL, "/", &[("cookie", cookie)]).await;
    assert!(
        page.text.contains("CONTOSO-1") && !page.text.contains("FABRIKAM"),
        "{}",
        page.text
    );
    for elsewhere in ["//evil.example/", "https://evil.example/", "/\\evil.example"] {
        let fields = [("token", "contoso-reads"), ("to", elsewhere)];
        let answer = place.submit(LOCAL, "/sign-in", &[], &fields).await;
        assert_eq!(answer.header(header::LOCATION), "./", "{elsewhere}");
    }
}

#[tokio::test]
async fn over_https_the_cookie_is_the_hosts_own_and_over_plain_http_nobody_signs_in_from_elsewhere() {
    let place = Place::open(published());
    let answer = place.submit(REMOTE, "/sign-in", &[], &[("token", "may-read")]).await;
    let cookie = answer.header(header::SET_COOKIE);
    assert!(
        cookie.starts_with(SECURE_COOKIE) && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert!(
        cookie.contains("; Path=/; HttpOnly; SameSite=Lax") && !cookie.contains("Domain"),
        "{cookie}"
    );
    let place = Place::open(settings_of_two());
    let proxied = [("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.9")];
    let answer = place
        .submit(LOCAL, "/sign-in", &proxied, &[("token", "may-read")])
        .await;
    assert!(
        answer.header(header::SET_COOKIE).starts_with(SECURE_COOKIE),
        "{}",
        answer.text
    );
    let answer = place.submit(REMOTE, "/sign-in", &[], &[("token", "may-read")]).await;
    assert_eq!(
        (answer.status, answer.header(header::SET_COOKIE)),
        (StatusCode::FORBIDDEN, "")
    );
    assert!(answer.text.contains("public url: https://"), "{}", answer.text);
    let form = place.browse(REMOTE, "/sign-in", &[]).await;
    assert!(!form.text.contains("type=\"password\""), "{}", form.text);
    // what a browser on this machine keeps counts nowhere else
    let local = place.sign_in("may-read").await;
    let answer = place.browse(REMOTE, "/", &[("cookie", &local)]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_ends_with_its_time_its_token_and_by_signing_out() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let cookie = place.sign_in("contoso-reads").await;
    let cookie = [("cookie", cookie.as_str())];
    let page = place.browse(LOCAL, "/", &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    // the same daemon with another token of that customer
    let mut settings = settings_of_two();
    settings.tokens.customers[0].1 = Secret::new("another");
    let (links, clock) = (place.links.clone(), Clock::ByHand(place.clock.clone()));
    let changed = Place {
        router: router(Doors::new(settings, place.ledger.clone(), links.clone(), clock)),
        ledger: place.ledger.clone(),
        clock: place.clock.clone(),
        links,
        _dir: tempfile::tempdir().expect("a folder"),
    };
    assert_eq!(
        changed.browse(LOCAL, "/", &cookie).await.status,
        StatusCode::UNAUTHORIZED
    );
    let out = place
        .submit(LOCAL, "/sign-out", &cookie, &[("form", form_token(&page.text))])
        .await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    let forgotten: Vec<&str> = out
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|one| one.to_str().ok())
        .collect();
    assert!(
        forgotten.len() == 2
            && forgotten
                .iter()
                .all(|one| one.contains("=; ") && one.contains("Max-Age=0"))
    );
    place.clock.advance(chrono::Duration::hours(12));
    assert_eq!(place.browse(LOCAL, "/", &cookie).await.status, StatusCode::UNAUTHORIZED);
    let altered = [("cookie", &*format!("{LOCAL_COOKIE}=AAAA"))];
    assert_eq!(
        place.browse(LOCAL, "/", &altered).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn after_ten_wrong_tokens_in_the_form_an_address_waits() {
    let place = Place::open(published());
    for nth in 0..12 {
        let answer = place.submit(REMOTE, "/sign-in", &[], &[("token", "guess")]).await;
        let expected = if nth < 10 { 401 } else { 429 };
        assert_eq!(answer.status.as_u16(), expected, "the {nth}th");
        assert!(nth >= 10 || answer.text.contains("Not signed in"), "{}", answer.text);
        assert!(!answer.text.contains("guess"), "{}", answer.text);
    }
    let right = place.submit(REMOTE, "/sign-in", &[], &[("token", "may-read")]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    // a token for posting events opens no page
    let other = place
        .submit("192.0.2.99:1", "/sign-in", &[], &[("token", "may-post")])
        .await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_other_sites_post_is_refused_and_so_is_a_form_that_is_none_of_ours() {
    let two = Two::open(settings_of_two()).await;
    let (place, dead) = (&two.place, &two.ids[0].1);
    let cookie = place.sign_in("may-operate").await;
    let page = place
        .browse(LOCAL, "/deliveries?state=dead", &[("cookie", &cookie)])
        .await;
    let token = form_token(&page.text);
    let path = format!("/deliveries/{dead}/redeliver");
    for (headers, form, what) in [
        (
            vec![("cookie", &*cookie), ("sec-fetch-site", "cross-site")],
            token,
            "another site",
        ),
        (
            vec![
                ("cookie", &*cookie),
                ("host", "127.0.0.1:1"),
                ("origin", "https://evil.example"),
            ],
            token,
            "another site",
        ),
        (vec![("cookie", &*cookie)], "guess", "another session"),
        (vec![("cookie", &*cookie)], "", "another session"),
    ] {
        let answer = place.submit(LOCAL, &path, &headers, &[("form", form)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.text.contains(what), "{}", answer.text);
    }
    // another session's form, and the API, which takes no cookies for commands
    let other = place.sign_in("may-operate").await;
    let answer = place
        .submit(LOCAL, &path, &[("cookie", &other)], &[("form", token)])
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = place
        .submit(LOCAL, &format!("/v1{path}"), &[("cookie", &cookie)], &[])
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let headers = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
    let answer = place.submit(LOCAL, &path, &headers, &[("form", token)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(
        answer.header(header::LOCATION),
        format!("../../deliveries?again={dead}")
    );
    place.ledger.idle().await;
    let page = place
        .browse(LOCAL, &format!("/deliveries?again={dead}"), &[("cookie", &cookie)])
        .await;
    assert!(
        page.text.contains("is tried again") && page.text.contains("scheduled"),
        "{}",
        page.text
    );
}
