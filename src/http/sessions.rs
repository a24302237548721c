//! Sessions in a browser: who signed in with a token, kept by the browser in a sealed cookie and nowhere else.
//!
//! Over https the cookie is `__Host-bellwether`: it is sent to this host alone and never in clear. Over plain http that
//! prefix cannot work, so there is another name, without `Secure`, and only for a browser on the daemon's own machine.
//! Anywhere else nobody can sign in over plain http, and is told so.

use axum::http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::AppState;
use super::auth::Scope;
use super::caller::{Caller, LOCAL_COOKIE, SECURE_COOKIE};
use super::query::Query;
use super::refusal::Refusal;
use crate::clock::Time;
use crate::customer::{CustomerId, Viewer};
use crate::secret::Secret;

/// How long somebody stays signed in.
const LASTS: chrono::Duration = chrono::Duration::hours(12);

/// The field of a form that proves that it is one of ours.
pub const FORM_FIELD: &str = "form";

/// As whom somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedIn {
    /// With a token that reads everything.
    Read,
    /// With a token that gives commands.
    Operate,
    /// With a customer's token.
    Customer(CustomerId),
}

/// What a cookie says.
#[derive(Serialize, Deserialize)]
struct Kept {
    who: SignedIn,
    token: String,
    until: Time,
}

/// Who reads a page, and what else it may do.
#[derive(Debug, Clone)]
pub struct Reader {
    /// On whose behalf is read.
    pub viewer: Viewer,
    /// Whether it may also give commands.
    pub may_operate: bool,
    /// Whether it may choose a customer on whose behalf it reads.
    pub may_choose: bool,
    /// As whom it signed in, if it did.
    pub signed_in: Option<SignedIn>,
    /// What its forms carry.
    pub form_token: String,
}

/// Over what a cookie may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Https,
    ThisMachine,
}

impl Way {
    fn cookie(self, value: &str, seconds: i64) -> Option<HeaderValue> {
        let (name, secure) = match self {
            Way::Https => (SECURE_COOKIE, "; Secure"),
            Way::ThisMachine => (LOCAL_COOKIE, ""),
        };
        // `Lax`, so that a link from a colleague opens; commands are posts, which it keeps from other sites
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&cookie).ok()
    }
}

impl AppState {
    /// Who asks for a page or an answer, and what it may do: by its token, else by its session.
    ///
    /// # Errors
    /// When it may not read; 404 where it asks `?as=` somebody who is not its to know.
    pub fn reading(&self, caller: &Caller) -> Result<Reader, Refusal> {
        let session = match caller.credentials.is_empty() {
            true => self.session(caller),
            false => None,
        };
        let form_token = self
            .sessions
            .form_token(session.as_ref().map_or("", |(_, sealed)| sealed));
        let signed_in = session.map(|(who, _)| who);
        let own = match &signed_in {
            Some(SignedIn::Customer(customer)) => Viewer::Customer(customer.clone()),
            Some(SignedIn::Read | SignedIn::Operate) => Viewer::Operator,
            None => self.viewer_by_token(caller)?,
        };
        let may_choose = own == Viewer::Operator;
        let has_commands = signed_in == Some(SignedIn::Operate) || self.admits(caller, Scope::Operate);
        let viewer = self.chosen(own, caller)?;
        Ok(Reader {
            may_operate: may_choose && has_commands && viewer == Viewer::Operator,
            may_choose,
            viewer,
            signed_in,
            form_token,
        })
    }

    /// The viewer that `?as=` chooses: an operator may read as any customer, a customer as itself.
    fn chosen(&self, own: Viewer, caller: &Caller) -> Result<Viewer, Refusal> {
        let Some(name) = &caller.as_customer else {
            return Ok(own);
        };
        let asked = CustomerId::new(name);
        let is_known = match &own {
            Viewer::Operator => self.knows_customer(&asked),
            Viewer::Customer(own) => *own == asked,
            Viewer::Link { .. } => false,
        };
        match is_known {
            true => Ok(Viewer::Customer(asked)),
            false => Err(Refusal::not_found("there is no such customer").field("as")),
        }
    }

    fn knows_customer(&self, customer: &CustomerId) -> bool {
        let rules = self.ledger.rules();
        let named = rules.customers.by_name.as_ref();
        named.is_some_and(|known| known.contains_key(customer)) || rules.files_of(customer).next().is_some()
    }

    /// Whoever posted a form of ours: read back with what it carries, which only our page could have put there.
    ///
    /// # Errors
    /// When it may not read, or the form was made for another session.
    pub fn posting(&self, caller: &Caller, form: &Query) -> Result<Reader, Refusal> {
        let reader = self.reading(caller)?;
        let given = form.one(FORM_FIELD).unwrap_or_default();
        match Secret::new(&reader.form_token).equals(given) {
            true => Ok(reader),
            false => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "this form was made for another session, or is none of ours",
            )
            .hint("load the page anew, and send the form again")),
        }
    }

    /// The session that the caller's cookie keeps, if its token still is one; and the cookie's value.
    fn session(&self, caller: &Caller) -> Option<(SignedIn, String)> {
        let (kept, cookie) = self.kept(caller)?;
        Some((kept.who, cookie))
    }

    /// The name of the operator's token with which the caller signed in.
    pub fn signed_in_operator(&self, caller: &Caller) -> Option<String> {
        let (kept, _) = self.kept(caller)?;
        if kept.who != SignedIn::Operate || !caller.credentials.is_empty() {
            return None;
        }
        let is_it = |token: &Secret| Secret::new(&self.sessions.fingerprint(token)).equals(&kept.token);
        let mut tokens = self.settings.tokens.operate.iter().zip(&self.settings.operators);
        tokens.find_map(|(token, name)| is_it(token).then(|| name.clone()))
    }

    fn kept(&self, caller: &Caller) -> Option<(Kept, String)> {
        let now = self.clock.now();
        caller.cookies.iter().find_map(|cookie| {
            let kept: Kept = serde_json::from_str(&self.sessions.unseal(cookie.reveal())?).ok()?;
            let is_good = kept.until > now && kept.until <= now + LASTS && self.is_token_of(&kept.who, &kept.token);
            is_good.then(|| (kept, cookie.reveal().to_owned()))
        })
    }

    /// Whether a token of this digest is one of those that are enough to sign in so, today; each is compared.
    fn is_token_of(&self, who: &SignedIn, digest: &str) -> bool {
        let is_it = |token: &Secret| Secret::new(&self.sessions.fingerprint(token)).equals(digest);
        let known = self.sign_in_tokens();
        known.fold(false, |found, (of, token)| (of == *who && is_it(token)) | found)
    }

    /// The tokens with which somebody may sign in, and as whom.
    fn sign_in_tokens(&self) -> impl Iterator<Item = (SignedIn, &Secret)> {
        let tokens = &self.settings.tokens;
        let read = tokens.read.iter().map(|token| (SignedIn::Read, token));
        let operate = tokens.operate.iter().map(|token| (SignedIn::Operate, token));
        let customers = tokens.customers.iter();
        let customers = customers.map(|(customer, token)| (SignedIn::Customer(customer.clone()), token));
        read.chain(operate).chain(customers)
    }

    /// Signs somebody in; the cookie to keep.
    ///
    /// # Errors
    /// When it is no token that reads anything, there were too many wrong ones, or the way here is not safe.
    pub fn sign_in(&self, caller: &Caller, token: &str) -> Result<HeaderValue, Refusal> {
        let way = self.way(caller).ok_or_else(unsafe_way)?;
        self.stop_guessing(caller)?;
        let given = token.trim();
        // of a token that stands for several, the one that may most: `operate` is behind `read`
        let found = self
            .sign_in_tokens()
            .fold(None, |found, (who, known)| match known.equals(given) {
                true => Some((who, known)),
                false => found,
            });
        let Some((who, token)) = found else {
            return Err(self.wrong(caller, "this is no token that opens these pages".to_owned()));
        };
        let kept = Kept {
            who,
            token: self.sessions.fingerprint(token),
            until: self.clock.now() + LASTS,
        };
        let sealed = self
            .sessions
            .seal(&serde_json::to_string(&kept).map_err(anyhow::Error::new)?);
        way.cookie(&sealed, LASTS.num_seconds()).ok_or_else(unsafe_way)
    }

    /// What makes a browser forget both cookies.
    pub fn sign_out(&self) -> impl Iterator<Item = HeaderValue> {
        [Way::Https, Way::ThisMachine]
            .into_iter()
            .filter_map(|way| way.cookie("", 0))
    }

    /// Whether somebody could sign in from where the caller is.
    pub fn can_sign_in(&self, caller: &Caller) -> bool {
        self.way(caller).is_some() && self.sign_in_tokens().next().is_some()
    }

    fn way(&self, caller: &Caller) -> Option<Way> {
        let is_https = self
            .settings
            .public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https");
        match is_https || caller.is_over_https {
            true => Some(Way::Https),
            false => caller.is_local.then_some(Way::ThisMachine),
        }
    }
}

fn unsafe_way() -> Refusal {
    let what = "over plain http nobody can sign in from another machine: the token could be read on its way";
    Refusal::new(StatusCode::FORBIDDEN, what)
        .hint("put a proxy with https before the daemon, and name its address in the settings: `public url: https://…`")
}
