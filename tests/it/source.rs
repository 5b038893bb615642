//! Reading our own source, for the tests that hold rules about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The repository, as cargo says when it runs us: a target folder may be shared by clones, and what was known when this was
/// compiled is the path of the clone that compiled it.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into());
    &ROOT
}

/// Every Rust file below a folder, in order.
pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every file below a folder, in order, without build output and version control.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A work tree of git has a file of this name, a clone a folder.
        if name == ".git" {
            continue;
        }
        if path.is_dir() {
            if !["target", "__pycache__", "corpus"].contains(&name.as_str()) {
                all.extend(files(&path));
            }
        } else {
            all.push(path);
        }
    }
    all
}

/// The text without its comment lines.
pub(crate) fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// The text up to its unit tests, which stand last in a file.
pub(crate) fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}
