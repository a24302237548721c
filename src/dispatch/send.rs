//! One attempt: look the address up, render, sign, send, and say what became of it.

use hyper::body::Bytes;
use sha2::{Digest, Sha256};

use super::http::HttpSender;
use super::smtp::Mailer;
use crate::channel::email::Sender;
use crate::channel::{Address, Outcome, SecretRef, Target, document, email, reply, webhook};
use crate::clock::Clock;
use crate::customer::CustomerId;
use crate::delivery::Delivery;
use crate::incident::IncidentId;
use crate::message::Message;
use crate::notification::Channel;
use crate::rule::RuleSet;
use crate::secret::{LinkKey, Secret, Secrets, Url};

/// Everything that sending needs.
pub struct Senders {
    /// Webhooks out.
    pub http: HttpSender,
    /// Mail out.
    pub mailer: Mailer,
    /// Who mail is from.
    pub from: Sender,
    /// Where secrets are found by name.
    pub secrets: Secrets,
    /// Signs the links in messages.
    pub links: LinkKey,
    /// For signatures' timestamps.
    pub clock: Clock,
}

impl Senders {
    /// Tries once. Returns what became of it and the SHA-256 (hex) of the bytes that were sent.
    pub async fn attempt(&self, delivery: &Delivery, message: &Message, rules: &RuleSet) -> (Outcome, String) {
        let Some((customer, _, address)) = rules.endpoint(&delivery.endpoint) else {
            let why = "the receiver's address has just been changed".to_owned();
            return not_now(why);
        };
        let mut message = message.clone();
        self.add_token(delivery, &mut message);
        let (url, signing) = match address {
            Address::Email(to) => {
                let email = email::render(&message, to, &self.from);
                return (self.mailer.send(&email).await, digest(&email.bytes));
            }
            Address::Webhook { url, signing } => (url, signing.as_ref()),
            Address::Slack { url } | Address::Teams { url } => (url, None),
        };
        match document(&message) {
            Some(body) => self.post(customer, url, signing, &message, body).await,
            None => not_now("the delivery is of another medium than its address".to_owned()),
        }
    }

    /// The link to our page names the customer and the incident and nothing more; its token is made when it is sent,
    /// the same at every attempt, so that it is in no record.
    fn add_token(&self, delivery: &Delivery, message: &mut Message) {
        if let Some(url) = &mut message.content.links.incident {
            let token = self.links.token(
                &delivery.customer,
                delivery.incident.provider.word(),
                &delivery.incident.tracking_id,
            );
            add_dots(url, &delivery.incident.tracking_id);
            url.query_pairs_mut()
                .append_pair("provider", delivery.incident.provider.word())
                .append_pair("link", &token);
        }
    }

    async fn post(
        &self,
        customer: &CustomerId,
        url: &Target,
        signing: Option<&SecretRef>,
        message: &Message,
        body: Vec<u8>,
    ) -> (Outcome, String) {
        let channel = message.content.channel;
        let prepared = self
            .target(url)
            .and_then(|url| Ok((url, self.headers(channel, signing, message, &body)?)));
        let (url, headers) = match prepared {
            Ok(prepared) => prepared,
            Err(why) => return not_now(why),
        };
        let digest = digest(&body);
        let answer = self.http.post(customer, &url, &headers, Bytes::from(body)).await;
        (reply::of_http(channel, &answer, self.clock.now()), digest)
    }

    fn headers(
        &self,
        channel: Channel,
        signing: Option<&SecretRef>,
        message: &Message,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, String> {
        let timestamp = self.clock.now().timestamp();
        match (channel, signing) {
            (Channel::Webhook, Some(signing)) => {
                webhook::signature::sign(&self.secret(signing)?, &message.id, timestamp, body)
            }
            (Channel::Webhook, None) => Ok(webhook::signature::unsigned(&message.id, timestamp)),
            _ => Ok(Vec::new()),
        }
    }

    fn target(&self, target: &Target) -> Result<Url, String> {
        match target {
            Target::Plain(url) => Ok(url.clone()),
            Target::Secret(secret) => {
                let value = self.secret(secret)?;
                let url = url::Url::parse(value.reveal().trim())
                    .map_err(|_| format!("the secret `{}` does not hold a URL", secret.name))?;
                Ok(Url::new(&url))
            }
        }
    }

    /// A secret is read at every attempt: one that was mended works at once.
    fn secret(&self, secret: &SecretRef) -> Result<Secret, String> {
        self.secrets
            .find(&secret.customer, &secret.name)
            .map_err(|error| format!("{error:#}"))
    }
}

/// A URL leaves out a segment of dots that is put at its end: a tracking id of that kind is added in the form that stays.
fn add_dots(url: &mut url::Url, tracking_id: &str) {
    let segment = IncidentId::segment(tracking_id);
    let is_there = url.path_segments().and_then(Iterator::last) == Some(&*segment);
    if segment != tracking_id
        && !is_there
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.push(&segment);
    }
}

/// Nothing could be sent this time.
fn not_now(why: String) -> (Outcome, String) {
    let outcome = Outcome::Retry {
        why,
        after_seconds: None,
    };
    (outcome, String::new())
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_an_incident_of_dots_names_it_and_any_other_stays_as_it_was_frozen() {
        for (frozen, tracking_id, sent) in [
            ("https://h.example/incidents", "..", "https://h.example/incidents/~.."),
            (
                "https://h.example/incidents/~..",
                "..",
                "https://h.example/incidents/~..",
            ),
            (
                "https://h.example/incidents/X-1",
                "x-1",
                "https://h.example/incidents/X-1",
            ),
        ] {
            let mut url = url::Url::parse(frozen).expect("a URL");
            add_dots(&mut url, tracking_id);
            assert_eq!(url.as_str(), sent);
        }
    }
}
