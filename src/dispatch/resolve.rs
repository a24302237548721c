//! Host names to addresses, for webhooks and mail: `getaddrinfo`, on threads of its own, within a time limit.
//!
//! The system's resolver is asked, so that `hosts`, `resolv.conf` and whatever else the machine is set up with apply.
//! Its look-ups cannot be broken off, and one that gets no answer takes half a minute: so they have their own threads,
//! which nobody else needs, and `turns` says which name may have one. The same name is looked up once at a time, for
//! everybody who asks. Nothing is cached, and no address is judged here: that is for whoever connects.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::customer::CustomerId;
use turns::{Turn, Turns};

mod turns;

/// How long a name may wait for a thread.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a look-up may take; one that takes longer goes on, and is slow.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many addresses of a name are looked at.
const ADDRESSES_MOST: usize = 32;

/// A look-up needs little: the system's default of 8 MiB for each thread would count against the unit's memory.
const STACK_BYTES: usize = 512 * 1024;

/// Looks host names up. Clones share threads.
#[derive(Clone)]
pub struct Resolver(Arc<Shared>);

struct Shared {
    look_up: Box<LookUp>,
    turns: Mutex<Turns<watch::Sender<Progress>>>,
}

type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// How far a look-up is, as those who wait for it see it.
#[derive(Debug, Clone)]
enum Progress {
    Waiting,
    Running,
    Ended(Result<Vec<IpAddr>, Unresolved>),
}

/// Why a name has no address now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The system's resolver says that there is none, or that it cannot tell.
    #[error("the host name cannot be resolved: {0}")]
    Failed(String),
    /// No answer in time.
    #[error("the host name was not resolved within {} seconds", ANSWER_TIMEOUT.as_secs())]
    Slow,
    /// It was not looked up: the threads wait for other names.
    #[error("the host name was not looked up: too many other names wait for an answer of the name server")]
    Busy,
}

impl Resolver {
    /// Asks the system's resolver.
    pub fn system() -> Self {
        Self::with(|name| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// Asks a function, which may take as long as it likes.
    pub fn with(look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            look_up: Box::new(look_up),
            turns: Mutex::new(Turns::default()),
        }))
    }

    /// The addresses of `host` on behalf of `customer`, at least one; an address literal is its own. Ends within 7
    /// seconds.
    ///
    /// # Errors
    /// When there is no address, or none was found in time.
    pub async fn resolve(&self, customer: &CustomerId, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(literal) = bare.parse() {
            return Ok(vec![literal]);
        }
        let mut progress = self.ask(customer, host)?;
        let has_begun = progress.wait_for(|progress| !matches!(progress, Progress::Waiting));
        match timeout(TURN_TIMEOUT, has_begun).await {
            Ok(begun) => drop(begun.map_err(|_| broken_off())?),
            Err(_) => return Err(Unresolved::Busy),
        }
        let has_ended = progress.wait_for(|progress| matches!(progress, Progress::Ended(_)));
        let ended = timeout(ANSWER_TIMEOUT, has_ended).await.map_err(|_| Unresolved::Slow)?;
        match &*ended.map_err(|_| broken_off())? {
            Progress::Ended(answer) => answer.clone(),
            Progress::Waiting | Progress::Running => Err(broken_off()),
        }
    }

    /// Joins the look-up of a name, or begins one.
    fn ask(&self, customer: &CustomerId, name: &str) -> Result<watch::Receiver<Progress>, Unresolved> {
        let mut turns = self.0.lock();
        turns.drop_unawaited(is_awaited);
        if let Some(known) = turns.asked(name) {
            return Ok(known.subscribe());
        }
        let (sender, receiver) = watch::channel(Progress::Waiting);
        if !turns.ask(customer, name, sender) {
            return Err(Unresolved::Busy);
        }
        while let Some(turn) = turns.next() {
            self.begin(&mut turns, turn);
        }
        Ok(receiver)
    }

    /// Starts a thread for a look-up; it ends when no name waits for it any more.
    fn begin(&self, turns: &mut Turns<watch::Sender<Progress>>, turn: Turn) {
        let (shared, first) = (self.0.clone(), turn.clone());
        let thread = std::thread::Builder::new()
            .name("resolver".into())
            .stack_size(STACK_BYTES)
            .spawn(move || shared.work(first));
        if let Err(error) = thread {
            let why = format!("no thread could be started for it: {error}");
            end(turns, &turn, Err(Unresolved::Failed(why)), Duration::ZERO);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Turns<watch::Sender<Progress>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks names up, one after the other, until none waits.
    fn work(&self, first: Turn) {
        let mut next = Some(first);
        while let Some(turn) = next {
            if let Some(asked) = self.lock().asked(&turn.name) {
                asked.send_replace(Progress::Running);
            }
            let began = Instant::now();
            let answer = self.answer(&turn.name);
            let mut turns = self.lock();
            end(&mut turns, &turn, answer, began.elapsed());
            turns.drop_unawaited(is_awaited);
            next = turns.next();
        }
    }

    fn answer(&self, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let found = catch_unwind(AssertUnwindSafe(|| (self.look_up)(name))).map_err(|_| broken_off())?;
        let mut found = found.map_err(|error| Unresolved::Failed(error.to_string()))?;
        found.truncate(ADDRESSES_MOST);
        match found.is_empty() {
            true => Err(Unresolved::Failed("it has no address".to_owned())),
            false => Ok(found),
        }
    }
}

/// Tells an answer to everybody who waits for it, and gives the thread back.
fn end(
    turns: &mut Turns<watch::Sender<Progress>>,
    turn: &Turn,
    answer: Result<Vec<IpAddr>, Unresolved>,
    took: Duration,
) {
    if let Some(asked) = turns.ended(turn, took) {
        asked.send_replace(Progress::Ended(answer));
    }
}

/// Who asked and went away again needs no thread.
fn is_awaited(asked: &watch::Sender<Progress>) -> bool {
    asked.receiver_count() > 0
}

fn broken_off() -> Unresolved {
    Unresolved::Failed("the look-up broke off".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn customer(name: &str) -> CustomerId {
        CustomerId::new(name)
    }

    /// Names that begin with `never` get no answer until the sender is dropped; all others have the address `HERE`.
    /// Counts the look-ups that are under way.
    fn with_dead_names() -> (Resolver, mpsc::SyncSender<()>, Arc<AtomicUsize>) {
        let (end, ends) = mpsc::sync_channel::<()>(0);
        let (ends, under_way) = (Mutex::new(ends), Arc::new(AtomicUsize::new(0)));
        let counted = under_way.clone();
        let resolver = Resolver::with(move |name| {
            counted.fetch_add(1, Ordering::SeqCst);
            if name.starts_with("never") {
                let _ = ends.lock().map(|ends| ends.recv()); // it ends when nobody sends any more
            }
            counted.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![HERE])
        });
        (resolver, end, under_way)
    }

    #[tokio::test]
    async fn an_address_is_its_own_and_asks_nobody() {
        let resolver = Resolver::with(|_| Err(io::Error::other("asked")));
        for (host, address) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1")] {
            let found = resolver.resolve(&customer("contoso"), host).await;
            assert_eq!(found, Ok(vec![address.parse().expect("an address")]));
        }
    }

    #[tokio::test]
    async fn the_systems_resolver_knows_this_machine() {
        let found = Resolver::system().resolve(&customer("contoso"), "localhost").await;
        assert!(found.expect("addresses").iter().all(|ip| ip.is_loopback()));
    }

    #[tokio::test]
    async fn what_fails_says_why_and_a_look_up_that_panics_fails_too() {
        let resolver = Resolver::with(|name| match name {
            "empty" => Ok(Vec::new()),
            "panics" => panic!("a look-up that panics"),
            _ => Err(io::Error::other("no such host")),
        });
        for (name, why) in [
            ("empty", "it has no address"),
            ("panics", "broke off"),
            ("x", "no such host"),
        ] {
            let error = resolver.resolve(&customer("contoso"), name).await.expect_err(name);
            assert!(error.to_string().contains(why), "{name}: {error}");
        }
    }

    #[tokio::test]
    async fn a_name_without_an_answer_fails_in_time_and_is_looked_up_once_for_everybody() {
        let (resolver, _end, under_way) = with_dead_names();
        let asked: Vec<_> = ["contoso", "fabrikam", "contoso"]
            .map(|who| {
                let resolver = resolver.clone();
                tokio::spawn(async move { resolver.resolve(&customer(who), "never.example").await })
            })
            .into();
        for one in asked {
            assert_eq!(one.await.expect("ends"), Err(Unresolved::Slow));
        }
        assert_eq!(under_way.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn six_hundred_names_without_an_answer_delay_no_name_that_was_quick_and_no_other_customer() {
        let (resolver, end, under_way) = with_dead_names();
        let contoso = customer("contoso");
        resolver.resolve(&contoso, "quick.example").await.expect("an address");
        let storm: Vec<_> = (0..600)
            .map(|nth| {
                let (resolver, contoso) = (resolver.clone(), contoso.clone());
                tokio::spawn(async move { resolver.resolve(&contoso, &format!("never-{nth}.example")).await })
            })
            .collect();
        while under_way.load(Ordering::SeqCst) < turns::CUSTOMER_MOST {
            tokio::task::yield_now().await;
        }
        for (who, name) in [("contoso", "quick.example"), ("fabrikam", "new.example")] {
            let found = resolver.resolve(&customer(who), name).await;
            assert_eq!(found, Ok(vec![HERE]), "{who} {name}");
        }
        let mut ends = Vec::new();
        for one in storm {
            ends.push(one.await.expect("ends").expect_err("never"));
        }
        let slow = ends.iter().filter(|end| **end == Unresolved::Slow).count();
        assert_eq!(slow, turns::CUSTOMER_MOST, "the others had no thread");
        assert_eq!(under_way.load(Ordering::SeqCst), turns::CUSTOMER_MOST);
        drop(end); // and what waited for a thread and was given up takes none any more
        while under_way.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(resolver.0.lock().waiting(), 0);
    }
}
