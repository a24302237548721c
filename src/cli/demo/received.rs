//! What the receivers got: every message is kept as a file, and reported.
//!
//! Reads mails and hooks only as far as the demo shows and counts them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One message that reached a receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The mailbox, or the hook's path.
    pub address: String,
    /// `Message-ID`, `webhook-id`, or for hooks without one a digest of the body: what a repeat is known by.
    pub id: String,
    /// Subject or title.
    pub title: String,
    /// Every word of it.
    pub words: String,
    /// The kind that a webhook's JSON names.
    pub kind: Option<String>,
    /// Whether a mail is a calendar invitation (iTIP REQUEST).
    pub invitation: bool,
    /// Where it was kept.
    pub files: Vec<PathBuf>,
    /// What is wrong with it, whatever it says.
    pub flaw: Option<String>,
}

/// Where messages are put, and who is told of each.
#[derive(Clone)]
pub struct Letterbox {
    folder: PathBuf,
    kept: Arc<AtomicUsize>,
    content: UnboundedSender<Receipt>,
}

impl Letterbox {
    /// A letterbox that keeps messages in `folder`, and its other end.
    pub fn new(folder: PathBuf) -> io::Result<(Self, UnboundedReceiver<Receipt>)> {
        std::fs::create_dir_all(&folder)?;
        let (content, arrivals) = unbounded_channel();
        Ok((
            Self {
                folder,
                kept: Arc::default(),
                content,
            },
            arrivals,
        ))
    }

    /// Keeps one mail for one recipient: an `.eml` file, and an `.ics` beside it for an invitation.
    pub fn mail(&self, to: &str, bytes: &[u8]) -> io::Result<()> {
        let mut receipt = read_mail(bytes);
        let stem = self.stem(to);
        receipt.files.push(self.keep(&stem, "eml", bytes)?);
        if let Some(calendar) = calendar(bytes) {
            receipt.files.push(self.keep(&stem, "ics", &calendar)?);
        }
        self.tell(Receipt {
            address: to.to_lowercase(),
            ..receipt
        });
        Ok(())
    }

    /// Keeps one JSON document that was posted to `path`; `flaw` is what is wrong with its envelope.
    pub fn hook(&self, path: &str, id: Option<&str>, body: &[u8], flaw: Option<String>) -> io::Result<()> {
        let mut receipt = read_hook(body);
        if let Some(id) = id {
            id.clone_into(&mut receipt.id);
        }
        receipt.files.push(self.keep(&self.stem(path), "json", body)?);
        receipt.flaw = receipt.flaw.or(flaw);
        self.tell(Receipt {
            address: path.to_owned(),
            ..receipt
        });
        Ok(())
    }

    fn tell(&self, receipt: Receipt) {
        // Nobody listens any more: the demo is over.
        let _ = self.content.send(receipt);
    }

    fn stem(&self, address: &str) -> String {
        let number = self.kept.fetch_add(1, Ordering::Relaxed) + 1;
        let tame = |c: char| {
            if c.is_ascii_alphanumeric() || "@.-".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = address.trim_start_matches('/').chars().take(80).map(tame).collect();
        format!("{number:02}-{name}")
    }

    fn keep(&self, stem: &str, extension: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("{stem}.{extension}"));
        std::fs::write(&path, bytes)?;
        Ok(path)
    }
}

fn read_mail(bytes: &[u8]) -> Receipt {
    let Some(mail) = MessageParser::default().parse(bytes) else {
        return Receipt {
            flaw: Some("is no mail".to_owned()),
            id: digest(bytes),
            ..Receipt::default()
        };
    };
    let id = mail.message_id().map(str::to_owned);
    let title = mail.subject().unwrap_or_default().to_owned();
    let bodies = mail
        .text_body
        .iter()
        .filter_map(|part| mail.parts.get(*part as usize)?.text_contents());
    let words = std::iter::once(title.as_str())
        .chain(bodies)
        .collect::<Vec<_>>()
        .join("\n");
    Receipt {
        flaw: id.is_none().then(|| "has no Message-ID".to_owned()),
        id: id.unwrap_or_else(|| digest(bytes)),
        invitation: calendar_part(&mail).is_some_and(is_request),
        title,
        words,
        ..Receipt::default()
    }
}

fn calendar(bytes: &[u8]) -> Option<Vec<u8>> {
    let mail = MessageParser::default().parse(bytes)?;
    Some(calendar_part(&mail)?.contents().to_vec())
}

fn calendar_part<'a, 'x>(mail: &'a Message<'x>) -> Option<&'a MessagePart<'x>> {
    mail.parts.iter().find(|part| part.is_content_type("text", "calendar"))
}

/// Only a method in both places makes an invitation (RFC 6047 §2.4): in the MIME part, and in the calendar.
fn is_request(part: &MessagePart<'_>) -> bool {
    let method = part.content_type().and_then(|it| it.attribute("method"));
    let body = String::from_utf8_lossy(part.contents());
    method.is_some_and(|method| method.eq_ignore_ascii_case("REQUEST")) && body.contains("METHOD:REQUEST")
}

fn read_hook(body: &[u8]) -> Receipt {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Receipt {
            flaw: Some("is not JSON".to_owned()),
            id: digest(body),
            ..Receipt::default()
        };
    };
    let mut words = Vec::new();
    gather(&value, &mut words);
    // The webhook's own form, Slack's fallback and first block, Teams' first line.
    let titles = [
        "/title",
        "/blocks/0/text/text",
        "/text",
        "/attachments/0/content/body/0/text",
    ];
    let first = titles.iter().find_map(|place| value.pointer(place)?.as_str());
    Receipt {
        id: digest(body),
        title: first.or(words.first().copied()).unwrap_or_default().to_owned(),
        words: words.join("\n"),
        kind: value.get("kind").and_then(Value::as_str).map(str::to_owned),
        ..Receipt::default()
    }
}

fn gather<'a>(value: &'a Value, words: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => words.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, words)),
        Value::Object(items) => items.values().for_each(|item| gather(item, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITATION: &str = "Message-ID: <dlv_1.ab@bellwether.example>\r\nSubject: =?utf-8?q?Retrospective_=E2=80=93_App?=\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\n15:00 UTC\r\n\
        --b\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        QkVHSU46VkNBTEVOREFSDQpNRVRIT0Q6UkVRVUVTVA0KRU5EOlZDQUxFTkRBUg0K\r\n--b--\r\n";

    fn letterbox() -> (tempfile::TempDir, Letterbox, UnboundedReceiver<Receipt>) {
        let folder = tempfile::tempdir().expect("a folder");
        let (letterbox, arrivals) = Letterbox::new(folder.path().join("received")).expect("a letterbox");
        (folder, letterbox, arrivals)
    }

    #[test]
    fn an_invitation_is_kept_as_mail_and_as_calendar_file() {
        let (_folder, letterbox, mut arrivals) = letterbox();
        letterbox
            .mail("Ada@Contoso.example", INVITATION.as_bytes())
            .expect("kept");
        let receipt = arrivals.try_recv().expect("told");
        assert_eq!(receipt.address, "ada@contoso.example");
        assert_eq!(
            (receipt.id.as_str(), receipt.title.as_str()),
            ("dlv_1.ab@bellwether.example", "Retrospective – App")
        );
        assert!(receipt.invitation && receipt.words.contains("15:00 UTC") && receipt.flaw.is_none());
        let calendar = std::fs::read_to_string(&receipt.files[1]).expect("an .ics file");
        assert_eq!(calendar, "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n");
    }

    #[test]
    fn a_calendar_without_the_method_is_only_an_attachment() {
        let plain = INVITATION.replace("; method=REQUEST", "");
        assert!(!read_mail(plain.as_bytes()).invitation);
    }

    #[test]
    fn a_hook_is_known_by_its_id_or_else_by_its_bytes() {
        let (_folder, letterbox, mut arrivals) = letterbox();
        let body = br#"{"title":"One","kind":"update","nested":[{"text":"two"}]}"#;
        letterbox.hook("/tickets", Some("dlv_1"), body, None).expect("kept");
        letterbox.hook("/slack", None, body, None).expect("kept");
        let (tickets, slack) = (arrivals.try_recv().expect("told"), arrivals.try_recv().expect("told"));
        assert_eq!(
            (tickets.id.as_str(), tickets.kind.as_deref()),
            ("dlv_1", Some("update"))
        );
        assert_eq!(slack.id, digest(body));
        assert!(slack.words.contains("two") && slack.title == "One");
    }

    #[test]
    fn an_address_cannot_leave_the_folder() {
        let (folder, letterbox, mut arrivals) = letterbox();
        letterbox
            .mail("../../../etc/x@contoso.example", b"Subject: x\r\n\r\n")
            .expect("kept");
        let receipt = arrivals.try_recv().expect("told");
        assert_eq!(
            receipt.files[0].parent(),
            Some(folder.path().join("received").as_path())
        );
        assert!(receipt.flaw.is_some_and(|flaw| flaw.contains("Message-ID")));
    }
}
