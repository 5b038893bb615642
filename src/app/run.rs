//! The daemon on a real machine: files, sockets, signals, the service manager.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::lock::NotOurs;
use super::start::{JOURNAL_SEGMENT, Ports, Settings, StartError, start};
use super::{Gateway, local, lock};
use crate::config;
use crate::entropy::MachineEntropy;
use crate::net::machine::Machine;
use crate::ports::clock::MachineClock;
use crate::ports::disk::{FileDisk, FileMedium, MediumError};
use crate::ports::keys::{FileVault, KeyError, Keys as _, SoftwareKey};
use crate::service::commands::{About, By, Carry as _, Command, Desk};
use crate::tasks::{Tasks, Writers};
use crate::telemetry::Fault;

/// Threads for blocking work beside the data path: parsing a policy, nothing else.
const BLOCKING_THREADS: usize = 4;
/// How long an orderly stop may take before it is cut short.
const STOP: Duration = Duration::from_secs(5);

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The machine gives no runtime, signal or thread.
    #[error("the machine does not give what a daemon needs: {0}")]
    Machine(io::Error),
    /// The state folder is not there.
    #[error("state `{path}`: {cause}; make it with `bulkhead init`")]
    State {
        /// The file or folder.
        path: String,
        /// What went wrong.
        cause: io::Error,
    },
    /// Another daemon runs with the state folder.
    #[error("state `{path}`: another daemon runs with it")]
    Taken {
        /// The folder.
        path: String,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] MediumError),
    /// The keys do not open.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The gateway does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The control socket does not open.
    #[error("control socket `{path}`: {cause}")]
    Socket {
        /// The socket.
        path: String,
        /// What went wrong.
        cause: io::Error,
    },
}

/// Runs until a signal ends it.
///
/// # Errors
/// What is missing, with the next step. Once it runs, nothing ends it but a signal.
pub fn run(settings: &config::Settings) -> Result<(), RunError> {
    // The data path is one thread by design (ADR): no frame waits for another core, and the simulation holds the same.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(RunError::Machine)?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: &config::Settings) -> Result<(), RunError> {
    // Handlers before the first READY: a signal that comes early must not end us.
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Machine)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Machine)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Machine)?;
    // Before anything is opened: a second writer would break the chain of the first.
    let _held = lock::take(&settings.state).map_err(|error| not_ours(error, settings))?;
    let (gateway, about) = open(settings).await?;
    let gateway = Arc::new(gateway);
    let desk = local::open(&gateway, settings, about)?;
    notify(&[NotifyState::Ready]);
    let (hash, sessions) = (gateway.house.world.current().policy.hash.short(), gateway.listeners.states().len());
    tracing::info!(policy = %hash, listeners = sessions, "ready");
    gateway.house.tasks.spawn(watchdog(Arc::clone(&gateway)));
    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&desk, settings).await,
        }
    }
    notify(&[NotifyState::Stopping]);
    if tokio::time::timeout(STOP, gateway.stop()).await.is_err() {
        tracing::warn!("the journal did not take the last record in time");
    }
    Ok(())
}

fn not_ours(error: NotOurs, settings: &config::Settings) -> RunError {
    let path = settings.state.display().to_string();
    match error {
        NotOurs::Taken => RunError::Taken { path },
        NotOurs::Io(cause) => RunError::State { path, cause },
    }
}

async fn open(settings: &config::Settings) -> Result<(Gateway, About), RunError> {
    let state = |path: &std::path::Path| {
        let path = path.display().to_string();
        move |cause| RunError::State { path, cause }
    };
    let active = settings.active_policy();
    let policy = std::fs::read_to_string(&active).map_err(state(&active))?;
    let folder = settings.journal_folder();
    let disk = FileDisk::open(&folder).map_err(state(&folder))?;
    let (medium, restored) = FileMedium::open(&settings.store_file())?;
    let keys = SoftwareKey::load(&settings.checkpoint_key())?;
    tracing::warn!(key = %keys.id(), "identity is a SOFTWARE key: whoever copies the disk copies it");
    let restored = restored.map(|restored| restored.to_string());
    let about = About {
        site: std::fs::read_to_string(settings.site_file()).ok().map(|site| site.trim().to_owned()),
        journal_max: settings.journal.max,
        key: keys.id(),
        software_key: keys.is_software(),
        store_trouble: restored.clone(),
    };
    let ports = Ports {
        net: Arc::new(Machine),
        clock: Arc::new(MachineClock::start()),
        entropy: Arc::new(MachineEntropy),
        probe: Arc::new(()),
        tasks: Tasks::new(Writers::Threads),
        disk: Box::new(disk),
        medium: Box::new(medium),
        keys: Arc::new(keys),
        vault: Arc::new(FileVault::new(settings.keys_folder(), settings.authority_folder())),
        restored,
    };
    let settings = Settings {
        policy,
        policy_name: active.display().to_string(),
        journal_max: settings.journal.max,
        journal_segment: JOURNAL_SEGMENT,
        hold: settings.registry.hold,
        fault: Fault::None,
    };
    Ok((start(ports, settings).await?, about))
}

/// Re-reads the policy's source, if the configuration names one. A policy that does not load changes nothing.
async fn reload(desk: &Arc<Desk>, settings: &config::Settings) {
    let Some(file) = &settings.policy else {
        tracing::warn!("SIGHUP, but the configuration names no `policy` file; use `bulkhead policy activate FILE`");
        return;
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "the policy cannot be read; the running one stays");
            return;
        }
    };
    let order = Command::PolicyActivate { name: file.display().to_string(), text };
    if let Err(refusal) = Arc::clone(desk).carry(order, By::Signal).await {
        let problems = refusal.problems.join("; ");
        tracing::error!(file = %file.display(), %refusal, %problems, "the running policy stays; see `bulkhead check FILE`");
    }
}

/// Feeds the service manager's watchdog from the data path's own thread: it asks that doors and writers answer, never that the
/// disk did.
async fn watchdog(gateway: Arc<Gateway>) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    loop {
        sleep(period / 3).await;
        if gateway.house.journal.is_alive() {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
