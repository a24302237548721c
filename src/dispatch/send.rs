//! One attempt: look the address up, render, sign, send, and say what became of it.

use hyper::body::Bytes;
use sha2::{Digest, Sha256};

use super::http::HttpSender;
use super::smtp::Mailer;
use crate::channel::email::Sender;
use crate::channel::{Address, Outcome, SecretRef, Target, email, reply, slack, teams, webhook};
use crate::clock::Clock;
use crate::customer::CustomerId;
use crate::delivery::Delivery;
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
            return (
                Outcome::Retry {
                    why,
                    after_seconds: None,
                },
                String::new(),
            );
        };
        let mut message = message.clone();
        self.add_token(delivery, &mut message);
        match address {
            Address::Email(to) => {
                let email = email::render(&message, to, &self.from);
                (self.mailer.send(&email).await, digest(&email.bytes))
            }
            Address::Webhook { url, signing } => {
                self.post(
                    customer,
                    Channel::Webhook,
                    url,
                    signing.as_ref(),
                    &message,
                    webhook::render(&message),
                )
                .await
            }
            Address::Slack { url } => {
                self.post(customer, Channel::Slack, url, None, &message, slack::render(&message))
                    .await
            }
            Address::Teams { url } => {
                self.post(customer, Channel::Teams, url, None, &message, teams::render(&message))
                    .await
            }
        }
    }

    /// The link to our page names the customer and the incident and nothing more; its token is made when it is sent,
    /// the same at every attempt, so that it is in no record.
    fn add_token(&self, delivery: &Delivery, message: &mut Message) {
        if let Some(url) = &mut message.told.links.incident {
            let token = self.links.token(
                &delivery.customer,
                delivery.incident.provider.word(),
                &delivery.incident.tracking_id,
            );
            url.query_pairs_mut()
                .append_pair("provider", delivery.incident.provider.word())
                .append_pair("link", &token);
        }
    }

    async fn post(
        &self,
        customer: &CustomerId,
        channel: Channel,
        url: &Target,
        signing: Option<&SecretRef>,
        message: &Message,
        body: Vec<u8>,
    ) -> (Outcome, String) {
        let timestamp = self.clock.now().timestamp();
        let prepared = self
            .target(url)
            .and_then(|url| Ok((url, self.headers(channel, signing, message, timestamp, &body)?)));
        let (url, headers) = match prepared {
            Ok(prepared) => prepared,
            Err(why) => {
                return (
                    Outcome::Retry {
                        why,
                        after_seconds: None,
                    },
                    String::new(),
                );
            }
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
        timestamp: i64,
        body: &[u8],
    ) -> Result<Vec<(&'static str, String)>, String> {
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

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
