//! What is kept of refused bodies, how long, and that nobody reads it without the key.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn begin() -> Time {
    "2026-11-24T09:00:00Z".parse().expect("a time")
}

fn posted(what: &str) -> Posted {
    Posted {
        source: Some("azure".to_owned()),
        arrival: Some(Arrival::Live),
        account: None,
        why: Why {
            status: 400,
            what: what.to_owned(),
            field: Some("data".to_owned()),
            offset: Some(3),
            hint: None,
        },
    }
}

fn opened(dir: &tempfile::TempDir, sealer: &Sealer) -> Refused {
    Refused::open(&dir.path().join("refused"), sealer.clone()).expect("opens")
}

fn files(dir: &tempfile::TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path().join("refused")).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn a_body_is_sealed_and_read_back_after_a_restart() {
    let (dir, sealer) = (tempfile::tempdir().expect("a folder"), Sealer::throwaway());
    let body = b"{\"secret words\": \xff}";
    let id = opened(&dir, &sealer)
        .keep(body, posted("the body is not UTF-8"), begin())
        .expect("kept");
    let files = files(&dir);
    let text = fs::read_to_string(&files[0]).expect("a file");
    assert!(!text.contains("secret") && !text.contains("UTF-8") && !text.contains(&BASE64.encode(body)));
    assert_eq!(files[0].metadata().expect("a file").permissions().mode() & 0o777, 0o600);
    let again = opened(&dir, &sealer);
    let (line, found) = again.find(&id).expect("reads").expect("is kept");
    assert_eq!(
        (found.as_slice(), line.at, line.bytes),
        (body.as_slice(), begin(), body.len())
    );
    assert_eq!(line.posted, Some(posted("the body is not UTF-8")));
    again
        .refused_again(&id, posted("another reason").why)
        .expect("is written");
    let why = |refused: &Refused| refused.list(begin())[0].posted.clone().expect("opens").why.what;
    assert_eq!(
        (why(&again), why(&opened(&dir, &sealer))),
        ("another reason".to_owned(), "another reason".to_owned())
    );
    again.remove(&id).expect("is removed");
    assert!(again.find(&id).expect("reads").is_none() && opened(&dir, &sealer).list(begin()).is_empty());
}

#[test]
fn the_same_body_is_kept_once_and_counted() {
    let (dir, sealer) = (tempfile::tempdir().expect("a folder"), Sealer::throwaway());
    let refused = opened(&dir, &sealer);
    let first = refused.keep(b"x", posted("a"), begin()).expect("kept");
    let later = begin() + chrono::Duration::hours(1);
    assert_eq!(refused.keep(b"x", posted("b"), later).expect("kept"), first);
    let history = Posted {
        arrival: Some(Arrival::History),
        ..posted("a")
    };
    assert_ne!(
        refused.keep(b"x", history, later).expect("kept"),
        first,
        "it is to be taken otherwise"
    );
    let lines = refused.list(later);
    assert_eq!((lines.len(), lines[1].times, lines[1].last), (2, 2, later));
    assert_eq!(files(&dir).len(), 2);
}

#[test]
fn number_size_and_age_are_bounded_and_the_oldest_go_first() {
    let (dir, sealer) = (tempfile::tempdir().expect("a folder"), Sealer::throwaway());
    let mut refused = opened(&dir, &sealer);
    assert_eq!(
        (refused.limits.bodies, refused.limits.all_bytes),
        (BODIES_MOST, ALL_BYTES_MOST)
    );
    refused.limits = Limits {
        bodies: 5,
        all_bytes: 32 << 10,
    };
    for nth in 0..8 {
        let at = begin() + chrono::Duration::seconds(nth);
        refused.keep(nth.to_string().as_bytes(), posted("a"), at).expect("kept");
    }
    let at = begin() + chrono::Duration::hours(1);
    assert_eq!(refused.count(at), (5, 3));
    let oldest = refused.list(at).pop().expect("one");
    assert_eq!(oldest.at, begin() + chrono::Duration::seconds(3));
    for nth in 0..3 {
        let at = at + chrono::Duration::seconds(i64::from(nth));
        refused.keep(&vec![nth; 8 << 10], posted("large"), at).expect("kept");
    }
    let on_disk: u64 = files(&dir)
        .iter()
        .map(|path| path.metadata().expect("a file").len())
        .sum();
    assert!(on_disk > 16 << 10 && on_disk <= 32 << 10, "{on_disk}");
    assert_eq!(refused.count(at).0, files(&dir).len());
    assert!(
        refused
            .keep(&vec![0; BODY_BYTES_MOST + 1], posted("larger"), at)
            .is_err()
    );
    let much_later = at + chrono::Duration::days(KEPT_DAYS + 1);
    assert!(refused.list(much_later).is_empty() && files(&dir).is_empty());
}

#[test]
fn what_does_not_open_is_listed_and_left_and_what_was_half_written_goes() {
    let (dir, sealer) = (tempfile::tempdir().expect("a folder"), Sealer::throwaway());
    let id = opened(&dir, &sealer).keep(b"x", posted("a"), begin()).expect("kept");
    fs::write(dir.path().join("refused/20261124T090000000Z-00000000.body.tmp"), "half").expect("a file");
    fs::write(dir.path().join("refused/readme.body"), "no name of ours").expect("a file");
    let other_key = opened(&dir, &Sealer::throwaway());
    let lines = other_key.list(begin());
    assert_eq!(
        (lines.len(), lines[0].id.as_str(), lines[0].at),
        (1, id.as_str(), begin())
    );
    assert!(lines[0].posted.is_none() && other_key.find(&id).is_err());
    assert_eq!(files(&dir).len(), 2);
    assert_eq!(
        opened(&dir, &sealer).find(&id).expect("reads").expect("is kept").1,
        b"x"
    );
}

#[test]
fn the_operator_is_told_once_a_day() {
    let (dir, sealer) = (tempfile::tempdir().expect("a folder"), Sealer::throwaway());
    let refused = opened(&dir, &sealer);
    let told: Vec<bool> = [0, 1, 14, 15, 40]
        .iter()
        .map(|hours| refused.is_to_be_told(begin() + chrono::Duration::hours(*hours)))
        .collect();
    assert_eq!(told, [true, false, false, true, true]);
}
