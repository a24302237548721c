//! Mail out: over SMTP to the operator's relay, or into a folder.
//!
//! The conversation is led step by step, because what a 5xx means depends on the step that it answers
//! ([`reply::of_smtp`]). Every step has its own time; the final dot gets the longest, or repeats would grow.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

use crate::channel::Outcome;
use crate::channel::email::Email;
use crate::channel::reply::{self, SmtpFailure, SmtpStep};
use crate::secret::Secret;

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

/// How the way to the relay is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (`smtps://`, port 465).
    Implicit,
    /// STARTTLS, or nothing is sent (`smtp://`, port 587).
    Required,
    /// STARTTLS if the server offers it (`?tls=opportunistic`).
    Opportunistic,
    /// None (`?tls=none`).
    Plain,
}

/// The operator's relay, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<(String, Secret)>,
    authorities: Option<Vec<u8>>,
}

impl SmtpSettings {
    /// Reads `smtps://mail.contoso.example`, `smtp://mail.contoso.example:587?tls=required`, with the user and password
    /// to sign in with, if any.
    ///
    /// # Errors
    /// In words an operator can act on.
    pub fn read(url: &str, credentials: Option<(String, Secret)>) -> Result<Self, String> {
        let parsed =
            url::Url::parse(url).map_err(|error| format!("not a URL (`smtps://mail.contoso.example`): {error}"))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("the user and password do not belong into the URL: name them as `credentials`".into());
        }
        let host = parsed
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or("the URL names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let security = security(&parsed)?;
        if security == Security::Plain
            && credentials.is_some()
            && !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1")
        {
            return Err("`tls=none` would send the password in clear: only to this machine".into());
        }
        let usual = if security == Security::Implicit { 465 } else { 587 };
        Ok(Self {
            host,
            port: parsed.port().unwrap_or(usual),
            security,
            credentials,
            authorities: None,
        })
    }

    /// Trusts these certificate authorities (PEM) too: a relay with a certificate of one's own.
    pub fn with_authorities(mut self, pem: Vec<u8>) -> Self {
        self.authorities = Some(pem);
        self
    }
}

fn security(url: &url::Url) -> Result<Security, String> {
    let wanted = url
        .query_pairs()
        .find(|(key, _)| key == "tls")
        .map(|(_, value)| value.into_owned());
    if let Some((key, _)) = url.query_pairs().find(|(key, _)| key != "tls") {
        return Err(format!("`{key}` is not known here: `tls` is"));
    }
    match (url.scheme(), wanted.as_deref()) {
        ("smtps", None | Some("required")) => Ok(Security::Implicit),
        ("smtps", Some(_)) => Err("`smtps://` is TLS from the first byte: leave `tls` out".into()),
        ("smtp", None | Some("required")) => Ok(Security::Required),
        ("smtp", Some("opportunistic")) => Ok(Security::Opportunistic),
        ("smtp", Some("none")) => Ok(Security::Plain),
        ("smtp", Some(other)) => Err(format!("`tls={other}` is not known: required, opportunistic or none")),
        (other, _) => Err(format!("the URL begins with `smtps://` or `smtp://`, not `{other}:`")),
    }
}

/// Connections to the relay.
pub struct Relay {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
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
            _ => Some(tls(&settings)?),
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
                let written = tokio::task::spawn_blocking(move || write(&folder, &email)).await;
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

fn tls(settings: &SmtpSettings) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.authorities {
        builder = builder
            .add_root_certificate(Certificate::from_pem(pem).context("reading the relay's certificate authorities")?);
    }
    builder.build_rustls().context("preparing TLS for the relay")
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

    async fn opened(&self) -> Result<AsyncSmtpConnection, Error> {
        let settings = &self.settings;
        let hello = ClientId::default();
        let wrapper = if settings.security == Security::Implicit {
            self.tls.clone()
        } else {
            None
        };
        let server = (settings.host.as_str(), settings.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_TIMEOUT), &hello, wrapper, None).await?;
        let upgrade = match settings.security {
            Security::Required => true,
            Security::Opportunistic => connection.can_starttls(),
            Security::Implicit | Security::Plain => false,
        };
        if let (true, Some(tls)) = (upgrade, &self.tls) {
            connection.starttls(tls.clone(), &hello).await?; // fails where the server offers none
        }
        if let Some((user, password)) = &settings.credentials {
            let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }
}

async fn transact(connection: &mut AsyncSmtpConnection, email: &Email) -> Result<(), Failed> {
    let envelope = &email.envelope;
    let parameters = parameters(connection, email)?;
    let mail = Mail::new(envelope.from().cloned(), parameters);
    within(SmtpStep::Sender, COMMAND_TIMEOUT, connection.command(mail)).await?;
    for recipient in envelope.to() {
        let rcpt = Rcpt::new(recipient.clone(), vec![]);
        within(SmtpStep::Recipient, COMMAND_TIMEOUT, connection.command(rcpt)).await?;
    }
    within(SmtpStep::Data, COMMAND_TIMEOUT, connection.command(Data)).await?;
    within(SmtpStep::Dot, DOT_TIMEOUT, connection.message(&email.bytes)).await?;
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

async fn within<T>(step: SmtpStep, most: Duration, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
    match timeout(most, doing).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err((step, failure(&error))),
        Err(_) => Err((
            step,
            SmtpFailure::Failed {
                why: format!("the mail server did not answer within {} seconds", most.as_secs()),
            },
        )),
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

/// Writes a mail, each file whole or not at all. A repeat has the same id and so replaces itself.
fn write(folder: &Path, email: &Email) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making the mail folder {}", folder.display()))?;
    let name: String = email
        .id
        .split('@')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if let Some(calendar) = &email.calendar {
        place(folder, &format!("{name}.ics"), calendar.as_bytes())?;
    }
    place(folder, &format!("{name}.eml"), &email.bytes)?;
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .context("syncing the mail folder")
}

fn place(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let doing = || format!("writing the mail {}", folder.join(name).display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(doing)?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(doing)?;
    file.persist(folder.join(name)).map(drop).with_context(doing)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::channel::{email, sample};

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

    #[test]
    fn a_setting_is_tls_unless_it_says_otherwise() {
        let of = |url: &str| SmtpSettings::read(url, None);
        let smtps = of("smtps://mail.contoso.example").expect("settings");
        assert_eq!((smtps.port, smtps.security), (465, Security::Implicit));
        let smtp = of("smtp://mail.contoso.example").expect("settings");
        assert_eq!((smtp.port, smtp.security), (587, Security::Required));
        assert_eq!(
            of("smtp://[::1]:2525?tls=none").map(|settings| (settings.host, settings.port)),
            Ok(("::1".into(), 2525))
        );
        for bad in [
            "mail.contoso.example",
            "http://mail",
            "smtp://user:hunter2@mail",
            "smtp://mail?tls=maybe",
            "smtps://mail?tls=none",
            "smtp://mail?starttls=1",
            "smtp://",
        ] {
            let why = of(bad).expect_err(bad);
            assert!(!why.contains("hunter2"));
        }
        let credentials = Some(("user".to_owned(), Secret::new("hunter2")));
        assert!(SmtpSettings::read("smtp://mail.contoso.example?tls=none", credentials.clone()).is_err());
        let settings = SmtpSettings::read("smtp://127.0.0.1?tls=none", credentials).expect("settings");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
