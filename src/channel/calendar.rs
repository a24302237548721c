//! Calendar invitations: one iTIP REQUEST (RFC 5546 §3.2.2) with one VEVENT for one session of a retrospective.
//!
//! Every value passes through [`Safe`], which cannot hold a line end or a control, because the calendar writer below
//! escapes neither parameters nor URIs. Pure: UID and SEQUENCE come from what it is, DTSTAMP from the delivery.

pub mod published;

use icalendar::{Calendar, Component, Event as Entry, Property};

use super::EmailAddress;
use super::sender::Sender;
use super::text::{cut, line, plain};
use super::words::Words;
use crate::clock::Time;
use crate::event::Session;
use crate::incident::IncidentId;
use crate::message::Message;
use crate::notification::{Form, hash};

/// The invitation that `message` asks for, in lines of at most 75 octets that end in CRLF; `None` when the message is
/// no invitation, or its session does not exist.
pub fn request(message: &Message, to: &EmailAddress, from: &Sender) -> Option<String> {
    let Form::Invitation {
        session: nth,
        sequence,
        number,
    } = message.content.form
    else {
        return None;
    };
    let session = message
        .event
        .sessions
        .get(nth)
        .filter(|session| session.start < session.end)?;
    let mut entry = Entry::new();
    for property in properties(message, session, to, from) {
        entry.append_property(property);
    }
    entry.append_property(property("UID", Safe::line(&uid(message, number.unwrap_or(nth)))));
    entry.append_property(property("SEQUENCE", Safe::line(&sequence.to_string())));
    Some(fold(&calendar(entry)))
}

/// The same for every mail about one session of one incident to one customer, whatever changes: it hangs on the number
/// that is the session's own.
pub fn uid(message: &Message, number: usize) -> String {
    let incident = IncidentId::of(&message.event);
    let customer = message.content.customer.as_str();
    format!(
        "{}@bellwether",
        hash(&[
            "session",
            customer,
            incident.provider.word(),
            &incident.tracking_id,
            &number.to_string()
        ])
    )
}

fn calendar(entry: Entry) -> String {
    let mut calendar = Calendar::empty();
    for (key, value) in [
        ("VERSION", "2.0"),
        ("PRODID", "-//Bellwether//Bellwether//EN"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "REQUEST"),
    ] {
        calendar.append_property(Property::new(key, value));
    }
    calendar.push(entry);
    calendar.to_string()
}

fn properties(message: &Message, session: &Session, to: &EmailAddress, from: &Sender) -> Vec<Property> {
    let words = Words::of(message);
    let link = message
        .event
        .link
        .as_ref()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let place = link.map_or_else(|| "Livestream".to_owned(), |url| url.as_str().to_owned());
    let mut properties = vec![
        property("DTSTAMP", Safe::time(message.created)),
        property("DTSTART", Safe::time(session.start)),
        property("DTEND", Safe::time(session.end)),
        property("SUMMARY", Safe::line(&summary(message, &words))),
        property("DESCRIPTION", Safe::text(&description(&words))),
        property("LOCATION", Safe::line(&place)),
        property("STATUS", Safe::line("CONFIRMED")),
        property("TRANSP", Safe::line("OPAQUE")),
        organizer(from),
        attendee(to),
    ];
    properties.extend(link.map(|url| property("URL", Safe::uri(url))));
    properties
}

/// The title, and the tracking id by which one finds the rest, if it is not in the title.
fn summary(message: &Message, words: &Words) -> String {
    let id = line(&message.event.tracking_id, 64);
    match words.title.contains(&id) {
        true => words.title.clone(),
        false => format!("{} ({id})", words.title),
    }
}

fn organizer(from: &Sender) -> Property {
    let mut organizer = property("ORGANIZER", Safe::mailto(from.address()));
    organizer.add_parameter("CN", &Safe::parameter(from.name()).0);
    organizer
}

/// Nobody reads replies, so none is asked for; the address is the envelope's, or clients show no buttons.
fn attendee(to: &EmailAddress) -> Property {
    let mut attendee = property("ATTENDEE", Safe::mailto(to));
    for (key, value) in [
        ("CUTYPE", "INDIVIDUAL"),
        ("ROLE", "REQ-PARTICIPANT"),
        ("PARTSTAT", "NEEDS-ACTION"),
        ("RSVP", "FALSE"),
    ] {
        attendee.add_parameter(key, value);
    }
    attendee.add_parameter("CN", &Safe::parameter(to.as_str()).0);
    attendee
}

fn description(words: &Words) -> String {
    let links = words
        .links
        .iter()
        .map(|link| format!("{}: {}", link.label, link.url))
        .collect::<Vec<_>>()
        .join("\n");
    let text = cut(&words.text, 2_000).0;
    [words.lead.as_str(), &links, &text, &words.reason]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// A value without line ends and controls, so that it can't begin another property or parameter.
struct Safe(String);

impl Safe {
    /// One line of TEXT; the writer escapes `\`, `;` and `,`.
    fn line(text: &str) -> Self {
        Self(line(text, 2_000))
    }

    /// TEXT of several lines, whose `\n` the writer escapes: only for properties of that type.
    fn text(text: &str) -> Self {
        Self(plain(text))
    }

    /// A moment in UTC (RFC 5545 §3.3.5, form 2).
    fn time(at: Time) -> Self {
        Self(at.format("%Y%m%dT%H%M%SZ").to_string())
    }

    /// A URI: what the URL type serialises is ASCII without blanks and controls.
    fn uri(url: &url::Url) -> Self {
        Self(line(url.as_str(), 2_000))
    }

    /// A `mailto:` URI.
    fn mailto(address: &EmailAddress) -> Self {
        Self(mailto(address))
    }

    /// A parameter value: without quotes too, which cannot be written in one (RFC 5545 §3.2).
    fn parameter(text: &str) -> Self {
        Self(line(&text.replace('"', "'"), 200))
    }
}

/// A `mailto:` URI (RFC 6068 §2): what is not plain in an address is percent-encoded.
pub(super) fn mailto(address: &EmailAddress) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"@.!$'*+-_~".contains(&b);
    let encoded = address.as_str().bytes().map(|b| {
        if plain(b) {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    });
    format!("mailto:{}", encoded.collect::<String>())
}

fn property(key: &'static str, value: Safe) -> Property {
    Property::new(key, value.0)
}

/// Folds again at 75 octets including the leading blank (RFC 5545 §3.1): the writer's later lines have 76.
fn fold(calendar: &str) -> String {
    let mut folded = String::with_capacity(calendar.len() + calendar.len() / 30);
    for line in calendar.replace("\r\n ", "").split_terminator("\r\n") {
        let mut octets = 0;
        for c in line.chars() {
            if octets + c.len_utf8() > 75 {
                folded.push_str("\r\n ");
                octets = 1;
            }
            folded.push(c);
            octets += c.len_utf8();
        }
        folded.push_str("\r\n");
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::sample;

    fn lines(calendar: &str) -> Vec<String> {
        calendar
            .replace("\r\n ", "")
            .split_terminator("\r\n")
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_invitation_is_what_the_snapshot_says() {
        let calendar = request(&sample::invitation(0, 0), &sample::ada(), &sample::sender()).expect("an invitation");
        insta::assert_snapshot!(calendar.replace("\r\n", "\n"));
    }

    #[test]
    fn a_changed_session_keeps_its_uid_and_the_other_session_has_another() {
        let of =
            |message: &Message| lines(&request(message, &sample::ada(), &sample::sender()).expect("an invitation"));
        let line = |lines: &[String], key: &str| lines.iter().find(|line| line.starts_with(key)).cloned();
        let (first, moved, second) = (
            of(&sample::invitation(0, 0)),
            of(&sample::invitation(0, 1)),
            of(&sample::invitation(1, 0)),
        );
        assert_eq!(line(&first, "UID:"), line(&moved, "UID:"));
        assert_ne!(line(&first, "UID:"), line(&second, "UID:"));
        assert_eq!(line(&moved, "SEQUENCE:").as_deref(), Some("SEQUENCE:1"));
        assert_ne!(line(&first, "DTSTART:"), line(&second, "DTSTART:"));
    }

    #[test]
    fn a_session_that_stands_elsewhere_in_the_text_keeps_its_uid() {
        let uid = |message: &Message| {
            let calendar = request(message, &sample::ada(), &sample::sender()).expect("an invitation");
            lines(&calendar).into_iter().find(|line| line.starts_with("UID:"))
        };
        let first = sample::invitation(0, 0);
        let mut now_second = sample::invitation(1, 1);
        now_second.content.form = Form::invitation(1, 1, 0);
        assert_eq!(uid(&first), uid(&now_second));
        assert_ne!(uid(&sample::invitation(1, 1)), uid(&now_second));
    }

    #[test]
    fn the_summary_names_the_tracking_id_once() {
        let summary = |title: &str| {
            let mut message = sample::invitation(0, 0);
            std::sync::Arc::make_mut(&mut message.event).title = title.into();
            let calendar = request(&message, &sample::ada(), &sample::sender()).expect("an invitation");
            lines(&calendar).into_iter().find(|line| line.starts_with("SUMMARY:"))
        };
        assert_eq!(
            summary("Azure Incident Retrospective – App Service").as_deref(),
            Some("SUMMARY:Azure Incident Retrospective – App Service (0NIH-U2O)")
        );
        assert_eq!(
            summary("Azure Incident Retrospective 0NIH-U2O").as_deref(),
            Some("SUMMARY:Azure Incident Retrospective 0NIH-U2O")
        );
    }

    #[test]
    fn hostile_text_adds_no_line_property_or_parameter() {
        let usual =
            lines(&request(&sample::invitation(0, 0), &sample::ada(), &sample::sender()).expect("an invitation"));
        let keys = |lines: &[String]| {
            lines
                .iter()
                .map(|line| line.split([':', ';']).next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        for message in sample::hostile() {
            let message = sample::as_invitation(message);
            let calendar = request(&message, &sample::ada(), &sample::sender()).expect("an invitation");
            assert_eq!(keys(&lines(&calendar)), keys(&usual));
            assert!(!calendar.replace("\r\n", "").contains(['\r', '\n', '\0']));
            assert!(calendar.split("\r\n").all(|line| line.len() <= 75));
            assert_eq!(Some(calendar), request(&message, &sample::ada(), &sample::sender()));
        }
    }

    #[test]
    fn odd_addresses_stay_inside_their_uri() {
        for address in [
            "o'brien+x@contoso.example",
            "é@contoso.example",
            "a;b:c,d?e&f=g@contoso.example",
            "\"a;b\"@contoso.example",
        ] {
            let Ok(address) = EmailAddress::read(address) else {
                continue;
            };
            let uri = Safe::mailto(&address).0;
            assert!(uri.is_ascii() && !uri.contains([';', ',', '"', '?', '&', ' ']), "{uri}");
        }
    }

    #[test]
    fn a_session_that_does_not_exist_is_no_invitation() {
        assert_eq!(
            request(&sample::invitation(7, 0), &sample::ada(), &sample::sender()),
            None
        );
        assert_eq!(request(&sample::update(), &sample::ada(), &sample::sender()), None);
    }
}
