//! Bellwether: service-health events in; the right people told, in time, and nothing lost.
#![allow(dead_code)] // while the floors are being built

pub(crate) mod clock;
pub(crate) mod problem;
pub(crate) mod secret;
pub(crate) mod customer;
pub(crate) mod schedule;
pub(crate) mod event;
pub(crate) mod incident;
pub(crate) mod notification;
pub(crate) mod message;
pub(crate) mod channel;
pub(crate) mod rule;
pub(crate) mod config;
