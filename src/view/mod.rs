//! What people are shown: who may see what of an incident, its story in order, and the pages that tell it.
//!
//! - [`visibility`] is the one place that decides what a [`Viewer`](crate::customer::Viewer) sees
//! - [`story`] gathers an incident's story for a viewer; the API and the pages tell the same one
//! - [`filter`] is which incidents somebody asks for
//! - [`page`] renders; [`state`] is what states are called and how they are coloured, [`words`] are the words that pages
//!   share
//! - [`what_if`] decides an event without keeping anything: who would be told
//! - [`times`] is how long providers took, by provider and service
//! - [`tally`] counts what each rule did lately; [`feed`] is the health history as Atom, JSON Feed and a calendar
//! - [`claims`] are service credits, with what people said of them
//! - [`impacted`] are the resources that an incident impacted
//! - [`status`] is how the daemon is, on one page
//!
//! It reads through what it is given and never writes; it names no clock, file or socket.

pub mod claims;
pub mod feed;
pub mod filter;
pub mod page;
pub mod status;
pub mod visibility;
pub mod impacted;
pub mod story;
pub mod state;
pub mod tally;
pub mod times;
pub mod what_if;
pub mod words;
