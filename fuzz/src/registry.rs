//! A sheet of the registry, as somebody's spreadsheet has saved it.

use std::time::Duration;

use bulkhead_core::identity::Registry;
use bulkhead_core::identity::sheet::{Sheet, plan, read, rows};
use bulkhead_core::moment::Moment;

/// One sheet: what can be read and planned goes out as a sheet again that changes nothing any more.
pub fn sheet(data: &[u8]) {
    let hold = Duration::from_secs(1);
    let Ok(read_rows) = read(data) else { return };
    let mut registry = Registry::default();
    let Ok(edits) = plan(&registry, &read_rows, hold, Moment::default()) else { return };
    for edit in &edits {
        registry.apply(edit, Moment::default());
    }
    let out = Sheet(&rows(&registry)).to_string();
    let again = read(out.as_bytes()).expect("what goes out comes in");
    assert_eq!(plan(&registry, &again, hold, Moment::default()), Ok(Vec::new()), "{out}");
}
