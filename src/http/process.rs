//! What the operating system says of this process, under the names that every Prometheus client uses
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).

use procfs::ProcResult;
use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Looks when it is asked.
#[derive(Debug)]
pub struct ThisProcess;

/// What is known of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    cpu_seconds: f64,
    resident_bytes: i64,
    virtual_bytes: i64,
    started_seconds: f64,
    open_descriptors: i64,
    /// `None` where there is no limit.
    most_descriptors: Option<i64>,
}

impl Seen {
    fn now() -> ProcResult<Self> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second() as f64;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            resident_bytes: signed(stat.rss.saturating_mul(procfs::page_size())),
            virtual_bytes: signed(stat.vsize),
            started_seconds: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
            open_descriptors: i64::try_from(process.fd_count()?).unwrap_or(i64::MAX),
            most_descriptors: match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(most) => Some(signed(most)),
                LimitValue::Unlimited => None,
            },
        })
    }
}

impl Collector for ThisProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let seen = match Seen::now() {
            Ok(seen) => seen,
            Err(error) => {
                tracing::debug!(%error, "what the system says of this process could not be read");
                return Ok(());
            }
        };
        let cpu = ConstCounter::new(seen.cpu_seconds);
        let what = "Processor time of this process in seconds, user and system";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", what, None, cpu.metric_type())?)?;
        let started = ConstGauge::new(seen.started_seconds);
        let what = "When this process began, in seconds since 1970";
        started.encode(encoder.encode_descriptor(
            "process_start_time_seconds",
            what,
            None,
            started.metric_type(),
        )?)?;
        for (name, what, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory in bytes",
                Some(seen.resident_bytes),
            ),
            (
                "process_virtual_memory_bytes",
                "Virtual memory in bytes",
                Some(seen.virtual_bytes),
            ),
            ("process_open_fds", "Open file descriptors", Some(seen.open_descriptors)),
            (
                "process_max_fds",
                "How many file descriptors may be open",
                seen.most_descriptors,
            ),
        ] {
            let Some(gauge) = value.map(ConstGauge::new) else {
                continue;
            };
            gauge.encode(encoder.encode_descriptor(name, what, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_as_it_is() {
        let before = Seen::now().expect("a process");
        let held = std::fs::File::open("/proc/self/stat").expect("opens");
        let mut memory = vec![0_u8; 64 << 20];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        let after = Seen::now().expect("a process");
        assert!(
            after.resident_bytes >= before.resident_bytes + (32 << 20),
            "{before:?} {after:?}"
        );
        assert!(after.virtual_bytes >= after.resident_bytes && after.cpu_seconds >= before.cpu_seconds);
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs_f64();
        assert!(
            (now - 3_600.0..=now + 2.0).contains(&after.started_seconds),
            "{after:?}"
        );
        assert!(after.open_descriptors > 3 && after.most_descriptors.is_none_or(|most| most > after.open_descriptors));
        drop((held, memory));
    }
}
