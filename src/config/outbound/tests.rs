//! Proxies, certificates and the name that is said hello with, as operators write them.

use super::*;
use crate::config::Flags;
use crate::problem::Problem;

fn read(text: &str) -> (Option<Settings>, String) {
    let (settings, problems) = match Settings::read("bellwether.yaml", text, &Flags::default()) {
        Ok((settings, problems)) => (Some(settings), problems),
        Err(problems) => (None, problems),
    };
    let shown: Vec<String> = problems.iter().map(Problem::plain).collect();
    (settings, shown.join("\n"))
}

#[test]
fn one_url_is_the_proxy_of_both_schemes() {
    let (settings, _) = read("proxy: http://proxy.contoso.example:3128\n");
    let proxy = settings.expect("settings").proxy.expect("a proxy");
    assert_eq!(proxy.http, proxy.https);
    assert!(proxy.https.is_some());
}

#[test]
fn what_is_wrong_with_a_proxy_is_said_with_its_place_and_without_its_password() {
    for (bad, expected) in [
        ("proxy: proxy:3128", "begin it with `http://`"),
        ("proxy: socks5://proxy:1080", "only http:// and https:// proxies"),
        (
            "proxy: { https: 'http://ada:hunter2@proxy:3128' }",
            "`password: { secret: name }`",
        ),
        ("proxy: { https: http://proxy:3128/path }", "nothing behind them"),
        ("proxy: { except: [contoso.internal] }", "neither `http` nor `https`"),
        ("proxy: { https: http://proxy:3128, user: ada }", "come together"),
        (
            "proxy: { https: http://proxy:3128, user: ada, password: hunter2 }",
            "is not written in the settings",
        ),
        (
            "proxy: { https: http://proxy:3128, except: [10.0.0.0/33] }",
            "no block of addresses",
        ),
        (
            "proxy: { https: http://proxy:3128, smtp: http://proxy:3128 }",
            "mail is not proxied",
        ),
        ("proxy: { https: http://proxy:3128, no_proxy: x }", "except"),
        (
            "smtp: { url: smtp://mail.example, from: a@b.example, proxy: x }",
            "mail is not proxied",
        ),
    ] {
        let (settings, shown) = read(bad);
        assert!(settings.is_none() && shown.contains(expected), "{bad}\n{shown}");
        assert!(
            shown.contains("bellwether.yaml:1:") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn trust_names_files_and_hosts() {
    let (settings, _) = read("trust: /etc/ca.pem\n");
    assert_eq!(settings.expect("settings").trust[0].path, PathBuf::from("/etc/ca.pem"));
    let (settings, _) = read("trust: { certificates: /etc/leaf.pem, for: [a.example, '192.0.2.7', '2001:db8::7'] }\n");
    assert_eq!(
        settings.expect("settings").trust[0].hosts,
        ["a.example", "192.0.2.7", "2001:db8::7"]
    );
    for (bad, expected) in [
        ("trust: { for: a.example }", "names no file"),
        (
            "trust: { certificates: /etc/a.pem, for: https://a.example }",
            "is no host",
        ),
        (
            "trust: { certificates: /etc/a.pem, for: 'a.example:443' }",
            "is no host",
        ),
        ("trust: { certificates: /etc/a.pem, for: '*.example' }", "is no host"),
        ("trust: { file: /etc/a.pem }", "certificates"),
        ("trust: '-----BEGIN CERTIFICATE-----'", "do not belong here"),
        (
            "smtp: { url: smtp://mail.example, from: a@b.example, authorities: /etc/a.pem }",
            "trust: FILE.pem",
        ),
    ] {
        let (settings, shown) = read(bad);
        assert!(settings.is_none() && shown.contains(expected), "{bad}\n{shown}");
    }
}

#[test]
fn hello_is_a_name_that_relays_take() {
    let of = |name: &str| {
        read(&format!(
            "smtp: {{ url: smtp://mail.example, from: a@b.example, hello: '{name}' }}\n"
        ))
    };
    for (name, kept) in [
        ("bell.contoso.example", "bell.contoso.example"),
        ("[192.0.2.7]", "[192.0.2.7]"),
        ("[IPv6:2001:db8::7]", "[IPv6:2001:db8::7]"),
    ] {
        let (settings, shown) = of(name);
        assert_eq!(
            settings.expect("settings").smtp.expect("a relay").hello.as_deref(),
            Some(kept)
        );
        assert_eq!(shown, "");
    }
    for short in ["bell", "[127.0.0.1]", "localhost"] {
        let (settings, shown) = of(short);
        assert!(
            settings.is_some() && shown.contains("they want a name that the DNS knows"),
            "{shown}"
        );
    }
    for bad in [
        "",
        "a b",
        "-a.example",
        "a..b",
        "http://a.example",
        "[x]",
        "a.example\r\nMAIL",
        "bücher.example",
    ] {
        let (settings, shown) = of(&bad.replace('\r', "").replace('\n', " "));
        assert!(settings.is_none(), "{bad} {shown}");
    }
}

#[test]
fn variables_that_are_not_followed_are_named_without_their_values() {
    let settings = Settings::default();
    let environment =
        |set: &'static str| move |name: &str| (name == set).then(|| OsString::from("http://ada:hunter2@proxy:3128"));
    for name in VARIABLES {
        let said = unused_proxy_variables(&settings, environment(name)).expect("a warning");
        assert!(said.starts_with(name) && !said.contains("hunter2"), "{said}");
    }
    assert_eq!(unused_proxy_variables(&settings, |_| None), None);
    assert_eq!(unused_proxy_variables(&settings, |_| Some(OsString::new())), None);
    let with = Settings {
        proxy: Some(Proxy::default()),
        ..Settings::default()
    };
    assert_eq!(unused_proxy_variables(&with, environment("HTTPS_PROXY")), None);
}
