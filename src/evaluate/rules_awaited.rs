//! An event came before there were any rules: it is kept, and decided when there are some.
//!
//! A rules folder may be filled after the daemon has started (by git-sync, by whoever mounts a volume). An event that
//! comes meanwhile and is decided by no rules would be told to nobody, ever.

use super::set_aside;
use crate::event::Event;
use crate::record::{Change, SetAside};

/// Why such an event is set aside: by this it is found again.
pub const WHY: &str = "there are no rules yet; it is decided as soon as there are";

/// It is listed. Nobody is told of it: that there are no rules is told by itself.
pub fn keep(event: &Event) -> Vec<Change> {
    vec![Change::SetAside(SetAside {
        what: set_aside::of_event(event),
        why: WHY.to_owned(),
        is_told: false,
        open: Vec::new(),
    })]
}
