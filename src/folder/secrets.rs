//! The secrets that rule files name: which they are, what waits for each, and whether it can be used. A bad one is found
//! here, before the first incident needs it.

use std::collections::BTreeMap;

use crate::channel::{Address, SecretRef, Target, guard, webhook};
use crate::notification::EndpointId;
use crate::rule::{Receiver, RuleSet};
use crate::secret::{Secret, Secrets};

/// What a secret is named for.
#[derive(Debug, Default)]
pub struct Use {
    /// It is the URL of a receiver.
    pub is_url: bool,
    /// Messages are signed with it.
    pub signs: bool,
    /// The endpoints that need it.
    pub endpoints: Vec<EndpointId>,
}

/// The secrets that the rules in force name.
pub fn named(rules: &RuleSet) -> BTreeMap<SecretRef, Use> {
    let mut named: BTreeMap<SecretRef, Use> = BTreeMap::new();
    for receiver in rules.receivers.values() {
        add(receiver, &mut named);
    }
    named
}

fn add(receiver: &Receiver, named: &mut BTreeMap<SecretRef, Use>) {
    for address in &receiver.to {
        let (url, signing) = match address {
            Address::Email(_) => continue,
            Address::Webhook { url, signing } => (url, signing.as_ref()),
            Address::Slack { url } | Address::Teams { url } => (url, None),
        };
        let mut note = |secret: &SecretRef, is_url: bool| {
            let known = named.entry(secret.clone()).or_default();
            known.is_url |= is_url;
            known.signs |= !is_url;
            let endpoint = address.endpoint(&receiver.customer);
            if known.endpoints.last() != Some(&endpoint) {
                known.endpoints.push(endpoint);
            }
        };
        if let Target::Secret(secret) = url {
            note(secret, true);
        }
        signing.into_iter().for_each(|secret| note(secret, false));
    }
}

/// Why a secret cannot be used for what it is named for; nothing, if it can. It names the file, and never the value.
pub fn trouble(secrets: &Secrets, secret: &SecretRef, used: &Use, allow_private: bool) -> Option<String> {
    let value = match secrets.find(&secret.customer, &secret.name) {
        Ok(value) => value,
        Err(error) => return Some(format!("{error:#}")),
    };
    let why = used.is_url.then(|| url_trouble(&value, allow_private)).flatten();
    let why = why.or_else(|| used.signs.then(|| signing_trouble(&value)).flatten());
    why.map(|why| format!("the secret `{}` of `{}`: {why}", secret.name, secret.customer))
}

fn url_trouble(value: &Secret, allow_private: bool) -> Option<String> {
    // what is wrong with it is said without any of it, and a parser's words may quote
    let why = guard::check_url(value.reveal(), allow_private).err()?;
    Some(format!(
        "it is the URL of a receiver, and {}",
        crate::problem::mask(&why)
    ))
}

fn signing_trouble(value: &Secret) -> Option<String> {
    webhook::signature::sign(value, "", 0, b"").err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::Customers;
    use crate::rule::check::{Deciding, Source, check};

    const RULES: &str = "receivers:\n  tickets: [{ webhook: { url: { secret: url }, signing: { secret: key } } }]\n  \
        chat: [{ teams: { url: { secret: url } } }, { slack: { url: { secret: gone } } }]\n  mail: [{ email: a@contoso.example }]\n\
        rules: [{ name: all, when: {}, notify: [tickets, chat, mail] }]\n";

    #[test]
    fn each_secret_that_rules_name_is_looked_at_for_what_it_is_used_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("contoso/secrets");
        std::fs::create_dir_all(&folder).expect("folders");
        let source = Source {
            path: "contoso/a.yaml".to_owned(),
            text: RULES.to_owned(),
        };
        let deciding = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
        let rules = check(&[source], &Default::default(), &deciding).set;
        let secrets = Secrets {
            rules: Some(dir.path().to_owned()),
            ..Secrets::default()
        };
        let named = named(&rules);
        let names: Vec<&str> = named.keys().map(|secret| secret.name.as_str()).collect();
        assert_eq!(names, ["gone", "key", "url"]);
        let troubles = || -> Vec<String> {
            let each = named
                .iter()
                .filter_map(|(secret, used)| trouble(&secrets, secret, used, false));
            each.collect()
        };
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
        write("gone", "https://hooks.slack.com/services/hunter2");
        for (key, url, expected) in [
            (
                "whsec_%%hunter2",
                "https://contoso.example/hunter2",
                "`whsec_` but base64 does not follow",
            ),
            (
                "whsec_aHVudGVyMg==",
                "contoso.example/hunter2",
                "is the URL of a receiver, and not a URL",
            ),
            (
                "whsec_aHVudGVyMg==",
                "http://contoso.example/hunter2",
                "must begin with `https://`",
            ),
            (
                "whsec_aHVudGVyMg==",
                "https://10.0.0.1/hunter2",
                "is the URL of a receiver, and",
            ),
            (
                "a\nhunter2",
                "https://contoso.example/hunter2",
                "contoso/secrets/key has 2 lines",
            ),
        ] {
            write("key", key);
            write("url", url);
            let found = troubles();
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].contains(expected) && !found[0].contains("hunter2"),
                "{found:?}"
            );
        }
        write("key", "whsec_aHVudGVyMg==\r\n");
        assert_eq!(troubles(), [] as [String; 0]);
        let used = named
            .values()
            .map(|used| (used.is_url, used.signs, used.endpoints.len()));
        assert_eq!(
            used.collect::<Vec<_>>(),
            [(true, false, 1), (false, true, 1), (true, false, 2)]
        );
    }
}
