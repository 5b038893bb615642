//! What the plant may call its things.

use crate::policy::report::Report;

/// Names go into rules, record fields and file names: letters, digits, `-` and `_`, at most 64.
pub(in crate::policy) fn check_name(name: &str, at: usize, object: &str, out: &mut Report<'_>) -> bool {
    let good = is_name(name);
    if !good {
        let help = Some("use letters, digits, `-` and `_`, at most 64".to_owned());
        out.error("name", object, at, format!("`{name}` cannot be a name"), help);
    }
    good
}

/// Whether a text can be a name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 64 && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
}
