//! A local receiver that takes everything at once, and counts.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

/// Counts what comes to any path but `/bare`.
pub struct Receiver {
    port: u16,
    count: Arc<AtomicUsize>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let counted = counted.clone();
                let service = hyper::service::service_fn(move |request| take(request, counted.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { port, count }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// A rule file that tells so many receivers of everything, at once; none: a rule that matches nothing.
    pub fn rules(&self, receivers: usize) -> String {
        if receivers == 0 {
            return format!(
                "receivers: {{ none: [{{ webhook: {{ url: \"{}\" }} }}] }}\nrules:\n  - {{ name: None, when: {{ tracking id: nothing }}, notify: none }}\n",
                self.url("none")
            );
        }
        let each = (0..receivers).map(|nth| format!("    - webhook: {{ url: \"{}\" }}\n", self.url(&format!("{nth}"))));
        let each: String = each.collect();
        format!("receivers:\n  all:\n{each}rules:\n  - {{ name: All, when: {{}}, notify: all, settle: 0s }}\n")
    }
}

async fn take(request: Request<Incoming>, count: Arc<AtomicUsize>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let is_bare = request.uri().path() == "/bare";
    let _ = request.into_body().collect().await;
    if !is_bare {
        count.fetch_add(1, Ordering::Relaxed);
    }
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = StatusCode::ACCEPTED;
    Ok(answer)
}
