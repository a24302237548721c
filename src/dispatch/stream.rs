//! A connection to a receiver or to the relay, in clear or inside TLS, and how much may come over it.
//!
//! Whoever reads an answer reads until it is whole. A receiver that means harm never lets it be whole: interim answers
//! (`103`) without end, empty TLS records, a byte at a time. So what comes in is counted below everything that reads it,
//! bytes and pieces, from the time when something was last asked; beyond the limits reading fails.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How many bytes may come in answer to one request or command, with TLS and everything; of an answer we use 80 KiB.
pub const RECEIVED_MOST_BYTES: usize = 256 * 1024;

/// In how many pieces they may come: each costs a system call and a wake-up.
pub const PIECES_MOST: usize = 8 * 1024;

/// How long one address is tried alone before the next one is tried beside it (RFC 8305 §5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// More came than any answer needs.
#[derive(Debug, thiserror::Error)]
#[error(
    "more than {} KiB, or more than {PIECES_MOST} pieces, came without a whole answer",
    most_bytes / 1024
)]
pub struct Endless {
    most_bytes: usize,
}

impl Endless {
    /// What is said if that is why reading failed.
    pub fn in_causes_of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = inner.and_then(|inner| inner.downcast_ref().or_else(|| Self::in_causes_of(inner))) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// Counts what came in. Clones count together.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    most_bytes: AtomicUsize,
    bytes: AtomicUsize,
    pieces: AtomicUsize,
}

impl Meter {
    fn new() -> Self {
        Self(Arc::new(Counts {
            most_bytes: AtomicUsize::new(RECEIVED_MOST_BYTES),
            bytes: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
        }))
    }

    /// Something is asked now: its answer is counted from nothing.
    pub fn begin(&self) {
        self.0.bytes.store(0, Ordering::Relaxed);
        self.0.pieces.store(0, Ordering::Relaxed);
    }

    /// From now on an answer may have so many bytes.
    pub fn allow(&self, most_bytes: usize) {
        self.0.most_bytes.store(most_bytes, Ordering::Relaxed);
    }

    fn came(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.0.pieces.fetch_add(1, Ordering::Relaxed);
    }

    fn check(&self) -> io::Result<()> {
        let most_bytes = self.0.most_bytes.load(Ordering::Relaxed);
        match self.0.bytes.load(Ordering::Relaxed) > most_bytes || self.0.pieces.load(Ordering::Relaxed) > PIECES_MOST {
            true => Err(io::Error::other(Endless { most_bytes })),
            false => Ok(()),
        }
    }
}

/// A TCP connection whose incoming bytes are counted.
#[derive(Debug)]
pub struct Counted {
    stream: TcpStream,
    meter: Meter,
}

/// A connection, in clear or inside TLS.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Clear(Counted),
    /// Inside TLS.
    Tls(Box<TlsStream<Stream>>),
}

impl Stream {
    /// Goes on inside TLS with the server of this name; inside TLS with a proxy, too.
    ///
    /// # Errors
    /// When its certificate is not trusted, or the handshake fails otherwise.
    pub async fn secured(self, tls: &TlsConnector, name: ServerName<'static>) -> io::Result<Self> {
        Ok(Self::Tls(Box::new(tls.connect(name, self).await?)))
    }
}

impl Counted {
    /// Connects to the first of these addresses that answers.
    ///
    /// # Errors
    /// When none does; the last one's error.
    pub async fn connect(addresses: Vec<IpAddr>, port: u16) -> io::Result<Self> {
        let mut addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        let mut under_way = JoinSet::new();
        let mut last = io::Error::other("there is no address");
        loop {
            let next = addresses.next();
            if let Some(address) = next {
                under_way.spawn(TcpStream::connect(address));
            } else if under_way.is_empty() {
                return Err(last);
            }
            let patience = if next.is_some() {
                NEXT_ADDRESS_AFTER
            } else {
                Duration::MAX
            };
            match tokio::time::timeout(patience, under_way.join_next()).await {
                Ok(Some(Ok(Ok(stream)))) => return Self::new(stream),
                Ok(Some(Ok(Err(error)))) => last = error,
                Ok(Some(Err(error))) => last = io::Error::other(error),
                Ok(None) | Err(_) => {}
            }
        }
    }

    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            meter: Meter::new(),
        })
    }

    /// What counts its incoming bytes.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.meter.check()?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.meter.came(buffer.filled().len() - before);
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Counted, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let (ours, theirs) = tokio::join!(Counted::connect(vec![address.ip()], address.port()), listener.accept());
        (ours.expect("connects"), theirs.expect("a connection").0)
    }

    /// Reads until it fails.
    async fn read_all(stream: &mut Counted) -> (usize, io::Error) {
        let (mut read, mut piece) = (0, [0; 4096]);
        loop {
            match stream.read(&mut piece).await {
                Ok(0) => panic!("it ended after {read} bytes"),
                Ok(more) => read += more,
                Err(error) => return (read, error),
            }
        }
    }

    #[tokio::test]
    async fn reading_ends_after_as_many_bytes_as_one_answer_may_have() {
        let (mut ours, mut theirs) = pair().await;
        tokio::spawn(async move { while theirs.write_all(&[b'x'; 4096]).await.is_ok() {} });
        for _ in 0..2 {
            let (read, error) = read_all(&mut ours).await;
            assert!(read <= RECEIVED_MOST_BYTES + 4096, "{read}");
            assert!(Endless::in_causes_of(&error).is_some(), "{error}");
            ours.meter().begin();
        }
    }

    #[tokio::test]
    async fn reading_ends_after_as_many_pieces_as_one_answer_may_have() {
        let (mut ours, mut theirs) = pair().await;
        tokio::spawn(async move { while theirs.write_all(b"x").await.is_ok() {} });
        let mut read = 0;
        let error = loop {
            match ours.read_u8().await {
                Ok(_) => read += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(read, PIECES_MOST + 1);
        assert!(Endless::in_causes_of(&error).is_some(), "{error}");
    }

    #[tokio::test]
    async fn the_second_address_is_tried_when_the_first_one_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("an address").port();
        let addresses = ["127.0.0.2", "127.0.0.1"].map(|ip| ip.parse().expect("an address"));
        let stream = Counted::connect(addresses.to_vec(), port).await.expect("connects");
        assert_eq!(stream.peer_addr().expect("an address").ip(), addresses[1]);
        assert!(Counted::connect(Vec::new(), port).await.is_err());
    }
}
