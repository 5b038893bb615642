//! `bulkhead run`: the daemon in the foreground.

use super::failure::Failure;
use super::{Answer, Context, Exit, files};
use crate::app::{self, RunError};

/// Runs until a signal ends it.
pub(super) fn run(context: &mut Context<'_>) -> Answer {
    let settings = files::settings(&context.config)?;
    log(settings.log.name());
    match app::run(&settings) {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => Err(failure(&error).into()),
    }
}

fn failure(error: &RunError) -> Failure {
    match error {
        RunError::State { .. } | RunError::Keys(_) => {
            Failure::config(error, "make the state folder with `bulkhead init`")
        }
        RunError::Taken { .. } => Failure::config(
            error,
            "see it: bulkhead status; a gateway beside it needs a `state` and a `socket` of its own",
        ),
        RunError::Store(_) => Failure::config(error, "see `bulkhead doctor`"),
        RunError::Start(_) => Failure::config(error, "see `bulkhead check` and `bulkhead doctor`"),
        RunError::Socket { .. } => Failure::config(error, "does another bulkhead run with this configuration?"),
        RunError::Machine(_) => Failure::internal(error, "look at limits of descriptors and threads"),
    }
}

/// One line an event on stderr, where the service manager collects it. `BULKHEAD_LOG` overrides the configuration.
fn log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BULKHEAD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // A second subscriber is a test's own.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init());
}
