use crate::customer::Customers;
use crate::event::{EventType, Kind, Stage};
use crate::problem::Problem;
use crate::rule::RuleSet;
use crate::rule::check::{Checked, Deciding, Source, check, recheck, restore};

const AROUND: &str = "receivers: { a: [{ email: a@contoso.example }] }
subscriptions: { production: [11111111-aaaa-4bbb-8ccc-111111111111, 22222222-aaaa-4bbb-8ccc-222222222222], one: 11111111-aaaa-4bbb-8ccc-111111111111 }
rules:
- { name: all, when: { event type: Service issue }, notify: a, invite: a }
";

fn settings() -> Deciding {
    Deciding::new(Customers::one_organisation(), None, false).expect("settings")
}

fn source(rule: &str) -> Source {
    Source {
        path: "a.yaml".to_owned(),
        text: format!("{AROUND}- {{ name: r, {rule} }}\n"),
    }
}

fn checked(rule: &str) -> Checked {
    check(&[source(rule)], &Default::default(), &settings())
}

fn errors(rule: &str) -> Vec<String> {
    let problems = checked(rule).problems;
    problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(Problem::to_string)
        .collect()
}

/// The errors of a rule that tells `a` when.
fn of_when(when: &str) -> String {
    errors(&format!("notify: a, when: {{ {when} }}")).join("\n")
}

#[test]
fn words_that_never_stand_together_are_an_error_that_says_what_does() {
    insta::assert_snapshot!([
        "event type: Planned maintenance, kind: preliminary review",
        "event type: Maintenance, kind: [mitigation, PIR]",
        "event type: Planned maintenance, kind: retrospective",
        "event type: Health advisory, kind: final review",
        "event type: [Health advisory, Billing], kind: mitigation",
        "event type: Planned maintenance, stage: RCA",
        "event type: Service issue, stage: [Planned, In progress]",
        "event type: Health advisory, stage: RCA",
        "event type: Security advisory, stage: Rescheduled",
        "stage: RCA, kind: mitigation",
        "event type: Service issue, stage: RCA, kind: update",
        "event type: Service issue, stage: Resolved, kind: update",
        "event type: Service issue, kind: rules-broken",
        "provider: azure, kind: rules-broken",
        "provider: bellwether",
        "provider: bellwether, kind: mitigation",
        "provider: bellwether, event type: Planned maintenance",
    ].map(of_when).join("\n"), @r"
    a.yaml:5:66: Planned maintenance never has the kind preliminary-review: this never matches (hint: its kinds are update, retraction)
    a.yaml:5:58: Planned maintenance never has the kind mitigation or final-review: this never matches (hint: its kinds are update, retraction)
    a.yaml:5:66: Planned maintenance never has the kind retrospective: this never matches (hint: its kinds are update, retraction)
    a.yaml:5:62: Health advisory never has the kind final-review: this never matches (hint: its kinds are update, retraction, retrospective, recording)
    a.yaml:5:73: Health advisory or Billing never has the kind mitigation: this never matches (hint: its kinds are update, retraction, retrospective, recording)
    a.yaml:5:66: Planned maintenance never has the stage RCA: this never matches (hint: its stages are Active, Resolved, Planned, In progress, Rescheduled, Canceled, Complete, Unknown)
    a.yaml:5:60: Service issue never has the stage Planned or In progress: this never matches (hint: its stages are Active, Resolved, RCA, Unknown)
    a.yaml:5:62: Health advisory never has the stage RCA: this never matches (hint: its stages are Active, Resolved, Unknown)
    a.yaml:5:64: Security advisory never has the stage Rescheduled: this never matches (hint: its stages are Active, Resolved, RCA, Unknown)
    a.yaml:5:45: what has the stage RCA is never of the kind mitigation: this never matches (hint: its kinds are update, preliminary-review, final-review, retraction, retrospective, recording; `stage` may simply be left out)
    a.yaml:5:72: no event has this event type, stage and kind at once: this never matches (hint: with these types and stages there are preliminary-review, final-review, retraction, retrospective, recording)
    a.yaml:5:77: no event has this event type, stage and kind at once: this never matches (hint: with these types and stages there are mitigation, preliminary-review, final-review, retraction, retrospective, recording)
    a.yaml:5:60: Service issue never has the kind rules-broken: this never matches (hint: its kinds are update, mitigation, preliminary-review, final-review, retraction, retrospective, recording)
    a.yaml:5:33: azure never sends an event of this type, stage and kind: this never matches (hint: its kinds are update, mitigation, preliminary-review, final-review, retraction, retrospective, recording)
    a.yaml:5:33: bellwether never sends an event of this type, stage and kind: this never matches (hint: bellwether's own events are of the type Health advisory, reminders of their incident's; name their `kind`: rules-broken, rules-mended, journal-lost, set-aside, clock-jumped, mail-refused, receiver-failing, receiver-back, not-understood, review-due, review-overdue, repair-due, update-overdue, maintenance-starting, maintenance-over, claim-possible, case-due, claim-due, claim-unanswered)
    a.yaml:5:33: bellwether never sends an event of this type, stage and kind: this never matches (hint: bellwether's own events are of the type Health advisory, reminders of their incident's; name their `kind`: rules-broken, rules-mended, journal-lost, set-aside, clock-jumped, mail-refused, receiver-failing, receiver-back, not-understood, review-due, review-overdue, repair-due, update-overdue, maintenance-starting, maintenance-over, claim-possible, case-due, claim-due, claim-unanswered)
    a.yaml:5:33: bellwether never sends an event of this type, stage and kind: this never matches (hint: bellwether's own events are of the type Health advisory, reminders of their incident's; name their `kind`: rules-broken, rules-mended, journal-lost, set-aside, clock-jumped, mail-refused, receiver-failing, receiver-back, not-understood, review-due, review-overdue, repair-due, update-overdue, maintenance-starting, maintenance-over, claim-possible, case-due, claim-due, claim-unanswered)
    ");
}

#[test]
fn what_an_event_can_be_is_no_error() {
    for when in [
        "event type: Service issue, stage: [Planned, RCA]",
        "event type: [Planned maintenance, Service issue], kind: final review",
        "event type: Health advisory, kind: retrospective",
        "event type: Security advisory, kind: [mitigation, final review]",
        "event type: Service issue, stage: Active, kind: [mitigation, final review, retraction, recording]",
        "event type: Planned maintenance, stage: [Planned, Active, Resolved, Canceled]",
        "event type: Planned maintenance, stage: Resolved, kind: update",
        "event type: Billing, stage: RCA",
        "stage: RCA, kind: retrospective",
        "stage: RCA, kind: update, event type: Billing",
        "kind: rules-broken",
        "provider: bellwether, kind: [rules-broken, rules-mended], stage: Resolved",
        "provider: aws, event type: Planned maintenance, kind: final review",
        "provider: [azure, google], event type: Health advisory, stage: RCA",
        "level: Critical",
    ] {
        assert_eq!(of_when(when), "", "{when}");
    }
}

#[test]
fn every_single_word_can_match() {
    for event_type in EventType::ALL {
        assert_eq!(of_when(&format!("event type: {event_type}")), "");
    }
    for stage in Stage::ALL {
        assert_eq!(of_when(&format!("stage: {stage}")), "");
    }
    for kind in Kind::ALL {
        assert_eq!(of_when(&format!("kind: {kind}")), "");
    }
}

#[test]
fn an_unless_that_takes_everything_away_is_an_error() {
    for (when, unless) in [
        ("stage: Active", "{ stage: Active }"),
        ("stage: Active, title: '*SQL*'", "{ stage: [Active, Resolved] }"),
        ("stage: Active", "[{ kind: final review }, { stage: Active }]"),
        (
            "kind: update",
            "{ stage: [Active, Planned, In progress, Rescheduled, Canceled, Complete, Resolved, RCA, Unknown] }",
        ),
        (
            "event type: Service issue",
            "[{ stage: Active }, { stage: [Resolved, RCA, Unknown] }]",
        ),
        ("event type: Planned maintenance", "{ kind: [update, retraction] }"),
        ("level: [Error, Warning]", "{ level: [Warning, Error, Critical] }"),
        ("subscriptions: production", "{ subscriptions: production }"),
        ("subscriptions: one", "{ subscriptions: production }"),
        (
            "subscriptions: 11111111-aaaa-4bbb-8ccc-111111111111",
            "{ subscriptions: one }",
        ),
        ("service: Storage", "{ service: Storage }"),
        (
            "service: Azure Active Directory, region: Global",
            "{ service: Microsoft Entra ID }",
        ),
        (
            "service: Storage, region: [East US, West US]",
            "{ region: [westus, eastus] }",
        ),
        (
            "impact: [{ service: Storage, region: East US }, { service: Key Vault }]",
            "{ impact: [{ service: Key Vault }, { region: East US }] }",
        ),
        (
            "service: Storage, region: [East US, West US]",
            "{ impact: [{ service: Storage, region: East US }, { region: West US }] }",
        ),
        ("title: '*SQL*'", "{ title: '*sql*' }"),
        ("title: '*SQL database*'", "{ title: '*SQL*' }"),
        ("title: [Drill, 'a drill']", "{ title: '*drill' }"),
        ("text: '/SQL|disk/'", "{ text: '/SQL|disk/' }"),
        ("stage: Active", "{ title: '*' }"),
        ("stage: Active", "{ text: '/.*/' }"),
        ("tracking id: 'ABCD-123'", "{ tracking id: 'ABCD-*' }"),
        ("subtype: Retirement", "{ subtype: [retirement, Underbilling] }"),
        ("properties: { team: a }", "{ properties: { team: [a, b] } }"),
    ] {
        let told = errors(&format!("notify: a, when: {{ {when} }}, unless: {unless}"));
        assert!(
            told.len() == 1 && told[0].contains("takes away everything that `when` keeps"),
            "{when} unless {unless}: {told:?}"
        );
    }
}

#[test]
fn an_unless_that_leaves_something_is_none() {
    for (when, unless) in [
        ("stage: [Active, Resolved]", "{ stage: Active }"),
        ("stage: Active", "{ stage: Active, title: '*drill*' }"),
        ("event type: Service issue", "[{ stage: Active }, { stage: Resolved }]"),
        ("", "{ provider: azure }"),
        ("", "{ level: [Critical, Error, Warning, Informational] }"),
        ("subscriptions: production", "{ subscriptions: one }"),
        ("stage: Active", "{ subscriptions: production }"),
        ("service: Storage", "{ service: Storage, region: East US }"),
        ("stage: Active", "{ service: Storage }"),
        (
            "service: Storage, region: [East US, West US]",
            "{ impact: [{ service: Storage, region: East US }, { service: Key Vault, region: West US }] }",
        ),
        ("title: '*SQL*'", "{ title: '*SQL database*' }"),
        ("title: 'a*b'", "{ title: 'a?b' }"),
        ("title: '*drill*'", "{ title: '/drill/' }"),
        (r"text: '/\w/'", r"{ text: '/\W/' }"),
        ("properties: { team: a }", "{ properties: { owner: a } }"),
        ("title: '*SQL*'", "{ text: '*SQL*' }"),
    ] {
        let told = errors(&format!("notify: a, when: {{ {when} }}, unless: {unless}"));
        assert!(told.is_empty(), "{when} unless {unless}: {told:?}");
    }
}

#[test]
fn an_unless_that_takes_nothing_away_is_a_warning_and_one_that_contradicts_itself_an_error() {
    let rule = "notify: a, when: { stage: Active }, unless: { stage: RCA }";
    let warned: Vec<String> = checked(rule).problems.iter().map(Problem::to_string).collect();
    assert!(
        errors(rule).is_empty() && warned.iter().any(|one| one.contains("takes nothing away")),
        "{warned:?}"
    );
    let told = errors("notify: a, when: {}, unless: { event type: Planned maintenance, kind: final review }");
    assert!(
        told.len() == 1 && told[0].contains("never has the kind final-review"),
        "{told:?}"
    );
}

#[test]
fn a_rule_that_only_invites_to_what_never_comes_is_an_error() {
    for when in [
        "kind: mitigation",
        "event type: Planned maintenance",
        "event type: Billing, stage: Active",
    ] {
        let told = errors(&format!("invite: a, when: {{ {when} }}"));
        assert!(
            told.len() == 1 && told[0].contains("this rule never tells anybody"),
            "{when}: {told:?}"
        );
        assert_eq!(
            errors(&format!("invite: a, notify: a, when: {{ {when} }}")),
            [""; 0],
            "{when}"
        );
    }
    assert_eq!(errors("invite: a, when: { event type: Service issue }"), [""; 0]);
}

#[test]
fn negations_are_told_where_to_write_what_is_left_out() {
    insta::assert_snapshot!([
        "subscriptions: not production", "subscriptions: '!production'", "subscriptions: !production",
        "event type: '!Planned maintenance'", "event type: !Planned maintenance", "event type: not Planned maintenance",
        "stage: '!= Active'", "kind: except update", "level: '<> Informational'", "service: '!Storage'",
        "service: all but Storage", "region: not East US", "region: [East US, !West Europe]", "title: '!Planned maintenance'",
        "title: '!*drill*'", "text: '!= drill'", "tracking id: 'not ABCD-123'", "title: 'not /drill/'",
    ].map(of_when).join("\n"), @r#"
    a.yaml:5:48: there is no group of subscriptions `not production` (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { subscriptions: production }`)
    a.yaml:5:48: there is no group of subscriptions `!production` (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { subscriptions: production }`)
    a.yaml:5:59: `!production` is a tag for YAML, which drops it: it does not mean "not" (hint: write what is to be left out under `unless:` of the rule; quote a text that begins with `!`)
    a.yaml:5:59: a group of subscriptions, or an id is missing here
    a.yaml:5:45: `!Planned maintenance` is no event type (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { event type: Planned maintenance }`)
    a.yaml:5:54: `!Planned` is a tag for YAML, which drops it: it does not mean "not" (hint: write what is to be left out under `unless:` of the rule; quote a text that begins with `!`)
    a.yaml:5:45: `not Planned maintenance` is no event type (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { event type: Planned maintenance }`)
    a.yaml:5:40: `!= Active` is no stage (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { stage: Active }`)
    a.yaml:5:39: `except update` is no kind (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { kind: update }`)
    a.yaml:5:40: `<> Informational` is no level (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { level: Informational }`)
    a.yaml:5:42: `!Storage` is the name of no service (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { service: Storage }`)
    a.yaml:5:42: `all but Storage` is the name of no service (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { service: Storage }`)
    a.yaml:5:41: `not East US` is the name of no region (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { region: East US }`)
    a.yaml:5:57: `!West` is a tag for YAML, which drops it: it does not mean "not" (hint: write what is to be left out under `unless:` of the rule; quote a text that begins with `!`)
    a.yaml:5:40: `!Planned maintenance` looks for these very characters: a pattern has no "not" (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { title: "Planned maintenance" }`)
    a.yaml:5:40: `!*drill*` looks for these very characters: a pattern has no "not" (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { title: "*drill*" }`)
    a.yaml:5:39: `!= drill` looks for these very characters: a pattern has no "not" (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { text: "drill" }`)
    a.yaml:5:46: `not ABCD-123` looks for these very characters: a pattern has no "not" (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { tracking id: "ABCD-123" }`)
    a.yaml:5:40: `not /drill/` looks for these very characters: a pattern has no "not" (hint: there is no "not" in a condition; write what is left out beside `when`: `unless: { title: "/drill/" }`)
    "#);
}

#[test]
fn ids_that_no_event_carries_are_errors_wherever_they_stand() {
    insta::assert_snapshot!([
        "subscriptions: 11111111-aaaa-4bbb-8ccc-11111111111",
        "subscriptions: [/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111/resourceGroups/web]",
        "subscriptions: 00000000-0000-0000-0000-000000000000",
    ].map(of_when).join("\n"), @r"
    a.yaml:5:48: `11111111-aaaa-4bbb-8ccc-11111111111` is nearly the id of a subscription, and matches none: part 5 has 11 digits, not 12 (hint: an id has 8-4-4-4-12 digits: 0 to 9 and a to f)
    a.yaml:5:49: this names a part of a subscription, and service-health events are for whole subscriptions (hint: write `11111111-aaaa-4bbb-8ccc-111111111111`: its events are told whatever part of it they touch)
    a.yaml:5:48: this id of zeros stands for no subscription: no event carries it (hint: write the id of the subscription)
    ");
    assert_eq!(
        of_when("subscriptions: /subscriptions/11111111-AAAA-4bbb-8ccc-111111111111/"),
        ""
    );
    let in_group = |id: &str| {
        let text = format!("subscriptions: {{ all: ['{id}'] }}\nrules: []\n");
        let source = Source {
            path: "a.yaml".to_owned(),
            text,
        };
        check(&[source], &Default::default(), &settings())
    };
    for id in [
        "11111111-aaaa-4bbb-8ccc-11111111111",
        "/subscriptions/x/providers/y",
        "<id>",
        "not production",
    ] {
        assert!(in_group(id).problems.iter().any(Problem::is_error), "{id}");
    }
    let taken = in_group("/subscriptions/11111111-aaaa-4bbb-8ccc-111111111111");
    assert!(!taken.problems.iter().any(Problem::is_error), "{:?}", taken.problems);
    let groups = &taken.set.files["a.yaml"].groups;
    assert!(
        groups["all"].contains("11111111-aaaa-4bbb-8ccc-111111111111"),
        "{groups:?}"
    );
}

/// A file that was good for a former version and is an error now stays in force, and is told.
#[test]
fn what_was_in_force_stays_so_when_it_is_an_error_now() {
    for rule in [
        "notify: a, when: { event type: Planned maintenance, kind: preliminary review }",
        "notify: a, when: { stage: Active }, unless: { stage: Active }",
        "notify: a, when: { title: '!*drill*' }",
        "notify: a, when: { service: '!Storage' }",
        "notify: a, when: {}, unless: { title: “*drill*” }",
        "notify: a, when: { title: '/drill/i' }",
    ] {
        let sources = [source(rule)];
        // as a former version wrote it down: all of it is made again, whatever is said of it today
        let in_force = restore(&sources, &settings());
        assert_eq!(in_force["a.yaml"].rules.len(), 2, "{rule}");
        let after = check(&sources, &in_force.clone().into(), &settings());
        assert_eq!(after.broken.len(), 1, "{rule}: {:?}", after.problems);
        assert_eq!(
            (after.changed.len(), after.set.files["a.yaml"].rules.len()),
            (0, 2),
            "{rule}"
        );
    }
}

#[test]
fn an_address_that_is_an_error_now_is_told_by_what_was_in_force() {
    let text = "receivers: { a: [{ email: \"ops@contoso.example#x\" }] }\nrules: [{ name: r, when: {}, notify: a }]\n";
    let sources = [Source {
        path: "a.yaml".to_owned(),
        text: text.to_owned(),
    }];
    let in_force = restore(&sources, &settings());
    assert_eq!(in_force["a.yaml"].receivers[0].to.len(), 1);
    let checked = check(&sources, &std::collections::BTreeMap::new().into(), &settings());
    assert_eq!(checked.broken.len(), 1);
    assert!(checked.problems[0].what.contains("no `#`"), "{}", checked.problems[0]);
}

/// The first start after an upgrade looks at every file again, also at those that did not change.
#[test]
fn a_newer_rule_language_has_every_file_checked_again_and_changes_nothing_by_itself() {
    let sources = [source("notify: a, when: { stage: Active }, unless: { stage: Active }")];
    let text = settings().to_text().replace(",\"language\":3", "");
    let former = Deciding::from_text(&text).expect("settings");
    assert_eq!(former.to_text(), text, "as it was written down");
    let in_force = RuleSet::new(restore(&sources, &former), &former);
    assert!(in_force.is_decided_by(&former) && !in_force.is_decided_by(&settings()));
    let after = recheck(&sources, None, &in_force, &settings(), &|_, _| ());
    assert_eq!(
        (after.broken.len(), after.changed.len(), after.set.rules().count()),
        (1, 0, 2)
    );
    let unchanged = recheck(&sources, None, &in_force, &former, &|_, _| ());
    assert!(unchanged.problems.is_empty());
}
