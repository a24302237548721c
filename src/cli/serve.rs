//! `bellwether serve`: from what was typed to a running daemon.
//!
//! It reads the settings, says where logs go, and finds the listener; everything else is the daemon's.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use listenfd::ListenFd;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use super::failure::{Exit, Failure};
use super::{output, rules};
use crate::config::{Flags, Log, Settings};
use crate::daemon;

/// How many connections the kernel holds until they are accepted; those beyond are dropped, and their callers wait
/// seconds for nothing. The kernel's own limit (`net.core.somaxconn`) is 4,096 as well.
const BACKLOG: i32 = 4_096;

/// Run the daemon
#[derive(Debug, Clone, clap::Args)]
pub struct Serve {
    /// The settings file; what is typed here wins over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where HTTP is served, unless systemd hands a socket over [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where the daemon keeps what it knows [default: state]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The folder of rule files [default: rules]
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// The mail relay, as smtp://HOST:PORT or smtps://HOST; without it mail is written to files below the state
    #[arg(long, value_name = "URL")]
    smtp: Option<String>,
    /// Who mail comes from
    #[arg(long, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// What links in messages begin with
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Who is told when a rule file is broken
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// A directory of secrets, one file each [default: $CREDENTIALS_DIRECTORY]
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
    /// A catalogue of services and regions of your own
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// Allow receivers with private addresses and plain http
    #[arg(long)]
    allow_private_receivers: bool,
    /// How logs are written: text, json, journald [default: text]
    #[arg(long, value_name = "FORM")]
    log: Option<String>,
}

impl Serve {
    /// Serves until it is told to stop.
    pub async fn run(self) -> Result<Exit> {
        let (settings, warnings) = rules::settings(self.config.as_deref(), &self.flags())?;
        rules::deciding(&settings)?;
        rules::trust(&settings)?;
        log_to(settings.log)?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
        secrets_can_be_used(&settings)?;
        let listener = listener(&settings, &mut ListenFd::from_env())?;
        daemon::run(settings, listener).await.map_err(without_rules_folder)?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "stopped");
        Ok(Exit::Fine)
    }

    fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            public_url: self.public_url.clone(),
            state: self.state.clone(),
            rules: self.rules.clone(),
            secrets: self.secrets.clone(),
            catalogue: self.catalogue.clone(),
            smtp: self.smtp.clone(),
            mail_from: self.mail_from.clone(),
            contact: self.contact.clone(),
            log: self.log.clone(),
            allow_private_receivers: self.allow_private_receivers,
        }
    }
}

/// Names every secret of the settings that cannot be used: without them the daemon does not start, and starting it again
/// changes nothing.
fn secrets_can_be_used(settings: &Settings) -> Result<()> {
    for trouble in daemon::granted_and_missing(settings) {
        tracing::warn!("{trouble}");
    }
    let troubles = daemon::settings_troubles(settings);
    if troubles.is_empty() {
        return Ok(());
    }
    let what = format!("secrets that the settings name cannot be used: {}", troubles.join("; "));
    let hint = "each is a file of that name in the directory that `secrets:` in the settings or systemd's LoadCredential= gives";
    Err(Failure::new(Exit::Config, what).hint(hint).into())
}

/// A rules folder that is not there is a mistake in the settings.
fn without_rules_folder(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<daemon::NoRulesFolder>() {
        Ok(missing) => {
            let folder = missing.folder.display().to_string();
            let hint = format!(
                "name the folder that holds the rule files (`rules:` in the settings, or --rules), or make it: mkdir -p {folder}"
            );
            Failure::new(Exit::Config, missing.to_string()).hint(hint).into()
        }
        Err(other) => other,
    }
}

/// Sends logs where the settings say; what is logged can be narrowed by `RUST_LOG`.
fn log_to(log: Log) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,bellwether=info"));
    let registry = tracing_subscriber::registry().with(filter);
    let done = match log {
        Log::Text => {
            let colours = output::may_colour(&std::io::stderr());
            let layer = fmt::layer()
                .with_writer(std::io::stderr)
                .with_target(false)
                .with_ansi(colours);
            registry.with(layer).try_init()
        }
        Log::Json => registry
            .with(fmt::layer().json().with_writer(std::io::stderr))
            .try_init(),
        Log::Journald => registry.with(journald()?).try_init(),
    };
    done.context("setting up logs")
}

fn journald() -> Result<tracing_journald::Layer> {
    tracing_journald::layer().map_err(|error| {
        let what = format!("journald cannot be reached: {error}");
        Failure::new(Exit::Failed, what)
            .hint("--log text, or --log json, writes to stderr")
            .into()
    })
}

/// The socket that the service manager hands over, or one of our own.
fn listener(settings: &Settings, handed: &mut ListenFd) -> Result<TcpListener> {
    let listener = match handed.len() {
        0 => {
            let listener = TcpListener::bind(settings.listen).map_err(|error| taken(settings, &error))?;
            // the standard library asked for 128, and a start may take a while
            rustix::net::listen(&listener, BACKLOG).context("listening")?;
            listener
        }
        sockets => {
            if sockets > 1 {
                tracing::warn!(sockets, "several sockets were handed over; only the first is used");
            }
            let first = handed
                .take_tcp_listener(0)
                .context("taking the socket that was handed over")?;
            first.context("the socket that was handed over is gone")?
        }
    };
    listener.set_nonblocking(true).context("preparing the listener")?;
    Ok(listener)
}

fn taken(settings: &Settings, error: &std::io::Error) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("cannot listen on {}: {error}", settings.listen));
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            failure.hint("another program listens there: stop it, or choose another --listen")
        }
        std::io::ErrorKind::PermissionDenied => {
            failure.hint("ports below 1024 need a socket from systemd, or choose another --listen")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::described;

    #[test]
    fn an_address_in_use_is_named_with_a_way_out() {
        let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listen = other.local_addr().expect("an address");
        let settings = Settings {
            listen,
            ..Settings::default()
        };
        let error = listener(&settings, &mut ListenFd::empty()).expect_err("in use");
        let (text, exit) = described(&error);
        assert_eq!(exit, Exit::Failed);
        assert!(
            text.starts_with(&format!("error: cannot listen on {listen}: ")),
            "{text}"
        );
        assert!(text.contains("\nhint: another program listens there"), "{text}");
    }
}
