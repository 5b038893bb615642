//! One verb set: what the command line knows, what the gateway carries out, and what `docs/commands.md` tells are the same.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::plant::Beside;
use crate::source;

/// A row of the page.
struct Row {
    verb: String,
    about: String,
    orders: Vec<String>,
    example: Option<String>,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(source::root().join("docs/commands.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split(" | ").collect();
        let [verb, about, orders, example] = cells.as_slice() else { panic!("four cells are due: {line}") };
        let example = example.trim_end_matches([' ', '|']);
        Some(Row {
            verb: verb.trim_matches('`').to_owned(),
            about: (*about).to_owned(),
            orders: orders.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            example: (example != "-").then(|| example.trim_matches('`').to_owned()),
        })
    };
    page.lines().filter_map(row).collect()
}

fn help(words: &[&str]) -> String {
    // Wide enough that nothing is wrapped.
    let output =
        Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(words).arg("-h").env("COLUMNS", "300").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The verbs of the command line, with what their help says in one line.
fn verbs(before: &[&str]) -> Vec<(String, String)> {
    let help = help(before);
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list.split("\n\n").next().unwrap());
    let mut found = Vec::new();
    for line in list.lines() {
        let (name, about) = line.trim().split_once("  ").unwrap();
        let words: Vec<&str> = before.iter().copied().chain([name]).collect();
        let inner = verbs(&words);
        if inner.is_empty() {
            found.push((words.join(" "), about.trim().to_owned()));
        } else {
            found.extend(inner);
        }
    }
    found
}

#[test]
fn the_page_tells_every_verb_and_no_other() {
    let told: Vec<(String, String)> = rows().into_iter().map(|row| (row.verb, row.about)).collect();
    let known = verbs(&[]);
    assert!(known.len() > 15, "{known:?}");
    assert_eq!(told, known, "docs/commands.md, left, is not what the command line's help says");
}

#[test]
fn every_order_is_reached_by_a_verb() {
    let code = fs::read_to_string(source::root().join("src/service/commands/mod.rs")).unwrap();
    let (_, rest) = code.split_once("pub enum Command {").unwrap();
    let (list, _) = rest.split_once("\n}").unwrap();
    let variant = |line: &str| {
        let name = line.strip_prefix("    ")?.trim_end_matches(['{', ',', ' ']);
        (name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(char::is_alphanumeric))
            .then(|| kebab(name))
    };
    let orders: BTreeSet<String> = list.lines().filter_map(variant).collect();
    assert!(orders.contains("policy-activate") && orders.len() > 8, "{orders:?}");
    let reached: BTreeSet<String> = rows().into_iter().flat_map(|row| row.orders).collect();
    assert_eq!(reached, orders, "orders in docs/commands.md, left, and those that the gateway carries out");
}

/// As serde writes it.
fn kebab(name: &str) -> String {
    name.chars().enumerate().fold(String::new(), |mut text, (at, c)| {
        if c.is_ascii_uppercase() && at > 0 {
            text.push('-');
        }
        text.extend(c.to_lowercase());
        text
    })
}

#[test]
fn every_verb_answers_in_json_alone() {
    let beside = Beside::start("policy-change", 66);
    // There is a past to list and to go back to.
    for policy in ["candidate.toml", "plant.toml"] {
        assert_eq!(beside.said(&format!("policy activate {policy}")).0, Some(0));
    }
    let mut typed = 0;
    for row in rows() {
        let Some(example) = row.example else {
            assert_eq!(row.verb, "run", "{} has no example", row.verb);
            continue;
        };
        assert!(example.starts_with(&row.verb), "`{example}` is no example of {}", row.verb);
        let (code, said) = beside.said(&format!("--json {example}"));
        assert!(matches!(code, Some(0 | 1 | 78)), "{example}: {code:?} {said}");
        for line in said.lines() {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
            assert!(parsed.is_ok(), "`{example}` says under --json: {line}");
        }
        // What decides reads the standard input, and there is none here.
        assert!(!said.is_empty() || row.verb == "policy decide", "`{example}` says nothing under --json");
        typed += 1;
    }
    assert!(typed > 15);
}
