//! What lists say of what is used: only what they can say.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::claim::month::Calendar;
use crate::claim::usage::ZONE;
use crate::problem::Place;

const PROD: &str = "11111111-aaaa-4bbb-8ccc-111111111111";
const DEV: &str = "22222222-aaaa-4bbb-8ccc-222222222222";

/// Read once: it takes long.
static SERVICES: LazyLock<Services> = LazyLock::new(Services::shipped);

fn machine(account: &str, name: &str) -> String {
    format!("/subscriptions/{account}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/{name}")
}

fn resource(id: &str, confirmed: bool) -> Resource {
    Resource {
        id: id.to_owned(),
        kind: String::new(),
        name: String::new(),
        account: None,
        region: None,
        confirmed,
    }
}

fn usage(service: &str, account: Option<&str>, resource: Option<&str>) -> Usage {
    Usage {
        customer: "contoso".to_owned(),
        provider: "azure".to_owned(),
        service: service.to_owned(),
        service_key: service_key(&SERVICES, service),
        tier: None,
        region: None,
        subscription: account.map(str::to_owned),
        resource: resource.map(str::to_owned),
        fees: std::collections::BTreeMap::new(),
        fee: None,
        currency: None,
        calendar: Calendar { day: 1, zone: ZONE },
        deployed: None,
        removed: None,
        renewed: None,
        free: false,
        preview: false,
        place: Place::default(),
        tier_place: Place::default(),
        region_place: Place::default(),
    }
}

fn list(resources: &[Resource], is_complete: bool) -> OnList {
    OnList::new(resources, is_complete, &SERVICES)
}

#[test]
fn a_list_narrows_within_the_account_and_the_sort_of_what_it_confirms_and_nowhere_else() {
    let all = [
        resource(&machine(PROD, "shop-1"), true),
        resource(&machine(PROD, "shop-3"), false),
        resource(&machine(DEV, "dev-1"), false),
    ];
    let whole = list(&all, true);
    let says = |service, account, resource: &str| whole.says(&usage(service, account, Some(resource)));
    for (service, account, resource, expected) in [
        (
            "Virtual Machines",
            Some(PROD),
            "shop-1".to_owned(),
            OnResource::Confirmed,
        ),
        (
            "Virtual Machines",
            None,
            machine(PROD, "SHOP-1"),
            OnResource::ConfirmedById,
        ),
        ("Virtual Machines", Some(PROD), "shop-2".to_owned(), OnResource::LeftOut),
        ("Virtual Machines", None, machine(PROD, "shop-2"), OnResource::LeftOut),
        (
            "Virtual Machines",
            Some(PROD),
            "shop-3".to_owned(),
            OnResource::OnlyPotential,
        ),
        // nothing of this account is confirmed
        ("Virtual Machines", Some(DEV), "dev-1".to_owned(), OnResource::Potential),
        ("Virtual Machines", Some(DEV), "dev-2".to_owned(), OnResource::Unknown),
        // nor of this sort of thing
        ("SQL Database", Some(PROD), "orders".to_owned(), OnResource::Unknown),
        ("SQL Database", Some(PROD), "shop-1".to_owned(), OnResource::Unknown),
        // which account it is of is not said
        ("Virtual Machines", None, "shop-2".to_owned(), OnResource::Unknown),
    ] {
        assert_eq!(
            says(service, account, &resource),
            Some(expected),
            "{service} {account:?} {resource}"
        );
    }
    assert_eq!(whole.says(&usage("Virtual Machines", Some(PROD), None)), None);
    let cut = list(&all, false);
    let other = usage("Virtual Machines", Some(PROD), Some("shop-2"));
    assert_eq!(cut.says(&other), Some(OnResource::Unknown), "the next page may have it");
}

proptest! {
    /// What is confirmed always counts; and of an account of which nothing is confirmed, everything does.
    #[test]
    fn what_is_confirmed_counts_and_other_accounts_are_never_silenced(
        names in prop::collection::vec(("[a-d]", any::<bool>(), any::<bool>()), 0..12), asked in "[a-d]", by_id in any::<bool>(),
    ) {
        let all: Vec<Resource> = names
            .iter()
            .map(|(name, is_prod, confirmed)| resource(&machine(if *is_prod { PROD } else { DEV }, name), *confirmed))
            .collect();
        let listed = list(&all, true);
        for account in [PROD, DEV] {
            let id = machine(account, &asked);
            let name = if by_id { &id } else { &asked };
            let says = listed.says(&usage("Virtual Machines", Some(account), Some(name))).expect("it names a resource");
            let of_account = || all.iter().filter(|one| subscription_of(&one.key()) == Some(account));
            let is_confirmed = of_account().any(|one| one.confirmed && one.id == id);
            let is_narrowed = of_account().any(|one| one.confirmed);
            prop_assert_eq!(says.counts(), is_confirmed || !is_narrowed, "{:?}", says);
        }
    }
}
