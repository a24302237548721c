//! Mail out: over SMTP to the operator's relay, or into a folder.
//!
//! The conversation is led step by step, because what a 5xx means depends on the step that it answers
//! ([`reply::of_smtp`]). Every step has its own time; the final dot gets the longest, or repeats would grow.

mod connect;
mod folder;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

pub use settings::{Security, SmtpSettings, own_hello};

use super::resolve::Resolver;
use super::trust::Trust;
use crate::channel::email::Email;
use crate::channel::reply::{self, SmtpFailure, SmtpStep};
use crate::channel::{Fault, Outcome};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const DOT_TIMEOUT: Duration = Duration::from_secs(120);
const PARTING_TIMEOUT: Duration = Duration::from_secs(2);
/// An idle connection older than this is not used again: servers close theirs without a word.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How many connections to the relay there are at most; the lanes try no more mails at once, so that none waits here.
pub const CONNECTIONS_MAX: usize = 8;

/// Where mail goes.
pub enum Mailer {
    /// To a relay.
    Smtp(Box<Relay>),
    /// Into this folder: one `.eml` per mail, and the `.ics` of an invitation beside it. For running without a server.
    Folder(PathBuf),
}

/// Connections to the relay.
pub struct Relay {
    settings: SmtpSettings,
    tls: Option<TlsConnector>,
    resolver: Resolver,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

type Failed = (SmtpStep, SmtpFailure);

impl Mailer {
    /// Mail over SMTP. Connects when there is something to send.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn smtp(settings: SmtpSettings, resolver: Resolver, trust: &Arc<Trust>) -> Result<Self> {
        let tls = match settings.security {
            Security::Plain => None,
            _ => Some(TlsConnector::from(Arc::new(trust.client()?))),
        };
        let relay = Relay {
            settings,
            tls,
            resolver,
            idle: Mutex::new(Vec::new()),
        };
        Ok(Self::Smtp(Box::new(relay)))
    }

    /// Mail into `folder`, which is made when the first mail is written.
    pub fn folder(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }

    /// Sends one mail.
    pub async fn send(&self, email: &Email) -> Outcome {
        match self {
            Mailer::Smtp(relay) => match relay.send(email).await {
                Ok(()) => Outcome::Delivered,
                Err((step, failure)) => reply::of_smtp(step, &failure),
            },
            Mailer::Folder(folder) => {
                let (folder, email) = (folder.clone(), email.clone());
                let written = tokio::task::spawn_blocking(move || folder::write(&folder, &email)).await;
                match written.map_err(anyhow::Error::from).and_then(|written| written) {
                    Ok(()) => Outcome::Delivered,
                    Err(error) => Outcome::Retry {
                        why: format!("{error:#}"),
                        after_seconds: None,
                    },
                }
            }
        }
    }
}

impl Relay {
    async fn send(&self, email: &Email) -> Result<(), Failed> {
        let mut connection = match self.idle_connection().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let sent = transact(&mut connection, email).await;
        match sent {
            Ok(()) => self.idle.lock().await.push((connection, Instant::now())),
            Err(_) => part(connection).await,
        }
        sent
    }

    /// A connection that was used before and still answers.
    async fn idle_connection(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().await.pop()?;
            if since.elapsed() < IDLE_MAX && timeout(PARTING_TIMEOUT, connection.test_connected()).await == Ok(true) {
                return Some(connection);
            }
            part(connection).await;
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failed> {
        within(SmtpStep::Connect, CONNECT_TIMEOUT, self.opened()).await
    }

    async fn opened(&self) -> Result<AsyncSmtpConnection, SmtpFailure> {
        let mut connection = connect::open(&self.settings, self.tls.as_ref(), &self.resolver).await?;
        if let Some((user, password)) = &self.settings.credentials {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let answer = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            answer.map_err(|error| match error.is_client() {
                true => no_sign_in(),
                false => failure(&error),
            })?;
        }
        Ok(connection)
    }
}

/// The server and we have no way of signing in in common.
fn no_sign_in() -> SmtpFailure {
    let why = "the mail server: it offers no way to sign in that is known here (AUTH PLAIN or LOGIN), and `smtp` in the \
               settings has a user";
    SmtpFailure::Unfit {
        fault: Fault::SignIn,
        why: why.to_owned(),
    }
}

/// The codes that take a message (RFC 5321 §4.2.3): anything else, also a greeting or a `354`, is no word for it.
const TAKEN: std::ops::RangeInclusive<u16> = 250..=259;

async fn transact(connection: &mut AsyncSmtpConnection, email: &Email) -> Result<(), Failed> {
    let envelope = &email.envelope;
    let parameters = parameters(connection, email)?;
    let mail = Mail::new(envelope.from().cloned(), parameters);
    said(SmtpStep::Sender, COMMAND_TIMEOUT, connection.command(mail)).await?;
    for recipient in envelope.to() {
        let rcpt = Rcpt::new(recipient.clone(), vec![]);
        said(SmtpStep::Recipient, COMMAND_TIMEOUT, connection.command(rcpt)).await?;
    }
    said(SmtpStep::Data, COMMAND_TIMEOUT, connection.command(Data)).await?;
    let answer = said(SmtpStep::Dot, DOT_TIMEOUT, connection.message(&email.bytes)).await?;
    let code = u16::from(answer.code());
    match TAKEN.contains(&code) {
        true => Ok(()),
        false => Err((
            SmtpStep::Dot,
            SmtpFailure::Failed {
                why: format!(
                    "the mail server answered {code} to the whole message, which takes it neither nor refuses it"
                ),
            },
        )),
    }
}

/// What the mail needs of the server; only an address that is not ASCII needs anything.
fn parameters(connection: &AsyncSmtpConnection, email: &Email) -> Result<Vec<MailParameter>, Failed> {
    let lacking = |what| Err((SmtpStep::Sender, SmtpFailure::Lacking { what }));
    let offers = |extension| connection.server_info().supports_feature(extension);
    let mut parameters = Vec::new();
    let mut addresses = email.envelope.from().into_iter().chain(email.envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !offers(Extension::SmtpUtfEight) {
            return lacking("SMTPUTF8, which this address needs");
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !email.bytes.is_ascii() {
        if !offers(Extension::EightBitMime) {
            return lacking("8BITMIME, which this address needs");
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

async fn part(mut connection: AsyncSmtpConnection) {
    let _ = timeout(PARTING_TIMEOUT, connection.abort()).await; // a farewell: whether it is heard changes nothing
}

async fn said<T>(step: SmtpStep, most: Duration, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
    within(step, most, async { doing.await.map_err(|error| failure(&error)) }).await
}

async fn within<T>(
    step: SmtpStep,
    most: Duration,
    doing: impl Future<Output = Result<T, SmtpFailure>>,
) -> Result<T, Failed> {
    let why = || format!("the mail server did not answer within {} seconds", most.as_secs());
    match timeout(most, doing).await {
        Ok(done) => done.map_err(|failure| (step, failure)),
        Err(_) => Err((step, SmtpFailure::Failed { why: why() })),
    }
}

fn failure(error: &Error) -> SmtpFailure {
    let said = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    match error.status() {
        Some(code) => SmtpFailure::Answered {
            code: code.into(),
            text: said,
        },
        None => SmtpFailure::Failed {
            why: format!("the mail server: {error}"),
        },
    }
}

#[cfg(test)]
mod tests;
