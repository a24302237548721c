//! Accepting connections: so many at once, so many from one address, none of them slow for ever; and stopping without
//! breaking off what is under way.
//!
//! An accept loop of our own over hyper, because a general server sets no limit on how slowly headers may come.

use std::collections::{BTreeMap, HashMap};
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

/// When all places are taken, a connection that has sent no whole request for so long gives way to a new one.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(1);

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
        let meter = Meter::begin();
        let leave = self.abandon.child_token();
        let Some(place) = self.places.take(peer.ip(), meter.clone(), leave.clone()) else {
            return self.turn_away(stream);
        };
        let connection = Connection {
            peer,
            meter,
            router: self.router.clone(),
            patience: self.patience,
            stop: self.stop.clone(),
        };
        self.tasks.spawn(async move {
            let _place = place;
            let _ = leave.run_until_cancelled(connection.run(stream)).await;
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
    meter: Arc<Meter>,
    router: Router,
    patience: Patience,
    stop: CancellationToken,
}

impl Connection {
    /// Serves one connection until it ends, is too slow, or the doors close and nothing is under way.
    async fn run(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let meter = self.meter;
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
    next: u64,
    /// By their number, so the oldest comes first.
    connections: BTreeMap<u64, Taker>,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that has a place.
struct Taker {
    address: IpAddr,
    meter: Arc<Meter>,
    leave: CancellationToken,
}

/// A place, until it is dropped or the connection had to give way.
struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_address,
            taken: Mutex::default(),
        })
    }

    /// A place for one more connection from this address, if there is one, or if another connection gives way. This
    /// machine has no limit of its own: all callers of a proxy come from here.
    fn take(self: &Arc<Self>, address: IpAddr, meter: Arc<Meter>, leave: CancellationToken) -> Option<Place> {
        let address = network(address);
        let mut taken = self.lock();
        let here = taken.by_address.get(&address).copied().unwrap_or_default();
        let gives_way = if here >= self.per_address && !is_this_machine(address) {
            Some(taken.who_gives_way(Some(address))?)
        } else if taken.connections.len() >= self.total {
            Some(taken.who_gives_way(None)?)
        } else {
            None
        };
        if let Some(other) = gives_way.and_then(|number| taken.remove(number)) {
            other.leave.cancel();
        }
        let number = taken.next;
        taken.next += 1;
        *taken.by_address.entry(address).or_default() += 1;
        taken.connections.insert(number, Taker { address, meter, leave });
        Some(Place {
            places: self.clone(),
            number,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Of those that have sent no whole request for a while, the one that has waited longest, from the address that
    /// has most connections; only of one address if it is named.
    fn who_gives_way(&self, of: Option<IpAddr>) -> Option<u64> {
        let waits = |taker: &&Taker| of.is_none_or(|address| taker.address == address);
        let waiting = self.connections.iter().filter(|(_, taker)| waits(taker));
        waiting
            .filter_map(|(number, taker)| {
                let waited = taker.meter.waits_since().filter(|waited| *waited >= GIVES_WAY_AFTER)?;
                Some((self.by_address.get(&taker.address), waited, *number))
            })
            .max()
            .map(|(_, _, number)| number)
    }

    fn remove(&mut self, number: u64) -> Option<Taker> {
        let taker = self.connections.remove(&number)?;
        if let Some(here) = self.by_address.get_mut(&taker.address) {
            *here -= 1;
            if *here == 0 {
                self.by_address.remove(&taker.address);
            }
        }
        Some(taker)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(self.number);
    }
}

/// Whether it is a loopback address, or the network of one.
fn is_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || network(IpAddr::from(std::net::Ipv6Addr::LOCALHOST)) == address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn take(places: &Arc<Places>, from: &str) -> Option<Place> {
        places.take(address(from), Meter::begin(), CancellationToken::new())
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let places = Places::new(5, 2);
        let one: Vec<_> = (0..3).map(|_| take(&places, "192.0.2.1")).collect();
        assert!(one[0].is_some() && one[1].is_some() && one[2].is_none());
        let other = take(&places, "192.0.2.2");
        assert!(other.is_some());
        drop(one);
        assert!(take(&places, "192.0.2.1").is_some());
    }

    /// A connection that has waited for so long; whether it was told to leave is seen in the token.
    fn waiting(places: &Arc<Places>, from: &str, for_seconds: u64) -> (Option<Place>, CancellationToken) {
        let leave = CancellationToken::new();
        let meter = Meter::begun_before(Duration::from_secs(for_seconds));
        (places.take(address(from), meter, leave.clone()), leave)
    }

    #[test]
    fn who_sends_no_request_gives_way_the_longest_of_the_busiest_address_first() {
        let places = Places::new(4, 4);
        let alone = waiting(&places, "192.0.2.9", 60);
        let older = waiting(&places, "192.0.2.1", 20);
        let longest = waiting(&places, "192.0.2.1", 30);
        let (busy, busy_leave) = (Meter::begun_before(Duration::from_secs(90)), CancellationToken::new());
        let under_way = busy.request();
        let busy = places.take(address("192.0.2.1"), busy, busy_leave.clone());
        assert!(alone.0.is_some() && older.0.is_some() && longest.0.is_some() && busy.is_some());
        let newcomers: Vec<_> = (0..3).map(|_| take(&places, "192.0.2.7").is_some()).collect();
        assert_eq!(newcomers, [true, true, true], "each left at once");
        assert!(longest.1.is_cancelled() && !older.1.is_cancelled() && !alone.1.is_cancelled());
        let stays = take(&places, "192.0.2.7");
        let next = take(&places, "192.0.2.7");
        assert!(stays.is_some() && next.is_some());
        assert!(older.1.is_cancelled() && !busy_leave.is_cancelled());
        drop((older, longest));
        assert_eq!(
            places.lock().connections.len(),
            4,
            "who gave way gives nothing back twice"
        );
        drop((under_way, next, stays, alone, busy));
        assert!(places.lock().connections.is_empty() && places.lock().by_address.is_empty());
    }

    #[test]
    fn nobody_gives_way_at_once_or_while_a_request_is_under_way() {
        let places = Places::new(1, 1);
        let fresh = take(&places, "192.0.2.1");
        assert!(take(&places, "192.0.2.2").is_none());
        drop(fresh);
        let meter = Meter::begun_before(Duration::from_secs(60));
        let under_way = meter.request();
        let busy = places.take(address("192.0.2.1"), meter, CancellationToken::new());
        assert!(take(&places, "192.0.2.2").is_none());
        drop((under_way, busy));
    }

    #[test]
    fn this_machine_has_all_places_and_no_more() {
        let places = Places::new(3, 1);
        let here: Vec<_> = ["127.0.0.1", "::1", "127.0.0.1", "127.0.0.1"]
            .map(|one| take(&places, one))
            .into();
        assert_eq!(here.iter().filter(|place| place.is_some()).count(), 3);
    }

    #[test]
    fn nothing_is_remembered_of_those_who_left() {
        let places = Places::new(3, 1);
        drop(take(&places, "2001:db8::1"));
        let taken = places.lock();
        assert!(taken.connections.is_empty() && taken.by_address.is_empty());
    }

    #[test]
    fn what_is_said_to_those_turned_away_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_MANY).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(length, Some(body.len().to_string().as_str()));
    }
}
