//! Posting to receivers that customers named: the one place where their URLs are called.
//!
//! Every resolved address is judged inside the connector, so there is no moment between the check and the call; address
//! literals, which no resolver is asked for, are judged here. Redirects are not followed, proxies of the environment
//! not used, answers not decompressed. Each customer has connections of its own. A URL is a secret: nothing of its path
//! or query leaves this file.

mod answer;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hyper::body::Bytes;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

use super::tls;
use crate::channel::guard;
use crate::channel::reply::HttpReply;
use crate::customer::CustomerId;
use crate::secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const HEADERS_MAX_BYTES: usize = 16 * 1024;
const CLIENTS_MAX: usize = 256;
/// As many as there may be attempts at once: many receivers may be paths of one host (a chat service), and a connection
/// made anew for each message takes longer than the message.
const IDLE_MAX_PER_HOST: usize = 512;
const ADDRESSES_MAX: usize = 32;

/// Sends HTTP requests to receivers.
pub struct HttpSender {
    allow_private: bool,
    tls: rustls::ClientConfig,
    clients: Mutex<HashMap<CustomerId, Client>>,
}

impl HttpSender {
    /// A sender; `allow_private` permits plain HTTP and private addresses (never metadata services).
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(allow_private: bool) -> Result<Self> {
        let mut tls = tls::config(None)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            allow_private,
            tls,
            clients: Mutex::new(HashMap::new()),
        })
    }

    /// Posts a JSON `body` on behalf of `customer`. Ends within 15 seconds.
    pub async fn post(
        &self,
        customer: &CustomerId,
        url: &secret::Url,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> HttpReply {
        let target = match self.check(url) {
            Ok(target) => target,
            Err(why) => {
                return HttpReply::Blocked {
                    why: answer::scrub(&why, url),
                };
            }
        };
        let client = match self.client(customer) {
            Ok(client) => client,
            Err(error) => return answer::failed(error, url),
        };
        let headers = match header_map(headers) {
            Ok(headers) => headers,
            Err(why) => return HttpReply::Failed { why },
        };
        match client.post(target).headers(headers).body(body).send().await {
            Ok(response) => answer::answered(response, url).await,
            Err(error) => answer::failed(error, url),
        }
    }

    /// Once more at the moment of sending: the operator's permission may have changed since the rule file was read.
    fn check(&self, url: &secret::Url) -> Result<Url, String> {
        let target = guard::check_url(url.reveal(), self.allow_private)?;
        let literal = match target.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        match literal {
            Some(ip) if !guard::is_allowed(ip, self.allow_private) => Err(NotPublic.to_string()),
            _ => Ok(target),
        }
    }

    fn client(&self, customer: &CustomerId) -> reqwest::Result<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(customer) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS_MAX {
            clients.clear(); // requests under way hold their own clone; idle connections are made again
        }
        let client = self.build()?;
        clients.insert(customer.clone(), client.clone());
        Ok(client)
    }

    fn build(&self) -> reqwest::Result<Client> {
        Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(Guarded {
                allow_private: self.allow_private,
            }))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("Bellwether/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX_PER_HOST)
            .http2_max_header_list_size(HEADERS_MAX_BYTES as u32)
            .build()
    }
}

fn header_map(headers: &[(&'static str, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).map_err(|_| format!("the header `{name}` cannot hold its value"))?;
        map.insert(HeaderName::from_static(name), value);
    }
    Ok(map)
}

/// Resolves names and drops the addresses that must not be called.
struct Guarded {
    allow_private: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let fine = judged(found.take(ADDRESSES_MAX), allow_private)?;
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

fn judged(found: impl Iterator<Item = SocketAddr>, allow_private: bool) -> Result<Vec<SocketAddr>, NotPublic> {
    let fine: Vec<SocketAddr> = found
        .filter(|address| guard::is_allowed(address.ip(), allow_private))
        .collect();
    if fine.is_empty() { Err(NotPublic) } else { Ok(fine) }
}

/// A name has no address that may be called.
#[derive(Debug, thiserror::Error)]
#[error("the URL leads to an address that is not on the public internet")]
struct NotPublic;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

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
        HttpSender::new(allow_private).expect("TLS is set up")
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
            server(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec())
                .await;
        let reply = post(&sender(true), &format!("http://{address}/")).await;
        assert!(matches!(reply, HttpReply::Answered { status: 302, .. }), "{reply:?}");
        task.await.expect("one request");
    }

    #[tokio::test]
    async fn a_huge_answer_is_cut_and_its_status_counts() {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n".to_vec();
        answer.resize(2_000_000, b'x');
        let (address, _task) = server(answer).await;
        let HttpReply::Answered { status: 200, body, .. } = post(&sender(true), &format!("http://{address}/")).await
        else {
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
        let port = listener.local_addr().expect("an address").port();
        let reply = post(&sender(false), &format!("https://127.0.0.1:{port}/hunter2hunter2")).await;
        assert!(
            matches!(&reply, HttpReply::Blocked { why } if !why.contains("hunter2")),
            "{reply:?}"
        );
        let inside: SocketAddr = ([127, 0, 0, 1], port).into();
        assert!(judged([inside].into_iter(), false).is_err());
        let outside: SocketAddr = ([8, 8, 8, 8], 443).into();
        assert_eq!(judged([inside, outside].into_iter(), false).ok(), Some(vec![outside]));
        assert!(listener.accept().is_err(), "nobody called");
    }

    #[tokio::test]
    async fn the_connector_asks_the_guard_about_every_name() {
        let guarded = Guarded { allow_private: false };
        let error = guarded
            .resolve("localhost".parse().expect("a name"))
            .await
            .err()
            .expect("refused");
        assert!(error.is::<NotPublic>());
        let sender = sender(false);
        let client = sender.client(&CustomerId::new("contoso")).expect("a client");
        let error = client
            .post("http://localhost:9/hunter2hunter2")
            .send()
            .await
            .expect_err("refused");
        assert!(matches!(
            answer::failed(error, &secret_url("http://localhost:9/hunter2hunter2")),
            HttpReply::Blocked { .. }
        ));
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
}
