//! The one-way rule between the daemon's modules, checked from the source text:
//! core <- ports <- service <- doors <- app <- cli, with leaves that all may name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source::{self, rust_files};

/// Modules that all others may name. They name nothing of the daemon but what stands beside them.
const LEAVES: &[(&str, &[&str])] =
    &[("config", &[]), ("telemetry", &["config"]), ("net", &[]), ("tasks", &[]), ("entropy", &[])];

/// Every other module with those that it may name besides the leaves. No module may be missing from the two tables.
const ALLOWED: &[(&str, &[&str])] = &[
    ("ports", &[]),
    ("service", &["ports"]),
    // A door that needs something of `ports` is handed it by `app`.
    ("doors", &["service"]),
    ("app", &["ports", "service", "doors"]),
    ("cli", &["ports", "service", "doors", "app"]),
    ("lib", &[]),
    ("main", &["cli"]),
];

fn may(from: &str, to: &str) -> Result<bool, String> {
    if from == to {
        return Ok(true);
    }
    if let Some((_, allowed)) = LEAVES.iter().find(|(module, _)| *module == from) {
        return Ok(allowed.contains(&to));
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(module, _)| *module == from) else {
        return Err(format!("`{from}` is not in the table of modules"));
    };
    Ok(allowed.contains(&to) || LEAVES.iter().any(|(leaf, _)| *leaf == to))
}

#[test]
fn modules_point_one_way() {
    let src = source::root().join("src");
    let files = rust_files(&src);
    assert!(files.len() > 5, "no source under {}", src.display());
    let mut wrong = Vec::new();
    for file in files {
        let shown = file.strip_prefix(&src).unwrap();
        let first = shown.iter().next().unwrap().to_string_lossy();
        let from = first.trim_end_matches(".rs");
        for to in named_modules(&fs::read_to_string(&file).unwrap()) {
            match may(from, &to) {
                Ok(true) => {}
                Ok(false) => wrong.push(format!("{}: {from} -> {to}", shown.display())),
                Err(text) => wrong.push(format!("{}: {text}", shown.display())),
            }
        }
        if let Err(text) = may(from, from).and(may(from, "net")) {
            wrong.push(format!("{}: {text}", shown.display()));
        }
    }
    assert!(wrong.is_empty(), "against the one-way rule: {wrong:#?}");
}

#[test]
fn a_planted_edge_is_refused_by_name() {
    for (from, to) in
        [("ports", "service"), ("doors", "ports"), ("service", "doors"), ("net", "ports"), ("config", "telemetry")]
    {
        assert_eq!(may(from, to), Ok(false), "{from} -> {to}");
    }
    assert!(may("plugins", "net").unwrap_err().contains("`plugins`"));
    assert_eq!(may("doors", "net"), Ok(true));
}

#[test]
fn the_scanner_sees_every_form_of_path() {
    for (text, expected) in [
        ("use crate::ports::Store;", &["ports"][..]),
        ("fn f(gate: &crate::service::Gate) {}", &["service"]),
        ("use crate::{\n    ports::{Store, clock},\n    service,\n};", &["ports", "service"]),
        ("use super::super::doors::modbus;", &["doors"]),
        ("use super::{Gate, ports};", &["ports"]),
        ("use crate::*;", &["*"]),
        ("use bulkhead::cli;", &["cli"]),
        ("use super::Gate;", &[]),
        ("// use crate::ports::Store;", &[]),
        ("use other_crate::ports::Store;", &[]),
    ] {
        let found = named_modules(text);
        assert!(found.iter().eq(expected), "{text}: {found:?}");
    }
}

/// The names that follow `crate::` and `bulkhead::`, and those module names that follow `super::`.
fn named_modules(text: &str) -> BTreeSet<String> {
    let code = source::without_comments(text);
    let known = |name: &String| LEAVES.iter().chain(ALLOWED).any(|(module, _)| module == name);
    let whole = heads_after("crate::", &code).into_iter().chain(heads_after("bulkhead::", &code));
    whole.chain(heads_after("super::", &code).into_iter().filter(known)).collect()
}

fn heads_after(root: &str, code: &str) -> Vec<String> {
    code.match_indices(root)
        .filter(|(at, _)| !code[..*at].ends_with(is_name))
        .flat_map(|(at, _)| heads(&code[at + root.len()..]))
        .collect()
}

/// The first name of a path, or of each path in a `{...}` group.
fn heads(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![head(path)] };
    let mut depth = 1_u32;
    let mut outer = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 1 => outer.push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    outer.split(',').map(head).filter(|name| !name.is_empty()).collect()
}

fn head(path: &str) -> String {
    path.trim_start().chars().take_while(|c| is_name(*c)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '*'
}

#[test]
fn only_app_and_cli_see_the_machine() {
    // The machine's own sockets, clock and randomness are handed in by the composition root.
    let src = source::root().join("src");
    for file in rust_files(&src) {
        let shown = file.strip_prefix(&src).unwrap().display().to_string();
        if ["net", "app", "cli", "main", "entropy", "ports/clock", "ports/disk"].iter().any(|at| shown.starts_with(at))
        {
            continue;
        }
        let code = source::without_comments(&fs::read_to_string(&file).unwrap());
        for machine in ["net::machine", "MachineEntropy", "MachineClock"] {
            assert!(
                !source::without_tests(&code).contains(machine),
                "{shown} names `{machine}`: take it as an argument"
            );
        }
    }
}

#[test]
fn the_core_is_reached_by_its_own_name_alone() {
    // A second copy of a core file, pulled in by `#[path]`, would be a second gate.
    let root = source::root();
    for file in rust_files(&root.join("src")).iter().chain(&rust_files(&root.join("core/src"))) {
        let code = source::without_comments(&fs::read_to_string(file).unwrap());
        assert!(!code.contains("#[path"), "{}: `#[path]`", Path::new(file).display());
    }
}
