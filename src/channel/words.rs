//! What we say, in the same words whatever the medium: plain text, neither escaped nor cut to a medium's limits.
//!
//! Written for somebody who is woken by it: what happened, what of mine it affects, since when, what comes next,
//! where to read on. What we add of our own gives way to what the provider's text says itself. Pure: everything is in the
//! frozen message.

mod facts;
mod lead;
mod said;
mod title;
mod tone;

pub use facts::Fact;
use facts::{moment, some_of};
pub use said::next_update;
pub use tone::Tone;

use super::text::{digest, line, plain};
use crate::customer::ORGANISATION;
use crate::event::{Event, Kind, Provider};
use crate::message::{FrozenContent, Message};

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The subject: `[Mitigated] App Service – Erroneous 404 failures (0NIH-U2O)`. Its part behind the bracket stays
    /// the same while the provider's title only changes its state, so that clients that thread by subject do.
    pub subject: String,
    /// What stands in the subject's bracket: `Mitigated`, `Active, also affected`.
    pub label: String,
    /// How it stands, for a colour beside the label.
    pub tone: Tone,
    /// The provider's title, one line.
    pub title: String,
    /// What this is, in one or two sentences.
    pub lead: String,
    /// What is affected, whose, since when: in the order in which one asks.
    pub facts: Vec<Fact>,
    /// What happens now, if that is known and the provider's text does not say it.
    pub next: Option<String>,
    /// What could not be told in time and is therefore listed here, oldest first.
    pub earlier: Vec<String>,
    /// Where to read on.
    pub links: Vec<Link>,
    /// The provider's whole text.
    pub text: String,
    /// The text for media with little room: of a review its headings and first paragraphs, and `[…]` for the rest.
    pub digest: String,
    /// Why it was sent, to whom, and whom to ask for a change.
    pub reason: String,
}

/// A link with its words; the URL is `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What one finds there.
    pub label: &'static str,
    /// The URL, ASCII.
    pub url: String,
}

/// The heading above [`Words::earlier`].
pub const EARLIER: &str = "Earlier, while you could not be reached:";

/// The built-in receiver that is told about a customer's rule files: its contact.
pub const CONTACT: &str = "(contact)";

/// So many rules are all named; of more, one fewer and how many others there are.
const RULES_NAMED: usize = 4;

const OWN_PAGE: &str = "The whole story";
const AZURE_PORTAL: &str = "Azure portal";
const PROVIDERS_PAGE: &str = "Provider's page";

impl Words {
    /// The words for `message`.
    pub fn of(message: &Message) -> Self {
        let (content, event) = (&message.content, &message.event);
        let text = plain(&event.text);
        Self {
            subject: title::subject(content, event),
            label: match event.test {
                true => format!("Test: {}", title::label(content, event)),
                false => title::label(content, event),
            },
            tone: Tone::of(event),
            title: title::title(event),
            lead: lead::lead(content, event),
            facts: facts::of(content, event),
            next: lead::next(event),
            earlier: earlier(content),
            links: links(content, event),
            digest: if event.kind.is_review() {
                digest(&text)
            } else {
                text.clone()
            },
            text,
            reason: reason(content),
        }
    }

    /// What stands where a medium had to cut the text, before the link to [`Words::whole_text`].
    pub fn cut_here(&self) -> &'static str {
        match self.whole_text() {
            Some(_) => "Cut here; the whole text:",
            None => "Cut here; the whole text is in the provider's portal.",
        }
    }

    /// What stands below a [digest](Words::digest), before the link to [`Words::whole_text`].
    pub fn shortened(&self) -> &'static str {
        match self.whole_text() {
            Some(_) => "Shortened where […] stands; the whole text:",
            None => "Shortened where […] stands; the whole text is in the provider's portal.",
        }
    }

    /// Where the whole text is: our page, or the provider's.
    pub fn whole_text(&self) -> Option<&Link> {
        let labelled = |label: &str| self.links.iter().find(|link| link.label == label);
        labelled(OWN_PAGE)
            .or_else(|| labelled(AZURE_PORTAL))
            .or_else(|| labelled(PROVIDERS_PAGE))
            .or_else(|| self.links.first())
    }
}

/// The name of an event's provider as one says it.
pub fn provider(event: &Event) -> String {
    name_of(event.provider, event.source.as_deref())
}

/// A provider's name as one says it; one that stands for many is called by its source.
fn name_of(provider: Provider, source: Option<&str>) -> String {
    match provider {
        Provider::Azure => "Azure".into(),
        Provider::Aws => "AWS".into(),
        Provider::Google => "Google Cloud".into(),
        Provider::Statuspage => source
            .map(|source| line(source, 80))
            .filter(|source| !source.is_empty())
            .unwrap_or_else(|| "Statuspage".into()),
        Provider::Own => "The service team".into(),
        Provider::Bellwether => "Bellwether".into(),
    }
}

fn earlier(content: &FrozenContent) -> Vec<String> {
    let lines = content
        .carries
        .iter()
        .map(|one| format!("{} — {}", moment(one.published, content.zone), line(&one.title, 200)));
    some_of(lines.collect())
}

fn links(content: &FrozenContent, event: &Event) -> Vec<Link> {
    let own = match event.kind {
        Kind::Retrospective => "Register",
        Kind::Recording => "Watch the recording",
        kind if kind.is_reminder() => match event.reminder.as_ref().map(|reminder| reminder.of) {
            Some(Provider::Azure) => AZURE_PORTAL,
            _ => PROVIDERS_PAGE,
        },
        _ => "More from the provider",
    };
    let portal = if event.provider == Provider::Azure {
        AZURE_PORTAL
    } else {
        PROVIDERS_PAGE
    };
    let all = [
        (OWN_PAGE, &content.links.incident),
        (own, &event.link),
        (portal, &content.links.portal),
    ];
    let sound = all.into_iter().filter_map(|(label, url)| Some((label, url.as_ref()?)));
    let web = sound.filter(|(_, url)| matches!(url.scheme(), "http" | "https") && url.as_str().len() <= 2000);
    web.map(|(label, url)| Link {
        label,
        url: url.as_str().to_owned(),
    })
    .collect()
}

fn reason(content: &FrozenContent) -> String {
    // where there are no customers in the settings, the name is one of ours
    let of_customer = match content.customer.as_str() {
        ORGANISATION => String::new(),
        customer => format!(" of {}", line(customer, 64)),
    };
    if content.receiver == CONTACT {
        return match of_customer.is_empty() {
            true => "You get this because you are the contact.".to_owned(),
            false => format!("You get this because you are the contact{of_customer}."),
        };
    }
    let receiver = line(&content.receiver, 80);
    let why = match rules(&content.rules) {
        None => format!("You get this as “{receiver}”{of_customer}."),
        Some((rules, tell)) => format!("You get this because {rules}{of_customer} {tell} “{receiver}”."),
    };
    match content.contact.as_deref() {
        Some(contact) => format!("{why} To change what you get, ask {}.", line(contact, 254)),
        None => why,
    }
}

/// The rules that asked, and the verb that goes with them.
fn rules(names: &[String]) -> Option<(String, &'static str)> {
    let quoted: Vec<String> = names.iter().map(|name| format!("“{}”", line(name, 120))).collect();
    let shown = if names.len() > RULES_NAMED {
        RULES_NAMED - 1
    } else {
        names.len()
    };
    let others = names.len() - shown;
    let rules = match &quoted[..shown] {
        [] => return None,
        [only] => return Some((format!("the rule {only}"), "tells")),
        all if others > 0 => format!("the rules {} and {others} others", all.join(", ")),
        [all @ .., last] => format!("the rules {} and {last}", all.join(", ")),
    };
    Some((rules, "tell"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;
    use crate::clock::Time;
    use crate::customer::CustomerId;
    use crate::event::{Awaited, EventType, Reminder, Stage};

    fn at(text: &str) -> Time {
        text.parse().expect("a time")
    }

    #[test]
    fn an_addendum_says_whom_it_adds() {
        let mut message = sample::update();
        message.content.part = 1;
        let words = Words::of(&message);
        assert!(
            words.subject.starts_with("[Active, also affected] App Service"),
            "{}",
            words.subject
        );
        assert!(
            words
                .lead
                .contains("Also affected: production (11111111-aaaa-4bbb-8ccc-111111111111), 2222"),
            "{}",
            words.lead
        );
        assert!(words.lead.ends_with("You were told of this before."), "{}", words.lead);
    }

    #[test]
    fn an_issue_that_goes_on_has_no_end_whatever_its_metadata_holds() {
        let mut message = sample::update();
        std::sync::Arc::make_mut(&mut message.event).impact_end = Some(at("2026-11-24T13:00:00Z"));
        let has_end = |message: &Message| Words::of(message).facts.iter().any(|fact| fact.label == "Mitigated");
        assert!(!has_end(&message));
        std::sync::Arc::make_mut(&mut message.event).kind = Kind::Mitigation;
        assert!(has_end(&message));
    }

    #[test]
    fn every_kind_type_and_stage_has_its_words() {
        let mut message = sample::update();
        for (kind, event_type) in Kind::ALL
            .iter()
            .flat_map(|kind| EventType::ALL.iter().map(move |other| (*kind, *other)))
        {
            for stage in Stage::ALL {
                let event = std::sync::Arc::make_mut(&mut message.event);
                (event.kind, event.event_type, event.stage) = (kind, event_type, *stage);
                let words = Words::of(&message);
                assert!(words.lead.ends_with('.') && words.subject.starts_with('['), "{words:?}");
                assert_eq!(kind.is_own(), !words.subject.contains("0NIH-U2O"));
            }
        }
    }

    #[test]
    fn a_test_says_so_first() {
        let mut message = sample::update();
        std::sync::Arc::make_mut(&mut message.event).test = true;
        let words = Words::of(&message);
        assert!(words.subject.starts_with("[Test] ") && words.lead.starts_with("This is a test."));
        assert_eq!(words.label, "Test: Active");
    }

    #[test]
    fn many_subscriptions_are_counted_not_listed() {
        let words = Words::of(&sample::with_subscriptions(500));
        let fact = words
            .facts
            .iter()
            .find(|fact| fact.label == "Subscriptions")
            .expect("the subscriptions");
        assert_eq!(
            (fact.values.len(), fact.values.last().map(String::as_str)),
            (13, Some("and 488 more"))
        );
    }

    #[test]
    fn a_link_that_is_not_of_the_web_is_left_out() {
        let mut message = sample::update();
        std::sync::Arc::make_mut(&mut message.event).link = url::Url::parse("javascript:alert(1)").ok();
        assert_eq!(Words::of(&message).links.len(), 2);
    }

    #[test]
    fn a_message_that_no_rule_asked_for_says_to_whom_it_went() {
        let mut message = sample::update();
        message.content.rules.clear();
        message.content.contact = None;
        assert_eq!(Words::of(&message).reason, "You get this as “platform” of contoso.");
        message.content.customer = CustomerId::new(ORGANISATION);
        assert_eq!(Words::of(&message).reason, "You get this as “platform”.");
        message.content.receiver = CONTACT.to_owned();
        assert_eq!(Words::of(&message).reason, "You get this because you are the contact.");
    }

    #[test]
    fn every_rule_that_asked_is_named_and_whom_to_ask_for_a_change() {
        let reason = |rules: &[&str]| {
            let mut message = sample::update();
            message.content.rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
            Words::of(&message).reason
        };
        for (rules, expected) in [
            (
                &["A"][..],
                "You get this because the rule “A” of contoso tells “platform”.",
            ),
            (
                &["A", "B"][..],
                "You get this because the rules “A” and “B” of contoso tell “platform”.",
            ),
            (
                &["A", "B", "C", "D"][..],
                "You get this because the rules “A”, “B”, “C” and “D” of contoso tell “platform”.",
            ),
            (
                &["A", "B", "C", "D", "E"][..],
                "You get this because the rules “A”, “B”, “C” and 2 others of contoso tell “platform”.",
            ),
        ] {
            let expected = format!("{expected} To change what you get, ask cloud@contoso.example.");
            assert_eq!(reason(rules), expected);
        }
    }

    #[test]
    fn a_contact_is_told_that_it_is_one() {
        let mut message = sample::update();
        message.content.receiver = CONTACT.into();
        assert_eq!(
            Words::of(&message).reason,
            "You get this because you are the contact of contoso."
        );
    }

    #[test]
    fn a_reminder_says_what_is_owed_since_when_due_when_and_how_late_where_the_reader_is() {
        let mut message = sample::update();
        message.content.zone = chrono_tz::Europe::Berlin;
        let event = std::sync::Arc::make_mut(&mut message.event);
        (event.kind, event.stage, event.provider) = (Kind::ReviewOverdue, Stage::Unknown, Provider::Bellwether);
        event.title = "0NIH-U2O: the preliminary post incident review (PIR) is overdue – App Service".into();
        event.published = at("2026-10-28T01:00:00Z");
        event.link = url::Url::parse("https://app.azure.com/h/0NIH-U2O/111111").ok();
        event.reminder = Some(Box::new(Reminder {
            of: Provider::Azure,
            title: "App Service".into(),
            awaited: Awaited::PreliminaryReview,
            since: Some(at("2026-10-24T22:30:00Z")),
            due: at("2026-10-27T22:30:00Z"),
            repairs: Vec::new(),
        }));
        let words = Words::of(&message);
        assert_eq!(
            words.lead,
            "Azure owes you the preliminary post incident review (PIR) of this incident: it was due by 27 Oct 2026, 23:30 CET \
             (22:30 UTC) and has not come."
        );
        let fact = |label: &str| {
            let fact = words.facts.iter().find(|fact| fact.label == label);
            fact.map(|fact| fact.values.join("; ")).unwrap_or_default()
        };
        assert_eq!(fact("Mitigated"), "25 Oct 2026, 00:30 CEST (24 Oct, 22:30 UTC)");
        assert_eq!(fact("Due"), "27 Oct 2026, 23:30 CET (22:30 UTC)");
        assert_eq!(
            (fact("Late"), fact("Tracking ID")),
            ("2 h 30 min".to_owned(), "0NIH-U2O".to_owned())
        );
        assert!(fact("Subscriptions").contains("11111111-aaaa-4bbb-8ccc-111111111111"));
        assert!(
            words.subject.starts_with("[Review overdue] 0NIH-U2O: "),
            "{}",
            words.subject
        );
        assert!(words.links.iter().any(|link| link.label == AZURE_PORTAL));
    }

    #[test]
    fn what_of_a_notice_was_not_understood_is_said() {
        let mut message = sample::update();
        assert!(
            Words::of(&message)
                .facts
                .iter()
                .all(|fact| fact.label != "Not understood")
        );
        let body =
            include_str!("../../tests/fixtures/samples/azure/azure-webhook-legacy-servicehealth-incident-active.json");
        let body = body.replace("\"stage\": \"Active\"", "\"stage\": \"Sidelined\"");
        let events = crate::event::read(body.as_bytes(), None, crate::event::Arrival::Live)
            .expect("an event")
            .events;
        message.event = events[0].clone().into();
        let words = Words::of(&message);
        let fact = words.facts.last().expect("a fact");
        assert_eq!(fact.label, "Not understood");
        assert!(
            fact.values[0].starts_with("`stage`: `Sidelined` is a word that this version does not know"),
            "{fact:?}"
        );
    }

    #[test]
    fn a_promised_update_is_a_fact_with_its_time() {
        let words = Words::of(&sample::update());
        let fact = words.facts.iter().find(|fact| fact.label == "Next update");
        assert_eq!(
            fact.map(|fact| fact.values.clone()),
            Some(vec!["by 24 Nov 2026, 16:08 CET (15:08 UTC)".to_owned()])
        );
    }

    #[test]
    fn the_subject_of_an_invitation_says_when_where_the_reader_is() {
        assert_eq!(
            Words::of(&sample::invitation(0, 0)).subject,
            "[Invitation, Thu 10 Dec 2026, 16:00 CET] App Service – Southeast Asia (0NIH-U2O)"
        );
        let mut message = sample::invitation(1, 0);
        message.content.zone = chrono_tz::America::Sao_Paulo;
        assert_eq!(
            Words::of(&message).subject,
            "[Invitation, Thu 10 Dec 2026, 22:00 UTC-03] App Service – Southeast Asia (0NIH-U2O)"
        );
        message.content.zone = chrono_tz::UTC;
        assert!(
            Words::of(&message)
                .subject
                .starts_with("[Invitation, Fri 11 Dec 2026, 01:00 UTC] ")
        );
    }

    #[test]
    fn the_whole_text_is_on_our_page_or_in_the_portal() {
        let mut message = sample::update();
        std::sync::Arc::make_mut(&mut message.event).link = url::Url::parse("https://aka.ms/other").ok();
        let whole = |message: &Message| Words::of(message).whole_text().map(|link| link.url.clone());
        assert!(whole(&message).is_some_and(|url| url.contains("/incidents/0NIH-U2O")));
        message.content.links.incident = None;
        assert_eq!(
            whole(&message).as_deref(),
            Some("https://app.azure.com/h/0NIH-U2O/111111")
        );
        message.content.links.portal = None;
        assert_eq!(whole(&message).as_deref(), Some("https://aka.ms/other"));
    }
}
