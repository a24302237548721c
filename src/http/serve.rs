//! Accepting connections: so many at once, so many from one address, none of them slow for ever; and stopping without
//! breaking off what is under way.
//!
//! An accept loop of our own over hyper, because a general server sets no limit on how slowly headers may come.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::caller::{Peer, network};
use super::meter::{Meter, Metered, Patience};
use super::{Doors, router};

/// How long it may take until the last connection is gone that was broken off.
const BREAKING_OFF_WAITS: Duration = Duration::from_secs(1);

/// How often a connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The largest head of a request, bytes.
const HEAD_BYTES_MOST: usize = 64 * 1024;

/// How long accepting pauses when it fails (no file descriptors left).
const ACCEPT_PAUSES: Duration = Duration::from_millis(200);

/// How many connections over the limit are told so at once; more are closed without a word. Never more than a quarter of
/// those that are served, because each takes a descriptor as well.
const TURNED_AWAY_MOST: usize = 64;

/// How long one that is turned away may take to read it.
const TURNED_AWAY_WAITS: Duration = Duration::from_secs(1);

/// What a connection over the limit is told.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-type: application/json\r\n\
    content-length: 73\r\n\r\n{\"error\":{\"what\":\"too many connections\",\"hint\":\"try again in 5 seconds\"}}";

/// The doors are open.
pub struct Serving {
    stop: CancellationToken,
    abandon: CancellationToken,
    tasks: TaskTracker,
}

impl Serving {
    /// Closes the doors: no new requests; those under way end, or are broken off at `deadline`.
    pub async fn stop(self, deadline: Instant) {
        self.stop.cancel();
        self.tasks.close();
        if timeout_at(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "requests were still under way at the stop and were broken off"
            );
            self.abandon.cancel();
            // one that is in the middle of something goes when it looks up
            let _ = timeout(BREAKING_OFF_WAITS, self.tasks.wait()).await;
        }
    }
}

/// Opens the doors on a listener.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: std::net::TcpListener, doors: Doors) -> Result<Serving> {
    listener
        .set_nonblocking(true)
        .context("making the listener non-blocking")?;
    let listener = TcpListener::from_std(listener).context("taking the listener")?;
    let serving = Serving {
        stop: CancellationToken::new(),
        abandon: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let accepting = Accepting {
        places: Places::new(doors.settings.connections, doors.settings.connections_per_address),
        turned_away: Arc::new(Semaphore::new(
            TURNED_AWAY_MOST.min(doors.settings.connections.div_ceil(4)),
        )),
        patience: Patience {
            header: doors.settings.header_timeout,
            idle: doors.settings.idle_timeout,
        },
        router: router(doors),
        stop: serving.stop.clone(),
        abandon: serving.abandon.clone(),
        tasks: serving.tasks.clone(),
    };
    serving.tasks.spawn(accepting.run(listener));
    Ok(serving)
}

struct Accepting {
    router: Router,
    places: Arc<Places>,
    turned_away: Arc<Semaphore>,
    patience: Patience,
    stop: CancellationToken,
    abandon: CancellationToken,
    tasks: TaskTracker,
}

impl Accepting {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) if is_the_callers(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted; accepting pauses for a moment");
                    sleep(ACCEPT_PAUSES).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(place) = self.places.take(peer.ip()) else {
            return self.turn_away(stream);
        };
        let connection = Connection {
            peer,
            router: self.router.clone(),
            patience: self.patience,
            stop: self.stop.clone(),
        };
        let abandon = self.abandon.clone();
        self.tasks.spawn(async move {
            let _place = place;
            let _ = abandon.run_until_cancelled(connection.run(stream)).await;
        });
    }

    /// Says that there are too many, to a few of them at once.
    fn turn_away(&self, mut stream: TcpStream) {
        let Ok(permit) = self.turned_away.clone().try_acquire_owned() else {
            return;
        };
        self.tasks.spawn(async move {
            let _permit = permit;
            let say = async {
                stream.write_all(TOO_MANY).await?;
                stream.shutdown().await?;
                // what was sent is read, or closing would take the answer back
                let mut rest = [0_u8; 4096];
                while stream.read(&mut rest).await? > 0 {}
                std::io::Result::Ok(())
            };
            let _ = timeout(TURNED_AWAY_WAITS, say).await;
        });
    }
}

/// Whether it was the caller who went away.
fn is_the_callers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Connection {
    peer: SocketAddr,
    router: Router,
    patience: Patience,
    stop: CancellationToken,
}

impl Connection {
    /// Serves one connection until it ends, is too slow, or the doors close and nothing is under way.
    async fn run(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let meter = Meter::begin();
        let io = TokioIo::new(Metered::new(stream, meter.clone()));
        let (peer, router, seen) = (self.peer, self.router, meter.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let under_way = seen.request();
            request.extensions_mut().insert(Peer(peer));
            let answer = router.clone().oneshot(request.map(Body::new));
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let mut builder = http1::Builder::new();
        // the meter watches headers and idleness apart, hyper's own timer would watch both as one
        builder.header_read_timeout(None).max_buf_size(HEAD_BYTES_MOST);
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = look.tick() => if meter.is_over(self.patience) { return },
            }
        }
    }
}

/// The places for connections.
struct Places {
    total: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place, until it is dropped.
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_address,
            taken: Mutex::default(),
        })
    }

    /// A place for one more connection from this address, if there is one. This machine has no limit of its own: all
    /// callers of a proxy come from here.
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let here = taken.by_address.get(&address).copied().unwrap_or_default();
        if taken.total >= self.total || (here >= self.per_address && !is_this_machine(address)) {
            return None;
        }
        taken.total += 1;
        taken.by_address.insert(address, here + 1);
        Some(Place {
            places: self.clone(),
            address,
        })
    }
}

/// Whether it is a loopback address, or the network of one.
fn is_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || network(IpAddr::from(std::net::Ipv6Addr::LOCALHOST)) == address
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let places = Places::new(5, 2);
        let one: Vec<_> = (0..3).map(|_| places.take(address("192.0.2.1"))).collect();
        assert!(one[0].is_some() && one[1].is_some() && one[2].is_none());
        let other = places.take(address("192.0.2.2"));
        assert!(other.is_some());
        drop(one);
        assert!(places.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn this_machine_has_all_places_and_no_more() {
        let places = Places::new(3, 1);
        let here: Vec<_> = ["127.0.0.1", "::1", "127.0.0.1", "127.0.0.1"]
            .map(|one| places.take(address(one)))
            .into();
        assert_eq!(here.iter().filter(|place| place.is_some()).count(), 3);
    }

    #[test]
    fn nothing_is_remembered_of_those_who_left() {
        let places = Places::new(3, 1);
        drop(places.take(address("2001:db8::1")));
        let taken = places.taken.lock().expect("a lock");
        assert!(taken.total == 0 && taken.by_address.is_empty());
    }

    #[test]
    fn what_is_said_to_those_turned_away_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_MANY).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(length, Some(body.len().to_string().as_str()));
    }
}
