//! Messages for the tests of all media: usual ones, and hostile text in every field that text can reach.

pub mod any;

use std::sync::Arc;

use super::EmailAddress;
use super::sender::Sender;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{Arrival, Event, EventType, Form as Source, Impact, Kind, Level, Provider, Session, Stage};
use crate::message::{Carried, FrozenContent, Links, Message, Subscription};
use crate::notification::{Channel, Form};

pub fn ada() -> EmailAddress {
    EmailAddress::read("ada@contoso.example").expect("an address")
}

pub fn sender() -> Sender {
    Sender::read("Bellwether <bellwether@contoso.example>").expect("a sender")
}

/// An active service issue that affects two services of the production subscriptions.
pub fn update() -> Message {
    Message {
        id: "dlv_0123456789abcdef0123456789abcdef".into(),
        created: time("2026-11-24T14:10:12Z"),
        content: content(),
        event: event().into(),
    }
}

/// Its final review, after an outage of the receiver.
pub fn review() -> Message {
    let mut message = update();
    message.id = "dlv_fedcba9876543210fedcba9876543210".into();
    message.content.is_reply = true;
    message.content.carries = vec![Carried {
        title: "App Service – Erroneous 404 failures – Mitigated".into(),
        published: time("2026-11-24T16:00:00Z"),
    }];
    let event = Arc::make_mut(&mut message.event);
    (event.kind, event.stage) = (Kind::FinalReview, Stage::Rca);
    event.title = "Post Incident Review (PIR) – App Service – Erroneous 404 failures".into();
    event.impact_end = Some(time("2026-11-24T15:36:00Z"));
    event.published = time("2026-12-05T09:00:00Z");
    event.text = "What happened?\n\nRequests failed between 14:00 and 15:36 UTC.\n\nMore of the same.\n\nHow did we respond?\n\n\
                  - 14:00 UTC – Impact began.\n- 15:36 UTC – Mitigated.\n\nHow are we making incidents like this less likely?\n\n\
                  We test more (Estimated completion: December 2026)."
        .into();
    event.html = "<p><strong>What happened?</strong></p>\n<p>Requests failed between 14:00 and 15:36 UTC.</p>".into();
    message
}

/// The invitation to one of two sessions.
pub fn invitation(session: usize, sequence: u32) -> Message {
    let mut message = as_invitation(update());
    message.content.form = Form::invitation(session, sequence, session);
    Arc::make_mut(&mut message.event).title = "Azure Incident Retrospective – App Service – Southeast Asia".into();
    Arc::make_mut(&mut message.event).text = "You are invited.\n\nRegister; it's free.".into();
    message
}

pub fn as_invitation(mut message: Message) -> Message {
    message.content.form = Form::invitation(0, 0, 0);
    Arc::make_mut(&mut message.event).kind = Kind::Retrospective;
    Arc::make_mut(&mut message.event).sessions = vec![
        Session {
            start: time("2026-12-10T15:00:00Z"),
            end: time("2026-12-10T16:30:00Z"),
        },
        Session {
            start: time("2026-12-11T01:00:00Z"),
            end: time("2026-12-11T02:30:00Z"),
        },
    ];
    Arc::make_mut(&mut message.event).link =
        Some(url::Url::parse("https://aka.ms/AIR/0NIH-U2O/RSVP?a=1&b=2").expect("a URL"));
    message
}

pub fn with_text(text: &str) -> Message {
    let mut message = update();
    Arc::make_mut(&mut message.event).text = text.into();
    Arc::make_mut(&mut message.event).html = format!("<p>{}</p>", text.replace('&', "&amp;").replace('<', "&lt;"));
    message
}

pub fn with_subscriptions(many: usize) -> Message {
    let mut message = update();
    let one = |n: usize| Subscription {
        id: format!("{n:08}-aaaa-4bbb-8ccc-111111111111"),
        groups: vec![],
    };
    message.content.subscriptions = Arc::new((0..many).map(one).collect());
    message
}

/// Every hostile text in every field that is text.
pub fn hostile() -> Vec<Message> {
    HOSTILE
        .iter()
        .map(|text| poisoned(text))
        .chain(line_ends().iter().map(|text| poisoned(text)))
        .collect()
}

fn line_ends() -> Vec<String> {
    let ends = [
        "\r",
        "\n",
        "\r\n",
        "\u{2028}",
        "\u{2029}",
        "\u{85}",
        "\0",
        "\t",
        "\u{b}",
        "\u{c}",
        "\r\n\r\n",
        "\r\n ",
        "\n.\n",
        "\r\n.\r\n",
    ];
    let begun = [
        "Bcc: eve@evil.example",
        "BEGIN:VALARM",
        "ATTENDEE:mailto:eve@evil.example",
        "--bw-1",
        "MAIL FROM:<eve@evil.example>",
    ];
    ends.iter()
        .flat_map(|end| begun.iter().map(move |begun| format!("x{end}{begun}{end}y")))
        .collect()
}

fn poisoned(text: &str) -> Message {
    let mut message = update();
    let event = Arc::make_mut(&mut message.event);
    event.tracking_id = text.into();
    event.title = text.into();
    event.text = text.into();
    event.html = String::new();
    event.source = Some(text.into());
    event.subtype = Some(text.into());
    event.provider = Provider::Statuspage;
    event.link = url::Url::parse("https://evil.example/a|b?c=<d>&e='f'\"").ok();
    event.communication_id = Some(text.into());
    let content = &mut message.content;
    content.customer = CustomerId::new(text);
    content.receiver = text.into();
    content.rules = vec![text.into(), text.into()];
    content.impact = vec![Impact {
        service: text.into(),
        service_id: Some(text.into()),
        region: Some(text.into()),
        accounts: vec![text.into()],
    }]
    .into();
    content.subscriptions = vec![Subscription {
        id: text.into(),
        groups: vec![text.into()],
    }]
    .into();
    content.carries = vec![Carried {
        title: text.into(),
        published: time("2026-11-24T13:00:00Z"),
    }];
    message
}

const HOSTILE: [&str; 32] = [
    "",
    " ",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><iframe src=javascript:alert(1)>",
    "&lt;b&gt;&amp;&#60;",
    "<!channel> <!here> <@U123> <https://evil.example|click>",
    "*bold* _it_ ~strike~ `code` ```block```",
    "[click](https://evil.example) ![x](https://evil.example/x.png)",
    "1. one\n2. two\n- three\n# four\n> five\n---\n| a | b |",
    "{{DATE(2026-01-01T00:00:00Z,SHORT)}} ${x} @{variables('x')}",
    "=?utf-8?B?QmNjOiBldmVAZXZpbC5leGFtcGxl?=",
    "=?utf-8?Q?=0D=0ABcc:_eve@evil.example?=",
    "\u{202e}exe.gpj\u{202c} \u{2066}x\u{2069} \u{200e}\u{200f}\u{61c}",
    "\u{feff}zero\u{200b}width\u{200d}\u{2060}",
    "é ü ß ñ 漢字 한국어 العربية עברית ไทย",
    "👩‍👩‍👧‍👦 🏳️‍🌈 1️⃣ \u{1f600}",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L",
    "\\ ; , : \" ' \\n \\N ^n ^^ ^'",
    "END:VEVENT\\nEND:VCALENDAR",
    "-- \n--\n-----BEGIN",
    ".",
    "..\n.\n.",
    "\u{1b}[31mred\u{1b}[0m \u{7} \u{8}",
    "null undefined true NaN 0 -1 1e309",
    "'; DROP TABLE events; --",
    "../../../../etc/passwd%00",
    "%0d%0aSet-Cookie:x=1 %s%n%x",
    "a=3D=\n=\r\n=20",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界界",
    "active - mitigated – PIR – RCA",
];

fn content() -> FrozenContent {
    FrozenContent {
        customer: CustomerId::new("contoso"),
        receiver: "platform".into(),
        channel: Channel::Email,
        form: Form::Message,
        rules: vec!["Production issues".into(), "Everything in East US".into()],
        part: 0,
        impact: vec![
            affected("App Service", "East US"),
            affected("App Service", "West Europe"),
            affected("Storage", "East US"),
        ]
        .into(),
        subscriptions: vec![
            Subscription {
                id: "11111111-aaaa-4bbb-8ccc-111111111111".into(),
                groups: vec!["production".into()],
            },
            Subscription {
                id: "22222222-aaaa-4bbb-8ccc-222222222222".into(),
                groups: vec![],
            },
        ]
        .into(),
        since: Some(time("2026-11-24T14:00:00Z")),
        zone: chrono_tz::Europe::Berlin,
        links: Links {
            incident: url::Url::parse("https://health.contoso.example/incidents/0NIH-U2O?key=abc&c=1").ok(),
            portal: url::Url::parse("https://app.azure.com/h/0NIH-U2O/111111").ok(),
        },
        contact: Some("cloud@contoso.example".into()),
        is_reply: false,
        carries: vec![],
    }
}

fn event() -> Event {
    Event {
        provider: Provider::Azure,
        source: None,
        tracking_id: "0NIH-U2O".into(),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: Stage::Active,
        kind: Kind::Update,
        level: Some(Level::Warning),
        title: "App Service – Erroneous 404 failures – Applying mitigation".into(),
        html: "<p>Starting at 14:00 UTC, customers may see <strong>404</strong> answers.</p>".into(),
        text: "Starting at 14:00 UTC, customers may see 404 answers.\n\nThe next update comes within 60 minutes."
            .into(),
        impact: vec![affected("App Service", "East US")],
        accounts: vec!["11111111-aaaa-4bbb-8ccc-111111111111".into()],
        impact_start: Some(time("2026-11-24T14:00:00Z")),
        impact_end: None,
        published: time("2026-11-24T14:08:30Z"),
        sessions: vec![],
        link: None,
        properties: Default::default(),
        test: false,
        communication_id: Some("11000001234567".into()),
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Source::AzureCommonAlert,
        text_withheld: false,
        imported: None,
    }
}

fn affected(service: &str, region: &str) -> Impact {
    Impact {
        service: service.into(),
        service_id: None,
        region: Some(region.into()),
        accounts: vec![],
    }
}

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}
