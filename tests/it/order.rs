//! The order of system calls, watched from outside: nothing leaves the process before the sync that covers it.

use std::collections::BTreeMap;

use crate::process::{Process, client, post, serve, strace, tell_everything, until};
use crate::world::Hooks;

const EVENTS: u64 = 40;
const POSTERS: u64 = 5;

/// What is watched: everything that can write or send, and what makes it durable.
const CALLS: &str =
    "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,fsync,fdatasync,sync_file_range";

/// One system call: when it was entered and left, as line numbers of the trace, and its text.
#[derive(Debug, Clone)]
struct Call {
    name: String,
    text: String,
    entered: usize,
    left: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_202_and_no_delivery_leaves_before_the_sync_that_covers_it() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules, trace) = (
        place.path().join("state"),
        place.path().join("rules"),
        place.path().join("trace"),
    );
    let hooks = Hooks::start().await;
    tell_everything(&rules, &hooks);
    let trace_file = trace.to_str().expect("a path");
    let options = ["--seccomp-bpf", "-yy", "-s", "65536", "-e", CALLS, "-o", trace_file];
    let process = Process::start(&strace(&options, &serve(&state, &rules)));
    let accepted = post_all(&process.url).await;
    until("all of them are told", || hooks.got("hook").len() >= accepted.len()).await;
    let traced = child_of(process.pid());
    process.stop(traced);
    let calls = read(&std::fs::read_to_string(&trace).expect("a trace"));
    for (event, id) in &accepted {
        let written = written(&calls, event);
        let answered = sent(&calls, &[r#"HTTP/1.1 202"#, &format!(r#"\"{id}\""#)]);
        assert_covered(&calls, written, answered, &format!("the 202 for {event}"));
    }
    for hook in hooks.got("hook") {
        let id = &hook.headers["webhook-id"];
        let decided = written(&calls, id);
        let told = sent(&calls, &["POST /hook", id]);
        assert_covered(&calls, decided, told, &format!("the delivery {id}"));
    }
}

fn child_of(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("a process");
    children
        .split_whitespace()
        .next()
        .expect("a child")
        .parse()
        .expect("a pid")
}

/// Posts from several sides at once; event and id of each.
async fn post_all(url: &str) -> BTreeMap<String, String> {
    let one = |poster: u64| {
        let url = url.to_owned();
        tokio::spawn(async move {
            let (client, mut accepted) = (client(), Vec::new());
            for nth in 0..EVENTS / POSTERS {
                let event = format!("ORDER-{poster}-{nth}-X");
                let id = post(&client, &url, &event).await.expect("is accepted");
                accepted.push((event, id));
            }
            accepted
        })
    };
    let posters: Vec<_> = (0..POSTERS).map(one).collect();
    let mut accepted = BTreeMap::new();
    for poster in posters {
        accepted.extend(poster.await.expect("posts"));
    }
    accepted
}

/// The calls of a trace, in the order in which they were entered.
fn read(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(call) = open.remove(thread) {
                calls[call].left = number;
                calls[call].text.push_str(rest);
            }
        } else if let Some((name, text)) = rest.split_once('(') {
            let is_open = rest.ends_with("<unfinished ...>");
            if is_open {
                open.insert(thread, calls.len());
            }
            calls.push(Call {
                name: name.to_owned(),
                text: text.to_owned(),
                entered: number,
                left: if is_open { usize::MAX } else { number },
            });
        }
    }
    calls.retain(|call| {
        call.is_to_a_socket() || call.is_of_the_journal() && (call.is_sync() || call.text.contains('{'))
    });
    calls
}

impl Call {
    fn is_of_the_journal(&self) -> bool {
        let file = self.text.split('>').next().unwrap_or_default();
        file.contains("/journal/") && file.ends_with(".raw")
    }

    fn is_to_a_socket(&self) -> bool {
        self.text.split(']').next().is_some_and(|file| file.contains("<TCP"))
    }

    fn is_sync(&self) -> bool {
        ["fdatasync", "fsync"].contains(&self.name.as_str()) && self.text.trim_end().ends_with("= 0")
    }
}

/// The first writing of a word into the journal.
fn written<'a>(calls: &'a [Call], word: &str) -> &'a Call {
    let found = calls
        .iter()
        .find(|call| call.is_of_the_journal() && call.text.contains(word));
    found.unwrap_or_else(|| panic!("{word} was never written to the journal"))
}

/// The first sending of all these words.
fn sent<'a>(calls: &'a [Call], words: &[&str]) -> &'a Call {
    let found = calls
        .iter()
        .find(|call| call.is_to_a_socket() && words.iter().all(|word| call.text.contains(word)));
    found.unwrap_or_else(|| panic!("{words:?} were never sent"))
}

/// Between the end of the writing and the beginning of the sending lies a whole sync of the journal.
fn assert_covered(calls: &[Call], written: &Call, sent: &Call, what: &str) {
    let syncs = calls.iter().filter(|call| call.is_sync() && call.is_of_the_journal());
    let covering = syncs
        .filter(|sync| sync.entered > written.left && sync.left < sent.entered)
        .count();
    assert!(
        covering > 0,
        "{what} left at line {} before a sync covered line {}",
        sent.entered,
        written.left
    );
}
