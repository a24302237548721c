//! Webhooks by a real proxy (tinyproxy) to a receiver whose certificate the settings trust.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Azure, World};

/// How long the proxy may take until it listens.
const UP_WITHIN: Duration = Duration::from_secs(5);

struct Proxy {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Proxy {
    /// A proxy that wants a user and a password.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("an address").port()
        };
        let log = folder.path().join("log");
        let settings = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 20\nLogFile \"{}\"\nLogLevel Connect\nMaxClients 20\n\
             BasicAuth bell sesame\n",
            log.display()
        );
        let path = folder.path().join("tinyproxy.conf");
        std::fs::write(&path, settings).expect("a file");
        let child = Command::new("tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.expect("tinyproxy; `tests/run` installs it");
        let proxy = Self { child, port, folder };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < UP_WITHIN, "the proxy does not listen");
            std::thread::yield_now();
        }
        proxy
    }

    /// What it was asked, by its own log.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CERTIFICATE: &[u8] = include_bytes!("../fixtures/relay-cert.pem");
const KEY: &[u8] = include_bytes!("../fixtures/relay-key.pem");

/// A receiver inside TLS: its port, and the heads of what it got.
async fn secure_receiver() -> (u16, Arc<Mutex<Vec<String>>>) {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let noted = got.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut piece = [0; 16 * 1024];
            let read = stream.read(&mut piece).await.unwrap_or(0);
            noted
                .lock()
                .expect("a lock")
                .push(String::from_utf8_lossy(&piece[..read]).into_owned());
            let _ = stream
                .write_all(b"HTTP/1.1 204 Fine\r\nconnection: close\r\n\r\n")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    (port, got)
}

fn rules(url: &str) -> String {
    format!(
        "receivers: {{ all: [{{ webhook: \"{url}\" }}] }}\nrules:\n  - {{ name: All, when: {{}}, notify: all, settle: 0s }}\n"
    )
}

/// Settings with this proxy, and with the receiver's certificate if it is to be trusted.
fn settings(folder: &tempfile::TempDir, proxy: &Proxy, is_trusted: bool) -> String {
    std::fs::write(folder.path().join("hooks.pem"), CERTIFICATE).expect("a file");
    std::fs::write(folder.path().join("proxy-password"), "sesame\n").expect("a file");
    let trust = match is_trusted {
        true => format!(
            "trust: [{{ certificates: {}/hooks.pem, for: localhost }}]\n",
            folder.path().display()
        ),
        false => String::new(),
    };
    format!(
        "secrets: {}\nproxy: {{ http: \"http://127.0.0.1:{1}\", https: \"http://127.0.0.1:{1}\", user: bell, password: {{ secret: proxy-password }} }}\n{trust}",
        folder.path().display(),
        proxy.port
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_goes_by_a_real_proxy_to_a_receiver_whose_certificate_is_pinned() {
    let (proxy, folder) = (Proxy::start(), tempfile::tempdir().expect("a folder"));
    let (port, got) = secure_receiver().await;
    let files = [(
        "contoso/rules.yaml",
        &*rules(&format!("https://localhost:{port}/hook/sesamesesame")),
    )];
    let mut world = World::with_settings(&settings(&folder, &proxy, false), &files).await;
    world.hear(&Azure::active().json()).await;
    let waiting = world.deliveries("scheduled").await;
    assert_eq!(waiting.len(), 1);
    let id = waiting[0]["id"].as_str().expect("an id").to_owned();
    let tried = world.get(&format!("/v1/deliveries/{id}")).await.to_string();
    assert!(
        tried.contains("it vouches for itself") && tried.contains("CN=localhost"),
        "{tried}"
    );
    world.change_settings(&settings(&folder, &proxy, true)).await;
    world.pass(60).await;
    assert_eq!(world.deliveries("delivered").await.len(), 1);
    let got = got.lock().expect("a lock").clone();
    assert!(
        got.len() == 1 && got[0].starts_with("POST /hook/sesamesesame HTTP/1.1\r\n"),
        "{got:?}"
    );
    assert!(!got[0].to_lowercase().contains("proxy-authorization"), "{got:?}");
    let log = proxy.log();
    assert!(
        log.contains(&format!("CONNECT localhost:{port}")) && !log.contains("sesamesesame"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_is_forwarded_by_a_real_proxy_and_who_is_excepted_is_called_directly() {
    let (proxy, folder) = (Proxy::start(), tempfile::tempdir().expect("a folder"));
    let settings = settings(&folder, &proxy, false);
    let mut world = World::with_settings(&settings, &[("contoso/rules.yaml", &rules("{hooks}/here"))]).await;
    std::fs::write(folder.path().join("proxy-password"), "wrong").expect("a file");
    world.change_settings(&settings).await;
    world.hear(&Azure::active().json()).await;
    assert_eq!(world.hooks.got("here").len(), 0);
    let waiting = world.deliveries("scheduled").await;
    let id = waiting[0]["id"].as_str().expect("an id").to_owned();
    let tried = world.get(&format!("/v1/deliveries/{id}")).await.to_string();
    assert!(tried.contains("answered 401"), "{tried}");
    std::fs::write(folder.path().join("proxy-password"), "sesame").expect("a file");
    world.change_settings(&settings).await;
    world.pass(60).await;
    assert_eq!(world.hooks.got("here").len(), 1);
    let headers = &world.hooks.got("here")[0].headers;
    assert!(
        headers.contains_key("via") && !headers.contains_key("proxy-authorization"),
        "{headers:?}"
    );
    // who is excepted is called directly
    world
        .change_settings(&settings.replace("user: bell", "except: 127.0.0.1, user: bell"))
        .await;
    world.hear(&Azure::mitigated().json()).await;
    assert_eq!(world.deliveries("delivered").await.len(), 2);
    assert!(!world.hooks.got("here")[1].headers.contains_key("via"));
}
