//! Who sees what: the one place that cuts an incident to what a viewer may see of it.
//!
//! A customer sees a communication if one of its own accounts heard it, or if it came from a source that it lists as
//! public. Everything else follows from there: what nobody of a customer's heard does not exist for it.

use anyhow::Result;

use crate::clock::Time;
use crate::customer::{Customer, CustomerId, Customers, Sees, Viewer};
use crate::event::Provider;
use crate::incident::{Hearing, Incident, IncidentId};
use crate::store::View;

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
        heard.retain(|hearing| self.is_public(hearing, customer));
        for account in &customer.accounts {
            heard.extend(self.store.hearings_of(id, account, usize::MAX)?);
        }
        Ok(heard)
    }

    /// Whether what names no account is the customer's to see: a public source it lists, or an event of our own about it.
    fn is_public(&self, hearing: &Hearing, customer: &Customer) -> bool {
        let Some(source) = &hearing.source else { return false };
        match hearing.incident.provider {
            Provider::Bellwether => self.customer().is_some_and(|own| own.as_str() == source),
            _ => crate::rule::condition::lists(customer, source),
        }
    }
}
