//! In which of the two text formats metrics are written: OpenMetrics for whoever asks for it, and Prometheus' own (0.0.4)
//! for everybody else, which is what `curl` and `promtool check metrics` read. Pure.

use std::borrow::Cow;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

impl Exposition {
    /// The one that is asked for by the values of `Accept`.
    pub fn asked<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut open_metrics, mut plain) = (0.0, 0.0);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map(str::parse);
            let quality: f32 = quality.unwrap_or(Ok(1.0)).unwrap_or(0.0);
            match media.as_str() {
                "application/openmetrics-text" => open_metrics = quality.max(open_metrics),
                "text/plain" | "text/*" | "*/*" => plain = quality.max(plain),
                _ => {}
            }
        }
        match open_metrics > 0.0 && open_metrics >= plain {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The content type of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What was written as OpenMetrics, in this format.
    pub fn written(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Prometheus => plain(&open_metrics),
        }
    }
}

/// The samples are the same in both formats; what is said of them names a counter by its samples' name, knows no `info`,
/// and has no end.
fn plain(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), text) => help = Some((name, text.unwrap_or_default())),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (name, kind) = plain_type(name, kind);
                if let Some((_, text)) = help.take() {
                    out += &format!("# HELP {name} {text}\n");
                }
                out += &format!("# TYPE {name} {kind}\n");
            }
            (Some("#"), ..) => {}
            _ => {
                out += line;
                out.push('\n');
            }
        }
    }
    out
}

fn plain_type<'n>(name: &'n str, kind: &'n str) -> (Cow<'n, str>, &'n str) {
    match kind {
        "counter" => (format!("{name}_total").into(), "counter"),
        "info" => (format!("{name}_info").into(), "gauge"),
        "unknown" => (name.into(), "untyped"),
        _ => (name.into(), kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_openmetrics_gets_it_and_everybody_else_the_plain_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (&[][..], Exposition::Prometheus),
            (&["*/*"], Exposition::Prometheus),
            (&["text/plain"], Exposition::Prometheus),
            (&["text/html, */*;q=0.8"], Exposition::Prometheus),
            (&["application/openmetrics-text"], Exposition::OpenMetrics),
            (
                &["application/openmetrics-text; version=1.0.0; charset=utf-8"],
                Exposition::OpenMetrics,
            ),
            (&[prometheus], Exposition::OpenMetrics),
            (
                &["text/plain;version=0.0.4", "application/openmetrics-text;q=0.5"],
                Exposition::Prometheus,
            ),
            (
                &["text/plain;q=0.5", "application/openmetrics-text;q=0.9"],
                Exposition::OpenMetrics,
            ),
            (&["application/openmetrics-text;q=0"], Exposition::Prometheus),
            (&["application/openmetrics-text;q=lots"], Exposition::Prometheus),
        ] {
            assert_eq!(Exposition::asked(accept.iter().copied()), expected, "{accept:?}");
        }
    }

    #[test]
    fn counters_are_named_by_their_samples_and_what_openmetrics_adds_is_left_out() {
        let open_metrics = "# HELP a_events Events, by # form.\n# TYPE a_events counter\n# UNIT a_events events\n\
                            a_events_total{form=\"# x\"} 1\n# HELP a_build The program.\n# TYPE a_build info\n\
                            a_build_info{version=\"1\"} 1\n# HELP a_up Up.\n# TYPE a_up gauge\na_up 1\n# EOF\n";
        let expected = "# HELP a_events_total Events, by # form.\n# TYPE a_events_total counter\na_events_total{form=\"# x\"} 1\n\
                        # HELP a_build_info The program.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                        # HELP a_up Up.\n# TYPE a_up gauge\na_up 1\n";
        assert_eq!(plain(open_metrics), expected);
        assert_eq!(Exposition::OpenMetrics.written(open_metrics.to_owned()), open_metrics);
    }
}
