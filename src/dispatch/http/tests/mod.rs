//! Posts to servers that answer as they were told.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

use crate::notification::Channel;

mod harmful;
mod proxied;
mod trusted;

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
    sender_with(allow_private, Resolver::system(), Proxies::default())
}

fn sender_with(allow_private: bool, resolver: Resolver, proxies: Proxies) -> HttpSender {
    let trust = Trust::system().expect("certificate authorities");
    HttpSender::new(allow_private, resolver, &trust, proxies).expect("TLS is set up")
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
            body: "b\u{1b}sy".into()
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
async fn what_a_200_says_in_its_body_is_read_before_it_counts_as_delivered() {
    let long = format!(
        "{{\n  \"ok\": false,\n  \"detail\": \"{}\",\n  \"error\": \"ratelimited\"\n}}",
        "x".repeat(5_000)
    );
    let teams = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error";
    for (channel, body, expected) in [
        (Channel::Slack, "ok".to_owned(), "delivered"),
        (Channel::Slack, long, "retry"),
        (Channel::Slack, "invalid_payload".to_owned(), "refused"),
        (Channel::Teams, "1".to_owned(), "delivered"),
        (Channel::Teams, format!("{teams} 429 with ContextId tcid=0"), "retry"),
        (Channel::Teams, format!("{teams} 413 with ContextId tcid=0"), "refused"),
        (
            Channel::Webhook,
            format!("{teams} 429 with ContextId tcid=0"),
            "delivered",
        ),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let (address, _task) = server([head, body.clone()].concat().into_bytes()).await;
        let reply = post(&sender(true), &format!("http://{address}/hook/hunter2hunter2")).await;
        let outcome = crate::channel::reply::of_http(channel, &reply, crate::clock::Time::UNIX_EPOCH);
        assert_eq!(outcome.word(), expected, "{channel:?} {body}");
    }
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
    assert_eq!(body.len(), 64 * 1024);
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
    let sender = sender_with(false, resolver, Proxies::default());
    for host in ["127.0.0.1", "inside.contoso.example"] {
        let reply = post(&sender, &format!("https://{host}:8443/hunter2hunter2")).await;
        assert!(
            matches!(&reply, HttpReply::Blocked { why } if why.contains("public internet") && !why.contains("hunter2")),
            "{reply:?}"
        );
    }
    let none = Proxies::default();
    let route = none.route(true, "both.contoso.example", Ok(vec![inside, outside]), false);
    assert!(matches!(route, Route::Direct(addresses) if addresses == [outside]));
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
