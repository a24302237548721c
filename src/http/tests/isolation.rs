//! Every address there is, asked by strangers: not a word of another customer. It walks the table that the router is made
//! of, so a new address is asked, too, or this fails for want of a way to ask it.

use axum::http::{Method, StatusCode};

use super::super::routes::{self, Open, Route};
use super::{B, REMOTE, Two, form_token, settings_of_two};
use crate::customer::CustomerId;

/// What is only fabrikam's.
const WORDS: [&str; 2] = ["fabrikam", B];

/// The address of something of fabrikam's.
fn addresses(route: &Route, two: &Two) -> Vec<String> {
    let (event, delivery) = &two.ids[1];
    let contoso = two.place.links.feed(&CustomerId::new("contoso"), 0);
    let forged = contoso.replace("contoso", "fabrikam");
    let id = match route.path {
        path if path.contains("events") => event,
        path if path.contains("deliveries") => delivery,
        path if path.contains("claims") || path.contains("downtimes") => "0f1e2d3c4b5a69788796",
        path if path.contains("set-aside") || path.contains("refused") => "1.0",
        _ => "",
    };
    let feeds = ["atom", "json", "ics"].map(|ending| format!("{forged}.{ending}"));
    let feeds: Vec<String> = match route.path.contains("{feed}") {
        true => feeds.into(),
        false => vec![String::new()],
    };
    let filled = feeds.into_iter().map(|feed| {
        let path = route.path.replace("{id}", id).replace("{tracking_id}", "FABRIKAM-1");
        let path = path
            .replace("{customer}", "fabrikam")
            .replace("{receiver}", "fabrikam-ops");
        let path = path.replace("{feed}", &feed);
        assert!(!path.contains('{'), "say how to ask {path}");
        path
    });
    filled.collect()
}

fn says_nothing(what: &str, answer: &super::Answer) {
    // the way back through the form is the address that was asked for, whatever there is
    let way_back = answer
        .text
        .split_once("sign-in?to=")
        .and_then(|(_, rest)| rest.split_once('"'));
    let text = way_back.map_or_else(|| answer.text.clone(), |(way, _)| answer.text.replace(way, ""));
    let text = format!("{:?} {text}", answer.headers).to_lowercase();
    for word in WORDS {
        assert!(!text.contains(&word.to_lowercase()), "{what} says {word}: {text}");
    }
}

#[tokio::test]
async fn no_address_says_a_word_of_another_customer() {
    let settings = super::Settings {
        public_url: Some("https://health.example/".parse().expect("a URL")),
        ..settings_of_two()
    };
    let two = Two::open(settings).await;
    let place = &two.place;
    let link = place.links.token(&CustomerId::new("contoso"), "azure", "CONTOSO-1");
    let signed_in = place
        .submit(REMOTE, "/sign-in", &[], &[("token", "contoso-reads")])
        .await;
    let cookie = signed_in
        .header(axum::http::header::SET_COOKIE)
        .split(';')
        .next()
        .expect("a cookie")
        .to_owned();
    let page = place.browse(REMOTE, "/why", &[("cookie", &cookie)]).await;
    let by_cookie = form_token(&page.text).to_owned();
    let bearer = ("authorization", "Bearer contoso-reads");
    let page = place.browse(REMOTE, "/why", &[bearer]).await;
    let by_token = form_token(&page.text).to_owned();
    let mut peers = 0;
    for route in routes::all() {
        for path in addresses(&route, &two) {
            for (whom, query, headers, form) in [
                ("nobody", String::new(), vec![], ""),
                ("contoso's token", String::new(), vec![bearer], &*by_token),
                (
                    "contoso's session",
                    String::new(),
                    vec![("cookie", &*cookie)],
                    &by_cookie,
                ),
                (
                    "contoso as fabrikam",
                    "?as=fabrikam".to_owned(),
                    vec![bearer],
                    &by_token,
                ),
                ("contoso's link", format!("?link={link}"), vec![], ""),
            ] {
                // wrong tokens and links are counted by address
                peers += 1;
                let peer = format!("198.51.{}.{}:1", peers / 250, peers % 250 + 1);
                let asked = format!("{path}{query}");
                let answer = match route.method == Method::POST {
                    true => {
                        let id = two.ids[1].0.as_str();
                        let fields = [("form", form), ("event", id), ("text", "{}")];
                        place.submit(&peer, &asked, &headers, &fields).await
                    }
                    false => place.browse(&peer, &asked, &headers).await,
                };
                let what = format!("{} {asked} for {whom}", route.method);
                says_nothing(&what, &answer);
                let is_anybody = route.open == Open::Everybody;
                let is_stranger = whom == "nobody" || whom == "contoso's link";
                if is_stranger && !is_anybody {
                    let expected = match route.open {
                        Open::Feeds => StatusCode::NOT_FOUND,
                        _ => StatusCode::UNAUTHORIZED,
                    };
                    assert_eq!(answer.status, expected, "{what}: {}", answer.text);
                }
                if route.path.contains('{') && !is_stranger && route.open != Open::Intake {
                    let is_closed = matches!(answer.status.as_u16(), 400 | 401 | 403 | 404);
                    assert!(is_closed, "{what}: {} {}", answer.status, answer.text);
                    let is_about_one = matches!(route.open, Open::Readers | Open::Links | Open::Feeds);
                    assert!(
                        !is_about_one || answer.status != StatusCode::FORBIDDEN,
                        "{what}: {}",
                        answer.text
                    );
                }
            }
        }
    }
    assert!(peers > 150, "all addresses were asked: {peers}");
    // and what contoso's own link and feed open is contoso's alone
    let own = place
        .browse(REMOTE, &format!("/incidents/CONTOSO-1?link={link}"), &[])
        .await;
    assert!(
        own.status == StatusCode::OK && own.text.contains("Words of contoso"),
        "{}",
        own.text
    );
    says_nothing("the link", &own);
    let feed = place.links.feed(&CustomerId::new("contoso"), 0);
    for ending in ["atom", "json", "ics"] {
        let own = place.browse(REMOTE, &format!("/feeds/{feed}.{ending}"), &[]).await;
        assert_eq!(own.status, StatusCode::OK, "{}", own.text);
        says_nothing(ending, &own);
    }
}
