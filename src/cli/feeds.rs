//! `bellwether feeds`: where the feeds of a customer's health history are.

use anyhow::Result;
use serde_json::Value;

use super::client::{Server, text};
use super::failure::Exit;
use super::output::{self, Format, one_line};

/// List the addresses of feeds: health history (Atom, JSON), maintenance (calendar)
#[derive(Debug, Clone, clap::Args)]
pub struct Feeds {
    /// Only those of this customer
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: Server,
}

impl Feeds {
    /// Asks and shows. An address opens its feed for whoever has it.
    pub async fn run(self) -> Result<Exit> {
        let client = self.server.client()?;
        let mut answer = client.get(&["feeds"], &[]).await?;
        let feeds = answer
            .get_mut("feeds")
            .and_then(Value::as_array_mut)
            .map(std::mem::take);
        let mut feeds = feeds.unwrap_or_default();
        feeds.retain(|feed| {
            self.customer
                .as_ref()
                .is_none_or(|asked| text(feed, "customer") == asked)
        });
        for feed in &mut feeds {
            for form in ["atom", "json", "ics"] {
                feed[form] = client.absolute(text(feed, form)).into();
            }
        }
        match self.format {
            Format::Json => output::print_json(&serde_json::json!({ "feeds": feeds }))?,
            Format::Text => output::print(&shown(&feeds))?,
        }
        Ok(Exit::Fine)
    }
}

fn shown(feeds: &[Value]) -> String {
    if feeds.is_empty() {
        return "no feeds: there is no such customer\n".to_owned();
    }
    let lines = feeds.iter().flat_map(|feed| {
        let customer = one_line(text(feed, "customer"), 64);
        let addresses =
            ["atom", "json", "ics"].map(|form| format!("  {form:<5} {}\n", one_line(text(feed, form), 500)));
        std::iter::once(format!("{customer}\n")).chain(addresses)
    });
    lines.collect()
}
