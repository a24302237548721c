//! A calendar that people subscribe to: planned maintenances, published (RFC 5546 §3.2.1) rather than sent as invitations.
//!
//! An entry keeps its UID for as long as its maintenance is known; SEQUENCE grows with each communication of it, so a
//! client replaces what was moved, and strikes out what was canceled.

use icalendar::{Calendar, Component, Event as Entry, Property};

use super::{Safe, fold, property};
use crate::channel::EmailAddress;
use crate::channel::text::cut;
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::incident::IncidentId;
use crate::notification::hash;

/// How often a client may look again.
const REFRESH: &str = "PT1H";

/// The longest description, bytes.
const DESCRIPTION_BYTES_MOST: usize = 2_000;

/// One planned maintenance.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// The same however it changes ([`uid`]).
    pub uid: String,
    /// How often it was told anew.
    pub sequence: usize,
    /// When it was last told of: also when the entry was made, as nothing else changes it.
    pub told: Time,
    /// When it begins.
    pub start: Time,
    /// When it ends, if that is known.
    pub end: Option<Time>,
    /// Whether it will not take place.
    pub is_canceled: bool,
    /// What it is called.
    pub title: String,
    /// What is said of it, newest.
    pub text: String,
    /// Where more of it stands.
    pub link: Option<url::Url>,
}

/// What a maintenance is known by in a customer's calendar.
pub fn uid(customer: &CustomerId, incident: &IncidentId) -> String {
    let parts = [
        "maintenance",
        customer.as_str(),
        incident.provider.word(),
        &incident.tracking_id,
    ];
    format!("{}@bellwether", hash(&parts))
}

/// The calendar, in lines of at most 75 octets that end in CRLF.
pub fn published(name: &str, organizer: Option<&EmailAddress>, all: &[Maintenance]) -> String {
    let mut calendar = Calendar::empty();
    for (key, value) in [
        ("VERSION", "2.0"),
        ("PRODID", "-//Bellwether//Bellwether//EN"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
    ] {
        calendar.append_property(Property::new(key, value));
    }
    calendar.append_property(property("NAME", Safe::line(name)));
    calendar.append_property(property("X-WR-CALNAME", Safe::line(name)));
    let mut refresh = Property::new("REFRESH-INTERVAL", REFRESH);
    refresh.add_parameter("VALUE", "DURATION");
    calendar.append_property(refresh);
    for maintenance in all {
        calendar.push(entry(maintenance, organizer));
    }
    fold(&calendar.to_string())
}

fn entry(of: &Maintenance, organizer: Option<&EmailAddress>) -> Entry {
    let status = if of.is_canceled { "CANCELLED" } else { "CONFIRMED" };
    let mut properties = vec![
        property("UID", Safe::line(&of.uid)),
        property("SEQUENCE", Safe::line(&of.sequence.to_string())),
        property("DTSTAMP", Safe::time(of.told)),
        property("LAST-MODIFIED", Safe::time(of.told)),
        property("DTSTART", Safe::time(of.start)),
        property("SUMMARY", Safe::line(&of.title)),
        property("DESCRIPTION", Safe::text(&cut(&of.text, DESCRIPTION_BYTES_MOST).0)),
        property("STATUS", Safe::line(status)),
        // it takes nobody's time
        property("TRANSP", Safe::line("TRANSPARENT")),
        publisher(organizer),
    ];
    let end = of.end.filter(|end| *end > of.start);
    properties.extend(end.map(|end| property("DTEND", Safe::time(end))));
    properties.extend(of.link.as_ref().map(|url| property("URL", Safe::uri(url))));
    let mut entry = Entry::new();
    for property in properties {
        entry.append_property(property);
    }
    entry
}

/// What is published must have an organizer.
fn publisher(address: Option<&EmailAddress>) -> Property {
    let address = address.map_or_else(|| Safe::line("invalid:nomail"), Safe::mailto);
    let mut organizer = property("ORGANIZER", address);
    organizer.add_parameter("CN", "Bellwether");
    organizer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Provider;

    fn maintenance(start: &str, end: Option<&str>) -> Maintenance {
        let time = |text: &str| text.parse().expect("a time");
        Maintenance {
            uid: uid(
                &CustomerId::new("contoso"),
                &IncidentId::new(Provider::Azure, "BS_R-LX0"),
            ),
            sequence: 2,
            told: time("2026-11-24T09:00:00Z"),
            start: time(start),
            end: end.map(time),
            is_canceled: false,
            title: "Maintenance; of SQL,\r\nBEGIN:VALARM".to_owned(),
            text: "Two lines\nof text. ".repeat(40),
            link: None,
        }
    }

    fn lines(calendar: &str) -> Vec<String> {
        let unfolded = calendar.replace("\r\n ", "");
        unfolded.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_maintenance_is_published_with_its_times_in_utc_and_nobody_is_invited() {
        let one = maintenance("2026-12-01T22:00:00Z", Some("2026-12-02T02:00:00Z"));
        let calendar = published("Planned maintenance for contoso", None, std::slice::from_ref(&one));
        assert!(calendar.split("\r\n").all(|line| line.len() <= 75), "{calendar}");
        let lines = lines(&calendar);
        for expected in [
            "METHOD:PUBLISH",
            "SEQUENCE:2",
            "DTSTART:20261201T220000Z",
            "DTEND:20261202T020000Z",
            "STATUS:CONFIRMED",
            "ORGANIZER;CN=Bellwether:invalid:nomail",
            &format!("UID:{}", one.uid),
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
        }
        let begins = lines.iter().filter(|line| line.starts_with("BEGIN:")).count();
        assert_eq!(begins, 2, "a hostile title begins nothing");
        assert!(!calendar.contains("ATTENDEE"));
    }

    #[test]
    fn an_end_that_is_no_end_is_left_out_and_what_is_canceled_says_so() {
        let canceled = Maintenance {
            is_canceled: true,
            ..maintenance("2026-12-01T22:00:00Z", Some("2026-12-01T22:00:00Z"))
        };
        let address = EmailAddress::read("health@contoso.example").expect("an address");
        let calendar = published("x", Some(&address), &[canceled]);
        let lines = lines(&calendar);
        assert!(lines.iter().any(|line| line == "STATUS:CANCELLED"), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("DTEND")), "{lines:#?}");
        assert!(
            lines
                .iter()
                .any(|line| line.ends_with(":mailto:health@contoso.example")),
            "{lines:#?}"
        );
    }
}
