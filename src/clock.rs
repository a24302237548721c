//! Wall time, as an argument; and what is made of a machine's clock that jumps.
//!
//! Decisions never ask for the time: they get it. Only the floors that act (ledger, dispatch, doors) hold a
//! [`Clock`], and tests hold one that is moved by hand.
//!
//! A running daemon reckons with a time of its own ([`Clock::reckoned`]): the wall's, but never behind what it was. Where
//! the wall jumps back, or is behind what is on record at a start, the reckoning goes on by the monotonic clock until
//! the wall has caught up: what is due in five seconds comes in five seconds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use tokio::sync::watch;

/// A moment in UTC. Everything that is stored, compared or sent uses this one type.
pub type Time = DateTime<Utc>;

/// Reads a moment as people type it: RFC 3339 (`2026-11-24T09:00:00+01:00`), or a date and perhaps a time in UTC
/// (`2026-11-24 09:00`, `2026-11-24`).
///
/// # Errors
/// When it is none, in words that say what to type.
pub fn read_moment(text: &str) -> Result<Time, String> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.with_timezone(&Utc));
    }
    let plain = text.trim_end_matches(['Z', 'z']).replace(['T', 't'], " ");
    let moment = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&plain, form).ok());
    let day = || NaiveDate::parse_from_str(&plain, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    moment
        .or_else(day)
        .map(|moment| moment.and_utc())
        .ok_or_else(|| "not a moment: type `2026-11-24T09:00:00Z`, or `2026-11-24 09:00` for UTC".to_owned())
}

/// The wall's clock jumped if it moved by more than this, beyond what the monotonic clock did.
const JUMP: chrono::Duration = chrono::Duration::hours(1);

/// Where "now" comes from.
#[derive(Clone)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// A clock that stands still until somebody moves it (tests, `explain`, replays).
    ByHand(ByHand),
    /// One of these, reckoned with.
    Reckoned(Arc<Reckoned>),
}

/// A clock moved by hand; clones share the same time.
#[derive(Clone)]
pub struct ByHand {
    hands: Arc<Mutex<Hands>>,
    moved: watch::Sender<Time>,
}

/// What a machine's two clocks say.
#[derive(Debug, Clone, Copy)]
struct Hands {
    wall: Time,
    /// Since some moment, also while the machine sleeps.
    monotonic: Duration,
}

/// A clock whose jumps are seen.
pub struct Reckoned {
    clock: Clock,
    reckoning: Mutex<Reckoning>,
}

struct Reckoning {
    seen: Hands,
    /// How far the reckoning is ahead of the wall.
    ahead: chrono::Duration,
    /// A jump forward that nobody has taken note of yet.
    jumped: Option<chrono::Duration>,
}

impl ByHand {
    /// A clock that says `start` until it is moved.
    pub fn at(start: Time) -> Self {
        let hands = Hands {
            wall: start,
            monotonic: Duration::ZERO,
        };
        Self {
            hands: Arc::new(Mutex::new(hands)),
            moved: watch::Sender::new(start),
        }
    }

    /// Lets time pass: moves the wall's and the monotonic clock forward by `by`, and wakes whoever waits for a time that
    /// has now come.
    pub fn advance(&self, by: chrono::Duration) {
        self.turn(by, by.to_std().unwrap_or_default());
    }

    /// Sets the wall's clock alone, forward or (with a negative `by`) back.
    pub fn jump(&self, by: chrono::Duration) {
        self.turn(by, Duration::ZERO);
    }

    fn turn(&self, wall: chrono::Duration, monotonic: Duration) {
        let mut hands = locked(&self.hands);
        hands.wall += wall;
        hands.monotonic += monotonic;
        self.moved.send_replace(hands.wall);
    }
}

impl Clock {
    /// The present moment.
    pub fn now(&self) -> Time {
        match self {
            Clock::Reckoned(reckoned) => reckoned.now(),
            Clock::System | Clock::ByHand(_) => self.wall(),
        }
    }

    /// What the machine's clock says, whatever is made of it: for what is compared with other machines' clocks.
    pub fn wall(&self) -> Time {
        self.hands().wall
    }

    fn hands(&self) -> Hands {
        match self {
            Clock::System => Hands {
                wall: Utc::now(),
                monotonic: since_boot(),
            },
            Clock::ByHand(hand) => *locked(&hand.hands),
            Clock::Reckoned(reckoned) => reckoned.clock.hands(),
        }
    }

    /// This clock with a reckoning on top.
    pub fn reckoned(self) -> Self {
        let reckoning = Reckoning {
            seen: self.hands(),
            ahead: chrono::Duration::zero(),
            jumped: None,
        };
        Clock::Reckoned(Arc::new(Reckoned {
            clock: self,
            reckoning: Mutex::new(reckoning),
        }))
    }

    /// It is not before `newest`, which is on record; gives back by how much the wall is behind it.
    pub fn not_before(&self, newest: Time) -> chrono::Duration {
        let Clock::Reckoned(reckoned) = self else {
            return chrono::Duration::zero();
        };
        let behind = (newest - reckoned.now()).max(chrono::Duration::zero());
        locked(&reckoned.reckoning).ahead += behind;
        behind
    }

    /// By how much the reckoning is ahead of the wall.
    pub fn ahead(&self) -> chrono::Duration {
        match self {
            Clock::Reckoned(reckoned) => {
                reckoned.now();
                locked(&reckoned.reckoning).ahead
            }
            Clock::System | Clock::ByHand(_) => chrono::Duration::zero(),
        }
    }

    /// Whether the wall's clock is so far behind the reckoning that it is not known which of them is right.
    pub fn is_in_doubt(&self) -> bool {
        self.ahead() > JUMP
    }

    /// Takes note of a jump forward by more than an hour: by how much it was.
    pub fn take_jump(&self) -> Option<chrono::Duration> {
        let Clock::Reckoned(reckoned) = self else { return None };
        reckoned.now();
        locked(&reckoned.reckoning).jumped.take()
    }

    /// Tells when a clock moved by hand was moved; `None` for the system's clock, which needs no telling.
    pub fn moves(&self) -> Option<watch::Receiver<Time>> {
        match self {
            Clock::System => None,
            Clock::ByHand(hand) => Some(hand.moved.subscribe()),
            Clock::Reckoned(reckoned) => reckoned.clock.moves(),
        }
    }
}

impl Reckoned {
    fn now(&self) -> Time {
        let mut reckoning = locked(&self.reckoning);
        let hands = self.clock.hands();
        reckoning.see(hands);
        hands.wall + reckoning.ahead
    }
}

impl Reckoning {
    /// What the wall moved beyond the monotonic clock is taken off what the reckoning is ahead, or added to it.
    fn see(&mut self, hands: Hands) {
        let passed = hands.monotonic.saturating_sub(self.seen.monotonic);
        let passed = chrono::Duration::from_std(passed).unwrap_or(chrono::Duration::zero());
        let beyond = hands.wall - self.seen.wall - passed;
        let before = self.ahead;
        self.ahead = (before - beyond).max(chrono::Duration::zero());
        self.seen = hands;
        // what brings the wall back to the reckoning is no jump of it
        let jump = beyond - before;
        if jump > JUMP {
            self.jumped = Some(self.jumped.map_or(jump, |earlier| earlier + jump));
        }
    }
}

fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Time {
        "2026-11-24T09:00:00Z".parse().expect("a time")
    }

    fn seconds(seconds: i64) -> chrono::Duration {
        chrono::Duration::seconds(seconds)
    }

    #[test]
    fn moments_are_read_as_people_type_them() {
        let read = |text: &str| read_moment(text).map(|moment| moment.to_rfc3339());
        for (text, moment) in [
            ("2026-11-24T09:00:00Z", "2026-11-24T09:00:00+00:00"),
            ("2026-11-24T09:00:00+01:00", "2026-11-24T08:00:00+00:00"),
            ("2026-11-24 09:00", "2026-11-24T09:00:00+00:00"),
            ("2026-11-24 09:00:30", "2026-11-24T09:00:30+00:00"),
            ("2026-11-24T09:00Z", "2026-11-24T09:00:00+00:00"),
            (" 2026-11-24 ", "2026-11-24T00:00:00+00:00"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(moment), "{text}");
        }
        for wrong in [
            "",
            "yesterday",
            "24.11.2026",
            "2026-13-01",
            "2026-02-30 10:00",
            "09:00",
            "2026-11-24 25:00",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn after_a_jump_back_time_goes_on_by_the_monotonic_clock_until_the_wall_has_caught_up() {
        let hand = ByHand::at(begin());
        let clock = Clock::ByHand(hand.clone()).reckoned();
        hand.jump(seconds(-86_400));
        assert_eq!((clock.now(), clock.wall()), (begin(), begin() - seconds(86_400)));
        hand.advance(seconds(5));
        assert_eq!(clock.now(), begin() + seconds(5), "what was due in five seconds is due");
        assert!(clock.is_in_doubt());
        hand.jump(seconds(86_400));
        assert_eq!((clock.now(), clock.ahead()), (begin() + seconds(5), seconds(0)));
        assert_eq!(clock.take_jump(), None, "the wall came back to where the reckoning is");
    }

    #[test]
    fn a_jump_forward_by_more_than_an_hour_is_seen_once() {
        let hand = ByHand::at(begin());
        let clock = Clock::ByHand(hand.clone()).reckoned();
        hand.jump(seconds(3_600));
        assert_eq!(clock.take_jump(), None, "an hour to the second is none");
        hand.advance(seconds(100_000));
        assert_eq!(clock.take_jump(), None, "time that passes is none");
        hand.jump(seconds(3_601));
        assert_eq!(clock.now(), begin() + seconds(3_600 + 100_000 + 3_601));
        assert_eq!(clock.take_jump(), Some(seconds(3_601)));
        assert_eq!(clock.take_jump(), None);
    }

    #[test]
    fn a_start_behind_what_is_on_record_goes_on_from_there() {
        let clock = Clock::ByHand(ByHand::at(begin())).reckoned();
        assert_eq!(clock.not_before(begin() - seconds(5)), seconds(0));
        assert_eq!(clock.not_before(begin() + seconds(5)), seconds(5));
        assert_eq!(clock.now(), begin() + seconds(5));
    }
}
