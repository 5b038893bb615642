//! `journal verify` and `journal show`, both offline on a folder: no daemon, no lock, a copy will do.

mod read;
mod show;
mod verify;

pub(super) use read::{Found, each, newest, segments};
pub(super) use show::run as show;
pub(super) use verify::run as verify;
