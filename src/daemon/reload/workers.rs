//! Who reads the rules again when they change: one task for the small folders together, one for the large ones in turn.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Rules;
use crate::folder::Part;
use crate::ledger::Refused;

/// How soon a change that could not be written down is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How often it is looked whether something that was held back may be told.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Tells the tasks what to read; they end when it is gone.
#[derive(Clone)]
pub struct Workers {
    changed: UnboundedSender<Part>,
    large: UnboundedSender<String>,
}

impl Workers {
    /// Starts both tasks.
    pub fn start(rules: &Arc<Rules>) -> Self {
        let ((changed, parts), (large, names)) = (unbounded_channel(), unbounded_channel());
        tokio::spawn(read_small(rules.clone(), parts, large.clone()));
        tokio::spawn(read_large(rules.clone(), names));
        Self { changed, large }
    }

    /// A part of the folder changed.
    pub fn changed(&self, part: Part) {
        // after a stop nobody is told any more
        let _ = self.changed.send(part);
    }

    /// These large folders changed.
    pub fn changed_large(&self, names: BTreeSet<String>) {
        for name in names {
            let _ = self.large.send(name);
        }
    }
}

async fn read_small(rules: Arc<Rules>, mut changed: UnboundedReceiver<Part>, large: UnboundedSender<String>) {
    loop {
        let part = tokio::select! {
            part = changed.recv() => match part {
                Some(part) => Some(part),
                None => return,
            },
            () = tokio::time::sleep(LOOK_EVERY) => rules.due().await,
        };
        let Some(mut part) = part else { continue };
        // what changed during one reading is read together: a hundred thousand edits are not as many readings
        while let Ok(more) = changed.try_recv() {
            part = part.and(more);
        }
        for name in logged(&rules, part).await {
            let _ = large.send(name);
        }
    }
}

async fn read_large(rules: Arc<Rules>, mut names: UnboundedReceiver<String>) {
    let mut waiting: Vec<String> = Vec::new();
    loop {
        if waiting.is_empty() {
            let Some(name) = names.recv().await else { return };
            waiting.push(name);
        }
        // whoever changes again and again waits in one place only
        while let Ok(name) = names.try_recv() {
            if !waiting.contains(&name) {
                waiting.push(name);
            }
        }
        let part = Part::Folders([waiting.remove(0)].into());
        loop {
            match rules.reload(&part).await {
                Ok(reloaded) => break reloaded.log(),
                Err(error) if is_worth_another_try(&error) => tokio::time::sleep(AGAIN_AFTER).await,
                Err(_) => break,
            }
        }
    }
}

/// Reads a part again, but for the large folders of it, and says in the log what came of it; names the large ones. While
/// the disk is full or the ledger busy, it is tried again: a change that was saved must not wait for the next one.
pub async fn logged(rules: &Rules, part: Part) -> BTreeSet<String> {
    loop {
        match rules.reload_small(&part).await {
            Ok((reloaded, large)) => {
                reloaded.log();
                return large;
            }
            Err(error) if is_worth_another_try(&error) => tokio::time::sleep(AGAIN_AFTER).await,
            Err(_) => return BTreeSet::new(),
        }
    }
}

/// Says in the log why nothing was read, and whether that may be over soon.
fn is_worth_another_try(error: &anyhow::Error) -> bool {
    tracing::error!(
        error = format!("{error:#}"),
        "the rules could not be read; those in force stay"
    );
    matches!(error.downcast_ref(), Some(Refused::Busy | Refused::NoSpace))
}
