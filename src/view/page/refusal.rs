//! What could not be done, for people: what to do to get in, or to find what they look for.
//!
//! It says the same of what there is and of what there is not: a stranger learns nothing from it.

use askama::Template;

use super::{Frame, render};
use crate::view::words::{self, Moment};

/// A request that is not done.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, as a sentence without a full stop.
    pub what: &'a str,
    /// What to do about it, for whoever knows the API or runs the daemon.
    pub hint: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Page<'a> {
    frame: &'a Frame,
    title: &'a str,
    made: Moment,
    status: u16,
    what: String,
    steps: &'a [Step],
    hint: Option<&'a str>,
    /// Whether the list of incidents may be worth a look.
    leads_to_list: bool,
}

/// Something to try.
struct Step {
    /// For whom it is.
    whom: &'static str,
    /// What to do.
    what: &'static str,
}

const LINK: Step = Step {
    whom: "You came from a message?",
    what: "Open its link as it is, to its very end: it opens its incident without signing in. Where a mail program has \
           broken the link in two, copy it whole.",
};

const SIGN_IN: Step = Step {
    whom: "You have a token?",
    what: "Sign in with it below; you come back to this page.",
};

const OTHER_TOKEN: Step = Step {
    whom: "You have another token?",
    what: "Sign out, and sign in with the other one.",
};

const ASK: Step = Step {
    whom: "Neither?",
    what: "Ask whoever runs this service, or a colleague who got the message.",
};

const ADDRESS: Step = Step {
    whom: "You typed the address?",
    what: "Compare it with where you have it from, letter by letter.",
};

const GONE: Step = Step {
    whom: "It was here before?",
    what: "What is very old is forgotten, and every reader sees only what concerns its own subscriptions.",
};

/// What could not be done, and what to do about it.
pub fn refusal(frame: &Frame, refused: Refused<'_>) -> String {
    let what = words::capitalised(refused.what);
    let (title, steps): (&str, &[Step]) = match refused.status {
        401 => ("Sign in to read this", &[LINK, SIGN_IN, ASK]),
        403 => ("This is not open to you", &[LINK, OTHER_TOKEN, ASK]),
        404 => ("There is nothing here", &[LINK, ADDRESS, GONE]),
        _ => (&what, &[]),
    };
    // how programs send tokens, and where they find what, is not for people
    let hint = refused.hint.filter(|_| !matches!(refused.status, 401 | 404));
    render(&Page {
        frame,
        title,
        made: frame.moment(frame.now),
        status: refused.status,
        what: if steps.is_empty() { String::new() } else { what.clone() },
        steps,
        hint,
        leads_to_list: refused.status == 404,
    })
}
