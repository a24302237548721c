//! Damage to journal and store, by the hundred: each is detected, owned up to and survived, and nothing is sent again
//! but what a reported loss covers.
//!
//! A state is prepared once per test: incidents told to a receiver that takes everything, to one that is down and to
//! one that refuses; packed and open segments; a checkpoint; notifications that still gather. Then copies of it are
//! damaged, one file each, and the real daemon is started on them. Everything is seeded: a round can be run again alone
//! with `DAMAGE_ROUND=17`.

use super::*;
use crate::delivery::State;
use crate::journal;
use crate::record::Record;
use crate::store::item::Item;

const RULES: &str = r#"
receivers:
  all:
    - webhook: { url: "{receivers}/good" }
    - webhook: { url: "{receivers}/slow" }
    - webhook: { url: "{receivers}/never" }
rules:
  - name: Everything
    when: { event type: Service issue }
    notify: all
"#;

/// How long a round may take before it counts as hanging.
const ROUND_MOST: Duration = Duration::from_secs(60);

/// How the daemon that wrote the state ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ended {
    /// In an orderly way: the store is believed.
    Cleanly,
    /// Killed, and started again within the same boot: the store is believed.
    Killed,
    /// The power went: the store is built again.
    PowerCut,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip,
    Truncate,
    ZeroPage,
    StalePage,
    Missing,
}

/// A prepared state and everything that is known of it undamaged.
struct Sound {
    place: Place,
    /// The state, and an older one that stale pages come from.
    saved: PathBuf,
    stale: PathBuf,
    /// When the state was saved.
    at: Time,
    records: BTreeMap<u64, Vec<u8>>,
    items: BTreeSet<String>,
    /// What was taken by a receiver before.
    delivered: BTreeSet<String>,
    /// Every delivery there is or will be within ten seconds of the start.
    known: BTreeSet<String>,
    /// What is sent within ten seconds of the start, by path.
    sends: BTreeSet<(String, String)>,
}

impl Sound {
    async fn prepare(ended: Ended) -> Self {
        let place = Place::with(&[("contoso/rules.yaml", RULES.into())]).await;
        let daemon = place.start().await.expect("starts");
        tell(&place, &daemon, 0..8).await;
        daemon.renew_store();
        daemon.stop().await.expect("stops");
        let stale = place.save("stale");
        let daemon = place.start().await.expect("starts");
        tell(&place, &daemon, 8..16).await;
        let delivered = place.receivers.take().into_iter().filter(|got| got.path == "/good");
        let delivered = delivered.map(|got| got.id).collect();
        daemon.hear((16..19).map(|nth| update(nth, begin())).collect()).await;
        daemon.settled().await;
        let at = Clock::ByHand(place.clock.clone()).now();
        daemon.stop().await.expect("stops");
        place.receivers.take();
        match ended {
            Ended::Cleanly => {}
            Ended::Killed => remove(place.state(), &["store.clean"]),
            Ended::PowerCut => remove(place.state(), &["store.clean", "store.boot"]),
        }
        let saved = place.save("saved");
        let mut sound = Self {
            place,
            saved,
            stale,
            at,
            records: BTreeMap::new(),
            items: BTreeSet::new(),
            delivered,
            known: BTreeSet::new(),
            sends: BTreeSet::new(),
        };
        sound.learn().await;
        sound
    }

    /// Runs the undamaged state once, for comparison.
    async fn learn(&mut self) {
        self.unharmed();
        let daemon = self.place.start().await.expect("starts");
        daemon.settled().await;
        self.records = records(&daemon).0;
        self.items = items(&daemon).expect("a sound store");
        assert!(self.place.receivers.take().is_empty(), "nothing is due yet");
        self.place.pass(&daemon, 10).await;
        self.sends = sends(&self.place.receivers.take());
        self.known = deliveries(&daemon);
        daemon.stop().await.expect("stops");
        assert!(self.sends.iter().filter(|(path, _)| path == "/good").count() == 3);
        assert!(
            self.sends
                .iter()
                .any(|(path, id)| path == "/slow" && !self.delivered.contains(id))
        );
        assert!(self.delivered.len() == 16 && self.known.len() == 19 * 3);
        assert!(
            files_below(&self.saved.join("journal"))
                .iter()
                .filter(|path| is_packed(path))
                .count()
                > 1
        );
    }

    /// A fresh copy.
    fn unharmed(&mut self) -> String {
        let (saved, at) = (self.saved.clone(), self.at);
        self.place.restore(&saved, at);
        "unharmed".to_owned()
    }

    /// A fresh copy, one file of `part` harmed. Says what was done.
    fn harm(&mut self, part: &str, seed: u64) -> String {
        self.unharmed();
        let mut random = Random(seed);
        let files = files_below(&self.place.state().join(part));
        let path = &files[random.below(files.len() as u64) as usize];
        let all = [
            Harm::Flip,
            Harm::Truncate,
            Harm::ZeroPage,
            Harm::StalePage,
            Harm::Missing,
        ];
        let harm = all[random.below(all.len() as u64) as usize];
        let name = path.strip_prefix(self.place.state()).expect("below it").to_owned();
        let how = apply(harm, path, &self.stale.join(&name), &mut random);
        format!("round {seed}: {harm:?} {} {how}", name.display())
    }
}

/// Posts these incidents and lets everything about them be told, as far as receivers take it.
async fn tell(place: &Place, daemon: &Handle, which: std::ops::Range<u64>) {
    for nth in which {
        let now = Clock::ByHand(place.clock.clone()).now();
        daemon.hear(vec![update(nth, now)]).await;
        daemon.settled().await;
        place.pass(daemon, 10).await;
    }
}

fn remove(state: &Path, names: &[&str]) {
    for name in names {
        std::fs::remove_file(state.join(name)).expect("is there");
    }
}

fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "packed")
}

/// Harms the used part of a file. Says where.
fn apply(harm: Harm, path: &Path, stale: &Path, random: &mut Random) -> String {
    const PAGE: usize = 4096;
    let mut bytes = std::fs::read(path).expect("a file");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = random.below(used as u64) as usize;
    let page = at / PAGE * PAGE..(at / PAGE * PAGE + PAGE).min(bytes.len());
    match harm {
        Harm::Flip if bytes.is_empty() => {}
        Harm::Flip => bytes[at] ^= 1 << random.below(8),
        Harm::Truncate => bytes.truncate(at),
        Harm::ZeroPage => bytes[page].fill(0),
        Harm::StalePage => {
            let old = std::fs::read(stale).unwrap_or_else(|_| bytes.iter().rev().copied().collect());
            let old: Vec<u8> = page.clone().map(|at| old.get(at).copied().unwrap_or(0)).collect();
            bytes[page].copy_from_slice(&old);
        }
        Harm::Missing => {
            std::fs::remove_file(path).expect("is there");
            return String::new();
        }
    }
    std::fs::write(path, bytes).expect("writes");
    format!("at {at} of {used}")
}

/// Records by number, and the ranges that cannot be read.
type Records = (BTreeMap<u64, Vec<u8>>, Vec<(u64, u64)>);

/// What the journal holds, and which numbers it says are lost.
fn records(daemon: &Handle) -> Records {
    let (mut records, mut lost) = (BTreeMap::new(), Vec::new());
    for item in daemon.ledger.journal().tail(1) {
        match item {
            Ok((seq, bytes)) => {
                if let Ok(Record::Lost { from, to, .. }) = Record::from_bytes(&bytes) {
                    lost.push((from, to));
                }
                records.insert(seq, bytes);
            }
            Err(journal::Error::Damaged { .. }) => {} // counts if it is owned up to
            Err(error) => panic!("{error}"),
        }
    }
    (records, lost)
}

/// Everything the store holds, as JSON; an error where sled finds damage on reading.
fn items(daemon: &Handle) -> Result<BTreeSet<String>> {
    let read = || {
        let view = daemon.ledger.view();
        let items = view.items().map(|item| Ok(serde_json::to_string(&item?)?));
        items.collect::<Result<BTreeSet<String>>>()
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or_else(|_| bail!("sled panicked"))
}

/// Where the daemon last wrote that it started.
fn last_start(records: &BTreeMap<u64, Vec<u8>>) -> u64 {
    let is_start = |bytes: &[u8]| matches!(Record::from_bytes(bytes), Ok(Record::Started { .. }));
    let starts = records.iter().rev().find(|(_, bytes)| is_start(bytes));
    starts.map(|(seq, _)| *seq).expect("it started")
}

fn deliveries(daemon: &Handle) -> BTreeSet<String> {
    let view = daemon.ledger.view();
    let ids = view.items().filter_map(|item| match item {
        // what is planned, or only known to have been told, is no delivery
        Ok(Item::Delivery(one)) => one.standing().map(|_| one.delivery.id),
        _ => None,
    });
    ids.collect()
}

fn sends(got: &[Got]) -> BTreeSet<(String, String)> {
    got.iter().map(|got| (got.path.clone(), got.id.clone())).collect()
}

/// A started daemon that is still there after everything it found; at most one exit and restart on the way, as the
/// service manager would do it.
async fn survive(place: &Place, daemon: Option<Handle>, what: &str) -> Handle {
    let mut daemon = match daemon {
        Some(daemon) => daemon,
        None => place
            .start()
            .await
            .unwrap_or_else(|error| panic!("{what}: it does not start: {error:#}")),
    };
    for _ in 0..2 {
        daemon.settled().await;
        if !daemon.has_failed() {
            return daemon;
        }
        eprintln!("{what}: ended to start again");
        let _ = daemon.stop().await;
        daemon = place
            .start()
            .await
            .unwrap_or_else(|error| panic!("{what}: it does not start again: {error:#}"));
    }
    panic!("{what}: it ends and starts for ever");
}

/// One round: start, look, let ten seconds pass, look what was sent, go on working, stop. Says whether a loss was
/// reported.
async fn round(sound: &Sound, what: &str, is_store_believed: bool, is_thorough: bool) -> bool {
    let place = &sound.place;
    let daemon = survive(place, None, what).await;
    daemon.journal_scrubbed().await;
    daemon.settled().await;
    let (records, lost) = records(&daemon);
    let before = sound.last_before_start();
    let is_gone = |seq: &u64| records.get(seq) != sound.records.get(seq);
    let gone: Vec<u64> = sound
        .records
        .range(..=before)
        .map(|(seq, _)| *seq)
        .filter(is_gone)
        .collect();
    // with the store gone too nobody can know that the end is missing: it is torn, cut off, and numbered anew
    let end = match is_store_believed {
        true => before,
        false => last_start(&records) - 1,
    };
    let is_covered = |seq: u64| lost.iter().any(|(from, to)| (*from..=*to).contains(&seq));
    let silent: Vec<u64> = gone
        .iter()
        .copied()
        .filter(|seq| *seq <= end && !is_covered(*seq))
        .collect();
    assert!(
        silent.is_empty(),
        "{what}: records {silent:?} went silently (lost: {lost:?})"
    );
    if is_store_believed || gone.is_empty() {
        let items = items(&daemon).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        let missing: Vec<&String> = sound.items.difference(&items).collect();
        assert!(missing.is_empty(), "{what}: the store does not hold {missing:#?}");
        let is_alarm = |item: &&String| item.contains("journal:20") || item.contains("\"nothing\"");
        let more = items.difference(&sound.items).filter(|item| !is_alarm(item)).count();
        assert!(
            !lost.is_empty() || more == 0,
            "{what}: the store holds {:#?}",
            items.difference(&sound.items)
        );
    }
    place.pass(&daemon, 10).await;
    let daemon = survive(place, Some(daemon), what).await;
    let got = place.receivers.take();
    sound.check_sends(&got, &daemon, gone.is_empty(), is_store_believed, what);
    match is_thorough || !lost.is_empty() {
        true => goes_on(place, daemon, what).await,
        false => daemon.stop().await.unwrap_or_else(|error| panic!("{what}: {error:#}")),
    }
    !lost.is_empty()
}

impl Sound {
    fn last_before_start(&self) -> u64 {
        last_start(&self.records) - 1
    }

    /// Nothing is sent again but what a reported loss covers, nothing that is due is forgotten without a word.
    fn check_sends(&self, got: &[Got], daemon: &Handle, is_whole: bool, is_store_believed: bool, what: &str) {
        let sent = sends(got);
        // what the slow one refuses may come twice within ten seconds
        let once = |path: &str| path != "/slow";
        let count = got.iter().filter(|got| once(&got.path)).count();
        let different = sent.iter().filter(|(path, _)| once(path)).count();
        assert_eq!(different, count, "{what}: something was sent twice");
        if is_whole {
            assert_eq!(sent, self.sends, "{what}");
            return;
        }
        for (path, id) in &sent {
            assert!(self.known.contains(id), "{what}: {id} to {path} was never decided");
            assert!(
                !is_store_believed || self.sends.contains(&(path.clone(), id.clone())),
                "{what}: {id} was sent again to {path}"
            );
        }
        for (path, id) in self.sends.difference(&sent).filter(|_| is_store_believed) {
            let standing = daemon
                .ledger
                .view()
                .known(id)
                .expect("a store")
                .map(|(_, standing)| standing.state);
            let is_dead = matches!(standing, Some(State::Ended { .. }));
            assert!(is_dead, "{what}: {id} to {path} was forgotten: {standing:?}");
        }
    }
}

/// It still does its work, stops in an orderly way, and has nothing new to confess at the next start.
async fn goes_on(place: &Place, daemon: Handle, what: &str) {
    let now = Clock::ByHand(place.clock.clone()).now();
    daemon.hear(vec![update(99, now)]).await;
    daemon.settled().await;
    place.pass(&daemon, 10).await;
    let daemon = survive(place, Some(daemon), what).await;
    let got = place.receivers.take();
    daemon.store_renewed().await;
    place.pass(&daemon, 3_600).await;
    let again: Vec<Got> = place
        .receivers
        .take()
        .into_iter()
        .filter(|got| got.path == "/good")
        .collect();
    assert!(
        again.is_empty(),
        "{what}: {again:?} was sent again after the store was renewed"
    );
    assert!(
        got.iter()
            .any(|got| got.path == "/good" && String::from_utf8_lossy(&got.body).contains("DMG0099")),
        "{what}: it does not tell what comes after"
    );
    let lost = records(&daemon).1;
    daemon.stop().await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    let again = survive(place, None, what).await;
    assert_eq!(records(&again).1, lost, "{what}: a loss was told twice");
    again.stop().await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    place.receivers.take();
}

/// How many damages of each kind every run tries; `tests/faults --long` tries all.
const ROUNDS: usize = 40;

async fn rounds(part: &str, ended: Ended, seeds: std::ops::Range<u64>) {
    let only = std::env::var("DAMAGE_ROUND")
        .ok()
        .and_then(|seed| seed.parse::<u64>().ok());
    if only.is_some() {
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    }
    let mut sound = Sound::prepare(ended).await;
    let (mut losses, mut rebuilt) = (0, 0);
    let most = std::env::var("DAMAGE_ROUNDS").ok().and_then(|most| most.parse().ok());
    let seeds: Vec<u64> = match only {
        Some(only) => seeds.filter(|seed| *seed == only).collect(),
        None => seeds.take(most.unwrap_or(ROUNDS)).collect(),
    };
    let tried = seeds.len();
    for seed in seeds {
        let what = sound.harm(part, seed);
        let is_believed = ended != Ended::PowerCut;
        let round = round(&sound, &what, is_believed, only.is_some() || seed % 5 == 0);
        let is_loss = tokio::time::timeout(ROUND_MOST, round).await;
        losses += usize::from(is_loss.unwrap_or_else(|_| panic!("{what}: it hangs")));
        rebuilt += usize::from(sound.place.state().join("store.set-aside").exists());
        eprintln!("{what}: fine");
    }
    let bitten = if part == "store" { rebuilt } else { losses };
    let has_bitten = bitten > tried / 10;
    assert!(
        only.is_some() || has_bitten,
        "{losses} losses, {rebuilt} stores built again: too little was harmed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_damaged_after_a_clean_stop_is_owned_up_to_and_nothing_is_sent_again() {
    rounds("journal", Ended::Cleanly, 0..100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_damaged_after_a_kill_is_owned_up_to_and_nothing_is_sent_again() {
    rounds("journal", Ended::Killed, 100..150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_damaged_in_a_power_cut_is_owned_up_to() {
    rounds("journal", Ended::PowerCut, 150..200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_damaged_after_a_clean_stop_is_right_or_built_again() {
    rounds("store", Ended::Cleanly, 300..400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_damaged_after_a_kill_is_right_or_built_again() {
    rounds("store", Ended::Killed, 400..500).await;
}

/// Four days later everything that damage brings back is past its life: dead, without an attempt. What was delivered
/// before is not sent again, wherever the loss is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_damage_brings_back_after_four_days_is_not_sent() {
    let mut sound = Sound::prepare(Ended::PowerCut).await;
    let mut looked_at = 0;
    for seed in 501..520 {
        let what = sound.harm("journal", seed);
        sound.place.clock = ByHand::at(sound.at + chrono::Duration::days(4));
        let daemon = survive(&sound.place, None, &what).await;
        sound.place.pass(&daemon, 10).await;
        let daemon = survive(&sound.place, Some(daemon), &what).await;
        let view = daemon.ledger.view();
        if view.lost().expect("a store").is_none() {
            // what waits really waited, and is told late
            daemon.stop().await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
            sound.place.receivers.take();
            continue;
        }
        let got: Vec<String> = sound.place.receivers.take().into_iter().map(|got| got.id).collect();
        let again: Vec<&String> = got.iter().filter(|id| sound.delivered.contains(*id)).collect();
        assert_eq!(again, Vec::<&String>::new(), "{what}");
        if !got.is_empty() && what.contains("0000000001.packed") {
            // a checkpoint may hold all that stood there: then nothing is brought back, what waits really waited, and the
            // loss is only noticed when a text is to be read
            daemon.stop().await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
            continue;
        }
        looked_at += 1;
        assert_eq!(got, Vec::<String>::new(), "{what}");
        let states = deliveries(&daemon)
            .into_iter()
            .map(|id| view.known(&id).expect("a store").expect("is known").1.state);
        assert!(
            states.into_iter().all(|state| matches!(state, State::Ended { .. })),
            "{what}"
        );
        daemon.stop().await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    }
    assert!(looked_at >= 5, "{looked_at}");
}
