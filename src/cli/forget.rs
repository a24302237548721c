//! `bellwether rules forget`: ending the rules of a customer whose folder is gone.

use anyhow::Result;

use super::client::Server;
use super::failure::{Exit, described};
use super::output::{self, count, one_line};

/// End the rules of a customer whose folder is gone
#[derive(Debug, Clone, clap::Args)]
pub struct Rules {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    Forget(Forget),
}

/// End the last rules of customers whose folder is gone; until then they stay in force
#[derive(Debug, Clone, clap::Args)]
struct Forget {
    /// The names of the customers, as `/readyz?verbose` and the log say them
    #[arg(value_name = "CUSTOMER", required = true)]
    customers: Vec<String>,
    #[command(flatten)]
    server: Server,
}

impl Rules {
    /// Asks for each; the others are still asked for when one fails.
    pub async fn run(self) -> Result<Exit> {
        let What::Forget(forget) = self.what;
        let client = forget.server.client()?;
        let mut failed = 0;
        for customer in &forget.customers {
            let name = one_line(customer, 80);
            match client.post(&["rules", customer, "forget"]).await {
                Ok(answer) => {
                    let files = answer["files"].as_array().map_or(0, Vec::len);
                    output::print(&format!("{name}: its rules have ended ({})\n", count(files, "file")))?;
                }
                Err(error) => {
                    output::complain(&format!("{name}: {}", described(&error).0));
                    failed += 1;
                }
            }
        }
        Ok(if failed == 0 { Exit::Fine } else { Exit::Failed })
    }
}
