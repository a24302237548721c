//! The architecture as a test: who may use whom, who may act, and what lies where.
//!
//! It reads the sources as text, without comments, literals and test modules. That is coarse, and enough: whoever gets
//! round it does so on purpose.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Modules that decide: they get the time as an argument, and touch nothing outside themselves.
const PURE: [&str; 13] = [
    "event",
    "incident",
    "claim",
    "notification",
    "message",
    "channel",
    "delivery",
    "rule",
    "record",
    "evaluate",
    "view",
    "archive",
    "replay",
];

/// Modules that talk with the outside: strangers to each other.
const DOORS: [&str; 2] = ["http", "dispatch"];

/// What others than ourselves need: `main.rs`, tests and benchmarks. All the rest is `pub(crate)`, or dead code hides.
const PUBLIC: [&str; 5] = ["clock", "config", "daemon", "cli", "bench"];

/// What may lie at the top: the product, and what a tool insists on. Names that begin with a dot are not looked at.
const TOP_LEVEL: [&str; 16] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "askama.toml",
    "benches",
    "build.rs",
    "clippy.toml",
    "deny.toml",
    "rules",
    "rustfmt.toml",
    "src",
    "systemd",
    "target",
    "tests",
];

/// Words by which code reads a clock, a file, a socket or the process it runs in.
const ACTING: &str = concat!(
    r"\b(?:Clock|Utc::now|Local::now|SystemTime|Instant::now|fs::\w+|File::(?:open|create|options)|OpenOptions|",
    r"std::env|std::process|stdin\(\)|tokio|TcpStream|TcpListener|UdpSocket|UnixStream|UnixListener|UnixDatagram|",
    r"ToSocketAddrs|reqwest::Client|Async\w*Transport|SmtpTransport)\b"
);

/// One source file, as its code alone.
struct Source {
    /// Below `src/`.
    path: PathBuf,
    /// The top-level module it belongs to.
    module: String,
    /// How many `super::` lead to the crate's root.
    depth: usize,
    /// The whole text.
    text: String,
    /// The text without comments, literals and test modules; as many lines as before.
    code: String,
}

impl Source {
    fn read(root: &Path, file: &Path) -> Self {
        let path = file.strip_prefix(root).expect("a file below src/").to_owned();
        let stem = path.with_extension("");
        let mut names: Vec<_> = stem.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "mod");
        let text = fs::read_to_string(file).expect("a source file");
        let code = without_tests(&without_literals(&text));
        Self {
            path,
            module: names[0].clone(),
            depth: names.len(),
            text,
            code,
        }
    }

    fn is_root(&self) -> bool {
        self.module == "lib" || self.module == "main"
    }

    /// The modules that this file declares for tests alone (`#[cfg(test)] mod naughty;`), as paths without an ending.
    fn test_modules(&self) -> Vec<PathBuf> {
        let declared = Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod (\w+);").expect("a pattern");
        let text = without_literals(&self.text);
        let folder = match self.path.with_extension("") {
            path if path.ends_with("mod") || self.is_root() => path.parent().map(Path::to_owned).unwrap_or_default(),
            path => path,
        };
        declared.captures_iter(&text).map(|it| folder.join(&it[1])).collect()
    }

    /// The places where `pattern` is found, as `path:line: what`.
    fn places(&self, pattern: &Regex) -> Vec<String> {
        let lines = self.code.lines().enumerate();
        let found = lines.filter_map(|(nth, line)| pattern.find(line).map(|it| (nth + 1, it.as_str())));
        found
            .map(|(line, what)| format!("src/{}:{line}: {what}", self.path.display()))
            .collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut sources: Vec<_> = files_below(&src).iter().map(|file| Source::read(&src, file)).collect();
    let tests: Vec<PathBuf> = sources.iter().flat_map(Source::test_modules).collect();
    sources.retain(|source| {
        !tests
            .iter()
            .any(|module| source.path.with_extension("").starts_with(module))
    });
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(sources.len() > 5, "where are the sources?");
    sources
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path());
    let files = entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    files
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// The modules of `lib.rs`, lowest first, and whether each is `pub`.
fn modules() -> Vec<(String, bool)> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    let declared = Regex::new(r"(?m)^\s*(pub(?:\(crate\))? )?mod (\w+)\s*[;{]").expect("a pattern");
    let code = without_tests(&without_literals(&lib));
    declared
        .captures_iter(&code)
        .map(|it| (it[2].to_owned(), it.get(1).is_some_and(|is| is.as_str() == "pub ")))
        .collect()
}

/// The text with comments and the insides of string and character literals blanked out.
fn without_literals(text: &str) -> String {
    let token = Regex::new(concat!(
        r###"(?s)//[^\n]*|/\*.*?\*/"###,                                       // comments
        r###"|\bb?r"[^"]*"|\bb?r#".*?"#|\bb?r##".*?"##|\bb?r#{3}".*?"#{3}"###, // raw strings
        r###"|b?"(?:[^"\\]|\\.)*""###,                                         // strings
        r###"|b?'(?:[^'\\\n]|\\(?:u\{[0-9a-fA-F_]+\}|x[0-9a-fA-F]{2}|.))'"###, // characters, not lifetimes
    ));
    let blank = |found: &regex::Captures<'_>| {
        found[0]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect::<String>()
    };
    token.expect("a pattern").replace_all(text, blank).into_owned()
}

/// The code with every item behind `#[cfg(test)]` blanked out.
fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some((before, item)) = rest.split_once("#[cfg(test)]") {
        let (tested, after) = item.split_at(end_of_item(item));
        kept.push_str(before);
        kept.extend(tested.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    kept + rest
}

/// Where the first item in `code` ends: behind its `;`, or behind the brace that closes its body.
fn end_of_item(code: &str) -> usize {
    let mut open = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open <= 1 => return at + 1,
            '}' => open -= 1,
            ';' if open == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The top-level modules that a file uses, each with the text that names it.
fn uses(source: &Source) -> BTreeSet<String> {
    let named = Regex::new(r"\b(crate|(?:super\s*::\s*)*super)\s*::\s*(\w+|\{)").expect("a pattern");
    let mut used = BTreeSet::new();
    for found in named.captures_iter(&source.code) {
        let ups = found[1].matches("super").count();
        if &found[1] != "crate" && ups < source.depth {
            continue;
        }
        match &found[2] {
            "{" => used.extend(heads(&source.code[found.get(0).expect("the whole").end()..])),
            name => drop(used.insert(name.to_owned())),
        }
    }
    used
}

/// The first names in a `use` group whose brace is open already: `a::b, c::{d, e}, f}` is `a`, `c`, `f`.
fn heads(group: &str) -> Vec<String> {
    let (mut heads, mut name, mut open) = (Vec::new(), String::new(), 1_usize);
    for c in group.chars() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ if open == 1 => name.push(c),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    heads.extend(
        name.split(',')
            .filter_map(|it| it.trim().split([':', ' ']).next().map(str::to_owned)),
    );
    heads.retain(|head| !head.is_empty());
    heads
}

#[track_caller]
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn a_module_uses_only_those_listed_above_it() {
    let modules: Vec<String> = modules().into_iter().map(|(name, _)| name).collect();
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_root()) {
        let own = place(&source.module).unwrap_or_else(|| panic!("{} is not in lib.rs", source.module));
        let above = uses(source)
            .into_iter()
            .filter(|used| place(used).is_some_and(|used| used > own));
        broken.extend(above.map(|used| format!("src/{} uses `{used}`, which stands higher", source.path.display())));
    }
    none("a module uses only those listed above it in lib.rs", broken);
}

#[test]
fn what_decides_names_no_clock_file_or_socket() {
    let acting = Regex::new(ACTING).expect("a pattern");
    let sources = sources();
    let pure = sources.iter().filter(|source| PURE.contains(&source.module.as_str()));
    none(
        "pure modules read nothing and send nothing",
        pure.flat_map(|source| source.places(&acting)).collect(),
    );
}

#[test]
fn a_decision_looks_nothing_up_but_in_its_facts() {
    let looking = Regex::new(r"\bView\b|\bjournal::Reader\b|\blookup\b|\bcrate::store\b").expect("a pattern");
    let sources = sources();
    let is_of_facts = |path: &Path| path.ends_with("facts.rs") || path.iter().any(|part| part == "facts");
    let deciding = sources
        .iter()
        .filter(|source| source.module == "evaluate" && !is_of_facts(&source.path));
    none(
        "what is known is looked up in `facts`",
        deciding.flat_map(|source| source.places(&looking)).collect(),
    );
}

#[test]
fn the_store_names_no_decision() {
    let sources = sources();
    let deciding = sources
        .iter()
        .filter(|source| source.module == "store" && uses(source).contains("evaluate"));
    none(
        "the store knows nothing of decisions",
        deciding.map(|source| source.path.display().to_string()).collect(),
    );
}

#[test]
fn only_the_store_names_sled() {
    let sled = Regex::new(r"\bsled\b").expect("a pattern");
    let sources = sources();
    let others = sources.iter().filter(|source| source.module != "store");
    none(
        "only the store names sled",
        others.flat_map(|source| source.places(&sled)).collect(),
    );
}

#[test]
fn doors_are_strangers_to_each_other() {
    let sources = sources();
    let doors = sources.iter().filter(|source| DOORS.contains(&source.module.as_str()));
    let known = doors.flat_map(|door| {
        let others = uses(door)
            .into_iter()
            .filter(|used| DOORS.contains(&used.as_str()) && *used != door.module);
        others
            .map(|other| format!("src/{} uses `{other}`", door.path.display()))
            .collect::<Vec<_>>()
    });
    none("a door knows no other door", known.collect());
}

#[test]
fn only_what_others_need_is_public() {
    let public = modules()
        .into_iter()
        .filter(|(name, public)| *public && !PUBLIC.contains(&name.as_str()));
    none("modules are `pub(crate)`", public.map(|(name, _)| name).collect());
}

#[test]
fn the_top_level_holds_the_product_and_what_tools_insist_on() {
    let entries = fs::read_dir(root())
        .expect("the repository")
        .map(|entry| entry.expect("an entry").file_name());
    let names = entries.map(|name| name.to_string_lossy().into_owned());
    let strange = names.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()));
    none("nothing else lies at the top", strange.collect());
}

#[test]
fn every_file_says_first_what_it_owns() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(
        "a file begins with `//!`",
        silent.map(|source| source.path.display().to_string()).collect(),
    );
}

#[test]
fn nothing_unwraps_outside_tests() {
    let unwrap = Regex::new(r"\.unwrap\(\)|\btodo!|\bunimplemented!|\bdbg!").expect("a pattern");
    none(
        "no unwrap, todo or dbg",
        sources().iter().flat_map(|source| source.places(&unwrap)).collect(),
    );
}

#[test]
fn the_scan_sees_code_and_nothing_but_code() {
    let text = "use crate::{a::B, c::{d, e}, f};\n// crate::comment\nlet x = \"crate::text \\\" crate::more\";\n\
                let y: &'static str = r#\"crate::raw \" crate::raw\"#; let q = '\"'; crate::g::h();\n\
                /* crate::block */ use super::super::top; use super::sibling;\n\
                #[cfg(test)]\nmod tests { fn t() { crate::tested::x(); } }\nuse crate::last;\n";
    let code = without_tests(&without_literals(text));
    assert_eq!(code.lines().count(), text.lines().count());
    let path = PathBuf::from("rule/file.rs");
    let source = Source {
        path,
        module: "rule".to_owned(),
        depth: 2,
        text: text.to_owned(),
        code,
    };
    let used: Vec<String> = uses(&source).into_iter().collect();
    assert_eq!(used, ["a", "c", "f", "g", "last", "top"]);
}

#[test]
fn modules_for_tests_alone_are_left_out() {
    let text = "#[cfg(test)]\npub(crate) mod naughty;\nmod kept;\n".to_owned();
    let source = |path: &str| Source {
        path: path.into(),
        module: "rule".to_owned(),
        depth: 1,
        text: text.clone(),
        code: String::new(),
    };
    assert_eq!(source("rule/mod.rs").test_modules(), [PathBuf::from("rule/naughty")]);
    assert_eq!(
        source("rule/file.rs").test_modules(),
        [PathBuf::from("rule/file/naughty")]
    );
}

#[test]
fn the_scan_knows_acting_from_deciding() {
    let acting = Regex::new(ACTING).expect("a pattern");
    for line in [
        "let now = Utc::now();",
        "fs::read(path)",
        "clock: &Clock",
        "tokio::spawn(x)",
        "TcpStream::connect(a)",
    ] {
        assert!(acting.is_match(line), "{line}");
    }
    for line in [
        "use crate::clock::Time;",
        "std::net::IpAddr",
        "profile.name",
        "RuleFile { path }",
        "instantly",
    ] {
        assert!(!acting.is_match(line), "{line}");
    }
}
