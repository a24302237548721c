//! What is typed: one file per command.
//!
//! [`main`] parses, runs the command, and says what failed. Only `serve` is the daemon; `check`, `test`, `explain`,
//! `claims`, `usage` and `verify` read files; `export` and `replay` may read the state of a stopped daemon; the rest asks a
//! running one over HTTP.

mod archive;
mod check;
mod claims;
mod client;
mod correct;
mod deliveries;
pub mod demo;
mod events;
mod explain;
mod export;
mod failure;
mod feeds;
mod forget;
mod import;
mod incidents;
mod intake;
mod output;
mod problems;
mod reasons;
mod replay;
mod resources;
mod rules;
mod schema;
mod secrets;
mod send_test;
mod serve;
mod set_aside;
mod shell;
mod status;
mod test;
mod usage;
mod verify;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser};

use failure::{Exit, described};

const EPILOGUE: &str = "\
Exit codes: 0 fine, 1 failed, 64 wrong usage, 78 bad settings or rules.
Environment: BELLWETHER_SERVER and BELLWETHER_TOKEN for the commands that ask a daemon; NO_COLOR.";

/// Service-health events in; the right people told, in time, and nothing lost.
#[derive(Debug, Parser)]
#[command(name = "bellwether", version, max_term_width = 100, after_help = EPILOGUE)]
struct Typed {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Check(check::Check),
    Test(test::Test),
    Explain(explain::Explain),
    Status(status::Status),
    Events(events::Events),
    Incidents(incidents::Incidents),
    Correct(correct::Correct),
    Resources(resources::Resources),
    Deliveries(deliveries::Deliveries),
    Redeliver(deliveries::Redeliver),
    Feeds(feeds::Feeds),
    Claims(claims::Claims),
    Usage(usage::Usage),
    Rules(forget::Rules),
    SetAside(set_aside::SetAside),
    SendTest(send_test::SendTest),
    Intake(intake::Intake),
    Export(export::Export),
    Import(import::Import),
    Replay(replay::Replay),
    Verify(verify::Verify),
    Schema(schema::Schema),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Runs what was typed; the exit code says how it ended.
pub fn main() -> ExitCode {
    match Typed::try_parse() {
        Ok(typed) => ended(typed.command.run()).into(),
        Err(error) => {
            // where it cannot be printed there is nobody to tell
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Fine }.into()
        }
    }
}

fn ended(result: Result<Exit>) -> Exit {
    result.unwrap_or_else(|error| {
        let (text, exit) = described(&error);
        output::complain(&text);
        exit
    })
}

impl Command {
    fn run(self) -> Result<Exit> {
        match self {
            Command::Demo(demo) => wait(async { demo::run(demo).await.map(played) }),
            Command::Serve(serve) => wait(serve.run()),
            Command::Check(check) => check.run(),
            Command::Test(test) => test.run(),
            Command::Explain(explain) => wait(explain.run()),
            Command::Status(status) => wait(status.run()),
            Command::Events(events) => wait(events.run()),
            Command::Incidents(incidents) => wait(incidents.run()),
            Command::Correct(correct) => wait(correct.run()),
            Command::Resources(resources) => wait(resources.run()),
            Command::Deliveries(deliveries) => wait(deliveries.run()),
            Command::Redeliver(redeliver) => wait(redeliver.run()),
            Command::Feeds(feeds) => wait(feeds.run()),
            Command::Claims(claims) => wait(claims.run()),
            Command::Usage(usage) => usage.run(),
            Command::Rules(rules) => wait(rules.run()),
            Command::SetAside(set_aside) => wait(set_aside.run()),
            Command::SendTest(send_test) => wait(send_test.run()),
            Command::Intake(intake) => wait(intake.run()),
            Command::Export(export) => wait(export.run()),
            Command::Import(import) => wait(import.run()),
            Command::Replay(replay) => wait(replay.run()),
            Command::Verify(verify) => verify.run(),
            Command::Schema(schema) => schema.run(),
            Command::Completions(completions) => completions.run(Typed::command()),
            Command::Man(man) => man.run(Typed::command()),
        }
    }
}

/// Threads that serve connections and attempts, at most: more gain nothing, and the unit allows 256 tasks in all.
const WORKERS_MOST: usize = 32;

/// Threads that may wait for a disk, at most. With those above, the 32 that look names up, the 8 that answer questions, and
/// the writing and watching ones, they stay well below the unit's `TasksMax=256`: a thread that cannot be started would be
/// a panic.
const BLOCKING_MOST: usize = 96;

/// How long the runtime may take to end: whoever still waits for a name to be looked up is not waited for.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_secs(1);

fn wait<T>(what: impl Future<Output = Result<T>>) -> Result<T> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(processors.min(WORKERS_MOST))
        .max_blocking_threads(BLOCKING_MOST)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let done = runtime.block_on(what);
    runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
    done
}

/// The demo ends with a code of its own: every expected message came, or not.
fn played(code: ExitCode) -> Exit {
    if code == ExitCode::SUCCESS {
        Exit::Fine
    } else {
        Exit::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_agree_with_themselves() {
        Typed::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_says_what_it_is() {
        for command in Typed::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
