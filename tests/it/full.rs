//! A disk that is full in the middle of a write to the store: a real system call fails in a real daemon.

use std::collections::BTreeSet;

use crate::process::{Process, client, post, serve, strace, tell_everything, until};
use crate::world::Hooks;

/// Each thread's first write to the store's file works, as when it is opened; all others find no space.
const NO_SPACE: &str = "inject=pwrite64:error=ENOSPC:when=2+";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_store_loses_nothing_that_was_accepted() {
    let place = tempfile::tempdir().expect("a folder");
    let (state, rules) = (place.path().join("state"), place.path().join("rules"));
    let hooks = Hooks::start().await;
    tell_everything(&rules, &hooks);
    let process = Process::start(&serve(&state, &rules));
    let pid = process.pid();
    process.stop(pid);
    assert!(state.join("ballast").exists());

    let file = state.join("store/1/db");
    assert!(file.exists(), "where sled keeps the store");
    let (file, trace) = (file.to_str().expect("a path"), place.path().join("trace"));
    let trace = trace.to_str().expect("a path");
    let options = ["-P", file, "-e", "trace=pwrite64", "-e", NO_SPACE, "-o", trace];
    let mut full = Process::start(&strace(&options, &serve(&state, &rules)));
    let client = client();
    let mut accepted = BTreeSet::new();
    for nth in 0.. {
        let id = format!("FULL-{nth}-X");
        match post(&client, &full.url, &id).await {
            Some(_) => accepted.insert(id),
            None => break,
        };
    }
    until("it ends", || full.ended().is_some()).await;
    assert_eq!(full.ended().and_then(|status| status.code()), Some(1));
    until("it says so", || {
        full.log().contains("writing failed; nothing more is acknowledged")
    })
    .await;
    let log = full.log();
    // whoever asks sled first after the failure is told: a commit or a lane opens the store again, any other read ends
    assert!(!state.join("ballast").exists(), "it is given up: {log}");
    assert!(!accepted.is_empty());

    // there is space again
    let process = Process::start(&serve(&state, &rules));
    let told = || {
        let hooks = hooks.got("hook");
        let ids = hooks.iter().filter_map(|hook| hook.body["tracking_id"].as_str());
        ids.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    until("everything accepted is told", || accepted.is_subset(&told())).await;
    let messages: BTreeSet<String> = hooks
        .got("hook")
        .iter()
        .map(|hook| hook.headers["webhook-id"].clone())
        .collect();
    assert_eq!(messages.len(), told().len(), "what is told again has the same id");
    let log = process.log();
    assert!(
        !log.contains("built again"),
        "a store that found no space is as good as before: {log}"
    );
    assert!(state.join("ballast").exists());
}
