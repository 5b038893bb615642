//! What a section lacks and what it has too much.

use super::Section;
use crate::policy::report::Report;
use crate::policy::suggest;

impl<'a> Section<'a> {
    /// Names the keys that nobody asked for and those that are not there. A mistyped required key is said once.
    pub(in crate::policy) fn finish(mut self, out: &mut Report<'_>) {
        for (key, value) in self.table {
            let (span, key) = (key.span(), key.get_ref().as_ref());
            if self.asked.contains(&key) {
                continue;
            }
            if out.is_full() {
                out.error("unknown-key", &self.path, span.start, String::new(), None);
                continue;
            }
            let near =
                suggest::nearest(key, self.asked.iter().copied().filter(|asked| !self.table.contains_key(*asked)));
            let near = near.or_else(|| suggest::nearest(key, self.asked.iter().copied()));
            self.missing.retain(|(missing, _)| near != Some(missing));
            let help = match near {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None => known_keys(&self.asked),
            };
            let what = if value.get_ref().is_table() { "table" } else { "key" };
            out.error("unknown-key", &self.path, span.start, format!("unknown {what} `{key}`"), help);
        }
        if let Some(near) = self.torn() {
            let keys: Vec<String> = self.missing.iter().map(|(key, _)| format!("`{key}`")).collect();
            let message = format!("{} are missing in `{}`", keys.join(" and "), self.name.value);
            let help = Some(format!("are `{}` and `{near}` meant to be one name?", self.name.value));
            out.error("missing-key", &self.path, self.name.at, message, help);
            return;
        }
        for (key, example) in &self.missing {
            let help = Some(format!("for example `{example}`"));
            out.error("missing-key", &self.path, self.name.at, format!("`{key}` is missing"), help);
        }
    }

    /// A mistyped header tears a table in two. The part that has nothing of what is required has a sibling of like name.
    fn torn(&self) -> Option<&'a str> {
        let bare = self.required > 1 && self.missing.len() == self.required;
        let siblings = self.siblings.filter(|_| bare)?.keys().map(|name| name.get_ref().as_ref());
        suggest::nearest(self.name.value, siblings.filter(|name| *name != self.name.value))
    }
}

fn known_keys(asked: &[&'static str]) -> Option<String> {
    let names: Vec<String> = asked.iter().map(|key| format!("`{key}`")).collect();
    (!names.is_empty()).then(|| format!("the keys here are {}", names.join(", ")))
}
