//! Starts and stops as a process of its own: few file descriptors, being halted, being told to stop while it starts, and
//! what the service manager hears.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Process, client, client_that_waits, post, serve, tell_everything, until};
use crate::world::Hooks;

/// So many connections that do nothing, more than there are descriptors.
const IDLE: usize = 400;

/// So many events are posted afterwards.
const POSTED: usize = 20;

/// What must stay free for journal, store and deliveries.
const FREE_LEAST: usize = 64;

fn pid(process: &Process) -> Pid {
    Pid::from_raw(i32::try_from(process.pid()).expect("a pid")).expect("a pid")
}

/// The same command line with so many file descriptors at most.
fn with_descriptors(most: usize, words: &[String]) -> Vec<String> {
    let shell = ["sh", "-c"].map(String::from).to_vec();
    let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
    shell.into_iter().chain([script]).chain(words.iter().cloned()).collect()
}

fn descriptors(process: &Process) -> usize {
    let dir = format!("/proc/{}/fd", process.pid());
    std::fs::read_dir(dir).expect("a process").count()
}

/// Whether the daemon has told a connection something, or closed it.
fn has_ended(connection: &TcpStream) -> bool {
    connection.set_nonblocking(true).expect("a socket");
    let told = (&mut &*connection).read(&mut [0; 64]);
    told.map_err(|error| error.kind()) != Err(std::io::ErrorKind::WouldBlock)
}

/// Posts until so many events are accepted.
async fn until_posted(client: &reqwest::Client, url: &str) {
    let began = Instant::now();
    let mut accepted = 0;
    while accepted < POSTED {
        assert!(began.elapsed() < Duration::from_secs(20), "{accepted} accepted");
        let posted = post(client, url, &format!("FEW-{accepted}")).await;
        accepted += usize::from(posted.is_some());
    }
}

/// A daemon with 256 file descriptors that tells everything to one receiver.
async fn with_few_descriptors() -> (tempfile::TempDir, Hooks, Process) {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    let hooks = Hooks::start().await;
    tell_everything(&rules, &hooks);
    let process = Process::start(&with_descriptors(256, &serve(&state, &rules)));
    (place, hooks, process)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_256_descriptors_and_more_idle_connections_events_are_taken_and_told() {
    let (_place, hooks, process) = with_few_descriptors().await;
    let address = process.url.trim_start_matches("http://").to_owned();
    let idle: Vec<TcpStream> = (0..IDLE).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    // the kernel takes connections before the daemon does: its places are all taken when one was turned away or gave way
    until("a connection ends", || idle.iter().any(has_ended)).await;
    let free = 256 - descriptors(&process);
    assert!(free >= FREE_LEAST, "{free} descriptors are left");
    assert!(process.log().contains("fewer are taken at once"), "{}", process.log());
    drop(idle);
    let client = client();
    until_posted(&client, &process.url).await;
    until("all are told", || hooks.got("hook").len() == POSTED).await;
    let pid = process.pid();
    process.stop(pid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_256_descriptors_half_open_connections_give_way_to_events() {
    let (_place, _hooks, process) = with_few_descriptors().await;
    let address = process.url.trim_start_matches("http://").to_owned();
    let mut half_open: Vec<TcpStream> = (0..IDLE).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    for connection in &mut half_open {
        // those that were turned away already hear nothing of it
        let _ = connection.write_all(b"POST /v1/events HTTP/1.1\r\nhost: local");
    }
    // a connection that the kernel itself drops in such a crowd is not waited for
    until_posted(&client_that_waits(Duration::from_secs(2)), &process.url).await;
    // events did not wait until the time for headers was over, which ends all of them
    assert!(half_open.iter().any(|connection| !has_ended(connection)));
    drop(half_open);
    let pid = process.pid();
    process.stop(pid);
}

/// Rules that tell so many receivers at an address that takes connections and never answers, and one that answers.
fn tell_silent_receivers(rules: &Path, count: usize, silent: SocketAddr, hooks: &Hooks) {
    let urls = (0..count).map(|nth| format!("    - webhook: {{ url: \"http://{silent}/{nth}\" }}\n"));
    let text = format!(
        "receivers:\n  silent:\n{}  hook: [{{ webhook: {{ url: \"{}\" }} }}]\nrules:\n  - {{ name: All, when: {{ event \
         type: Service issue }}, notify: hook, settle: 0s }}\n  - {{ name: Many, when: {{ tracking id: MANY }}, notify: \
         silent, settle: 0s }}\n",
        urls.collect::<String>(),
        hooks.url("hook")
    );
    std::fs::create_dir_all(rules.join("contoso")).expect("a folder");
    std::fs::write(rules.join("contoso/rules.yaml"), text).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_256_descriptors_two_hundred_receivers_that_never_answer_leave_enough_for_the_rest() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    let (hooks, silent) = (Hooks::start().await, TcpListener::bind("127.0.0.1:0").expect("a port"));
    tell_silent_receivers(&rules, 200, silent.local_addr().expect("an address"), &hooks);
    let process = Process::start(&with_descriptors(256, &serve(&state, &rules)));
    let client = client();
    // one that is known to answer has slots that the others cannot take
    assert!(post(&client, &process.url, "FIRST").await.is_some());
    until("the healthy receiver is told", || hooks.got("hook").len() == 1).await;
    assert!(post(&client, &process.url, "MANY").await.is_some());
    let first = silent.accept().expect("a connection");
    assert!(post(&client, &process.url, "LAST").await.is_some());
    until("the healthy receiver is told", || hooks.got("hook").len() == 3).await;
    let free = 256 - descriptors(&process);
    assert!(free >= 2 * FREE_LEAST, "{free} descriptors are left");
    until_posted(&client, &process.url).await;
    // what is under way ends now, and the stop need not wait for it
    drop((silent, first));
    let pid = process.pid();
    process.stop(pid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_halted_goes_on_and_nothing_is_lost() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    let hooks = Hooks::start().await;
    tell_everything(&rules, &hooks);
    let process = Process::start(&serve(&state, &rules));
    let client = client();
    assert!(post(&client, &process.url, "BEFORE").await.is_some());
    kill_process(pid(&process), Signal::STOP).expect("a process");
    let (theirs, url) = (client.clone(), process.url.clone());
    let during = tokio::spawn(async move { post(&theirs, &url, "DURING").await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!during.is_finished());
    kill_process(pid(&process), Signal::CONT).expect("a process");
    assert!(during.await.expect("posts").is_some());
    assert!(post(&client, &process.url, "AFTER").await.is_some());
    until("all three are told", || hooks.got("hook").len() == 3).await;
    let pid = process.pid();
    process.stop(pid);
}

fn next_word(heard: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = heard.recv(&mut bytes).expect("is told");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn service_manager(socket: &Path) -> UnixDatagram {
    let heard = UnixDatagram::bind(socket).expect("a socket");
    let most = Some(Duration::from_secs(20));
    heard.set_read_timeout(most).expect("a time-out");
    heard
}

/// A start that takes long: its state key is a pipe into which nobody writes.
#[test]
fn while_a_start_takes_long_the_service_manager_is_told_to_wait_and_a_signal_to_stop_is_heeded() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    for folder in [&state, &rules] {
        std::fs::create_dir_all(folder).expect("a folder");
    }
    let made = Command::new("mkfifo").arg(state.join("state.key")).status();
    assert!(made.expect("mkfifo").success());
    let socket = place.path().join("notify");
    let heard = service_manager(&socket);
    let words = serve(&state, &rules);
    let mut daemon = Command::new(&words[0])
        .args(&words[1..])
        .env("NOTIFY_SOCKET", &socket)
        .spawn()
        .expect("a process");
    assert!(next_word(&heard).contains("EXTEND_TIMEOUT_USEC="));
    let pid = Pid::from_child(&daemon);
    kill_process(pid, Signal::TERM).expect("a process");
    let began = Instant::now();
    let ended = loop {
        if let Some(ended) = daemon.try_wait().expect("a process") {
            break ended;
        }
        if began.elapsed() > Duration::from_secs(30) {
            daemon.kill().expect("a process");
            panic!("it does not stop");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_that_it_is_ready_and_that_it_stops() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    tell_everything(&rules, &Hooks::start().await);
    let socket = place.path().join("notify");
    let heard = service_manager(&socket);
    let mut words = vec!["env".to_owned(), format!("NOTIFY_SOCKET={}", socket.display())];
    words.extend(serve(&state, &rules));
    let process = Process::start(&words);
    assert!(next_word(&heard).contains("READY=1"));
    let pid = process.pid();
    process.stop(pid);
    assert!(next_word(&heard).contains("STOPPING=1"));
}

/// Runs a daemon that is to end by itself: its exit code, and what it says.
fn ends(words: &[String], more: &[&str]) -> (i32, String) {
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args(more)
        .output()
        .expect("a process");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

#[test]
fn a_rules_folder_that_does_not_exist_is_a_mistake_in_the_settings_and_nothing_is_begun() {
    let place = tempfile::tempdir().expect("a folder");
    let state = place.path().join("state");
    std::fs::write(place.path().join("file"), "").expect("a file");
    for (name, why) in [
        ("nosuch", "does not exist"),
        ("nosuch/deeper", "does not exist"),
        ("file", "is not a folder"),
    ] {
        let rules = place.path().join(name);
        let (code, said) = ends(&serve(&state, &rules), &[]);
        assert_eq!(code, 78, "{said}");
        let expected = format!("the rules folder {} {why}", rules.display());
        assert!(said.contains(&expected) && said.contains("hint: "), "{said}");
        assert!(!state.exists(), "nothing is made");
    }
}

#[test]
fn every_secret_of_the_settings_that_cannot_be_used_is_named_at_a_start_and_none_is_shown() {
    let place = tempfile::tempdir().expect("a folder");
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir_all(at("rules/contoso")).expect("a folder");
    std::fs::create_dir_all(at("secrets")).expect("a folder");
    std::fs::write(at("rules/contoso/a.yaml"), "rules: []\n").expect("a file");
    std::fs::write(at("secrets/empty"), "\n").expect("a file");
    std::fs::write(at("secrets/quoted"), "'hunter2'\n").expect("a file");
    std::fs::write(at("secrets/lines"), "hunter2\nhunter2\n").expect("a file");
    let settings = "tokens: { intake: [empty, missing], read: quoted }\n\
        smtp: { url: smtp://127.0.0.1, from: a@b.example, user: u, password: { secret: lines } }\n";
    std::fs::write(at("bellwether.yaml"), settings).expect("a file");
    let more = [at("bellwether.yaml"), at("secrets")].map(|path| path.display().to_string());
    let (code, said) = ends(
        &serve(&at("state"), &at("rules")),
        &["--config", &more[0], "--secrets", &more[1]],
    );
    assert_eq!(code, 78, "{said}");
    for part in [
        "secrets/empty is empty",
        "no secret `missing`",
        "secrets/quoted has quotes around it",
        "the password of the mail relay",
        "secrets/lines has 2 lines",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_log_says_which_version_starts_and_which_signal_stops_it() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    std::fs::create_dir_all(&rules).expect("a folder");
    let mut words = vec!["env".to_owned(), "NO_COLOR=1".to_owned()];
    words.extend(serve(&state, &rules));
    let mut process = Process::start(&words);
    kill_process(pid(&process), Signal::TERM).expect("a process");
    let began = Instant::now();
    while process.ended().is_none() {
        assert!(began.elapsed() < Duration::from_secs(40), "{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let log = process.log();
    for what in ["starting", "told to stop by SIGTERM", "stopped"] {
        let line = log
            .lines()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what}: {log}"));
        assert!(line.contains(&version), "{line}");
    }
}
