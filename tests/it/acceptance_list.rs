//! The acceptance list names tests, files and commands: each must exist, so that the list cannot rot in silence.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::root;

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// What stands between backticks in the right column of each row.
fn named(list: &str) -> Vec<String> {
    let rows = list.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| asked"));
    let right = rows.filter_map(|line| line.trim_end_matches('|').rsplit_once(" | ").map(|(_, right)| right));
    right.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Why a name means nothing, if it does not.
fn dangling(name: &str, code: &str, makefile: &str) -> Option<String> {
    let found = if let Some(target) = name.strip_prefix("make ") {
        let target = target.split(' ').next().unwrap_or_default();
        makefile.contains(&format!("\n{target}:"))
    } else if name.starts_with("bulkhead ") {
        true
    } else if name.contains('/') || name.contains('.') || name == "LICENSE" || name == "Makefile" {
        root().join(name).exists()
    } else {
        code.contains(&format!("fn {name}("))
    };
    (!found).then(|| name.to_owned())
}

#[test]
fn every_name_in_the_acceptance_list_exists() {
    let list = fs::read_to_string(root().join("docs/acceptance.md")).unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut files = Vec::new();
    for dir in ["core/src", "src", "tests", "simulators"] {
        sources(&root().join(dir), &mut files);
    }
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let names = named(&list);
    assert!(names.len() > 50, "only {} names were found: the list is not read", names.len());
    let wrong: Vec<_> = names.iter().filter_map(|name| dangling(name, &code, &makefile)).collect();
    assert!(wrong.is_empty(), "the acceptance list names what does not exist: {wrong:#?}");
    assert!(dangling("a_test_that_nobody_wrote", &code, &makefile).is_some());
    assert!(dangling("make coffee", &code, &makefile).is_some());
}
