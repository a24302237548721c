//! `bellwether schema`: the JSON Schemas that editors and receivers of webhooks work with.

use anyhow::Result;

use super::failure::Exit;
use super::output;

/// Print the JSON Schema of rule files, or of the body of webhooks
#[derive(Debug, Clone, clap::Args)]
pub struct Schema {
    /// Of what
    #[arg(value_enum, default_value_t)]
    of: Of,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Of {
    /// Rule files
    #[default]
    Rules,
    /// What webhooks are sent
    Webhook,
    /// What `status --json` prints, and `/v1/status` answers
    Status,
}

impl Schema {
    /// Prints it.
    pub fn run(self) -> Result<Exit> {
        match self.of {
            Of::Rules => output::print_json(&crate::rule::schema::schema())?,
            Of::Webhook => output::print_json(&crate::channel::webhook::schema())?,
            Of::Status => output::print_json(&crate::view::status::schema())?,
        }
        Ok(Exit::Fine)
    }
}
