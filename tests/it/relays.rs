//! A mail relay that refuses us, or a mailbox, or a message: a real one (aiosmtpd), told what to say.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::world::{Azure, World};

/// Says to a recipient what the last line on its input says of the recipient's local part (`name answer`), and takes
/// what it was not told of; to the final dot what it says of `dot`. On its output: its port, then each mail it took.
const SERVER: &str = r#"
import asyncio, sys
from aiosmtpd.smtp import SMTP

class Told:
    def __init__(self): self.answers = {}
    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = self.answers.get(address.split("@")[0])
        if answer: return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        answer = self.answers.get("dot")
        if answer: return answer
        print(envelope.rcpt_tos[0], flush=True)
        return "250 taken"

def listen(told):
    for line in sys.stdin:
        name, _, answer = line.strip().partition(" ")
        told.answers[name] = answer
        print("told", flush=True)

async def serve():
    loop = asyncio.get_running_loop()
    told = Told()
    server = await loop.create_server(lambda: SMTP(told, hostname="relay.contoso.example"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, listen, told)

asyncio.run(serve())
"#;

struct Relay {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
    port: u16,
    took: Vec<String>,
}

impl Relay {
    fn start() -> Self {
        // Debian's Python has the server as a package; another Python may shadow it on the path
        let python = if Path::new("/usr/bin/python3").exists() {
            "/usr/bin/python3"
        } else {
            "python3"
        };
        let child = Command::new(python)
            .args(["-c", SERVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("python3 with aiosmtpd; `tests/run` installs it");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut relay = Self {
            child,
            input,
            output,
            port: 0,
            took: Vec::new(),
        };
        relay.port = relay.line().parse().expect("a port; `tests/run` installs aiosmtpd");
        relay
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// From now on the relay says this to a recipient (`dot`: to every message); an empty answer takes it.
    fn tell(&mut self, name: &str, answer: &str) {
        writeln!(self.input, "{name} {answer}").expect("its input");
        loop {
            match self.line() {
                line if line == "told" => return,
                recipient => self.took.push(recipient),
            }
        }
    }

    /// To whom it took mail so far.
    fn took(&mut self) -> Vec<String> {
        self.tell("nobody", "");
        self.took.sort();
        self.took.clone()
    }

    fn settings(&self) -> String {
        format!(
            "smtp: {{ url: \"smtp://127.0.0.1:{}?tls=none\", from: bellwether@contoso.example, hello: bell.contoso.example }}\n\
             contact: noc@contoso.example\n",
            self.port
        )
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn world(relay: &Relay, to: &str) -> World {
    let rules = format!(
        "receivers: {{ all: [{{ email: [{to}] }}] }}\nrules:\n  - {{ name: All, when: {{}}, notify: all, settle: 0s }}\n"
    );
    World::with_settings(&relay.settings(), &[("contoso/rules.yaml", &rules)]).await
}

/// The titles of what the operator was told of the relay.
async fn told_of_relay(world: &World) -> Vec<String> {
    let answer = world.get("/v1/incidents").await;
    let all = answer["incidents"].as_array().expect("a list");
    let titles = all.iter().filter_map(|one| one["title"].as_str());
    titles
        .filter(|title| title.contains("mail relay"))
        .map(str::to_owned)
        .collect()
}

const TO: &str = "ada@contoso.example, lin@contoso.example, joe@contoso.example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_is_refused_because_of_us_waits_and_the_operator_is_told_once() {
    let refusals = [
        (
            "504 5.5.2 <bell>: Helo command rejected: need fully-qualified hostname",
            "hello",
        ),
        (
            "554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied",
            "this machine",
        ),
        (
            "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
            "send to others",
        ),
    ];
    for (refusal, expected) in refusals {
        let mut relay = Relay::start();
        for name in ["ada", "lin", "joe"] {
            relay.tell(name, refusal);
        }
        let world = world(&relay, TO).await;
        world.hear(&Azure::active().json()).await;
        for _ in 0..4 {
            world.pass(600).await;
        }
        assert_eq!(world.deliveries("dead").await, [""; 0], "{refusal}");
        let waiting = world.deliveries("scheduled").await;
        assert_eq!(waiting.len(), 3, "{refusal}");
        // the mail that tells of it may wait behind the same refusal: who asks is told
        let needs = world.get("/v1/status").await["needs"].to_string();
        assert!(needs.contains("(email) has failed"), "{needs}");
        let titles = told_of_relay(&world).await;
        assert!(
            titles.len() == 1 && titles[0].contains(expected),
            "{refusal}: {titles:?}"
        );
        assert_eq!(relay.took(), ["noc@contoso.example"], "{refusal}");
        for name in ["ada", "lin", "joe"] {
            relay.tell(name, "");
        }
        world.pass(2 * 3600).await;
        let everybody = ["ada", "joe", "lin", "noc"].map(|name| format!("{name}@contoso.example"));
        assert_eq!(relay.took(), everybody, "{refusal}");
        assert_eq!(told_of_relay(&world).await.len(), 1, "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_at_the_final_dot_waits_too_and_dies_only_with_its_life() {
    let mut relay = Relay::start();
    relay.tell(
        "dot",
        "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
    );
    let world = world(&relay, "ada@contoso.example").await;
    world.hear(&Azure::active().json()).await;
    world.pass(600).await;
    assert_eq!(world.deliveries("dead").await, [""; 0]);
    for _ in 0..80 {
        world.pass(3600).await;
    }
    let dead = world.deliveries("dead").await;
    let to_ada: Vec<_> = dead.iter().filter(|one| one["receiver"] == "all").collect();
    assert_eq!(to_ada.len(), 1, "{dead:?}");
    assert!(to_ada[0]["end"].to_string().contains("expired"), "{}", to_ada[0]);
    let titles = told_of_relay(&world).await;
    assert!(
        titles.len() == 1 && titles[0].contains("the address that mail comes from"),
        "{titles:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greylisting_tells_nobody_and_a_missing_mailbox_is_dead_at_once() {
    let mut relay = Relay::start();
    relay.tell(
        "ada",
        "450 4.7.1 <ada@contoso.example>: Recipient address rejected: Greylisted",
    );
    relay.tell(
        "lin",
        "550 5.1.1 <lin@contoso.example>: Recipient address rejected: User unknown",
    );
    relay.tell("joe", "421 4.7.0 Too many connections, try again later");
    let world = world(&relay, TO).await;
    world.hear(&Azure::active().json()).await;
    world.pass(60).await;
    assert_eq!(world.deliveries("scheduled").await.len(), 2);
    assert_eq!(world.deliveries("dead").await.len(), 1);
    assert_eq!(told_of_relay(&world).await, [""; 0]);
    relay.tell("ada", "");
    relay.tell("joe", "");
    world.pass(600).await;
    // both that waited, and the contact, who hears of the mailbox that is missing
    assert_eq!(world.deliveries("delivered").await.len(), 3);
}
