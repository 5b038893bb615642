//! Rules about the repository's text that no lint of the compiler knows.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::source::{self, files, rust_files};

/// Without `biased;` a select picks its branch by a random number that no seed of ours controls.
#[test]
fn every_select_is_biased() {
    let root = source::root();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for dir in ["src", "core/src", "simulators/src", "tests"] {
        for file in rust_files(&root.join(dir)) {
            let code = source::without_comments(&fs::read_to_string(&file).unwrap());
            let (all, unbiased) = selects(&code);
            seen += all;
            wrong.extend((0..unbiased).map(|_| file.strip_prefix(root).unwrap().display().to_string()));
        }
    }
    assert!(wrong.is_empty(), "of {seen} selects, without `biased;` first: {wrong:?}");
}

/// How many `select!` there are, and how many of them do not begin with `biased;`.
fn selects(code: &str) -> (usize, usize) {
    let bodies = code.match_indices(concat!("select", "! {")).map(|(at, opening)| &code[at + opening.len()..]);
    bodies.fold((0, 0), |(all, bad), body| (all + 1, bad + usize::from(!body.trim_start().starts_with("biased;"))))
}

#[test]
fn the_select_scan_sees_a_select_without_biased() {
    assert_eq!(selects(concat!("select", "! {\n biased;\n a => b }")), (1, 0));
    assert_eq!(selects(concat!("tokio::select", "! {\n a = b => c }")), (1, 1));
}

/// A path of the machine that somebody happened to work on helps nobody else.
#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let root = source::root();
    let mut wrong = Vec::new();
    for file in files(root) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            for path in [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")] {
                if line.match_indices(path).any(|(at, _)| !line[..at].ends_with(is_path)) {
                    wrong.push(format!("{}:{}: {line}", file.strip_prefix(root).unwrap().display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "paths of one machine: {wrong:#?}");
}

fn is_path(c: char) -> bool {
    c.is_alphanumeric() || ['.', '-', '_', '/', '~', '}', '*'].contains(&c)
}

/// A relative link of a document leads to a file, and its fragment to a heading of it.
#[test]
fn links_of_the_documents_resolve() {
    let root = source::root();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in files(root).into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&file).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            if let Err(why) = resolve(&file, &link) {
                wrong.push(format!("{}: `{link}`: {why}", file.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(seen > 10, "only {seen} links were found");
    assert!(wrong.is_empty(), "dead links: {wrong:#?}");
}

fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        if fenced {
            continue;
        }
        for (at, opening) in line.match_indices("](") {
            found.extend(line[at + opening.len()..].split_once(')').map(|(link, _)| link.to_owned()));
        }
    }
    found
}

fn resolve(from: &Path, link: &str) -> Result<(), String> {
    let (path, fragment) = link.split_once('#').map_or((link, None), |(path, fragment)| (path, Some(fragment)));
    let to = if path.is_empty() { from.to_owned() } else { normal(&from.parent().unwrap().join(path)) };
    if !to.exists() {
        return Err("no such file".to_owned());
    }
    let Some(fragment) = fragment else { return Ok(()) };
    let text = fs::read_to_string(&to).map_err(|error| error.to_string())?;
    if text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == fragment) {
        Ok(())
    } else {
        Err("no such heading".to_owned())
    }
}

fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

#[test]
fn the_link_scan_finds_what_it_should() {
    assert_eq!(links("see [a](b.md) and [c](d.md#e)\n```\n[x](y)\n```\n"), ["b.md", "d.md#e"]);
    assert_eq!(anchor("## What is kept, and how surely"), "what-is-kept-and-how-surely");
    assert!(resolve(&source::root().join("README.md"), "no-such-file.md").is_err());
}
