//! Bellwether: service-health events in; the right people told, in time, and nothing lost.
//!
//! This page is the map. The product itself is one page too: `evaluate/mod.rs`, what follows from everything that can
//! happen. `record.rs` is everything that can happen and everything that is remembered; `delivery.rs` is when
//! something is tried again and how it ends; `ledger/mod.rs` is the one thread that writes.
//!
//! ```text
//!              ┌───────────── journal: the truth, append-only, synced in groups ─────────────┐
//!  intake ──▶ Recorded ──▶ evaluate (pure) ──▶ Decided ──sync──▶ 202 answered, lanes released
//!  rules, commands ─▶▲          ▲    ▲              │
//!  due, attempts ────┘     RuleSet  store           └──▶ applied to the store (sled) ──▶ lanes ──▶ e-mail · webhook · calendar
//! ```
//!
//! # One event's path
//!
//! 1. `http::intake` authenticates, limits, and has `event::read` parse the body: one pure function per form it comes
//!    in. What cannot be understood of a notice is noted on its event. A body that is no notice is a 4xx that names the
//!    field; if its sender is known, `refused` keeps it for a time.
//! 2. `ledger` writes it down (`Recorded`), decides it in its turn (`Decided`), and syncs both as one group; only then
//!    is the 202 answered.
//! 3. Deciding is `rule::RuleSet::matching`, then the `facts` of the decision, then `evaluate`: a pure function of what
//!    is known. What it plans gathers for a few seconds, so that 500 subscriptions become one message.
//! 4. When notifications are due, `evaluate::notifications_due` makes deliveries of them and freezes what they say. Bytes
//!    are rendered when they are sent, by `channel`, the same at every attempt.
//! 5. `dispatch::lanes` tries it, one lane per endpoint, in order per incident. How an attempt ended is an input like
//!    any other: `delivery::next` says done, again at, or dead.
//!
//! # Beside it
//!
//! Whoever needs many incidents at once follows the ledger in a thread of its own, some time behind, and holds only what
//! can be made again: `search` the index by which incidents are found, `assess` the service credits that may be owed
//! (`claim` computes them). What they find due, they ask the ledger for, like anybody else.
//!
//! # A crash
//!
//! Before the sync: nobody was told that the event was taken, and nobody was told of it. After: it is in the journal,
//! and what was not decided is decided at the next start; of a decision that takes several records, only the last one
//! makes it count. The store is believed only after a clean stop or within one boot; otherwise it is built again from
//! checkpoint and journal.
//!
//! What cannot be decided (the decision panics, fails again with a store built anew, or ended the process twice) is set
//! aside by `ledger::deciding`, told to the operator and listed, and everything else goes on.
//!
//! # A bad rule file
//!
//! `rule::check` reads all files together and shows every problem with its place and what to type instead. What is
//! broken keeps its last good version, which is in the journal, sealed; the customer's contact gets a mail by a
//! built-in rule, because a broken file is an event too.
//!
//! # Floors
//!
//! The modules below are in reading order, lowest first: **a module uses only those above it in this list**. Those
//! that decide (`event` to `evaluate`, and `view`, `archive` and `replay`) name no clock, file or socket. Only `store` names sled. A test checks
//! all of that (`tests/it/architecture.rs`).
//!
//! # Words
//!
//! An **event** is one thing a provider told us; a **communication** is one text of it, which arrives once per
//! subscription. An **incident** is our record of a trouble. A **rule** is a condition and **receivers**; an
//! **endpoint** is one mailbox or URL of theirs. A **verdict** says what follows from a match; a **notification** is
//! what an endpoint is to be told about one communication, a **delivery** carries it, an **attempt** is one try, and a
//! **dead letter** is a delivery that will not be tried again.

pub mod clock;
pub(crate) mod durable;
pub(crate) mod problem;
pub(crate) mod customer;
pub(crate) mod secret;
pub(crate) mod journal;
pub(crate) mod schedule;
pub(crate) mod event;
pub(crate) mod refused;
pub(crate) mod incident;
pub(crate) mod claim;
pub(crate) mod notification;
pub(crate) mod message;
pub(crate) mod channel;
pub(crate) mod delivery;
pub(crate) mod rule;
pub(crate) mod record;
pub(crate) mod lookup;
pub(crate) mod store;
pub(crate) mod evaluate;
pub(crate) mod ledger;
pub(crate) mod assess;
pub(crate) mod view;
pub(crate) mod search;
pub(crate) mod archive;
pub(crate) mod replay;
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
