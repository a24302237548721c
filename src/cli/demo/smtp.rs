//! A mail server that takes every mail and forwards none (RFC 5321, without extensions that change the transport).
//!
//! Accepted means written: 250 after the final dot is said once every recipient's file is there.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;

use super::received::Letterbox;

/// The longest line we read, with its end (RFC 5321 §4.5.3.1.6 asks for 1,000 octets).
const LINE_BYTES: u64 = 64 * 1024;

/// The largest mail we take.
const MAIL_BYTES: usize = 10 * 1024 * 1024;

/// The most recipients of one mail (RFC 5321 §4.5.3.1.8 asks for 100).
const RECIPIENTS: usize = 100;

/// Starts the server on a free port of this machine; it runs until the process ends.
pub async fn listen(letterbox: Letterbox) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                // A client that goes away is its own business: what it was told is written.
                tokio::spawn(converse(stream, letterbox.clone()));
            }
            tokio::task::yield_now().await;
        }
    });
    Ok(address)
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, letterbox: Letterbox) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    let mut session = Session::default();
    say(&mut stream, "220 localhost ESMTP: takes everything, forwards nothing").await?;
    while let Some(line) = read_line(&mut stream).await? {
        let next = session.command(&String::from_utf8_lossy(&line));
        if let Next::Data = next {
            say(&mut stream, "354 go on, end with a dot").await?;
            let Some(mail) = read_data(&mut stream).await? else {
                break;
            };
            say(&mut stream, session.finish(mail, &letterbox)).await?;
            continue;
        }
        let (Next::Say(reply) | Next::Close(reply)) = next else {
            continue;
        };
        say(&mut stream, reply).await?;
        if matches!(next, Next::Close(_)) {
            break;
        }
    }
    Ok(())
}

/// What was said so far of one mail.
#[derive(Default)]
struct Session {
    from: bool,
    to: Vec<String>,
}

#[derive(Clone, Copy)]
enum Next {
    Say(&'static str),
    Data,
    Close(&'static str),
}

impl Session {
    fn command(&mut self, line: &str) -> Next {
        let line = line.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.reset("250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 10485760"),
            "HELO" => self.reset("250 localhost"),
            "RSET" => self.reset("250 forgotten"),
            "NOOP" => Next::Say("250 nothing done"),
            "VRFY" => Next::Say("252 try it and see"),
            "QUIT" => Next::Close("221 good-bye"),
            "MAIL" => self.mail(rest),
            "RCPT" => self.rcpt(rest),
            "DATA" if self.to.is_empty() => Next::Say("503 to whom? say RCPT first"),
            "DATA" => Next::Data,
            _ => Next::Say("500 never heard of that command"),
        }
    }

    fn reset(&mut self, reply: &'static str) -> Next {
        *self = Self::default();
        Next::Say(reply)
    }

    fn mail(&mut self, rest: &str) -> Next {
        if self.from {
            return Next::Say("503 one mail at a time");
        }
        self.from = path(rest, "FROM:").is_some();
        Next::Say(if self.from {
            "250 from there"
        } else {
            "501 write MAIL FROM:<address>"
        })
    }

    fn rcpt(&mut self, rest: &str) -> Next {
        match path(rest, "TO:") {
            _ if !self.from => Next::Say("503 from whom? say MAIL first"),
            _ if self.to.len() >= RECIPIENTS => Next::Say("452 too many recipients"),
            Some(to) if to.contains('@') => {
                self.to.push(to.to_owned());
                Next::Say("250 to there")
            }
            _ => Next::Say("501 write RCPT TO:<address>"),
        }
    }

    /// Keeps the mail for each recipient, and begins anew.
    fn finish(&mut self, mail: Mail, letterbox: &Letterbox) -> &'static str {
        let to = std::mem::take(self).to;
        match mail {
            Mail::TooLarge => "552 too large",
            Mail::Whole(bytes) if to.iter().all(|to| letterbox.mail(to, &bytes).is_ok()) => "250 written",
            Mail::Whole(_) => "451 could not write it",
        }
    }
}

/// The address in `FROM:<…>` or `TO:<…>`; parameters behind it change nothing here.
fn path<'a>(rest: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = rest.trim_start().split_at_checked(word.len())?;
    let rest = rest.trim_start().strip_prefix('<')?;
    start
        .eq_ignore_ascii_case(word)
        .then(|| rest.split_once('>'))
        .flatten()
        .map(|(path, _)| path)
}

enum Mail {
    Whole(Vec<u8>),
    TooLarge,
}

/// Reads up to the line that is a dot and takes away the dots that were put in front (RFC 5321 §4.5.2); `None` when
/// the client went away before. Only CR LF ends a line: anything else would let one mail smuggle another.
async fn read_data(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Mail>> {
    let (mut mail, mut too_large) = (Vec::new(), false);
    let mut starts = true; // whether the next piece begins a line
    while let Some(piece) = read_line(stream).await? {
        if starts && piece == b".\r\n" {
            return Ok(Some(if too_large { Mail::TooLarge } else { Mail::Whole(mail) }));
        }
        let unstuffed = if starts {
            piece.strip_prefix(b".").unwrap_or(&piece)
        } else {
            &piece
        };
        too_large |= mail.len() + unstuffed.len() > MAIL_BYTES;
        if !too_large {
            mail.extend_from_slice(unstuffed);
        }
        starts = piece.ends_with(b"\r\n");
    }
    Ok(None)
}

/// One line with its end, or a piece of a longer one; `None` at the end of the stream.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = stream.take(LINE_BYTES).read_until(b'\n', &mut line).await?;
    Ok((read > 0).then_some(line))
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), reply: &str) -> io::Result<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::received::Receipt;
    use tokio::sync::mpsc::UnboundedReceiver;

    /// Says all lines at once (pipelined) and returns the codes of the answers, and what was kept.
    async fn talk(said: &str) -> (Vec<String>, UnboundedReceiver<Receipt>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let (letterbox, arrivals) = Letterbox::new(folder.path().to_owned()).expect("a letterbox");
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let server = tokio::spawn(converse(server, letterbox));
        client.write_all(said.as_bytes()).await.expect("said");
        client.shutdown().await.expect("shut");
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.expect("answers");
        server.await.expect("no panic").expect("no error");
        let codes = answers.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
        (codes.map(|line| line[..3].to_owned()).collect(), arrivals, folder)
    }

    #[tokio::test]
    async fn one_mail_to_two_recipients_is_kept_twice_without_the_stuffed_dots() {
        let said = "EHLO x\r\nMAIL FROM:<a@b.example> SIZE=9\r\nRCPT TO:<ada@c.example>\r\nrcpt to:<lin@c.example>\r\n\
                    DATA\r\nMessage-ID: <1@b>\r\nSubject: Hi\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
        let (codes, mut arrivals, _folder) = talk(said).await;
        assert_eq!(codes, ["220", "250", "250", "250", "250", "354", "250", "221"]);
        let both = [arrivals.try_recv().expect("one"), arrivals.try_recv().expect("two")];
        assert_eq!(
            both.each_ref().map(|receipt| receipt.address.as_str()),
            ["ada@c.example", "lin@c.example"]
        );
        let text = std::fs::read_to_string(&both[0].files[0]).expect("kept");
        assert_eq!(text, "Message-ID: <1@b>\r\nSubject: Hi\r\n\r\n.dot\r\n");
    }

    #[tokio::test]
    async fn commands_out_of_order_are_refused_and_rset_forgets() {
        let said = "DATA\r\nRCPT TO:<a@b.example>\r\nMAIL FROM:a@b\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nRSET\r\n\
                    RCPT TO:<a@b.example>\r\nNOOP\r\nXYZZY\r\n";
        let (codes, mut arrivals, _folder) = talk(said).await;
        assert_eq!(
            codes,
            ["220", "503", "503", "501", "250", "503", "250", "503", "250", "500"]
        );
        assert!(arrivals.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_dot_on_a_line_of_its_own_needs_both_line_ends() {
        let said = "HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\n\n.\nMAIL\r\n.\r\n";
        let (codes, mut arrivals, _folder) = talk(said).await;
        assert_eq!(codes, ["220", "250", "250", "250", "354", "250"]);
        assert!(arrivals.try_recv().is_ok() && arrivals.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_mail_that_breaks_off_is_not_kept() {
        let (codes, mut arrivals, _folder) =
            talk("HELO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n").await;
        assert_eq!(codes, ["220", "250", "250", "250", "354"]);
        assert!(arrivals.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_real_client_can_send_to_it() {
        use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
        let folder = tempfile::tempdir().expect("a folder");
        let (letterbox, mut arrivals) = Letterbox::new(folder.path().to_owned()).expect("a letterbox");
        let address = listen(letterbox).await.expect("a port");
        let mail = Message::builder()
            .from("Bellwether <b@bellwether.example>".parse().expect("an address"))
            .to("ada@contoso.example".parse().expect("an address"))
            .message_id(Some("<dlv_7@bellwether.example>".to_owned()))
            .subject("Wörter – and more")
            .body("Line one\n.\nline three".to_owned())
            .expect("a mail");
        let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(address.port())
            .build();
        client.send(mail).await.expect("sent");
        let receipt = arrivals.recv().await.expect("received");
        assert_eq!(
            (receipt.title.as_str(), receipt.id.as_str()),
            ("Wörter – and more", "dlv_7@bellwether.example")
        );
        assert!(receipt.words.contains("\n.\r\nline three") || receipt.words.contains("\n.\nline three"));
    }
}
