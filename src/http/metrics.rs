//! `/metrics`: what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::AppState;
use super::caller::Caller;
use super::exposition::Exposition;
use super::process::ThisProcess;
use super::refusal::Refusal;
use crate::clock::{Clock, Time};
use crate::delivery::StateWord;
use crate::ledger::Ledger;
use crate::refused::Refused;

/// So much of what is set aside is counted.
const SET_ASIDE_COUNTED: usize = 10_000;

/// So many endpoints that fail are counted.
const FAILING_COUNTED: usize = 10_000;

/// What the doors count; what the ledger counts is read when it is asked for.
pub struct Metrics {
    registry: Registry,
    intake: Family<Intake, Counter>,
    answers: Family<Answer, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Intake {
    form: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new(ledger: Ledger, clock: Clock, refused: Option<Arc<Refused>>) -> Self {
        let started = clock.now();
        let mut whole = Registry::default();
        whole.register_collector(Box::new(ThisProcess));
        let registry = whole.sub_registry_with_prefix("bellwether");
        let (intake, answers) = (Family::default(), Family::default());
        registry.register(
            "intake_events",
            "Events that came in, by form and outcome",
            Family::clone(&intake),
        );
        registry.register(
            "http_answers",
            "Requests answered, by route and status",
            Family::clone(&answers),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        registry.register(
            "event_to_wire_seconds",
            "Seconds from hearing an event to the first attempt of what tells it, the time to gather included",
            ledger.figures().event_to_wire.0.clone(),
        );
        registry.register(
            "ledger_cycle_seconds",
            "Seconds for which the thread that writes was busy at a stretch; events are acknowledged in between",
            ledger.figures().cycle.0.clone(),
        );
        registry.register_collector(Box::new(Behind {
            ledger,
            clock,
            started,
            refused,
        }));
        Self {
            registry: whole,
            intake,
            answers,
        }
    }

    /// An event was written down.
    pub fn accepted(&self, form: &'static str) {
        self.count(form, "accepted", 1);
    }

    /// Some things were no health events.
    pub fn ignored(&self, count: usize) {
        self.count("none", "ignored", count as u64);
    }

    /// A post was refused.
    pub fn refused(&self, status: StatusCode) {
        let outcome = match status.as_u16() {
            401 | 403 => "unauthorized",
            408 => "too-slow",
            413 => "too-large",
            429 => "too-many-wrong-tokens",
            503 => "later",
            _ => "malformed",
        };
        self.count("none", outcome, 1);
    }

    fn count(&self, form: &'static str, outcome: &'static str, by: u64) {
        self.intake.get_or_create(&Intake { form, outcome }).inc_by(by);
    }

    /// A request was answered. Methods that nobody knows are counted as one: a caller must not invent labels.
    pub fn answered(&self, method: &Method, route: &str, status: StatusCode) {
        let is_known = [Method::GET, Method::HEAD, Method::POST].contains(method);
        let answer = Answer {
            method: if is_known {
                method.to_string()
            } else {
                "other".to_owned()
            },
            route: route.to_owned(),
            status: status.as_u16(),
        };
        self.answers.get_or_create(&answer).inc();
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// `GET /metrics`
pub async fn metrics(
    State(app_state): State<Arc<AppState>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let accept = headers.get_all(header::ACCEPT).iter();
    let exposition = Exposition::asked(accept.filter_map(|value| value.to_str().ok()));
    let viewer = app_state.overseer(&caller)?;
    let asked = app_state.clone();
    let answer = move |_: &super::reading::Reading| {
        let text = asked.metrics.text();
        Ok(text.map_err(anyhow::Error::new)?)
    };
    let text = app_state.read(viewer, answer).await?;
    let text = exposition.written(text);
    Ok(([(header::CONTENT_TYPE, exposition.content_type())], text).into_response())
}

/// What the ledger and the store know.
#[derive(Clone)]
struct Behind {
    ledger: Ledger,
    clock: Clock,
    started: Time,
    refused: Option<Arc<Refused>>,
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Behind")
    }
}

impl Collector for Behind {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.figures(&mut encoder)?;
        self.attempts(&mut encoder)?;
        self.dead(&mut encoder)?;
        self.rules(&mut encoder)?;
        self.set_aside(&mut encoder)?;
        self.refused(&mut encoder)?;
        self.waiting(&mut encoder)
    }
}

impl Behind {
    fn figures(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let figures = self.ledger.figures();
        let read = |figure: &AtomicUsize| figure.load(Ordering::Relaxed) as u64;
        counter(
            encoder,
            "journal_groups",
            "Groups written and synced",
            read(&figures.groups),
        )?;
        counter(encoder, "journal_records", "Records written", read(&figures.records))?;
        let what = "Deliveries that lanes looked at to see whether they are due";
        counter(encoder, "lane_reads", what, read(&figures.heads_read))?;
        counter(encoder, "decisions", "Inputs decided", read(&figures.decisions))?;
        counter(encoder, "cycles", "Cycles of the writing thread", read(&figures.cycles))?;
        gauge(
            encoder,
            "uptime_seconds",
            "Seconds since the start",
            (self.clock.now() - self.started).num_seconds(),
        )?;
        gauge(
            encoder,
            "inbox",
            "Inputs recorded and not decided",
            read(&figures.inbox) as i64,
        )?;
        gauge(
            encoder,
            "journal_bytes",
            "Bytes of the journal on disk",
            read(&figures.journal_bytes) as i64,
        )?;
        gauge(
            encoder,
            "store_bytes",
            "Bytes of the store on disk",
            read(&figures.store_bytes) as i64,
        )?;
        gauge(
            encoder,
            "ready",
            "Whether events are taken",
            i64::from(!self.ledger.is_failed()),
        )
    }

    fn attempts(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let attempts = self.ledger.figures().attempts();
        let metric = prometheus_client::metrics::MetricType::Counter;
        let mut family =
            encoder.encode_descriptor("attempts", "Attempts that ended, by channel and outcome", None, metric)?;
        for ((channel, outcome), count) in attempts {
            let labels = [("channel", channel.word()), ("outcome", outcome)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn dead(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let metric = prometheus_client::metrics::MetricType::Counter;
        let what = "Deliveries that ended dead since the start, by reason";
        let mut family = encoder.encode_descriptor("dead_deliveries", what, None, metric)?;
        for (reason, count) in self.ledger.figures().dead() {
            ConstCounter::new(count).encode(family.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }

    fn rules(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let rules = self.ledger.rules();
        let size = rules.size();
        gauge(encoder, "rules", "Rules in force", size.rules as i64)?;
        let per_rule = size.index_bytes / size.rules.max(1);
        let what = "What finding a rule takes beside its own text, in bytes";
        gauge(encoder, "rule_index_bytes_per_rule", what, per_rule as i64)?;
        gauge(encoder, "rule_files", "Rule files in force", rules.files.len() as i64)?;
        match self.ledger.view().broken() {
            Ok(broken) => gauge(
                encoder,
                "rule_files_broken",
                "Rule files that are broken",
                broken.iter().filter(|file| file.folder.is_none()).count() as i64,
            ),
            Err(_) => Ok(()),
        }
    }

    fn set_aside(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        match self.ledger.view().set_aside(None, SET_ASIDE_COUNTED) {
            Ok(lines) => gauge(
                encoder,
                "set_aside",
                "Inputs and deadlines that could not be decided",
                lines.len() as i64,
            ),
            Err(_) => Ok(()),
        }
    }

    fn refused(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let Some(refused) = &self.refused else { return Ok(()) };
        let (kept, pushed_out) = refused.count(self.clock.now());
        gauge(
            encoder,
            "refused_bodies_kept",
            "Posted bodies that could not be read and are kept",
            kept as i64,
        )?;
        counter(
            encoder,
            "refused_bodies_pushed_out",
            "Kept bodies that went before their time, to make room for later ones",
            pushed_out,
        )
    }

    /// What waits: when the oldest scheduled delivery was made says more than how many there are.
    fn waiting(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let view = self.ledger.view();
        let oldest = view.oldest(StateWord::Scheduled);
        if let Ok(oldest) = &oldest {
            let age = oldest.map_or(0, |oldest| (self.clock.now() - oldest).num_seconds().max(0));
            let what = "How long the oldest scheduled delivery has waited, in seconds; 0 where none does";
            gauge(encoder, "oldest_waiting_seconds", what, age)?;
        }
        if let Ok(Some(oldest)) = oldest {
            let name = "oldest_scheduled_delivery_timestamp_seconds";
            gauge(
                encoder,
                name,
                "When the oldest scheduled delivery was made",
                oldest.timestamp(),
            )?;
        }
        if let Ok(failing) = view
            .all_failing()
            .take(FAILING_COUNTED)
            .collect::<anyhow::Result<Vec<_>>>()
        {
            let what = "Endpoints whose last attempt failed";
            gauge(encoder, "endpoints_failing", what, failing.len() as i64)?;
        }
        match view.endpoints_with_work() {
            Ok(endpoints) => gauge(
                encoder,
                "endpoints_waiting",
                "Endpoints that have deliveries scheduled",
                endpoints.len() as i64,
            ),
            Err(_) => Ok(()),
        }
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> std::fmt::Result {
    let metric = ConstCounter::new(value);
    let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(encoder)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> std::fmt::Result {
    let metric = ConstGauge::new(value);
    let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(encoder)
}
