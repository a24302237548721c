//! How commands talk with a running daemon: one small client of its HTTP API.
//!
//! The token goes into a header and nowhere else; errors name the server without its user, path or query.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{Method, StatusCode, redirect};
use serde_json::{Map, Value};
use url::Url;

use super::failure::{Exit, Failure};
use super::output::one_line;
use crate::customer::ORGANISATION;
use crate::secret::Secret;

/// Where a daemon listens if nobody says otherwise.
const HERE: &str = "http://127.0.0.1:8080";

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one answer may take, whole.
const ANSWER: Duration = Duration::from_secs(60);

/// The largest answer, bytes.
const ANSWER_BYTES_MOST: usize = 64 << 20;

/// How long is waited before a busy daemon is asked again; then it is given up.
const BUSY_WAITS: [Option<Duration>; 6] = [
    Some(Duration::from_secs(1)),
    Some(Duration::from_secs(2)),
    Some(Duration::from_secs(5)),
    Some(Duration::from_secs(10)),
    Some(Duration::from_secs(30)),
    None,
];

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
    token: Option<Token>,
}

/// What the daemon is shown.
struct Token {
    value: Secret,
    /// Where it is from, as one types it.
    from: String,
}

impl Server {
    /// A client of the daemon that was named, here or in the environment.
    ///
    /// # Errors
    /// When the address is none, or the token's file cannot be read.
    pub fn client(&self) -> Result<Client> {
        let named = self.server.clone().or_else(|| environment("BELLWETHER_SERVER"));
        let server = named.as_deref().unwrap_or(HERE);
        match &self.token_file {
            Some(path) => Client::new(
                server,
                Some((&token_in(path)?, &format!("--token-file {}", path.display()))),
            ),
            None => match environment("BELLWETHER_TOKEN") {
                Some(token) => Client::new(server, Some((&token, "$BELLWETHER_TOKEN"))),
                None => Client::new(server, None),
            },
        }
    }
}

/// The token that a file holds.
fn token_in(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the token in --token-file {}", path.display()))?;
    // an editor's mark of UTF-8 is no part of it
    let token = text.trim_start_matches('\u{feff}').trim();
    if token.is_empty() {
        let failure = Failure::new(Exit::Usage, format!("--token-file {} is empty", path.display()));
        return Err(failure.hint("it holds one token, on one line").into());
    }
    Ok(token.to_owned())
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Client {
    /// A client of `server` with a token, and where that is from.
    fn new(server: &str, token: Option<(&str, &str)>) -> Result<Self> {
        let base = base(server)?;
        let token = token.map(|(token, from)| Token::of(token, from)).transpose()?;
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
            token,
        })
    }

    /// Reads one resource.
    ///
    /// # Errors
    /// When the daemon cannot be reached, or says no.
    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Gives a command.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &[&str]) -> Result<Value> {
        self.ask(Method::POST, path, &[], None).await
    }

    /// Gives a command with parameters.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.ask(Method::POST, path, query, None).await
    }

    /// Gives a command with parameters and a body.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn send(&self, path: &[&str], query: &[(&str, String)], body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, query, Some(body)).await
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

    /// Reads one resource that is no JSON value: lines.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn text(&self, path: &[&str], query: &[(&str, String)]) -> Result<Vec<u8>> {
        self.patiently(|| self.http.get(self.url(path, query))).await
    }

    /// Sends lines, and reads what became of them.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_lines(&self, path: &[&str], lines: Vec<u8>) -> Result<Value> {
        let request = || {
            let request = self.http.post(self.url(path, &[])).body(lines.clone());
            request.header("content-type", "application/x-ndjson")
        };
        let body = self.patiently(request).await?;
        serde_json::from_slice(&body).map_err(|_| self.stranger().into())
    }

    /// Asks, and asks again for a while where the daemon says that it is busy.
    async fn patiently(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Vec<u8>> {
        for wait in BUSY_WAITS {
            let mut request = request();
            if let Some(token) = &self.token {
                request = request.bearer_auth(token.value.reveal());
            }
            let answer = request.send().await.map_err(|error| self.unreachable(error))?;
            let status = answer.status();
            let body = self.body(answer).await?;
            match (status, wait) {
                (status, _) if status.is_success() => return Ok(body),
                (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, Some(wait)) => {
                    tokio::time::sleep(wait).await;
                }
                (status, _) => return Err(self.refused(status, &body).into()),
            }
        }
        Err(self.stranger().into())
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let mut request = self
            .http
            .request(method, self.url(path, query))
            .header("accept", "application/json");
        if let Some(body) = body {
            let json = body.to_string();
            request = request.header("content-type", "application/json").body(json);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.value.reveal());
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

    /// An address as the daemon says it, whole: where it does not know how it is reached, as this client reaches it.
    pub fn absolute(&self, address: &str) -> String {
        self.base
            .join(address)
            .map_or_else(|_| address.to_owned(), |url| url.to_string())
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
        let hints = self
            .hint(status)
            .into_iter()
            .chain(said("hint").filter(|_| !is_about_headers(status)));
        match hints.collect::<Vec<String>>() {
            hints if hints.is_empty() => failure,
            hints => failure.hint(hints.join("; ")),
        }
    }

    /// What to type; how programs send tokens is said by the daemon, and is nothing to type here.
    fn hint(&self, status: StatusCode) -> Option<String> {
        match (status, &self.token) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => {
                Some("give a token: with `--token-file FILE`, or in $BELLWETHER_TOKEN".to_owned())
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(token)) => Some(format!(
                "the token is from {}; give another one with `--token-file FILE`, or in $BELLWETHER_TOKEN: a customer's \
                 own, or one of `tokens: read:` or `operate:` in the daemon's settings",
                token.from
            )),
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) => {
                Some("try again in a minute".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether the daemon's own hint is about how a program presents its token.
fn is_about_headers(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED
}

impl Token {
    fn of(token: &str, from: &str) -> Result<Self> {
        let token = token.trim();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let failure = Failure::new(Exit::Usage, format!("{from} holds no token"));
            return Err(failure
                .hint("a token is one line of letters, digits and signs, without spaces")
                .into());
        }
        Ok(Self {
            value: Secret::new(token),
            from: from.to_owned(),
        })
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

/// Whose something is, where customers are told apart; else empty.
pub fn named_customer(value: &Value) -> &str {
    match text(value, "customer") {
        ORGANISATION => "",
        named => named,
    }
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
mod tests;
