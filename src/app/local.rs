//! Opens the control socket and hands it to the local door.

use std::sync::Arc;

use super::Gateway;
use super::run::RunError;
use crate::config;

pub(super) fn open(_gateway: &Arc<Gateway>, _settings: &config::Settings) -> Result<(), RunError> {
    Ok(())
}
