//! One attempt: look the address up, render, sign, send, and say what became of it.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::http::HttpSender;
use super::smtp::Mailer;
use crate::channel::email::Email;
use crate::channel::sender::Sender;
use crate::channel::{Address, Outcome, SecretRef, Target, document, email, reply, webhook};
use crate::clock::Clock;
use crate::customer::CustomerId;
use crate::delivery::Delivery;
use crate::incident::IncidentId;
use crate::message::Message;
use crate::notification::Channel;
use crate::rule::RuleSet;
use crate::secret::{LinkKey, Secret, Secrets, Url};

/// How many messages are prepared at once. Preparing reads secrets from files and renders, so it is done beside the
/// threads that serve connections, and takes few of those that parsing and reading use.
const PREPARED_AT_ONCE: usize = 4;

/// How long preparing may take, waiting for a turn included: a disk that does not answer holds nobody's slot for ever.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(15);

/// Everything that sending needs.
pub struct Senders {
    http: HttpSender,
    mailer: Mailer,
    preparing: Arc<Semaphore>,
    renderer: Arc<Renderer>,
}

/// Everything that it takes to know what is sent, and where.
pub struct Renderer {
    /// Who mail is from.
    pub from: Sender,
    /// Where secrets are found by name.
    pub secrets: Secrets,
    /// Signs the links in messages.
    pub links: LinkKey,
    /// For signatures' timestamps.
    pub clock: Clock,
    /// Called before a message is rendered: tests let it panic.
    #[cfg(test)]
    pub before_rendering: fn(&Message),
}

/// A message as it is sent.
enum Rendered {
    Email(Box<Email>),
    Post {
        customer: CustomerId,
        url: Url,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
}

impl Senders {
    /// Webhooks over `http`, mail through `mailer`.
    pub fn new(http: HttpSender, mailer: Mailer, renderer: Renderer) -> Self {
        Self {
            http,
            mailer,
            preparing: Arc::new(Semaphore::new(PREPARED_AT_ONCE)),
            renderer: Arc::new(renderer),
        }
    }

    /// How many webhooks may be under way at once.
    pub fn webhooks_at_once_most(&self) -> usize {
        self.http.at_once_most()
    }

    /// Tries once. Returns what became of it and the SHA-256 (hex) of the bytes that were sent.
    pub async fn attempt(&self, delivery: &Delivery, message: &Message, rules: &RuleSet) -> (Outcome, String) {
        let Some((customer, _, address)) = rules.endpoint(&delivery.endpoint) else {
            return not_now("the receiver's address has just been changed".to_owned());
        };
        let channel = message.content.channel;
        match self.prepared(delivery, message, customer, address).await {
            Err(why) => not_now(why),
            Ok(Rendered::Email(email)) => (self.mailer.send(&email).await, digest(&email.bytes)),
            Ok(Rendered::Post {
                customer,
                url,
                headers,
                body,
            }) => {
                let digest = digest(&body);
                let answer = self.http.post(&customer, &url, &headers, Bytes::from(body)).await;
                (reply::of_http(channel, &answer, self.renderer.clock.now()), digest)
            }
        }
    }

    /// Renders on another thread; a panic there is one here.
    async fn prepared(
        &self,
        delivery: &Delivery,
        message: &Message,
        customer: &CustomerId,
        address: &Address,
    ) -> Result<Rendered, String> {
        let (renderer, preparing) = (self.renderer.clone(), self.preparing.clone());
        let (delivery, message) = (delivery.clone(), message.clone());
        let (customer, address) = (customer.clone(), address.clone());
        let prepared = async move {
            let turn = preparing.acquire_owned().await;
            let render = move || {
                let _turn = turn; // given back when the work ends, not when nobody waits for it any more
                renderer.render(&delivery, message, customer, &address)
            };
            match tokio::task::spawn_blocking(render).await {
                Ok(rendered) => rendered,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => Err(format!("it could not be prepared: {error}")),
            }
        };
        match timeout(PREPARE_TIMEOUT, prepared).await {
            Ok(rendered) => rendered,
            Err(_) => Err(format!(
                "it could not be prepared within {} seconds: its secrets could not be read",
                PREPARE_TIMEOUT.as_secs()
            )),
        }
    }
}

impl Renderer {
    fn render(
        &self,
        delivery: &Delivery,
        mut message: Message,
        customer: CustomerId,
        address: &Address,
    ) -> Result<Rendered, String> {
        #[cfg(test)]
        (self.before_rendering)(&message);
        self.add_token(delivery, &mut message);
        let (url, signing) = match address {
            Address::Email(to) => return Ok(Rendered::Email(Box::new(email::render(&message, to, &self.from)))),
            Address::Webhook { url, signing } => (url, signing.as_ref()),
            Address::Slack { url } | Address::Teams { url } => (url, None),
        };
        let body = document(&message).ok_or("the delivery is of another medium than its address")?;
        Ok(Rendered::Post {
            customer,
            url: self.target(url)?,
            headers: self.headers(message.content.channel, signing, &message, &body)?,
            body,
        })
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

    fn headers(
        &self,
        channel: Channel,
        signing: Option<&SecretRef>,
        message: &Message,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, String> {
        // the receiver compares it with its own clock
        let timestamp = self.clock.wall().timestamp();
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
