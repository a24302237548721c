//! The operator's settings: raw YAML and flags become one checked [`Settings`]; nobody downstream meets an unchecked
//! value.
//!
//! The file speaks the same language as the rule files, and its mistakes are shown the same way. Flags win over it.
//! Secrets are named, never written here. This module opens no file.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::archive::Kept;
use crate::channel::EmailAddress;
use crate::customer::Customers;
use crate::incident::reviews::Terms;
use crate::problem::{Place, Problem, Severity};
use crate::schedule::Cron;

mod customers;
mod outbound;
mod read;
mod reviews;
mod values;

pub use outbound::{Proxy, TrustFile, relay_warning, unused_proxy_variables};

/// Everything an operator can set, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where HTTP is served, if no socket is handed over.
    pub listen: SocketAddr,
    /// What links in messages begin with.
    pub public_url: Option<url::Url>,
    /// The names of the secrets that hold tokens.
    pub tokens: Tokens,
    /// Where mail goes; `None`: into a folder below the state directory.
    pub smtp: Option<Smtp>,
    /// Who mail comes from.
    pub mail_from: MailFrom,
    /// By which proxies webhooks are sent.
    pub proxy: Option<Proxy>,
    /// Files of certificates that are trusted beside the system's authorities.
    pub trust: Vec<TrustFile>,
    /// Who owns what, and who is told when something is broken.
    pub customers: Customers,
    /// The operator's own catalogue of services and regions.
    pub catalogue: Option<PathBuf>,
    /// How long what is remembered.
    pub retention: Retention,
    /// When space is given back.
    pub housekeeping: Cron,
    /// Limits on what strangers may send.
    pub limits: Limits,
    /// When reviews are due.
    pub reviews: Terms,
    /// The directory of the operator's secrets; systemd's `$CREDENTIALS_DIRECTORY` if not set.
    pub secrets: Option<PathBuf>,
    /// The folder of rule files.
    pub rules: PathBuf,
    /// Where the daemon keeps what it knows.
    pub state: PathBuf,
    /// Whether receivers may have private addresses and plain http.
    pub allow_private_receivers: bool,
    /// How logs are written.
    pub log: Log,
    /// Bytes of one segment of the journal. Not in the settings file: all that one cycle writes must fit into a segment;
    /// tests with little to write make them small.
    pub segment_bytes: u64,
}

/// The names of the secrets that hold tokens, by what the tokens may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// May post events.
    pub intake: Vec<String>,
    /// May read everything.
    pub read: Vec<String>,
    /// May read everything and give commands.
    pub operate: Vec<String>,
}

/// The mail relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// `smtps://host`, or `smtp://host:587` with STARTTLS required unless `?tls=` says otherwise; without credentials.
    pub url: url::Url,
    /// Who signs in.
    pub user: Option<String>,
    /// The name of the secret that holds the password.
    pub password: Option<String>,
    /// The name that is said hello with; the machine's own if there is none.
    pub hello: Option<String>,
}

/// Who mail comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFrom {
    /// The address.
    pub address: EmailAddress,
    /// The name shown beside it; no control characters.
    pub name: Option<String>,
}

/// How long what is remembered, in seconds; `None` is for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Events and incidents.
    pub events_seconds: Option<u64>,
    /// Incidents with a post incident review.
    pub reviews_seconds: Option<u64>,
    /// Deliveries and their attempts.
    pub deliveries_seconds: Option<u64>,
}

impl Retention {
    /// As an archive says it.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            events_seconds: self.events_seconds,
            reviews_seconds: self.reviews_seconds,
            deliveries_seconds: self.deliveries_seconds,
        }
    }
}

/// Limits on what strangers may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, bytes.
    pub body_bytes: usize,
    /// The largest body of `?arrival=history`, bytes.
    pub history_body_bytes: usize,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// Events that may wait to be decided before intake answers 503.
    pub waiting_events: usize,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Log {
    /// For people, to stderr.
    #[default]
    Text,
    /// One JSON object per line, to stderr.
    Json,
    /// To journald, with fields.
    Journald,
}

/// What the command line says; each wins over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<String>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--state`
    pub state: Option<PathBuf>,
    /// `--rules`
    pub rules: Option<PathBuf>,
    /// `--secrets`
    pub secrets: Option<PathBuf>,
    /// `--catalogue`
    pub catalogue: Option<PathBuf>,
    /// `--smtp`
    pub smtp: Option<String>,
    /// `--mail-from`
    pub mail_from: Option<String>,
    /// `--contact`
    pub contact: Option<String>,
    /// `--log`
    pub log: Option<String>,
    /// `--allow-private-receivers`
    pub allow_private_receivers: bool,
}

/// What came of reading settings: warnings beside settings, or the errors.
pub type Read = Result<(Settings, Vec<Problem>), Vec<Problem>>;

impl Settings {
    /// Reads the settings file `file` with the text `text`, then the flags.
    ///
    /// # Errors
    /// All problems at once, if one of them is an error.
    pub fn read(file: &str, text: &str, flags: &Flags) -> Read {
        let (settings, mut problems) = read::file(file, text);
        let settings = settings.with_flags(flags, &mut problems);
        if problems.iter().any(Problem::is_error) {
            Err(problems)
        } else {
            Ok((settings, problems))
        }
    }

    /// The settings of a daemon without a settings file.
    ///
    /// # Errors
    /// All problems of the flags.
    pub fn from_flags(flags: &Flags) -> Read {
        let mut problems = Vec::new();
        let settings = Settings::default().with_flags(flags, &mut problems);
        if problems.is_empty() {
            Ok((settings, problems))
        } else {
            Err(problems)
        }
    }

    fn with_flags(mut self, flags: &Flags, problems: &mut Vec<Problem>) -> Self {
        let mut refuse = |flag: &str, what: String| {
            problems.push(Problem::of_file(Severity::Error, flag, &what, None));
        };
        take(&mut self.listen, &flags.listen, read::listen, |what| {
            refuse("--listen", what)
        });
        take_some(&mut self.public_url, &flags.public_url, read::public_url, |what| {
            refuse("--public-url", what)
        });
        take(&mut self.mail_from, &flags.mail_from, read::mail_from, |what| {
            refuse("--mail-from", what)
        });
        take(&mut self.log, &flags.log, read::log, |what| refuse("--log", what));
        let smtp = |text: &str| {
            Ok(Smtp {
                url: read::smtp_url(text)?,
                user: None,
                password: None,
                hello: None,
            })
        };
        take_some(&mut self.smtp, &flags.smtp, smtp, |what| refuse("--smtp", what));
        let contact = |text: &str| EmailAddress::read(text).map(|address| address.as_str().to_owned());
        take_some(&mut self.customers.contact, &flags.contact, contact, |what| {
            refuse("--contact", what)
        });
        self.state = flags.state.clone().unwrap_or(self.state);
        self.rules = flags.rules.clone().unwrap_or(self.rules);
        self.secrets = flags.secrets.clone().or(self.secrets);
        self.catalogue = flags.catalogue.clone().or(self.catalogue);
        self.allow_private_receivers |= flags.allow_private_receivers;
        self
    }
}

/// Puts the value of a flag into its setting.
fn take<T>(
    setting: &mut T,
    flag: &Option<String>,
    read: impl Fn(&str) -> Result<T, String>,
    refuse: impl FnOnce(String),
) {
    match flag.as_deref().map(read) {
        Some(Ok(value)) => *setting = value,
        Some(Err(what)) => refuse(what),
        None => {}
    }
}

fn take_some<T>(
    setting: &mut Option<T>,
    flag: &Option<String>,
    read: impl Fn(&str) -> Result<T, String>,
    refuse: impl FnOnce(String),
) {
    match flag.as_deref().map(read) {
        Some(Ok(value)) => *setting = Some(value),
        Some(Err(what)) => refuse(what),
        None => {}
    }
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Settings {
    fn default() -> Self {
        let from = EmailAddress::read("bellwether@localhost").expect("an e-mail address");
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            tokens: Tokens::default(),
            smtp: None,
            mail_from: MailFrom {
                address: from,
                name: Some("Bellwether".to_owned()),
            },
            proxy: None,
            trust: Vec::new(),
            customers: Customers::one_organisation(),
            catalogue: None,
            retention: Retention {
                events_seconds: None,
                reviews_seconds: None,
                deliveries_seconds: Some(90 * DAY),
            },
            housekeeping: Cron::read("17 3 * * *").expect("a cron expression"),
            limits: Limits::default(),
            reviews: Terms::default(),
            secrets: None,
            rules: PathBuf::from("rules"),
            state: PathBuf::from("state"),
            allow_private_receivers: false,
            log: Log::Text,
            segment_bytes: crate::ledger::SEGMENT_BYTES,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            history_body_bytes: 16 << 20,
            connections: 2_000,
            connections_per_address: 50,
            waiting_events: 100_000,
        }
    }
}

/// Places that settings speak of when there is nothing to point at.
const NOWHERE: Place = Place {
    line: 1,
    column: 1,
    length: 1,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        match Settings::read("bellwether.yaml", text, &Flags::default()) {
            Ok((_, problems)) | Err(problems) => problems.iter().map(Problem::plain).collect::<Vec<_>>().join("\n\n"),
        }
    }

    const WHOLE: &str = r#"
listen: 0.0.0.0:8080
public url: https://health.contoso.example/
tokens: { intake: azure, read: [grafana, portal], operate: operator }
smtp:
  url: smtp://mail.contoso.example:587
  from: Bellwether <bellwether@contoso.example>
  user: bellwether
  password: { secret: smtp-password }
  hello: bell.contoso.example
proxy:
  http: http://proxy.contoso.example:3128
  https: http://proxy.contoso.example:3128
  except: [contoso.internal, 10.0.0.0/8]
  user: bellwether
  password: { secret: proxy-password }
trust:
  - /etc/bellwether/contoso-ca.pem
  - { certificates: /etc/bellwether/hooks.pem, for: Hooks.contoso.example }
customers:
  contoso:
    contact: ops@contoso.example
    accounts: [11111111-AAAA-4bbb-8ccc-111111111111]
    public: [githubstatus.com]
    secrets: [contoso-teams]
contact: noc@contoso.example
retention: { events: forever, reviews: 10 years, deliveries: 90 days }
housekeeping: "0 4 * * 7"
limits: { body: 2 MiB, connections: 500 }
secrets: /run/credentials/bellwether.service
rules: /etc/bellwether/rules
state: /var/lib/bellwether
log: journald
x-mine: { anything: goes }
"#;

    #[test]
    fn every_key_is_read() {
        let (settings, problems) = Settings::read("bellwether.yaml", WHOLE, &Flags::default()).expect("settings");
        assert_eq!(problems, []);
        assert_eq!(settings.listen.port(), 8080);
        assert_eq!(settings.tokens.read, ["grafana", "portal"]);
        let smtp = settings.smtp.expect("a relay");
        assert_eq!(
            (smtp.user.as_deref(), smtp.password.as_deref()),
            (Some("bellwether"), Some("smtp-password"))
        );
        assert_eq!(smtp.hello.as_deref(), Some("bell.contoso.example"));
        let proxy = settings.proxy.expect("a proxy");
        assert_eq!(proxy.https.expect("one for https").port(), Some(3128));
        assert_eq!(
            (proxy.except.len(), proxy.password.as_deref()),
            (2, Some("proxy-password"))
        );
        assert_eq!(settings.trust[0].hosts, [""; 0]);
        assert_eq!(settings.trust[1].hosts, ["hooks.contoso.example"]);
        assert_eq!(settings.mail_from.address.as_str(), "bellwether@contoso.example");
        let contoso =
            &settings.customers.by_name.as_ref().expect("customers")[&crate::customer::CustomerId::new("contoso")];
        assert!(contoso.accounts.contains("11111111-aaaa-4bbb-8ccc-111111111111"));
        assert_eq!(settings.customers.contact.as_deref(), Some("noc@contoso.example"));
        assert_eq!(
            (settings.retention.events_seconds, settings.retention.deliveries_seconds),
            (None, Some(90 * DAY))
        );
        assert_eq!(
            (settings.limits.body_bytes, settings.limits.connections),
            (2 << 20, 500)
        );
        assert_eq!(settings.log, Log::Journald);
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Flags {
            listen: Some("127.0.0.1:0".to_owned()),
            smtp: Some("smtp://127.0.0.1:2525?tls=none".to_owned()),
            state: Some(PathBuf::from("/tmp/state")),
            allow_private_receivers: true,
            ..Flags::default()
        };
        let (settings, _) = Settings::read("bellwether.yaml", WHOLE, &flags).expect("settings");
        assert_eq!(settings.listen.port(), 0);
        assert_eq!(
            settings.smtp.expect("a relay").url.as_str(),
            "smtp://127.0.0.1:2525?tls=none"
        );
        assert_eq!(settings.state, PathBuf::from("/tmp/state"));
        assert!(settings.allow_private_receivers);
        let wrong = Flags {
            listen: Some("here".to_owned()),
            log: Some("loud".to_owned()),
            ..Flags::default()
        };
        assert_eq!(Settings::from_flags(&wrong).expect_err("two problems").len(), 2);
        assert!(Settings::from_flags(&Flags::default()).is_ok());
    }

    #[test]
    fn mistakes_are_all_shown_at_once() {
        insta::assert_snapshot!(problems("listen: 8080\npublic_url: https://x.example\ntokens:\n  intake: 'bw_0123456789abcdefghij!'\nhousekeeping: 0 4\ncustomer:\n  a: {}\n"), @r#"
        error: `8080` is no address with a port, such as 127.0.0.1:8080 or [::]:8080
         --> bellwether.yaml:1:9
          |
        1 | listen: 8080
          |         ^^^^

        error: the settings file has no key `public_url`
         --> bellwether.yaml:2:1
          |
        2 | public_url: https://x.example
          | ^^^^^^^^^^
          |
          = hint: did you mean `public url`?

        error: this is not the name of a secret: letters, digits, `.`, `_`, `-`
         --> bellwether.yaml:4:11
          |
        4 |   intake: '************************'
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: put the value into a file of the secrets directory and write the file's name here

        error: a cron expression has five fields (minute hour day month weekday), not 2
         --> bellwether.yaml:5:15
          |
        5 | housekeeping: 0 4
          |               ^^^

        error: the settings file has no key `customer`
         --> bellwether.yaml:6:1
          |
        6 | customer:
          | ^^^^^^^^
          |
          = hint: did you mean `customers`?
        "#);
        insta::assert_snapshot!(problems("smtp:\n  url: https://ada:hunter2@mail.example\n  password: hunter2\nretention: { events: 3 }\nlog: loud\ncustomers:\n  Contoso Ltd: { contact: nobody }\n  fabrikam: { accounts: [0123] }\n"), @r#"
        warning: mail will come from bellwether@localhost, which few servers take
         --> bellwether.yaml:2:3
          |
        2 |   url: https://***********@mail.example
          |   ^
          |
          = hint: from: Bellwether <bellwether@example.com>

        error: `user` and `password` come together
         --> bellwether.yaml:2:3
          |
        2 |   url: https://***********@mail.example
          |   ^

        error: user and password stand beside the url, not in it
         --> bellwether.yaml:2:8
          |
        2 |   url: https://***********@mail.example
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error: a password is not written in the settings
         --> bellwether.yaml:3:13
          |
        3 |   password: *******
          |             ^^^^^^^
          |
          = hint: put it into a file of the secrets directory and write `password: { secret: its-name }`

        error: `events` needs a unit
         --> bellwether.yaml:4:22
          |
        4 | retention: { events: 3 }
          |                      ^
          |
          = hint: write `3s`, `3m`, `3h` or `3 days`

        error: `loud` is no way to log: text, json or journald
         --> bellwether.yaml:5:6
          |
        5 | log: loud
          |      ^^^^

        error: a customer's name is the name of its folder: a-z, 0-9, `.`, `_`, `-`, at most 64
         --> bellwether.yaml:7:3
          |
        7 |   Contoso Ltd: { contact: nobody }
          |   ^^^^^^^^^^^
          |
          = hint: contoso-ltd:

        error: not an e-mail address (`name@domain`)
         --> bellwether.yaml:7:27
          |
        7 |   Contoso Ltd: { contact: nobody }
          |                           ^^^^^^

        error: YAML reads a bare `0123` as a number
         --> bellwether.yaml:8:26
          |
        8 |   fabrikam: { accounts: [0123] }
          |                          ^^^^
          |
          = hint: quote it: "0123"
        "#);
    }

    #[test]
    fn a_url_without_a_scheme_is_told_with_the_one_to_write() {
        for (text, hint) in [
            ("public url: health.example.com", "write https://health.example.com"),
            (
                "public url: health.example.com:8443",
                "write https://health.example.com:8443",
            ),
            ("public url: localhost:8080", "write https://localhost:8080"),
            (
                "smtp: { url: mail.example.com, from: a@b.example }",
                "write smtp://mail.example.com",
            ),
            (
                "smtp: { url: \"mail.example.com:587\", from: a@b.example }",
                "write smtp://mail.example.com:587",
            ),
            ("smtp: { url: \"mail:25\", from: a@b.example }", "write smtp://mail:25"),
            (
                "smtp: { url: \"//mail.example.com:465\", from: a@b.example }",
                "write smtps://mail.example.com:465",
            ),
        ] {
            let shown = problems(text);
            assert!(shown.contains(hint), "{text}: {shown}");
        }
        let mailto = problems("public url: 'mailto:x'");
        assert!(mailto.contains("no URL that links could begin with"), "{mailto}");
    }

    #[test]
    fn a_token_in_the_place_of_its_name_never_shows() {
        for value in [
            "4f2a9c0d1e8b7a6f5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b",
            "bw_0123456789abcdefghij",
            "Tr0ub4dor3x",
            "hunter2!",
            "hunter2 hunter3",
            "https://health.example.com/hunter2",
        ] {
            for text in [
                format!("tokens: {{ intake: '{value}' }}\nlog: loud\n"),
                format!("tokens:\n  read: [grafana, \"{value}\"]\n"),
                format!("tokens: {{ operate: '{value}', colour: red }}\n"),
                format!(
                    "smtp: {{ url: smtp://a.example, from: a@b.example, user: u, password: {{ secret: '{value}' }} }}\n"
                ),
                format!("customers: {{ contoso: {{ secrets: ['{value}'], tokens: '{value}' }} }}\n"),
            ] {
                let shown = problems(&text);
                assert!(shown.contains("secret"), "{text}: {shown}");
                assert!(!shown.contains(value) && !shown.contains("hunter2"), "{text}: {shown}");
            }
        }
        for name in [
            "intake-token",
            "smtp-password-2026",
            "teams1",
            "azure_webhook.v2",
            "grafana",
        ] {
            assert_eq!(problems(&format!("tokens: {{ intake: {name} }}\n")), "", "{name}");
        }
    }

    #[test]
    fn a_password_never_shows() {
        let shown =
            problems("smtp: { url: 'smtp://ada:hunter2@mail.example', password: hunter2 }\nlog: loud # hunter3\n");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
