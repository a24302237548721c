//! Posts to servers that answer as they were told.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

mod harmful;

/// A server that answers its first request with `answer`, and then tells what was asked.
async fn server(answer: Vec<u8>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut asked = Vec::new();
        while !asked.ends_with(b"}") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).await.expect("reads");
            asked.extend_from_slice(&piece[..read]);
        }
        let _ = stream.write_all(&answer).await; // the sender may hang up in the middle: that is tested
        let _ = stream.shutdown().await;
        String::from_utf8(asked).expect("UTF-8")
    });
    (address, task)
}

fn sender(allow_private: bool) -> HttpSender {
    HttpSender::new(allow_private, Resolver::system()).expect("TLS is set up")
}

fn secret_url(text: &str) -> secret::Url {
    secret::Url::new(&Url::parse(text).expect("a URL"))
}

async fn post(sender: &HttpSender, url: &str) -> HttpReply {
    let headers = [("webhook-id", "dlv_1".to_owned())];
    sender
        .post(
            &CustomerId::new("contoso"),
            &secret_url(url),
            &headers,
            Bytes::from_static(b"{}"),
        )
        .await
}

#[tokio::test]
async fn a_post_carries_headers_and_body_and_brings_the_answer_back() {
    let (address, task) =
        server(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nb\x1bsy\n".to_vec()).await;
    let reply = post(
        &sender(true),
        &format!("http://{address}/hook/hunter2?sig=hunter2hunter2"),
    )
    .await;
    assert_eq!(
        reply,
        HttpReply::Answered {
            status: 503,
            retry_after: Some("7".into()),
            body: "b\\u{1b}sy".into()
        }
    );
    let asked = task.await.expect("a request").to_lowercase();
    assert!(
        asked.starts_with("post /hook/hunter2?sig=hunter2hunter2 http/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("\r\nwebhook-id: dlv_1\r\n") && asked.contains("\r\ncontent-type: application/json\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("\r\nuser-agent: bellwether/")
            && !asked.contains("accept-encoding")
            && asked.ends_with("\r\n\r\n{}"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (address, task) =
        server(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let reply = post(&sender(true), &format!("http://{address}/")).await;
    assert!(matches!(reply, HttpReply::Answered { status: 302, .. }), "{reply:?}");
    task.await.expect("one request");
}

#[tokio::test]
async fn a_huge_answer_is_cut_and_its_status_counts() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n".to_vec();
    answer.resize(2_000_000, b'x');
    let (address, _task) = server(answer).await;
    let HttpReply::Answered { status: 200, body, .. } = post(&sender(true), &format!("http://{address}/")).await else {
        panic!("the status was said")
    };
    assert_eq!(body.len(), 1024);
}

#[tokio::test]
async fn huge_headers_are_no_answer() {
    let (address, _task) = server(
        format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\nContent-Length: 0\r\n\r\n",
            "y".repeat(20_000)
        )
        .into_bytes(),
    )
    .await;
    let reply = post(&sender(true), &format!("http://{address}/")).await;
    assert!(matches!(reply, HttpReply::Failed { .. }), "{reply:?}");
}

#[tokio::test]
async fn a_receiver_that_repeats_the_secret_does_not_get_it_recorded() {
    let (address, _task) =
        server(b"HTTP/1.1 404 No\r\nContent-Length: 40\r\n\r\nno route /hook/hunter2hunter2 here, sorry".to_vec())
            .await;
    let reply = post(&sender(true), &format!("http://{address}/hook/hunter2hunter2")).await;
    assert!(!format!("{reply:?}").contains("hunter2"), "{reply:?}");
}

#[tokio::test]
async fn a_private_address_is_not_called_by_literal_or_by_name() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.set_nonblocking(true).expect("does not block");
    let inside: IpAddr = "127.0.0.1".parse().expect("an address");
    let outside: IpAddr = "8.8.8.8".parse().expect("an address");
    let resolver = Resolver::with(move |_| Ok(vec![inside]));
    let sender = HttpSender::new(false, resolver).expect("TLS is set up");
    for host in ["127.0.0.1", "inside.contoso.example"] {
        let reply = post(&sender, &format!("https://{host}:8443/hunter2hunter2")).await;
        assert!(
            matches!(&reply, HttpReply::Blocked { why } if why.contains("public internet") && !why.contains("hunter2")),
            "{reply:?}"
        );
    }
    assert_eq!(judged(vec![inside, outside], false), Ok(vec![outside]));
    assert!(listener.accept().is_err(), "nobody called");
}

#[tokio::test]
async fn a_refused_connection_says_why_without_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let reply = post(&sender(true), &format!("http://{address}/hook?sig=hunter2hunter2")).await;
    assert!(
        matches!(&reply, HttpReply::Failed { why } if !why.contains("hunter2") && !why.is_empty()),
        "{reply:?}"
    );
}
