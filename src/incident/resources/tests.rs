//! Lists as they come, good and bad.

use super::read::{List, field_at, read_list};
use super::*;
use crate::problem::fields::Reading;

const PROD: &str = "11111111-aaaa-4bbb-8ccc-111111111111";

/// Azure's own answer, as it was captured.
const REST: &str = include_str!("../../../tests/fixtures/resources/azure-rest.json");

fn good(text: &str, tracking_id: &str) -> List {
    let reading = Reading::new("list.json", text);
    let list = read_list(&reading, tracking_id, &|_| true);
    list.unwrap_or_else(|| panic!("{:#?}", reading.take_problems()))
}

/// What is wrong, what to type, and which field it is.
fn wrong(text: &str) -> (String, String, String) {
    let reading = Reading::new("list.json", text);
    assert_eq!(read_list(&reading, "T-1", &|_| true), None, "{text}");
    let problems = reading.take_problems();
    let first = problems.first().expect("a problem");
    let field = field_at(text, first.line, first.column);
    (first.what.clone(), first.hint.clone().unwrap_or_default(), field)
}

fn short(list: &List) -> Vec<(&str, Option<&str>, bool)> {
    let each = list.resources.iter();
    each.map(|one| (one.id.as_str(), one.account.as_deref(), one.confirmed))
        .collect()
}

#[test]
fn azures_rest_answer_names_confirmed_resources_and_their_accounts() {
    let list = good(REST, "gcc46-out");
    assert!(list.is_complete);
    let first = &list.resources[0];
    assert_eq!(
        (&*first.kind, &*first.name, first.region.as_deref(), first.confirmed),
        (
            "Microsoft.DocumentDb/databaseAccounts",
            "hsfilterapi",
            Some("southeastasia"),
            true
        )
    );
    assert_eq!(first.account.as_deref(), Some("a1a1a1a1-b2b2-4c3c-8d4d-e5e5e5e5e503"));
    assert_eq!(list.resources.len(), 2);
    let cut =
        REST.trim_end().trim_end_matches('}').to_owned() + ", \"nextLink\": \"https://management.azure.com/next\"}";
    assert!(!good(&cut, "GCC46-OUT").is_complete, "a next page");
}

#[test]
fn rows_of_another_incident_are_refused_at_their_place() {
    let (what, hint, field) = wrong(REST);
    assert!(what.contains("is of the incident GCC46-OUT, not of T-1"), "{what}");
    assert!(hint.contains("/events/T-1/"), "{hint}");
    assert_eq!(field, "value[0].id");
}

#[test]
fn rows_of_resource_graph_come_in_each_form_that_programs_print() {
    let id = format!("/subscriptions/{PROD}/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/shop-1");
    let row = format!(
        "{{\"id\": \"/subscriptions/{PROD}/providers/Microsoft.ResourceHealth/events/T-1/impactedResources/x\", \
         \"type\": \"microsoft.resourcehealth/events/impactedresources\", \"subscriptionId\": \"{PROD}\", \"extra\": 1, \
         \"properties\": {{\"targetResourceId\": \"{id}\", \"targetRegion\": \"eastus\", \"resourceName\": \"shop-1\"}}}}"
    );
    let projected = format!("{{\"TrackingId\": \"T-1\", \"details\": {{\"targetResourceId\": \"{id}\"}}}}");
    for (text, is_complete) in [
        (format!("[{row}]"), true),
        (
            format!("{{\"count\": 1, \"data\": [{row}], \"skip_token\": null, \"total_records\": 1}}"),
            true,
        ),
        (format!("{{\"data\": [{row}], \"skipToken\": \"abc\"}}"), false),
        (format!("{{\"data\": [{row}], \"resultTruncated\": \"true\"}}"), false),
        (format!("[{projected}]"), true),
    ] {
        let list = good(&text, "T-1");
        assert_eq!(
            (short(&list), list.is_complete),
            (vec![(&*id, Some(PROD), true)], is_complete),
            "{text}"
        );
    }
    let potential = row.replace("\"targetRegion\"", "\"impactType\": \"Potential\", \"targetRegion\"");
    assert!(!good(&format!("[{potential}]"), "T-1").resources[0].confirmed);
    let in_info = row.replace(
        "\"targetRegion\"",
        "\"info\": [{\"key\": \"ImpactType\", \"value\": \"Potential\"}], \"targetRegion\"",
    );
    assert!(!good(&format!("[{in_info}]"), "T-1").resources[0].confirmed);
    let other = row.replace("/events/impactedresources", "/events");
    assert!(
        wrong(&format!("[{other}]"))
            .0
            .contains("this row is no impacted resource"),
        "the type"
    );
    let table = "{\"data\": {\"columns\": [], \"rows\": []}}";
    assert!(wrong(table).1.contains("objectArray"), "a table");
}

#[test]
fn our_own_form_is_read_strictly_in_json_and_yaml() {
    let json = "{\"resources\": [{\"id\": \"b\", \"impact\": \"potential\", \"account\": \"123456789012\"},
                                 {\"id\": \"A\", \"impact\": \"Confirmed\"}, {\"id\": \"a/\", \"impact\": \"potential\"}]}";
    let list = good(json, "T-1");
    // the same id in another case is the same one, and confirmed if either says so
    assert_eq!(short(&list), [("A", None, true), ("b", Some("123456789012"), false)]);
    let yaml =
        "resources:\n  - { id: A, type: machine, name: a, region: East US, impact: confirmed }\ncomplete: false\n";
    assert!(!good(yaml, "T-1").is_complete);
    assert_eq!(
        short(&good("- { id: A, impact: confirmed }\n", "T-1")),
        [("A", None, true)]
    );
    assert_eq!(good("{\"resources\": []}", "T-1").resources, []);
    let of_account = format!(
        "[{{\"id\": \"/subscriptions/{PROD}/x\", \"account\": \"{}\", \"impact\": \"confirmed\"}}]",
        PROD.replace('1', "2")
    );
    for (text, says, asks, at) in [
        (
            "{\"resources\": [{\"id\": \"a\"}]}",
            "does not say how sure",
            "confirmed",
            "resources[0]",
        ),
        (
            "{\"resources\": [{\"impact\": \"confirmed\"}]}",
            "has no `id`",
            "`id`",
            "resources[0]",
        ),
        (
            "[{\"id\": \"a\", \"impact\": \"confirmd\"}]",
            "`confirmd`",
            "confirmed",
            "[0].impact",
        ),
        (
            "[{\"id\": \"a\", \"impakt\": \"confirmed\"}]",
            "no key `impakt`",
            "impact",
            "[0].impakt",
        ),
        (
            "[{\"id\": \"a\\u0007\", \"impact\": \"confirmed\"}]",
            "controls something",
            "anew",
            "[0].id",
        ),
        ("{\"resources\": {}}", "is a list", "resources", "resources"),
        (
            "{\"incidents\": []}",
            "is no list of impacted resources",
            "resources",
            "",
        ),
        ("[\"a\"]", "is a table of keys", "", "[0]"),
        ("\"a\"", "is expected", "resources", ""),
        ("", "names no resources", "resources", ""),
        (&of_account, "by its id", "leave `account` out", "[0].account"),
    ] {
        let (what, hint, field) = wrong(text);
        assert!(what.contains(says) && hint.contains(asks), "{text}: {what} / {hint}");
        assert_eq!(field, at, "{text}");
    }
}

#[test]
fn as_much_is_taken_as_is_allowed_and_not_one_more() {
    let list = |count: usize| {
        let items: Vec<String> = (0..count)
            .map(|nth| format!("{{\"id\":\"r{nth}\",\"impact\":\"confirmed\"}}"))
            .collect();
        format!("[{}]", items.join(","))
    };
    assert_eq!(good(&list(TOGETHER_MOST), "T-1").resources.len(), TOGETHER_MOST);
    let (what, hint, _) = wrong(&list(TOGETHER_MOST + 1));
    assert!(
        what.contains("10001 resources") && hint.contains("by parts"),
        "{what} {hint}"
    );
    let id = |bytes: usize| format!("[{{\"id\":\"{}\",\"impact\":\"confirmed\"}}]", "x".repeat(bytes));
    assert_eq!(good(&id(ID_BYTES_MOST), "T-1").resources.len(), 1);
    assert!(wrong(&id(ID_BYTES_MOST + 1)).0.contains("at most 1024 bytes"));
}

#[test]
fn account_and_type_stand_in_an_id_of_azure() {
    let key = "/subscriptions/one/resourcegroups/g/providers/microsoft.sql/servers/s/databases/d";
    assert_eq!(subscription_of(key), Some("one"));
    assert_eq!(type_of(key).as_deref(), Some("microsoft.sql/servers/databases"));
    assert_eq!(resource_name(key), "d");
    assert_eq!((type_of("shop-1"), type_of("/providers/x")), (None, None));
}
