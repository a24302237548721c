//! What we say, in the same words whatever the medium: plain text, neither escaped nor cut to a medium's limits.
//!
//! Written for somebody who is woken by it: what happened, what of mine it affects, since when, what comes next,
//! where to read on. Pure: everything is in the frozen message.

mod facts;
mod title;

pub use facts::Fact;
use facts::{moment, named, some_of};

use super::text::{digest, line, plain};
use crate::event::{Event, EventType, Kind, Provider, Stage};
use crate::message::{FrozenContent, Message};

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The subject: `[Mitigated] App Service – Erroneous 404 failures (0NIH-U2O)`. Its part behind the bracket stays
    /// the same while the provider's title only changes its state, so that clients that thread by subject do.
    pub subject: String,
    /// The provider's title, one line.
    pub title: String,
    /// What this is, in one or two sentences.
    pub lead: String,
    /// What is affected, whose, since when: in the order in which one asks.
    pub facts: Vec<Fact>,
    /// What happens now, if that is known.
    pub next: Option<String>,
    /// What could not be told in time and is therefore listed here, oldest first.
    pub earlier: Vec<String>,
    /// Where to read on.
    pub links: Vec<Link>,
    /// The provider's whole text.
    pub text: String,
    /// The text for media with little room: of a review its headings and first paragraphs.
    pub digest: String,
    /// Why it was sent, and to whom.
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

impl Words {
    /// The words for `message`.
    pub fn of(message: &Message) -> Self {
        let (content, event) = (&message.content, &message.event);
        let text = plain(&event.text);
        Self {
            subject: title::subject(content, event),
            title: title::title(event),
            lead: lead(content, event),
            facts: facts::of(content, event),
            next: next(event),
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

    /// Where the whole text is, for a medium that had to cut it.
    pub fn whole(&self) -> String {
        match self.links.first() {
            Some(link) => format!("Cut here; the whole text: {}", link.url),
            None => "Cut here; the whole text is in the provider's portal.".into(),
        }
    }
}

/// The provider's name as one says it.
pub fn provider(event: &Event) -> String {
    match event.provider {
        Provider::Azure => "Azure".into(),
        Provider::Aws => "AWS".into(),
        Provider::Google => "Google Cloud".into(),
        Provider::Statuspage => event
            .source
            .as_deref()
            .map_or("Statuspage".into(), |source| line(source, 80)),
        Provider::Own => "The service team".into(),
        Provider::Bellwether => "Bellwether".into(),
    }
}

fn lead(content: &FrozenContent, event: &Event) -> String {
    let test = if event.test { "This is a test. " } else { "" };
    let says = format!("{test}{}: {}", provider(event), state(event));
    match content.part {
        0 => says,
        _ => format!(
            "{says} Also affected: {}. You were told of this before.",
            named(&content.subscriptions).join(", ")
        ),
    }
}

/// What a communication says, in a sentence.
fn state(event: &Event) -> &'static str {
    match event.kind {
        Kind::Mitigation => "this is mitigated.",
        Kind::PreliminaryReview => "the preliminary post incident review (PIR) is out.",
        Kind::FinalReview => "the post incident review (PIR) is out.",
        Kind::Retraction => "there was no impact; the earlier message was a false alarm.",
        Kind::Retrospective => "you are invited to the livestream about this incident.",
        Kind::Recording => "the recording of the livestream about this incident can be watched.",
        Kind::RulesBroken => "a rule file has problems. Its last good version stays in force.",
        Kind::RulesMended => "the rule file is good again and in force.",
        Kind::JournalLost => "a part of the journal was damaged and is lost.",
        Kind::SetAside => "something could not be decided. It is set aside, and everything else goes on.",
        Kind::ClockJumped => "the machine's clock jumped. For an hour nothing expires and nothing is deleted.",
        Kind::MailRefused => "the mail relay refuses mail because of us. It waits, and is tried again.",
        Kind::ReceiverFailing => "a receiver does not take what it is told.",
        Kind::ReceiverBack => "a receiver that failed takes what it is told again.",
        Kind::NotUnderstood => "something that came in was not understood.",
        Kind::Update => match event.event_type {
            EventType::HealthAdvisory => "a health advisory. There may be something for you to do.",
            EventType::SecurityAdvisory => "a security advisory. There may be something for you to do.",
            EventType::Billing => "news about billing.",
            EventType::Other => "a notice of a sort that this version does not know. Please read what it says.",
            EventType::ServiceIssue => issue(event.stage),
            EventType::PlannedMaintenance => maintenance(event.stage),
        },
    }
}

fn issue(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolved | Stage::Complete => "this service issue is over.",
        Stage::Canceled => "this service issue was called off.",
        Stage::Rca => "news about a service issue that is over.",
        Stage::Unknown => "news about a service issue.",
        _ => "this service issue is going on.",
    }
}

fn maintenance(stage: Stage) -> &'static str {
    match stage {
        Stage::Active | Stage::InProgress => "maintenance has begun.",
        Stage::Resolved | Stage::Complete => "maintenance is done.",
        Stage::Rescheduled => "maintenance was moved to another time.",
        Stage::Canceled => "maintenance was called off.",
        Stage::Planned | Stage::Rca => "maintenance is planned.",
        Stage::Unknown => "news about maintenance.",
    }
}

/// What happens now; only what the provider's own process says, never a promise.
fn next(event: &Event) -> Option<String> {
    let azure_issue = event.provider == Provider::Azure && event.event_type == EventType::ServiceIssue;
    let words = match event.kind {
        Kind::Mitigation if azure_issue => "A post incident review may follow, generally within 14 days.",
        Kind::PreliminaryReview => "The final review generally follows within 14 days of mitigation.",
        Kind::FinalReview if azure_issue => {
            "If a service level was missed, an SLA credit can be claimed within two months of the end of the billing \
             month of the incident."
        }
        Kind::Retraction => "Nothing to do.",
        Kind::Retrospective => "Attending is optional; a recording usually follows.",
        Kind::RulesBroken => "Mend the file; until then nothing changes.",
        _ => return None,
    };
    Some(words.to_owned())
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
        _ => "More from the provider",
    };
    let portal = if event.provider == Provider::Azure {
        "Azure portal"
    } else {
        "Provider's page"
    };
    let all = [
        ("The whole story", &content.links.incident),
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
    let first = content.rules.first().map_or_else(String::new, |rule| line(rule, 120));
    let more = match content.rules.len() {
        0 | 1 => String::new(),
        2 => " and another one".to_owned(),
        many => format!(" and {} others", many - 1),
    };
    let receiver = line(&content.receiver, 80);
    if content.rules.is_empty() {
        return format!(
            "You get this as “{receiver}” of {}.",
            line(content.customer.as_str(), 64)
        );
    }
    format!(
        "You get this because the rule “{first}”{more} of {} tells “{receiver}”.",
        line(content.customer.as_str(), 64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;
    use crate::clock::Time;

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
        assert_eq!(Words::of(&message).reason, "You get this as “platform” of contoso.");
    }
}
