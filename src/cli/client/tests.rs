//! What is asked, and what is said when the answer is no.

use super::*;
use crate::cli::failure::described;

fn client(server: &str, token: Option<&str>) -> Client {
    let token = token.map(|token| (token, "$BELLWETHER_TOKEN"));
    Client::new(server, token).expect("a client")
}

#[test]
fn who_is_refused_is_told_what_to_type() {
    let refused =
        |token, status, body: &[u8]| described(&client("http://127.0.0.1:8080", token).refused(status, body).into()).0;
    let headers = br#"{"error": {"what": "a token for `read` is needed", "hint": "send `Authorization: Bearer`"}}"#;
    assert_eq!(
        refused(None, StatusCode::UNAUTHORIZED, headers),
        "error: http://127.0.0.1:8080: a token for `read` is needed\n\
         hint: give a token: with `--token-file FILE`, or in $BELLWETHER_TOKEN\n"
    );
    let wrong = refused(Some("hunter2"), StatusCode::UNAUTHORIZED, headers);
    assert!(
        wrong.contains("the token is from $BELLWETHER_TOKEN; give another one with `--token-file FILE`"),
        "{wrong}"
    );
    let settings = br#"{"error": {"what": "closed", "hint": "name a secret in the settings"}}"#;
    let closed = refused(None, StatusCode::FORBIDDEN, settings);
    assert!(
        closed.ends_with("$BELLWETHER_TOKEN; name a secret in the settings\n") && closed.contains("--token-file"),
        "{closed}"
    );
    let missing = br#"{"error": {"what": "no event of this id is known", "hint": "look"}}"#;
    assert!(refused(None, StatusCode::NOT_FOUND, missing).ends_with("\nhint: look\n"));
}

#[test]
fn a_file_that_holds_no_token_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("token");
    let said = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        let server = Server {
            server: None,
            token_file: Some(path.clone()),
        };
        server.client().err().map(|error| described(&error))
    };
    for wrong in ["", "\n", "\u{feff}\r\n", "two words", "one\ntwo\n"] {
        let (text, exit) = said(wrong).expect("refused");
        assert_eq!(exit, Exit::Usage, "{wrong:?}");
        assert!(text.contains("--token-file") && !text.contains("words"), "{text}");
    }
    for right in ["hunter2", "hunter2\n", "\u{feff}hunter2\r\n"] {
        assert_eq!(said(right), None, "{right:?}");
    }
}

#[test]
fn ids_with_slashes_stay_one_segment_and_a_base_path_is_kept() {
    let client = client("https://health.example.com/bw/", None);
    let url = client.url(&["incidents", "202411131002/sg1"], &[("provider", "azure".to_owned())]);
    assert_eq!(
        url.as_str(),
        "https://health.example.com/bw/v1/incidents/202411131002%2Fsg1?provider=azure"
    );
}

#[test]
fn an_error_names_the_server_and_nothing_secret() {
    let client = client("http://ada:hunter2@127.0.0.1:8080/x?token=hunter3", Some("hunter4"));
    let body = br#"{"error": {"what": "this token may not read\u001b[2J"}}"#;
    let (text, exit) = described(&client.refused(StatusCode::FORBIDDEN, body).into());
    assert_eq!(exit, Exit::Failed);
    assert!(
        text.starts_with("error: http://127.0.0.1:8080: this token may not read [2J\nhint: "),
        "{text}"
    );
    assert!(!text.contains("hunter"), "{text}");
}

#[test]
fn what_is_no_url_is_wrong_usage() {
    for server in ["127.0.0.1:8080", "ftp://example.com", ""] {
        let error = Client::new(server, None).err().expect("refused");
        assert_eq!(described(&error).1, Exit::Usage, "{server}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_named_with_a_hint() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let error = client(&format!("http://{free}"), None)
        .get(&["events"], &[])
        .await
        .expect_err("nobody there");
    let (text, exit) = described(&error);
    assert_eq!(exit, Exit::Failed);
    assert!(
        text.starts_with(&format!("error: no answer from http://{free}: Connection refused")),
        "{text}"
    );
    assert!(text.contains("\nhint: is the daemon running there?"), "{text}");
}
