//! What an answer means: each medium's table from what came back to an [`Outcome`](super::Outcome).
//!
//! The rule behind the tables: `Delivered` only when the receiver said so; `Retry` whenever time or a person may mend
//! it (three days are long enough for both); `OurFault`, which is tried again too, where a mail relay refuses us and the
//! operator must mend it; `Refused` only when the very same bytes are sure to be refused again; `Gone` when the receiver
//! says it will never be back. Pure.
//!
//! `http` has the tables of webhooks, Slack and Teams; `smtp` that of mail, which asks `blame` who is to blame.

mod blame;
mod http;
mod smtp;

pub use http::{HttpReply, of_http};
pub use smtp::{SmtpFailure, SmtpStep, of_smtp};

use super::text::line;

/// The longest reason that is kept, in octets.
const WHY_MOST_BYTES: usize = 1024;

/// One line of at most 1 KiB.
fn short(why: &str) -> String {
    line(why, 800)
        .chars()
        .scan(0, |octets, c| {
            *octets += c.len_utf8();
            (*octets <= WHY_MOST_BYTES).then_some(c)
        })
        .collect()
}
