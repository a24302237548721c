//! The first steps of a conversation: connecting, TLS, and nothing before TLS that could be believed after it.
//!
//! STARTTLS is led by hand: whatever a server, or somebody between us and it, says in clear behind its answer to
//! STARTTLS would else be read as an answer inside TLS.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsConnector;

use super::{Security, SmtpSettings, failure};
use crate::channel::Fault;
use crate::channel::reply::SmtpFailure;
use crate::customer::{CustomerId, OPERATOR};
use crate::dispatch::resolve::Resolver;
use crate::dispatch::stream::{Counted, Meter, Stream};
use crate::dispatch::trust::Untrusted;

/// How large one answer may be.
const REPLY_MAX_BYTES: usize = 16 * 1024;

/// How many lines one answer may have; servers say some twenty. Whoever reads it goes through all of it again with every
/// line, so there must be few.
const REPLY_MAX_LINES: usize = 128;

/// The greeting that was heard already, for the reader that expects one.
const AGAIN: &[u8] = b"220 greeted\r\n";
const NOTHING: &[u8] = b"";

/// A connection that has greeted, is secured as the settings demand, and knows what the server offers.
pub(super) async fn open(
    settings: &SmtpSettings,
    tls: Option<&TlsConnector>,
    resolver: &Resolver,
) -> Result<AsyncSmtpConnection, SmtpFailure> {
    let operator = CustomerId::new(OPERATOR);
    let found = resolver.resolve(&operator, &settings.host).await;
    let addresses = found.map_err(|error| content(&error.to_string()))?;
    let mut stream = Counted::connect(addresses, settings.port).await.map_err(lost)?;
    let (peer, meter) = (stream.peer_addr().map_err(lost)?, stream.meter());
    let (greeting, stream) = match (settings.security, tls) {
        (Security::Plain, _) | (_, None) => (NOTHING, Stream::Clear(stream)),
        (Security::Implicit, Some(tls)) => (NOTHING, secured(tls, settings, stream).await?),
        (Security::Required | Security::Opportunistic, Some(tls)) => match agreed(&mut stream, settings).await? {
            true => (AGAIN, secured(tls, settings, stream).await?),
            false => (AGAIN, Stream::Clear(stream)),
        },
    };
    // from here on no certificates come any more, only answers
    meter.begin();
    meter.allow(REPLY_MAX_BYTES);
    let greeted = Greeted {
        greeting,
        stream,
        peer,
        meter,
        lines: 0,
        mending: Mending::default(),
        ahead: VecDeque::new(),
    };
    let connection = AsyncSmtpConnection::connect_with_transport(Box::new(greeted), &settings.hello).await;
    connection.map_err(|error| failure(&error))
}

async fn secured(tls: &TlsConnector, settings: &SmtpSettings, stream: Counted) -> Result<Stream, SmtpFailure> {
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|_| content("its name is not one that a certificate can have"))?;
    let secured = Stream::Clear(stream).secured(tls, name).await;
    secured.map_err(|error| match Untrusted::of(&error) {
        Some(why) => insecure(&why),
        None => content(&format!("TLS failed: {error}")),
    })
}

/// Says hello in clear and agrees on STARTTLS; `false` where the server offers none and none is required.
async fn agreed(stream: &mut Counted, settings: &SmtpSettings) -> Result<bool, SmtpFailure> {
    expect(&reply(stream).await?, 220)?;
    let offers = ask(stream, &format!("EHLO {}", settings.hello)).await?;
    expect(&offers, 250)?;
    let is_offered = offers
        .lines
        .iter()
        .any(|line| line.trim().eq_ignore_ascii_case("STARTTLS"));
    match (is_offered, settings.security) {
        (false, Security::Opportunistic) => return Ok(false),
        (false, _) => return Err(insecure("it does not offer STARTTLS, and nothing is sent in clear")),
        (true, _) => {}
    }
    expect(&ask(stream, "STARTTLS").await?, 220)?;
    Ok(true)
}

/// One answer: its code, and its lines without the code.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

fn expect(reply: &Reply, code: u16) -> Result<(), SmtpFailure> {
    match reply.code == code {
        true => Ok(()),
        false => Err(SmtpFailure::Answered {
            code: reply.code,
            text: reply.lines.join(" "),
        }),
    }
}

async fn ask(stream: &mut Counted, command: &str) -> Result<Reply, SmtpFailure> {
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await
        .map_err(lost)?;
    reply(stream).await
}

/// Reads one answer and insists that nothing follows it: we have not asked anything else yet.
async fn reply(stream: &mut Counted) -> Result<Reply, SmtpFailure> {
    let mut heard = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await.map_err(lost)?;
        heard.extend_from_slice(&piece[..read]);
        match parsed(&heard) {
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) if read > 0 && heard.len() < REPLY_MAX_BYTES => {}
            Ok(None) => return Err(content("it hung up or answered at endless length")),
            Err(why) => return Err(content(why)),
        }
    }
}

/// An answer, if the bytes hold a whole one (RFC 5321 §4.2.1).
fn parsed(heard: &[u8]) -> Result<Option<Reply>, &'static str> {
    let text = String::from_utf8_lossy(heard);
    let mut lines = Vec::new();
    let mut rest = &*text;
    while let Some((line, behind)) = rest.split_once('\n') {
        rest = behind;
        let line = line.trim_end_matches('\r');
        let code = line
            .get(..3)
            .and_then(|code| code.parse::<u16>().ok())
            .ok_or("its answer is not SMTP")?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            Some(b' ') | None if rest.is_empty() => return Ok(Some(Reply { code, lines })),
            Some(b' ') | None => return Err("it said more in clear than it was asked: somebody may be in between"),
            Some(_) => return Err("its answer is not SMTP"),
        }
    }
    Ok(None)
}

fn lost(error: io::Error) -> SmtpFailure {
    content(&error.to_string())
}

fn content(why: &str) -> SmtpFailure {
    SmtpFailure::Failed {
        why: format!("the mail server: {why}"),
    }
}

fn insecure(why: &str) -> SmtpFailure {
    SmtpFailure::Unfit {
        fault: Fault::Security,
        why: format!("the mail server: {why}"),
    }
}

/// A stream whose greeting is said once more before the rest, and whose answers are counted from one command to the next.
#[derive(Debug)]
struct Greeted {
    greeting: &'static [u8],
    stream: Stream,
    peer: SocketAddr,
    meter: Meter,
    /// How many lines came since the last command.
    lines: usize,
    /// What of them is mended.
    mending: Mending,
    /// What came, mended, and was not taken yet.
    ahead: VecDeque<u8>,
}

/// Brings answers into the form that their reader knows: a code without a text (`250`), which RFC 5321 §4.2 allows, gets
/// an empty one, and a line that ends without a carriage return gets that.
#[derive(Debug, Default)]
struct Mending {
    /// How many bytes of the line came.
    came: usize,
    /// Whether there was anything in it but digits.
    has_text: bool,
    /// Whether the last byte was a carriage return.
    is_returned: bool,
}

impl Mending {
    fn take(&mut self, byte: u8, out: &mut VecDeque<u8>) {
        let is_bare = self.came == 3 && !self.has_text;
        match byte {
            b'\n' if self.is_returned => *self = Self::default(),
            b'\n' => {
                out.extend(is_bare.then_some(b' '));
                out.push_back(b'\r');
                *self = Self::default();
            }
            b'\r' => {
                out.extend(is_bare.then_some(b' '));
                self.is_returned = true;
            }
            _ => {
                self.came += 1;
                self.has_text |= !byte.is_ascii_digit();
                self.is_returned = false;
            }
        }
        out.push_back(byte);
    }
}

impl Greeted {
    fn count(&mut self, came: &[u8]) -> io::Result<()> {
        self.lines += came.iter().filter(|byte| **byte == b'\n').count();
        match self.lines > REPLY_MAX_LINES {
            true => Err(io::Error::other(format!(
                "more than {REPLY_MAX_LINES} lines came without a whole answer"
            ))),
            false => Ok(()),
        }
    }
}

impl AsyncTokioStream for Greeted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            if self.ahead.is_empty() {
                let mut piece = [0; 1024];
                let mut piece = ReadBuf::new(&mut piece);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
                self.count(piece.filled())?;
                let Self { mending, ahead, .. } = &mut *self;
                piece.filled().iter().for_each(|byte| mending.take(*byte, ahead));
            }
            while buffer.remaining() > 0
                && let Some(byte) = self.ahead.pop_front()
            {
                buffer.put_slice(&[byte]);
            }
            return Poll::Ready(Ok(()));
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.meter.begin();
        self.lines = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_line_and_nothing_may_follow() {
        let of = |text: &str| parsed(text.as_bytes());
        assert!(
            matches!(of("250-a\r\n250 STARTTLS\r\n"), Ok(Some(Reply { code: 250, lines })) if lines == ["a", "STARTTLS"])
        );
        assert!(matches!(of("220\r\n"), Ok(Some(Reply { code: 220, .. }))));
        assert!(matches!(of("250-a\r\n250 ST"), Ok(None)));
        assert!(of("220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n").is_err());
        assert!(of("HTTP/1.1 400 Bad\r\n").is_err());
        assert!(of("é\r\n").is_err());
    }

    #[test]
    fn a_code_without_a_text_gets_an_empty_one_and_everything_else_stays() {
        for (came, mended) in [
            ("250\r\n", "250 \r\n"),
            ("250\n", "250 \r\n"),
            ("250-a\r\n250\r\n", "250-a\r\n250 \r\n"),
            ("250 2.0.0 Ok\r\n220-x\n220 y\n", "250 2.0.0 Ok\r\n220-x\r\n220 y\r\n"),
            ("25\r\n2500\r\n\r\nabc\r\n", "25\r\n2500\r\n\r\nabc\r\n"),
            ("550 \rno\r\n", "550 \rno\r\n"),
        ] {
            let (mut mending, mut out) = (Mending::default(), VecDeque::new());
            came.bytes().for_each(|byte| mending.take(byte, &mut out));
            assert_eq!(String::from_utf8_lossy(out.make_contiguous()), mended, "{came:?}");
        }
    }
}
