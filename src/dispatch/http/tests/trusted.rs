//! Receivers inside TLS whose certificates the operator trusts.

use super::*;
use crate::dispatch::trust::tests::pem;

/// A sender that may call this machine, and trusts these certificates.
pub fn sender_trusting(certificates: &[u8]) -> HttpSender {
    sender_by(certificates, Proxies::default())
}

/// The same, by proxies.
pub fn sender_by(certificates: &[u8], proxies: Proxies) -> HttpSender {
    let trust = Trust::new(&[pem("hooks.pem", certificates, &[])]).expect("certificates");
    HttpSender::new(true, Resolver::system(), &trust, proxies).expect("TLS is set up")
}

#[tokio::test]
async fn an_attempt_says_which_certificate_is_not_trusted_and_what_to_do() {
    let port = harmful::secure_receiver(harmful::Harm::Once("HTTP/1.1 204 Fine\r\n\r\n")).await;
    let reply = post(&sender(true), &format!("https://localhost:{port}/hook/hunter2hunter2")).await;
    let HttpReply::Failed { why } = &reply else {
        panic!("{reply:?}")
    };
    assert!(
        why.contains("the certificate of `localhost` is not trusted: it vouches for itself"),
        "{why}"
    );
    assert!(
        why.contains("subject `CN=localhost`") && why.contains("to 2126-10-31"),
        "{why}"
    );
    assert!(
        why.contains("trust: [{ certificates: FILE.pem, for: localhost }]"),
        "{why}"
    );
    assert!(!why.contains("hunter2"), "{why}");
}
