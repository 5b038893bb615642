//! The state database in the simulation: `SQLite` in memory, whose image after a commit is what the disk holds.

use std::io;
use std::sync::Arc;

use bulkhead::net::Later;
use bulkhead::ports::disk::Medium;
use rusqlite::{Connection, MAIN_DB};

use super::disk::Platter;
use super::power::Power;

/// `SQLite` in memory, kept as the image of its last durable commit.
pub(crate) struct SimMedium {
    db: Connection,
    platter: Arc<Platter>,
    power: Arc<Power>,
}

/// A database in memory with the content of `image`.
pub(crate) fn open(image: &[u8]) -> rusqlite::Result<Connection> {
    let mut db = Connection::open_in_memory()?;
    if !image.is_empty() {
        db.deserialize_read_exact(MAIN_DB, image, image.len(), false)?;
    }
    Ok(db)
}

impl SimMedium {
    /// What the last life left.
    pub(crate) fn new(platter: Arc<Platter>, power: Arc<Power>) -> Self {
        let db = open(&platter.lock().image).unwrap();
        Self { db, platter, power }
    }
}

impl Medium for SimMedium {
    fn connection(&mut self) -> &mut Connection {
        &mut self.db
    }

    fn settle(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(async {
            let image = self.db.serialize(MAIN_DB).map_err(io::Error::other)?.to_vec();
            self.platter.lock().in_flight = Some(image.clone());
            self.platter.work(1, 5).await;
            if !self.power.spend() {
                return std::future::pending().await;
            }
            let mut state = self.platter.lock();
            state.in_flight = None;
            if state.full > 0 && image.len() >= state.image.len() && image != state.image {
                let old = open(&state.image).map_err(io::Error::other)?;
                drop(state);
                self.db = old;
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.image = image;
            Ok(())
        })
    }

    fn copy(&mut self) -> Later<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
