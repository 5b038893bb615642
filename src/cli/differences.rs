//! Who would lose and gain what, as lines: `policy shadow` and `policy replay` show the same.

use bulkhead_core::policy::differences::{Difference, Differences, Turn};
use jiff::tz::TimeZone;

use super::{files, out, when};

/// The lines of a screen.
pub(super) fn screen(found: &Differences, zone: &TimeZone) -> Vec<String> {
    let count = |number: u64, what: &str| files::counted(usize::try_from(number).unwrap_or(usize::MAX), what);
    let mut lines = vec![format!(
        "{} judged by both; of {} something would be lost, of {} gained; {} under another limit",
        count(found.judged, "request"),
        found.lost,
        found.gained,
        found.terms
    )];
    for (turn, title) in [
        (Turn::Lost, "LOST: allowed before, refused after"),
        (Turn::Gained, "gained: refused before, allowed after"),
        (Turn::Terms, "other terms: allowed by both, counted against another limit"),
    ] {
        let rows: Vec<Vec<String>> =
            found.lines.iter().filter(|line| line.turn == turn).map(|line| row(line, zone)).collect();
        if !rows.is_empty() {
            lines.push(title.to_owned());
            lines.extend(out::table(&rows).into_iter().map(|line| format!("  {line}")));
        }
    }
    if found.left_out > 0 {
        lines.push(format!(
            "{} BEYOND THIS LIST: it is full, and not all that differs",
            count(found.left_out, "occurrence")
        ));
    }
    lines
}

fn row(line: &Difference, zone: &TimeZone) -> Vec<String> {
    let stamp = |at| when::stamp(at, zone);
    let when = if line.first == line.last {
        stamp(line.last)
    } else {
        format!("{} .. {}", stamp(line.first), stamp(line.last))
    };
    vec![line.to_string(), format!("{} x", line.count), when]
}
