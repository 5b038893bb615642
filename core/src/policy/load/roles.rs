//! Roles are free words, so a mistyped one is recognised by likeness: a role that occurs once, is not one of the usual ones
//! and looks like another role of the file is refused. A role of the plant's own that looks like none, or that occurs twice,
//! is taken as written.

use std::collections::BTreeMap;

use crate::policy::report::Report;
use crate::policy::suggest::alike;
use crate::policy::tree::{Text, check_name};

/// The roles that every plant knows.
pub(crate) const USUAL: [&str; 7] = ["Operator", "Supervisor", "Engineer", "Vendor", "Sensor", "Controller", "Auditor"];

#[derive(Debug)]
struct Use<'a> {
    role: Text<'a>,
    object: String,
    declares: bool,
}

/// Every role that the file names, and where.
#[derive(Debug, Default)]
pub(super) struct Roles<'a> {
    uses: Vec<Use<'a>>,
}

impl<'a> Roles<'a> {
    /// A subject says that it has, or can be given, this role.
    pub(super) fn declared(&mut self, object: &str, role: Text<'a>, out: &mut Report<'_>) {
        self.note(object, role, true, out);
    }

    /// A rule or an approval speaks of this role.
    pub(super) fn used(&mut self, object: &str, role: Text<'a>, out: &mut Report<'_>) {
        self.note(object, role, false, out);
    }

    fn note(&mut self, object: &str, role: Text<'a>, declares: bool, out: &mut Report<'_>) {
        if check_name(role.value, role.at, object, out) {
            self.uses.push(Use { role, object: object.to_owned(), declares });
        }
    }

    pub(super) fn check(&self, out: &mut Report<'_>) {
        let mut counts: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
        for one in &self.uses {
            let (count, declared) = counts.entry(one.role.value).or_default();
            *count += 1;
            *declared |= one.declares;
        }
        let usual = |role: &str| USUAL.contains(&role);
        let once = |role: &str| counts.get(role).is_some_and(|(count, _)| *count == 1);
        for one in self.uses.iter().filter(|one| once(one.role.value) && !usual(one.role.value)) {
            // Of two lonely look-alikes the declared one is taken as right, so that one mistake is said once.
            let trusted = counts.iter().filter(|(_, (count, declared))| *count > 1 || (*declared && !one.declares));
            let mut others = USUAL.iter().chain(trusted.map(|(role, _)| role));
            if let Some(near) = others.find(|role| alike(one.role.value, role)) {
                let message = format!("nobody else in this file is `{}`", one.role.value);
                let help = format!("did you mean `{near}`?");
                out.error("role-unknown", &one.object, one.role.at, message, Some(help));
            }
        }
    }
}
