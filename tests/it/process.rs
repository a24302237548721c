//! The daemon as a process of its own: what only a process can show, like being killed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Azure, Hooks};

/// How long a start may take before it counts as failed.
const START_MOST: Duration = Duration::from_secs(30);

/// A running daemon; killed when it is dropped.
pub struct Process {
    pub url: String,
    child: Child,
    log: Arc<Mutex<String>>,
}

/// The command line of a daemon on this state and these rules, on a free port.
pub fn serve(state: &Path, rules: &Path) -> Vec<String> {
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--allow-private-receivers",
        "--state",
    ];
    let mut words: Vec<String> = words.map(String::from).to_vec();
    words.extend([path(state), "--rules".into(), path(rules)]);
    words.insert(0, env!("CARGO_BIN_EXE_bellwether").to_owned());
    words
}

/// The same command line under strace, all threads of it.
pub fn strace(options: &[&str], words: &[String]) -> Vec<String> {
    let is_there = Command::new("strace").arg("-V").output().is_ok();
    assert!(
        is_there,
        "strace is not installed\nhint: tests/run installs it (apt-get install strace)"
    );
    let strace = ["strace", "-f"].iter().chain(options).map(|word| (*word).to_owned());
    strace.chain(words.iter().cloned()).collect()
}

/// Writes a rule that tells `/hook` every service issue, at once.
pub fn tell_everything(rules: &Path, hooks: &Hooks) {
    let text = format!(
        "receivers: {{ hook: [{{ webhook: {{ url: \"{}\" }} }}] }}\nrules:\n  - {{ name: All, when: {{ event type: Service issue }}, notify: hook, settle: 0s }}\n",
        hooks.url("hook")
    );
    std::fs::create_dir_all(rules.join("contoso")).expect("a folder");
    std::fs::write(rules.join("contoso/rules.yaml"), text).expect("a file");
}

impl Process {
    /// Runs a command line that is, or wraps, a daemon, and waits until it listens.
    pub fn start(words: &[String]) -> Self {
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        let log = Arc::new(Mutex::new(String::new()));
        let listens = follow(&mut child, log.clone());
        let mut process = Self {
            url: String::new(),
            child,
            log,
        };
        match listens.recv_timeout(START_MOST) {
            Ok(url) => process.url = url,
            Err(_) => panic!("it does not listen:\n{}", process.log()),
        }
        process
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("a lock").clone()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a process")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("a process");
        let status = self.child.wait().expect("a process");
        // one that ended by itself before is another matter
        assert_eq!(status.signal(), Some(9), "{status}:\n{}", self.log());
    }

    /// Asks `pid` (it, or what it wraps) to stop, and waits until it has.
    pub fn stop(mut self, pid: u32) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a process");
        let status = self.child.wait().expect("a process");
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what is logged; tells the URL when it is named.
fn follow(child: &mut Child, log: Arc<Mutex<String>>) -> Receiver<String> {
    let lines = BufReader::new(child.stderr.take().expect("is piped")).lines();
    let (tell, listens) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some((_, url)) = line.split_once("listening on ") {
                let _ = tell.send(url.trim().to_owned());
            }
            let mut log = log.lock().expect("a lock");
            log.push_str(&line);
            log.push('\n');
        }
    });
    listens
}

/// An incident's first event, with a tracking id of its own.
pub fn event(tracking_id: &str) -> Value {
    let mut event = Azure::active().json();
    event["data"]["context"]["activityLog"]["properties"]["trackingId"] = tracking_id.into();
    event
}

/// Posts an event; its id if it was accepted, `None` if the daemon went away or had no time.
pub async fn post(client: &reqwest::Client, url: &str, tracking_id: &str) -> Option<String> {
    let request = client
        .post(format!("{url}/v1/events"))
        .body(event(tracking_id).to_string());
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let answer: Value = answer.json().await.ok()?;
    match status {
        202 => Some(answer["ids"][0].as_str().expect("an id").to_owned()),
        503 | 429 => None,
        _ => panic!("{status}: {answer}"),
    }
}

/// A client whose connections end with it.
pub fn client() -> reqwest::Client {
    client_that_waits(Duration::from_secs(10))
}

/// The same, with another limit for a whole request.
pub fn client_that_waits(most: Duration) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(most);
    client.build().expect("a client")
}

/// Waits until something is so, looking often.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
