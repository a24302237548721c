//! Every address there is: one table, from which the router is made, and by which a test asks all of them as strangers.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use super::{AppState, api, feeds, intake, metrics, pages, zone};

/// Whom an address is open to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Everybody: it says nothing of anybody.
    Everybody,
    /// Whoever has a token for posting events.
    Intake,
    /// Whoever may read; a customer gets its own part.
    Readers,
    /// The same, and whoever has the signed link to an incident.
    Links,
    /// Whoever has a feed's address, which is signed.
    Feeds,
    /// Who reads everything.
    Overseers,
    /// Who gives commands.
    Operators,
}

/// One address, as it is asked.
pub struct Route {
    /// How it is asked.
    #[cfg_attr(not(test), expect(dead_code, reason = "the answers know it, too; a test asks by it"))]
    pub method: Method,
    /// Where, with names for its parts.
    pub path: &'static str,
    /// Whom it is open to.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what answers sees to it; a test checks that it does")
    )]
    pub open: Open,
    /// What answers.
    pub answers: MethodRouter<Arc<AppState>>,
}

/// All of them.
pub fn all() -> Vec<Route> {
    let mut all = for_people();
    all.extend(for_programs());
    all
}

/// Pages, and what they are made of.
fn for_people() -> Vec<Route> {
    use Open::{Everybody, Feeds, Links, Operators, Readers};
    vec![
        reads("/", Readers, get(pages::incidents)),
        reads("/incidents/{tracking_id}", Links, get(pages::incident)),
        reads("/zone", Everybody, get(zone::choose)),
        reads("/deliveries", Readers, get(pages::deliveries::list)),
        changes(
            "/deliveries/{id}/redeliver",
            Operators,
            post(pages::deliveries::redeliver),
        ),
        reads("/claims", Readers, get(pages::claims::list)),
        reads("/claims/{id}", Readers, get(pages::claims::one)),
        changes("/claims/{id}", Operators, post(pages::claims::post)),
        reads("/claims/{id}/pack", Readers, get(api::pack::get)),
        reads("/rules", Readers, get(pages::rules::list)),
        reads("/why", Readers, get(pages::why::ask)),
        changes("/why", Readers, post(pages::why::pasted)),
        reads("/feeds", Readers, get(pages::feeds)),
        reads("/feeds/{feed}", Feeds, get(feeds::one)),
        reads("/sign-in", Everybody, get(pages::signing_in::form)),
        changes("/sign-in", Everybody, post(pages::signing_in::sign_in)),
        changes("/sign-out", Everybody, post(pages::signing_in::sign_out)),
        reads("/style.css", Everybody, get(pages::style)),
        reads("/favicon.svg", Everybody, get(pages::icon)),
    ]
}

/// The API.
fn for_programs() -> Vec<Route> {
    use Open::{Everybody, Intake, Links, Operators, Overseers, Readers};
    vec![
        reads("/v1/events", Overseers, get(api::events::list)),
        changes("/v1/events", Intake, post(intake::post)),
        reads("/v1/events/{id}", Readers, get(api::events::one)),
        changes("/v1/events/{id}", Intake, post(intake::post_from)),
        reads("/v1/events/{id}/explain", Readers, get(api::events::explain)),
        reads("/v1/incidents", Readers, get(api::incidents::list)),
        reads("/v1/incidents/{tracking_id}", Links, get(api::incidents::one)),
        changes(
            "/v1/incidents/{tracking_id}/corrections",
            Operators,
            post(api::corrections::post),
        ),
        reads(
            "/v1/incidents/{tracking_id}/resources",
            Readers,
            get(api::resources::list),
        ),
        changes(
            "/v1/incidents/{tracking_id}/resources",
            Readers,
            post(api::resources::post),
        ),
        reads("/v1/downtimes", Readers, get(api::downtimes::list)),
        changes("/v1/downtimes", Readers, post(api::downtimes::post)),
        changes("/v1/downtimes/{id}/withdraw", Readers, post(api::downtimes::withdraw)),
        reads("/v1/claims", Readers, get(api::claims::list)),
        reads("/v1/claims/{id}", Readers, get(api::claims::one)),
        changes("/v1/claims/{id}", Operators, post(api::claims::post)),
        reads("/v1/claims/{id}/pack", Readers, get(api::pack::get)),
        reads("/v1/times", Readers, get(api::times::get)),
        reads("/v1/deliveries", Readers, get(api::deliveries::list)),
        reads("/v1/deliveries/{id}", Readers, get(api::deliveries::one)),
        changes(
            "/v1/deliveries/{id}/redeliver",
            Operators,
            post(api::deliveries::redeliver),
        ),
        reads("/v1/set-aside", Overseers, get(api::set_aside::list)),
        changes("/v1/set-aside/{id}/retry", Operators, post(api::set_aside::retry)),
        changes(
            "/v1/receivers/{customer}/{receiver}/test",
            Operators,
            post(api::send_test::post),
        ),
        reads("/v1/intake/refused", Overseers, get(api::refused::list)),
        reads("/v1/intake/refused/{id}", Overseers, get(api::refused::one)),
        changes("/v1/intake/refused/{id}/retry", Operators, post(api::refused::retry)),
        reads("/v1/export", Readers, get(api::export::get)),
        changes("/v1/import", Operators, post(api::import::post)),
        reads("/v1/rules", Readers, get(api::rules)),
        changes("/v1/rules/{customer}/forget", Operators, post(api::forget::forget)),
        reads("/v1/feeds", Readers, get(feeds::list)),
        reads("/v1/status", Readers, get(api::status::get)),
        reads("/healthz", Everybody, get(api::healthz)),
        reads("/readyz", Everybody, get(api::status::readyz)),
        reads("/metrics", Overseers, get(metrics::metrics)),
    ]
}

fn reads(path: &'static str, open: Open, answers: MethodRouter<Arc<AppState>>) -> Route {
    Route {
        method: Method::GET,
        path,
        open,
        answers,
    }
}

fn changes(path: &'static str, open: Open, answers: MethodRouter<Arc<AppState>>) -> Route {
    Route {
        method: Method::POST,
        path,
        open,
        answers,
    }
}
