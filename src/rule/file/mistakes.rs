//! What people type first, and what we say: every wording is under a snapshot.

use crate::customer::Customers;
use crate::problem::Problem;
use crate::rule::Pattern;
use crate::rule::check::{Deciding, Source, check};
use crate::rule::file::MAX_PATTERN_BYTES;

const AROUND: &str = "receivers: { a: [{ email: a@contoso.example }], b: [{ slack: { url: { secret: chat } } }] }\nsubscriptions: { production: [11111111-aaaa-4bbb-8ccc-111111111111] }\n";

/// All errors of a file, as people read them.
fn told(text: &str) -> String {
    let source = Source {
        path: "contoso/a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let checked = check(&[source], &Default::default(), &settings);
    let errors = checked.problems.iter().filter(|problem| problem.is_error());
    errors.map(Problem::plain).collect::<Vec<_>>().join("\n")
}

/// The errors of one condition, without the drawing: `what (hint: …)`.
fn of_condition(condition: &str) -> String {
    let text = format!("{AROUND}rules:\n  - name: r\n    notify: a\n    when:\n      {condition}\n");
    one_line_each(&text)
}

fn one_line_each(text: &str) -> String {
    let source = Source {
        path: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let checked = check(&[source], &Default::default(), &settings);
    let errors = checked.problems.iter().filter(|problem| problem.is_error());
    errors.map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn everything_wrong_is_told_at_once_with_place_line_and_hint() {
    insta::assert_snapshot!(told(
        r#"receivers:
  platform:
    - email: Ada <ada@contoso.example>
    - teams: { url: http://10.0.0.1/services/T0/B0/hunter2 }
  leads: { to: [{ emial: lin@contoso.example }], zone: Europe/Berln }
rules:
  - name: Reviews
    when: { status: RCA, severity: Sev1, type: Incident, title: NO }
    notify: platform, leads
  - name: Reviews
    when: { stage: Resloved, tracking id: 0123 }
    notify: platfrom
    settle: 10
    repeat: 1h
  - when: { service: Storage, impact: [{ region: East US }] }
    invite: b
"#
    ), @r#"
    error: only the address itself: `ada@contoso.example`, without a name or angle brackets
     --> contoso/a.yaml:3:14
      |
    3 |     - email: Ada <ada@contoso.example>
      |              ^^^^^^^^^^^^^^^^^^^^^^^^^
    error: the URL must begin with `https://`
     --> contoso/a.yaml:4:21
      |
    4 |     - teams: { url: http://10.0.0.1/********************** }
      |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    error: an address has no key `emial`
     --> contoso/a.yaml:5:19
      |
    5 |   leads: { to: [{ emial: lin@contoso.example }], zone: Europe/Berln }
      |                   ^^^^^
      |
      = hint: did you mean `email`?
    error: `Europe/Berln` is no time zone
     --> contoso/a.yaml:5:56
      |
    5 |   leads: { to: [{ emial: lin@contoso.example }], zone: Europe/Berln }
      |                                                        ^^^^^^^^^^^^
      |
      = hint: did you mean `Europe/Berlin`?
    error: a condition has no key `status`
     --> contoso/a.yaml:8:13
      |
    8 |     when: { status: RCA, severity: Sev1, type: Incident, title: NO }
      |             ^^^^^^
      |
      = hint: did you mean `stage`?
    error: a condition has no key `severity`
     --> contoso/a.yaml:8:26
      |
    8 |     when: { status: RCA, severity: Sev1, type: Incident, title: NO }
      |                          ^^^^^^^^
      |
      = hint: did you mean `level`?
    error: a condition has no key `type`
     --> contoso/a.yaml:8:42
      |
    8 |     when: { status: RCA, severity: Sev1, type: Incident, title: NO }
      |                                          ^^^^
      |
      = hint: did you mean `event type`?
    error: YAML reads a bare `NO` as false
     --> contoso/a.yaml:8:65
      |
    8 |     when: { status: RCA, severity: Sev1, type: Incident, title: NO }
      |                                                                 ^^
      |
      = hint: quote it: "NO"
    error: there is no receiver `platform, leads`
     --> contoso/a.yaml:9:13
      |
    9 |     notify: platform, leads
      |             ^^^^^^^^^^^^^^^
      |
      = hint: several receivers are a list: [platform, leads]
    error: the rule `Reviews` is here twice: the first is on line 7
      --> contoso/a.yaml:10:11
       |
    10 |   - name: Reviews
       |           ^^^^^^^
       |
       = hint: give it a name of its own
    error: `Resloved` is no stage
      --> contoso/a.yaml:11:20
       |
    11 |     when: { stage: Resloved, tracking id: 0123 }
       |                    ^^^^^^^^
       |
       = hint: did you mean `Resolved`?
    error: YAML reads a bare `0123` as a number
      --> contoso/a.yaml:11:43
       |
    11 |     when: { stage: Resloved, tracking id: 0123 }
       |                                           ^^^^
       |
       = hint: quote it: "0123"
    error: there is no receiver `platfrom`
      --> contoso/a.yaml:12:13
       |
    12 |     notify: platfrom
       |             ^^^^^^^^
       |
       = hint: did you mean `platform`?
    error: `settle` needs a unit
      --> contoso/a.yaml:13:13
       |
    13 |     settle: 10
       |             ^^
       |
       = hint: write `10s`, `10m`, `10h` or `10 days`
    error: `repeat` comes with a later version
      --> contoso/a.yaml:14:5
       |
    14 |     repeat: 1h
       |     ^^^^^^
       |
       = hint: this version knows `name`, `when`, `unless`, `notify`, `invite`, `settle`, `follow`, `every`, `test events`, `enabled`
    error: a rule needs a `name`
      --> contoso/a.yaml:15:5
       |
    15 |   - when: { service: Storage, impact: [{ region: East US }] }
       |     ^
       |
       = hint: what people will read in `explain`
    error: `service` and `region` do not stand beside `impact`
      --> contoso/a.yaml:15:13
       |
    15 |   - when: { service: Storage, impact: [{ region: East US }] }
       |             ^^^^^^^
       |
       = hint: put it into the pairs: impact: [{ service: Storage, region: East US }]
    error: there is no receiver `b`
      --> contoso/a.yaml:16:13
       |
    16 |     invite: b
       |             ^
       |
       = hint: define it under `receivers:`
    "#);
}

#[test]
fn keys_of_other_products_are_understood() {
    insta::assert_snapshot!([
        "status: Active", "severity: Error", "type: Incident", "incidentType: Incident", "eventType: Incident",
        "event_type: Incident", "regions: East US", "subscription: production", "impactedServices: Storage",
        "duration: 1h", "xyzzy: 1", "notify: a",
    ].map(of_condition).join("\n"), @r#"
    a.yaml:7:7: a condition has no key `status` (hint: did you mean `stage`?)
    a.yaml:7:7: a condition has no key `severity` (hint: did you mean `level`?)
    a.yaml:7:7: a condition has no key `type` (hint: did you mean `event type`?)
    a.yaml:7:7: a condition has no key `incidentType` (hint: did you mean `event type`?)
    a.yaml:7:7: a condition has no key `eventType` (hint: did you mean `event type`?)
    a.yaml:7:7: a condition has no key `event_type` (hint: did you mean `event type`?)
    a.yaml:7:7: a condition has no key `regions` (hint: did you mean `region`?)
    a.yaml:7:7: a condition has no key `subscription` (hint: did you mean `subscriptions`?)
    a.yaml:7:7: a condition has no key `impactedServices` (hint: did you mean `impact`, `service`?)
    a.yaml:7:7: a condition has no key `duration` (hint: did you mean `lasted`?)
    a.yaml:7:7: a condition has no key `xyzzy` (hint: a condition has `event type`, `stage`, `kind`, `level`, `subscriptions`, `impact`, `service`, `region`, `title`, `text`, `tracking id`, `provider`, `subtype`, `size`, `lasted`, `properties`, `owner`)
    a.yaml:7:7: a condition has no key `notify` (hint: it belongs to the rule, beside `when`: check the indentation)
    "#);
}

#[test]
fn values_that_yaml_bends_must_be_quoted() {
    insta::assert_snapshot!([
        "title: NO", "title: 0123", "title: ~", "title: *drill*", r#"title: "/\bSQL/""#, r#"title: "/\d+/""#,
        "title: {a: b}", "title: []", "title: '/(?=a)/'", "subscriptions: 123456789012",
    ].map(of_condition).join("\n"), @r#"
    a.yaml:7:14: YAML reads a bare `NO` as false (hint: quote it: "NO")
    a.yaml:7:14: YAML reads a bare `0123` as a number (hint: quote it: "0123")
    a.yaml:7:14: a pattern is missing here
    a.yaml:7:14: this is not YAML: alias references unknown anchor (hint: a text that begins with `*` must be quoted: "*drill*")
    a.yaml:7:14: this pattern holds a control character: YAML turned a backslash in double quotes into one (hint: use single quotes: '/\bSQL/')
    a.yaml:7:14: this is not YAML: while parsing a quoted scalar, found unknown escape character (hint: put a text with backslashes into single quotes: '/\bSQL/')
    a.yaml:7:14: a pattern is a text, not a table of keys
    a.yaml:7:14: a pattern is missing: this list is empty
    a.yaml:7:14: this is no regular expression: look-around, including look-ahead and look-behind, is not supported (hint: there is no look-ahead or look-behind here: use `unless`)
    a.yaml:7:22: YAML reads a bare `123456789012` as a number (hint: quote it: "123456789012")
    "#);
}

#[test]
fn words_of_a_vocabulary_are_corrected() {
    insta::assert_snapshot!([
        "event type: Service isue", "stage: RAC", "stage: Active, Resolved", "level: Sev4", "kind: prelim",
        "provider: azur", "owner: none", "impact: []", "impact: [{}]", "impact: [{ services: Storage }]",
        "subscriptions: prodction", "subscriptions: prod*", "subscriptions: production, test",
    ].map(of_condition).join("\n"), @r#"
    a.yaml:7:19: `Service isue` is no event type (hint: did you mean `Service issue`?)
    a.yaml:7:14: `RAC` is no stage (hint: did you mean `RCA`?)
    a.yaml:7:14: `Active, Resolved` is no stage (hint: several values are a list: [Active, Resolved])
    a.yaml:7:14: `Sev4` is no level (hint: one of Critical, Error, Warning, Informational)
    a.yaml:7:13: `prelim` is no kind (hint: one of update, mitigation, preliminary-review, final-review, retraction, retrospective, recording, rules-broken, rules-mended, journal-lost, set-aside, clock-jumped, mail-refused, receiver-failing, receiver-back, not-understood, review-due, review-overdue, repair-due, update-overdue, maintenance-starting, maintenance-over, claim-possible, case-due, claim-due, claim-unanswered)
    a.yaml:7:17: `azur` is no provider (hint: did you mean `azure`?)
    a.yaml:7:14: `owner` is for the operator's own rules (hint: it belongs into rules/_operator/)
    a.yaml:7:15: `impact` has no pairs (hint: [{ service: Storage, region: East US }])
    a.yaml:7:16: a pair names a `service`, a `region` or both
    a.yaml:7:18: a pair of `impact` has no key `services` (hint: did you mean `service`?)
    a.yaml:7:22: there is no group of subscriptions `prodction` (hint: did you mean `production`?)
    a.yaml:7:22: there is no group of subscriptions `prod*` (hint: patterns for names come with a later version)
    a.yaml:7:22: there is no group of subscriptions `production, test` (hint: several are a list: [production, test])
    "#);
}

#[test]
fn rules_say_whom_they_tell_and_when() {
    let rule = |rest: &str| one_line_each(&format!("{AROUND}rules:\n  - {{ name: r, {rest} }}\n"));
    insta::assert_snapshot!([
        "when: {}", "notify: a", "when: , notify: a", "when: {}, notify: 'a, b'", "when: {}, notify: ada@contoso.example",
        "when: {}, invite: b", "when: {}, notify: a, unless: {}", "when: {}, notify: a, every: 'yes'",
        "when: {}, notify: a, follow: never", "when: {}, notify: a, settle: 2 days", "stage: RCA, notify: a, when: {}",
        "when: {}, email: a@contoso.example", "when: {}, notify: a, fallback: true",
    ].map(rule).join("\n"), @r#"
    a.yaml:4:5: this rule tells nobody (hint: `notify: name` for messages, `invite: name` for invitations to retrospectives)
    a.yaml:4:5: this rule has no `when` (hint: `when: {}` is every event of a provider)
    a.yaml:4:20: `when` has no conditions (hint: `when: {}` is every event of a provider)
    a.yaml:4:34: there is no receiver `a, b` (hint: several receivers are a list: [a, b])
    a.yaml:4:34: there is no receiver `ada@contoso.example` (hint: define a receiver with this address under `receivers:`)
    a.yaml:4:34: `b` has no e-mail address, and invitations go to mailboxes (hint: add an `email`, or use `notify`)
    a.yaml:4:45: an empty `unless` takes everything away (hint: remove it, or switch the rule off with `enabled: false`)
    a.yaml:4:44: `every` is `true` or `false`, not a text
    a.yaml:4:45: `follow` is `end`, `nothing` or `all`
    a.yaml:4:45: `settle` is at most 1day
    a.yaml:4:16: a rule has no key `stage` (hint: put it under `when:`)
    a.yaml:4:5: this rule tells nobody (hint: `notify: name` for messages, `invite: name` for invitations to retrospectives)
    a.yaml:4:26: a rule has no key `email` (hint: name a receiver: `notify: platform`, and define it under `receivers:`)
    a.yaml:4:37: `fallback` comes with a later version (hint: this version knows `name`, `when`, `unless`, `notify`, `invite`, `settle`, `follow`, `every`, `test events`, `enabled`)
    "#);
}

#[test]
fn receivers_say_where_they_read() {
    let receiver = |rest: &str| one_line_each(&format!("receivers:\n  r: {rest}\n"));
    insta::assert_snapshot!([
        "ada@contoso.example", "[ada@contoso.example]", "[]", "{ email: a@b.example }", "{ zone: UTC }",
        "[{ email: 'a@b.example, c@d.example' }]", "[{ email: NO }]", "[{}]", "[{ email: a@b.example, slack: { url: x } }]",
        "[{ webhook: { uri: 'https://a.example/x' } }]", "[{ webhook: { url: 'https://a.example/x', signing: whsec_abc } }]",
        "[{ slack: { url: 'https://ada:hunter2@a.example/' } }]", "[{ slack: { url: { secret: '../etc' } } }]",
        "[{ teams: { url: { secret: s, env: x } } }]", "[{ pagerduty: x }]", "{ to: [], quiet hours: x }",
    ].map(receiver).join("\n"), @r#"
    a.yaml:2:6: a receiver is a list of addresses (hint: [{ email: ada@contoso.example }], or webhook, slack, teams)
    a.yaml:2:7: an address says how somebody is told (hint: - email: ada@contoso.example)
    a.yaml:2:6: this receiver has no address (hint: [{ email: ada@contoso.example }], or webhook, slack, teams)
    a.yaml:2:6: this receiver has no address (hint: [{ email: ada@contoso.example }], or webhook, slack, teams)
    a.yaml:2:8: a receiver has no key `email` (hint: put it into a list: `to: [{ email: ada@contoso.example }]`)
    a.yaml:2:6: this receiver has no address (hint: [{ email: ada@contoso.example }], or webhook, slack, teams)
    a.yaml:2:16: an e-mail address has no spaces or control characters (hint: several addresses are a list: [ada@contoso.example, lin@contoso.example])
    a.yaml:2:16: YAML reads a bare `NO` as false (hint: quote it: "NO")
    a.yaml:2:7: an address says how somebody is told, and this one is empty (hint: [{ email: ada@contoso.example }], or webhook, slack, teams)
    a.yaml:2:7: one address is told in one way (hint: begin each with `- `: a receiver is a list)
    a.yaml:2:43: not a URL (`https://…`): relative URL without a base
    a.yaml:2:18: the `url` is missing (hint: url: { secret: name })
    a.yaml:2:20: a webhook has no key `uri` (hint: did you mean `url`?)
    a.yaml:2:57: a signing key is not written in the file (hint: put the key into a file of the secrets directory and write `signing: { secret: its-name }`)
    a.yaml:2:23: a name or password in the URL is not supported: use a secret in its path or query
    a.yaml:2:33: this is not the name of a secret: letters, digits, `.`, `_`, `-` (hint: put the value into a file of the secrets directory and write the file's name here)
    a.yaml:2:36: a secret has no key `env` (hint: did you mean `secret`?)
    a.yaml:2:9: `pagerduty` comes with a later version (hint: this version knows `email`, `webhook`, `slack`, `teams`)
    a.yaml:2:12: this receiver has no address (hint: [{ email: ada@contoso.example }], or webhook, slack, teams)
    a.yaml:2:16: `quiet hours` comes with a later version (hint: this version knows `to`, `zone`)
    "#);
}

#[test]
fn files_and_tests_have_their_own_mistakes() {
    insta::assert_snapshot!([
        "", "# nothing yet\n", "rules: {}\n", "rule: []\n", "- name: r\n", "rules: []\nrules: []\n", "hours: {}\n",
        "subscriptions: { a: 'x y', b: [], '(c)': z }\n", "x-mine: &a { stage: RCA }\nrules: []\n",
        "tests: [{ name: t }]\n", "tests: [{ name: t, event: { service: Storage, owner: none }, expect: { r: [a] } }]\n",
        "a: b: c\n", "\ta: 1\n", "rules: []\n---\nrules: []\n",
    ].map(one_line_each).join("\n"), @r#"
    a.yaml:1:1: this file is empty (hint: remove the file to end its rules, or write `rules: []`)
    a.yaml:1:1: this file is empty (hint: remove the file to end its rules, or write `rules: []`)
    a.yaml:1:8: `rules` is a list, not a table of keys (hint: begin each item with `- `, on a line of its own)
    a.yaml:1:1: a rule file has no key `rule` (hint: did you mean `rules`?)
    a.yaml:1:1: a rule file is a table of keys, not a list
    a.yaml:2:1: `rules` is here twice: the first is on line 1 (hint: keep one; a list gives it several values)
    a.yaml:1:1: `hours` comes with a later version (hint: this version knows `subscriptions`, `receivers`, `rules`, `tests`, `usage`, `terms`)
    a.yaml:1:21: this is not the id of a subscription (hint: one id per item: [11111111-aaaa-4bbb-8ccc-111111111111, …])
    a.yaml:1:31: the id of a subscription is missing: this list is empty
    a.yaml:1:35: a name does not begin with `(`: those are the built-in ones

    a.yaml:1:9: a test needs `event`
    a.yaml:1:9: a test needs `expect`
    a.yaml:1:29: a test's event has no key `service` (hint: write it as `impact: [{ service: …, region: … }]`)
    a.yaml:1:47: a test's event has no key `owner` (hint: a test's event has `event type`, `stage`, `kind`, `level`, `impact`, `title`, `text`, `tracking id`, `provider`, `subtype`, `size`, `lasted`, `properties`, `subscription`)
    a.yaml:1:72: there is no rule `r` (hint: define it under `rules:`)
    a.yaml:1:72: there is no receiver `a` (hint: define it under `receivers:`)
    a.yaml:1:5: this is not YAML: mapping values are not allowed in this context (hint: quote a text that contains `: `)
    a.yaml:1:2: a rule file has no key `a` (hint: a rule file has `subscriptions`, `receivers`, `rules`, `tests`, `usage`, `terms`)
    a.yaml:2:1: a file holds one document (hint: remove the line `---`)
    "#);
}

#[test]
fn a_file_has_limits_and_says_which() {
    assert!(one_line_each(&"#".repeat(300 * 1024)).contains("at most 256 KiB"));
    let many: Vec<_> = (0..10_001)
        .map(|nth| nth.to_string())
        .map(|nth| format!("s{nth}"))
        .collect();
    let services = of_condition(&format!("service: [{}]", many.join(",")));
    assert!(services.contains("at most 10000 names here, not 10001"), "{services}");
    assert_eq!(of_condition(&format!("service: [{}]", many[..10_000].join(","))), "");
    let rules: Vec<_> = (0..5_001)
        .map(|nth| format!("- {{ name: r{nth}, when: {{}}, notify: a }}\n"))
        .collect();
    let more = format!("rules:\n{}", rules.concat().replace("name: r", "name: q"));
    let rules = format!("{AROUND}rules:\n{}", rules.concat());
    let sources = [("a.yaml", rules), ("b.yaml", more)];
    let sources = sources.map(|(path, text)| Source {
        path: path.to_owned(),
        text,
    });
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let checked = check(&sources, &Default::default(), &settings);
    let told: Vec<_> = checked
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(Problem::to_string)
        .collect();
    assert!(
        told[0].starts_with("b.yaml:1:1: a folder has at most 10000 rules; with this file it has 10002"),
        "{told:?}"
    );
    let name = one_line_each(&format!(
        "{AROUND}rules: [{{ name: {}, when: {{}}, notify: a }}]",
        "x".repeat(201)
    ));
    assert!(name.contains("at most 200 characters"), "{name}");
}

/// The errors of a folder whose files have these patterns, one rule each.
fn of_patterns(files: &[Vec<&str>]) -> Vec<String> {
    let source = |(nth, patterns): (usize, &Vec<&str>)| {
        let rules = patterns
            .iter()
            .enumerate()
            .map(|(rule, pattern)| format!("- {{ name: r{nth}-{rule}, when: {{ text: '{pattern}' }}, notify: a }}\n"));
        let around = if nth == 0 { AROUND } else { "" };
        Source {
            path: format!("{nth}.yaml"),
            text: format!("{around}rules:\n{}", rules.collect::<String>()),
        }
    };
    let sources: Vec<Source> = files.iter().enumerate().map(source).collect();
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let problems = check(&sources, &Default::default(), &settings).problems;
    let errors = problems.iter().filter(|problem| problem.is_error());
    errors.map(Problem::to_string).collect()
}

#[test]
fn the_regular_expressions_of_a_folder_have_limits_together() {
    let most = [vec!["/[ab]{500}/"; 5], vec!["*any* number of ??? globs"]].concat();
    let one_more = vec!["/x/"];
    assert!(of_patterns(&[most.clone(), vec!["*x*"]]).is_empty());
    let told = of_patterns(&[most, one_more.clone(), vec!["*x*"]]);
    assert_eq!(told.len(), 1, "{told:?}");
    let what =
        "1.yaml:2:31: the regular expressions of a folder have at most 5000 classes, alternatives and repetitions";
    assert!(
        told[0].starts_with(what) && told[0].contains("it is 5001, 5000 of them in the files before it"),
        "{told:?}"
    );

    let large = r"/\w{10}/";
    let bytes = Pattern::read(large).expect("a pattern").cost().bytes;
    let most = vec![large; MAX_PATTERN_BYTES / bytes];
    assert!(of_patterns(std::slice::from_ref(&most)).is_empty());
    let told = of_patterns(&[most, vec![large]]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("at most 64 MiB when compiled; with this file it is 65"),
        "{told:?}"
    );
}

#[test]
fn what_is_not_lined_up_has_a_hint() {
    let outdented = one_line_each("rules:\n  - name: a\n   when: {}\n");
    assert!(
        outdented.contains("not YAML") && outdented.contains("keys line up"),
        "{outdented}"
    );
    let open = one_line_each("rules:\n  - { name: a, when: {}\n    notify: b\n");
    assert!(open.contains("unclosed") && open.contains("hint: close it"), "{open}");
}

#[test]
fn an_id_that_is_nearly_one_is_told() {
    let warned = |id: &str| {
        let text = format!("subscriptions: {{ all: [{id}] }}\nrules: []\n");
        let source = Source {
            path: "a.yaml".to_owned(),
            text,
        };
        let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
        let problems = check(&[source], &Default::default(), &settings).problems;
        problems
            .iter()
            .any(|problem| problem.to_string().contains("nearly the id of a subscription"))
    };
    assert!(warned("11111111-aaaa-4bbb-8ccc-11111111111"), "a digit too few");
    assert!(warned("11111111-aaaa-4bbb-8ccc-11111111111O"), "a letter O");
    assert!(!warned("11111111-AAAA-4bbb-8ccc-111111111111"));
    assert!(!warned("123456789012") && !warned("my-team-in-the-north"));
}

#[test]
fn no_secret_ever_shows() {
    let shown = told(
        "receivers:\n  r: [{ slack: { url: 'http://hooks.slack.com/services/T0/B0/hunter2' } }, { webhook: { url: 'https://a.example/hunter2', signing: whsec_hunter2 } }]\n",
    );
    assert!(
        shown.contains("hooks.slack.com") && !shown.contains("hunter2"),
        "{shown}"
    );
}

/// Everything that is said of a file, warnings too, one line each.
fn all_of(text: &str) -> String {
    let source = Source {
        path: "a.yaml".to_owned(),
        text: text.to_owned(),
    };
    let settings = Deciding::new(Customers::one_organisation(), None, false).expect("settings");
    let checked = check(&[source], &Default::default(), &settings);
    checked
        .problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Everything that is said of one condition beside a rule that everything is sent by.
fn all_of_condition(condition: &str) -> String {
    all_of(&format!(
        "{AROUND}rules:\n  - {{ name: all, when: {{}}, notify: [a, b], invite: a }}\n  - name: r\n    notify: a\n    when:\n      {condition}\n"
    ))
}

#[test]
fn what_is_nearly_yaml_says_what_to_type() {
    let rules = |rest: &str| one_line_each(&format!("{AROUND}rules:\n{rest}"));
    insta::assert_snapshot!([
        "  - name: r\n    notify:a\n    when: {}\n", "  - name: r\n    when: {}\n    notify:a\n", "  - notify:a\n    name: r\n    when: {}\n",
        "  - name: r\n    when:\n      stage:RCA\n    notify: a\n", "// the rules\n  - { name: r, notify: a, when: {} }\n",
        "  - { name: r, notify: a, when: {} } // the rule\n", "  - name: r // the rule\n    notify: a // the team\n    when: {}\n",
        "  - name: r\n    notify: a# the team\n    when: {}\n", "/* the rules */\n  - { name: r, notify: a, when: {} }\n",
        "  - name: r\n\tnotify: a\n    when: {}\n", "  - name: r\n    notify: a\n    when:\n    \tstage: RCA\n",
        "\t- name: r\n\t  notify: a\n", "  - name: r\n    notify = a\n    when: {}\n",
        "<<<<<<< HEAD\n  - { name: r, notify: a, when: {} }\n=======\n  - { name: s, notify: a, when: {} }\n>>>>>>> main\n",
        "  - name: r\n<<<<<<< HEAD\n    notify: a\n=======\n    notify: b\n>>>>>>> main\n    when: {}\n",
        "  - { name: r, notify: a, when: { title: “*drill*\" } }\n", "\u{a0} - name: r\n    notify: a\n    when: {}\n",
    ].map(rules).join("\n"), @r#"
    a.yaml:5:5: `notify:a` is one word for YAML (hint: a space after the colon: `notify: a`)
    a.yaml:6:5: `notify:a` is one word for YAML (hint: a space after the colon: `notify: a`)
    a.yaml:4:5: `notify:a` is one word for YAML (hint: a space after the colon: `notify: a`)
    a.yaml:6:7: a condition is a table of keys, not a text (hint: a space after the colon: `stage: RCA`)
    a.yaml:4:1: this is not a comment for YAML (hint: a comment begins with `#`, and a space before it)
    a.yaml:4:38: this is not a comment for YAML (hint: a comment begins with `#`, and a space before it)
    a.yaml:5:13: there is no receiver `a // the team` (hint: a comment begins with `#`, and a space before it)
    a.yaml:5:13: there is no receiver `a# the team` (hint: a comment needs a space before its `#`)
    a.yaml:4:1: this is not a comment for YAML (hint: a comment begins with `#`, and a space before it)
    a.yaml:5:1: this line is indented with a tab, which YAML does not allow (hint: indent with spaces, not with tabs)
    a.yaml:7:5: this line is indented with a tab, which YAML does not allow (hint: indent with spaces, not with tabs)
    a.yaml:4:1: this line is indented with a tab, which YAML does not allow (hint: indent with spaces, not with tabs)
    a.yaml:5:5: this is not YAML: simple key expected ':' (hint: write a colon and a space: `key: value`)
    a.yaml:4:1: this is a marker of a merge conflict, not YAML (hint: keep the lines of one side, and remove those that begin with `<<<<<<<`, `=======` and `>>>>>>>`)
    a.yaml:5:1: this is a marker of a merge conflict, not YAML (hint: keep the lines of one side, and remove those that begin with `<<<<<<<`, `=======` and `>>>>>>>`)
    a.yaml:4:42: this text stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "*drill*")
    a.yaml:4:1: this is not YAML, and here stands U+00A0 no-break space (hint: delete it: delete the line and type it anew)
    "#);
}

#[test]
fn characters_that_nobody_sees_are_named_with_their_place() {
    let file = |text: &str| all_of(text);
    let around = "receivers: { platform team: [{ email: a@contoso.example }] }\nrules: [{ name: all, when: {}, notify: platform team, invite: platform team }]\n";
    insta::assert_snapshot!([
        "receivers: { platform team: [{ email: a@contoso.example }] }\nrules: [{ name: r, when: {}, notify: platform\u{a0}team, invite: platform team }]\n".to_owned(),
        "receivers: { platform\u{a0}team: [{ email: a@contoso.example }] }\nrules: [{ name: r, when: {}, notify: platform team, invite: platform team }]\n".to_owned(),
        "receivers: { a: [{ email: a@contoso.example }] }\nrules: [{ na\u{200b}me: r, when: {}, notify: a, invite: a }]\n".to_owned(),
        "receivers: { a: [{ email: a\u{200b}@contoso.example }] }\n\u{feff}rules: [{ name: r, when: {}, notify: a, invite: a }]\n".to_owned(),
        "receivers: { a: [{ email: a@contoso.example }] }\nrules: [{ name: r, when: { st\u{430}ge: RCA, kind: \u{430}ctive }, notify: a }]\n".to_owned(),
        "receivers: { a: [{ email: a@contoso.example }] }\nrules: [{ name: r, \u{441}\u{43e}\u{440}\u{443}: b, when: {}, notify: \u{430}, invite: a }]\n".to_owned(),
        format!("{around}tests: [{{ name: t, event: {{ kind: update }}, expect: {{ “all”: [“platform team”] }} }}]\n"),
        format!("{around}x-mine: [“a”, '“a”']\n"),
    ].map(|text| file(&text)).join("\n"), @r#"
    a.yaml:2:46: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    a.yaml:1:22: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    a.yaml:2:13: U+200B zero width space cannot be seen (hint: delete it: delete the word and type it anew)
    a.yaml:2:1: this is not YAML, and here stands U+FEFF byte order mark (hint: delete it: delete the line and type it anew)
    a.yaml:2:28: a condition has no key `stаge` (hint: a known one only looks the same: here its character 3 is U+0430 of the Cyrillic alphabet; delete the word and type it anew)
    a.yaml:2:30: U+0430 of the Cyrillic alphabet only looks like a Latin letter (hint: delete the word and type it anew)
    a.yaml:2:46: U+0430 of the Cyrillic alphabet only looks like a Latin letter (hint: delete the word and type it anew)
    a.yaml:2:46: `аctive` is no kind (hint: one of update, mitigation, preliminary-review, final-review, retraction, retrospective, recording, rules-broken, rules-mended, journal-lost, set-aside, clock-jumped, mail-refused, receiver-failing, receiver-back, not-understood, review-due, review-overdue, repair-due, update-overdue, maintenance-starting, maintenance-over, claim-possible, case-due, claim-due, claim-unanswered)
    a.yaml:2:20: a rule has no key `сору` (hint: a rule has `name`, `when`, `unless`, `notify`, `invite`, `settle`, `follow`, `every`, `test events`, `enabled`)
    a.yaml:2:47: there is no receiver `а` (hint: a known one only looks the same: here its character 1 is U+0430 of the Cyrillic alphabet; delete the word and type it anew)
    a.yaml:3:55: this key stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "all")
    a.yaml:3:63: this text stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "platform team")
    a.yaml:3:10: this text stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "a")
    a.yaml:3:15: the typographic quotes are a part of this text (hint: if they are not meant: "a")
    "#);
    let condition = |condition: &str| all_of_condition(condition);
    insta::assert_snapshot!([
        "title: “*drill*”", "title: '*planned\u{a0} maintenance*'", "title: '“*drill*”'", "title: ['*dri\u{200b}ll*', ‚*test*‘]",
        "event type: Service\u{a0}issue", "event type: Service\u{200b}issue", "service: App\u{a0}Service", "service: App\u{200b} Service",
        "region: [“East US”, Global]", "subscriptions: produ\u{ad}ction", "stage: \u{410}ctive", "“title”: '*drill*'", "properties: { team\u{a0}: 'a\u{a0}b' }",
    ].map(condition).join("\n"), @r#"
    a.yaml:8:14: this text stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "*drill*")
    a.yaml:8:23: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    a.yaml:8:14: the typographic quotes are a part of this text (hint: if they are not meant: "*drill*")
    a.yaml:8:20: U+200B zero width space cannot be seen (hint: delete it: delete the word and type it anew)
    a.yaml:8:27: this text stands in typographic quotes (U+201A `‚`), which YAML takes for letters (hint: type straight quotes: "*test*")
    a.yaml:8:26: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    a.yaml:8:26: U+200B zero width space cannot be seen (hint: delete it: delete the word and type it anew)
    a.yaml:8:19: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    a.yaml:8:19: U+200B zero width space cannot be seen (hint: delete it: delete the word and type it anew)
    a.yaml:8:16: this text stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "East US")
    a.yaml:8:27: U+00AD soft hyphen cannot be seen (hint: delete it: delete the word and type it anew)
    a.yaml:8:14: U+0410 of the Cyrillic alphabet only looks like a Latin letter (hint: delete the word and type it anew)
    a.yaml:8:14: `Аctive` is no stage (hint: a known one only looks the same: here its character 1 is U+0410 of the Cyrillic alphabet; delete the word and type it anew)
    a.yaml:8:7: this key stands in typographic quotes (U+201C `“`), which YAML takes for letters (hint: type straight quotes: "title")
    a.yaml:8:25: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    a.yaml:8:30: U+00A0 no-break space looks like a space and is none (hint: delete it and type a space)
    "#);
}

#[test]
fn names_are_compared_in_composed_letters() {
    for (defined, used) in [
        ("Zürich", "Zu\u{308}rich"),
        ("Zu\u{308}rich", "Zürich"),
        ("Åsa", "A\u{30a}sa"),
    ] {
        let text = format!(
            "receivers: {{ {defined}: [{{ email: a@contoso.example }}] }}\nsubscriptions: {{ {defined}: my-id }}\nrules: [{{ name: {defined}, when: {{ subscriptions: {used} }}, notify: {used} }}]\ntests: [{{ name: t, event: {{ kind: update, subscription: {used} }}, expect: {{ {used}: [{used}] }} }}]\n"
        );
        assert_eq!(one_line_each(&text), "", "{defined} {used}");
    }
}

#[test]
fn addresses_and_zones_are_guessed() {
    let receiver = |rest: &str| one_line_each(&format!("receivers:\n  r:\n    {rest}\n"));
    insta::assert_snapshot!([
        "-email: a@contoso.example", "- -email: a@contoso.example", "- email: mailto:a@contoso.example", "- email: a@contoso.example# the team",
        "- email: a@contoso.example // the team", "- email: a@contoso.example b@contoso.example", "- email:a@contoso.example",
        "- mailto:a@contoso.example", "- e-mail: a@contoso.example", "- email: [a@contoso.example; b@contoso.example]",
        "{ to: [{ email: a@contoso.example }], zone: CEST }", "{ to: [{ email: a@contoso.example }], zone: UTC+2 }",
        "{ to: [{ email: a@contoso.example }], zone: Berlin }",
    ].map(receiver).join("\n"), @r"
    a.yaml:3:5: a receiver has no key `-email` (hint: a space after the hyphen: `- email:`)
    a.yaml:3:7: an address has no key `-email` (hint: a space after the hyphen: `- email:`)
    a.yaml:3:14: not an e-mail address (`name@domain`) (hint: write only the address: `a@contoso.example`)
    a.yaml:3:14: an e-mail address has no spaces or control characters (hint: a comment needs a space before its `#`)
    a.yaml:3:14: an e-mail address has no spaces or control characters (hint: a comment begins with `#`, and a space before it)
    a.yaml:3:14: an e-mail address has no spaces or control characters (hint: several addresses are a list: [a@contoso.example, b@contoso.example])
    a.yaml:3:7: an address says how somebody is told (hint: - email: a@contoso.example)
    a.yaml:3:7: an address says how somebody is told (hint: - email: a@contoso.example)
    a.yaml:3:7: an address has no key `e-mail` (hint: did you mean `email`?)
    a.yaml:3:15: an e-mail address has no spaces or control characters (hint: several addresses are a list: [ada@contoso.example, lin@contoso.example])
    a.yaml:3:49: `CEST` is no time zone (hint: a zone is named by a place, which knows its summer time: `Europe/Berlin`)
    a.yaml:3:49: `UTC+2` is no time zone (hint: a zone is named by a place, which knows its summer time: a name such as `Europe/Berlin`)
    a.yaml:3:49: `Berlin` is no time zone (hint: did you mean `Europe/Berlin`?)
    ");
}

#[test]
fn words_of_the_portal_and_names_in_another_order_are_understood() {
    insta::assert_snapshot!([
        "event level: Error", "Event Level: Error", "event types: Incident", "impacted regions: East US", "Impacted Service: Storage", "service names: Storage",
        "issue name: x", "current status: Active", "event tags: Final PIR", "scope: production", "region: Europe West", "region: [US East, Global]",
        "region: [(US) East US, '(Europe) West Europe', Global]", "region: [US East 2, Global]", "service: 'App Service, Storage'", "service: App Service and Storage",
        "region: East US; West US", "service: 'Storage, Frobnicator'", "region: '*'", "service: App*", "level: '>= Warning'", "stage: Active / Resolved",
        "service: Storage# the disks", "kind: update // news",
    ].map(all_of_condition).join("\n"), @r"
    a.yaml:8:7: a condition has no key `event level` (hint: did you mean `level`?)
    a.yaml:8:7: a condition has no key `Event Level` (hint: did you mean `level`?)
    a.yaml:8:7: a condition has no key `event types` (hint: did you mean `event type`?)
    a.yaml:8:7: a condition has no key `impacted regions` (hint: did you mean `impact`, `region`?)
    a.yaml:8:7: a condition has no key `Impacted Service` (hint: did you mean `impact`, `service`?)
    a.yaml:8:7: a condition has no key `service names` (hint: did you mean `service`?)
    a.yaml:8:7: a condition has no key `issue name` (hint: did you mean `title`?)
    a.yaml:8:7: a condition has no key `current status` (hint: did you mean `stage`?)
    a.yaml:8:7: a condition has no key `event tags` (hint: did you mean `kind`?)
    a.yaml:8:7: a condition has no key `scope` (hint: did you mean `subscriptions`?)
    a.yaml:8:7: trouble of services without regions comes for the region Global, which is not named here (hint: add `Global`, or a second rule for it)
    a.yaml:8:15: no region called `Europe West` is known (hint: did you mean `West Europe`?)
    a.yaml:8:16: no region called `US East` is known (hint: did you mean `East US`?)
    a.yaml:8:16: no region called `(US) East US` is known (hint: did you mean `East US`?)
    a.yaml:8:30: no region called `(Europe) West Europe` is known (hint: did you mean `West Europe`?)
    a.yaml:8:16: no region called `US East 2` is known (hint: did you mean `East US 2`?)
    a.yaml:8:16: `App Service, Storage` is the name of no service (hint: several are a list: [App Service, Storage])
    a.yaml:8:16: `App Service and Storage` is the name of no service (hint: several are a list: [App Service, Storage])
    a.yaml:8:15: `East US; West US` is the name of no region (hint: several are a list: [East US, West US])
    a.yaml:8:16: no service called `Storage, Frobnicator` is known (hint: several are a list, each a name of its own: [a, b])
    a.yaml:8:15: `*` is the name of no region (hint: leave the key out: any will do)
    a.yaml:8:16: `App*` is the name of no service (hint: there are no patterns for it: name each one, or leave the key out for any)
    a.yaml:8:14: `>= Warning` is no level (hint: name each value in a list: [Critical, Error, Warning, Informational])
    a.yaml:8:14: `Active / Resolved` is no stage (hint: several values are a list: [Active, Resolved])
    a.yaml:8:16: `Storage# the disks` is the name of no service (hint: a comment needs a space before its `#`)
    a.yaml:8:13: `update // news` is no kind (hint: a comment begins with `#`, and a space before it)
    ");
}

#[test]
fn patterns_of_other_languages_are_told() {
    insta::assert_snapshot!([
        "title: /drill/i", "title: '/drill/gi'", "title: /drill", "title: '%drill%'", "title: '.*drill.*'", "title: '^drill*'", "title: '*drill*, *test*'",
        "title: ' *drill*'", "title: '*a  b*'", "title: '/api/v1'",
    ].map(all_of_condition).join("\n"), @r#"
    a.yaml:8:14: a search has nothing behind its second slash (hint: write '/drill/': capitals and small letters are the same in every pattern)
    a.yaml:8:14: a search has nothing behind its second slash (hint: write '/drill/': capitals and small letters are the same in every pattern)
    a.yaml:8:14: without `*` the whole text must be `/drill` (hint: a search stands between slashes: '/drill/')
    a.yaml:8:14: without `*` the whole text must be `%drill%` (hint: any text is written `*`: "*drill*")
    a.yaml:8:14: in a glob `.`, `+`, `^` and `$` are only themselves (hint: a regular expression stands between slashes: '/.*drill.*/')
    a.yaml:8:14: in a glob `.`, `+`, `^` and `$` are only themselves (hint: a regular expression stands between slashes: '/^drill*/')
    a.yaml:8:14: this is one pattern, its commas are a part of the text (hint: several are a list: ["*drill*", "*test*"])
    a.yaml:8:14: no title begins or ends with a space, or has two in a row: this never matches (hint: remove the spaces, or write `*` for any text)
    a.yaml:8:14: no title begins or ends with a space, or has two in a row: this never matches (hint: remove the spaces, or write `*` for any text)
    a.yaml:8:14: without `*` the whole text must be `/api/v1` (hint: a search stands between slashes: '/api/v1/')
    "#);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    #[test]
    fn reading_never_panics(cut in 0_usize..1_500, junk in "[ -~\\n*&{}\\[\\]:'\"]{0,6}") {
        let text = include_str!("../../../tests/fixtures/rules/contoso/production.yaml");
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let text = format!("{}{junk}{}", &text[..cut], &text[cut..]);
        told(&text);
    }
}
