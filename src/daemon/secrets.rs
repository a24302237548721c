//! Secrets of a running daemon: which cannot be used is said before an incident needs them, and what waits for one that
//! comes or changes is tried at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::channel::SecretRef;
use crate::config::Settings;
use crate::dispatch::lanes::{Lanes, Signal};
use crate::folder::secrets::{Use, named, trouble};
use crate::ledger::{BadSecret, Ledger};
use crate::rule::Revision;
use crate::secret::Secrets;
use crate::secret::named::{Stamp, shown};

/// How often it is looked whether a secret came or changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looking takes at most one of so many parts of the time.
const LOOK_SHARE: u32 = 20;

/// So many bad secrets are said in the log at once; the API lists more.
const LOGGED_MOST: usize = 100;

/// Looks at the secrets that the rules in force name, for as long as it lives.
pub struct SecretsWatch {
    looking: Arc<Looking>,
    /// Dropped, it ends the thread.
    _going_on: Option<Sender<()>>,
}

struct Looking {
    secrets: Secrets,
    allow_private: bool,
    ledger: Ledger,
    lanes: Lanes,
    known: Mutex<Known>,
}

/// What was found the last time.
#[derive(Default)]
struct Known {
    revision: Option<Revision>,
    named: BTreeMap<SecretRef, Use>,
    stamps: BTreeMap<SecretRef, Stamp>,
    bad: BTreeMap<SecretRef, String>,
}

impl SecretsWatch {
    /// Begins to look; the first time at once.
    pub fn start(settings: &Settings, ledger: &Ledger, lanes: &Lanes) -> Self {
        let looking = Arc::new(Looking {
            secrets: secrets(settings),
            allow_private: settings.allow_private_receivers,
            ledger: ledger.clone(),
            lanes: lanes.clone(),
            known: Mutex::default(),
        });
        let (going_on, is_over) = channel::<()>();
        let theirs = looking.clone();
        let work = move || {
            let mut pause = Duration::ZERO;
            while is_over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let began = Instant::now();
                theirs.look();
                pause = LOOK_EVERY.max(began.elapsed() * LOOK_SHARE);
            }
        };
        let thread = std::thread::Builder::new().name("secrets".to_owned()).spawn(work);
        if let Err(error) = &thread {
            tracing::warn!(%error, "secrets are looked at only when the rules are read on request");
        }
        Self {
            looking,
            _going_on: thread.is_ok().then_some(going_on),
        }
    }

    /// The same, for whoever looks on its own and does not keep the thread going.
    pub fn handle(&self) -> Self {
        Self {
            looking: self.looking.clone(),
            _going_on: None,
        }
    }

    /// Looks now, on a thread that may wait for the disk.
    pub async fn look(&self) {
        let looking = self.looking.clone();
        // a look that ends in a panic has said so
        let _ = tokio::task::spawn_blocking(move || looking.look()).await;
    }
}

impl Looking {
    fn look(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.ledger.rules();
        if known.revision.as_ref() != Some(&rules.revision) {
            known.named = named(&rules);
            known.revision = Some(rules.revision.clone());
        }
        let Known { named, stamps, bad, .. } = &mut *known;
        stamps.retain(|secret, _| named.contains_key(secret));
        bad.retain(|secret, _| named.contains_key(secret));
        let (mut woken, mut new) = (Vec::new(), Vec::new());
        for (secret, used) in named.iter() {
            let stamp = self.secrets.stamp(&secret.customer, &secret.name);
            let before = stamps.insert(secret.clone(), stamp.clone());
            if before.as_ref() == Some(&stamp) {
                continue;
            }
            if before.is_some() {
                woken.extend(used.endpoints.iter().cloned());
            }
            match trouble(&self.secrets, secret, used, self.allow_private) {
                Some(why) if bad.get(secret) == Some(&why) => {}
                Some(why) => {
                    new.push(why.clone());
                    bad.insert(secret.clone(), why);
                }
                None => {
                    if bad.remove(secret).is_some() {
                        tracing::info!(customer = %secret.customer, "a secret that could not be used is good now");
                    }
                }
            }
        }
        let list = bad.iter().map(|(secret, why)| BadSecret {
            customer: secret.customer.clone(),
            why: why.clone(),
        });
        self.ledger.figures().note_bad_secrets(list.collect());
        say(&new);
        if !woken.is_empty() {
            tracing::info!(
                endpoints = woken.len(),
                "secrets came or changed; what waits for them is tried now"
            );
            self.lanes.signal(Signal::Woken(woken));
        }
    }
}

fn say(bad: &[String]) {
    for why in bad.iter().take(LOGGED_MOST) {
        tracing::warn!("a secret cannot be used, and what needs it waits: {why}");
    }
    if bad.len() > LOGGED_MOST {
        tracing::warn!(
            more = bad.len() - LOGGED_MOST,
            "more secrets cannot be used; `/readyz?verbose` lists them"
        );
    }
}

/// What is wrong with the secrets that the settings themselves need (tokens, the relay's password), each with its file and
/// the reason: without them the daemon does not start.
pub fn settings_troubles(settings: &Settings) -> Vec<String> {
    let secrets = secrets(settings);
    let names = settings_names(settings).into_iter();
    let each = names.filter_map(|(what, name)| {
        let error = secrets.operator(&name).context(what).err()?;
        Some(format!("{error:#}"))
    });
    each.collect()
}

/// The secrets that customers may name and that are not there: whoever names one waits.
pub fn granted_and_missing(settings: &Settings) -> Vec<String> {
    let secrets = secrets(settings);
    let granted = settings.customers.by_name.iter().flatten();
    let each = granted.flat_map(|(id, customer)| customer.secrets.iter().map(move |name| (id, name)));
    let each = each.filter_map(|(id, name)| {
        let error = secrets.operator(name).err()?;
        Some(format!("the secret {} that `{id}` may name: {error:#}", shown(name)))
    });
    each.collect()
}

/// Where secrets are looked for: systemd's credentials or the operator's directory, and the customers' own folders.
pub fn secrets(settings: &Settings) -> Secrets {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let granted = settings.customers.by_name.as_ref().map(|known| {
        known
            .iter()
            .map(|(id, customer)| (id.clone(), customer.secrets.clone()))
            .collect()
    });
    Secrets {
        directory: settings.secrets.clone().or(credentials),
        rules: Some(settings.rules.clone()),
        granted,
    }
}

/// The secrets that the settings themselves need, each with what it is.
fn settings_names(settings: &Settings) -> Vec<(String, String)> {
    let tokens = &settings.tokens;
    let of = |names: &[String], what: &str| {
        let named = names.iter().map(|name| (format!("a token ({what})"), name.clone()));
        named.collect::<Vec<_>>()
    };
    let mut all = of(&tokens.intake, "intake");
    all.extend(of(&tokens.read, "read"));
    all.extend(of(&tokens.operate, "operate"));
    let password = settings.smtp.as_ref().and_then(|smtp| smtp.password.clone());
    all.extend(password.map(|name| ("the password of the mail relay".to_owned(), name)));
    for (id, customer) in settings.customers.by_name.iter().flatten() {
        let tokens = customer.tokens.iter();
        all.extend(tokens.map(|name| (format!("a token of the customer `{id}`"), name.clone())));
    }
    all
}
