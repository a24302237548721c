//! How commands talk with a running daemon: one small client of its HTTP API.
//!
//! The token goes into a header and nowhere else; errors name the server without its user, path or query.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{Method, StatusCode, redirect};
use serde_json::{Map, Value};
use url::Url;

use super::failure::{Exit, Failure};
use super::output::one_line;
use crate::secret::Secret;

/// Where a daemon listens if nobody says otherwise.
const HERE: &str = "http://127.0.0.1:8080";

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one answer may take, whole.
const ANSWER: Duration = Duration::from_secs(60);

/// The largest answer, bytes.
const ANSWER_BYTES_MOST: usize = 64 << 20;

/// The most that is asked for at once.
const PAGE_MOST: usize = 200;

/// Which daemon is asked, and with what token.
#[derive(Debug, Clone, clap::Args)]
pub struct Server {
    /// The daemon's address [default: $BELLWETHER_SERVER, or http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A file with the token [default: the token in $BELLWETHER_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// A client of one daemon.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Secret>,
}

impl Server {
    /// A client of the daemon that was named, here or in the environment.
    ///
    /// # Errors
    /// When the address is none, or the token's file cannot be read.
    pub fn client(&self) -> Result<Client> {
        let named = self.server.clone().or_else(|| environment("BELLWETHER_SERVER"));
        let token = match &self.token_file {
            Some(path) => Some(
                std::fs::read_to_string(path).with_context(|| format!("reading the token in {}", path.display()))?,
            ),
            None => environment("BELLWETHER_TOKEN"),
        };
        Client::new(named.as_deref().unwrap_or(HERE), token.as_deref())
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Client {
    fn new(server: &str, token: Option<&str>) -> Result<Self> {
        let base = base(server)?;
        // Fails only if a provider is there already, which is just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")));
        if is_here(&base) {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().context("making the HTTP client")?,
            base,
            token: token.map(|token| Secret::new(token.trim())),
        })
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// When the daemon cannot be reached, or says no.
    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.ask(Method::GET, path, query).await
    }

    /// Gives a command.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &[&str]) -> Result<Value> {
        self.ask(Method::POST, path, &[]).await
    }

    /// Gives a command with parameters.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.ask(Method::POST, path, query).await
    }

    /// The first `most` elements of a list, page by page.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn list(&self, name: &str, query: &[(&str, String)], most: usize) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut next = None;
        while all.len() < most {
            let mut asked = query.to_vec();
            asked.push(("limit", PAGE_MOST.min(most - all.len()).to_string()));
            asked.extend(next.take().map(|before| ("before", before)));
            let mut page = self.get(&[name], &asked).await?;
            let elements = page.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take);
            let elements = elements.with_context(|| format!("the answer of {} has no list `{name}`", self.shown()))?;
            let is_last = elements.is_empty();
            all.extend(elements);
            next = page.get("next").and_then(cursor);
            if is_last || next.is_none() {
                break;
            }
        }
        all.truncate(most);
        Ok(all)
    }

    async fn ask(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        let mut request = self
            .http
            .request(method, self.url(path, query))
            .header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let body = self.body(answer).await?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| self.stranger().into());
        }
        Err(self.refused(status, &body).into())
    }

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MOST {
                let what = format!(
                    "{} answers with more than {} MiB",
                    self.shown(),
                    ANSWER_BYTES_MOST >> 20
                );
                return Err(Failure::new(Exit::Failed, what)
                    .hint("ask for less with --limit")
                    .into());
            }
        }
        Ok(body)
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The server without anything that could be secret.
    fn shown(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let what = match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => root_of(&error),
        };
        Failure::new(Exit::Failed, format!("no answer from {}: {what}", self.shown()))
            .hint("is the daemon running there? --server URL, or $BELLWETHER_SERVER, says where it listens")
    }

    fn stranger(&self) -> Failure {
        Failure::new(
            Exit::Failed,
            format!("what answers at {} is no bellwether", self.shown()),
        )
        .hint("--server URL, or $BELLWETHER_SERVER, says where the daemon listens")
    }

    /// What the daemon says of a request that it refuses: `{"error": {"what", "hint"}}`.
    fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let said = |key: &str| body["error"][key].as_str().map(|text| one_line(text, 500));
        let what = said("what").unwrap_or_else(|| format!("it answers {status}"));
        let failure = Failure::new(Exit::Failed, format!("{}: {what}", self.shown()));
        let hint = said("hint").or_else(|| self.hint(status).map(str::to_owned));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    fn hint(&self, status: StatusCode) -> Option<&'static str> {
        match (status, &self.token) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => {
                Some("give a token: in $BELLWETHER_TOKEN, or with --token-file FILE")
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(_)) => {
                Some("the token must be one of `tokens: read:`, or `operate:`, in the daemon's settings")
            }
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) => Some("try again in a minute"),
            _ => None,
        }
    }
}

fn base(server: &str) -> Result<Url> {
    let url = Url::parse(server)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| {
        let failure = Failure::new(Exit::Usage, "the server is no URL");
        failure
            .hint(format!("such as {HERE}, or https://health.example.com"))
            .into()
    })
}

fn is_here(base: &Url) -> bool {
    match base.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The innermost cause: the outer ones say the same in more words.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The next page's cursor, as a query takes it.
fn cursor(next: &Value) -> Option<String> {
    match next {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A text of an answer; empty where there is none.
pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A time of an answer, to the minute.
pub fn minute(value: &Value, key: &str) -> String {
    super::output::minute(text(value, key).parse().ok())
}

/// `{ name: elements }`, as the API gives a whole list.
pub fn listed(name: &str, elements: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), Value::Array(elements))]))
}

/// How many of a list are asked for.
///
/// # Errors
/// When it is no number from 1 on.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "not a number from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::described;

    fn client(server: &str, token: Option<&str>) -> Client {
        Client::new(server, token).expect("a client")
    }

    #[test]
    fn ids_with_slashes_stay_one_segment_and_a_base_path_is_kept() {
        let client = client("https://health.example.com/bw/", None);
        let url = client.url(&["incidents", "202411131002/sg1"], &[("provider", "azure".to_owned())]);
        assert_eq!(
            url.as_str(),
            "https://health.example.com/bw/v1/incidents/202411131002%2Fsg1?provider=azure"
        );
    }

    #[test]
    fn an_error_names_the_server_and_nothing_secret() {
        let client = client("http://ada:hunter2@127.0.0.1:8080/x?token=hunter3", Some("hunter4"));
        let body = br#"{"error": {"what": "this token may not read\u001b[2J"}}"#;
        let (text, exit) = described(&client.refused(StatusCode::FORBIDDEN, body).into());
        assert_eq!(exit, Exit::Failed);
        assert!(
            text.starts_with("error: http://127.0.0.1:8080: this token may not read [2J\nhint: "),
            "{text}"
        );
        assert!(!text.contains("hunter"), "{text}");
    }

    #[test]
    fn what_is_no_url_is_wrong_usage() {
        for server in ["127.0.0.1:8080", "ftp://example.com", ""] {
            let error = Client::new(server, None).err().expect("refused");
            assert_eq!(described(&error).1, Exit::Usage, "{server}");
        }
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_named_with_a_hint() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port");
        let error = client(&format!("http://{free}"), None)
            .get(&["events"], &[])
            .await
            .expect_err("nobody there");
        let (text, exit) = described(&error);
        assert_eq!(exit, Exit::Failed);
        assert!(
            text.starts_with(&format!("error: no answer from http://{free}: Connection refused")),
            "{text}"
        );
        assert!(text.contains("\nhint: is the daemon running there?"), "{text}");
    }
}
