//! What people said of a claim, one word after another, and how it stands by that.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::customer::CustomerId;
use crate::event::fold;

use super::money::Currency;
use super::pack::Provided;
use super::row::{Case, Row};
use super::state::State;

/// The longest name of an owner or addressee, characters.
pub const NAME_CHARS_MOST: usize = 200;

/// The longest note, characters.
pub const NOTE_CHARS_MOST: usize = 2_000;

/// The longest name of a place where evidence is, characters.
pub const PLACE_CHARS_MOST: usize = 300;

/// Something that a person said of a claim. What is left out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// To whom it goes: the provider's support, or the reseller who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressee: Option<String>,
    /// The amount that was asked for, a decimal in the claim's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The amount that was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<String>,
    /// The amount that stands on an invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credited: Option<String>,
    /// Whether it is not worth the work: nobody is reminded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_worth_it: Option<bool>,
    /// Anything else: the number of the case, why it was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where things are that the terms ask a claim to bring; an empty place says that one is not there after all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Provided>,
}

/// What was said, of which claim, by whom and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Whose claim.
    pub customer: CustomerId,
    /// Its id.
    pub claim: String,
    /// When.
    pub at: Time,
    /// Who: the name of the token.
    pub by: String,
    /// What.
    pub said: Said,
    /// The figures as they were then: they may be corrected later, and what it was of may no longer be in the rule files.
    pub row: Box<Row>,
    /// Who took it in, of one out of an archive: the name of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_in_by: Option<String>,
}

impl Claimed {
    /// Whether the same was said of the same claim by the same person at the same time.
    pub fn is_same(&self, other: &Self) -> bool {
        let says = |one: &Self| (one.customer.clone(), one.claim.clone(), one.at, one.by.clone());
        says(self) == says(other) && self.said == other.said
    }

    /// What stands in an archive, if it may be kept.
    ///
    /// # Errors
    /// When it may not, with the field.
    pub fn taken_from_archive(self) -> Result<Self, Unfit> {
        let whole = "take the line as it was written".to_owned();
        if (self.row.id.as_str(), self.row.customer.as_str()) != (&*self.claim, self.customer.as_str()) {
            return Err(unfit("row", "these are the figures of another claim", whole));
        }
        for (field, text) in [
            ("customer", self.customer.as_str()),
            ("claim", &self.claim),
            ("by", &self.by),
        ] {
            let is_long = text.chars().count() > NAME_CHARS_MOST;
            if text.is_empty() || is_long || text.chars().any(char::is_control) {
                let what = format!("this has 1 to {NAME_CHARS_MOST} characters, and none that controls something");
                return Err(unfit(field, &what, whole));
            }
        }
        // as it was written: the version that wrote it may have taken amounts in another form
        self.said.clone().fit_alone(&self.row)?;
        Ok(self)
    }
}

/// How a claim stands by what was said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last state that a person said.
    pub state: Option<State>,
    /// When.
    pub since: Option<Time>,
    /// When it was submitted last.
    pub submitted: Option<Time>,
    /// Who looks after it.
    pub owner: Option<String>,
    /// To whom it goes.
    pub addressee: Option<String>,
    /// The amounts that persons said.
    asked: Option<String>,
    granted: Option<String>,
    credited: Option<String>,
    /// What had been credited when it was submitted again.
    paid: Option<String>,
    /// Whether nobody is reminded of it.
    pub is_not_worth_it: bool,
    /// The incidents of which a case was opened, or the claim submitted.
    pub cases: BTreeSet<String>,
    /// What of the things that the terms ask for is there, and where.
    pub provided: Vec<Provided>,
    /// The figures as they were at the submission, or when something was said last.
    pub row: Option<Row>,
}

/// Why something cannot be said of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Which field.
    pub field: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to say instead.
    pub hint: String,
}

impl Standing {
    /// Of all that was said, the oldest first.
    pub fn of(history: &[Claimed]) -> Self {
        let mut standing = Self::default();
        for one in history {
            standing.add(one);
        }
        standing
    }

    fn add(&mut self, one: &Claimed) {
        let said = one.said.clone();
        if let Some(state) = said.state {
            self.goes_on(state, one);
        }
        let is_frozen = self.submitted.is_some() && said.state != Some(State::Submitted);
        if !is_frozen || self.row.is_none() {
            self.row = Some(Row::clone(&one.row));
        }
        let keep = |kept: &mut Option<String>, said: Option<String>| {
            if let Some(said) = said {
                *kept = Some(said).filter(|said| !said.is_empty());
            }
        };
        keep(&mut self.owner, said.owner);
        keep(&mut self.addressee, said.addressee);
        if said.credited.as_deref() == Some("") {
            self.paid = None;
        }
        keep(&mut self.asked, said.asked);
        keep(&mut self.granted, said.granted);
        keep(&mut self.credited, said.credited);
        self.is_not_worth_it = said.not_worth_it.unwrap_or(self.is_not_worth_it);
        for provided in said.evidence {
            self.provided
                .retain(|known| fold(&known.asked) != fold(&provided.asked));
            self.provided
                .extend(Some(provided).filter(|provided| !provided.place.is_empty()));
        }
    }

    /// That somebody said how far it is.
    fn goes_on(&mut self, state: State, one: &Claimed) {
        if matches!(state, State::CaseOpened | State::Submitted) {
            self.cases.extend(one.row.incidents.iter().cloned());
            self.cases
                .extend(one.row.cases.iter().map(|case| case.incident.clone()));
        }
        if state == State::CaseOpened && self.state.is_some_and(State::is_after_submission) {
            return;
        }
        if state == State::Submitted && self.state == Some(State::Credited) {
            self.paid = self.credited().map(str::to_owned);
        }
        (self.state, self.since) = (Some(state), Some(one.at));
        match state {
            State::Submitted => {
                self.submitted = Some(one.at);
                // what is asked for now is what is owed now, unless somebody says otherwise
                self.asked = None;
                // who hands it in finds it worth the work
                self.is_not_worth_it = false;
            }
            // it begins anew: what was said of it was a slip
            State::Possible => {
                (self.submitted, self.asked, self.granted, self.credited) = (None, None, None, None);
                self.paid = None;
                self.cases.clear();
            }
            _ => {}
        }
    }

    /// The state that counts: what a person said last, unless that was before the submission and the last day has passed.
    pub fn counts(&self, computed: Option<State>) -> Option<State> {
        match (self.state, computed) {
            (Some(said), Some(State::Expired)) if said.is_before_submission() => Some(State::Expired),
            (Some(said), _) => Some(said),
            (None, computed) => computed,
        }
    }

    /// What was asked for: what a person said, or what was computed when it was submitted.
    pub fn asked(&self) -> Option<&str> {
        let frozen = || self.submitted_row()?.credit.as_deref();
        self.asked.as_deref().or_else(frozen)
    }

    /// What was granted: what a person said, or, of what is granted without an amount, all that was asked for.
    pub fn granted(&self) -> Option<&str> {
        let is_granted = matches!(self.state, Some(State::Granted | State::Credited));
        self.granted.as_deref().or_else(|| self.asked().filter(|_| is_granted))
    }

    /// What was credited: what a person said, or, of what is credited without an amount, all that was granted.
    pub fn credited(&self) -> Option<&str> {
        let is_credited = self.state == Some(State::Credited);
        self.credited
            .as_deref()
            .or_else(|| self.granted().filter(|_| is_credited))
    }

    /// What had been credited when the claim was submitted again.
    pub fn paid_before(&self) -> Option<&str> {
        let is_asked_again = matches!(self.state, Some(State::Submitted | State::Acknowledged));
        self.paid.as_deref().filter(|_| is_asked_again)
    }

    /// The incidents for which a case is still to be opened, each with the last moment for it.
    pub fn cases_to_open<'r>(&self, row: &'r Row) -> impl Iterator<Item = &'r Case> {
        let is_pursued = self.state != Some(State::Withdrawn) && !self.is_not_worth_it;
        let open = row
            .cases
            .iter()
            .filter(|case| is_pursued && !self.cases.contains(&case.incident));
        open.collect::<Vec<_>>().into_iter()
    }

    /// What is still to be asked for of a claim that was submitted: by what is known now more is owed.
    pub fn still_to_ask(&self, now: &Row) -> Option<Decimal> {
        let is_pursued = |state: State| state.is_after_submission() && state != State::Denied;
        let difference = self.difference(now).filter(|_| self.state.is_some_and(is_pursued))?;
        Decimal::from_str_exact(&difference)
            .ok()
            .filter(|more| more.is_sign_positive())
    }

    /// The figures that the claim was submitted with, if it was.
    pub fn submitted_row(&self) -> Option<&Row> {
        self.row.as_ref().filter(|_| self.submitted.is_some())
    }

    /// By how much the figure of now differs from what was asked for; `None` if it does not, or that cannot be said.
    pub fn difference(&self, now: &Row) -> Option<String> {
        self.submitted?;
        let decimal = |text: &str| Decimal::from_str_exact(text).ok();
        let difference = decimal(now.credit.as_deref()?)? - decimal(self.asked()?)?;
        (!difference.is_zero()).then(|| difference.to_string())
    }
}

impl Said {
    /// Whether this can be said of a claim that is so far, by its figures and by what was said before; amounts are written
    /// as the currency has it.
    ///
    /// # Errors
    /// When it cannot, with the field.
    pub fn fit(self, state: Option<State>, row: &Row, before: &Standing) -> Result<Self, Unfit> {
        if let Some(next) = self.state {
            follows(state, next)?;
        }
        let said = self.fit_alone(row)?;
        said.is_answered_after_it_was_asked(state)?;
        said.has_payable_amounts(row)?;
        said.has_amounts_in_bounds(row, before)?;
        Ok(said)
    }

    /// Nothing is granted or credited of what was not submitted.
    fn is_answered_after_it_was_asked(&self, state: Option<State>) -> Result<(), Unfit> {
        let is_said = |amount: &Option<String>| amount.as_ref().is_some_and(|amount| !amount.is_empty());
        if [self.state, state]
            .into_iter()
            .flatten()
            .any(State::is_after_submission)
        {
            return Ok(());
        }
        for (field, amount) in [("granted", &self.granted), ("credited", &self.credited)] {
            if is_said(amount) {
                let what = format!("nothing can be {field} of a claim that was not submitted");
                return Err(unfit(field, &what, "say `submitted` first".to_owned()));
            }
        }
        Ok(())
    }

    /// Amounts have the decimals of their currency.
    fn has_payable_amounts(&self, row: &Row) -> Result<(), Unfit> {
        let currency = row.currency.as_deref().and_then(Currency::read);
        let most = currency.map_or(u32::MAX, Currency::digits);
        for (field, amount) in [
            ("asked", &self.asked),
            ("granted", &self.granted),
            ("credited", &self.credited),
        ] {
            let amount = amount.as_deref().and_then(|text| Decimal::from_str_exact(text).ok());
            if amount.is_some_and(|amount| amount.normalize().scale() > most) {
                let what = format!("an amount in this currency has at most {most} decimals");
                return Err(unfit(field, &what, "the amount as it is paid".to_owned()));
            }
        }
        Ok(())
    }

    /// Whether this can be said of a claim, whatever was said of it before.
    fn fit_alone(mut self, row: &Row) -> Result<Self, Unfit> {
        if self == Self::default() {
            let hint = "a state, an owner, an addressee, an amount, a note or where evidence is".to_owned();
            return Err(unfit("state", "this says nothing of the claim", hint));
        }
        let currency = row.currency.as_deref().and_then(Currency::read);
        for (field, amount) in [
            ("asked", &mut self.asked),
            ("granted", &mut self.granted),
            ("credited", &mut self.credited),
        ] {
            if let Some(text) = amount.as_mut().filter(|text| !text.is_empty()) {
                *text = read_amount(field, text, currency)?;
            }
        }
        for (field, text, most) in [
            ("owner", &self.owner, NAME_CHARS_MOST),
            ("addressee", &self.addressee, NAME_CHARS_MOST),
            ("note", &self.note, NOTE_CHARS_MOST),
        ] {
            let is_plain = |c: char| !c.is_control() || (c == '\n' && field == "note");
            if text
                .as_deref()
                .is_some_and(|text| text.chars().count() > most || !text.chars().all(is_plain))
            {
                let what = format!("this has at most {most} characters, and none that controls something");
                return Err(unfit(field, &what, "say it in fewer words".to_owned()));
            }
        }
        for provided in &mut self.evidence {
            *provided = fit_evidence(provided, row)?;
        }
        Ok(self)
    }

    /// What is asked for is something, and no amount is more than what was charged.
    fn has_amounts_in_bounds(&self, row: &Row, before: &Standing) -> Result<(), Unfit> {
        let decimal = |text: &str| Decimal::from_str_exact(text).ok();
        if self
            .asked
            .as_deref()
            .and_then(decimal)
            .is_some_and(|asked| asked.is_zero())
        {
            let hint = "`not_worth_it` says that nothing is asked for".to_owned();
            return Err(unfit("asked", "this asks for nothing", hint));
        }
        // what was charged may have been corrected since it was submitted
        let fees = [Some(row), before.submitted_row()].into_iter().flatten();
        let fees = fees.filter_map(|row| row.fee.as_deref().and_then(decimal));
        let Some(fee) = fees.max() else {
            return Ok(());
        };
        for (field, amount) in [
            ("asked", &self.asked),
            ("granted", &self.granted),
            ("credited", &self.credited),
        ] {
            if amount.as_deref().and_then(decimal).is_some_and(|amount| amount > fee) {
                let what = format!("this is more than the month's fee, {fee}: no credit exceeds that");
                let hint = "is there a digit too many? What a provider pays beyond it goes into the note".to_owned();
                return Err(unfit(field, &what, hint));
            }
        }
        Ok(())
    }
}

/// Where one thing is that the terms ask for, in their words.
fn fit_evidence(provided: &Provided, row: &Row) -> Result<Provided, Unfit> {
    let asked = row.evidence.iter().find(|asked| fold(asked) == fold(&provided.asked));
    let Some(asked) = asked else {
        let what = format!(
            "the terms of this claim do not ask for “{}”",
            shortened(&provided.asked)
        );
        let hint = match row.evidence.is_empty() {
            true => "the terms that are known here ask for nothing: say it with `note`".to_owned(),
            false => format!("they ask for: {}", row.evidence.join("; ")),
        };
        return Err(unfit("evidence", &what, hint));
    };
    let place = provided.place.trim();
    if place.chars().count() > PLACE_CHARS_MOST || place.chars().any(char::is_control) {
        let what = format!("a place has at most {PLACE_CHARS_MOST} characters, and none that controls something");
        return Err(unfit(
            "evidence",
            &what,
            "name the file, the ticket or the folder".to_owned(),
        ));
    }
    Ok(Provided {
        asked: asked.clone(),
        place: place.to_owned(),
    })
}

/// What somebody typed, as an answer repeats it.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn unfit(field: &'static str, what: &str, hint: String) -> Unfit {
    Unfit {
        field,
        what: what.to_owned(),
        hint,
    }
}

fn follows(state: Option<State>, next: State) -> Result<(), Unfit> {
    let Some(now) = state else {
        return Err(unfit(
            "state",
            "nothing is owed by this claim, so it cannot go on",
            "`claims explain` says why nothing is owed".to_owned(),
        ));
    };
    if now.next().contains(&next) {
        return Ok(());
    }
    let names: Vec<&str> = now.next().iter().map(|state| state.word()).collect();
    let hint = match names.is_empty() {
        true => format!("nothing follows `{}`", now.word()),
        false => format!("after `{}` comes one of: {}", now.word(), names.join(", ")),
    };
    let what = format!("a claim that is {} cannot be {} next", now.name(), next.name());
    Err(unfit("state", &what, hint))
}

fn read_amount(field: &'static str, text: &str, currency: Option<Currency>) -> Result<String, Unfit> {
    let (amount, named) =
        super::money::read_amount(text).map_err(|why| unfit(field, &why, "like 123.45".to_owned()))?;
    match (currency, named) {
        (Some(currency), Some(named)) if currency != named => {
            let what = format!("the claim is in {currency}, not in {named}");
            Err(unfit(field, &what, format!("the amount in {currency}")))
        }
        (Some(currency), _) => Ok(currency.shown(amount)),
        (None, _) => Ok(amount.to_string()),
    }
}
