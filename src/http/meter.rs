//! Sees what moves on a connection, so that who is slow on purpose can be shown the door.
//!
//! A connection is idle, or sends the headers of a request, or has a request under way. Each of the three may last only
//! so long; reading bodies and writing down events have limits of their own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long nothing may move while a request is under way: more than any request may take.
const STUCK: Duration = Duration::from_secs(90);

/// How long what may last.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The headers of a request.
    pub header: Duration,
    /// Nothing at all, between requests, or with an answer that is not taken.
    pub idle: Duration,
}

/// What moves on one connection. Times are milliseconds since it began; 0 is "not".
pub struct Meter {
    began: Instant,
    moved: AtomicU64,
    head_since: AtomicU64,
    under_way: AtomicUsize,
}

/// A request is under way as long as this lives.
pub struct UnderWay(Arc<Meter>);

impl Meter {
    /// A connection begins.
    pub fn begin() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            moved: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
        })
    }

    /// A request's headers are complete.
    pub fn request(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Whether this connection has had its time.
    pub fn is_over(&self, patience: Patience) -> bool {
        let now = self.now();
        let since = |at: u64| Duration::from_millis(now.saturating_sub(at));
        let still = since(self.moved.load(Ordering::Relaxed));
        if self.under_way.load(Ordering::Relaxed) > 0 {
            return still > STUCK;
        }
        match self.head_since.load(Ordering::Relaxed) {
            0 => still > patience.idle,
            at => since(at) > patience.header || still > patience.idle,
        }
    }

    /// How long a whole request has been waited for; `None` while one is under way.
    pub fn waits_since(&self) -> Option<Duration> {
        if self.under_way.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let since = match self.head_since.load(Ordering::Relaxed) {
            0 => self.moved.load(Ordering::Relaxed),
            at => at,
        };
        Some(Duration::from_millis(self.now().saturating_sub(since)))
    }

    /// A connection that began a while ago and has said nothing since.
    #[cfg(test)]
    pub fn begun_before(ago: Duration) -> Arc<Self> {
        let began = Instant::now().checked_sub(ago).expect("the machine runs for longer");
        Arc::new(Self {
            began,
            moved: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    fn moves(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    fn was_read(&self) {
        self.moves();
        if self.under_way.load(Ordering::Relaxed) == 0 {
            let _ = self
                .head_since
                .compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.moves();
    }
}

/// A stream with a meter on it.
pub struct Metered<S> {
    stream: S,
    meter: Arc<Meter>,
}

impl<S> Metered<S> {
    /// Puts the meter on.
    pub fn new(stream: S, meter: Arc<Meter>) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.meter.was_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.meter.moves();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.meter.moves();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
