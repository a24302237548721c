//! Events of our own, as they go out: they may quote what a mail server said, or a rule file, with the mail addresses in
//! it, and where receivers read stands in no archive.

use crate::event::{Event, Provider};
use crate::view::words::without_addresses;

/// The event, without mail addresses if it is one of our own.
pub fn as_it_goes_out(mut event: Event) -> Event {
    if event.provider != Provider::Bellwether {
        return event;
    }
    event.title = without_addresses(&event.title);
    let text = without_addresses(&event.text);
    if text != event.text {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        event.html = format!("<pre>{escaped}</pre>");
        event.text = text;
    }
    event
}
