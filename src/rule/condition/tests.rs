use std::collections::BTreeMap;

use super::*;
use crate::event::{Arrival, EventType, Form, Kind, Stage};
use crate::rule::check::{Deciding, Source, check};

/// An active service issue of Virtual Machines in East US, changed by `change`.
pub(crate) fn event(change: impl FnOnce(&mut Event)) -> Event {
    let mut event = Event {
        provider: Provider::Azure,
        source: None,
        tracking_id: "0NIH-U2O".to_owned(),
        event_type: EventType::ServiceIssue,
        subtype: None,
        stage: Stage::Active,
        kind: Kind::Update,
        level: None,
        title: "Active - Virtual Machines".to_owned(),
        html: String::new(),
        text: "What happened?".to_owned(),
        impact: vec![impact("Virtual Machines", "East US")],
        accounts: vec!["prod".to_owned()],
        impact_start: None,
        impact_end: None,
        published: chrono::DateTime::UNIX_EPOCH,
        sessions: Vec::new(),
        link: None,
        properties: BTreeMap::new(),
        test: false,
        communication_id: None,
        published_said: None,
        tags: Vec::new(),
        reminder: None,
        measures: None,
        notes: Vec::new(),
        arrival: Arrival::Live,
        form: Form::AzureActivityLogWebhook,
        text_withheld: false,
        imported: None,
    };
    change(&mut event);
    event
}

fn impact(service: &str, region: &str) -> Impact {
    let region = (!region.is_empty()).then(|| region.to_owned());
    Impact {
        service: service.to_owned(),
        service_id: None,
        region,
        accounts: Vec::new(),
    }
}

fn for_accounts(service: &str, region: &str, accounts: &[&str]) -> Impact {
    Impact {
        accounts: accounts.iter().map(|one| (*one).to_owned()).collect(),
        ..impact(service, region)
    }
}

/// Three accounts; contoso owns two of them and sees one public source.
fn customers() -> Customers {
    let contoso = Customer {
        accounts: ["prod", "dev"].map(str::to_owned).into(),
        public: ["githubstatus.com".to_owned()].into(),
        ..Customer::default()
    };
    let fabrikam = Customer {
        accounts: ["other".to_owned()].into(),
        ..Customer::default()
    };
    let by_name = BTreeMap::from([
        (CustomerId::new("contoso"), contoso),
        (CustomerId::new("fabrikam"), fabrikam),
    ]);
    Customers {
        by_name: Some(by_name),
        contact: None,
    }
}

fn rule_of(customer: &str, conditions: &str, customers: &Customers) -> Rule {
    let text = format!(
        "subscriptions: {{ production: [prod], development: [dev] }}\nreceivers: {{ r: [{{ email: a@b.example }}] }}\nrules:\n  - name: one\n    notify: r\n{conditions}"
    );
    let source = Source {
        path: format!("{customer}/a.yaml"),
        text,
    };
    let settings = Deciding::new(customers.clone(), None, false).expect("settings");
    let checked = check(&[source], &Default::default(), &settings);
    let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    Rule::clone(checked.set.rule(&CustomerId::new(customer), "one").expect("the rule"))
}

fn judged(customer: &str, conditions: &str, event: &Event) -> Result<Left, String> {
    let customers = customers();
    match judge(
        &rule_of(customer, conditions, &customers),
        event,
        &customers,
        &Catalogue::shipped(),
    ) {
        Judgement::Matches(left) => Ok(left),
        Judgement::No(why) => Err(why.to_string()),
    }
}

fn contoso(conditions: &str, event: &Event) -> Result<Left, String> {
    judged("contoso", conditions, event)
}

/// What is left, in short: `Storage in East US (prod); all: dev prod`.
fn short(left: Result<Left, String>) -> String {
    let left = match left {
        Ok(left) => left,
        Err(why) => return why,
    };
    let impact = left.impact.iter().map(|impact| match impact.accounts.is_empty() {
        true => describe(impact),
        false => format!("{} ({})", describe(impact), impact.accounts.join(" ")),
    });
    format!(
        "{}; all: {}",
        impact.collect::<Vec<_>>().join(", "),
        left.accounts.join(" ")
    )
}

#[test]
fn nothing_asked_matches_every_event_of_a_provider() {
    assert!(contoso("    when: {}", &event(|_| ())).is_ok());
    assert!(contoso("    when: {}", &event(|event| event.impact.clear())).is_ok());
}

#[test]
fn a_customer_sees_what_was_sent_for_its_accounts_and_no_more() {
    let shared = event(|event| {
        event.accounts = vec!["dev".to_owned(), "other".to_owned()];
        event.impact = vec![
            impact("Storage", "East US"),
            for_accounts("SQL Database", "West Europe", &["other"]),
        ];
    });
    assert_eq!(short(contoso("    when: {}", &shared)), "Storage in East US; all: dev");
    assert_eq!(
        short(judged("_operator", "    when: {}", &shared)),
        "Storage in East US, SQL Database in West Europe (other); all: dev other"
    );
    let foreign = event(|event| event.accounts = vec!["other".to_owned()]);
    assert_eq!(
        short(contoso("    when: {}", &foreign)),
        "it was not sent for any of the customer's accounts"
    );
    assert_eq!(
        short(contoso("    when: { title: '*x*' }", &foreign)),
        "it was not sent for any of the customer's accounts"
    );
}

#[test]
fn an_event_without_accounts_belongs_to_those_who_list_its_source() {
    let public = |source: Option<&str>| {
        event(|event| {
            event.accounts.clear();
            event.source = source.map(str::to_owned);
        })
    };
    assert_eq!(
        short(contoso("    when: {}", &public(Some("GitHubStatus.com")))),
        "Virtual Machines in East US; all: "
    );
    let why = short(contoso("    when: {}", &public(Some("status.example"))));
    assert_eq!(
        why,
        "it names no account, and `status.example` is not under the customer's `public`"
    );
    assert_eq!(
        short(contoso("    when: {}", &public(None))),
        "it names neither an account nor a source"
    );
    assert!(judged("_operator", "    when: {}", &public(None)).is_ok());
}

#[test]
fn a_pair_matches_a_service_in_its_region_only() {
    let both = event(|event| {
        event.impact = vec![
            impact("SQL Database", "West Europe"),
            impact("Virtual Machines", "East US"),
        ]
    });
    let pair = "    when: { impact: [{ service: SQL Database, region: East US }] }";
    assert_eq!(
        short(contoso(pair, &both)),
        "impact: the rule wants SQL Database in East US, the event has SQL Database in West Europe and Virtual Machines in East US"
    );
    let short_form = "    when: { service: [virtual-machines, Storage], region: eastus }";
    assert_eq!(
        short(contoso(short_form, &both)),
        "Virtual Machines in East US; all: prod"
    );
}

#[test]
fn former_names_and_ids_are_the_same_service() {
    let by_id = "    when: { service: fd8065f5-ffd0-4756-8788-e6a11bf36257 }";
    assert!(contoso(by_id, &event(|_| ())).is_ok());
    let renamed = event(|event| event.impact = vec![impact("Azure Active Directory", "Global")]);
    assert!(contoso("    when: { service: Microsoft Entra ID }", &renamed).is_ok());
    let unknown_id =
        event(|event| event.impact[0].service_id = Some("00000000-0000-4000-8000-00000000abcd".to_owned()));
    assert!(
        contoso(
            "    when: { service: 00000000-0000-4000-8000-00000000ABCD }",
            &unknown_id
        )
        .is_ok()
    );
}

#[test]
fn global_is_what_it_says_and_no_region_is_none() {
    assert!(contoso("    when: { region: Global }", &event(|_| ())).is_err());
    let unplaced = event(|event| event.impact = vec![impact("Storage", "")]);
    assert!(contoso("    when: { region: East US }", &unplaced).is_err());
    assert!(contoso("    when: { service: Storage }", &unplaced).is_ok());
    let unnamed = event(|event| event.impact.clear());
    let why = short(contoso("    when: { service: Storage }", &unnamed));
    assert_eq!(why, "impact: the rule wants Storage, the event names none");
}

#[test]
fn unless_takes_only_the_part_it_names() {
    let wide = event(|event| {
        event.accounts = vec!["dev".to_owned(), "prod".to_owned()];
        event.impact = vec![impact("Storage", "East US"), impact("Storage", "West Europe")];
    });
    let unless = "    when: {}\n    unless: { region: West Europe, subscriptions: development }";
    assert_eq!(
        short(contoso(unless, &wide)),
        "Storage in East US, Storage in West Europe (prod); all: dev prod"
    );
    let region = "    when: {}\n    unless: { region: West Europe }";
    assert_eq!(short(contoso(region, &wide)), "Storage in East US; all: dev prod");
    let group = "    when: {}\n    unless: { subscriptions: development }";
    assert_eq!(
        short(contoso(group, &wide)),
        "Storage in East US, Storage in West Europe; all: prod"
    );
    let title = "    when: {}\n    unless: [{ title: '*drill*' }, { title: 'active*' }]";
    assert_eq!(
        short(contoso(title, &wide)),
        "`unless` no. 2 takes what is left: title active*"
    );
    let other_title = "    when: {}\n    unless: { title: '*drill*', region: West Europe }";
    assert_eq!(
        short(contoso(other_title, &wide)),
        "Storage in East US, Storage in West Europe; all: dev prod"
    );
}

#[test]
fn a_region_impacted_for_one_account_only_is_told_for_that_one() {
    let uneven = event(|event| {
        event.accounts = vec!["dev".to_owned(), "prod".to_owned()];
        event.impact = vec![
            for_accounts("Storage", "East US", &["dev"]),
            for_accounts("Storage", "West Europe", &["prod"]),
        ];
    });
    assert_eq!(
        short(contoso("    when: { subscriptions: production }", &uneven)),
        "Storage in West Europe; all: prod"
    );
    let never = short(contoso(
        "    when: { subscriptions: production, region: East US }",
        &uneven,
    ));
    assert_eq!(
        never,
        "impact: the rule wants anything in East US, the event has Storage in West Europe"
    );
}

#[test]
fn an_account_that_no_impact_names_has_the_unnamed_part() {
    let event = event(|event| {
        event.accounts = vec!["dev".to_owned(), "prod".to_owned()];
        event.impact = vec![for_accounts("Storage", "East US", &["dev"])];
    });
    assert_eq!(
        short(contoso("    when: { subscriptions: production }", &event)),
        "; all: prod"
    );
    assert_eq!(
        short(contoso("    when: {}", &event)),
        "Storage in East US (dev); all: dev prod"
    );
}

#[test]
fn what_the_event_is_must_be_one_of_what_the_rule_lists() {
    let review = event(|event| {
        event.stage = Stage::Rca;
        event.subtype = Some("Retire-ment".to_owned());
        event.properties = BTreeMap::from([("Team_Name".to_owned(), "Blue Team".to_owned())]);
    });
    let good = "    when: { event type: [Incident, Billing], stage: PIR, tracking id: 0nih-*, text: '/HAPPENED\\?/', subtype: retirement, properties: { team name: 'blue*' }, provider: azure }";
    assert!(contoso(good, &review).is_ok(), "{:?}", contoso(good, &review));
    for (condition, why) in [
        ("stage: Active", "stage: the rule wants Active, the event has RCA"),
        ("level: Error", "level: the rule wants Error, the event names none"),
        (
            "title: '*drill*'",
            "title: the rule wants *drill*, the event has Active - Virtual Machines",
        ),
        (
            "kind: [mitigation, retraction]",
            "kind: the rule wants mitigation or retraction, the event has update",
        ),
        (
            "properties: { cost: '7*' }",
            "property `cost`: the rule wants 7*, the event names none",
        ),
        ("provider: aws", "provider: the rule wants aws, the event has azure"),
    ] {
        assert_eq!(short(contoso(&format!("    when: {{ {condition} }}"), &review)), why);
    }
}

#[test]
fn test_events_and_own_events_need_to_be_asked_for() {
    let test = event(|event| event.test = true);
    assert!(contoso("    when: {}", &test).is_err());
    assert!(contoso("    when: {}\n    test events: true", &test).is_ok());
    let own = |source: &str| {
        event(|event| {
            event.provider = Provider::Bellwether;
            event.kind = Kind::RulesBroken;
            event.accounts.clear();
            event.source = Some(source.to_owned());
        })
    };
    assert!(contoso("    when: {}", &own("contoso")).is_err());
    assert!(contoso("    when: { kind: rules-broken }", &own("contoso")).is_ok());
    assert!(contoso("    when: { kind: rules-broken }", &own("fabrikam")).is_err());
    assert!(judged("_operator", "    when: { kind: rules-broken }", &own("fabrikam")).is_ok());
    assert!(contoso("    when: {}\n    enabled: false", &event(|_| ())).is_err());
}

#[test]
fn owner_none_is_what_nobody_owns() {
    let lost = event(|event| event.accounts = vec!["lost".to_owned(), "prod".to_owned()]);
    assert_eq!(
        short(judged("_operator", "    when: { owner: none }", &lost)),
        "Virtual Machines in East US; all: lost"
    );
    let owned = short(judged("_operator", "    when: { owner: none }", &event(|_| ())));
    assert_eq!(owned, "`owner: none`: everything it was sent for has an owner");
}

#[test]
fn who_was_told_is_told_the_ending_by_accounts_alone() {
    let customers = customers();
    let rule = rule_of(
        "contoso",
        "    when: { stage: Active, level: Error, subscriptions: production, region: East US }\n    unless: { title: '*drill*' }",
        &customers,
    );
    let follows = |event: &Event| {
        let (subject, steps) = (Subject::of(event), Steps::of(u64::MAX));
        judge_following(&rule, &subject, &customers, &Catalogue::shipped(), &steps).left()
    };
    let ending = event(|event| {
        event.stage = Stage::Resolved;
        event.impact.push(impact("Storage", "West Europe"));
    });
    assert_eq!(
        short(Ok(follows(&ending).expect("an ending"))),
        "Virtual Machines in East US; all: prod"
    );
    let elsewhere = event(|event| event.impact = vec![impact("Storage", "West Europe")]);
    assert_eq!(
        short(Ok(follows(&elsewhere).expect("an ending"))),
        "Storage in West Europe; all: prod"
    );
    assert!(follows(&event(|event| event.accounts = vec!["dev".to_owned()])).is_none());
    assert!(follows(&event(|event| event.title = "a drill".to_owned())).is_none());
}

mod narrowing {
    use proptest::prelude::*;

    use super::*;

    const SERVICES: [&str; 3] = ["Virtual Machines", "Storage", "SQL Database"];
    const REGIONS: [&str; 3] = ["East US", "West Europe", "Global"];
    const ACCOUNTS: [&str; 3] = ["prod", "dev", "other"];

    fn some(all: [&'static str; 3]) -> impl Strategy<Value = Vec<&'static str>> {
        proptest::sample::subsequence(all.to_vec(), 1..=3)
    }

    fn some_events() -> impl Strategy<Value = Event> {
        let impacts = proptest::collection::vec((0..3_usize, 0..3_usize), 0..5);
        (impacts, some(ACCOUNTS)).prop_map(|(impacts, accounts)| {
            event(|event| {
                event.impact = impacts
                    .iter()
                    .map(|(service, region)| impact(SERVICES[*service], REGIONS[*region]))
                    .collect();
                event.impact.sort();
                event.impact.dedup();
                event.accounts = accounts.iter().map(|one| (*one).to_owned()).collect();
                event.accounts.sort();
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nobody_ever_sees_more_than_it_owns(event in some_events()) {
            if let Ok(left) = contoso("    when: {}", &event) {
                prop_assert!(left.accounts.iter().all(|account| account != "other"));
                prop_assert!(left.impact.iter().flat_map(|impact| &impact.accounts).all(|account| account != "other"));
            }
        }

        #[test]
        fn when_and_unless_share_the_event_between_them(event in some_events(), services in some(SERVICES), regions in some(REGIONS)) {
            let named = format!("{{ service: [{}], region: [{}] }}", services.join(", "), regions.join(", "));
            let all = contoso("    when: {}", &event);
            let with = contoso(&format!("    when: {named}"), &event).map(|left| left.impact).unwrap_or_default();
            let without = contoso(&format!("    when: {{}}\n    unless: {named}"), &event).map(|left| left.impact).unwrap_or_default();
            let mut together = [with.clone(), without.clone()].concat();
            together.sort();
            prop_assert_eq!(together, all.map(|left| left.impact).unwrap_or_default());
            prop_assert!(with.iter().all(|impact| !without.contains(impact)));
        }
    }
}
