//! Real answers of real servers, line by line.

use super::*;

const HELLO: Blame = Us(Fault::Hello);
const HOST: Blame = Us(Fault::Host);
const RELAYING: Blame = Us(Fault::Relaying);
const SIGN_IN: Blame = Us(Fault::SignIn);
const SENDER: Blame = Us(Fault::Sender);
const ACCOUNT: Blame = Us(Fault::Account);
const POLICY: Blame = Us(Fault::Policy);
const PROTOCOL: Blame = Us(Fault::Protocol);

/// Checks lines of `code text`, or of `code-text` where more lines followed.
#[track_caller]
fn table(step: SmtpStep, lines: &[(&str, Blame)]) {
    for (answer, expected) in lines {
        let (code, text) = answer.split_at(3);
        let found = of(step, code.parse().expect("a code"), text.get(1..).unwrap_or_default());
        assert_eq!(found, *expected, "{step:?} {answer}");
    }
}

#[test]
fn banner_hello_and_sign_in_blame_us_or_the_relay_and_never_a_mailbox() {
    table(
        SmtpStep::Connect,
        &[
            ("554 No SMTP service here", HOST),
            (
                "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.spamhaus.org",
                HOST,
            ),
            (
                "554-mx.example.net 554 Your access to this mail system has been rejected due to the sending MTA's poor reputation.",
                HOST,
            ),
            (
                "550 5.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.9]",
                HOST,
            ),
            ("521 5.3.2 Host does not accept mail", HOST),
            ("550 Connection refused: no PTR record", HOST),
            ("554", HOST),
            ("501 5.5.4 Invalid domain name", HELLO),
            ("501 Syntactically invalid EHLO argument(s)", HELLO),
            ("550 5.7.506 Access Denied, Bad HELO", HELLO),
            (
                "504 5.5.2 <bell>: Helo command rejected: need fully-qualified hostname",
                HELLO,
            ),
            ("502 5.5.2 Error: command not recognized", PROTOCOL),
            ("535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6", SIGN_IN),
            (
                "535 5.7.3 Authentication unsuccessful [FR0P281CA0001.DEUP281.PROD.OUTLOOK.COM]",
                SIGN_IN,
            ),
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
                SIGN_IN,
            ),
            (
                "535-5.7.8 Username and Password not accepted. For more information, go to 535 5.7.8 https://support.google.com/mail",
                SIGN_IN,
            ),
            ("535 Authentication Credentials Invalid", SIGN_IN),
            ("534 5.7.9 Application-specific password required.", SIGN_IN),
            ("451 4.3.0 Temporary lookup failure", Relay),
            ("421 4.3.2 Service not available", Relay),
            ("421 4.7.0 Too many connections from 203.0.113.9", Relay),
            (
                "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
                Relay,
            ),
            ("451 Authentication failed: Maximum credits exceeded", SIGN_IN),
        ],
    );
}

#[test]
fn what_answers_mail_from_blames_us() {
    table(
        SmtpStep::Sender,
        &[
            ("530 5.7.0 Must issue a STARTTLS command first", SIGN_IN),
            ("530 5.7.57 Client not authenticated to send mail.", SIGN_IN),
            (
                "530-5.5.1 Authentication Required. For more information, go to",
                SIGN_IN,
            ),
            ("530 Authentication required", SIGN_IN),
            ("550 5.7.1 sender refused", POLICY),
            ("550 Unauthenticated senders not allowed", SENDER),
            (
                "553 5.7.1 <bell@contoso.example>: Sender address rejected: not owned by user health",
                SENDER,
            ),
            (
                "553 5.1.8 <bell@contoso.example>... Domain of sender address does not exist",
                SENDER,
            ),
            ("501 5.1.7 Bad sender address syntax", SENDER),
            ("501 5.1.7 Invalid address", SENDER),
            ("550 5.1.8 Access denied, bad outbound sender AS(42004)", SENDER),
            (
                "550 5.7.511 Access denied, banned sender[bell@contoso.example].",
                SENDER,
            ),
            (
                "550 The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.",
                SENDER,
            ),
            ("550 Sender verify failed", SENDER),
            ("550 5.4.5 Daily user sending limit exceeded.", ACCOUNT),
            ("552 5.3.4 Message size exceeds fixed limit", Message),
            ("552", Message),
            ("550", SENDER),
            ("501 5.5.4 Unrecognized parameter 'SMTPUTF8'", PROTOCOL),
            ("503 5.5.1 Error: send HELO/EHLO first", HELLO),
            ("503 Polite people say HELO first", HELLO),
            ("452 4.3.1 Insufficient system storage", Relay),
            (
                "450 4.1.8 <bell@contoso.example>: Sender address rejected: Domain not found",
                SENDER,
            ),
            (
                "451 4.7.500 Server busy. Please try again later from [203.0.113.9].",
                Relay,
            ),
        ],
    );
}

#[test]
fn what_answers_rcpt_to_blames_the_mailbox_only_where_it_says_so() {
    table(
        SmtpStep::Recipient,
        &[
            // postfix
            (
                "504 5.5.2 <bell>: Helo command rejected: need fully-qualified hostname",
                HELLO,
            ),
            ("450 4.7.1 <bell>: Helo command rejected: Host not found", HELLO),
            (
                "550 5.7.1 <bell.contoso.example>: Helo command rejected: Host not found",
                HELLO,
            ),
            (
                "554 5.7.1 <unknown[203.0.113.9]>: Client host rejected: Access denied",
                HOST,
            ),
            (
                "450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.9]",
                HOST,
            ),
            (
                "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.spamhaus.org; https://www.spamhaus.org/",
                HOST,
            ),
            ("554 5.7.1 <ada@contoso.example>: Relay access denied", RELAYING),
            ("454 4.7.1 <ada@contoso.example>: Relay access denied", RELAYING),
            (
                "554 <ada@contoso.example>: Recipient address rejected: Relay access denied",
                RELAYING,
            ),
            (
                "550 5.1.1 <ada@contoso.example>: Recipient address rejected: User unknown in local recipient table",
                MailboxGone,
            ),
            (
                "554 5.7.1 <ada@contoso.example>: Recipient address rejected: Access denied",
                MailboxGone,
            ),
            (
                "450 4.2.0 <ada@contoso.example>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/",
                Relay,
            ),
            (
                "550 5.7.23 <ada@contoso.example>: Recipient address rejected: Message rejected due to: SPF fail - not authorized.",
                SENDER,
            ),
            (
                "553 5.7.1 <bell@contoso.example>: Sender address rejected: not logged in",
                SENDER,
            ),
            (
                "552 5.2.2 <ada@contoso.example>: Recipient address rejected: Mailbox full",
                MailboxWaits,
            ),
            (
                "452 4.2.2 <ada@contoso.example>: Recipient address rejected: Mailbox is over quota",
                MailboxWaits,
            ),
            (
                "550 5.1.2 <ada@contoso.example>: Recipient address rejected: Domain not found",
                MailboxGone,
            ),
            // Exim
            ("550 relay not permitted", RELAYING),
            ("550 Unrouteable address", MailboxGone),
            ("550 Sender verify failed", SENDER),
            ("451 Temporary local problem - please try later", Relay),
            ("550 authentication required", SIGN_IN),
            // sendmail and qmail
            (
                "550 5.7.1 ada@contoso.example... Relaying denied. Proper authentication required.",
                RELAYING,
            ),
            ("550 5.1.1 ada@contoso.example... User unknown", MailboxGone),
            (
                "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
                RELAYING,
            ),
            ("553 Relaying disallowed", RELAYING),
            // Exchange and Exchange Online
            (
                "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
                RELAYING,
            ),
            ("550 5.7.1 Unable to relay", RELAYING),
            (
                "550 5.7.64 TenantAttribution; Relay Access Denied [DB5EUR01FT0001.eop-EUR01.prod.protection.outlook.com]",
                RELAYING,
            ),
            (
                "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
                MailboxGone,
            ),
            (
                "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [DB5EUR03FT0001.eop-EUR03.prod]",
                MailboxGone,
            ),
            (
                "550 5.7.606 Access denied, banned sending IP [203.0.113.9]. To request removal from this list please visit",
                HOST,
            ),
            ("550 5.7.708 Access denied, traffic not accepted from this IP.", HOST),
            (
                "550 5.7.501 Service unavailable. Spam abuse detected from IP range.",
                ACCOUNT,
            ),
            (
                "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
                MailboxWaits,
            ),
            ("550 5.7.124 Sender not in allowed-senders list", MailboxWaits),
            ("550 5.2.1 Mailbox cannot be accessed", MailboxGone),
            ("550 5.5.0 Requested action not taken: mailbox unavailable", MailboxGone),
            (
                "451 4.7.651 The mail server [203.0.113.9] has been temporarily rate limited due to IP reputation.",
                HOST,
            ),
            // Gmail
            (
                "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking",
                MailboxGone,
            ),
            (
                "550-5.2.1 The email account that you tried to reach is disabled.",
                MailboxGone,
            ),
            (
                "452-4.2.2 The recipient's inbox is out of storage space. Please direct the",
                MailboxWaits,
            ),
            (
                "550-5.7.1 Invalid credentials for relay [203.0.113.9]. The IP address you've registered",
                RELAYING,
            ),
            (
                "550 5.7.0 Mail relay denied [203.0.113.9]. Visit https://support.google.com/a/answer/6140680",
                RELAYING,
            ),
            (
                "450-4.2.1 The user you are trying to contact is receiving email at a rate that",
                Relay,
            ),
            // services
            ("550 5.1.1 Requested action not taken: mailbox unavailable", MailboxGone),
            ("550 5.7.1 Relaying not allowed", RELAYING),
            ("550 #5.1.0 Address rejected.", MailboxGone),
            (
                "550 #5.7.1 Your access to submit messages to this e-mail system has been rejected.",
                POLICY,
            ),
            // the steps alone
            ("550", MailboxGone),
            ("551", MailboxGone),
            ("553", MailboxGone),
            ("556", MailboxGone),
            ("552", MailboxWaits),
            ("554", Relay),
            ("554 Transaction failed", Relay),
            ("501 5.1.3 Bad recipient address syntax", MailboxGone),
            ("530 5.7.0 authenticate first", SIGN_IN),
            ("550 5.7.1 relaying denied", RELAYING),
            ("503 5.5.1 Bad sequence of commands", PROTOCOL),
            ("421 4.3.2 closing", Relay),
            ("450 4.2.0 greylisted", Relay),
            ("451 4.7.1 Greylisting in action, please come back later", Relay),
        ],
    );
}

#[test]
fn what_answers_data_or_the_final_dot_blames_the_message_only_where_it_says_so() {
    table(
        SmtpStep::Data,
        &[
            ("554 5.5.1 Error: no valid recipients", MailboxGone),
            ("503 5.5.1 Bad sequence of commands", PROTOCOL),
            ("554", Relay),
            ("451 4.3.0 Error: queue file write error", Relay),
        ],
    );
    table(
        SmtpStep::Dot,
        &[
            (
                "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
                SENDER,
            ),
            (
                "554 5.2.252 SendAsDenied; health@contoso.example not allowed to send as bell@contoso.example",
                SENDER,
            ),
            (
                "554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1",
                SENDER,
            ),
            (
                "550-5.7.26 This mail has been blocked because the sender is unauthenticated.",
                SENDER,
            ),
            (
                "550 5.7.26 Unauthenticated email from contoso.example is not accepted due to domain's DMARC policy.",
                SENDER,
            ),
            (
                "550 5.7.509 Access denied, sending domain contoso.example does not pass DMARC verification",
                SENDER,
            ),
            (
                "550 5.7.515 Access denied, sending domain contoso.example doesn't meet the required authentication level.",
                SENDER,
            ),
            (
                "550-5.7.25 [203.0.113.9] The IP address sending this message does not have a PTR record setup",
                HOST,
            ),
            (
                "550 5.7.1 [203.0.113.9] Our system has detected an unusual rate of unsolicited mail originating from your IP address.",
                HOST,
            ),
            (
                "421 4.7.0 [203.0.113.9] Our system has detected an unusual rate of unsolicited mail",
                Relay,
            ),
            (
                "550 5.4.5 Daily SMTP relay sending limit exceeded for customer.",
                ACCOUNT,
            ),
            (
                "550 5.7.705 Service unavailable. Access denied, tenant has exceeded threshold.",
                ACCOUNT,
            ),
            ("454 Throttling failure: Maximum sending rate exceeded.", ACCOUNT),
            ("454 Throttling failure: Daily message quota exceeded.", ACCOUNT),
            (
                "550-5.7.1 [203.0.113.9      12] Our system has detected that this message is likely unsolicited mail.",
                Message,
            ),
            ("550 5.7.1 This message violates contoso.example email policy.", Message),
            ("554 5.7.1 Message rejected as spam by Content Filtering.", Message),
            (
                "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and include a valid From address",
                Message,
            ),
            (
                "552-5.7.0 This message was blocked because its content presents a potential security issue.",
                Message,
            ),
            ("554 5.6.0 content refused", Message),
            ("552 5.3.4 message too big", Message),
            ("552 Message size exceeds fixed maximum message size", Message),
            ("500 Line too long", Message),
            ("550 High probability of spam", Message),
            ("554 5.7.1 Virus found", Message),
            ("554", Message),
            ("554 Transaction failed", Message),
            ("552 5.2.2 mailbox full", MailboxWaits),
            ("550 5.7.1 Delivery not authorized, message refused", Message),
            ("550 5.7.1", POLICY),
            ("554 5.4.14 Hop count exceeded - possible mail loop ATTR34", Relay),
            ("554 5.4.6 Too many hops", Relay),
            ("554 5.3.0 Internal error", Relay),
            ("451 4.3.0 Mail server temporarily rejected message", Relay),
        ],
    );
}

/// What people have met beside the textbook, by provider.
#[test]
fn other_words_of_the_field() {
    table(
        SmtpStep::Recipient,
        &[
            ("550 Administrative prohibition", POLICY),
            ("550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", HELLO),
            ("550 Bad HELO - Host impersonating [203.0.113.9]", HELLO),
            ("501 5.5.2 <bell_1>: Helo command rejected: Invalid name", HELLO),
            (
                "550 SPF: 203.0.113.9 is not allowed to send mail from contoso.example",
                SENDER,
            ),
            (
                "550 5.7.1 <ada@contoso.example>: Recipient address rejected: Please see http://www.openspf.org/Why",
                SENDER,
            ),
            ("550 Please turn on SMTP Authentication in your mail client.", SIGN_IN),
            ("503 AUTH first (#5.5.1)", SIGN_IN),
            ("550 5.7.1 Client was not authenticated", SIGN_IN),
            (
                "550 5.7.30 Basic authentication is not supported for Client Submission.",
                SIGN_IN,
            ),
            ("553 Requested action not taken: Local user only", RELAYING),
            (
                "550 5.7.367 Remote server returned not permitted to relay -> 554 5.7.1",
                RELAYING,
            ),
            ("550 5.1.0 Sender denied", SENDER),
            ("550 Rejected: 203.0.113.9 listed at bl.example.net", HOST),
            (
                "550 5.7.1 Unfortunately, messages from [203.0.113.9] weren't sent. Part of their network is on our block list (S3140).",
                HOST,
            ),
            (
                "553 5.7.1 [BL21] Connections will not be accepted from 203.0.113.9, because the ip is in Spamhaus's list",
                HOST,
            ),
            ("525 5.7.1 Unauthorized IP address", HOST),
            ("550 permanent failure for one or more recipients: blocked", POLICY),
            (
                "550 5.2.1 The user you are trying to contact is receiving email at a rate that prevents additional messages",
                Relay,
            ),
            ("550 rate limit exceeded", Relay),
            ("452 4.5.3 Too many recipients", Relay),
            ("550 user over quota", MailboxWaits),
            ("550 Requested action not taken: mailbox unavailable", MailboxGone),
            ("551 User not local; please try elsewhere", MailboxGone),
            (
                "554 delivery error: dd This user doesn't have a yahoo.com account",
                MailboxGone,
            ),
            (
                "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
                ACCOUNT,
            ),
        ],
    );
    table(
        SmtpStep::Dot,
        &[
            (
                "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
                POLICY,
            ),
            ("550 5.7.1 [CS01] Message rejected due to local policy.", POLICY),
            (
                "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy",
                POLICY,
            ),
            ("550 Rejected by header based Anti-Spoofing policy", SENDER),
            (
                "550 5.7.1 The 'From' address you supplied is not a Sender Signature on your account.",
                SENDER,
            ),
            (
                "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
                SENDER,
            ),
            ("554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException", ACCOUNT),
            (
                "554 5.7.0 Your message could not be sent. The limit on the number of allowed outgoing messages was exceeded.",
                ACCOUNT,
            ),
            (
                "550-5.7.1 Our system has detected that this message does not meet IPv6 sending guidelines regarding PTR records",
                HOST,
            ),
            ("550 5.7.1 Message contains a URL listed in SURBL", Message),
            ("554 5.7.0 Reject, id=12345-01 - spam", Message),
            (
                "552 5.7.0 Our system detected an illegal attachment on your message.",
                Message,
            ),
            (
                "554 5.7.1 The message from bell with the subject of (x) matches a profile the Internet community may consider spam",
                Message,
            ),
            ("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Relay),
        ],
    );
}

#[test]
fn a_mailbox_cannot_blame_others_by_its_name() {
    for (answer, expected) in [
        (
            "550 5.1.1 <helo.command.rejected@spf.example>: User unknown",
            MailboxGone,
        ),
        ("550 no such user \"relay-access-denied\"@contoso.example", MailboxGone),
        (
            "550 User unknown <x y relay access denied@contoso.example>",
            MailboxGone,
        ),
        ("550 spam.dkim.dmarc@contoso.example unknown", MailboxGone),
    ] {
        table(SmtpStep::Recipient, &[(answer, expected)]);
    }
}

#[test]
fn an_enhanced_code_is_three_numbers_of_a_failure() {
    for (text, expected) in [
        ("5.7.1 no", Some((7, 1))),
        ("5.7.606", Some((7, 606))),
        ("#5.1.0 Address rejected.", Some((1, 0))),
        ("4.7.1", Some((7, 1))),
        ("2.0.0 ok", None),
        ("5.7", None),
        ("5.7.1.2", None),
        ("5.7.1000", None),
        ("203.0.113.9 blocked", None),
        ("", None),
    ] {
        assert_eq!(enhanced(text), expected, "{text}");
    }
}
