//! Real connections: what is slow, what is too many, and stopping.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::{Serving, Settings, serve};
use super::{A, Place, alert};

/// Longer than anything here takes: a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Open {
    serving: Serving,
    place: Place,
    address: std::net::SocketAddr,
}

fn open(settings: Settings) -> Open {
    let (doors, place) = Place::with_doors(settings);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = serve(listener, doors).expect("opens");
    Open {
        serving,
        place,
        address,
    }
}

impl Open {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // a reset is an end, too
    let _ = read.expect("the other side closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer's head; its body stays unread.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.expect("an answer"));
    }
    String::from_utf8(bytes).expect("text")
}

fn post(body: &str) -> String {
    format!(
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn headers_that_never_end_are_not_waited_for() {
    let settings = Settings {
        header_timeout: Duration::from_millis(10),
        ..Settings::default()
    };
    let open = open(settings);
    let mut slow = open.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: local")
        .await
        .expect("is sent");
    assert_eq!(rest(&mut slow).await, "");
    open.serving.stop(tokio::time::Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_and_not_for_ever() {
    let settings = Settings {
        idle_timeout: Duration::from_millis(10),
        ..Settings::default()
    };
    let open = open(settings);
    let mut stream = open.connect().await;
    for _ in 0..2 {
        stream
            .write_all(b"HEAD /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .expect("is sent");
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(rest(&mut stream).await, "");
    open.serving.stop(tokio::time::Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_with_408() {
    let settings = Settings {
        body_timeout: Duration::from_millis(10),
        ..Settings::default()
    };
    let open = open(settings);
    let mut slow = open.connect().await;
    slow.write_all(b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        .await
        .expect("is sent");
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408"));
    open.serving.stop(tokio::time::Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let open = open(Settings {
        connections: 1,
        ..Settings::default()
    });
    let mut first = open.connect().await;
    first
        .write_all(b"HEAD /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("is sent");
    head(&mut first).await;
    let mut second = open.connect().await;
    second
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("is sent");
    second.shutdown().await.expect("is sent");
    let answer = rest(&mut second).await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 5"),
        "{answer}"
    );
    open.serving.stop(tokio::time::Instant::now() + PATIENCE).await;
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_end_and_takes_nothing_new() {
    let open = open(Settings::default());
    let request = post(&alert("X-1", A, "Title", "Text"));
    let (begun, end) = request.split_at(200);
    let mut stream = open.connect().await;
    stream.write_all(begun.as_bytes()).await.expect("is sent");
    let mut idle = open.connect().await;
    idle.write_all(b"HEAD /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("is sent");
    head(&mut idle).await;
    let stopping = tokio::spawn(open.serving.stop(tokio::time::Instant::now() + PATIENCE));
    assert_eq!(rest(&mut idle).await, "", "what is idle is closed at once");
    stream.write_all(end.as_bytes()).await.expect("is sent");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    stopping.await.expect("stops");
    assert!(TcpStream::connect(open.address).await.is_err(), "the door is closed");
    drop(open.place);
}

#[tokio::test]
async fn who_is_refused_in_the_middle_of_an_upload_can_read_why() {
    let open = open(Settings::default());
    for (path, status) in [
        ("/v1/events", "413"),
        ("/v1/events/nobody", "404"),
        ("/v1/events?arrival=x", "400"),
    ] {
        let mut sender = open.connect().await;
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 8388608\r\n\r\n");
        sender.write_all(head.as_bytes()).await.expect("is sent");
        sender.write_all(&vec![b' '; 8 << 20]).await.expect("all of it is sent");
        let answer = rest(&mut sender).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(answer.ends_with('}'), "all of it arrives: {answer}");
    }
    open.serving
        .stop(tokio::time::Instant::now() + Duration::from_secs(30))
        .await;
}

#[tokio::test]
async fn slow_announcements_of_large_bodies_do_not_close_the_intake() {
    let open = open(Settings::default());
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut sender = open.connect().await;
        let head = "POST /v1/events?arrival=history HTTP/1.1\r\nhost: localhost\r\ncontent-length: 16777216\r\n\r\n[";
        sender.write_all(head.as_bytes()).await.expect("is sent");
        slow.push(sender);
    }
    for nth in 0..20 {
        let mut sender = open.connect().await;
        let body = alert(&format!("X-{nth}"), A, "Title", "Text");
        let request = post(&body).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        sender.write_all(request.as_bytes()).await.expect("is sent");
        let answer = rest(&mut sender).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
    drop(slow);
    open.serving
        .stop(tokio::time::Instant::now() + Duration::from_secs(30))
        .await;
}
