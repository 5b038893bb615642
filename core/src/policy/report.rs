//! What is found while a policy is read, and where its objects and words stand.

use std::collections::{BTreeMap, BTreeSet};

use super::lint::ids;
use super::place::Source;
use super::problem::{Finding, Place, Problem, Severity};

/// More problems than this are of no use to anybody, and a hostile file must not fill the memory.
const MOST_ERRORS: usize = 200;
/// Notes and warnings have a cap of their own, so that they can never push out what keeps a policy from loading.
const MOST_REMARKS: usize = 1000;

/// Collects findings and places during one reading.
#[derive(Debug)]
pub(super) struct Report<'t> {
    pub(super) source: Source<'t>,
    findings: Vec<Finding>,
    errors: usize,
    remarks: usize,
    left_out: usize,
    /// Objects and words that a later check may want to point at, by their path.
    spots: BTreeMap<String, Place>,
    /// Objects that an `[[accept]]` may name.
    objects: BTreeSet<String>,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            source: Source::new(text),
            findings: Vec::new(),
            errors: 0,
            remarks: 0,
            left_out: 0,
            spots: BTreeMap::new(),
            objects: BTreeSet::new(),
        }
    }

    /// Something that keeps the policy from loading, at a byte offset.
    pub(super) fn error(&mut self, id: &'static str, object: &str, at: usize, message: String, help: Option<String>) {
        // Beyond the cap it is only counted, and its place is not looked for.
        let place = if self.is_full() { Place::default() } else { self.source.place(at) };
        self.add(Finding {
            severity: Severity::Error,
            problem: Problem { place, id, object: object.to_owned(), message, help },
        });
    }

    /// A finding with the severity that its id has, at the place of the nearest marked path.
    pub(super) fn find(&mut self, id: &'static str, object: &str, spot: &str, message: String, help: Option<String>) {
        self.find_as(ids::severity(id), id, object, spot, message, help);
    }

    pub(super) fn find_as(
        &mut self,
        severity: Severity,
        id: &'static str,
        object: &str,
        spot: &str,
        message: String,
        help: Option<String>,
    ) {
        let place = self.spot(spot).or_else(|| self.spot(object)).unwrap_or_default();
        self.add(Finding { severity, problem: Problem { place, id, object: object.to_owned(), message, help } });
    }

    fn add(&mut self, finding: Finding) {
        let full = match finding.severity {
            Severity::Error => {
                self.errors += 1;
                self.errors > MOST_ERRORS
            }
            // One for each conduit or point, and each must be answered for: none may be lost.
            Severity::Blocking => false,
            Severity::Note | Severity::Warning | Severity::Accepted => {
                self.remarks += 1;
                self.remarks > MOST_REMARKS
            }
        };
        if full { self.left_out += 1 } else { self.findings.push(finding) }
    }

    /// Remembers where an object that findings speak of begins.
    pub(super) fn object(&mut self, path: &str, at: usize) {
        self.objects.insert(path.to_owned());
        self.mark(path.to_owned(), at);
    }

    /// Remembers where a word stands.
    pub(super) fn mark(&mut self, path: String, at: usize) {
        let place = self.source.place(at);
        self.spots.entry(path).or_insert(place);
    }

    pub(super) fn spot(&self, path: &str) -> Option<Place> {
        self.spots.get(path).copied()
    }

    pub(super) fn objects(&self) -> &BTreeSet<String> {
        &self.objects
    }

    pub(super) fn findings_mut(&mut self) -> &mut Vec<Finding> {
        &mut self.findings
    }

    /// Whether everything so far could be read: what is unused or empty may else only be unreadable.
    pub(super) fn is_whole(&self) -> bool {
        !self
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.problem.id != "point-overlap")
    }

    /// Whether an object and all below it could be read: what is missing there may else only be unreadable.
    pub(super) fn is_clean(&self, object: &str) -> bool {
        !self.findings.iter().any(|finding| {
            finding.severity == Severity::Error
                && finding
                    .problem
                    .object
                    .strip_prefix(object)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Whether further errors are only counted.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= MOST_ERRORS
    }

    /// All findings in file order.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| (finding.problem.place, finding.problem.id));
        if self.left_out > 0 {
            let place = self.findings.last().map(|finding| finding.problem.place).unwrap_or_default();
            let message = format!("{} more findings are not shown", self.left_out);
            let help = Some("mend these first".to_owned());
            let problem = Problem { place, id: "more", object: String::new(), message, help };
            self.findings.push(Finding { severity: Severity::Note, problem });
        }
        self.findings
    }
}
