//! The pages of deliveries, rules and reasons, as the operator and as a customer read them.

use axum::http::StatusCode;

use super::{A, B, LOCAL, Two, alert, form_token, settings_of_two};

#[tokio::test]
async fn deliveries_are_listed_by_state_and_only_who_operates_may_try_one_again() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let [operate, read, contoso] = [
        place.sign_in("may-operate").await,
        place.sign_in("may-read").await,
        place.sign_in("contoso-reads").await,
    ];
    let page = place.browse(LOCAL, "/deliveries", &[("cookie", &operate)]).await;
    for said in [
        "CONTOSO-1",
        "FABRIKAM-1",
        "550 no such user",
        "of fabrikam",
        "Try again",
        "Sign out",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(!page.text.contains("ops@"), "no addresses: {}", page.text);
    let page = place
        .browse(LOCAL, "/deliveries?state=dead", &[("cookie", &read)])
        .await;
    assert!(
        page.text.contains("CONTOSO-1") && !page.text.contains("Try again"),
        "{}",
        page.text
    );
    let page = place
        .browse(LOCAL, "/deliveries?state=delivered", &[("cookie", &read)])
        .await;
    assert!(page.text.contains("There are none"), "{}", page.text);
    for (path, cookie) in [("/deliveries", &contoso), ("/deliveries?as=contoso", &operate)] {
        let page = place.browse(LOCAL, path, &[("cookie", cookie)]).await;
        assert!(
            page.text.contains("CONTOSO-1") && !page.text.contains("FABRIKAM"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("Try again"), "{}", page.text);
    }
    let page = place
        .browse(LOCAL, "/deliveries?as=contoso&state=dead", &[("cookie", &operate)])
        .await;
    assert!(page.text.contains("<strong>as contoso</strong>"), "{}", page.text);
    assert!(
        page.text.contains("deliveries?state=delivered&#38;as=contoso"),
        "the choice stays: {}",
        page.text
    );
    let first = place.browse(LOCAL, "/deliveries?limit=1", &[("cookie", &read)]).await;
    let older = first
        .text
        .split("before=")
        .nth(1)
        .and_then(|rest| rest.split(['&', '"']).next())
        .expect("older ones");
    let second = place
        .browse(
            LOCAL,
            &format!("/deliveries?limit=1&before={older}"),
            &[("cookie", &read)],
        )
        .await;
    assert!(
        first.text.contains("FABRIKAM-1") && !first.text.contains("CONTOSO-1"),
        "{}",
        first.text
    );
    assert!(
        second.text.contains("CONTOSO-1") && !second.text.contains("FABRIKAM-1"),
        "{}",
        second.text
    );
    let forbidden = place
        .browse(LOCAL, "/deliveries?state=lost", &[("cookie", &read)])
        .await;
    assert!(forbidden.status == StatusCode::BAD_REQUEST && forbidden.text.contains("known: scheduled"));
    let unknown = place
        .browse(LOCAL, "/deliveries?as=nobody", &[("cookie", &operate)])
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_of_rules_says_what_each_did_what_is_broken_and_who_would_be_invited() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let operate = place.sign_in("may-operate").await;
    let page = place.browse(LOCAL, "/rules", &[("cookie", &operate)]).await;
    for said in [
        "fabrikam/broken.yaml:3:5",
        "Everything of contoso",
        "Revision in force",
        "in the last 90 days",
        "<strong>contoso-ops</strong>: email; times in UTC",
        &format!("<code>{A}</code>"),
        "<li>Everything of contoso: contoso-ops</li>",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let did = "<td data-label=\"Told of\">1</td><td data-label=\"Held, withheld\">0, 0</td>\
               <td data-label=\"Delivered\">0</td><td data-label=\"Dead\">1</td>";
    assert_eq!(
        page.text.matches(did).count(),
        2,
        "one event each, refused: {}",
        page.text
    );
    let contoso = place.sign_in("contoso-reads").await;
    let page = place.browse(LOCAL, "/rules", &[("cookie", &contoso)]).await;
    assert!(
        page.text.contains("<h3>rules.yaml</h3>") && !page.text.to_lowercase().contains("fabrikam"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("Revision in force") && !page.text.contains(B),
        "{}",
        page.text
    );
    let asked = format!("/rules?account={B}&service=Storage&region=East+US");
    let page = place.browse(LOCAL, &asked, &[("cookie", &contoso)]).await;
    assert!(
        page.text.contains("Nobody would be invited."),
        "not its own: {}",
        page.text
    );
}

#[tokio::test]
async fn the_page_of_reasons_answers_for_what_was_heard_and_for_what_is_pasted_and_keeps_nothing() {
    let two = Two::open(settings_of_two()).await;
    let (place, event) = (&two.place, &two.ids[0].0);
    let contoso = place.sign_in("contoso-reads").await;
    let cookie = [("cookie", contoso.as_str())];
    let page = place.browse(LOCAL, &format!("/why?event={event}"), &cookie).await;
    for said in [
        "These would be told:",
        "<strong>contoso-ops</strong>: message by email",
        "all its conditions hold",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(
        page.text.contains("Trouble at contoso</a>"),
        "the newest are listed: {}",
        page.text
    );
    assert!(!page.text.to_lowercase().contains("fabrikam"), "{}", page.text);
    let none = place
        .browse(LOCAL, &format!("/why?event={event}&rule=no+such"), &cookie)
        .await;
    assert!(none.text.contains("of this name is in force"), "{}", none.text);
    let others = place
        .browse(LOCAL, &format!("/why?event={}", two.ids[1].0), &cookie)
        .await;
    assert_eq!(others.status, StatusCode::NOT_FOUND);
    let token = form_token(&page.text);
    let text = alert("PASTED-1", A, "Pasted trouble", "<p>Down.</p>");
    let fields = [("form", token), ("text", &*text), ("receiver", "contoso-ops")];
    let answer = place.submit(LOCAL, "/why", &cookie, &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(
        answer.text.contains("Pasted trouble</h3>") && answer.text.contains("These would be told:"),
        "{}",
        answer.text
    );
    place.ledger.idle().await;
    let kept = place
        .with_token(LOCAL, "GET", "/v1/events", "may-read", String::new())
        .await;
    assert!(!kept.text.contains("PASTED-1"), "{}", kept.text);
    for (text, said) in [
        ("{", "cannot be read"),
        ("", "there is no text"),
        ("{\"schemaId\":\"x<script>\"}", "cannot be read"),
    ] {
        let answer = place
            .submit(LOCAL, "/why", &cookie, &[("form", token), ("text", text)])
            .await;
        assert!(
            answer.text.contains(said) && !answer.text.contains("<script>"),
            "{text}: {}",
            answer.text
        );
    }
    let most = super::Settings::default().body_bytes;
    let answer = place
        .submit(
            LOCAL,
            "/why",
            &cookie,
            &[("form", token), ("text", &"x".repeat(most + 1))],
        )
        .await;
    assert!(
        answer.text.contains("at most 1048576 are read"),
        "{}",
        &answer.text[..2_000]
    );
}

#[tokio::test]
async fn every_page_shows_times_in_the_readers_zone_beside_utc() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let session = place.sign_in("contoso-reads").await;
    let with_zone = format!("{session}; bellwether-zone=Asia/Tokyo");
    for path in [
        "/",
        "/incidents/CONTOSO-1",
        "/deliveries",
        "/rules",
        "/why",
        "/feeds",
        "/nowhere",
    ] {
        let times = |cookies: String| async move {
            let page = place.browse(LOCAL, path, &[("cookie", &cookies)]).await.text;
            let times = page.split("<time ").skip(1);
            let times = times.map(|rest| rest.split("</time>").next().unwrap_or_default().to_owned());
            times.collect::<Vec<String>>()
        };
        let (zoned, plain) = (times(with_zone.clone()).await, times(session.clone()).await);
        assert!(!zoned.is_empty() && zoned.len() == plain.len(), "{path}");
        assert!(zoned.iter().all(|time| time.ends_with(" JST)")), "{path}: {zoned:?}");
        assert!(plain.iter().all(|time| time.ends_with(" UTC")), "{path}: {plain:?}");
    }
}

#[tokio::test]
async fn a_zone_is_chosen_on_any_page_and_one_comes_back_to_it() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let session = place.sign_in("contoso-reads").await;
    for (path, root) in [
        ("/?type=Service+issue", "./"),
        ("/incidents/CONTOSO-1?provider=azure", "../"),
        ("/deliveries", "./"),
        ("/claims", "./"),
        ("/rules?account=x", "./"),
        ("/why", "./"),
        ("/feeds", "./"),
    ] {
        let page = place.browse(LOCAL, path, &[("cookie", &session)]).await.text;
        assert!(page.contains(&format!("action=\"{root}zone\"")), "{path}");
        let back = path.trim_start_matches('/').replace('&', "&#38;");
        assert!(
            page.contains(&format!("name=\"back\" value=\"{back}\"")),
            "{path}: {page}"
        );
        let back: String = url::form_urlencoded::byte_serialize(path.trim_start_matches('/').as_bytes()).collect();
        let kept = place
            .browse(
                LOCAL,
                &format!("/zone?zone=Asia%2FTokyo&back={back}"),
                &[("cookie", &session)],
            )
            .await;
        let to = format!(".{path}");
        assert_eq!(
            (kept.status.as_u16(), kept.header(axum::http::header::LOCATION)),
            (303, &*to),
            "{path}"
        );
    }
    // an address with a token in it is put into no other one, nor is that of a page that is none
    for path in ["/?token=contoso-reads", "/nowhere", "/sign-in"] {
        let page = place.browse(LOCAL, path, &[("cookie", &session)]).await.text;
        assert!(!page.contains("name=\"back\""), "{path}");
    }
}

#[tokio::test]
async fn what_a_provider_wrote_is_not_said_to_be_english() {
    let two = Two::open(settings_of_two()).await;
    let place = &two.place;
    let session = place.sign_in("contoso-reads").await;
    for (path, of_others) in [
        ("/", "lang=\"\">Trouble at contoso</a></h3>"),
        ("/incidents/CONTOSO-1", "<h1 lang=\"\">Trouble at contoso</h1>"),
        ("/incidents/CONTOSO-1", "<div class=\"prose\" lang=\"\">"),
        ("/deliveries", "lang=\"\">Trouble at contoso</a></h2>"),
        ("/why", "lang=\"\">Trouble at contoso</a>"),
    ] {
        let page = place.browse(LOCAL, path, &[("cookie", &session)]).await;
        assert!(page.text.contains(of_others), "{path}: {}", page.text);
        assert!(
            page.text.contains("<html lang=\"en\">"),
            "{path}: what we say is English"
        );
    }
}
