//! A daemon with many customers, each with an account, a token and rule files of its own.

use std::path::Path;
use std::process::Command;

use super::events;
use super::process::{self, Process};

/// How many there are.
pub const CUSTOMERS: usize = 50;

/// The operator's token.
pub const OPERATOR: &str = "all-0123456789abcdef";

/// The token of one of them.
pub fn token(nth: usize) -> String {
    format!("c{nth}-0123456789abcdef")
}

/// Writes settings, and for each customer its rule files: names and texts.
pub fn write(dir: &Path, files: impl Fn(usize) -> Vec<(String, String)>) {
    let secrets = dir.join("secrets");
    std::fs::create_dir_all(&secrets).expect("a folder");
    std::fs::write(secrets.join("all"), OPERATOR).expect("a file");
    let mut settings = format!(
        "secrets: {}\ntokens: {{ operate: all }}\ncustomers:\n",
        secrets.display()
    );
    for nth in 0..CUSTOMERS {
        let rules = dir.join(format!("rules/c{nth}"));
        std::fs::create_dir_all(&rules).expect("a folder");
        for (name, text) in files(nth) {
            std::fs::write(rules.join(name), text).expect("a file");
        }
        std::fs::write(secrets.join(format!("c{nth}")), token(nth)).expect("a file");
        let account = events::subscription(nth);
        settings.push_str(&format!("  c{nth}: {{ accounts: [{account}], tokens: c{nth} }}\n"));
    }
    std::fs::write(dir.join("settings.yaml"), settings).expect("a file");
}

/// Starts the daemon with them.
pub async fn start(dir: &Path) -> Process {
    let port = process::free_port();
    let mut command = Command::new(process::binary());
    command
        .args(["serve", "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("--config")
        .arg(dir.join("settings.yaml"))
        .arg("--state")
        .arg(process::state(dir))
        .arg("--rules")
        .arg(dir.join("rules"));
    Process::start(command, port, "readyz").await
}

/// What a path answers, whatever its status.
pub async fn get(client: &reqwest::Client, daemon: &Process, path: &str, token: Option<&str>) -> (u16, String) {
    let request = client.get(format!("{}{path}", daemon.url));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}
