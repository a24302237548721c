//! A dead receiver delays nobody: receivers and relays that hang, drip or storm, each beside healthy ones, of the same
//! customer and of another one.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::process::event;
use crate::world::{PROD, World};

/// Within this time something must happen that takes milliseconds where nobody is in the way. The time-outs of what
/// hangs here are 15 and 30 seconds.
const AT_ONCE: Duration = Duration::from_secs(8);

/// How many mails are due at once: more than there are slots.
const MAILS: usize = 700;

/// How many receivers of a kind there are at once.
const HARMFUL: usize = 12;

/// What a receiver or a relay does with a connection.
#[derive(Clone, Copy)]
enum Harm {
    /// Takes it and says nothing.
    Silence,
    /// Says `103 Early Hints`, without end.
    Hints,
    /// Says a byte a second.
    Drip,
}

impl Harm {
    async fn serve(self, mut stream: TcpStream) -> std::io::Result<()> {
        match self {
            Harm::Silence => std::future::pending().await,
            Harm::Hints => {
                stream.read_buf(&mut Vec::with_capacity(4096)).await?;
                let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".repeat(100);
                loop {
                    stream.write_all(hints.as_bytes()).await?;
                }
            }
            Harm::Drip => loop {
                stream.write_all(b"H").await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            },
        }
    }

    /// Listens, and serves every connection like this; where.
    async fn listen(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.serve(stream));
            }
        });
        address
    }
}

/// A listener that accepts nothing and whose backlog is full: whoever connects waits for an answer that never comes.
struct FullBacklog {
    address: SocketAddr,
    _held: (tokio::net::TcpListener, Vec<TcpStream>),
}

impl FullBacklog {
    async fn listen() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("listens");
        let address = listener.local_addr().expect("an address");
        let mut filling = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            filling.push(connected.expect("connects"));
            assert!(filling.len() < 100, "the backlog is never full");
        }
        Self {
            address,
            _held: (listener, filling),
        }
    }
}

/// A relay that takes every mail, except that it never answers to the message of a mailbox of `swallowed`.
struct Relay {
    address: SocketAddr,
    taken: watch::Sender<Vec<String>>,
}

impl Relay {
    async fn listen(swallowed: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let taken = watch::Sender::default();
        let all = taken.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, swallowed, all.clone()));
            }
        });
        Self { address, taken }
    }

    async fn took(&self, mailbox: &str) {
        let mut taken = self.taken.subscribe();
        let took = taken
            .wait_for(|taken| taken.iter().any(|one| one.contains(mailbox)))
            .await;
        took.expect("the relay runs");
    }
}

async fn converse(stream: TcpStream, swallowed: &str, taken: watch::Sender<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 relay.contoso.example\r\n").await?;
    let (mut line, mut to, mut is_message) = (String::new(), String::new(), false);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.trim_end() {
            "." if is_message => {
                is_message = false;
                taken.send_modify(|taken| taken.push(to.clone()));
                "250 taken"
            }
            _ if is_message => continue,
            "DATA" if to.contains(swallowed) => std::future::pending().await,
            "DATA" => {
                is_message = true;
                "354 go on"
            }
            command => {
                if command.starts_with("RCPT") {
                    command.clone_into(&mut to);
                }
                "250 fine"
            }
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// Two customers that own the same account.
fn customers() -> String {
    format!("customers:\n  contoso: {{ accounts: [{PROD}] }}\n  fabrikam: {{ accounts: [{PROD}] }}\n")
}

/// Rules that tell a healthy hook and these receivers everything, at once.
fn rules(hook: &str, others: &str) -> String {
    format!(
        "receivers:\n  well: [{{ webhook: {{ url: \"{{hooks}}/{hook}\" }} }}]\n  others: [{others}]\nrules:\n  - {{ name: All, when: {{}}, notify: [well, others], settle: 0s }}\n"
    )
}

fn healthy(hook: &str) -> String {
    format!(
        "receivers: {{ well: [{{ webhook: {{ url: \"{{hooks}}/{hook}\" }} }}] }}\nrules:\n  - {{ name: All, when: {{}}, notify: well, settle: 0s }}\n"
    )
}

async fn at_once<T>(what: &str, doing: impl Future<Output = T>) -> T {
    match timeout(AT_ONCE, doing).await {
        Ok(done) => done,
        Err(_) => panic!("{what} takes longer than {AT_ONCE:?}"),
    }
}

/// Posts three incidents one after the other: each is taken, told to the healthy hooks and read at once, whatever the
/// others do.
async fn nobody_waits(world: &World, hooks: &[&str]) {
    for nth in 1..=3 {
        let body = event(&format!("NEXT-{nth}")).to_string();
        let (status, answer) = at_once("intake", world.post("/v1/events", body)).await;
        assert_eq!(status, 202, "{answer}");
        for hook in hooks {
            at_once(&format!("telling {hook}"), world.hooks.arrived(hook, nth)).await;
        }
        let read = at_once("a read", world.get("/v1/incidents")).await;
        assert_eq!(read["incidents"].as_array().map(Vec::len), Some(nth), "{read}");
    }
}

fn urls(address: SocketAddr) -> String {
    let one = |nth| format!("{{ webhook: {{ url: \"http://{address}/{nth}\" }} }}");
    (0..HARMFUL).map(one).collect::<Vec<_>>().join(", ")
}

fn mails() -> String {
    let to: Vec<String> = (0..MAILS).map(|nth| format!("u{nth}@contoso.example")).collect();
    format!("{{ email: [{}] }}", to.join(", "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_hang_drip_or_storm_delay_nobody() {
    for harm in [Harm::Silence, Harm::Drip, Harm::Hints] {
        let others = urls(harm.listen().await);
        for settings in [customers(), String::new()] {
            let files = [
                ("contoso/rules.yaml", &*rules("contoso", &others)),
                ("fabrikam/rules.yaml", &healthy("fabrikam")),
            ];
            let world = World::with_settings(&settings, &files).await;
            nobody_waits(&world, &["contoso", "fabrikam"]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_with_a_full_backlog_delays_no_webhook_however_many_mails_are_due() {
    let relay = FullBacklog::listen().await;
    mails_for_a_dead_relay_delay_no_webhook(relay.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_takes_connections_and_says_nothing_delays_no_webhook() {
    mails_for_a_dead_relay_delay_no_webhook(Harm::Silence.listen().await).await;
}

async fn mails_for_a_dead_relay_delay_no_webhook(relay: SocketAddr) {
    let smtp = format!("smtp: {{ url: \"smtp://{relay}?tls=none\", from: bellwether@contoso.example }}\n");
    for customers in [customers(), String::new()] {
        let files = [
            ("contoso/rules.yaml", &*rules("contoso", &mails())),
            ("fabrikam/rules.yaml", &healthy("fabrikam")),
        ];
        let world = World::with_settings(&format!("{smtp}{customers}"), &files).await;
        nobody_waits(&world, &["contoso", "fabrikam"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_the_relay_swallows_delay_no_other_customers_mails() {
    let relay = Relay::listen("@contoso.example").await;
    let settings = format!(
        "smtp: {{ url: \"smtp://{}?tls=none\", from: bellwether@contoso.example }}\n{}",
        relay.address,
        customers()
    );
    let fabrikam = "receivers: { grace: [{ email: grace@fabrikam.example }] }\nrules:\n  - { name: All, when: {}, notify: grace, settle: 0s }\n";
    let files = [
        ("contoso/rules.yaml", &*rules("contoso", &mails())),
        ("fabrikam/rules.yaml", fabrikam),
    ];
    let world = World::with_settings(&settings, &files).await;
    for nth in 1..=3 {
        let body = event(&format!("NEXT-{nth}")).to_string();
        assert_eq!(at_once("intake", world.post("/v1/events", body)).await.0, 202);
        at_once("a webhook", world.hooks.arrived("contoso", nth)).await;
        at_once("another customer's mail", relay.took("grace@fabrikam.example")).await;
        relay.taken.send_modify(Vec::clear);
    }
}

/// Processor time of this process so far.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = [11, 12]
        .map(|nth: usize| fields[nth].parse::<u64>().expect("ticks"))
        .iter()
        .sum();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hints_without_end_costs_nothing_and_its_attempt_says_why() {
    let others = format!("{{ webhook: {{ url: \"http://{}/\" }} }}", Harm::Hints.listen().await);
    let world = World::with(&[("contoso/rules.yaml", &rules("well", &others))]).await;
    let before = processor_time();
    world.hear(&event("HINTS-1")).await;
    let cost = processor_time() - before;
    // the daemon, and the receiver's own writing
    assert!(cost < Duration::from_secs(4), "{cost:?}");
    let scheduled = world.deliveries("scheduled").await;
    assert_eq!(scheduled.len(), 1, "{scheduled:?}");
    let attempt = scheduled[0]["attempts"][0].to_string();
    assert!(attempt.contains("without a whole answer"), "{attempt}");
    assert_eq!(world.hooks.got("well").len(), 1);
}
