//! The store's one writer: gathers what waits, commits it, answers when it is durable.

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{COPY, Job, StoreError, rows};
use crate::ports::disk::Medium;

/// So many changes go down in one commit.
const GROUP: usize = 256;

pub(super) async fn run(mut medium: Box<dyn Medium>, mut jobs: mpsc::Receiver<Job>) {
    // What was read at the start was checked, so it is a good copy already.
    copy(medium.as_mut()).await;
    let mut hour = Box::pin(sleep(COPY));
    loop {
        tokio::select! {
            biased;
            () = &mut hour => {
                copy(medium.as_mut()).await;
                hour = Box::pin(sleep(COPY));
            }
            job = jobs.recv() => {
                let Some(first) = job else { return };
                let mut group = vec![first];
                while group.len() < GROUP {
                    let Ok(job) = jobs.try_recv() else { break };
                    group.push(job);
                }
                let answer = commit(medium.as_mut(), &group).await;
                for job in group {
                    // A caller that stopped waiting is no fault: the row stands, or it does not.
                    let _gone = job.done.send(answer.clone());
                }
            }
        }
    }
}

async fn copy(medium: &mut dyn Medium) {
    if let Err(error) = medium.copy().await {
        tracing::warn!(%error, "no good copy of the state database could be made; the last one stays");
    }
}

async fn commit(medium: &mut dyn Medium, group: &[Job]) -> Result<(), StoreError> {
    apply(medium.connection(), group)?;
    medium.settle().await?;
    Ok(())
}

/// When `SQLite` has rolled the transaction back by itself (full, I/O), the rest of the group would run in autocommit and stay
/// although its callers hear that it failed: it stops there.
fn apply(db: &mut Connection, group: &[Job]) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        rows::apply(&transaction, &job.change)?;
        if transaction.is_autocommit() {
            return Err(StoreError::Full);
        }
    }
    transaction.commit()?;
    Ok(())
}
