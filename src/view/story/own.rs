//! What the daemon itself raised about a customer's files, in the words of that customer: paths below its own folder.

use super::Chapter;
use crate::customer::CustomerId;
use crate::event::Provider;
use crate::incident::Incident;
use crate::view::words::in_own_folder;

/// Names files as the customer knows them, in an incident of our own and all that was said of it.
pub(super) fn in_own_words(incident: &mut Incident, chapters: &mut [Chapter], customer: &CustomerId) {
    if incident.id.provider != Provider::Bellwether {
        return;
    }
    let shorten = |text: &mut String| *text = in_own_folder(text, customer.as_str());
    shorten(&mut incident.title);
    for chapter in chapters {
        shorten(&mut chapter.title);
        if let Some(event) = &mut chapter.event {
            shorten(&mut event.title);
            shorten(&mut event.text);
            shorten(&mut event.html);
        }
    }
}
