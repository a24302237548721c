//! What went wrong in an SMTP conversation means: by who is to blame, which `blame` reads from code and words.

use super::blame::{self, Blame};
use super::short;
use crate::channel::text::line;
use crate::channel::{Fault, Outcome};

/// The step of an SMTP conversation at which something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpStep {
    /// Connecting, greeting, `EHLO`, TLS, signing in.
    Connect,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, before the final dot.
    Data,
    /// The answer to the final dot.
    Dot,
}

/// What went wrong in an SMTP conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpFailure {
    /// The server answered with this code and text.
    Answered { code: u16, text: String },
    /// The connection or the time failed.
    Failed { why: String },
    /// What the settings insist on cannot be had: its certificate is not trusted, it offers no TLS, or no way to sign in.
    Unfit {
        /// What of us the operator must mend.
        fault: Fault,
        /// What was found.
        why: String,
    },
    /// The server lacks what the message needs (`SMTPUTF8`).
    Lacking { what: &'static str },
}

/// What a failed SMTP attempt came to. A 5xx ends the delivery only where it blames the mailbox or the message; one
/// that blames us waits for the operator, and one that blames the relay for better times.
pub fn of_smtp(step: SmtpStep, failure: &SmtpFailure) -> Outcome {
    match failure {
        SmtpFailure::Failed { why } if step == SmtpStep::Dot => again(&format!(
            "{why} (before the answer to the final dot: it may have arrived)"
        )),
        SmtpFailure::Failed { why } => again(why),
        SmtpFailure::Unfit { fault, why } => Outcome::OurFault {
            fault: *fault,
            why: short(why),
        },
        SmtpFailure::Lacking { what } => Outcome::Refused {
            why: format!("the mail server does not offer {what}"),
        },
        SmtpFailure::Answered { code, text } => of_answer(step, *code, text),
    }
}

fn again(why: &str) -> Outcome {
    Outcome::Retry {
        why: short(why),
        after_seconds: None,
    }
}

fn of_answer(step: SmtpStep, code: u16, text: &str) -> Outcome {
    let why = short(&format!(
        "the mail server (to {}) said {code} {}",
        answered(step),
        line(text, 700)
    ));
    match blame::of(step, code, text) {
        Blame::MailboxGone => Outcome::Gone { why },
        Blame::Message => Outcome::Refused { why },
        Blame::Us(fault) => Outcome::OurFault { fault, why },
        Blame::MailboxWaits | Blame::Relay => again(&why),
    }
}

/// What of ours the server answered.
fn answered(step: SmtpStep) -> &'static str {
    match step {
        SmtpStep::Connect => "our connecting",
        SmtpStep::Sender => "our sender address",
        SmtpStep::Recipient => "this recipient",
        SmtpStep::Data | SmtpStep::Dot => "the message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_waits_and_after_the_dot_it_says_that_the_mail_may_have_arrived() {
        let lost = SmtpFailure::Failed { why: "reset".into() };
        let Outcome::Retry { why, .. } = of_smtp(SmtpStep::Dot, &lost) else {
            panic!("it is tried again")
        };
        assert!(why.contains("may have arrived"), "{why}");
        assert!(matches!(of_smtp(SmtpStep::Recipient, &lost), Outcome::Retry { why, .. } if why == "reset"));
    }

    #[test]
    fn a_relay_without_tls_waits_for_the_operator_and_one_without_smtputf8_refuses_the_address() {
        let insecure = SmtpFailure::Unfit {
            fault: Fault::Security,
            why: "it does not offer STARTTLS".into(),
        };
        let outcome = of_smtp(SmtpStep::Connect, &insecure);
        assert!(
            matches!(
                outcome,
                Outcome::OurFault {
                    fault: Fault::Security,
                    ..
                }
            ),
            "{outcome:?}"
        );
        let lacking = SmtpFailure::Lacking { what: "SMTPUTF8" };
        assert!(matches!(
            of_smtp(SmtpStep::Recipient, &lacking),
            Outcome::Refused { .. }
        ));
    }

    #[test]
    fn the_reason_names_what_was_answered_and_what_it_said() {
        let answer = SmtpFailure::Answered {
            code: 504,
            text: "5.5.2 <bell>: Helo command rejected: need fully-qualified hostname".into(),
        };
        let outcome = of_smtp(SmtpStep::Recipient, &answer);
        assert_eq!(
            outcome,
            Outcome::OurFault {
                fault: Fault::Hello,
                why: "the mail server (to this recipient) said 504 5.5.2 <bell>: Helo command rejected: need \
                      fully-qualified hostname"
                    .into()
            }
        );
    }
}
