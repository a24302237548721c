//! What goes into the pack and where, within the limits; whatever is left out is counted.

use sha2::{Digest, Sha256};

use super::path::{Once, part};
use super::words::{beginning, lines};
use super::{Communication, Evidence, Pack, Resource};

/// The most incidents that evidence is laid out for.
pub const INCIDENTS_MOST: usize = 200;

/// The most communications of all incidents together.
pub const COMMUNICATIONS_MOST: usize = 2_000;

/// The most impacted resources of all incidents together.
pub const RESOURCES_MOST: usize = 20_000;

/// The most services, accounts or windows of one incident.
pub const LIST_MOST: usize = 500;

/// The longest text of one communication, bytes.
pub const TEXT_BYTES_MOST: usize = 1 << 20;

/// The longest texts of all communications together, bytes.
pub const TEXTS_BYTES_MOST: usize = 16 << 20;

/// What goes where.
pub struct Layout<'p> {
    /// In the order of the claim.
    pub incidents: Vec<Laid<'p>>,
    /// How many incidents are left out.
    pub incidents_left_out: usize,
}

/// One incident in its folder.
pub struct Laid<'p> {
    pub evidence: &'p Evidence,
    /// `evidence/ABCD-123`.
    pub folder: String,
    pub communications: Vec<Said<'p>>,
    pub communications_left_out: usize,
    pub resources: &'p [Resource],
    pub resources_left_out: usize,
}

/// One communication in its file.
pub struct Said<'p> {
    pub communication: &'p Communication,
    /// Its path in the pack.
    pub file: String,
    /// Its text, as much of it as there is room for.
    pub text: String,
    /// How many bytes of the text are left out.
    pub bytes_left_out: usize,
    /// SHA-256 of the text as it stands in its file, with the end of its last line, in hex.
    pub digest: String,
}

/// What may still be taken in.
struct Room {
    communications: usize,
    resources: usize,
    text_bytes: usize,
}

impl<'p> Layout<'p> {
    pub fn of(pack: &'p Pack<'_>) -> Self {
        let mut room = Room {
            communications: COMMUNICATIONS_MOST,
            resources: RESOURCES_MOST,
            text_bytes: TEXTS_BYTES_MOST,
        };
        let mut folders = Once::default();
        let incidents = pack.incidents.iter().take(INCIDENTS_MOST);
        let incidents = incidents.map(|evidence| room.laid(evidence, &mut folders)).collect();
        Self {
            incidents,
            incidents_left_out: pack.incidents.len().saturating_sub(INCIDENTS_MOST),
        }
    }
}

impl Room {
    fn laid<'p>(&mut self, evidence: &'p Evidence, folders: &mut Once) -> Laid<'p> {
        let folder = format!("evidence/{}", folders.name(part(&evidence.tracking_id, "incident")));
        let communications = evidence.communications.len().min(self.communications);
        let resources = evidence.resources.len().min(self.resources);
        self.communications -= communications;
        self.resources -= resources;
        let said = evidence.communications[..communications].iter().enumerate();
        Laid {
            evidence,
            communications: said.map(|(nth, said)| self.said(nth, said, &folder)).collect(),
            communications_left_out: evidence.communications.len() - communications,
            resources: &evidence.resources[..resources],
            resources_left_out: evidence.resources.len() - resources,
            folder,
        }
    }

    fn said<'p>(&mut self, nth: usize, communication: &'p Communication, folder: &str) -> Said<'p> {
        let kept = beginning(&communication.text, TEXT_BYTES_MOST.min(self.text_bytes));
        self.text_bytes -= kept.len();
        let when = communication.published.format("%Y%m%dT%H%M%SZ");
        let text = lines(kept);
        let digest = Sha256::new_with_prefix(&text).chain_update("\n").finalize();
        Said {
            communication,
            file: format!("{folder}/{:04}-{when}-{}.txt", nth + 1, communication.kind.word()),
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            text,
            bytes_left_out: communication.text.len() - kept.len(),
        }
    }
}
