//! Posts by a proxy.

use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::*;
use crate::dispatch::proxy::{Exception, Proxy};
use crate::dispatch::trust::tests::{acceptor, fixture};

/// A proxy that does what it is asked, and tells what that was.
struct Asked {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Asked {
    /// Begins to listen; answers every `CONNECT` with `answer` if there is one.
    async fn start(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noted = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, noted.clone(), answer));
            }
        });
        Self { address, heads }
    }

    /// The same inside TLS, with the certificate of the fixtures.
    async fn start_secure() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (noted, acceptor) = (heads.clone(), acceptor(&fixture()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve(stream, noted.clone(), None));
                }
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("a lock").clone()
    }

    fn proxies(&self, except: &[&str], credentials: Option<(&str, &secret::Secret)>) -> Proxies {
        let url = Url::parse(&format!("http://{}", self.address)).expect("a URL");
        let proxy = Proxy::new(&url, credentials).expect("a proxy");
        Proxies {
            http: Some(proxy.clone()),
            https: Some(proxy),
            except: except
                .iter()
                .map(|one| Exception::read(one).expect("an exception"))
                .collect(),
        }
    }
}

/// Reads until the end of a head; says it and what came behind it.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut came = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        came.extend_from_slice(&piece[..read]);
        if let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = came.split_off(end + 4);
            return Some((String::from_utf8(came).expect("UTF-8"), behind));
        }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Option<&'static str>,
) {
    while let Some((head, behind)) = head(&mut stream).await {
        heads.lock().expect("a lock").push(head.clone());
        let mut words = head.split_whitespace();
        match (words.next(), words.next(), answer) {
            (Some("CONNECT"), _, Some(answer)) => {
                let _ = stream.write_all(answer.as_bytes()).await; // the sender may hang up: that is tested
                let _ = stream.shutdown().await;
                return;
            }
            (Some("CONNECT"), Some(to), None) => {
                let mut receiver = TcpStream::connect(to).await.expect("a receiver");
                let opened = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
                opened.expect("writes");
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut receiver).await;
                return;
            }
            _ => {
                // the body is two octets, and may come later
                let mut body = behind;
                while body.len() < 2 {
                    body.push(stream.read_u8().await.expect("a body"));
                }
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await;
            }
        }
    }
}

const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/fixtures/relay-cert.pem");

fn is_taken(reply: &HttpReply) -> bool {
    matches!(reply, HttpReply::Answered { status: 200..=299, .. })
}

#[tokio::test]
async fn a_receiver_inside_tls_is_reached_by_a_tunnel_and_the_proxy_sees_no_more_than_its_name() {
    let port = harmful::secure_receiver(harmful::Harm::Once("HTTP/1.1 204 Fine\r\n\r\n")).await;
    let proxy = Asked::start(None).await;
    let password = secret::Secret::new("hunter2");
    let sender = trusted::sender_by(CERTIFICATE, proxy.proxies(&[], Some(("ada", &password))));
    let reply = post(&sender, &format!("https://localhost:{port}/hook/sesamesesame")).await;
    assert!(is_taken(&reply), "{reply:?}");
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1);
    let head = heads[0].to_lowercase();
    assert!(
        head.starts_with(&format!("connect localhost:{port} http/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{head}");
    assert!(
        heads[0]
            .to_lowercase()
            .contains("proxy-authorization: basic ywrhomh1bnrlcji="),
        "{head}"
    );
    assert!(!head.contains("sesame"), "{head}");
}

#[tokio::test]
async fn a_proxy_may_be_spoken_to_inside_tls_and_the_receiver_inside_that_again() {
    let port = harmful::secure_receiver(harmful::Harm::Once("HTTP/1.1 204 Fine\r\n\r\n")).await;
    let proxy = Asked::start_secure().await;
    let url = Url::parse(&format!("https://localhost:{}", proxy.address.port())).expect("a URL");
    let proxies = || Proxies {
        https: Some(Proxy::new(&url, None).expect("a proxy")),
        ..Proxies::default()
    };
    let target = format!("https://localhost:{port}/hook/sesamesesame");
    let reply = post(&trusted::sender_by(CERTIFICATE, proxies()), &target).await;
    assert!(is_taken(&reply), "{reply:?}");
    assert!(
        proxy.heads()[0].starts_with(&format!("CONNECT localhost:{port} ")),
        "{:?}",
        proxy.heads()
    );
    // its certificate is looked at like a receiver's
    let reply = post(&sender_with(true, Resolver::system(), proxies()), &target).await;
    assert!(
        matches!(&reply, HttpReply::Failed { why } if why.starts_with("the proxy: the certificate of `localhost`")),
        "{reply:?}"
    );
}

#[tokio::test]
async fn plain_http_is_forwarded_with_the_whole_url_over_one_connection() {
    let proxy = Asked::start(None).await;
    let password = secret::Secret::new("hunter2");
    let sender = sender_with(true, Resolver::system(), proxy.proxies(&[], Some(("ada", &password))));
    for _ in 0..2 {
        let reply = post(&sender, "http://127.0.0.1:8099/hook?x=1").await;
        assert!(is_taken(&reply), "{reply:?}");
    }
    let heads = proxy.heads();
    assert_eq!(heads.len(), 2);
    for head in heads {
        let head = head.to_lowercase();
        assert!(
            head.starts_with("post http://127.0.0.1:8099/hook?x=1 http/1.1\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\nhost: 127.0.0.1:8099\r\n"), "{head}");
        assert!(head.contains("proxy-authorization: basic "), "{head}");
    }
}

#[tokio::test]
async fn who_is_excepted_is_called_without_the_proxy_and_its_password() {
    let (address, task) = server(b"HTTP/1.1 204 Fine\r\n\r\n".to_vec()).await;
    let proxy = Asked::start(None).await;
    let password = secret::Secret::new("hunter2");
    let proxies = proxy.proxies(&["127.0.0.0/8"], Some(("ada", &password)));
    let reply = post(
        &sender_with(true, Resolver::system(), proxies),
        &format!("http://{address}/hook"),
    )
    .await;
    assert!(is_taken(&reply), "{reply:?}");
    let asked = task.await.expect("a request").to_lowercase();
    assert!(
        asked.starts_with("post /hook http/1.1\r\n") && !asked.contains("proxy-"),
        "{asked}"
    );
    assert_eq!(proxy.heads(), [""; 0]);
}

#[tokio::test]
async fn what_may_not_be_called_is_not_asked_of_a_proxy_either() {
    let proxy = Asked::start(None).await;
    let inside: IpAddr = "10.0.0.1".parse().expect("an address");
    let resolver = Resolver::with(move |name| match name {
        "127.0.0.1" => Ok(vec![inside]),
        _ => Ok(vec!["8.8.8.8".parse().expect("an address"), inside]),
    });
    let sender = sender_with(false, resolver, proxy.proxies(&[], None));
    for host in ["10.0.0.1", "169.254.169.254", "[::1]", "rebound.contoso.example"] {
        let reply = post(&sender, &format!("https://{host}/hunter2hunter2")).await;
        assert!(
            matches!(&reply, HttpReply::Blocked { why } if why.contains("public internet")),
            "{host}: {reply:?}"
        );
    }
    assert_eq!(proxy.heads(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_only_the_proxy_can_look_up_is_handed_over() {
    let proxy = Asked::start(Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")).await;
    let resolver = Resolver::with(|_| Err(std::io::Error::other("no such name")));
    let reply = post(
        &sender_with(false, resolver, proxy.proxies(&[], None)),
        "https://hooks.contoso.example/x",
    )
    .await;
    assert!(
        matches!(&reply, HttpReply::Failed { why } if why.contains("it does not reach the host")),
        "{reply:?}"
    );
    assert!(
        proxy.heads()[0].starts_with("CONNECT hooks.contoso.example:443 "),
        "{:?}",
        proxy.heads()
    );
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_says_why_and_what_to_do() {
    for (answer, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
            "proxy: { user, password }",
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
            "proxy: { user, password }",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno!",
            "does not let us reach this host",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "does not reach the host itself"),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://login.example/\r\n\r\n",
            "the proxy answered 302",
        ),
        (
            "HTTP/1.1 200 Fine\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "more than it was asked",
        ),
        ("SSH-2.0-OpenSSH\r\n", "the proxy gave no answer to CONNECT"),
        ("", "the proxy gave no answer to CONNECT"),
    ] {
        let proxy = Asked::start(Some(answer)).await;
        let sender = sender_with(true, Resolver::system(), proxy.proxies(&[], None));
        let reply = post(&sender, "https://127.0.0.1:8443/hook/hunter2hunter2").await;
        let HttpReply::Failed { why } = &reply else {
            panic!("{answer:?}: {reply:?}")
        };
        assert!(why.contains(expected) && !why.contains("hunter2"), "{answer:?}: {why}");
    }
}

#[tokio::test]
async fn a_proxy_that_answers_without_end_is_not_listened_to_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        while stream
            .write_all(&b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(64))
            .await
            .is_ok()
        {}
    });
    let asked = Asked {
        address,
        heads: Arc::default(),
    };
    let sender = sender_with(true, Resolver::system(), asked.proxies(&[], None));
    let reply = timeout(PROXIED_TIMEOUT / 2, post(&sender, "https://127.0.0.1:8443/")).await;
    let reply = reply.expect("it ends before its time is over");
    assert!(matches!(&reply, HttpReply::Failed { .. }), "{reply:?}");
}
