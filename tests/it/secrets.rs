//! Secrets that are missing, wrong, late or changed: said beforehand, and what waits for them is tried when they come.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::world::{Azure, World};

const RULES: &str = "receivers: { hook: [{ webhook: { url: { secret: url }, signing: { secret: key } } }] }\n\
    rules:\n  - { name: All, when: { event type: Service issue }, notify: hook, settle: 0s }\n";

async fn world() -> World {
    World::with(&[
        ("contoso/a.yaml", RULES),
        ("contoso/secrets/url", "{hooks}/hook\n"),
        ("contoso/secrets/key", "whsec_aHVudGVyMg=="),
    ])
    .await
}

async fn bad(world: &World) -> Vec<String> {
    let ready = world.get("/readyz?verbose").await;
    let bad = ready["secrets_that_cannot_be_used"].as_array().expect("a list").iter();
    bad.map(|one| one["why"].as_str().expect("a reason").to_owned())
        .collect()
}

fn signatures(world: &World) -> Vec<(String, String)> {
    let hooks = world.hooks.got("hook").into_iter();
    hooks
        .map(|hook| {
            (
                hook.headers["webhook-signature"].clone(),
                hook.headers["webhook-timestamp"].clone(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_and_line_ends_are_no_part_of_a_key_so_that_it_signs_the_same() {
    let world = world().await;
    world.write_rules(
        "contoso/b.yaml",
        &RULES
            .replace("All", "Again")
            .replace("hook", "second")
            .replace("key", "marked"),
    );
    fs::write(
        world.rules().join("contoso/secrets/marked"),
        b"\xef\xbb\xbfwhsec_aHVudGVyMg==\r\n",
    )
    .expect("a file");
    world.write_rules("contoso/secrets/url", "\u{feff}{hooks}/hook\r\n");
    world.reload().await;
    assert_eq!(bad(&world).await, [] as [String; 0]);
    world.hear(&Azure::active().json()).await;
    world.pass(1).await;
    // one endpoint, whichever key of the two is asked for: each request is signed by the same bytes
    assert!(!signatures(&world).is_empty());
    let hook = &world.hooks.got("hook")[0];
    let signed = format!("{}.{}.", hook.headers["webhook-id"], hook.headers["webhook-timestamp"]);
    let expected = sign(b"hunter2", &[signed.as_bytes(), &hook.bytes].concat());
    assert_eq!(hook.headers["webhook-signature"], format!("v1,{expected}"));
}

/// HMAC-SHA256 in base64, by a program that is not ours.
fn sign(key: &[u8], text: &[u8]) -> String {
    use std::io::Write as _;
    let script = "import sys,hmac,hashlib,base64\nkey=bytes.fromhex(sys.argv[1])\nprint(base64.b64encode(hmac.new(key,sys.stdin.buffer.read(),hashlib.sha256).digest()).decode())";
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut child = std::process::Command::new("python3")
        .args(["-c", script, &hex])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    child.stdin.take().expect("a pipe").write_all(text).expect("is written");
    let output = child.wait_with_output().expect("python3");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_secrets_are_named_at_a_start_and_at_each_reading_with_file_and_reason() {
    let mut world = world().await;
    let at = world.rules().join("contoso/secrets");
    for (name, bytes, why) in [
        ("key", &b""[..], "contoso/secrets/key is empty"),
        (
            "key",
            b"\"whsec_aHVudGVyMg==\"",
            "contoso/secrets/key has quotes around it",
        ),
        (
            "key",
            b"whsec_aHVudGVyMg==\nwhsec_aHVudGVyMg==\n",
            "contoso/secrets/key has 2 lines",
        ),
        ("key", b"\xff\xfew\0h\0", "contoso/secrets/key is UTF-16"),
        ("key", b"whsec_hunter2", "base64 does not follow"),
        ("url", b"hunter2", "it is the URL of a receiver"),
    ] {
        let good = fs::read(at.join(name)).expect("a file");
        fs::write(at.join(name), bytes).expect("a file");
        world.reload().await;
        let found = bad(&world).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(why) && !found[0].contains("hunter2"), "{found:?}");
        world.stop().await;
        world.start().await;
        world.reload().await;
        assert_eq!(bad(&world).await, found, "also at a start");
        fs::write(at.join(name), good).expect("a file");
        world.reload().await;
        assert_eq!(bad(&world).await, [] as [String; 0]);
    }
    fs::remove_file(at.join("key")).expect("is gone");
    world.reload().await;
    assert!(bad(&world).await[0].contains("there is no secret `key`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_secret_is_tried_as_soon_as_it_comes_or_changes() {
    let world = world().await;
    let url = world.rules().join("contoso/secrets/url");
    fs::remove_file(&url).expect("is gone");
    world.reload().await;
    world.hear(&Azure::active().json()).await;
    for seconds in [1, 10, 60, 300, 900, 1_800] {
        world.pass(seconds).await;
    }
    let waiting = world.deliveries("scheduled").await;
    assert_eq!((waiting.len(), world.hooks.all().len()), (1, 0));
    // it comes, but as what it should not be
    world.write_rules("contoso/secrets/url", "\"{hooks}/hook\"");
    world.reload().await;
    world.settled().await;
    assert_eq!(world.hooks.all().len(), 0);
    world.write_rules("contoso/secrets/url", "{hooks}/hook");
    world.reload().await;
    world.settled().await;
    assert_eq!(world.hooks.got("hook").len(), 1, "no time passed");
    assert_eq!(world.deliveries("delivered").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_volume_is_read_and_its_next_version_wakes_what_waits() {
    let world = world().await;
    let secrets = world.rules().join("contoso/secrets");
    fs::remove_file(secrets.join("url")).expect("is gone");
    world.write_rules("contoso/secrets/..1/url", "{hooks}/old");
    world.write_rules("contoso/secrets/..2/url", "{hooks}/new");
    symlink("..1", secrets.join("..data")).expect("a link");
    symlink("..data/url", secrets.join("url")).expect("a link");
    world.reload().await;
    assert_eq!(bad(&world).await, [] as [String; 0]);
    world.hooks.answer("old", &[503, 503, 503]);
    world.hear(&Azure::active().json()).await;
    world.pass(1).await;
    world.pass(10).await;
    assert_eq!(world.hooks.got("old").len(), 2);
    symlink("..2", secrets.join("..flipped")).expect("a link");
    fs::rename(secrets.join("..flipped"), secrets.join("..data")).expect("is flipped");
    world.reload().await;
    world.settled().await;
    assert_eq!((world.hooks.got("old").len(), world.hooks.got("new").len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redelivery_of_what_waits_is_tried_now_and_lives_no_longer_for_it() {
    let mut world = world().await;
    world.hooks.answer("hook", &[503; 4]);
    world.hear(&Azure::active().json()).await;
    for seconds in [1, 10, 60, 300] {
        world.pass(seconds).await;
    }
    assert_eq!(world.hooks.got("hook").len(), 4);
    let waiting = world.deliveries("scheduled").await.remove(0);
    let id = waiting["id"].as_str().expect("an id").to_owned();
    world.stop().await;
    world.start().await;
    let path = format!("/v1/deliveries/{id}/redeliver");
    let (status, answer) = world.post(&path, "").await;
    assert_eq!(status, 202, "{answer}");
    world.settled().await;
    assert_eq!(world.hooks.got("hook").len(), 5, "no time passed");
    let done: Value = world.get(&format!("/v1/deliveries/{id}")).await;
    assert_eq!(done["state"], "delivered", "{done}");
    let ids: Vec<String> = world
        .hooks
        .got("hook")
        .iter()
        .map(|hook| hook.headers["webhook-id"].clone())
        .collect();
    assert!(ids.iter().all(|one| *one == ids[0]), "{ids:?}");
}
