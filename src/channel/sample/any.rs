//! Any message: every text long, and of what takes more room than it seems to.

use std::sync::Arc;

use proptest::prelude::*;

use crate::event::{Impact, Provider};
use crate::message::{Carried, Message, Subscription};

/// Texts that take more room than they seem to.
fn text(most: usize) -> impl Strategy<Value = String> {
    let unit = prop_oneof![
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("\u{1f600}".to_owned()),
        Just("漢".to_owned()),
        Just("What happened?\n\n".to_owned()),
        "[ -~é]{1,20}",
    ];
    (unit, 0..most).prop_map(|(unit, many)| unit.repeat(many))
}

pub fn messages() -> impl Strategy<Value = Message> {
    let texts = prop::array::uniform8(text(400));
    (texts, text(20_000), 0..30_usize, 0..3_u32, any::<bool>()).prop_map(|(texts, long, many, part, is_review)| {
        let mut message = if is_review { super::review() } else { super::update() };
        let [title, service, id, rule, receiver, carried, path, source] = texts;
        let event = Arc::make_mut(&mut message.event);
        (event.title, event.text, event.source) = (title, long, Some(source));
        event.provider = Provider::Statuspage;
        let mut url = url::Url::parse("https://contoso.example/").expect("a URL");
        url.set_query(Some(&path));
        event.link = Some(url.clone());
        let content = &mut message.content;
        content.part = part;
        content.receiver = receiver;
        content.rules = vec![rule; many];
        content.links.incident = Some(url);
        let mut impact = content.impact[0].clone();
        impact.service = service;
        content.impact = Arc::new(
            (0..many)
                .map(|n| Impact {
                    region: Some(n.to_string()),
                    service: format!("{n} {}", impact.service),
                    ..impact.clone()
                })
                .collect(),
        );
        content.subscriptions = Arc::new(
            (0..many)
                .map(|n| Subscription {
                    id: format!("{n} {id}"),
                    groups: vec![id.clone()],
                })
                .collect(),
        );
        let published = message.event.published;
        content.carries = (0..many)
            .map(|n| Carried {
                title: format!("{n} {carried}"),
                published,
            })
            .collect();
        message
    })
}
