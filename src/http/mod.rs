//! Placeholder until the doors are merged.
use crate::{
    clock::Clock,
    ledger::Ledger,
    secret::{LinkKey, Secret},
};
pub struct Doors(Settings, Ledger, LinkKey, Clock);
#[derive(Default)]
pub struct Tokens {
    pub intake: Vec<Secret>,
    pub read: Vec<Secret>,
    pub operate: Vec<Secret>,
}
#[derive(Default)]
pub struct Settings {
    pub tokens: Tokens,
    pub body_bytes: usize,
    pub history_body_bytes: usize,
    pub connections: usize,
    pub connections_per_address: usize,
}
impl Doors {
    pub fn new(settings: Settings, ledger: Ledger, links: LinkKey, clock: Clock) -> Self {
        Self(settings, ledger, links, clock)
    }
}
pub struct Serving;
impl Serving {
    pub async fn stop(self) {}
}
pub fn serve(_listener: std::net::TcpListener, _doors: Doors) -> anyhow::Result<Serving> {
    Ok(Serving)
}
