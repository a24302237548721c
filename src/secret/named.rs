//! Secrets found by their names, and what is wrong with one that cannot be used: always with its file and the reason,
//! never with its value.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};

use super::Secret;
use super::beneath::{Reach, Root};
use crate::customer::CustomerId;
use crate::problem::{is_invisible, looks_like_a_value};

/// The largest secret, bytes.
const SECRET_BYTES_MOST: u64 = 64 * 1024;

/// The longest name of a secret, characters.
const NAME_MOST: usize = 64;

/// How much of a name is shown that may be a value in the wrong place, in characters.
const SHOWN_OF_A_VALUE: usize = 2;

/// Where secrets are found by name: files in a credentials directory, and each customer's own `secrets/` folder.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// systemd's `$CREDENTIALS_DIRECTORY`, or the directory that the settings name.
    pub directory: Option<PathBuf>,
    /// The folder that holds one folder per customer (`rules/`).
    pub rules: Option<PathBuf>,
    /// The operator's secrets that each customer may name; without an entry, none. `None`: all may name all.
    pub granted: Option<BTreeMap<CustomerId, BTreeSet<String>>>,
}

/// What a secret's file looks like: another value has another one.
pub type Stamp = Vec<(u64, i64, i64, u64)>;

impl Secrets {
    /// The value of `name` for `customer`: its own folder's `secrets/NAME` first, else a granted one.
    ///
    /// # Errors
    /// When the name is not one, nothing of that name may be used, or the file can't be read; never with the value.
    pub fn find(&self, customer: &CustomerId, name: &str) -> Result<Secret> {
        ensure!(
            is_name(name),
            "this is not the name of a secret: letters, digits, `.`, `_`, `-`, at most {NAME_MOST}"
        );
        if let Some(own) = self.own(customer, name)? {
            return Ok(own);
        }
        let shown = shown(name);
        let granted = self
            .granted
            .as_ref()
            .is_none_or(|all| customer.is_operator() || all.get(customer).is_some_and(|names| names.contains(name)));
        ensure!(
            granted,
            "there is no secret {shown} in the folder `{customer}/secrets`, and the operator has granted none of that name"
        );
        let Some(directory) = &self.directory else {
            match customer.is_operator() {
                true => bail!(
                    "there is no secret {shown}: put it into a file of that name, in a directory that `secrets:` in the \
                     settings names"
                ),
                false => bail!(
                    "there is no secret {shown}: put it into a file of that name in `{customer}/secrets/`, beside the rule files"
                ),
            }
        };
        let file = match File::open(directory.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("there is no secret {shown} in {}", directory.display())
            }
            Err(error) => bail!(
                "the secret {} cannot be opened: {error}",
                directory.join(name).display()
            ),
        };
        let place = directory.join(name).display().to_string();
        read(file)
            .and_then(|bytes| value_of(&bytes))
            .map_err(|why| anyhow!("the secret {place} {why}"))
    }

    /// The secret in the customer's own folder. The folder is a stranger's: a link in it is followed only where it ends in
    /// that folder, or it could name anybody's file.
    fn own(&self, customer: &CustomerId, name: &str) -> Result<Option<Secret>> {
        let Some(rules) = &self.rules else { return Ok(None) };
        let below = own_path(customer, name);
        let Ok(root) = Root::of(rules) else { return Ok(None) };
        let file = match root.open(&below, Reach::Secrets(customer.as_str())) {
            Ok(file) => file,
            Err(refused) if refused.is_missing() => return Ok(None),
            Err(refused) => bail!("the secret {} {refused}", below.display()),
        };
        let value = read(file).and_then(|bytes| value_of(&bytes));
        value
            .map(Some)
            .map_err(|why| anyhow!("the secret {} {why}", below.display()))
    }

    /// The operator's own secret of this name (tokens, the SMTP password).
    ///
    /// # Errors
    /// As [`Secrets::find`].
    pub fn operator(&self, name: &str) -> Result<Secret> {
        self.find(&CustomerId::new(crate::customer::OPERATOR), name)
    }

    /// What the files look like in which a secret is looked for: as long as it is the same, so is the value.
    pub fn stamp(&self, customer: &CustomerId, name: &str) -> Stamp {
        if !is_name(name) {
            return Stamp::new();
        }
        let own = self.rules.as_ref().and_then(|rules| {
            let root = Root::of(rules).ok()?;
            root.path_of(&own_path(customer, name), Reach::Secrets(customer.as_str()))
                .ok()
        });
        let granted = self.directory.as_ref().map(|directory| directory.join(name));
        let stamp = |path: PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino()))
        };
        own.into_iter().chain(granted).filter_map(stamp).collect()
    }
}

fn own_path(customer: &CustomerId, name: &str) -> PathBuf {
    Path::new(customer.as_str()).join("secrets").join(name)
}

/// Whether a text can be the name of a secret: letters, digits, `.`, `_`, `-`, at most 64.
pub fn is_name(name: &str) -> bool {
    let is_sound = !name.is_empty() && name.len() <= NAME_MOST && !name.starts_with('.');
    is_sound && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A secret's name as it is shown. Who types the value where the name belongs must not find it in a log: what is no
/// word is shown by its beginning and its length.
pub fn shown(name: &str) -> String {
    match looks_like_a_value(name) || crate::problem::mask(name) != name {
        false => format!("`{name}`"),
        true => {
            let begin: String = name.chars().take(SHOWN_OF_A_VALUE).collect();
            let length = name.chars().count();
            format!(
                "`{begin}…` ({length} characters; if that is the value itself, put it into a file and name the file)"
            )
        }
    }
}

fn read(file: File) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = file.take(SECRET_BYTES_MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    match bytes.len() as u64 > SECRET_BYTES_MOST {
        true => Err(format!("has more than {SECRET_BYTES_MOST} bytes, and is not used")),
        false => Ok(bytes),
    }
}

/// A file's bytes as the secret they hold: one line. A byte order mark, and spaces and line ends around it, are an
/// editor's and not part of it.
///
/// # Errors
/// What is wrong with it, without any of it.
pub fn value_of(bytes: &[u8]) -> Result<Secret, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        return Err("is UTF-16 (as PowerShell's `>` writes it) or no text: save it as UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8 text (byte {}): save it as UTF-8", error.valid_up_to()))?;
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .trim_matches(|letter: char| letter.is_ascii_whitespace());
    if text.is_empty() {
        return Err("is empty: write the value into it".to_owned());
    }
    let lines = text.lines().count();
    if lines > 1 || text.contains('\r') {
        return Err(format!(
            "has {lines} lines, and a secret is one: leave only the value in it"
        ));
    }
    if let Some((nth, letter)) = (1..).zip(text.chars()).find(|(_, letter)| is_hidden(*letter)) {
        let code = u32::from(letter);
        return Err(format!(
            "holds a character that cannot be seen (U+{code:04X}, the {nth}. one): type it anew"
        ));
    }
    if is_quoted(text) {
        return Err("has quotes around it: write the value without them".to_owned());
    }
    Ok(Secret::new(text))
}

/// Characters that come by copying and are part of no secret.
fn is_hidden(letter: char) -> bool {
    let is_mark = matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}');
    let is_odd_space = letter.is_whitespace() && letter != ' ' && letter != '\t';
    is_mark || is_odd_space || is_invisible(letter) && letter != '\t'
}

fn is_quoted(text: &str) -> bool {
    const QUOTES: [(char, char); 6] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('„', '“'), ('‘', '’')];
    let mut letters = text.chars();
    let (first, last) = (letters.next(), letters.next_back());
    first.zip(last).is_some_and(|pair| QUOTES.contains(&pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Secrets) {
        let rules = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = rules.path().join("contoso/secrets").join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
        let secrets = Secrets {
            rules: Some(rules.path().to_owned()),
            ..Secrets::default()
        };
        (rules, secrets)
    }

    fn utf16(text: &str, has_mark: bool) -> Vec<u8> {
        let mark = has_mark.then_some(0xfeff);
        mark.into_iter()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect()
    }

    #[test]
    fn marks_and_line_ends_are_no_part_of_a_secret() {
        for bytes in [
            &b"whsec_a2V5"[..],
            b"whsec_a2V5\n",
            b"whsec_a2V5\r\n",
            b"\xef\xbb\xbfwhsec_a2V5",
            b"\xef\xbb\xbfwhsec_a2V5\r\n\r\n",
            b"\n whsec_a2V5 \t\n",
        ] {
            assert_eq!(value_of(bytes).expect("a secret").reveal(), "whsec_a2V5", "{bytes:?}");
        }
        // two keys on one line sign both, and quotes within a password are part of it
        for text in ["whsec_a2V5 whsec_a2V6", "it's \"one\"", "\"a\" or 'b"] {
            assert_eq!(value_of(text.as_bytes()).expect("a secret").reveal(), text);
        }
    }

    #[test]
    fn each_bad_secret_is_named_with_its_file_and_the_reason_and_never_with_its_value() {
        let files: [(&str, Vec<u8>, &str); 13] = [
            ("empty", b"".to_vec(), "is empty"),
            ("blank", b" \n\r\n".to_vec(), "is empty"),
            ("mark", b"\xef\xbb\xbf\n".to_vec(), "is empty"),
            ("lines", b"hunter2\nhunter2\n".to_vec(), "has 2 lines"),
            ("old-mac", b"hunter2\rhunter2".to_vec(), "a secret is one"),
            ("utf16", utf16("hunter2", true), "is UTF-16"),
            ("utf16-bare", utf16("hunter2", false), "is UTF-16"),
            ("latin1", b"hunter2\xe9".to_vec(), "is not UTF-8 text (byte 7)"),
            ("quoted", b"\"hunter2\"\n".to_vec(), "has quotes around it"),
            ("typographic", "“hunter2”".as_bytes().to_vec(), "has quotes around it"),
            (
                "zero-width",
                "hun\u{200b}ter2".as_bytes().to_vec(),
                "U+200B, the 4. one",
            ),
            ("no-break", "hunter2\u{a0}\n".as_bytes().to_vec(), "U+00A0, the 8. one"),
            ("long", vec![b'h'; 64 * 1024 + 1], "more than 65536 bytes"),
        ];
        let written: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes, _)| (*name, &**bytes)).collect();
        let (_rules, secrets) = secrets(&written);
        for (name, _, why) in &files {
            let error = format!(
                "{:#}",
                secrets.find(&CustomerId::new("contoso"), name).expect_err("refused")
            );
            assert!(
                error.contains(why) && error.contains(&format!("contoso/secrets/{name}")),
                "{error}"
            );
            assert!(!error.contains("hunter2") && !error.contains("hhhh"), "{error}");
        }
    }

    #[test]
    fn a_value_in_the_place_of_a_name_is_not_shown() {
        let (_rules, secrets) = secrets(&[]);
        for value in [
            "bw_0123456789abcdefghij",
            "4f2a9c0d1e8b7a6f5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2",
            "0123456789abcdef0123456789abcdef",
            "Tr0ub4dor-3",
            "AbCdEfGhIjKlMnOpQrSt",
            "https://hooks.slack.com/services/T0/B0/hunter2",
            "hunter2!",
        ] {
            for customer in ["contoso", crate::customer::OPERATOR] {
                let error = format!(
                    "{:#}",
                    secrets.find(&CustomerId::new(customer), value).expect_err("refused")
                );
                assert!(!error.contains(value) && !error.contains(&value[3..]), "{error}");
            }
        }
        for name in [
            "intake-token",
            "smtp-password-2026",
            "teams1",
            "contoso.teams_2",
            "AzureWebhook",
            "v2-signing",
        ] {
            let error = format!("{:#}", secrets.operator(name).expect_err("missing"));
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn a_customers_own_secret_is_read_and_a_link_to_a_neighbours_is_not_followed() {
        let (rules, secrets) = secrets(&[("a", b"ours")]);
        std::fs::create_dir_all(rules.path().join("fabrikam/secrets")).expect("folders");
        std::fs::write(rules.path().join("fabrikam/secrets/key"), "theirs\n").expect("a file");
        let link = rules.path().join("contoso/secrets/key");
        std::os::unix::fs::symlink("../../fabrikam/secrets/key", link).expect("a link");
        let own = secrets.find(&CustomerId::new("fabrikam"), "key").expect("its own");
        assert_eq!(own.reveal(), "theirs");
        let error = format!(
            "{:#}",
            secrets.find(&CustomerId::new("contoso"), "key").expect_err("refused")
        );
        assert!(error.contains("another customer"), "{error}");
    }

    #[test]
    fn a_secret_volume_is_read_and_what_it_holds_next_looks_different() {
        let (rules, secrets) = secrets(&[("..1/key", b"first"), ("..2/key", b"second")]);
        let at = |name: &str| rules.path().join("contoso/secrets").join(name);
        std::os::unix::fs::symlink("..1", at("..data")).expect("a link");
        std::os::unix::fs::symlink("..data/key", at("key")).expect("a link");
        let contoso = CustomerId::new("contoso");
        assert_eq!(secrets.find(&contoso, "key").expect("a secret").reveal(), "first");
        let before = secrets.stamp(&contoso, "key");
        assert_eq!(secrets.stamp(&contoso, "key"), before);
        std::os::unix::fs::symlink("..2", at("..tmp")).expect("a link");
        std::fs::rename(at("..tmp"), at("..data")).expect("is flipped");
        assert_eq!(secrets.find(&contoso, "key").expect("a secret").reveal(), "second");
        assert_ne!(secrets.stamp(&contoso, "key"), before);
    }

    #[test]
    fn a_name_with_a_path_in_it_is_no_secret() {
        let secrets = Secrets {
            directory: Some("/etc".into()),
            ..Secrets::default()
        };
        assert!(secrets.operator("../etc/passwd").is_err());
        assert!(secrets.operator(".hidden").is_err());
    }
}
