//! The web's side of the receivers: a ticket system behind a signed webhook, Slack, Teams.
//!
//! Each answers as the real one does; the signature is checked as a receiver should (Standard Webhooks 1.0.0).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::net::TcpListener;

use super::received::Letterbox;

/// What webhooks to the ticket system are signed with: the example key of the standard, a secret to nobody.
pub const SIGNING_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Starts the server on a free port of this machine; it runs until the process ends.
pub async fn listen(letterbox: Letterbox) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let hooks = Router::new()
        .route("/tickets", post(tickets))
        .route("/slack", post(slack))
        .route("/teams", post(teams))
        .with_state(letterbox);
    tokio::spawn(async move { axum::serve(listener, hooks).await });
    Ok(address)
}

async fn tickets(State(letterbox): State<Letterbox>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let flaw = signature_flaw(&headers, &body);
    keep(
        &letterbox,
        &uri,
        &headers,
        &body,
        flaw,
        StatusCode::NO_CONTENT.into_response(),
    )
}

async fn slack(State(letterbox): State<Letterbox>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    keep(&letterbox, &uri, &headers, &body, None, "ok".into_response())
}

async fn teams(State(letterbox): State<Letterbox>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    keep(
        &letterbox,
        &uri,
        &headers,
        &body,
        None,
        StatusCode::ACCEPTED.into_response(),
    )
}

fn keep(
    letterbox: &Letterbox,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
    flaw: Option<String>,
    answer: Response,
) -> Response {
    match letterbox.hook(uri.path(), text(headers, "webhook-id"), body, flaw) {
        Ok(()) => answer,
        Err(error) => (StatusCode::INSUFFICIENT_STORAGE, error.to_string()).into_response(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What a careful receiver would complain of; `None` when the signature holds.
fn signature_flaw(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    if let Some(missing) = names.iter().find(|name| text(headers, name).is_none()) {
        return Some(format!("has no `{missing}`"));
    }
    let [id, timestamp, signatures] = names.map(|name| text(headers, name).unwrap_or_default());
    let signed = |signature: &str| {
        signature
            .strip_prefix("v1,")
            .is_some_and(|it| holds(it, id, timestamp, body))
    };
    (!signatures.split(' ').any(signed)).then(|| "bears a wrong signature".to_owned())
}

fn holds(signature: &str, id: &str, timestamp: &str, body: &[u8]) -> bool {
    let key = BASE64
        .decode(SIGNING_KEY.trim_start_matches("whsec_"))
        .unwrap_or_default();
    let (Ok(mut mac), Ok(signature)) = (Hmac::<Sha256>::new_from_slice(&key), BASE64.decode(signature)) else {
        return false;
    };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_by(other: &standardwebhooks::Webhook, body: &[u8]) -> HeaderMap {
        let now = crate::clock::Clock::System.now().timestamp();
        let signature = other.sign("dlv_1", now, body).expect("a signature");
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "dlv_1".parse().expect("a header"));
        headers.insert("webhook-timestamp", now.into());
        headers.insert("webhook-signature", signature.parse().expect("a header"));
        headers
    }

    #[test]
    fn the_standards_own_library_and_we_agree_on_a_signature() {
        let webhook = standardwebhooks::Webhook::new(SIGNING_KEY).expect("a key");
        let headers = signed_by(&webhook, b"{}");
        assert_eq!(signature_flaw(&headers, b"{}"), None);
        assert_eq!(
            signature_flaw(&headers, b"{ }").as_deref(),
            Some("bears a wrong signature")
        );
        assert_eq!(
            signature_flaw(&HeaderMap::new(), b"{}").as_deref(),
            Some("has no `webhook-id`")
        );
    }

    #[tokio::test]
    async fn each_hook_answers_as_the_real_one_does_and_keeps_what_it_got() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let (letterbox, mut arrivals) = Letterbox::new(folder.path().to_owned()).expect("a letterbox");
        let address = listen(letterbox).await.expect("a port");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        for (path, status) in [("/tickets", 204), ("/slack", 200), ("/teams", 202)] {
            let answer = client
                .post(format!("http://{address}{path}"))
                .body("{\"text\":\"hi\"}")
                .send()
                .await;
            assert_eq!(answer.expect("an answer").status().as_u16(), status, "{path}");
            let receipt = arrivals.recv().await.expect("told");
            assert_eq!((receipt.address.as_str(), receipt.title.as_str()), (path, "hi"));
            assert_eq!(receipt.flaw.is_some(), path == "/tickets", "only tickets are signed");
        }
    }
}
