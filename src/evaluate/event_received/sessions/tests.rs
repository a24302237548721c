use super::*;
use crate::event::{Arrival, EventType, Form, Provider, Stage};

/// An invitation published at an hour of 1 December, to sessions that begin at these hours of 10 December.
#[derive(Clone)]
struct Said {
    at: u32,
    sessions: Vec<u32>,
    link: &'static str,
}

fn said(at: u32, sessions: &[u32]) -> Said {
    Said {
        at,
        sessions: sessions.to_vec(),
        link: "https://aka.ms/air/register",
    }
}

fn time(day: u32, hour: u32) -> crate::clock::Time {
    format!("2026-12-{day:02}T{hour:02}:00:00Z").parse().expect("a time")
}

fn event(said: &Said) -> Event {
    let session = |hour: &u32| Session {
        start: time(10, *hour),
        end: time(10, hour + 1),
    };
    Event {
        notes: Vec::new(),
        provider: Provider::Azure,
        source: None,
        tracking_id: "0NTJ-VV8".into(),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: Stage::Rca,
        kind: Kind::Retrospective,
        level: None,
        title: "Azure Incident Retrospective".into(),
        html: String::new(),
        text: "You are invited.".into(),
        impact: Vec::new(),
        accounts: Vec::new(),
        impact_start: None,
        impact_end: None,
        published: time(1, said.at),
        sessions: said.sessions.iter().map(session).collect(),
        link: url::Url::parse(said.link).ok(),
        properties: Default::default(),
        test: false,
        communication_id: None,
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        arrival: Arrival::Live,
        form: Form::AzureActivityLogWebhook,
        text_withheld: false,
        imported: None,
    }
}

/// Hears invitations one after the other; what each made of its sessions.
fn hear(all: &[Said]) -> Vec<Sessions> {
    let mut announced = Vec::new();
    let mut heard = Vec::new();
    for (nth, said) in all.iter().enumerate() {
        let (event, name) = (event(said), format!("text {nth}"));
        let sessions = Sessions::of(&event, &name, &announced);
        announced.push(Announced::of(
            &entry(nth, &event, &name, sessions.numbers()),
            Some(event),
        ));
        announced.sort_by_key(|one| one.published);
        heard.push(sessions);
    }
    heard
}

fn entry(nth: usize, event: &Event, name: &str, sessions: Vec<usize>) -> Entry {
    Entry {
        incident: crate::incident::IncidentId::of(event),
        communication: name.to_owned(),
        published: event.published,
        published_said: None,
        kind: event.kind,
        stage: event.stage,
        title: event.title.clone(),
        event: Position {
            seq: nth as u64,
            nth: 0,
        },
        heard: event.published,
        arrival: Arrival::Live,
        sessions,
    }
}

/// The number of each session, and how often it stood there before, after the last of these invitations.
fn last(all: &[Said]) -> Vec<(usize, usize)> {
    let heard = hear(all).pop().expect("an invitation");
    heard.known.iter().map(|one| (one.number, one.again)).collect()
}

fn numbers(all: &[Said]) -> Vec<usize> {
    last(all).into_iter().map(|(number, _)| number).collect()
}

#[test]
fn a_session_keeps_its_number_whatever_is_done_to_the_others() {
    let first = said(1, &[9, 17]);
    for (what, sessions, expected) in [
        ("reworded", vec![9, 17], vec![0, 1]),
        ("one inserted before", vec![8, 9, 17], vec![2, 0, 1]),
        ("one inserted between", vec![9, 12, 17], vec![0, 2, 1]),
        ("one added behind", vec![9, 17, 20], vec![0, 1, 2]),
        ("two inserted", vec![7, 8, 9, 17], vec![2, 3, 0, 1]),
        ("in another order", vec![17, 9], vec![1, 0]),
        ("the first removed", vec![17], vec![1]),
        ("the second removed", vec![9], vec![0]),
        ("the first moved", vec![11, 17], vec![0, 1]),
        ("the first moved behind the second", vec![17, 20], vec![1, 0]),
        ("both moved", vec![10, 18], vec![0, 1]),
        ("one inserted and one moved", vec![5, 9, 18], vec![2, 0, 1]),
        ("one replaced by two", vec![9, 16, 20], vec![0, 1, 2]),
    ] {
        assert_eq!(numbers(&[first.clone(), said(2, &sessions)]), expected, "{what}");
    }
}

#[test]
fn a_session_that_was_left_out_is_known_when_it_is_back() {
    assert_eq!(numbers(&[said(1, &[9, 17]), said(2, &[17]), said(3, &[9, 17])]), [0, 1]);
    assert_eq!(
        numbers(&[said(1, &[9, 17]), said(2, &[17]), said(3, &[17, 20])]),
        [1, 2]
    );
}

#[test]
fn a_session_that_has_begun_is_not_taken_for_one_that_was_moved() {
    let mut later = event(&said(1, &[20]));
    later.published = time(10, 12);
    let first = event(&said(1, &[9]));
    let announced = [Announced::of(&entry(0, &first, "first", Vec::new()), Some(first))];
    assert_eq!(Sessions::of(&later, "second", &announced).known(0).number, 1);
}

#[test]
fn an_invitation_is_told_again_when_times_or_link_change_and_when_they_change_back_and_else_never() {
    let (here, moved) = (said(1, &[9]), said(2, &[11]));
    let elsewhere = Said {
        at: 2,
        link: "https://aka.ms/air/other",
        ..here.clone()
    };
    let at = |at: u32, said: &Said| Said { at, ..said.clone() };
    assert_eq!(last(&[here.clone(), at(2, &here), at(3, &here)]), [(0, 0)], "reworded");
    assert_eq!(
        last(&[here.clone(), moved.clone()]),
        [(0, 0)],
        "moved: its times say so"
    );
    assert_eq!(
        last(&[here.clone(), moved.clone(), at(3, &here)]),
        [(0, 1)],
        "moved back"
    );
    assert_eq!(
        last(&[here.clone(), moved.clone(), at(3, &here), at(4, &moved)]),
        [(0, 1)],
        "moved there again"
    );
    assert_eq!(last(&[here.clone(), elsewhere.clone()]), [(0, 1)], "another link");
    assert_eq!(
        last(&[here.clone(), elsewhere.clone(), at(3, &elsewhere)]),
        [(0, 1)],
        "reworded after that"
    );
    assert_eq!(
        last(&[here.clone(), elsewhere, at(3, &here)]),
        [(0, 2)],
        "the first link again"
    );
    assert_eq!(
        last(&[said(1, &[9, 17]), said(2, &[17]), said(3, &[9, 17])]),
        [(0, 0), (1, 0)],
        "left out for a while: nobody's calendar has changed"
    );
}

#[test]
fn the_same_communication_for_another_subscription_says_the_same() {
    let all = [said(1, &[9, 17]), said(2, &[8, 9, 18]), said(3, &[9])];
    let heard = hear(&all);
    let events: Vec<Event> = all.iter().map(event).collect();
    let announced: Vec<Announced> = events
        .iter()
        .enumerate()
        .map(|(nth, event)| {
            let entry = entry(nth, event, &format!("text {nth}"), heard[nth].numbers());
            Announced::of(&entry, Some(event.clone()))
        })
        .collect();
    for (nth, event) in events.iter().enumerate() {
        let again = Sessions::of(event, &format!("text {nth}"), &announced);
        assert_eq!(again.known, heard[nth].known, "{nth}");
    }
}

#[test]
fn numbers_that_were_sent_before_they_were_written_down_stay() {
    // the version before sent a session's index as its number, so a session that was inserted moved the others
    let events = [event(&said(1, &[9, 17])), event(&said(2, &[8, 9, 17]))];
    let announced: Vec<Announced> = events
        .iter()
        .enumerate()
        .map(|(nth, event)| {
            Announced::of(
                &entry(nth, event, &format!("text {nth}"), Vec::new()),
                Some(event.clone()),
            )
        })
        .collect();
    let now = Sessions::of(&event(&said(3, &[8, 9, 18])), "text 3", &announced);
    assert_eq!(
        (0..3).map(|index| now.known(index).number).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn a_number_whose_event_is_lost_is_given_to_no_other_session() {
    let first = event(&said(1, &[9]));
    let announced = [Announced::of(&entry(0, &first, "first", vec![4, 5]), None)];
    assert_eq!(
        Sessions::of(&event(&said(2, &[9])), "second", &announced)
            .known(0)
            .number,
        6
    );
}

#[test]
fn the_sequence_grows_with_every_other_communication() {
    let heard = hear(&[said(1, &[9]), said(2, &[9]), said(3, &[9])]);
    assert_eq!(heard.iter().map(|one| one.sequence).collect::<Vec<_>>(), [0, 1, 2]);
}
