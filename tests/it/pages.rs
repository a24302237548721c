//! The pages, in a real browser.

use std::process::Command;

use crate::world::{Azure, World};

const RULES: &str = r#"
receivers: { hook: [{ webhook: { url: "{hooks}/hook" } }] }
rules:
  - { name: Service issues, when: { event type: Service issue }, notify: hook, settle: 0s }
  - { name: Maintenance, when: { event type: Planned maintenance }, notify: hook }
"#;

/// What the browser made of a page: the document after it was loaded, and what it complained of.
fn browse(url: &str) -> (String, String) {
    let profile = tempfile::tempdir().expect("a folder");
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok());
    let out = Command::new(browser.expect("a browser; `tests/run` installs chromium"))
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--enable-logging=stderr", "--log-level=0", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .expect("runs");
    let complaints = String::from_utf8_lossy(&out.stderr)
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect::<Vec<_>>()
        .join("\n");
    (String::from_utf8_lossy(&out.stdout).into_owned(), complaints)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_an_incident_tells_its_story_and_runs_nothing_of_what_strangers_wrote() {
    let world = World::with(&[("contoso/rules.yaml", RULES)]).await;
    let hostile = Azure {
        title: "VMs <script>document.title='owned'</script> down",
        text: "<p>Down.</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><p onclick=\"x()\">since 08:40</p>".into(),
        ..Azure::active()
    };
    world.hear(&hostile.json()).await;
    world.hear(&Azure::mitigated().json()).await;
    world.hear(&Azure::preliminary().json()).await;
    world.pass(0).await;
    let url = world.url("/incidents/VVTQ-J98");
    let (page, complaints) = tokio::task::spawn_blocking(move || browse(&url))
        .await
        .expect("browses");
    assert!(
        page.contains("Virtual Machines - East US - Mitigated") && page.contains("A switch failed."),
        "{page}"
    );
    assert!(page.contains("since 08:40") && page.contains("delivered"), "{page}");
    assert!(page.contains("Maintenance"), "why another rule did not match: {page}");
    assert!(
        !page.contains("<title>owned") && !page.contains("onerror") && !page.contains("<script"),
        "{page}"
    );
    assert_eq!(complaints, "", "the page breaks none of its own rules");
    let (status, page) = world.page("/incidents/NOBODY-KNOWS").await;
    assert!(status == 404 && page.contains("<h1"), "a page says so too: {page}");
    let list = world.url("/");
    let (page, complaints) = tokio::task::spawn_blocking(move || browse(&list))
        .await
        .expect("browses");
    assert!(page.contains("VVTQ-J98"), "{page}");
    assert_eq!(complaints, "");
}
