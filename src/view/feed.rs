//! A customer's health history as feeds: Atom (RFC 4287), JSON Feed 1.1, and a calendar of planned maintenances.
//!
//! One entry is one communication, with an id of its own that never changes. What is written depends on what is kept and,
//! where a filter asks for a state or for a time ago, on the time of asking; so the same feed has the same digest.

use std::collections::BTreeSet;

use anyhow::Result;
use atom_syndication as atom;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::channel::calendar::published::{Maintenance, uid};
use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::{EventType, Provider};
use crate::incident::{Incident, IncidentId, Status};
use crate::view::filter::Filter;
use crate::view::state;
use crate::view::story::{self, Chapter, Sources};
use crate::view::words;

/// How many communications a feed has.
const ENTRIES_MOST: usize = 100;

/// How many maintenances a calendar has.
const MAINTENANCES_MOST: usize = 200;

/// One communication.
#[derive(Debug, Clone)]
pub struct Entry {
    id: String,
    title: String,
    link: Option<url::Url>,
    published: Time,
    heard: Time,
    html: String,
    author: &'static str,
    tags: Vec<String>,
}

/// A feed: what it is called and what is in it.
#[derive(Debug)]
pub struct Feed {
    /// Whose.
    pub customer: CustomerId,
    /// Where it is, if the daemon knows where people reach it.
    pub own_link: Option<url::Url>,
    /// Where the pages begin.
    pub home: Option<url::Url>,
    /// What was said, the newest first.
    pub entries: Vec<Entry>,
}

/// What a feed is made of, added incident by incident.
pub struct Gathered<'a> {
    /// What it is read from.
    pub from: &'a Sources<'a>,
    /// Whose feed.
    pub customer: &'a CustomerId,
    /// What is asked for: which incidents, and which of their communications.
    pub filter: &'a Filter,
    /// Leads to an incident's page.
    pub link: &'a dyn Fn(&Incident) -> Option<url::Url>,
}

impl Gathered<'_> {
    /// Adds what was said of an incident; says whether there is room for more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn add(&self, entries: &mut Vec<Entry>, incident: Incident) -> Result<bool> {
        // what we raise of receivers and files is not about the health of services
        if incident.test || incident.id.provider == Provider::Bellwether {
            return Ok(true);
        }
        let Some((incident, said)) = story::said(self.from, incident)? else {
            return Ok(true);
        };
        let link = (self.link)(&incident);
        // reminders of what it owes stand in its story, as on its page
        let said = said.into_iter().chain(story::reminded(self.from, &incident.id)?);
        let wanted = said.filter(|(_, chapter)| self.is_wanted(chapter));
        for (communication, chapter) in wanted {
            self.push(
                entries,
                Entry::of(self.customer, &incident, &communication, &chapter, &link),
            );
        }
        Ok(entries.len() < ENTRIES_MOST)
    }

    /// Adds the reminders of what an incident owes, of which our own incident is; the other one may be older than all that
    /// there is room for. `is_asked` says whether it is one that the filter lets through.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn add_reminders(
        &self,
        entries: &mut Vec<Entry>,
        own: &IncidentId,
        is_asked: impl Fn(&IncidentId) -> Result<bool>,
    ) -> Result<()> {
        let kinds = &self.filter.kinds;
        if !kinds.is_empty() && !kinds.iter().any(|kind| kind.is_reminder()) {
            return Ok(());
        }
        for provider in story::reminded_providers(self.from, own)? {
            let id = IncidentId::new(provider, &own.tracking_id);
            // what is not wanted costs no more than to look
            let mut reminded = story::reminded(self.from, &id)?;
            reminded.retain(|(_, chapter)| self.is_wanted(chapter));
            let incident = self.from.visibility.store.incident(&id)?;
            let incident = incident.filter(|incident| !incident.test && !reminded.is_empty());
            let Some(incident) = incident else { continue };
            if !is_asked(&id)? {
                continue;
            }
            let Some((incident, _)) = story::said(self.from, incident)? else {
                continue;
            };
            let link = (self.link)(&incident);
            for (communication, chapter) in reminded {
                let entry = Entry::of(self.customer, &incident, &communication, &chapter, &link);
                self.push(entries, entry);
            }
        }
        Ok(())
    }

    /// Since when something must have been published to be among those that there is room for; `None`: there is room.
    pub fn room_since(entries: &[Entry]) -> Option<Time> {
        let mut published: Vec<Time> = entries.iter().map(|entry| entry.published).collect();
        published.sort_unstable_by(|one, other| other.cmp(one));
        published.get(ENTRIES_MOST - 1).copied()
    }

    fn push(&self, entries: &mut Vec<Entry>, entry: Entry) {
        if !entries.iter().any(|known| known.id == entry.id) {
            entries.push(entry);
        }
    }

    /// Adds a planned maintenance; says whether there is room for more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn add_maintenance(&self, all: &mut Vec<Maintenance>, incident: Incident) -> Result<bool> {
        if incident.test || incident.event_type != EventType::PlannedMaintenance {
            return Ok(true);
        }
        let Some((incident, said)) = story::said(self.from, incident)? else {
            return Ok(true);
        };
        let Some(start) = incident.impact_start else {
            return Ok(true);
        };
        all.push(maintenance(self.customer, incident, &said, start, self.link));
        Ok(all.len() < MAINTENANCES_MOST)
    }

    /// Whether a communication of an incident that is asked for is wanted itself: a feed of reviews is not to tell every
    /// update of what was reviewed, nor a feed since yesterday what was said before.
    fn is_wanted(&self, chapter: &Chapter) -> bool {
        let Filter {
            kinds, since, until, ..
        } = self.filter;
        (kinds.is_empty() || kinds.contains(&chapter.kind))
            && since.is_none_or(|since| chapter.published >= since)
            && until.is_none_or(|until| chapter.published < until)
    }
}

fn maintenance(
    customer: &CustomerId,
    incident: Incident,
    said: &[(String, Chapter)],
    start: Time,
    link: &dyn Fn(&Incident) -> Option<url::Url>,
) -> Maintenance {
    let newest = said.iter().find_map(|(_, chapter)| chapter.event.as_ref());
    Maintenance {
        uid: uid(customer, &incident.id),
        sequence: said.len().saturating_sub(1),
        told: incident.updated,
        start,
        end: incident.impact_end,
        is_canceled: matches!(incident.status, Status::Canceled | Status::Retracted),
        title: format!("{} ({})", incident.title, incident.tracking_id),
        text: newest.map(|event| event.text.clone()).unwrap_or_default(),
        link: link(&incident),
    }
}

impl Entry {
    fn of(
        customer: &CustomerId,
        incident: &Incident,
        communication: &str,
        chapter: &Chapter,
        link: &Option<url::Url>,
    ) -> Self {
        let what = state::communication(chapter.kind, incident.event_type, chapter.stage);
        let services = chapter.event.iter().flat_map(|event| &event.impact);
        let services: BTreeSet<String> = services.map(|impact| impact.service_name().to_owned()).collect();
        let tags = [incident.event_type.word(), what, &incident.tracking_id].map(str::to_owned);
        Self {
            id: id(customer, &incident.id, communication),
            title: legal(&format!("{what}: {}", chapter.title)),
            link: link.clone(),
            published: chapter.published,
            heard: chapter.heard,
            // sanitised by an allow list when it was read, as on the pages
            html: legal(chapter.event.as_ref().map_or("", |event| &event.html)),
            author: words::provider(match chapter.kind.is_reminder() {
                true => Provider::Bellwether,
                false => incident.id.provider,
            }),
            tags: tags.into_iter().chain(services).map(|tag| legal(&tag)).collect(),
        }
    }
}

/// A communication's id in a customer's feeds: a UUID of our own making (RFC 9562 §5.8), of what never changes.
fn id(customer: &CustomerId, incident: &IncidentId, communication: &str) -> String {
    let mut digest = Sha256::new();
    for part in [
        customer.as_str(),
        incident.provider.word(),
        &incident.tracking_id,
        communication,
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finalize();
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let variant = ["8", "9", "a", "b"][usize::from(digest[8] & 3)];
    format!(
        "urn:uuid:{}-{}-8{}-{variant}{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// Without what no XML document may hold (XML 1.0 §2.2).
fn legal(text: &str) -> String {
    let is_legal = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    text.chars().filter(is_legal).collect()
}

impl Feed {
    /// A customer's feed of these communications, in their order.
    pub fn of(customer: CustomerId, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|one, other| (other.published, &other.id).cmp(&(one.published, &one.id)));
        entries.truncate(ENTRIES_MOST);
        Self {
            customer,
            own_link: None,
            home: None,
            entries,
        }
    }

    /// When the newest communication arrived; `None` for an empty feed.
    pub fn changed(&self) -> Option<Time> {
        self.entries.iter().map(|entry| entry.heard).max()
    }

    fn title(&self) -> String {
        match self.customer.as_str().starts_with('_') {
            true => "Service health".to_owned(),
            false => format!("Service health for {}", self.customer),
        }
    }

    /// As Atom.
    pub fn atom(&self) -> String {
        let link = |rel: &str, href: &url::Url, kind: &str| atom::Link {
            href: href.to_string(),
            rel: rel.to_owned(),
            mime_type: Some(kind.to_owned()),
            ..atom::Link::default()
        };
        let own = self
            .own_link
            .iter()
            .map(|url| link("self", url, "application/atom+xml"));
        let home = self.home.iter().map(|url| link("alternate", url, "text/html"));
        let feed = atom::Feed {
            title: atom::Text::plain(self.title()),
            id: id(&self.customer, &IncidentId::new(Provider::Bellwether, "feed"), ""),
            updated: self.changed().unwrap_or_default().fixed_offset(),
            links: own.chain(home).collect(),
            generator: Some(atom::Generator {
                value: "Bellwether".to_owned(),
                ..atom::Generator::default()
            }),
            entries: self.entries.iter().map(Entry::atom).collect(),
            ..atom::Feed::default()
        };
        feed.to_string()
    }

    /// As JSON Feed 1.1.
    pub fn json(&self) -> String {
        let items = self.entries.iter().map(|entry| JsonItem {
            id: &entry.id,
            url: entry.link.as_ref(),
            title: &entry.title,
            content_html: &entry.html,
            date_published: entry.published,
            date_modified: entry.published,
            authors: [JsonAuthor { name: entry.author }],
            tags: &entry.tags,
        });
        let feed = JsonFeed {
            version: "https://jsonfeed.org/version/1.1",
            title: self.title(),
            home_page_url: self.home.as_ref(),
            feed_url: self.own_link.as_ref(),
            items: items.collect(),
        };
        serde_json::to_string(&feed).expect("texts and times are written to memory")
    }
}

impl Entry {
    fn atom(&self) -> atom::Entry {
        let link = self.link.iter().map(|url| atom::Link {
            href: url.to_string(),
            rel: "alternate".to_owned(),
            mime_type: Some("text/html".to_owned()),
            ..atom::Link::default()
        });
        let category = |term: &String| atom::Category {
            term: term.clone(),
            ..atom::Category::default()
        };
        atom::Entry {
            title: atom::Text::plain(self.title.clone()),
            id: self.id.clone(),
            published: Some(self.published.fixed_offset()),
            updated: self.published.fixed_offset(),
            authors: vec![atom::Person {
                name: self.author.to_owned(),
                ..atom::Person::default()
            }],
            links: link.collect(),
            categories: self.tags.iter().map(category).collect(),
            content: Some(atom::Content {
                value: Some(self.html.clone()),
                content_type: Some("html".to_owned()),
                ..atom::Content::default()
            }),
            ..atom::Entry::default()
        }
    }
}

#[derive(Serialize)]
struct JsonFeed<'a> {
    version: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_page_url: Option<&'a url::Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_url: Option<&'a url::Url>,
    items: Vec<JsonItem<'a>>,
}

#[derive(Serialize)]
struct JsonItem<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a url::Url>,
    title: &'a str,
    content_html: &'a str,
    date_published: Time,
    date_modified: Time,
    authors: [JsonAuthor; 1],
    tags: &'a [String],
}

#[derive(Serialize)]
struct JsonAuthor {
    name: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_communications_id_is_a_uuid_that_says_nothing_and_stays() {
        let of = |customer: &str, communication: &str| {
            let incident = IncidentId::new(Provider::Azure, "VVTQ-J98");
            id(&CustomerId::new(customer), &incident, communication)
        };
        let one = of("contoso", "c1");
        let parts: Vec<&str> = one.trim_start_matches("urn:uuid:").split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12],
            "{one}"
        );
        assert!(
            parts[2].starts_with('8') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{one}"
        );
        assert_eq!(one, of("contoso", "c1"));
        assert_ne!(one, of("contoso", "c2"));
        assert_ne!(one, of("fabrikam", "c1"));
    }

    #[test]
    fn what_no_xml_may_hold_is_left_out_and_markup_is_escaped() {
        let now: Time = "2026-11-24T09:00:00Z".parse().expect("a time");
        let entry = Entry {
            id: "urn:uuid:x".to_owned(),
            title: legal("a\u{0}\u{b}<b> & \u{FFFE}c"),
            link: None,
            published: now,
            heard: now,
            html: "<p>It's <strong>down</strong></p>".to_owned(),
            author: "Azure",
            tags: vec!["\"quoted\"".to_owned()],
        };
        let feed = Feed {
            customer: CustomerId::new("contoso"),
            own_link: None,
            home: None,
            entries: vec![entry],
        };
        let read: atom::Feed = feed.atom().parse().expect("Atom");
        assert_eq!(read.entries()[0].title().as_str(), "a<b> & c");
        let content = read.entries()[0].content().and_then(|content| content.value());
        assert_eq!(content, Some("<p>It's <strong>down</strong></p>"));
        assert_eq!(read.entries()[0].categories()[0].term(), "\"quoted\"");
        let json: serde_json::Value = serde_json::from_str(&feed.json()).expect("JSON");
        assert_eq!(json["items"][0]["date_published"], "2026-11-24T09:00:00Z");
    }
}
