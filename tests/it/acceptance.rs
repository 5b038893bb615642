//! Names of functions and tests that documents use, resolved against the source: prose that names nothing cannot rot unseen.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::{self, rust_files};

/// `docs/architecture.md` follows a write and a revocation through the source.
#[test]
fn the_walks_of_the_architecture_resolve() {
    let text = fs::read_to_string(source::root().join("docs/architecture.md")).unwrap();
    let named: BTreeSet<&str> = quoted(&text).filter(|name| is_path(name)).collect();
    assert!(named.len() >= 20, "only {} names: {named:?}", named.len());
    let wrong: Vec<String> = named.iter().filter_map(|name| code(name).err()).collect();
    assert!(wrong.is_empty(), "docs/architecture.md: {wrong:#?}");
}

/// `docs/threat-model.md` and `docs/acceptance.md` name the test that shows each line, as `binary: module::test`.
#[test]
fn the_tests_that_documents_name_exist() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for document in ["docs/threat-model.md", "docs/acceptance.md"] {
        let text = fs::read_to_string(source::root().join(document)).unwrap();
        for name in quoted(&text) {
            let Some((binary, path)) = name.split_once(": ") else { continue };
            let Some(root) = root_of(binary) else { continue };
            seen += 1;
            wrong.extend(test(&root, path).err().map(|why| format!("{document}: `{name}`: {why}")));
        }
    }
    assert!(seen > 10, "only {seen} tests are named");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_name_that_leads_nowhere_is_found() {
    assert!(code("service::gate::Gate::judge").is_ok());
    assert!(code("service::gate::Gate::juge").unwrap_err().contains("juge"));
    assert!(code("service::gatehouse::judge").is_err());
    let it = root_of("it").unwrap();
    assert!(test(&it, "acceptance::a_name_that_leads_nowhere_is_found").is_ok());
    assert!(test(&it, "acceptance::a_test_that_nobody_wrote").is_err());
    assert!(test(&it, "nobody::a_name_that_leads_nowhere_is_found").is_err());
    assert_eq!(quoted("| a `b` | c `it: d::e` |").collect::<Vec<_>>(), ["b", "it: d::e"]);
}

fn root_of(binary: &str) -> Option<PathBuf> {
    let folder = match binary {
        "it" => "tests/it",
        "sim" => "tests/sim",
        "core" => "core/src",
        "bulkhead" => "src",
        "simulators" => "simulators/src",
        "interop" => "tests/interop",
        "demo" => "demo",
        _ => return None,
    };
    Some(source::root().join(folder))
}

/// The texts between back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_path(name: &str) -> bool {
    let of_ours = ["core::", "config::", "net::", "tasks::", "ports::", "service::", "doors::", "app::", "cli::"];
    of_ours.iter().any(|root| name.starts_with(root)) && name.chars().all(|c| c.is_alphanumeric() || "_:".contains(c))
}

/// `module::module::Type::function` or `module::Type`, `core::` for the pure crate.
fn code(name: &str) -> Result<(), String> {
    let (root, path) = match name.strip_prefix("core::") {
        Some(path) => ("core/src", path),
        None => ("src", name),
    };
    let (files, rest) = module(&source::root().join(root), path);
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    if files.is_empty() {
        return Err(format!("`{name}`: there is no such module"));
    }
    for item in &rest {
        let forms = ["fn", "struct", "enum", "trait", "type", "const", "mod"].map(|kind| format!("{kind} {item}"));
        let defined = texts.iter().any(|text| forms.iter().any(|form| has_word(text, form)));
        let variant = item.starts_with(char::is_uppercase) && texts.iter().any(|text| has_word(text, item));
        if !defined && !variant {
            return Err(format!("`{name}`: nothing defines `{item}`"));
        }
    }
    Ok(())
}

/// A test: the module must be there, and a function of that name in one of its files.
fn test(root: &Path, path: &str) -> Result<(), String> {
    let (files, rest) = module(root, path);
    let Some(name) = rest.last() else { return Ok(()) };
    if rest.iter().rev().skip(1).any(|part| *part != "tests") || files.is_empty() {
        return Err("there is no such module".to_owned());
    }
    let forms = [format!("fn {name}("), format!("def {name}(")];
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    if texts.into_iter().any(|text| forms.iter().any(|form| text.contains(form))) {
        Ok(())
    } else {
        Err("there is no such test".to_owned())
    }
}

/// The files of the deepest module that a path leads to, and the segments that remain.
fn module<'a>(root: &Path, path: &'a str) -> (Vec<PathBuf>, Vec<&'a str>) {
    let mut at = root.to_owned();
    let mut files = Vec::new();
    let mut rest: Vec<&str> = path.split("::").collect();
    while let Some(first) = rest.first() {
        let (folder, file) = (at.join(first), ["rs", "py"].map(|end| at.join(format!("{first}.{end}"))));
        let own: Vec<PathBuf> = file.into_iter().filter(|file| file.is_file()).collect();
        if own.is_empty() && !folder.is_dir() {
            break;
        }
        files = own;
        if folder.is_dir() {
            files.extend(rust_files(&folder));
        }
        at = folder;
        rest.remove(0);
    }
    (files, rest)
}

fn has_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_name) && !text[at + word.len()..].starts_with(is_name))
}
