//! Reads the workload's lines: strictly, in one go, borrowing what it can.

use std::borrow::Cow;

use anyhow::{Result, anyhow, bail};
use bellwether::bench::{EventType, Facts, Level, Stage};

/// The lines of a file.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', text).chain((!text.ends_with(b"\n")).then_some(text.len()));
    let mut from = 0;
    ends.filter_map(move |end| {
        let line = &text[from..end];
        from = end + 1;
        (!line.is_empty()).then_some(line)
    })
}

/// One rule, as it stands in its line.
#[derive(Default)]
pub struct Rule<'t> {
    pub id: u32,
    pub types: Vec<EventType>,
    pub stages: Vec<Stage>,
    pub services: Vec<Cow<'t, str>>,
    pub regions: Vec<Cow<'t, str>>,
    pub subscriptions: Vec<Cow<'t, str>>,
}

impl<'t> Rule<'t> {
    /// Reads `{"id":1,"rule":{…}}`.
    pub fn read(line: &'t [u8]) -> Result<Self> {
        let mut rule = Self::default();
        let mut text = Text::new(line)?;
        text.fields(|text, name| match name {
            "id" => text.number().and_then(|id| Ok(rule.id = u32::try_from(id)?)),
            "rule" => text.fields(|text, name| match name {
                "eventType" => text.list(|word| Ok(rule.types.push(event_type(&word)?))),
                "stage" => text.list(|word| Ok(rule.stages.push(stage(&word)?))),
                "services" => text.list(|name| Ok(rule.services.push(name))),
                "regions" => text.list(|name| Ok(rule.regions.push(name))),
                "subscriptions" => text.list(|id| Ok(rule.subscriptions.push(id))),
                other => bail!("a rule has no `{other}`"),
            }),
            other => bail!("a line of rules has no `{other}`"),
        })?;
        text.end()?;
        Ok(rule)
    }
}

/// One event's line.
pub struct Event;

impl Event {
    /// Reads an event into `facts`, each of its subscriptions by `subscription`; gives its id.
    pub fn read<'t>(
        line: &'t [u8],
        facts: &mut Facts<'t>,
        mut subscription: impl FnMut(&mut Facts<'t>, &str),
    ) -> Result<u64> {
        facts.clear();
        let mut id = 0;
        let mut text = Text::new(line)?;
        text.fields(|text, name| match name {
            "id" => text.number().map(|number| id = number),
            "eventType" => text.string().and_then(|word| Ok(facts.event_type = event_type(&word)?)),
            "stage" => text.string().and_then(|word| Ok(facts.stage = stage(&word)?)),
            "level" => text.string().and_then(|word| Ok(facts.level = Some(level(&word)?))),
            "title" => text.string().map(drop),
            "services" => text.list(|name| Ok(facts.services.push((name, 0)))),
            "regions" => text.list(|name| Ok(facts.regions.push(name))),
            "subscriptions" => text.list(|id| Ok(subscription(facts, &id))),
            other => bail!("an event has no `{other}`"),
        })?;
        text.end()?;
        facts.spread();
        Ok(id)
    }
}

fn event_type(word: &str) -> Result<EventType> {
    Ok(match word {
        "ServiceIssue" => EventType::ServiceIssue,
        "PlannedMaintenance" => EventType::PlannedMaintenance,
        "HealthAdvisory" => EventType::HealthAdvisory,
        "SecurityAdvisory" => EventType::SecurityAdvisory,
        "Billing" => EventType::Billing,
        other => bail!("`{other}` is no event type"),
    })
}

fn stage(word: &str) -> Result<Stage> {
    Ok(match word {
        "Active" => Stage::Active,
        "Resolved" => Stage::Resolved,
        "RCA" => Stage::Rca,
        "Planned" => Stage::Planned,
        "InProgress" => Stage::InProgress,
        "Rescheduled" => Stage::Rescheduled,
        "Canceled" => Stage::Canceled,
        "Complete" => Stage::Complete,
        other => bail!("`{other}` is no stage"),
    })
}

fn level(word: &str) -> Result<Level> {
    Ok(match word {
        "Critical" => Level::Critical,
        "Error" => Level::Error,
        "Warning" => Level::Warning,
        "Informational" => Level::Informational,
        other => bail!("`{other}` is no level"),
    })
}

/// JSON on its way.
struct Text<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Text<'t> {
    fn new(line: &'t [u8]) -> Result<Self> {
        Ok(Self {
            text: std::str::from_utf8(line)?,
            at: 0,
        })
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn is_next(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn take(&mut self, wanted: u8) -> Result<()> {
        match self.is_next(wanted) {
            true => Ok(()),
            false => Err(anyhow!(
                "`{}` is missing at byte {} of {}",
                wanted as char,
                self.at,
                self.text
            )),
        }
    }

    fn end(&mut self) -> Result<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(anyhow!("something follows at byte {} of {}", self.at, self.text)),
        }
    }

    fn fields(&mut self, mut each: impl FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.take(b'{')?;
        if self.is_next(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.take(b':')?;
            each(self, &name)?;
            if !self.is_next(b',') {
                return self.take(b'}');
            }
        }
    }

    fn list(&mut self, mut each: impl FnMut(Cow<'t, str>) -> Result<()>) -> Result<()> {
        self.take(b'[')?;
        if self.is_next(b']') {
            return Ok(());
        }
        loop {
            each(self.string()?)?;
            if !self.is_next(b',') {
                return self.take(b']');
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>> {
        self.take(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length =
            memchr::memchr2(b'"', b'\\', rest).ok_or_else(|| anyhow!("a string does not end: {}", self.text))?;
        if rest[length] == b'\\' {
            return self.escaped();
        }
        let string = &self.text[self.at..self.at + length];
        self.at += length + 1;
        Ok(Cow::Borrowed(string))
    }

    /// A string with escapes, from behind its first quote.
    fn escaped(&mut self) -> Result<Cow<'t, str>> {
        let mut strings = serde_json::Deserializer::from_str(&self.text[self.at - 1..]).into_iter::<String>();
        let string = strings.next().ok_or_else(|| anyhow!("no string in {}", self.text))??;
        self.at += strings.byte_offset() - 1;
        Ok(Cow::Owned(string))
    }

    fn number(&mut self) -> Result<u64> {
        self.peek();
        let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        let number = self.text[self.at..self.at + digits].parse()?;
        self.at += digits;
        Ok(number)
    }
}
