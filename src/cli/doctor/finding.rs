//! What was looked at, and what came of it.

use std::fmt;

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Grade {
    /// As it should be.
    Ok,
    /// Something to know, which may be meant.
    Note,
    /// A weakness that somebody should know of.
    Weak,
    /// Must be mended: the exit code says so.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// A stable name, `SUBJECT-WHAT`; `docs/doctor.md` tells each.
    pub(super) id: &'static str,
    pub(super) grade: Grade,
    /// The file, address, interface or name that it is about.
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) text: String,
    /// The command, or what to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
    fn new(grade: Grade, id: &'static str, place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self { id, grade, place: place.to_string(), text: text.into(), mend: None }
    }

    pub(super) fn ok(id: &'static str, place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self::new(Grade::Ok, id, place, text)
    }

    pub(super) fn note(id: &'static str, place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self::new(Grade::Note, id, place, text)
    }

    pub(super) fn weak(id: &'static str, place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self::new(Grade::Weak, id, place, text)
    }

    pub(super) fn bad(id: &'static str, place: impl fmt::Display, text: impl Into<String>) -> Self {
        Self::new(Grade::Bad, id, place, text)
    }

    /// The command that mends it. In tests each `bulkhead ..` in it must be one that the command line takes.
    pub(super) fn mend(self, mend: impl Into<String>) -> Self {
        let mend = mend.into();
        #[cfg(test)]
        assert_eq!(super::tests::untypable(&mend), [""; 0], "a mend of {}", self.id);
        Self { mend: Some(mend), ..self }
    }

    /// The subject, for the screen's column.
    fn about(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(about, _)| about)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Ok => "ok  ",
            Grade::Note => "note",
            Grade::Weak => "WEAK",
            Grade::Bad => "BAD ",
        };
        write!(f, "{grade} {:<8} {}", self.about(), self.text)?;
        self.mend.as_ref().map_or(Ok(()), |mend| write!(f, "\n              -> {mend}"))
    }
}
