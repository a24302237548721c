//! Who may what: tokens, signed links, and what is open to this machine.
//!
//! Without tokens in the settings the doors are open to this machine alone. Wrong tokens are limited per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use super::caller::{Caller, is_this_machine, network};
use super::refusal::Refusal;
use super::{AppState, Settings};
use crate::customer::{CustomerId, Viewer};
use crate::event::Provider;
use crate::secret::Secret;

/// Wrong tokens that an address may present in a minute.
const WRONG_MOST: u32 = 10;

/// How long wrong tokens are remembered.
const WRONG_WINDOW: Duration = Duration::from_secs(60);

/// Addresses whose wrong tokens are remembered.
const WRONG_ADDRESSES_MOST: usize = 10_000;

/// Who hands something in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The name of the token, or the customer whose token it is.
    pub by: String,
    /// The customer whose token it is; none: somebody who may give commands.
    pub own: Option<CustomerId>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Posting events.
    Intake,
    /// Reading everything.
    Read,
    /// Giving commands.
    Operate,
}

impl Scope {
    fn word(self) -> &'static str {
        match self {
            Scope::Intake => "intake",
            Scope::Read => "read",
            Scope::Operate => "operate",
        }
    }

    /// The tokens that are enough: who may give commands may also read.
    fn tokens(self, settings: &Settings) -> Vec<&Secret> {
        let tokens = &settings.tokens;
        match self {
            Scope::Intake => tokens.intake.iter().collect(),
            Scope::Read => tokens.read.iter().chain(&tokens.operate).collect(),
            Scope::Operate => tokens.operate.iter().collect(),
        }
    }

    /// Whether nobody was given a token for this: then it is open to this machine.
    fn is_unset(self, settings: &Settings) -> bool {
        match self {
            Scope::Intake => settings.tokens.intake.is_empty(),
            Scope::Read => settings.tokens.read.is_empty(),
            Scope::Operate => settings.tokens.operate.is_empty(),
        }
    }
}

impl AppState {
    /// Whether the caller may.
    ///
    /// # Errors
    /// When it may not: 401 where a token is missing or wrong, 403 where none would help, 429 after too many wrong ones.
    pub fn admit(&self, caller: &Caller, scope: Scope) -> Result<(), Refusal> {
        if self.is_open(caller, scope) {
            return Ok(());
        }
        self.stop_guessing(caller)?;
        if caller.presents(&scope.tokens(&self.settings)) {
            return Ok(());
        }
        if caller.credentials.is_empty() || scope.tokens(&self.settings).is_empty() {
            return Err(self.without_token(scope, caller));
        }
        let others = [Scope::Intake, Scope::Read, Scope::Operate];
        let is_for_other = |other: &Scope| caller.presents(&other.tokens(&self.settings));
        if let Some(other) = others.iter().find(|other| is_for_other(other)) {
            let what = format!("this token is for `{}`, not for `{}`", other.word(), scope.word());
            return Err(Refusal::new(StatusCode::FORBIDDEN, what));
        }
        Err(self.wrong(caller, format!("this is no `{}` token", scope.word())))
    }

    /// The name of the token with which a caller gives commands; `operator` where none is needed.
    pub fn operator(&self, caller: &Caller) -> String {
        let tokens = self.settings.tokens.operate.iter().zip(&self.settings.operators);
        let named = tokens.fold(None, |found, (token, name)| match caller.presents(&[token]) {
            true => Some(name.clone()),
            false => found,
        });
        let named = named.or_else(|| self.signed_in_operator(caller));
        named.unwrap_or_else(|| "operator".to_owned())
    }

    /// Who hands something in: a customer by its own token, for itself alone, or whoever may give commands.
    ///
    /// # Errors
    /// When it may not.
    pub fn speaker(&self, caller: &Caller) -> Result<Speaker, Refusal> {
        if let Some(customer) = self.customer(caller) {
            self.stop_guessing(caller)?;
            return Ok(Speaker {
                by: customer.to_string(),
                own: Some(customer),
            });
        }
        self.admit(caller, Scope::Operate)?;
        Ok(Speaker {
            by: self.operator(caller),
            own: None,
        })
    }

    /// Whether nobody was given a token for this, and the caller is a program on this machine.
    fn is_open(&self, caller: &Caller, scope: Scope) -> bool {
        scope.is_unset(&self.settings) && !is_published(&self.settings) && caller.is_local
    }

    /// Whether the caller may, without counting a wrong token.
    pub fn admits(&self, caller: &Caller, scope: Scope) -> bool {
        self.is_open(caller, scope) || caller.presents(&scope.tokens(&self.settings))
    }

    /// On whose behalf the caller reads: a customer's, by a token of its own or signed in with it, or the operator's.
    ///
    /// # Errors
    /// When it may not.
    pub fn reader(&self, caller: &Caller) -> Result<Viewer, Refusal> {
        Ok(self.reading(caller)?.viewer)
    }

    /// On whose behalf the caller reads by the token that it presents.
    ///
    /// # Errors
    /// When it may not.
    pub fn viewer_by_token(&self, caller: &Caller) -> Result<Viewer, Refusal> {
        if let Some(customer) = self.customer(caller) {
            self.stop_guessing(caller)?;
            return Ok(Viewer::Customer(customer));
        }
        self.admit(caller, Scope::Read)?;
        Ok(Viewer::Operator)
    }

    /// On whose behalf the caller reads what is about everybody: the operator's only.
    ///
    /// # Errors
    /// When it may not; 403 for a customer's token.
    pub fn overseer(&self, caller: &Caller) -> Result<Viewer, Refusal> {
        match self.reader(caller)? {
            Viewer::Operator => Ok(Viewer::Operator),
            _ => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "this is about everybody, and this token is one customer's",
            )
            .hint("`/v1/incidents` and `/v1/deliveries` list what is yours")),
        }
    }

    /// The customer whose token the caller presents; every token is compared.
    fn customer(&self, caller: &Caller) -> Option<CustomerId> {
        let tokens = self.settings.tokens.customers.iter();
        tokens.fold(None, |found, (customer, token)| match caller.presents(&[token]) {
            true => Some(customer.clone()),
            false => found,
        })
    }

    /// On whose behalf the caller reads one incident: by the signed link in a message, or as a reader.
    ///
    /// # Errors
    /// When it may not.
    pub fn opener(&self, caller: &Caller, provider: Option<Provider>, tracking_id: &str) -> Result<Viewer, Refusal> {
        let Some(link) = &caller.link else {
            return self.reader(caller);
        };
        self.stop_guessing(caller)?;
        let mut providers = Provider::ALL
            .iter()
            .filter(|one| provider.is_none_or(|asked| asked == **one));
        let opened = providers.find_map(|one| {
            let customer: CustomerId = self.links.verify(link.reveal(), one.word(), tracking_id)?;
            Some(Viewer::Link {
                customer,
                provider: one.word().to_owned(),
                tracking_id: tracking_id.to_lowercase(),
            })
        });
        opened.ok_or_else(|| {
            self.wrong(caller, "this link does not open this incident".to_owned())
                .hint("open the link of the message as it is, to its end")
        })
    }

    /// Refuses addresses that presented too many wrong tokens. This machine is not stopped: all that comes through a
    /// proxy that names no caller would be.
    pub fn stop_guessing(&self, caller: &Caller) -> Result<(), Refusal> {
        match self.wrong_tokens.wait(caller.address, Instant::now()) {
            Some(wait) if !caller.address.is_loopback() => Err(too_many(wait)),
            _ => Ok(()),
        }
    }

    /// Counts a wrong token or link, and refuses it.
    pub fn wrong(&self, caller: &Caller, what: String) -> Refusal {
        self.wrong_tokens.count(caller.address, Instant::now());
        tracing::warn!(address = %caller.address, "a wrong token or link was presented");
        match self.wrong_tokens.wait(caller.address, Instant::now()) {
            Some(wait) => too_many(wait),
            None => Refusal {
                asks_for_token: true,
                ..Refusal::new(StatusCode::UNAUTHORIZED, what)
            },
        }
    }

    fn without_token(&self, scope: Scope, caller: &Caller) -> Refusal {
        let word = scope.word();
        if !scope.tokens(&self.settings).is_empty() {
            let refusal = Refusal {
                asks_for_token: true,
                ..Refusal::new(StatusCode::UNAUTHORIZED, format!("a token for `{word}` is needed"))
            };
            return refusal
                .hint("send `Authorization: Bearer …`, basic credentials with the token as password, or `?token=…`");
        }
        let what = match caller.is_local {
            true => "without a token nothing is open where a `public url` is set: a proxy may stand for anybody",
            false => "without a token this is open to programs on the daemon's own machine only",
        };
        let hint = format!("name a secret in the settings: `tokens: {{ {word}: … }}`");
        Refusal::new(StatusCode::FORBIDDEN, what).hint(hint)
    }
}

/// Whether the world is led here.
fn is_published(settings: &Settings) -> bool {
    let is_elsewhere = |url: &url::Url| !url.host_str().is_some_and(is_this_machine);
    settings.public_url.as_ref().is_some_and(is_elsewhere)
}

fn too_many(wait: Duration) -> Refusal {
    Refusal {
        retry_after_seconds: Some(wait.as_secs() + 1),
        ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens")
    }
}

/// Wrong tokens by address; a network of IPv6 addresses that one subscriber gets (/64) counts as one.
#[derive(Default)]
pub struct WrongTokens(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl WrongTokens {
    /// Counts a wrong token.
    fn count(&self, address: IpAddr, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= WRONG_ADDRESSES_MOST {
            known.retain(|_, (since, _)| now.duration_since(*since) < WRONG_WINDOW);
        }
        if known.len() >= WRONG_ADDRESSES_MOST {
            // so many guess at once that forgetting all of them costs less than remembering more
            known.clear();
        }
        let entry = known.entry(network(address)).or_insert((now, 0));
        if now.duration_since(entry.0) >= WRONG_WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// How long an address must wait, if it presented too many.
    fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = *known.get(&network(address))?;
        let left = WRONG_WINDOW.checked_sub(now.duration_since(since))?;
        (count > WRONG_MOST && !left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_wrong_tokens_an_address_waits_for_the_rest_of_the_minute() {
        let (wrong, start) = (WrongTokens::default(), Instant::now());
        let (one, other) = ("192.0.2.1".parse().expect("v4"), "192.0.2.2".parse().expect("v4"));
        for _ in 0..WRONG_MOST {
            wrong.count(one, start);
            assert_eq!(wrong.wait(one, start), None);
        }
        wrong.count(one, start + Duration::from_secs(20));
        assert_eq!(
            wrong.wait(one, start + Duration::from_secs(20)),
            Some(Duration::from_secs(40))
        );
        assert_eq!(wrong.wait(other, start), None);
        assert_eq!(wrong.wait(one, start + WRONG_WINDOW), None);
        wrong.count(one, start + WRONG_WINDOW);
        assert_eq!(wrong.wait(one, start + WRONG_WINDOW), None);
    }

    #[test]
    fn a_whole_network_of_one_subscriber_counts_as_one_address() {
        let (wrong, start) = (WrongTokens::default(), Instant::now());
        for nth in 0..=WRONG_MOST {
            wrong.count(format!("2001:db8:1:2::{nth:x}").parse().expect("v6"), start);
        }
        assert!(wrong.wait("2001:db8:1:2:ffff::1".parse().expect("v6"), start).is_some());
        assert!(wrong.wait("2001:db8:1:3::1".parse().expect("v6"), start).is_none());
    }

    #[test]
    fn what_is_remembered_of_wrong_tokens_is_bounded() {
        let (wrong, start) = (WrongTokens::default(), Instant::now());
        for nth in 0..(WRONG_ADDRESSES_MOST as u32 + 10) {
            wrong.count(IpAddr::from(nth.to_be_bytes()), start);
        }
        assert!(wrong.0.lock().expect("a lock").len() <= WRONG_ADDRESSES_MOST);
    }
}
