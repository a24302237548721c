//! The claim pack: the files that a person sends to a provider or reseller to claim one credit.
//!
//! It is pure: the same [`Pack`] becomes the same bytes, and no file, clock or socket is touched. Texts of strangers are made
//! harmless for each file that they go into, and everything has a limit; what is left out is said in `missing.txt`.
//!
//! - `layout` decides what goes where, within the limits; `path` makes names of files out of tracking ids
//! - `request` is the text of the support request, `evidence` what proves it, `missing` what is not there or not sure
//! - `json` is for programs, `page` for paper, `archive` puts it all into one file

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::event::Kind;

use super::row::{Case, Row};

mod archive;
mod evidence;
mod json;
mod layout;
mod missing;
mod page;
mod path;
mod request;
mod words;

#[cfg(test)]
mod tests;

pub use crate::incident::resources::Resource;
pub use archive::zip;

/// Everything that a claim is sent with.
#[derive(Debug, Clone)]
pub struct Pack<'a> {
    /// The claim, as it was computed.
    pub row: &'a Row,
    /// The amount asked, a decimal in the row's currency, where it is not the computed credit.
    pub amount_asked: Option<&'a str>,
    /// What of it was credited already, where it was submitted again after that.
    pub amount_paid: Option<&'a str>,
    /// By how much what would be computed now differs, where the claim was submitted with other figures.
    pub difference: Option<String>,
    /// Who it is sent to: the provider's support, or the reseller who pays.
    pub addressee: Option<&'a str>,
    /// Who looks after it.
    pub owner: Option<&'a str>,
    /// The incidents that it rests on, with what proves them.
    pub incidents: Vec<Evidence>,
    /// What the terms ask a claim to bring, in their words.
    pub term_evidence: &'a [String],
    /// What of it a person says is there.
    pub provided: &'a [Provided],
    /// The incidents for which nobody has said that a case was opened, where the terms ask for one.
    pub cases_to_open: Vec<Case>,
    /// When the pack is made.
    pub made: Time,
    /// The version of the program.
    pub version: &'a str,
}

/// What a person says of one thing that the terms ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provided {
    /// Which one: the words of the terms.
    pub asked: String,
    /// Where it is: the name of an attached file, a ticket, a folder.
    pub place: String,
}

/// One incident, and what proves it.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The provider's name for it; empty for downtime that a person entered.
    pub tracking_id: String,
    /// What it is called.
    pub title: String,
    /// Which services were impacted, and where.
    pub impact: Vec<Impact>,
    /// The customer's accounts that were impacted.
    pub accounts: Vec<String>,
    /// The customer's resources that were impacted, as far as they are known.
    pub resources: Vec<Resource>,
    /// Whether the newest list of them was whole: of another one nothing follows from what it leaves out.
    pub is_list_whole: bool,
    /// From when until when, and by whose word.
    pub windows: Vec<Window>,
    /// The times as they are told now, where a claim was submitted by others.
    pub window_since: Option<Window>,
    /// What the provider said of it, in the order in which it was published.
    pub communications: Vec<Communication>,
    /// Of downtime that a person entered: why, and what proves it.
    pub entered: Option<Entered>,
}

/// Downtime that a person entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entered {
    /// Who.
    pub by: String,
    /// When.
    pub at: Time,
    /// Why it counts.
    pub reason: String,
    /// What proves it: sentences, addresses, names of files.
    pub evidence: Vec<String>,
}

/// A service in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// The service, as the provider wrote it.
    pub service: String,
    /// The region; none: everywhere.
    pub region: Option<String>,
}

/// From when until when an incident lasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// When it began.
    pub from: Time,
    /// When it was over; none: it goes on.
    pub until: Option<Time>,
    /// Whose word it is, as it ends a sentence: `by the provider's metadata`.
    pub said_by: String,
}

/// One thing that the provider said of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Communication {
    /// When the provider published it.
    pub published: Time,
    /// When it was received.
    pub heard: Time,
    /// What it is.
    pub kind: Kind,
    /// Its title.
    pub title: String,
    /// Its text, plain.
    pub text: String,
    /// Its text as sanitised HTML, as [`crate::event::Event`] holds it; empty where there is none.
    pub html: String,
}

/// The files of the pack: where each lies in it, and its bytes. `SHA256SUMS` is the last one, and `sha256sum -c` reads it.
pub fn files(pack: &Pack<'_>) -> Vec<(String, Vec<u8>)> {
    let layout = layout::Layout::of(pack);
    let missing = missing::Missing::of(pack, &layout);
    let mut files = vec![
        ("request.txt".to_owned(), request::text(pack, &layout).into_bytes()),
        ("missing.txt".to_owned(), missing.text(pack).into_bytes()),
        (
            "claim.html".to_owned(),
            page::html(pack, &layout, &missing).into_bytes(),
        ),
        (
            "claim.json".to_owned(),
            json::text(pack, &layout, &missing).into_bytes(),
        ),
    ];
    for incident in &layout.incidents {
        files.extend(evidence::files(incident));
    }
    let sums = archive::sums(&files);
    files.push(("SHA256SUMS".to_owned(), sums.into_bytes()));
    files
}
