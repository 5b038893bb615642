//! What a person reads when something did not work: the cause, its place, and the next step.

use std::fmt;

use serde::Serialize;

use super::exit::Exit;

/// An expected failure.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong and where.
    pub cause: String,
    /// What to do now.
    pub next: String,
}

impl Failure {
    /// The configuration, policy or state must be mended first.
    pub fn config(cause: impl fmt::Display, next: impl Into<String>) -> Self {
        Self { exit: Exit::Config, cause: cause.to_string(), next: next.into() }
    }

    /// The arguments make no sense.
    pub fn usage(cause: impl fmt::Display, next: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, cause: cause.to_string(), next: next.into() }
    }

    /// The answer is no.
    pub fn no(cause: impl fmt::Display, next: impl Into<String>) -> Self {
        Self { exit: Exit::No, cause: cause.to_string(), next: next.into() }
    }

    /// The machine or we are at fault.
    pub fn internal(cause: impl fmt::Display, next: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, cause: cause.to_string(), next: next.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Failure {}

/// The shape of a failure under `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    error: &'a str,
    next: &'a str,
    exit: u8,
}

impl<'a> Told<'a> {
    pub(super) fn of(failure: &'a Failure) -> Self {
        Self { error: &failure.cause, next: &failure.next, exit: failure.exit.code() }
    }
}

/// Every error that a verb returns is a [`Failure`], or one of ours that nobody foresaw.
pub(super) fn of(error: &anyhow::Error) -> Failure {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.clone(),
        None => Failure::internal(
            format!("{error:#}"),
            "this is not expected; run `bulkhead doctor`, and report it with this text if it stays",
        ),
    }
}
