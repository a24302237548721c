//! A set after changes beside the same set made anew, and a recheck beside a check of everything.

use proptest::prelude::*;

use super::*;
use crate::customer::Customer;
use crate::event::Kind;
use crate::rule::check::{Source, check, recheck, restore};
use crate::rule::condition::tests::event;
use crate::rule::file::customer_of;

/// What a file may say: nothing two files of a folder may not both say, unless it is broken.
const TEXTS: [&str; 10] = [
    "subscriptions: { shared: [prod] }\n",
    "subscriptions: { shared: [dev] }\n",
    "receivers: { NAME: [{ email: c@a.example }] }\nrules: [{ name: NAME, when: { subscriptions: shared }, notify: NAME }]\n",
    "rules: []\n",
    "receivers: { NAME: [{ email: same@a.example }] }\nrules: [{ name: NAME, when: {}, notify: NAME }]\n",
    "receivers: { NAME: [{ email: NAME@a.example }, { email: same@a.example }] }\nrules:\n  - { name: NAME, when: { stage: RCA }, notify: NAME }\n  - { name: NAME 2, when: { event type: Incident }, notify: NAME }\n",
    "subscriptions: { NAME: [prod, dev] }\nreceivers: { NAME: [{ email: ops@a.example }] }\nrules: [{ name: NAME, when: { subscriptions: NAME }, notify: NAME }]\n",
    "receivers: { NAME: [{ email: b@a.example }] }\nrules: [{ name: NAME, when: { title: '*machines*' }, unless: { region: West Europe }, notify: NAME }]\n",
    "rules: [{ name: NAME, when: {}, notify: other }]\n",
    "rules: [",
];

const PATHS: [&str; 6] = [
    "a/1.yaml",
    "a/2.yaml",
    "a.b/1.yaml",
    "b/1.yaml",
    "_operator/1.yaml",
    "stranger/1.yaml",
];

fn settings() -> Deciding {
    let owner = |contact: Option<&str>, accounts: &[&str]| Customer {
        contact: contact.map(str::to_owned),
        accounts: accounts.iter().map(|id| (*id).to_owned()).collect(),
        ..Customer::default()
    };
    let known = [
        ("a", owner(Some("ops@a.example"), &["prod", "dev"])),
        ("a.b", owner(None, &["prod"])),
        ("b", owner(None, &["other"])),
    ];
    let customers = Customers {
        by_name: Some(known.map(|(name, customer)| (CustomerId::new(name), customer)).into()),
        contact: None,
    };
    Deciding::new(customers, None, false).expect("settings")
}

fn sources(folder: &BTreeMap<&str, usize>) -> Vec<Source> {
    let source = |(path, text): (&&str, &usize)| Source {
        path: (*path).to_owned(),
        text: TEXTS[*text].replace("NAME", &path.replace(['/', '.'], "-")),
    };
    folder.iter().map(source).collect()
}

/// Everything that can be asked of a set.
fn seen(set: &RuleSet) -> impl PartialEq + std::fmt::Debug + use<> {
    let raised = event(|event| {
        event.provider = crate::event::Provider::Bellwether;
        event.kind = Kind::RulesBroken;
        event.source = Some("a".to_owned());
    });
    let review = event(|event| {
        event.stage = crate::event::Stage::Rca;
        event.accounts = vec!["other".to_owned(), "prod".to_owned()];
    });
    let matched = [event(|_| ()), raised, review].map(|event| set.matching(&event));
    let named: Vec<_> = set
        .rules()
        .map(|rule| set.rule(&rule.customer, &rule.name) == Some(rule))
        .collect();
    let endpoints = set
        .endpoints
        .iter()
        .map(|(id, (receiver, nth))| (id.clone(), receiver.clone(), *nth));
    (
        (
            set.revision.clone(),
            set.files
                .iter()
                .map(|(path, file)| (path.clone(), file.clone()))
                .collect::<Vec<_>>(),
        ),
        set.rules().cloned().collect::<Vec<_>>(),
        named,
        set.receivers
            .iter()
            .map(|(name, receiver)| (name.clone(), receiver.clone()))
            .collect::<Vec<_>>(),
        endpoints.collect::<Vec<_>>(),
        matched,
        set.groups_of(&CustomerId::new("a"), "dev"),
    )
}

fn anew(set: &RuleSet, settings: &Deciding) -> RuleSet {
    let files = set.files.iter().map(|(path, file)| (path.clone(), file.clone()));
    RuleSet::new(files.collect(), settings)
}

fn some_changes() -> impl Strategy<Value = Vec<Vec<(usize, Option<usize>)>>> {
    let change = (0..PATHS.len(), proptest::option::weighted(0.8, 0..TEXTS.len()));
    proptest::collection::vec(proptest::collection::vec(change, 1..4), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_set_after_changes_is_the_set_made_anew(changes in some_changes(), whole_at in 0..6_usize) {
        let settings = settings();
        let mut folder = BTreeMap::new();
        let mut set = RuleSet::new(BTreeMap::new(), &settings);
        let mut whole = None;
        for (nth, changes) in changes.into_iter().enumerate() {
            for (path, text) in changes {
                match text {
                    Some(text) => folder.insert(PATHS[path], text),
                    None => folder.remove(PATHS[path]),
                };
            }
            let sources = sources(&folder);
            let checked = check(&sources, &set.files, &settings);
            let again = recheck(&sources, None, &set, &settings, &|_, _| ());
            prop_assert_eq!(seen(&again.set), seen(&checked.set));
            prop_assert_eq!(&again.changed, &checked.changed);
            prop_assert_eq!(&again.broken, &checked.broken);
            let errors = |problems: &[crate::problem::Problem]| problems.iter().filter(|one| one.is_error()).cloned().collect::<Vec<_>>();
            prop_assert_eq!(errors(&again.problems), errors(&checked.problems));
            // whoever says where to look, and is right, comes to the same
            let scope: std::collections::BTreeSet<CustomerId> = checked.changed.iter().map(|path| &**path)
                .chain(checked.broken.iter().map(|broken| &*broken.path)).map(customer_of).collect();
            let of_scope: Vec<Source> = sources.iter().filter(|one| scope.contains(&customer_of(&one.path))).cloned().collect();
            let scoped = recheck(&of_scope, Some(&scope), &set, &settings, &|_, _| ());
            prop_assert_eq!(seen(&scoped.set), seen(&checked.set));
            prop_assert_eq!(&scoped.changed, &checked.changed);
            set = again.set;
            prop_assert_eq!(seen(&set), seen(&anew(&set, &settings)));
            prop_assert_eq!(seen(&set), seen(&set.whole()));
            whole = if nth == whole_at { Some(set.whole()) } else { whole };
        }
        if let Some(whole) = whole {
            prop_assert_eq!(seen(&whole.caught_up(&set)), seen(&set));
        }
    }
}

#[test]
fn a_change_of_one_file_shares_all_the_rest() {
    let text = |nth: usize| Source {
        path: format!("c{nth}/1.yaml"),
        text: TEXTS[4].replace("NAME", "r"),
    };
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let sources: Vec<Source> = (0..100).map(text).collect();
    let set = RuleSet::new(restore(&sources, &settings), &settings);
    let files = restore(
        &[Source {
            path: "c7/1.yaml".to_owned(),
            ..text(1_000)
        }],
        &settings,
    );
    let files = files.into_values().map(|file| RuleFile {
        text: String::new(),
        ..RuleFile::clone(&file)
    });
    let files = files.map(|file| (file.path.clone(), Arc::new(file))).collect();
    let before: Files = ["c7/1.yaml", "c8/1.yaml"]
        .map(|path| (path.to_owned(), set.files[path].clone()))
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into();
    let after = set.with(&files, &before);
    assert!(Arc::ptr_eq(&set.whole, &after.whole));
    assert_eq!(after.since.as_ref().map(|part| part.index().rules()), Some(1));
    assert_eq!((set.size().rules, after.size().rules), (100, 99));
    assert_eq!((after.size().changed_files, after.whole().size().changed_files), (2, 0));
    assert_eq!(after.matching(&event(|_| ())).len(), 99);
}

#[test]
fn a_group_that_changes_in_another_file_changes_the_rules_that_name_it() {
    let settings = settings();
    let sources = |shared: usize| sources(&BTreeMap::from([("a/1.yaml", shared), ("a/2.yaml", 2)]));
    let of = |account: &str| event(|event| event.accounts = vec![account.to_owned()]);
    let before = check(&sources(0), &Files::default(), &settings).set;
    assert_eq!(
        (before.matching(&of("prod")).len(), before.matching(&of("dev")).len()),
        (1, 0)
    );
    let after = recheck(&sources(1), None, &before, &settings, &|_, _| ());
    assert_eq!(after.changed, ["a/1.yaml"]);
    assert_eq!(
        (
            after.set.matching(&of("prod")).len(),
            after.set.matching(&of("dev")).len()
        ),
        (0, 1)
    );
    assert_eq!(before.whole().caught_up(&after.set).matching(&of("dev")).len(), 1);
}

#[test]
fn rules_that_take_too_much_of_an_event_are_known_and_those_of_others_are_tried() {
    let costly = format!("*{}b*", "a".repeat(900));
    let receivers = "receivers: { r: [{ email: a@a.example }] }\nrules:\n";
    let mut greedy = format!("{receivers}- {{ name: plain, when: {{ title: \"*machines*\" }}, notify: r }}\n");
    for nth in 0..20 {
        greedy.push_str(&format!(
            "- {{ name: costly {nth}, when: {{ text: \"{costly}\" }}, notify: r }}\n"
        ));
    }
    let quiet = format!("{receivers}- {{ name: quiet, when: {{ text: \"*aaa*\" }}, notify: r }}\n");
    let strange = greedy.clone();
    let sources = [("a/1.yaml", greedy), ("a.b/1.yaml", quiet), ("b/1.yaml", strange)].map(|(path, text)| Source {
        path: path.to_owned(),
        text,
    });
    let set = check(&sources, &Files::default(), &settings()).set;
    let long = event(|event| event.text = "a".repeat(40_000));
    let matched = set.matching(&long);
    assert_eq!(matched, set.matching(&long), "the same every time");
    let of = |customer: &str, is_too_costly: bool| {
        let of_customer = |one: &&Matched| one.rule.customer.as_str() == customer;
        let names = matched
            .iter()
            .filter(of_customer)
            .filter(|one| one.is_too_costly == is_too_costly);
        names.map(|one| one.rule.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!((of("a", false), of("a", true).len()), (vec!["plain"], 20));
    assert_eq!(of("a.b", false), ["quiet"]);
    assert_eq!(of("b", true), [""; 0], "the event is none of its business");
    let costly = matched.iter().find(|one| one.is_too_costly).expect("one");
    assert_eq!(costly.left.accounts, ["prod"], "what it may see");
    assert!(!set.matching(&event(|_| ())).iter().any(|one| one.is_too_costly));
}

#[test]
fn rules_that_name_the_same_group_share_its_ids() {
    let text = "subscriptions: { one: [prod], two: [dev] }\nreceivers: { r: [{ email: a@a.example }] }\nrules:\n\
                - { name: a, when: { subscriptions: one }, notify: r }\n- { name: b, when: { subscriptions: one }, notify: r }\n\
                - { name: c, when: { subscriptions: [one, two] }, notify: r }\n- { name: d, when: { subscriptions: [one, two] }, notify: r }\n";
    let source = Source {
        path: "a/1.yaml".to_owned(),
        text: text.to_owned(),
    };
    let set = check(&[source], &Files::default(), &settings()).set;
    let named: Vec<_> = set.rules().filter_map(|rule| rule.when.subscriptions.clone()).collect();
    assert_eq!(named.len(), 4);
    assert!(Arc::ptr_eq(&named[0], &named[1]) && Arc::ptr_eq(&named[2], &named[3]) && named[0] != named[2]);
}
