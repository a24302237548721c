//! Receivers that mean harm: every attempt ends in time and with a reason, and costs next to nothing.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

/// What a receiver does with a connection over which it was asked something.
#[derive(Clone, Copy)]
pub enum Harm {
    /// Says the first part once, and the second part without end, in pieces of so many bytes at least.
    Endless(&'static str, &'static str, usize),
    /// Says this and hangs up.
    Once(&'static str),
    /// Says the first part, and the second part a byte a second.
    Drip(&'static str, &'static str),
    /// Says nothing more.
    Silent(&'static str),
}

/// Serves every connection in this way; where.
async fn receiver(harm: Harm) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(harm.serve(stream));
        }
    });
    address
}

impl Harm {
    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let said = self.say(&mut stream).await;
        drop(said); // the sender hangs up: that is tested
    }

    async fn say(self, stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        match self {
            Harm::Endless(first, again, at_least) => {
                stream.write_all(first.as_bytes()).await?;
                let piece = again.repeat(at_least.div_ceil(again.len()));
                loop {
                    stream.write_all(piece.as_bytes()).await?;
                    stream.flush().await?;
                }
            }
            Harm::Once(all) => {
                stream.write_all(all.as_bytes()).await?;
                stream.shutdown().await
            }
            Harm::Drip(first, bytes) => {
                stream.write_all(first.as_bytes()).await?;
                for byte in bytes.bytes().cycle() {
                    stream.write_u8(byte).await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Ok(())
            }
            Harm::Silent(first) => {
                stream.write_all(first.as_bytes()).await?;
                std::future::pending().await
            }
        }
    }
}

const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/fixtures/relay-cert.pem");

/// The same inside TLS, on `localhost`; the port.
pub async fn secure_receiver(harm: Harm) -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = include_bytes!("../../../../tests/fixtures/relay-key.pem");
    let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(harm.serve(stream));
            }
        }
    });
    port
}

/// Processor time of this process so far.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .map(|nth: usize| fields[nth].parse::<u64>().expect("ticks"))
        .iter()
        .sum();
    Duration::from_millis(ticks * 10)
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_ends_ends_soon_with_a_reason_and_costs_next_to_no_processor_time() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
    let no_answer = [
        (
            "hints without end",
            Harm::Endless("", hints, 4096),
            "without a whole answer",
        ),
        (
            "hints, one a piece",
            Harm::Endless("", hints, 1),
            "without a whole answer",
        ),
        (
            "continue without end",
            Harm::Endless("", "HTTP/1.1 100 \r\n\r\n", 1 << 16),
            "without a whole answer",
        ),
        (
            "processing",
            Harm::Endless("", "HTTP/1.1 102 P\r\nx: y\r\n\r\n", 1 << 16),
            "without a whole answer",
        ),
        (
            "a hint with headers without end",
            Harm::Endless("HTTP/1.1 103 Hints\r\n", "x: y\r\n", 4096),
            "100 headers",
        ),
        (
            "headers without end",
            Harm::Endless(OK, "x: y\r\n", 4096),
            "100 headers",
        ),
        (
            "a header without end",
            Harm::Endless("HTTP/1.1 200 OK\r\nx: ", "y", 4096),
            "16 KiB",
        ),
        (
            "a reason without end",
            Harm::Endless("HTTP/1.1 200 ", "fine ", 4096),
            "16 KiB",
        ),
        ("line ends without end", Harm::Endless("", "\r\n", 4096), "16 KiB"),
        (
            "garbage",
            Harm::Endless("", "\u{0}\u{1}\u{2}", 4096),
            "not an HTTP/1.1 answer",
        ),
        (
            "garbage first",
            Harm::Once("garbage\r\nHTTP/1.1 200 OK\r\n\r\n"),
            "not an HTTP/1.1 answer",
        ),
        ("HTTP/0.9", Harm::Once("<html>fine</html>"), "not an HTTP/1.1 answer"),
        (
            "another protocol",
            Harm::Once("SSH-2.0-OpenSSH_9.6\r\n"),
            "not an HTTP/1.1 answer",
        ),
        (
            "HTTP/2",
            Harm::Once("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            "not an HTTP/1.1 answer",
        ),
        ("nothing", Harm::Once(""), "the connection was lost"),
        (
            "half a head",
            Harm::Once("HTTP/1.1 200 OK\r\nx:"),
            "the connection was lost",
        ),
    ];
    let sender = sender(true);
    for (name, harm, expected) in no_answer {
        let (began, before) = (Instant::now(), processor_time());
        let reply = post(&sender, &format!("http://{}/", receiver(harm).await)).await;
        let (took, cost) = (began.elapsed(), processor_time() - before);
        assert!(
            matches!(&reply, HttpReply::Failed { why } if why.contains(expected)),
            "{name}: {reply:?}"
        );
        // the receiver is in this process, and its time is in it
        assert!(
            took < Duration::from_secs(5) && cost < Duration::from_secs(2),
            "{name}: {took:?}, {cost:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_behind_the_status_is_cut_and_the_status_counts() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let sized = "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n";
    let answers = [
        ("100 MB", Harm::Endless(sized, "x", 1 << 16)),
        (
            "a body without end",
            Harm::Endless("HTTP/1.1 200 OK\r\n\r\n", "x", 1 << 16),
        ),
        ("chunks without end", Harm::Endless(chunked, "1\r\nx\r\n", 1 << 16)),
        ("a chunk's size without end", Harm::Endless(chunked, "0", 1 << 16)),
        (
            "trailers without end",
            Harm::Endless(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
                "x: y\r\n",
                1 << 16,
            ),
        ),
        (
            "more than was announced",
            Harm::Endless("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", "x", 1 << 16),
        ),
        (
            "a switch of protocols",
            Harm::Endless(
                "HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
                "x",
                1 << 16,
            ),
        ),
    ];
    let sender = sender(true);
    for (name, harm) in answers {
        let (began, before) = (Instant::now(), processor_time());
        let address = receiver(harm).await;
        for _ in 0..2 {
            let reply = post(&sender, &format!("http://{address}/")).await;
            let status = if name.starts_with("a switch") { 101 } else { 200 };
            let HttpReply::Answered { status: said, body, .. } = &reply else {
                panic!("{name}: {reply:?}")
            };
            assert!(*said == status && body.len() <= 3 * 64 * 1024, "{name}: {reply:?}");
        }
        let (took, cost) = (began.elapsed(), processor_time() - before);
        assert!(
            took < Duration::from_secs(5) && cost < Duration::from_secs(2),
            "{name}: {took:?}, {cost:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_a_byte_a_second_is_waited_for_until_the_deadline_and_no_longer() {
    let sender = Arc::new(sender(true));
    let attempt = |harm: Harm| {
        let sender = sender.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            let reply = post(&sender, &format!("http://{}/", receiver(harm).await)).await;
            (reply, began.elapsed())
        })
    };
    let silent = [
        Harm::Silent(""),
        Harm::Silent("HTTP/1.1 200 OK\r\n"),
        Harm::Silent("HTTP/1.1 103 Hints\r\n\r\n"),
        Harm::Drip(OK, "x"),
        Harm::Drip("", "\n"),
    ];
    let silent = silent.map(attempt);
    let handshake = {
        let (sender, address) = (sender.clone(), receiver(Harm::Silent("")).await);
        tokio::spawn(async move { post(&sender, &format!("https://{address}/")).await })
    };
    let drip = attempt(Harm::Drip("HTTP/1.1 503 Busy\r\ncontent-length: 1000\r\n\r\n", "x"));
    let (reply, took) = drip.await.expect("an attempt");
    assert!(matches!(reply, HttpReply::Answered { status: 503, .. }), "{reply:?}");
    assert!(took < ATTEMPT_TIMEOUT, "the status was said: {took:?}");
    let reply = handshake.await.expect("an attempt");
    assert!(
        matches!(&reply, HttpReply::Failed { why } if why == "no connection within 5 seconds"),
        "{reply:?}"
    );
    for (nth, one) in silent.into_iter().enumerate() {
        let (reply, took) = one.await.expect("an attempt");
        assert!(
            matches!(&reply, HttpReply::Failed { why } if why == "no answer within 15 seconds"),
            "{nth}: {reply:?}"
        );
        assert!(took >= ATTEMPT_TIMEOUT && took < 2 * ATTEMPT_TIMEOUT, "{nth}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_speaks_something_else_than_tls_is_told_so_at_once() {
    let sender = sender(true);
    for (name, harm) in [
        ("HTTP in clear", Harm::Once("HTTP/1.1 200 OK\r\n\r\n")),
        (
            "garbage without end",
            Harm::Endless("", "\u{16}\u{3}\u{1}\u{0}\u{0}", 1 << 16),
        ),
        (
            "empty records without end",
            Harm::Endless("", "\u{14}\u{3}\u{3}\u{0}\u{1}\u{1}", 1 << 16),
        ),
    ] {
        let (began, before) = (Instant::now(), processor_time());
        let reply = post(&sender, &format!("https://{}/", receiver(harm).await)).await;
        assert!(
            matches!(&reply, HttpReply::Failed { why } if why.contains("TLS")),
            "{name}: {reply:?}"
        );
        let (took, cost) = (began.elapsed(), processor_time() - before);
        assert!(
            took < Duration::from_secs(5) && cost < Duration::from_secs(2),
            "{name}: {took:?}, {cost:?}"
        );
    }
}

/// The most memory that this process had so far, in KiB.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("KiB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_takes_at_most_a_mebibyte_whatever_it_is_answered() {
    const ATTEMPTS: usize = 64;
    let sized = "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n";
    let harms = [
        Harm::Endless(sized, "x", 1 << 16),
        Harm::Endless("", "HTTP/1.1 100 \r\n\r\n", 1 << 16),
        Harm::Endless("HTTP/1.1 200 OK\r\nx: ", "y", 1 << 16),
    ];
    let sender = Arc::new(sender(true));
    for harm in harms {
        let address = receiver(harm).await;
        let before = peak_memory();
        let attempts: Vec<_> = (0..ATTEMPTS)
            .map(|_| {
                let sender = sender.clone();
                tokio::spawn(async move { post(&sender, &format!("http://{address}/")).await })
            })
            .collect();
        for attempt in attempts {
            attempt.await.expect("an attempt");
        }
        let grown = peak_memory() - before;
        assert!(grown < ATTEMPTS * 1024, "{grown} KiB for {ATTEMPTS} attempts");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_tls_the_same_holds() {
    let sender = super::trusted::sender_trusting(CERTIFICATE);
    let port = secure_receiver(Harm::Once("HTTP/1.1 204 Fine\r\n\r\n")).await;
    let reply = post(&sender, &format!("https://localhost:{port}/")).await;
    assert!(matches!(reply, HttpReply::Answered { status: 204, .. }), "{reply:?}");
    let hints = Harm::Endless("", "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n", 1 << 14);
    let port = secure_receiver(hints).await;
    let before = processor_time();
    let reply = post(&sender, &format!("https://localhost:{port}/")).await;
    assert!(
        matches!(&reply, HttpReply::Failed { why } if why.contains("without a whole answer")),
        "{reply:?}"
    );
    let cost = processor_time() - before;
    assert!(cost < Duration::from_secs(2), "{cost:?}");
}

#[tokio::test]
async fn a_connection_is_used_again_by_the_same_customer_and_by_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (count, mut connections) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.send_modify(|count| *count += 1);
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {
                    let answered = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                    drop(answered); // the sender may have hung up
                }
            });
        }
    });
    let sender = sender(true);
    for _ in 0..5 {
        assert!(matches!(
            post(&sender, &url).await,
            HttpReply::Answered { status: 200, .. }
        ));
    }
    assert_eq!(*connections.borrow_and_update(), 1);
    let fabrikam = CustomerId::new("fabrikam");
    let reply = sender
        .post(&fabrikam, &secret_url(&url), &[], Bytes::from_static(b"{}"))
        .await;
    assert!(matches!(reply, HttpReply::Answered { status: 200, .. }), "{reply:?}");
    assert_eq!(*connections.borrow_and_update(), 2);
}
