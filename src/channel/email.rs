//! E-mail: text and HTML, threaded by tracking id, and the calendar invitation where the message is one.
//!
//! The same message has the same bytes at each attempt: ids, date and boundaries come from the delivery. Nothing from
//! outside reaches a header but through [`line()`]. Limits: subject 200 characters, header lines 998 octets, and about
//! as much body as Azure's action groups send (55,296 characters). Pure.

mod html;
mod list;

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message as Mail};

use super::sender::Sender;
use super::text::{cut, line};
use super::words::{EARLIER, Words};
use super::{EmailAddress, calendar};
use crate::incident::IncidentId;
use crate::message::Message;
use crate::notification::hash;

/// What of the provider's text goes into each of the two bodies.
const TEXT_MAX_CHARS: usize = 20_000;

/// A mail, ready to be sent or written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// `Message-ID` without its angle brackets: the same at each attempt.
    pub id: String,
    /// Who sends and who receives.
    pub envelope: Envelope,
    /// The whole message, lines ending in CRLF.
    pub bytes: Vec<u8>,
    /// The calendar object, when it is an invitation.
    pub calendar: Option<String>,
}

/// The mail that tells `message` to `to`.
pub fn render(message: &Message, to: &EmailAddress, from: &Sender) -> Email {
    let words = Words::of(message);
    let calendar = calendar::request(message, to, from);
    let id = format!(
        "{}.{}@{}",
        line(&message.id, 100),
        &hash(&[&to.as_str().to_lowercase()])[..12],
        domain(from)
    );
    let (sender, recipient) = (wire(from.address()), wire(to));
    let envelope = Envelope::new(Some(sender.clone()), vec![recipient.clone()]).expect("there is one recipient");
    let mail = headers(message, &words, &id, from)
        .from(Mailbox::new(Some(from.name().to_owned()), sender))
        .to(Mailbox::new(None, recipient))
        .envelope(envelope.clone())
        .multipart(body(message, &words, calendar.as_deref()))
        .expect("sender, recipient and date are set");
    Email {
        id,
        envelope,
        bytes: mail.formatted(),
        calendar,
    }
}

fn headers(message: &Message, words: &Words, id: &str, from: &Sender) -> lettre::message::MessageBuilder {
    let root = format!("<{}@{}>", root(message), domain(from));
    let mut builder = Mail::builder()
        .raw_header(plain_header(
            "Date",
            message.created.format("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        ))
        .subject(words.subject.replace("=?", "= ?"))
        .message_id(Some(format!("<{id}>")))
        // The first mail names the root too, although no mail has it as its id: that is what joins it to the later ones.
        .references(root.clone())
        .raw_header(plain_header("Auto-Submitted", "auto-generated".into()))
        .raw_header(plain_header("X-Auto-Response-Suppress", "All".into()))
        .raw_header(plain_header("List-Id", list::id(message, &domain(from))));
    if let Some(owner) = list::owner(message) {
        builder = builder.raw_header(plain_header("List-Owner", owner));
    }
    if message.content.is_reply {
        builder = builder.in_reply_to(root);
    }
    builder
}

fn plain_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// The left part of the id that all mails of one incident to one customer refer to.
fn root(message: &Message) -> String {
    let incident = IncidentId::of(&message.event);
    format!(
        "t.{}",
        hash(&[
            message.content.customer.as_str(),
            incident.provider.word(),
            &incident.tracking_id
        ])
    )
}

fn domain(from: &Sender) -> String {
    wire(from.address()).domain().trim_matches(['[', ']']).replace(':', ".")
}

/// The address as it goes over the wire: its domain in ASCII (RFC 5891); a local part that is not needs SMTPUTF8.
fn wire(address: &EmailAddress) -> Address {
    let local = address.as_str().rsplit_once('@').map_or("", |(local, _)| local);
    let ascii = url::Host::parse(address.domain()).ok().map(|host| host.to_string());
    let built = ascii.and_then(|domain| Address::new(local, domain).ok());
    built.unwrap_or_else(|| {
        address
            .as_str()
            .parse()
            .expect("the address was checked when it was read")
    })
}

/// An invitation's parts are laid out as widely read clients want them: the calendar object as an alternative, which
/// shows the buttons, and the same bytes as an attachment (RFC 6047 §2.4).
fn body(message: &Message, words: &Words, calendar: Option<&str>) -> MultiPart {
    let boundary = |part: &str| format!("bw-{}", hash(&[&message.id, part]));
    let alternative = MultiPart::alternative()
        .boundary(boundary("alternative"))
        .singlepart(part("text/plain; charset=utf-8", &text(words)))
        .singlepart(part("text/html; charset=utf-8", &html::page(message, words)));
    let Some(calendar) = calendar else {
        return alternative;
    };
    let invitation = part("text/calendar; charset=utf-8; method=REQUEST", calendar);
    let attachment = SinglePart::builder()
        .header(content_type("application/ics; name=\"invite.ics\""))
        .header(lettre::message::header::ContentDisposition::attachment("invite.ics"))
        .body(Body::new(calendar.to_owned()));
    MultiPart::mixed()
        .boundary(boundary("mixed"))
        .multipart(alternative.singlepart(invitation))
        .singlepart(attachment)
}

fn part(kind: &'static str, body: &str) -> SinglePart {
    SinglePart::builder()
        .header(content_type(kind))
        .body(Body::new(body.to_owned()))
}

fn content_type(kind: &'static str) -> ContentType {
    ContentType::parse(kind).expect("a constant content type parses")
}

/// The plain text: what one needs at once on top, the provider's words below, why it came at the end.
fn text(words: &Words) -> String {
    let mut blocks = vec![words.title.clone(), words.lead.clone(), table(words)];
    blocks.extend(words.next.clone());
    blocks.push(
        words
            .links
            .iter()
            .map(|link| format!("{}: {}", link.label, link.url))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    if !words.earlier.is_empty() {
        let lines: Vec<String> = words.earlier.iter().map(|line| format!("- {line}")).collect();
        blocks.push(format!("{EARLIER}\n{}", lines.join("\n")));
    }
    let (text, was_cut) = cut(&words.text, TEXT_MAX_CHARS);
    if !text.is_empty() {
        blocks.push(format!("----\n\n{text}"));
    }
    if was_cut {
        blocks.push(whole(words));
    }
    blocks.push(format!("-- \n{}", words.reason));
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n\n") + "\n"
}

/// Where the text was cut.
fn whole(words: &Words) -> String {
    let link = words.whole_text().map(|link| link.url.as_str()).unwrap_or_default();
    format!("{} {link}", words.cut_here()).trim().to_owned()
}

fn table(words: &Words) -> String {
    let rows = words.facts.iter().flat_map(|fact| {
        let label = |nth: usize| if nth == 0 { fact.label } else { "" };
        fact.values
            .iter()
            .enumerate()
            .map(move |(nth, value)| format!("{:<14} {value}", label(nth)))
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};

    use super::*;
    use crate::channel::sample;

    fn mail(message: &Message) -> Email {
        render(message, &sample::ada(), &sample::sender())
    }

    fn header_names(bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).expect("ASCII");
        let head = text
            .split("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ");
        head.split("\r\n")
            .map(|line| line.split(':').next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn the_text_of_an_update_is_what_the_snapshot_says() {
        insta::assert_snapshot!(text(&Words::of(&sample::update())));
    }

    #[test]
    fn the_whole_mail_of_an_update_is_what_the_snapshot_says() {
        insta::assert_snapshot!(
            String::from_utf8(mail(&sample::update()).bytes)
                .expect("ASCII")
                .replace("\r\n", "\n")
        );
    }

    #[test]
    fn the_text_of_a_late_review_is_what_the_snapshot_says() {
        insta::assert_snapshot!(text(&Words::of(&sample::review())));
    }

    #[test]
    fn a_reply_belongs_to_the_thread_of_its_incident() {
        let (first, second) = (mail(&sample::update()), mail(&sample::review()));
        let parse = |mail: &Email| {
            MessageParser::default()
                .parse(&mail.bytes)
                .expect("a mail")
                .into_owned()
        };
        let (first, second) = (parse(&first), parse(&second));
        assert_eq!(first.references().as_text(), second.in_reply_to().as_text());
        assert!(first.in_reply_to().as_text().is_none());
        assert_ne!(first.message_id(), second.message_id());
        let base = |subject: Option<&str>| {
            subject
                .and_then(|text| text.split_once("] "))
                .map(|(_, base)| base.to_owned())
        };
        assert_eq!(base(first.subject()), base(second.subject()));
    }

    #[test]
    fn the_invitation_is_an_alternative_and_an_attachment_of_the_same_bytes() {
        let mail = mail(&sample::invitation(0, 0));
        let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
        let calendars: Vec<_> = parsed
            .parts
            .iter()
            .filter(|part| {
                part.content_type()
                    .is_some_and(|kind| matches!(kind.subtype(), Some("calendar" | "ics")))
            })
            .collect();
        assert_eq!(calendars.len(), 2);
        for part in &calendars {
            assert_eq!(
                Some(String::from_utf8_lossy(part.contents()).replace("\r\n", "\n")),
                mail.calendar.as_ref().map(|text| text.replace("\r\n", "\n"))
            );
        }
        assert_eq!(
            calendars[0].content_type().and_then(|kind| kind.attribute("method")),
            Some("REQUEST")
        );
        assert_eq!(calendars[1].attachment_name(), Some("invite.ics"));
        let calendar = mail.calendar.expect("an invitation").replace("\r\n ", "");
        assert!(
            calendar.contains(":mailto:ada@contoso.example\r\n")
                && calendar.contains(":mailto:bellwether@contoso.example\r\n")
        );
    }

    #[test]
    fn hostile_text_adds_no_header_part_or_line_end() {
        let usual = header_names(&mail(&sample::update()).bytes);
        for message in sample::hostile() {
            let mail = mail(&message);
            let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
            let names: Vec<String> = header_names(&mail.bytes);
            assert_eq!(names, usual, "{:?}", message.event.title);
            assert_eq!(parsed.parts.len(), 3);
            let bare = String::from_utf8(mail.bytes.clone())
                .expect("ASCII")
                .replace("\r\n", "");
            assert!(!bare.contains(['\r', '\n', '\0']), "{:?}", message.event.title);
            assert!(mail.bytes.split(|b| *b == b'\n').all(|line| line.len() <= 999));
            assert!(
                parsed
                    .subject()
                    .is_some_and(|subject| subject.chars().count() <= 201 && !subject.chars().any(char::is_control))
            );
            assert!(parsed.to().and_then(|to| to.first()).and_then(|to| to.address()) == Some("ada@contoso.example"));
        }
    }

    #[test]
    fn hostile_text_is_text_in_the_html_too() {
        for message in sample::hostile() {
            let mail = mail(&message);
            let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
            let html = parsed.body_html(0).expect("HTML").into_owned();
            for tag in html.split('<').skip(1) {
                let name: String = tag
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || "/!".contains(*c))
                    .collect();
                assert!(OURS.contains(&name.trim_start_matches('/')), "<{tag}");
            }
            let links = Words::of(&message).links;
            for href in html.split("href=\"").skip(1) {
                assert!(
                    links
                        .iter()
                        .any(|link| href.starts_with(&format!("{}\"", html::escape(&link.url)))),
                    "{href}"
                );
            }
        }
    }

    const OURS: [&str; 21] = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "div", "h1", "p", "table", "tr", "th", "td",
        "br", "hr", "a", "ul", "li", "span", "strong",
    ];

    #[test]
    fn a_mail_keeps_to_the_limit_of_action_groups_and_links_to_the_whole() {
        for message in [
            sample::with_text(&"long ".repeat(40_000)),
            sample::with_text(&"é".repeat(200_000)),
            sample::with_subscriptions(10_000),
        ] {
            let mail = mail(&message);
            let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
            let (text, html) = (parsed.body_text(0).expect("text"), parsed.body_html(0).expect("HTML"));
            assert!(text.chars().count() + html.chars().count() <= 55_296);
            if message.event.text.len() > 50_000 {
                assert!(
                    text.contains("Cut here; the whole text: https://")
                        && html.contains("Cut here; the whole text:</strong> <a href=\"https://")
                );
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 48,
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn no_mail_ever_is_larger_than_any_relay_takes(message in sample::any::messages()) {
            let mail = mail(&message);
            let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
            let html = parsed.body_html(0).expect("HTML");
            // what is longer is cut by the clients of Gmail; relays take 10 MB and more
            assert!(html.len() <= 102 * 1024, "{}", html.len());
            assert!(mail.bytes.len() <= 1 << 20, "{}", mail.bytes.len());
        }
    }

    #[test]
    fn the_page_fits_a_phone_and_shows_the_state_in_a_word_and_a_colour() {
        let html = |message: &Message| html::page(message, &Words::of(message));
        let (trouble, over) = (html(&sample::update()), html(&sample::review()));
        assert!(trouble.contains("overflow-wrap:anywhere") && trouble.contains("width=device-width"));
        let badge = |page: &str| {
            let from = page.find("<span style=\"background:").expect("a badge");
            page[from..].split("</span>").next().unwrap_or_default().to_owned()
        };
        assert!(badge(&trouble).ends_with(">Active"), "{}", badge(&trouble));
        assert!(badge(&over).ends_with(">PIR"));
        assert_ne!(badge(&trouble).split('>').next(), badge(&over).split('>').next());
    }

    #[test]
    fn the_same_message_has_the_same_bytes() {
        for message in [sample::update(), sample::review(), sample::invitation(1, 3)] {
            assert_eq!(mail(&message), mail(&message));
        }
        let lin = EmailAddress::read("lin@contoso.example").expect("an address");
        assert_ne!(
            mail(&sample::update()).id,
            render(&sample::update(), &lin, &sample::sender()).id
        );
    }

    #[test]
    fn a_domain_goes_over_the_wire_in_ascii() {
        let to = EmailAddress::read("ada@bücher.example").expect("an address");
        let mail = render(&sample::update(), &to, &sample::sender());
        assert_eq!(mail.envelope.to()[0].to_string(), "ada@xn--bcher-kva.example");
    }

    #[test]
    fn a_sender_is_a_name_and_an_address() {
        let sender = Sender::read("\"Contoso, Health\" <health@contoso.example>").expect("a sender");
        assert_eq!(
            (sender.name(), sender.address().as_str()),
            ("Contoso, Health", "health@contoso.example")
        );
        assert_eq!(
            Sender::read("health@contoso.example").expect("a sender").name(),
            "Bellwether"
        );
        for bad in [
            "x\r\nBcc: a@b.example <a@b.example>",
            "Health",
            "<>",
            "Health <a b@contoso.example>",
        ] {
            assert!(Sender::read(bad).is_err(), "{bad:?}");
        }
    }
}
