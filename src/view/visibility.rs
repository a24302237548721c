//! Who sees what: the one place that cuts an incident to what a viewer may see of it.
//!
//! A customer sees a communication if one of its own accounts heard it, or if it came from a source that it lists as
//! public. Everything else follows from there: what nobody of a customer's heard does not exist for it.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use crate::clock::Time;
use crate::customer::{Customer, CustomerId, Customers, Sees, Viewer};
use crate::event::{Event, Provider};
use crate::incident::{Hearing, Incident, IncidentId};
use crate::journal::Position;
use crate::store::View;
use crate::view::words::in_own_folder;

/// Who owns which accounts, to say of many hearings whose they are.
pub struct Owners<'a> {
    customers: &'a Customers,
    by_account: HashMap<&'a str, Vec<&'a CustomerId>>,
}

impl<'a> Owners<'a> {
    /// By these settings.
    pub fn of(customers: &'a Customers) -> Self {
        let mut by_account: HashMap<&str, Vec<&CustomerId>> = HashMap::new();
        for (id, customer) in customers.by_name.iter().flatten() {
            for account in &customer.accounts {
                by_account.entry(account).or_default().push(id);
            }
        }
        Self { customers, by_account }
    }

    /// The hearings of each customer that may know of some: what [`Visibility::hearings`] gives that customer.
    pub fn each(&self, hearings: Vec<Hearing>) -> BTreeMap<&'a CustomerId, Vec<Hearing>> {
        let mut each: BTreeMap<&CustomerId, Vec<Hearing>> = BTreeMap::new();
        for hearing in hearings {
            if !hearing.account.is_empty() {
                for customer in self.by_account.get(hearing.account.as_str()).into_iter().flatten() {
                    each.entry(customer).or_default().push(hearing.clone());
                }
                continue;
            }
            let (provider, source) = (hearing.incident.provider, hearing.source.as_deref());
            for (id, customer) in self.customers.by_name.iter().flatten() {
                if is_public(provider, source, id, customer) {
                    each.entry(id).or_default().push(hearing.clone());
                }
            }
        }
        each
    }
}

/// Whether what names no account is this customer's to see: a public source it lists, or an event of our own about it.
fn is_public(provider: Provider, source: Option<&str>, id: &CustomerId, customer: &Customer) -> bool {
    let Some(source) = source else { return false };
    match provider {
        Provider::Bellwether => id.as_str() == source,
        _ => crate::rule::condition::lists(customer, source),
    }
}

/// What one viewer sees of the store.
pub struct Visibility<'a> {
    /// What there is.
    pub store: &'a View,
    customers: &'a Customers,
    viewer: &'a Viewer,
}

impl<'a> Visibility<'a> {
    /// What `viewer` sees, where `customers` says who owns what.
    pub fn of(store: &'a View, customers: &'a Customers, viewer: &'a Viewer) -> Self {
        Self {
            store,
            customers,
            viewer,
        }
    }

    /// Whether everything about every incident is seen.
    pub fn is_whole(&self) -> bool {
        matches!(self.sees(), Sees::Everything)
    }

    /// The customer on whose behalf is read; `None` for the operator.
    pub fn customer(&self) -> Option<&'a CustomerId> {
        self.viewer.customer()
    }

    /// The customer whose part is read, if that is not everybody's: what others' rules made of an event is not its to know.
    pub fn only(&self) -> Option<&'a CustomerId> {
        self.customer().filter(|customer| !customer.is_operator())
    }

    /// Whether it is shown where receivers read: to the operator, and to a customer by its token. A link in a message may
    /// have been passed on to anybody, so it shows no addresses.
    pub fn shows_addresses(&self) -> bool {
        !matches!(self.viewer, Viewer::Link { .. })
    }

    /// Whether any part of an event is the viewer's to see: one of its accounts, or a public source that it lists.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn shows_event(&self, at: Position, id: &IncidentId, event: Option<&Event>) -> Result<bool> {
        // a repeat is nobody's hearing: what it says itself counts then
        let is_own = self.is_whole() || event.is_some_and(|event| self.owns_part_of(event));
        Ok(is_own || self.hearings(id)?.iter().any(|hearing| hearing.event == at))
    }

    /// Whether an event names one of the viewer's accounts, or came from a public source that it lists.
    pub fn owns_part_of(&self, event: &Event) -> bool {
        match self.sees() {
            Sees::Everything => true,
            Sees::Nothing => false,
            Sees::Owned(customer) => match event.accounts.is_empty() || event.provider == Provider::Bellwether {
                true => self.is_public(event.provider, event.source.as_deref(), customer),
                false => event.accounts.iter().any(|account| customer.accounts.contains(account)),
            },
        }
    }

    /// Whether an account is the viewer's to see.
    pub fn owns(&self, account: &str) -> bool {
        match self.sees() {
            Sees::Everything => true,
            Sees::Nothing => false,
            Sees::Owned(customer) => customer.accounts.contains(account),
        }
    }

    /// The part of an event that the viewer may see: for which others it was sent, and with what they marked it, is not.
    pub fn part_of(&self, mut event: Event) -> Event {
        let Sees::Owned(customer) = self.sees() else {
            return event;
        };
        let is_own = |account: &String| customer.accounts.contains(account);
        if !event.accounts.iter().all(is_own) {
            event.properties.clear();
        }
        event.accounts.retain(is_own);
        event.impact.retain_mut(|impact| {
            let is_of_all = impact.accounts.is_empty();
            impact.accounts.retain(is_own);
            is_of_all || !impact.accounts.is_empty()
        });
        if let (Provider::Bellwether, Some(own)) = (event.provider, self.only()) {
            let shorten = |text: &mut String| *text = in_own_folder(text, own.as_str());
            [&mut event.title, &mut event.text, &mut event.html]
                .into_iter()
                .for_each(shorten);
        }
        event
    }

    /// Whether the rules, verdicts and deliveries of this customer are seen.
    pub fn shows(&self, customer: &CustomerId) -> bool {
        self.customer().is_none_or(|own| own == customer || own.is_operator())
    }

    /// Who heard what of an incident, as far as the viewer may know.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn hearings(&self, id: &IncidentId) -> Result<Vec<Hearing>> {
        if !self.opens(id) {
            return Ok(Vec::new());
        }
        match self.sees() {
            Sees::Nothing => Ok(Vec::new()),
            Sees::Everything => self.store.hearings(id),
            Sees::Owned(customer) => self.owned(id, customer),
        }
    }

    /// Incidents, those with the newest communication first, behind `before`; each is read when it is asked for.
    pub fn candidates(&self, before: Option<(Time, &IncidentId)>) -> impl Iterator<Item = Result<Incident>> + '_ {
        let incidents = self.store.incidents_newest_first(before);
        incidents.filter(|found| found.as_ref().map_or(true, |incident| self.opens(&incident.id)))
    }

    fn sees(&self) -> Sees<'a> {
        self.customer()
            .map_or(Sees::Everything, |customer| self.customers.sees(customer))
    }

    /// A link opens one incident and nothing else.
    fn opens(&self, id: &IncidentId) -> bool {
        match self.viewer {
            Viewer::Link {
                provider, tracking_id, ..
            } => provider == id.provider.word() && tracking_id.to_lowercase() == id.tracking_id,
            _ => true,
        }
    }

    fn owned(&self, id: &IncidentId, customer: &Customer) -> Result<Vec<Hearing>> {
        let mut heard = self.store.hearings_of(id, "", usize::MAX)?;
        heard.retain(|hearing| self.is_public(hearing.incident.provider, hearing.source.as_deref(), customer));
        for account in &customer.accounts {
            heard.extend(self.store.hearings_of(id, account, usize::MAX)?);
        }
        if id.provider == Provider::Bellwether {
            // an account may have several owners, and what one of them was told is not the other's to know
            heard.retain(|hearing| self.is_public(id.provider, hearing.source.as_deref(), customer));
        }
        Ok(heard)
    }

    fn is_public(&self, provider: Provider, source: Option<&str>, customer: &Customer) -> bool {
        let own = self.customer();
        own.is_some_and(|own| is_public(provider, source, own, customer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Impact;

    const OWN: &str = "11111111-aaaa-4bbb-8ccc-111111111111";
    const OTHERS: &str = "22222222-bbbb-4ccc-8ddd-222222222222";

    /// The part of an event for these accounts that a customer sees who owns one of them.
    fn part(accounts: &[&str], impact: &[&[&str]]) -> Event {
        let owned = Customer {
            accounts: [OWN.to_owned()].into(),
            ..Customer::default()
        };
        let customers = Customers {
            by_name: Some(BTreeMap::from([(CustomerId::new("contoso"), owned)])),
            contact: None,
        };
        let viewer = Viewer::Customer(CustomerId::new("contoso"));
        let (dir, body) = (
            tempfile::tempdir().expect("a folder"),
            include_bytes!(
                "../../tests/fixtures/samples/azure/azure-webhook-legacy-servicehealth-incident-active.json"
            ),
        );
        let store = crate::store::Store::open(dir.path()).expect("opens");
        let received = crate::event::read(body, None, crate::event::Arrival::Live).expect("an event");
        let mut events = received.events;
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let event = Event {
            accounts: names(accounts),
            impact: impact
                .iter()
                .enumerate()
                .map(|(nth, accounts)| Impact {
                    service: format!("Service {nth}"),
                    service_id: None,
                    region: None,
                    accounts: names(accounts),
                })
                .collect(),
            properties: BTreeMap::from([("team".to_owned(), "secret".to_owned())]),
            ..events.remove(0)
        };
        Visibility::of(store.view(), &customers, &viewer).part_of(event)
    }

    #[test]
    fn of_an_event_for_several_customers_each_sees_its_own_accounts_and_what_is_impacted_for_them() {
        let services = |event: &Event| -> Vec<String> {
            event
                .impact
                .iter()
                .map(|impact| format!("{} {:?}", impact.service, impact.accounts))
                .collect()
        };
        let shared = part(&[OWN, OTHERS], &[&[], &[OWN, OTHERS], &[OTHERS]]);
        assert_eq!(shared.accounts, [OWN]);
        assert_eq!(
            services(&shared),
            ["Service 0 []".to_owned(), format!("Service 1 [{OWN:?}]")]
        );
        assert!(shared.properties.is_empty(), "whose they are is not known");
        let own = part(&[OWN], &[&[]]);
        assert_eq!((own.accounts.len(), own.properties.len()), (1, 1));
    }
}
