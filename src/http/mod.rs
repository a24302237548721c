//! The HTTP doors: intake, API, pages.
//!
//! Who asks is judged here and nowhere below: a door makes a [`Viewer`](crate::customer::Viewer) of a credential, and
//! everything that is read takes one. Doors hold no decision about the domain: what comes in is parsed by `event` and
//! written down by the ledger, what goes out is gathered by `view`.
//!
//! - [`serve`](serve()) accepts connections, with limits on their number, size and slowness; `meter` sees who is slow
//! - `outside` is around every answer: security headers, the log, pages instead of JSON for browsers
//! - `routes` is every address there is, and whom it is open to
//! - `caller` is who asks, `auth` says who may what, `sessions` who signed in; `refusal` how it is refused; `query` reads what stands behind the `?`, `form` what a page's form sent
//! - `intake` takes events, and what it refuses is kept by `keeping`: `body` reads them as far as there is `room`, `parsing` makes events of them; `api`, `pages` and `feeds` answer questions; `zone` is in which zone somebody reads times; `metrics` counts, `process` asks the system, `exposition` is the format

mod api;
mod auth;
mod body;
mod caller;
mod exposition;
mod feeds;
mod form;
mod intake;
mod keeping;
mod meter;
mod metrics;
mod outside;
mod pages;
mod parsing;
mod process;
mod query;
mod readers;
mod reading;
mod refusal;
mod room;
mod routes;
mod serve;
mod sessions;
mod way_back;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::archive::Kept;
use crate::assess::Assessor;
use crate::channel::EmailAddress;
use crate::clock::{Clock, Time};
use crate::customer::CustomerId;
use crate::incident::reviews::Terms;
use crate::ledger::Ledger;
use crate::refused::Refused;
use crate::search::Search;
use crate::secret::{LinkKey, Secret, SessionKey};

pub use serve::{Serving, serve};

/// How many answers are gathered from the store at once.
const READING_MOST: usize = 8;

/// How many stories of incidents are gathered at once.
const STORIES_MOST: usize = 2;

/// What the tokens are, by what they may do.
#[derive(Default)]
pub struct Tokens {
    /// May post events.
    pub intake: Vec<Secret>,
    /// May read everything.
    pub read: Vec<Secret>,
    /// May read everything and give commands.
    pub operate: Vec<Secret>,
    /// May read what their customer may see.
    pub customers: Vec<(CustomerId, Secret)>,
}

/// What the operator's settings say about the doors.
pub struct Settings {
    /// Who may what.
    pub tokens: Tokens,
    /// Where people reach the pages. If that is not this machine, callers on this machine may stand for the world (a
    /// proxy), so nothing is open to them without a token.
    pub public_url: Option<url::Url>,
    /// The largest body, bytes.
    pub body_bytes: usize,
    /// The largest body of `?arrival=history`, bytes.
    pub history_body_bytes: usize,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address; this machine itself has no such limit, it may be a proxy.
    pub connections_per_address: usize,
    /// Events that may wait to be decided before intake says "later".
    pub waiting_events: usize,
    /// When reviews are due.
    pub reviews: Terms,
    /// The names of the tokens that may give commands, in their order.
    pub operators: Vec<String>,
    /// Who stands for what calendars say: the address that mail comes from.
    pub mail_from: Option<EmailAddress>,
    /// How long what is kept.
    pub kept: Kept,
    /// How long a request's headers may take.
    pub header_timeout: Duration,
    /// How long a body may take, beyond what its length needs at a slow line's speed.
    pub body_timeout: Duration,
    /// How long a connection may lie idle.
    pub idle_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tokens: Tokens::default(),
            public_url: None,
            body_bytes: 1 << 20,
            history_body_bytes: 16 << 20,
            connections: 2_000,
            connections_per_address: 50,
            waiting_events: 100_000,
            reviews: Terms::default(),
            operators: Vec::new(),
            mail_from: None,
            kept: Kept::default(),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// Everything the doors need.
pub struct Doors {
    settings: Settings,
    ledger: Ledger,
    links: LinkKey,
    clock: Clock,
    refused: Option<Arc<Refused>>,
    search: Search,
    assessor: Assessor,
}

impl Doors {
    /// Doors to this ledger.
    pub fn new(settings: Settings, ledger: Ledger, links: LinkKey, clock: Clock) -> Self {
        Self {
            settings,
            ledger,
            links,
            clock,
            refused: None,
            search: Search::default(),
            assessor: Assessor::none(),
        }
    }

    /// The same, with an index by which incidents are found; without one, lists are gone through slowly.
    pub fn finding(self, search: Search) -> Self {
        Self { search, ..self }
    }

    /// The same, with what may be owed; without it, nothing is.
    pub fn assessing(self, assessor: Assessor) -> Self {
        Self { assessor, ..self }
    }

    /// The same, with a place where bodies are kept that are refused.
    pub fn keeping(self, refused: Refused) -> Self {
        Self {
            refused: Some(Arc::new(refused)),
            ..self
        }
    }
}

/// What stands behind the doors, for all requests.
struct AppState {
    settings: Settings,
    ledger: Ledger,
    links: LinkKey,
    sessions: SessionKey,
    clock: Clock,
    refused: Option<Arc<Refused>>,
    search: Search,
    assessor: Assessor,
    wrong_tokens: auth::WrongTokens,
    metrics: metrics::Metrics,
    bodies: Arc<room::Rooms>,
    parsing: parsing::Places,
    readers: readers::Readers,
    reading: Arc<Semaphore>,
    stories: Arc<Semaphore>,
    /// When the doors were opened.
    started: Time,
}

impl AppState {
    fn behind(doors: Doors) -> Self {
        Self {
            wrong_tokens: auth::WrongTokens::default(),
            metrics: metrics::Metrics::new(doors.ledger.clone(), doors.clock.clone(), doors.refused.clone()),
            bodies: room::Rooms::new(doors.settings.body_bytes.max(doors.settings.history_body_bytes)),
            parsing: parsing::Places::default(),
            readers: readers::Readers::new(READING_MOST),
            reading: Arc::new(Semaphore::new(READING_MOST)),
            stories: Arc::new(Semaphore::new(STORIES_MOST)),
            started: doors.clock.now(),
            settings: doors.settings,
            ledger: doors.ledger,
            sessions: SessionKey::of(&doors.links),
            links: doors.links,
            clock: doors.clock,
            refused: doors.refused,
            search: doors.search,
            assessor: doors.assessor,
        }
    }
}

/// All doors as one service.
pub fn router(doors: Doors) -> Router {
    let app_state = Arc::new(AppState::behind(doors));
    let all = routes::all().into_iter();
    all.fold(Router::new(), |router, route| router.route(route.path, route.answers))
        .fallback(outside::no_such_path)
        .layer(CatchPanicLayer::custom(outside::panicked))
        .layer(middleware::from_fn_with_state(app_state.clone(), outside::around))
        .with_state(app_state)
}

#[cfg(test)]
mod tests;
