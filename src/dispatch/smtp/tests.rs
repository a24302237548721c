//! Conversations with scripted servers, in clear and inside TLS.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::channel::{email, sample};
use crate::dispatch::resolve::Resolver;
use crate::dispatch::trust::PemFile;
use crate::dispatch::trust::tests::pem;
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
    mailer(settings, &[]).send(&mail()).await
}

/// A mailer that trusts these certificates.
fn mailer(settings: SmtpSettings, trusted: &[&[u8]]) -> Mailer {
    let files: Vec<PemFile> = trusted.iter().map(|bytes| pem("relay.pem", bytes, &[])).collect();
    let trust = Trust::new(&files).expect("certificates");
    Mailer::smtp(settings, Resolver::system(), &trust).expect("a mailer")
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

/// What a mail comes to whose commands a relay answers well until it says `last`; the greeting is the first of them.
async fn refused_at(step: usize, last: &'static str) -> Outcome {
    let well = ["220 hi\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"];
    let mut answers = well[..step].to_vec();
    answers.extend([last, "221 bye\r\n"]);
    let (url, _) = server(answers).await;
    send(&url, "none").await
}

#[tokio::test]
async fn what_blames_us_waits_at_every_step() {
    for (step, last, expected) in [
        (
            0,
            "554 5.7.1 Client host [203.0.113.9] blocked using zen.spamhaus.org\r\n",
            Fault::Host,
        ),
        (0, "554-No SMTP service here\r\n554 go away\r\n", Fault::Host),
        (
            1,
            "504 5.5.2 <bell>: Helo command rejected: need fully-qualified hostname\r\n",
            Fault::Hello,
        ),
        (1, "501 5.5.4 Invalid domain name\r\n", Fault::Hello),
        (2, "530 5.7.57 Client not authenticated to send mail\r\n", Fault::SignIn),
        (2, "550 5.7.1 not your address\r\n", Fault::Policy),
        (
            3,
            "504 5.5.2 <bell>: Helo command rejected: need fully-qualified hostname\r\n",
            Fault::Hello,
        ),
        (
            3,
            "554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: Access denied\r\n",
            Fault::Host,
        ),
        (
            3,
            "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain\r\n",
            Fault::Relaying,
        ),
        (4, "503 5.5.1 Bad sequence of commands\r\n", Fault::Protocol),
        (
            5,
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender\r\n",
            Fault::Sender,
        ),
        (
            5,
            "550-5.7.26 This mail has been blocked because the sender is\r\n550 5.7.26 unauthenticated\r\n",
            Fault::Sender,
        ),
    ] {
        let outcome = refused_at(step, last).await;
        assert!(
            matches!(&outcome, Outcome::OurFault { fault, why } if *fault == expected && why.contains(&last[..3])),
            "{step} {last}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_blames_mailbox_or_message_ends_the_mail_and_what_is_said_for_now_is_tried_again() {
    let gone = refused_at(3, "550 5.1.1 no such user\r\n").await;
    assert!(
        matches!(&gone, Outcome::Gone { why } if why.contains("no such user")),
        "{gone:?}"
    );
    let refused = refused_at(5, "554 5.6.0 refused\r\n").await;
    assert!(matches!(&refused, Outcome::Refused { .. }), "{refused:?}");
    for (step, last) in [
        (0, "421 4.3.2 too busy\r\n"),
        (2, "421 4.7.0 try again later, closing connection\r\n"),
        (3, "451 4.7.1 greylisted\r\n"),
        (
            3,
            "450 4.2.0 <ada@contoso.example>: Recipient address rejected: Greylisted\r\n",
        ),
        (5, "452 4.3.1 Insufficient system resources\r\n"),
    ] {
        let outcome = refused_at(step, last).await;
        assert!(matches!(&outcome, Outcome::Retry { .. }), "{step} {last}: {outcome:?}");
    }
}

#[tokio::test]
async fn hello_is_said_with_the_name_of_the_settings() {
    let (url, task) = server(vec!["220 hi\r\n", HELLO, "550 5.7.1 no\r\n", "221 bye\r\n"]).await;
    let settings = SmtpSettings::read(&format!("{url}?tls=none"), None).expect("settings");
    mailer(settings.with_hello(Some("bell.contoso.example")), &[])
        .send(&mail())
        .await;
    let heard = task.await.expect("a conversation");
    assert!(heard.starts_with("EHLO bell.contoso.example\r\n"), "{heard}");
    // in clear before STARTTLS, too
    let (url, task) = server(vec!["220 hi\r\n", HELLO, "221 bye\r\n"]).await;
    let settings = SmtpSettings::read(&format!("{url}?tls=required"), None).expect("settings");
    mailer(settings.with_hello(Some("[192.0.2.7]")), &[])
        .send(&mail())
        .await;
    assert!(task.await.expect("a conversation").starts_with("EHLO [192.0.2.7]\r\n"));
}

#[tokio::test]
async fn a_relay_that_offers_no_way_to_sign_in_waits_for_the_operator() {
    let (url, _) = server(vec!["220 hi\r\n", HELLO, "221 bye\r\n"]).await;
    let credentials = Some(("user".to_owned(), Secret::new("hunter2")));
    let settings = SmtpSettings::read(&format!("{url}?tls=none"), credentials).expect("settings");
    let outcome = mailer(settings, &[]).send(&mail()).await;
    assert!(
        matches!(&outcome, Outcome::OurFault { fault: Fault::SignIn, why } if why.contains("no way to sign in")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_takes_a_message_neither_nor_refuses_it_at_the_dot_is_tried_again() {
    for last in ["354 go on\r\n", "220 hello\r\n"] {
        let outcome = refused_at(5, last).await;
        assert!(
            matches!(&outcome, Outcome::Retry { why, .. } if why.contains(&last[..3])),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_lost_after_the_dot_is_tried_again() {
    let (url, _) = server(vec!["220 hi\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"]).await;
    assert!(matches!(send(&url, "none").await, Outcome::Retry { why, .. } if why.contains("it may have arrived")));
}

#[tokio::test]
async fn a_relay_that_answers_without_end_is_not_listened_to_for_ever() {
    for (first, again) in [("220 hi\r\n", "250-more\r\n"), ("", "220-more\r\n"), ("", "220 more ")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut said = stream.write_all(first.as_bytes()).await;
            while said.is_ok() {
                said = stream.write_all(again.repeat(400).as_bytes()).await;
            }
        });
        let outcome = timeout(CONNECT_TIMEOUT / 2, send(&url, "none")).await;
        let outcome = outcome.expect("it ends before its time is over");
        assert!(
            matches!(&outcome, Outcome::Retry { why, .. } if why.contains("without a whole answer")),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_unless_the_operator_says_so() {
    let (url, task) = server(vec!["220 hi\r\n", HELLO, "221 bye\r\n"]).await;
    let outcome = send(&url, "required").await;
    assert!(matches!(&outcome, Outcome::OurFault { fault: Fault::Security, why } if why.contains("STARTTLS")));
    assert!(!task.await.expect("a conversation").contains("MAIL"));
}

#[tokio::test]
async fn an_address_that_needs_smtputf8_is_refused_where_it_is_not_offered() {
    let (url, _) = server(vec!["220 hi\r\n", HELLO, "221 bye\r\n"]).await;
    let Ok(to) = crate::channel::EmailAddress::read("é@contoso.example") else {
        panic!("an address")
    };
    let mailer = mailer(
        SmtpSettings::read(&format!("{url}?tls=none"), None).expect("settings"),
        &[],
    );
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
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/fixtures/relay-key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
    tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("a configuration")))
}

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/fixtures/relay-cert.pem");

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
    let outcome = mailer(settings, &[CERTIFICATE]).send(&mail()).await;
    assert!(
        matches!(&outcome, Outcome::OurFault { fault: Fault::SignIn, why } if why.contains("535") && !why.contains("hunter2")),
        "{outcome:?}"
    );
    assert!(task.await.expect("a conversation").contains("AUTH PLAIN "));
}

#[tokio::test]
async fn a_relay_whose_certificate_is_not_trusted_hears_nothing() {
    let (port, task) = secure_server(vec![]).await;
    let settings = SmtpSettings::read(&format!("smtp://localhost:{port}"), None).expect("settings");
    let outcome = mailer(settings, &[]).send(&mail()).await;
    assert!(
        matches!(&outcome, Outcome::OurFault { fault: Fault::Security, why }
            if why.contains("`CN=localhost`, issued by itself") && why.contains("trust: ")),
        "{outcome:?}"
    );
    assert_eq!(task.await.expect("an attempt"), "no TLS");
}
