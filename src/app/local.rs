//! Opens the control socket and hands it to the local door.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::listeners::ListenerState;
use super::run::RunError;
use super::{Gateway, Listeners, kept};
use crate::config;
use crate::doors::local::{self, Admit, Unbound};
use crate::service::commands::{About, Desk, ListenerLine, Premises};
use crate::service::trust::Trust;

/// What the desk cannot know: sockets and files.
#[derive(Debug)]
struct Rooms {
    listeners: Arc<Listeners>,
    trust: Arc<Trust>,
    active: PathBuf,
    kept: PathBuf,
}

impl Premises for Rooms {
    fn listeners(&self) -> Vec<ListenerLine> {
        let none = self.trust.current().is_none();
        let line = |(at, state): (_, ListenerState)| {
            let ListenerState { asset, tls, trouble } = state;
            ListenerLine { at, asset, tls, blank: tls && none, trouble }
        };
        self.listeners.states().into_iter().map(line).collect()
    }

    fn keep_policy(&self, text: &str) -> io::Result<()> {
        // The first activation keeps the one that it takes the place of, too.
        if kept::is_empty(&self.kept)? && self.active.is_file() {
            kept::keep(&self.kept, &fs::read_to_string(&self.active)?)?;
        }
        kept::keep(&self.kept, text)?;
        let aside = self.active.with_extension("new");
        let mut file = File::create(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &self.active)?;
        self.active.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

/// Opens the desk and its door. The desk is where every order comes in, whatever brings it.
pub(super) fn open(gateway: &Gateway, settings: &config::Settings, about: About) -> Result<Arc<Desk>, RunError> {
    let admit = Admit::read(rustix::process::geteuid().as_raw(), settings.local.group.as_deref());
    if let (Some(group), None) = (&settings.local.group, admit.group()) {
        tracing::warn!(%group, "there is no such group: root and this user alone may give orders");
    }
    let door = local::bind(&settings.socket, &admit).map_err(|error| socket_error(&error, settings))?;
    let rooms = Rooms {
        listeners: Arc::clone(&gateway.listeners),
        trust: Arc::clone(&gateway.house.trust),
        active: settings.active_policy(),
        kept: settings.kept_policies(),
    };
    let desk = Desk::new(Arc::clone(&gateway.house), about, Arc::new(rooms));
    let tasks = gateway.house.tasks.clone();
    gateway.house.tasks.spawn(local::serve(tasks, Arc::<Desk>::clone(&desk), admit, door));
    Ok(desk)
}

fn socket_error(error: &Unbound, settings: &config::Settings) -> RunError {
    RunError::Socket { path: settings.socket.display().to_string(), cause: io::Error::other(error.to_string()) }
}
