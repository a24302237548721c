//! File descriptors: as many as the system gives, and connections take only what the rest of the daemon leaves them.
//!
//! The journal needs a descriptor for its next segment, and a checkpoint and a fresh store need some, at a moment when a
//! thousand idle connections may hold theirs: so what connections may take is counted before they take it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What journal, store, checkpoints, rules, sockets of the runtime and look-ups of names need together, with room for a
/// renewal of the store beside the store in use. An idle daemon has about 20.
const KEPT: u64 = 80;

/// Descriptors that deliveries may need: one connection each, and some that lie idle for the next message.
const DELIVERIES_MOST: u64 = 1_024;

/// With however few descriptors, so many connections are served.
const CONNECTIONS_LEAST: usize = 8;

/// Raises the soft limit to the hard one. Where that is forbidden, the soft limit is what there is.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files could not be raised to its maximum");
    }
}

/// How many connections are taken at once, of those that the settings allow. Says so if they are fewer.
pub fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = connections_within(limit, wanted);
    if most < wanted {
        tracing::warn!(
            files = limit,
            connections = most,
            wanted,
            "this process may have too few files open for all connections that the settings allow; fewer are taken at \
             once (raise `ulimit -n`, or `LimitNOFILE=` of the unit)"
        );
    }
    most
}

/// How many deliveries may have: those that are under way, and the connections kept for the next ones.
pub fn deliveries() -> usize {
    deliveries_within(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn deliveries_within(limit: u64) -> usize {
    let shared = limit.saturating_sub(KEPT);
    usize::try_from(DELIVERIES_MOST.min(shared / 2)).unwrap_or(usize::MAX)
}

/// What is left when journal, store and deliveries have theirs. One in five is for telling those who are turned away.
fn connections_within(limit: u64, wanted: usize) -> usize {
    let shared = limit.saturating_sub(KEPT);
    let left = usize::try_from(shared).unwrap_or(usize::MAX) - deliveries_within(limit);
    let most = left / 5 * 4;
    wanted.min(most.max(CONNECTIONS_LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_rest_its_descriptors() {
        assert_eq!(connections_within(65_536, 2_000), 2_000);
        assert_eq!(connections_within(u64::MAX, 2_000), 2_000);
        assert_eq!(connections_within(1_024, 2_000), 376);
        assert_eq!(connections_within(256, 2_000), 68);
        assert_eq!(connections_within(256, 10), 10);
        assert_eq!(connections_within(64, 2_000), CONNECTIONS_LEAST);
        let deliveries = [65_536, 1_024, 256, 64].map(deliveries_within);
        assert_eq!(deliveries, [1_024, 472, 88, 0]);
    }
}
