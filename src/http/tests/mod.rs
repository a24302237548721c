//! Conversations at the doors, over a real ledger in a temporary folder; nothing is sent from here.

mod access;
mod answers;
mod explain;
mod counted;
mod feeds;
mod intake;
mod isolation;
mod pages;
mod refused;
mod signed_in;
mod sockets;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::caller::Peer;
use super::*;
use crate::channel::Outcome;
use crate::clock::ByHand;
use crate::customer::{Customer, CustomerId, Customers};
use crate::delivery::Attempt;
use crate::ledger::{self, open};
use crate::record::{BrokenFile, Input, SealedFile};
use crate::rule::RuleSet;
use crate::rule::check::{Deciding, Source, check};
use crate::schedule::Cron;
use crate::secret::Sealer;

const A: &str = "11111111-aaaa-4bbb-8ccc-111111111111";
const B: &str = "22222222-bbbb-4ccc-8ddd-222222222222";
const LOCAL: &str = "127.0.0.1:5000";
const REMOTE: &str = "192.0.2.7:5000";

const RULES: &str = "receivers: { ops: [{ email: ops@contoso.example }] }\n\
    rules:\n  - { name: Everything, when: {}, notify: ops }\n  - { name: Billing only, when: { event type: Billing }, notify: ops }\n";

/// The doors, and what is behind them.
struct Place {
    router: Router,
    ledger: Ledger,
    links: LinkKey,
    clock: ByHand,
    _dir: tempfile::TempDir,
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

fn tokens() -> Tokens {
    Tokens {
        intake: vec![Secret::new("may-post")],
        read: vec![Secret::new("may-read")],
        operate: vec![Secret::new("may-operate")],
        customers: Vec::new(),
    }
}

/// Two customers with an account each.
fn two_customers() -> Customers {
    let customer = |account: &str| Customer {
        accounts: BTreeSet::from([account.to_owned()]),
        ..Customer::default()
    };
    let known = [("contoso", A), ("fabrikam", B)].map(|(name, account)| (CustomerId::new(name), customer(account)));
    Customers {
        by_name: Some(BTreeMap::from(known)),
        contact: None,
    }
}

impl Place {
    fn open(settings: Settings) -> Self {
        let (doors, mut place) = Self::with_doors(settings);
        place.router = router(doors);
        place
    }

    /// What stands behind doors that nobody opens.
    fn app_state(settings: Settings) -> (AppState, Self) {
        let (doors, place) = Self::with_doors(settings);
        (AppState::behind(doors), place)
    }

    /// Doors that nobody has opened yet.
    fn with_doors(settings: Settings) -> (Doors, Self) {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = ByHand::at("2026-11-24T09:00:00Z".parse().expect("a time"));
        let deciding = || Deciding::new(Customers::one_organisation(), None, false).expect("settings");
        let settings_of_ledger = ledger::Settings {
            reviews: Default::default(),
            state: dir.path().to_owned(),
            clock: Clock::ByHand(clock.clone()),
            compile: Arc::new(move |_, _| Ok(RuleSet::new(BTreeMap::new(), &deciding()))),
            public_url: None,
            housekeeping: Cron::read("17 3 * * *").expect("a schedule"),
            keep: ledger::Retention::default(),
            segment_bytes: 1 << 20,
        };
        let ledger = open::start(settings_of_ledger, Box::new(|_| {}))
            .expect("a ledger")
            .ledger;
        let links = LinkKey::of(&Sealer::throwaway());
        let doors = Doors::new(settings, ledger.clone(), links.clone(), Clock::ByHand(clock.clone()));
        let refused =
            crate::refused::Refused::open(&dir.path().join("refused"), Sealer::throwaway()).expect("a folder");
        let doors = doors.keeping(refused);
        let place = Self {
            router: Router::new(),
            ledger,
            links,
            clock,
            _dir: dir,
        };
        (doors, place)
    }

    /// Puts rule files into force.
    async fn rules(&self, files: &[(&str, &str)], customers: Customers) {
        self.rules_with_broken(files, customers, Vec::new()).await;
    }

    /// The same, beside files that are broken.
    async fn rules_with_broken(&self, files: &[(&str, &str)], customers: Customers, broken: Vec<BrokenFile>) {
        let deciding = Deciding::new(customers, None, false).expect("settings");
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        let checked = check(&sources, &Default::default(), &deciding);
        assert!(checked.broken.is_empty(), "{:?}", checked.problems);
        let sealed = checked.set.files.values().map(|file| SealedFile {
            path: file.path.clone(),
            digest: file.digest.clone(),
            sealed: "(sealed)".to_owned(),
        });
        let input = Input::Rules {
            revision: checked.set.revision.clone(),
            files: sealed.collect(),
            texts: Vec::new(),
            removed: Vec::new(),
            settings: None,
            broken,
        };
        self.ledger
            .record(vec![input], Some(Arc::new(checked.set)))
            .await
            .expect("is written");
        self.ledger.idle().await;
    }

    async fn ask(&self, peer: &str, request: Request<Body>) -> Answer {
        let mut request = request;
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(Peer(peer));
        let answer = self.router.clone().oneshot(request).await.expect("infallible");
        read(answer).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(LOCAL, Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    async fn get_page(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, "text/html,*/*");
        self.ask(LOCAL, request.body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(LOCAL, Request::post(path).body(body.into()).expect("a request"))
            .await
    }

    async fn with_token(&self, peer: &str, method: &str, path: &str, token: &str, body: String) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.ask(peer, request.body(Body::from(body)).expect("a request")).await
    }

    /// Posts an event and lets it be told: its delivery is scheduled afterwards.
    async fn told(&self, body: String) -> Answer {
        let answer = self.post("/v1/events", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        self.ledger.idle().await;
        self.clock.advance(chrono::Duration::seconds(11));
        self.ledger.tick();
        self.ledger.idle().await;
        answer
    }

    /// Ends the one scheduled delivery with what a mail server said.
    async fn refuse_delivery(&self, why: &str) -> String {
        let scheduled = self.get("/v1/deliveries?state=scheduled").await.json();
        let id = scheduled["deliveries"][0]["id"]
            .as_str()
            .expect("a delivery")
            .to_owned();
        let now = Clock::ByHand(self.clock.clone()).now();
        self.ledger.tried(Attempt {
            delivery: id.clone(),
            number: 1,
            started: now,
            ended: now,
            outcome: Outcome::Refused { why: why.to_owned() },
            digest: String::new(),
        });
        self.ledger.idle().await;
        id
    }
}

/// Two customers with a token each, beside the operator's.
fn settings_of_two() -> Settings {
    let customers = ["contoso", "fabrikam"].map(|name| (CustomerId::new(name), Secret::new(&format!("{name}-reads"))));
    Settings {
        tokens: Tokens {
            customers: customers.into(),
            ..tokens()
        },
        ..Settings::default()
    }
}

/// Two customers, each with rules, an incident that was told, and a delivery that was refused.
struct Two {
    place: Place,
    /// The event and the delivery of contoso, then of fabrikam.
    ids: Vec<(String, String)>,
}

impl Two {
    async fn open(settings: Settings) -> Self {
        let place = Place::open(settings);
        let rules = |name: &str| {
            format!(
                "receivers: {{ {name}-ops: [{{ email: ops@{name}.example }}] }}\n\
                 rules: [{{ name: Everything of {name}, when: {{}}, notify: {name}-ops, invite: {name}-ops }}]\n"
            )
        };
        let broken = BrokenFile {
            path: "fabrikam/broken.yaml".to_owned(),
            customer: CustomerId::new("fabrikam"),
            digest: "d".to_owned(),
            report: "error: fabrikam/broken.yaml:3:5".to_owned(),
            folder: None,
        };
        let (contoso, fabrikam) = (rules("contoso"), rules("fabrikam"));
        let files = [("contoso/rules.yaml", &*contoso), ("fabrikam/rules.yaml", &*fabrikam)];
        place.rules_with_broken(&files, two_customers(), vec![broken]).await;
        let mut two = Self { place, ids: Vec::new() };
        for (name, account) in [("contoso", A), ("fabrikam", B)] {
            two.tell(name, account).await;
        }
        two
    }

    async fn tell(&mut self, name: &str, account: &str) {
        let text = format!("<p>Words of {name}.</p>");
        let body = alert(
            &format!("{}-1", name.to_uppercase()),
            account,
            &format!("Trouble at {name}"),
            &text,
        );
        let place = &self.place;
        let answer = place
            .with_token(LOCAL, "POST", "/v1/events", "may-post", body)
            .await
            .json();
        place.ledger.idle().await;
        place.clock.advance(chrono::Duration::seconds(11));
        place.ledger.tick();
        place.ledger.idle().await;
        let scheduled = "/v1/deliveries?state=scheduled";
        let scheduled = place
            .with_token(LOCAL, "GET", scheduled, "may-read", String::new())
            .await
            .json();
        let id = scheduled["deliveries"][0]["id"]
            .as_str()
            .expect("a delivery")
            .to_owned();
        let now = Clock::ByHand(place.clock.clone()).now();
        place.ledger.tried(Attempt {
            delivery: id.clone(),
            number: 1,
            started: now,
            ended: now,
            outcome: Outcome::Refused {
                why: format!("550 no such user at {name}"),
            },
            digest: String::new(),
        });
        place.ledger.idle().await;
        self.ids
            .push((answer["ids"][0].as_str().expect("an event").to_owned(), id));
    }
}

impl Place {
    /// A page as a browser asks for it, with what else it sends.
    async fn browse(&self, peer: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).header(header::ACCEPT, "text/html");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(peer, request.body(Body::empty()).expect("a request")).await
    }

    /// A form as a browser sends it.
    async fn submit(&self, peer: &str, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.ask(peer, request.body(Body::from(body.finish())).expect("a request"))
            .await
    }

    /// Signs in on this machine; the cookie to send along.
    async fn sign_in(&self, token: &str) -> String {
        let answer = self.submit(LOCAL, "/sign-in", &[], &[("token", token)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.header(header::SET_COOKIE);
        cookie.split(';').next().expect("a cookie").to_owned()
    }
}

/// What the forms of a page carry.
fn form_token(page: &str) -> &str {
    let behind = page.split_once("name=\"form\" value=\"").expect("a form").1;
    behind.split_once('"').expect("a value").0
}

async fn read(answer: Response<Body>) -> Answer {
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).expect("text"),
    }
}

/// An alert as Azure posts it.
fn alert(tracking_id: &str, account: &str, title: &str, text: &str) -> String {
    let sample =
        include_str!("../../../tests/fixtures/samples/azure/azure-webhook-legacy-servicehealth-incident-active.json");
    let mut body: Value = serde_json::from_str(sample).expect("JSON");
    let log = &mut body["data"]["context"]["activityLog"];
    log["subscriptionId"] = account.into();
    let properties = &mut log["properties"];
    properties["trackingId"] = tracking_id.into();
    for key in ["title", "defaultLanguageTitle"] {
        properties[key] = title.into();
    }
    for key in ["communication", "defaultLanguageContent"] {
        properties[key] = text.into();
    }
    body.to_string()
}
