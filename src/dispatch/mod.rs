//! Sending: what touches the network. Decides nothing; the words, limits and meanings are the channels'.

mod certificate;
pub(crate) mod http;
pub(crate) mod lanes;
pub(crate) mod proxy;
pub(crate) mod resolve;
pub(crate) mod send;
pub(crate) mod smtp;
mod stream;
pub(crate) mod trust;
