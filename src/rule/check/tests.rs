use super::*;
use crate::customer::Customer;
use crate::customer::Customers;
use crate::rule::test::Outcome;

const PRODUCTION: &str = include_str!("../../../tests/fixtures/rules/contoso/production.yaml");

fn one_organisation() -> Deciding {
    Deciding::new(Customers::one_organisation(), None, false).expect("settings")
}

fn with_customers() -> Deciding {
    let contoso = Customer {
        contact: Some("ops@contoso.example".to_owned()),
        accounts: ["1", "2"]
            .map(|n| format!("{0}-aaaa-4bbb-8ccc-{1}", n.repeat(8), n.repeat(12)))
            .into(),
        ..Customer::default()
    };
    let by_name = BTreeMap::from([
        (CustomerId::new("contoso"), contoso),
        (CustomerId::new("fabrikam"), Customer::default()),
    ]);
    let customers = Customers {
        by_name: Some(by_name),
        contact: Some("noc@provider.example".to_owned()),
    };
    Deciding::new(customers, None, false).expect("settings")
}

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    files
        .iter()
        .map(|(path, text)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        })
        .collect()
}

fn checked(files: &[(&str, &str)]) -> Checked {
    check(&sources(files), &Files::default(), &one_organisation())
}

fn errors(checked: &Checked) -> Vec<String> {
    checked
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(Problem::to_string)
        .collect()
}

fn broken(checked: &Checked) -> Vec<&str> {
    checked.broken.iter().map(|broken| broken.path.as_str()).collect()
}

const RECEIVERS: &str =
    "receivers: { platform: [{ email: a@contoso.example }], leads: [{ email: b@contoso.example }] }\n";
const TELLS: &str = "rules: [{ name: all, when: {}, notify: platform }]\n";
const TELLS_LEADS: &str = "rules: [{ name: all, when: {}, notify: leads }]\n";

#[test]
fn the_example_of_the_documentation_is_good_and_its_test_passes() {
    let checked = check(
        &sources(&[("contoso/production.yaml", PRODUCTION)]),
        &Files::default(),
        &with_customers(),
    );
    assert_eq!(errors(&checked), [""; 0]);
    assert_eq!(
        (checked.tests.len(), checked.changed.len(), checked.set.rules().count()),
        (1, 1, 4)
    );
    let contoso = CustomerId::new("contoso");
    let rule = checked
        .set
        .rule(&contoso, "Reviews of production incidents")
        .expect("the rule");
    assert_eq!(
        (rule.line, rule.settle_seconds, rule.follow),
        (9, 10, super::super::Follow::Nothing)
    );
    let leads = checked.set.receiver(&contoso, "leads").expect("the receiver");
    assert_eq!((leads.to.len(), leads.zone), (2, chrono_tz::Europe::Berlin));
    let endpoint = leads.to[1].endpoint(&contoso);
    let (customer, receiver, address) = checked.set.endpoint(&endpoint).expect("the endpoint");
    assert_eq!(
        (customer, &receiver.name, address),
        (&contoso, &leads.name, &leads.to[1])
    );
}

#[test]
fn names_of_one_folder_are_usable_in_all_its_files() {
    let checked = checked(&[("a/receivers.yaml", RECEIVERS), ("a/rules.yaml", TELLS)]);
    assert_eq!(errors(&checked), [""; 0]);
    assert_eq!(checked.set.files.len(), 2);
}

#[test]
fn names_of_another_folder_do_not_exist() {
    let checked = checked(&[("a/receivers.yaml", RECEIVERS), ("b/rules.yaml", TELLS)]);
    assert_eq!(broken(&checked), ["b/rules.yaml"]);
    assert!(
        errors(&checked)[0].contains("there is no receiver `platform`"),
        "{:?}",
        errors(&checked)
    );
}

#[test]
fn a_name_may_be_given_once_in_a_folder() {
    let checked = checked(&[("a/1.yaml", &format!("{RECEIVERS}{TELLS}")), ("a/2.yaml", TELLS)]);
    assert_eq!(broken(&checked), ["a/2.yaml"]);
    assert!(
        errors(&checked)[0].contains("there is another rule `all`: line 2 of a/1.yaml"),
        "{:?}",
        errors(&checked)
    );
}

#[test]
fn a_broken_file_keeps_its_last_good_version_and_leaves_the_others_alone() {
    let good = checked(&[("a/1.yaml", &format!("{RECEIVERS}{TELLS}")), ("b/1.yaml", RECEIVERS)]);
    let now = sources(&[("a/1.yaml", "rules: ["), ("b/1.yaml", "receivers: {}\n")]);
    let after = check(&now, &good.set.files, &one_organisation());
    assert_eq!(broken(&after), ["a/1.yaml"]);
    assert_eq!(after.changed, ["b/1.yaml"]);
    assert_eq!(after.set.files["a/1.yaml"], good.set.files["a/1.yaml"]);
    assert_eq!(after.set.rules().count(), 1);
}

#[test]
fn a_broken_file_without_a_good_version_is_not_in_force() {
    let checked = checked(&[("a/1.yaml", "rules: {"), ("a/2.yaml", RECEIVERS)]);
    assert_eq!(broken(&checked), ["a/1.yaml"]);
    assert_eq!(checked.set.files.len(), 1);
    assert_eq!(checked.broken[0].problems, 1);
}

#[test]
fn names_of_a_broken_file_are_still_those_of_its_last_good_version() {
    let good = checked(&[("a/1.yaml", RECEIVERS), ("a/2.yaml", TELLS)]);
    let now = sources(&[("a/1.yaml", "receivers: ["), ("a/2.yaml", TELLS_LEADS)]);
    let after = check(&now, &good.set.files, &one_organisation());
    assert_eq!(broken(&after), ["a/1.yaml"]);
    assert_eq!(after.changed, ["a/2.yaml"]);
}

#[test]
fn a_new_name_in_a_broken_file_can_not_be_used_yet() {
    let good = checked(&[("a/1.yaml", "receivers: {}\n"), ("a/2.yaml", "rules: []\n")]);
    let now = sources(&[("a/1.yaml", &format!("{RECEIVERS}odd: 1\n")), ("a/2.yaml", TELLS)]);
    let after = check(&now, &good.set.files, &one_organisation());
    assert_eq!(broken(&after), ["a/1.yaml", "a/2.yaml"]);
    assert!(
        errors(&after)[1].contains("a/1.yaml, which has errors"),
        "{:?}",
        errors(&after)
    );
}

#[test]
fn what_a_version_in_force_needs_can_not_be_taken_away() {
    let good = checked(&[("a/1.yaml", RECEIVERS), ("a/2.yaml", TELLS)]);
    let now = sources(&[
        ("a/1.yaml", "receivers: { leads: [{ email: b@contoso.example }] }\n"),
        ("a/2.yaml", TELLS),
    ]);
    let after = check(&now, &good.set.files, &one_organisation());
    assert_eq!(broken(&after), ["a/1.yaml", "a/2.yaml"]);
    assert_eq!(after.changed, [""; 0]);
    assert!(
        errors(&after)[0].contains("line 1 of a/2.yaml needs the receiver `platform`"),
        "{:?}",
        errors(&after)
    );
    let gone = check(&sources(&[("a/2.yaml", TELLS)]), &good.set.files, &one_organisation());
    assert_eq!(gone.changed, [""; 0]);
    assert_eq!(broken(&gone), ["a/1.yaml", "a/2.yaml"]);
}

#[test]
fn a_file_that_is_gone_ends_its_rules() {
    let good = checked(&[("a/1.yaml", RECEIVERS), ("a/2.yaml", TELLS)]);
    let after = check(
        &sources(&[("a/1.yaml", RECEIVERS)]),
        &good.set.files,
        &one_organisation(),
    );
    assert_eq!(
        (errors(&after).len(), after.changed.as_slice()),
        (0, &["a/2.yaml".to_owned()][..])
    );
    assert_eq!(after.set.rules().count(), 0);
}

#[test]
fn a_folder_that_is_gone_or_empty_keeps_its_rules() {
    let good = checked(&[("a/1.yaml", &format!("{RECEIVERS}{TELLS}")), ("b/1.yaml", RECEIVERS)]);
    let after = check(
        &sources(&[("b/1.yaml", RECEIVERS)]),
        &good.set.files,
        &one_organisation(),
    );
    assert_eq!(broken(&after), ["a/"]);
    assert_eq!((after.changed.len(), after.set.rules().count()), (0, 1));
    let none = check(&[], &Files::default(), &one_organisation());
    assert_eq!(broken(&none), ["rules/"]);
}

#[test]
fn a_failing_test_keeps_the_last_good_version_and_says_what_happened() {
    let good = format!("{RECEIVERS}{TELLS}");
    let before = checked(&[("a/1.yaml", &good)]);
    let bad = format!(
        "{RECEIVERS}rules:\n  - {{ name: all, when: {{ stage: RCA }}, notify: platform }}\ntests:\n  - name: trouble is told\n    event: {{ stage: Active }}\n    expect: {{ all: platform }}\n"
    );
    let after = check(&sources(&[("a/1.yaml", &bad)]), &before.set.files, &one_organisation());
    assert_eq!((broken(&after), after.changed.len()), (vec!["a/1.yaml"], 0));
    insta::assert_snapshot!(after.problems.iter().find(|problem| problem.is_error()).expect("an error").plain(), @r#"
        error: the test `trouble is told` fails: `all` should tell platform, and tells nobody: stage: the rule wants RCA, the event has Active
         --> a/1.yaml:5:11
          |
        5 |   - name: trouble is told
          |           ^^^^^^^^^^^^^^^
        "#);
}

#[test]
fn a_test_looks_at_the_rules_of_its_file_and_at_those_it_names() {
    let test = "tests: [{ name: t, event: { stage: RCA }, expect: { EXPECTED } }]\n";
    let own = format!("{RECEIVERS}{TELLS}{}", test.replace("EXPECTED", "all: platform"));
    assert_eq!(
        errors(&checked(&[
            ("a/1.yaml", &own),
            ("a/2.yaml", "rules: [{ name: more, when: {}, notify: leads }]\n")
        ])),
        [""; 0]
    );
    let none = format!("{RECEIVERS}{TELLS}{}", test.replace("EXPECTED", "all: []"));
    assert!(errors(&checked(&[("a/1.yaml", &none)]))[0].contains("`all` tells platform, and should tell nobody"));
}

#[test]
fn folders_belong_to_customers() {
    let files = [
        ("contoso/a.yaml", RECEIVERS),
        ("contso/a.yaml", RECEIVERS),
        ("a.yaml", RECEIVERS),
        ("_operator/a.yaml", RECEIVERS),
    ];
    let checked = check(&sources(&files), &Files::default(), &with_customers());
    assert_eq!(broken(&checked), ["contso/a.yaml", "a.yaml"]);
    insta::assert_snapshot!(errors(&checked).join("\n"), @r#"
        a.yaml:1:1: a rule file belongs into the folder of a customer (hint: name it under `customers:`, or move the file)
        contso/a.yaml:1:1: `contso` is not a customer in the settings (hint: did you mean `contoso`?)
        "#);
}

#[test]
fn contacts_are_told_about_rule_files_without_anybody_writing_a_rule() {
    let checked = check(
        &sources(&[("contoso/a.yaml", RECEIVERS)]),
        &Files::default(),
        &with_customers(),
    );
    let raised = crate::rule::condition::tests::event(|event| {
        event.provider = crate::event::Provider::Bellwether;
        event.kind = crate::event::Kind::RulesBroken;
        event.source = Some("contoso".to_owned());
    });
    let matched = checked.set.matching(&raised);
    let told: Vec<_> = matched
        .iter()
        .map(|one| (one.rule.customer.as_str(), one.rule.name.as_str()))
        .collect();
    assert_eq!(told, [("contoso", "(rule files)"), ("_operator", "(rule files)")]);
    assert!(checked.set.receiver(&CustomerId::new("contoso"), "(contact)").is_some());
}

#[test]
fn the_revision_changes_with_files_and_settings_and_nothing_else() {
    let one = checked(&[("a/1.yaml", RECEIVERS)]).set.revision;
    assert_eq!(one, checked(&[("a/1.yaml", RECEIVERS)]).set.revision);
    assert_ne!(one, checked(&[("a/1.yaml", TELLS)]).set.revision);
    let settings = Deciding::new(Customers::one_organisation(), None, true).expect("settings");
    assert_ne!(
        one,
        check(&sources(&[("a/1.yaml", RECEIVERS)]), &Files::default(), &settings)
            .set
            .revision
    );
    assert_eq!(one.0.len(), 16);
}

#[test]
fn what_was_in_force_is_restored_from_its_texts_and_settings() {
    let files = [("a/1.yaml", RECEIVERS), ("a/2.yaml", TELLS)];
    let before = checked(&files);
    let settings = Deciding::from_text(&one_organisation().to_text()).expect("settings");
    let restored = restore(&sources(&files), &settings);
    assert!(Files::from(restored.clone()) == before.set.files);
    assert_eq!(RuleSet::new(restored, &settings).revision, before.set.revision);
}

#[test]
fn a_rule_set_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&checked(&[("a/1.yaml", RECEIVERS)]).set);
}

/// A file whose tests try each of its rules on a text.
fn with_tests(rules: usize, tests: usize, pattern: &str, text: &str) -> String {
    let mut file = "receivers: { r: [{ email: a@a.example }] }\nrules:\n".to_owned();
    for nth in 0..rules {
        file.push_str(&format!(
            "- {{ name: rule {nth}, when: {{ text: \"{pattern}{nth}*\" }}, notify: r, invite: r }}\n"
        ));
    }
    file.push_str("tests:\n");
    for nth in 0..tests {
        file.push_str(&format!(
            "- {{ name: test {nth}, event: {{ text: \"{text}\" }}, expect: {{}} }}\n"
        ));
    }
    file
}

#[test]
fn tests_that_take_too_much_are_an_error_of_their_file_and_not_run() {
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let (pattern, text) = (format!("*{}b", "a".repeat(500)), "a".repeat(5_000));
    let source = |path: &str, text: String| Source {
        path: path.to_owned(),
        text,
    };
    let sources = [
        source("contoso/costly.yaml", with_tests(20, 20, &pattern, &text)),
        source("fabrikam/other.yaml", with_tests(1, 1, "*disk", "disks fail")),
    ];
    let began = std::time::Instant::now();
    let checked = check(&sources, &Files::default(), &settings);
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    let broken: Vec<_> = checked.broken.iter().map(|broken| broken.path.as_str()).collect();
    assert_eq!(broken, ["contoso/costly.yaml"]);
    let error = checked
        .problems
        .iter()
        .find(|problem| problem.is_error())
        .expect("an error");
    assert!(error.what.contains("million steps together"), "{error}");
    assert!(error.hint.is_some() && error.line > 20, "{error}");
    let outcomes = |path: &str| {
        let of_file = checked.tests.iter().filter(|ran| ran.path == path);
        of_file.map(|ran| ran.outcome.clone()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("contoso/costly.yaml").last(), Some(&Outcome::NotRun));
    assert_eq!(outcomes("fabrikam/other.yaml"), [Outcome::Passed]);
    let again = check(&sources, &Files::default(), &settings);
    assert_eq!(again.problems, checked.problems, "the same every time");
}

#[test]
fn a_failing_test_says_a_few_of_the_rules_that_do_something_else() {
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    // each rule looks for its own number
    let source = Source {
        path: "contoso/a.yaml".to_owned(),
        text: with_tests(8, 1, "*", "0 1 2 3 4 5 6 7"),
    };
    let checked = check(&[source], &Files::default(), &settings);
    let Some(Outcome::Failed(what)) = checked.tests.first().map(|ran| &ran.outcome) else {
        panic!("{:#?}", checked.problems);
    };
    assert_eq!(what.len(), 6, "{what:#?}");
    assert_eq!(what[5], "and 3 more rules do something else than they should");
}

#[test]
fn files_that_hold_each_other_back_in_a_long_chain_all_stay_as_they_were() {
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    // each file needs a group of the next one, and takes away the one that the file before it needs
    let file = |nth: usize, group: &str| Source {
        path: format!("contoso/{nth:03}.yaml"),
        text: format!(
            "subscriptions: {{ {group}{nth}: [prod] }}\nreceivers: {{ r{nth}: [{{ email: a@a.example }}] }}\nrules: [{{ name: rule {nth}, when: {{ subscriptions: {group}{} }}, notify: r{nth} }}]\n",
            nth + 1
        ),
    };
    let all = |group: &str| -> Vec<Source> {
        let last = Source {
            path: "contoso/100.yaml".to_owned(),
            text: format!("subscriptions: {{ {group}100: [prod] }}\n"),
        };
        (0..100).map(|nth| file(nth, group)).chain([last]).collect()
    };
    let before = check(&all("old"), &Files::default(), &settings);
    assert!(before.broken.is_empty(), "{:#?}", before.problems);
    let mut sources = all("new");
    sources[0].text.push_str("rules: [");
    let after = recheck(&sources, None, &before.set, &settings, &|_, _| ());
    assert!(after.changed.is_empty());
    assert_eq!(after.broken.len(), 101);
    let holds = |problem: &&Problem| problem.what.contains("hold each other back");
    assert!(
        after.problems.iter().filter(holds).count() > 50,
        "{:#?}",
        after.problems
    );
}

const LIVESTREAM: &str = r#"
receivers: { leads: [{ email: b@contoso.example }] }
rules: [{ name: livestreams, when: { kind: retrospective }, invite: leads }]
tests:
  - { name: in time, AT_BEFOREevent: { kind: retrospective, text: "Join at 15:00 UTC on 10 October 2024." }, expect: { livestreams: leads } }
  - { name: too late, AT_AFTERevent: { kind: retrospective, text: "Join at 15:00 UTC on 10 October 2024." }, expect: { livestreams: [] } }
"#;

#[test]
fn a_test_says_when_its_event_is_heard_and_nobody_is_invited_to_what_is_over_then() {
    let file = |before: &str, after: &str| LIVESTREAM.replace("AT_BEFORE", before).replace("AT_AFTER", after);
    let right = file("at: 2024-10-09T09:00:00Z, ", "at: 2024-10-11 09:00, ");
    assert_eq!(errors(&checked(&[("a.yaml", &right)])), Vec::<String>::new());
    // without a moment both speak of a session that is to come
    let timeless = errors(&checked(&[("a.yaml", &file("", ""))]));
    assert_eq!(timeless.len(), 1, "{timeless:?}");
    assert!(timeless[0].contains("should tell nobody"), "{timeless:?}");
    let swapped = file("at: 2024-10-11, ", "at: 2024-10-09, ");
    assert_eq!(errors(&checked(&[("a.yaml", &swapped)])).len(), 2);
}

#[test]
fn a_moment_that_is_none_is_named_with_what_to_type() {
    for (at, said) in [
        ("at: yesterday, ", "not a moment: type `2026-11-24T09:00:00Z`"),
        ("at: 2024, ", "quote it"),
        ("at: [2024-10-09], ", "one text, not a list"),
        ("time: 2024-10-09, ", "`at`"),
    ] {
        let file = LIVESTREAM
            .replace("AT_BEFORE", at)
            .replace("AT_AFTER", "at: 2024-10-11, ");
        let problems = checked(&[("a.yaml", &file)]).problems;
        let said_of = problems.iter().map(Problem::plain).collect::<String>();
        assert!(
            said_of.contains(said) && said_of.contains("a.yaml:5:"),
            "{at}: {said_of}"
        );
    }
    let inside = LIVESTREAM
        .replace("AT_BEFOREevent: {", "event: { at: 2024-10-09,")
        .replace("AT_AFTER", "at: 2024-10-11, ");
    let problems = checked(&[("a.yaml", &inside)]).problems;
    assert!(
        problems[0].plain().contains("beside `event`"),
        "{}",
        problems[0].plain()
    );
}
