//! The policies that were in force, a file each, the newest ten: what `policy restore` goes back to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::config::kept_number;

/// So many are kept.
const KEPT: usize = 10;

fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(kept_number(&entry?.path()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether nothing is kept yet.
pub(super) fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(numbers(folder)?.is_empty())
}

/// Keeps a policy as the newest one, unless it is that already, and forgets what is too old. The file is there wholly or not at
/// all.
pub(super) fn keep(folder: &Path, text: &str) -> io::Result<()> {
    let mut numbers = numbers(folder)?;
    let file = |number: u32| folder.join(format!("{number:06}.toml"));
    let newest = numbers.last().copied().unwrap_or(0);
    if newest > 0 && fs::read(file(newest))? == text.as_bytes() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let aside = folder.join("fresh");
    let mut fresh = File::create(&aside)?;
    fresh.write_all(text.as_bytes())?;
    fresh.sync_all()?;
    let next = newest.saturating_add(1);
    fs::rename(&aside, file(next))?;
    numbers.push(next);
    for old in numbers.iter().rev().skip(KEPT) {
        fs::remove_file(file(*old))?;
    }
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ten_are_kept_once_each_and_foreign_files_stay() {
        let folder = std::env::temp_dir().join(format!("bulkhead-kept-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        assert!(is_empty(&folder).unwrap());
        for n in 1..=12 {
            keep(&folder, &format!("policy {n}")).unwrap();
            keep(&folder, &format!("policy {n}")).unwrap();
        }
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        keep(&folder, "policy 3").unwrap();
        assert_eq!(numbers(&folder).unwrap(), (4..=13).collect::<Vec<_>>());
        assert_eq!(fs::read_to_string(folder.join("000013.toml")).unwrap(), "policy 3");
        assert!(folder.join("notes.txt").exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}
