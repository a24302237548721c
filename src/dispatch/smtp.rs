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
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

pub use settings::{Security, SmtpSettings};

use super::tls;
use crate::channel::Outcome;
use crate::channel::email::Email;
use crate::channel::reply::{self, SmtpFailure, SmtpStep};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const DOT_TIMEOUT: Duration = Duration::from_secs(120);
const PARTING_TIMEOUT: Duration = Duration::from_secs(2);
/// An idle connection older than this is not used again: servers close theirs without a word.
const IDLE_MAX: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX: usize = 8;

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
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    permits: Semaphore,
}

type Failed = (SmtpStep, SmtpFailure);

impl Mailer {
    /// Mail over SMTP. Connects when there is something to send.
    ///
    /// # Errors
    /// When the certificate authorities can't be read.
    pub fn smtp(settings: SmtpSettings) -> Result<Self> {
        let tls = match settings.security {
            Security::Plain => None,
            _ => Some(TlsConnector::from(Arc::new(tls::config(
                settings.authorities.as_deref(),
            )?))),
        };
        let relay = Relay {
            settings,
            tls,
            idle: Mutex::new(Vec::new()),
            permits: Semaphore::new(CONNECTIONS_MAX),
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
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
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
        let mut connection = connect::open(&self.settings, self.tls.as_ref()).await?;
        if let Some((user, password)) = &self.settings.credentials {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            let answer = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            answer.map_err(|error| failure(&error))?;
        }
        Ok(connection)
    }
}

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
    said(SmtpStep::Dot, DOT_TIMEOUT, connection.message(&email.bytes)).await?;
    Ok(())
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
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::channel::{email, sample};
    use crate::secret::Secret;

    fn mail() -> Email {
        email::render(&sample::update(), &sample::ada(), &sample::sender())
    }

    /// A server that answers the commands in order with `answers` (the greeting first), then hangs up.
    async fn server(answers: Vec<&'static str>) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = BufReader::new(stream);
            let (mut heard, mut in_data) = (String::new(), false);
            for answer in answers {
                let _ = stream.write_all(answer.as_bytes()).await; // the client may be gone: that is tested
                let from = heard.len();
                while stream.read_line(&mut heard).await.is_ok_and(|read| read > 0) {
                    let line = heard[from..]
                        .trim_end_matches("\r\n")
                        .rsplit('\n')
                        .next()
                        .unwrap_or_default();
                    if !in_data || line == "." {
                        break;
                    }
                }
                in_data = heard.ends_with("DATA\r\n");
            }
            heard
        });
        (url, task)
    }

    async fn send(url: &str, tls: &str) -> Outcome {
        let settings = SmtpSettings::read(&format!("{url}?tls={tls}"), None).expect("settings");
        Mailer::smtp(settings).expect("a mailer").send(&mail()).await
    }

    const HELLO: &str = "250-localhost\r\n250 8BITMIME\r\n";

    #[tokio::test]
    async fn a_mail_is_delivered_when_the_final_dot_was_answered() {
        let (url, task) = server(vec![
            "220 hi\r\n",
            HELLO,
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 2.0.0 queued\r\n",
        ])
        .await;
        assert_eq!(send(&url, "none").await, Outcome::Delivered);
        let heard = task.await.expect("a conversation");
        assert!(
            heard.contains("MAIL FROM:<bellwether@contoso.example>\r\nRCPT TO:<ada@contoso.example>\r\nDATA\r\n"),
            "{heard}"
        );
        assert!(
            heard.contains(&String::from_utf8(mail().bytes).expect("ASCII")[..200]),
            "{heard}"
        );
    }

    #[tokio::test]
    async fn what_a_5xx_means_depends_on_what_it_answers() {
        let (url, _) = server(vec!["554 no service\r\n", "250 ok\r\n"]).await;
        assert!(matches!(send(&url, "none").await, Outcome::Retry { .. }));
        let (url, _) = server(vec![
            "220 hi\r\n",
            HELLO,
            "550 5.7.1 not your address\r\n",
            "221 bye\r\n",
        ])
        .await;
        assert!(matches!(send(&url, "none").await, Outcome::Retry { .. }));
        let (url, _) = server(vec![
            "220 hi\r\n",
            HELLO,
            "250 ok\r\n",
            "550 5.1.1 no such user\r\n",
            "221 bye\r\n",
        ])
        .await;
        assert!(matches!(send(&url, "none").await, Outcome::Gone { why } if why.contains("no such user")));
        let (url, _) = server(vec![
            "220 hi\r\n",
            HELLO,
            "250 ok\r\n",
            "451 4.7.1 greylisted\r\n",
            "221 bye\r\n",
        ])
        .await;
        assert!(matches!(send(&url, "none").await, Outcome::Retry { .. }));
        let (url, _) = server(vec![
            "220 hi\r\n",
            HELLO,
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "554 5.6.0 refused\r\n",
            "221 bye\r\n",
        ])
        .await;
        assert!(matches!(send(&url, "none").await, Outcome::Refused { .. }));
    }

    #[tokio::test]
    async fn a_connection_lost_after_the_dot_is_tried_again() {
        let (url, _) = server(vec!["220 hi\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"]).await;
        assert!(matches!(send(&url, "none").await, Outcome::Retry { why, .. } if why.contains("it may have arrived")));
    }

    #[tokio::test]
    async fn without_starttls_nothing_is_sent_unless_the_operator_says_so() {
        let (url, task) = server(vec!["220 hi\r\n", HELLO, "221 bye\r\n"]).await;
        assert!(matches!(send(&url, "required").await, Outcome::Retry { why, .. } if why.contains("STARTTLS")));
        assert!(!task.await.expect("a conversation").contains("MAIL"));
    }

    #[tokio::test]
    async fn an_address_that_needs_smtputf8_is_refused_where_it_is_not_offered() {
        let (url, _) = server(vec!["220 hi\r\n", HELLO, "221 bye\r\n"]).await;
        let Ok(to) = crate::channel::EmailAddress::read("é@contoso.example") else {
            panic!("an address")
        };
        let mailer =
            Mailer::smtp(SmtpSettings::read(&format!("{url}?tls=none"), None).expect("settings")).expect("a mailer");
        let outcome = mailer
            .send(&email::render(&sample::update(), &to, &sample::sender()))
            .await;
        assert!(
            matches!(&outcome, Outcome::Refused { why } if why.contains("SMTPUTF8")),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn a_folder_holds_each_mail_once_and_invitations_with_their_calendar() {
        let state = tempfile::tempdir().expect("a directory");
        let mailer = Mailer::folder(&state.path().join("mail"));
        let invitation = email::render(&sample::invitation(0, 0), &sample::ada(), &sample::sender());
        for _ in 0..2 {
            assert_eq!(mailer.send(&invitation).await, Outcome::Delivered);
        }
        let mut names: Vec<String> = std::fs::read_dir(state.path().join("mail"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(
            names[0].ends_with(".eml") && names[1].ends_with(".ics") && names[0].starts_with("dlv_"),
            "{names:?}"
        );
        let written = std::fs::read(state.path().join("mail").join(&names[0])).expect("a mail");
        assert_eq!(written, invitation.bytes);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_tried_again() {
        let state = tempfile::NamedTempFile::new().expect("a file");
        assert!(matches!(
            Mailer::folder(state.path()).send(&mail()).await,
            Outcome::Retry { .. }
        ));
    }

    #[tokio::test]
    async fn what_is_said_in_clear_behind_starttls_is_not_believed() {
        let injected = "220 go\r\n250-localhost\r\n250 AUTH PLAIN\r\n";
        let (url, task) = server(vec!["220 hi\r\n", "250-localhost\r\n250 STARTTLS\r\n", injected]).await;
        assert!(matches!(send(&url, "required").await, Outcome::Retry { why, .. } if why.contains("in clear")));
        assert!(!task.await.expect("a conversation").contains("AUTH"));
    }

    fn acceptor() -> tokio_rustls::TlsAcceptor {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../tests/fixtures/relay-key.pem")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
        tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("a configuration")))
    }

    const CERTIFICATE: &[u8] = include_bytes!("../../tests/fixtures/relay-cert.pem");

    /// A server that agrees on STARTTLS and then answers inside TLS.
    async fn secure_server(answers: Vec<&'static str>) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut clear = BufReader::new(stream);
            for answer in ["220 hi\r\n", "250-localhost\r\n250 STARTTLS\r\n"] {
                clear.write_all(answer.as_bytes()).await.expect("writes");
                clear.read_line(&mut String::new()).await.expect("reads");
            }
            clear.write_all(b"220 go\r\n").await.expect("writes");
            let Ok(stream) = acceptor().accept(clear.into_inner()).await else {
                return "no TLS".into();
            };
            let mut stream = BufReader::new(stream);
            let mut heard = String::new();
            for answer in answers {
                stream.read_line(&mut heard).await.expect("reads");
                stream.write_all(answer.as_bytes()).await.expect("writes");
            }
            heard
        });
        (port, task)
    }

    #[tokio::test]
    async fn the_password_is_said_inside_tls_to_a_relay_whose_certificate_is_trusted() {
        let (port, task) = secure_server(vec!["250-localhost\r\n250 AUTH PLAIN\r\n", "535 5.7.8 wrong\r\n"]).await;
        let credentials = Some(("user".to_owned(), Secret::new("hunter2")));
        let settings = SmtpSettings::read(&format!("smtp://localhost:{port}"), credentials).expect("settings");
        let mailer = Mailer::smtp(settings.with_authorities(CERTIFICATE.to_vec())).expect("a mailer");
        let outcome = mailer.send(&mail()).await;
        assert!(
            matches!(&outcome, Outcome::Retry { why, .. } if why.contains("535") && !why.contains("hunter2")),
            "{outcome:?}"
        );
        assert!(task.await.expect("a conversation").contains("AUTH PLAIN "));
    }

    #[tokio::test]
    async fn a_relay_whose_certificate_is_not_trusted_hears_nothing() {
        let (port, task) = secure_server(vec![]).await;
        let settings = SmtpSettings::read(&format!("smtp://localhost:{port}"), None).expect("settings");
        let outcome = Mailer::smtp(settings).expect("a mailer").send(&mail()).await;
        assert!(
            matches!(&outcome, Outcome::Retry { why, .. } if why.contains("TLS")),
            "{outcome:?}"
        );
        assert_eq!(task.await.expect("an attempt"), "no TLS");
    }
}
