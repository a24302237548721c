//! Sending: what touches the network. Decides nothing; the words, limits and meanings are the channels'.

pub(crate) mod http;
pub(crate) mod lanes;
pub(crate) mod resolve;
pub(crate) mod send;
pub(crate) mod smtp;
mod stream;
mod tls;
