//! Bellwether: service-health events in; the right people told, in time, and nothing lost.
#![allow(dead_code)] // while the floors are being built

pub mod clock;
pub(crate) mod problem;
pub(crate) mod customer;
pub(crate) mod secret;
pub(crate) mod journal;
pub(crate) mod schedule;
pub(crate) mod event;
pub(crate) mod incident;
pub(crate) mod notification;
pub(crate) mod message;
pub(crate) mod channel;
pub(crate) mod delivery;
pub(crate) mod rule;
pub(crate) mod record;
pub(crate) mod evaluate;
pub(crate) mod store;
pub(crate) mod ledger;
pub(crate) mod folder;
pub(crate) mod http;
pub(crate) mod dispatch;
pub mod config;
pub mod daemon;
pub mod cli;

/// What the benchmarks measure, and nothing to rely on.
#[doc(hidden)]
pub mod bench {
    pub use crate::event::{EventType, Level, Stage};
    pub use crate::rule::index::{Access, Asks, Builder, Facts, Index, Key, Keys, Scratch};
}
