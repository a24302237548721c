//! Mail through a real SMTP server (aiosmtpd): what it got is what was written.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::world::{Azure, Mail, World, mail};

/// Takes mail on a port of its own and writes each message, as it came, into a folder; says its port on its first line.
const SERVER: &str = r#"
import asyncio, pathlib, sys
from aiosmtpd.smtp import SMTP

class Keep:
    def __init__(self, folder): self.folder, self.count = pathlib.Path(folder), 0
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"): return "550 5.1.1 no such mailbox"
        if address.startswith("later@") and self.count == 0:
            self.count = 1
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        path = self.folder / f"{len(list(self.folder.iterdir()))}.eml"
        path.write_bytes(b"X-Envelope-To: " + envelope.rcpt_tos[0].encode() + b"\r\n" + envelope.original_content)
        return "250 taken"

async def serve():
    loop = asyncio.get_running_loop()
    keep = Keep(sys.argv[1])
    server = await loop.create_server(lambda: SMTP(keep, hostname="relay.contoso.example"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)

asyncio.run(serve())
"#;

struct Relay {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Relay {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Debian's Python has the server as a package; another Python may shadow it on the path
        let python = if Path::new("/usr/bin/python3").exists() {
            "/usr/bin/python3"
        } else {
            "python3"
        };
        let child = Command::new(python)
            .args(["-c", SERVER])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.expect("python3 with aiosmtpd; `tests/run` installs it");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("its port");
        let port = line
            .trim()
            .parse()
            .expect("python3 with aiosmtpd; `tests/run` installs it");
        Self { child, port, folder }
    }

    fn mails(&self) -> Vec<Mail> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
            .iter()
            .map(|path| mail(&std::fs::read(path).expect("a mail")))
            .collect()
    }

    fn settings(&self) -> String {
        format!(
            "smtp: {{ url: \"smtp://127.0.0.1:{}?tls=none\", from: bellwether@contoso.example }}\n",
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

fn rules(to: &str) -> String {
    format!(
        "receivers: {{ all: [{{ email: [{to}] }}] }}\nrules:\n  - {{ name: All, when: {{}}, notify: all, settle: 0s }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_through_a_real_server_and_answers_thread_by_incident() {
    let relay = Relay::start();
    let world = World::with_settings(
        &relay.settings(),
        &[("contoso/rules.yaml", &rules("ada@contoso.example, lin@contoso.example"))],
    )
    .await;
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    world.hear(&Azure::mitigated().json()).await;
    world.pass(0).await;
    let mails = relay.mails();
    assert_eq!(mails.len(), 4);
    let ada: Vec<&Mail> = mails.iter().filter(|mail| mail.to == "ada@contoso.example").collect();
    assert_ne!(ada[0].id, ada[1].id);
    let header = |mail: &Mail, name: &str| -> Option<String> {
        let text = String::from_utf8_lossy(&mail.raw).replace("\r\n ", " ");
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    };
    assert_eq!(header(ada[0], "References"), header(ada[1], "References"), "one thread");
    assert_eq!(header(ada[0], "In-Reply-To"), None);
    assert!(header(ada[1], "In-Reply-To").is_some());
    assert_eq!(header(ada[0], "Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(header(ada[0], "X-Envelope-To").as_deref(), Some("ada@contoso.example"));
    assert!(
        mails
            .iter()
            .all(|mail| !mail.raw.split(|byte| *byte == b'\n').any(|line| line.len() > 999))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greylisted_mail_comes_again_with_the_same_id_and_an_unknown_mailbox_is_a_dead_letter() {
    let relay = Relay::start();
    let world = World::with_settings(
        &relay.settings(),
        &[(
            "contoso/rules.yaml",
            &rules("later@contoso.example, nobody@contoso.example"),
        )],
    )
    .await;
    world.hear(&Azure::active().json()).await;
    world.pass(0).await;
    assert_eq!(relay.mails().len(), 0);
    let dead = world.deliveries("dead").await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0]["end"].to_string().contains("no such mailbox"), "{}", dead[0]);
    world.pass(7).await;
    assert_eq!(relay.mails().len(), 1);
    assert_eq!(world.deliveries("delivered").await.len(), 1);
}
