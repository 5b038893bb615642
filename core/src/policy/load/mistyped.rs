//! Every key, name, number and reference of a policy, mistyped one after the other: refused, at its place, with the
//! offending text and something to write instead. Found by walking the signs of the two files that hold the whole language.

use super::load;
use crate::policy::problem::Problem;

const PLANT: &str = include_str!("../../../../config/examples/riverside/plant.toml");
const EVERYTHING: &str = include_str!("everything.toml");

/// Texts that mean whatever the plant wants: another spelling is another text and no mistake that a reader could see.
const FREE: [&str; 8] = ["name", "about", "island", "owner", "boundary", "reason", "by", "why"];

/// A word, number or date of the file: its bytes, and the key that it belongs to (empty in a header).
#[derive(Debug)]
struct Token<'t> {
    at: usize,
    text: &'t str,
    key: &'t str,
    /// The whole text in quotes that it stands in.
    quoted: Option<&'t str>,
    is_key: bool,
    header: Option<&'t str>,
}

/// The words and numbers of one line, comments left out.
fn tokens(line: &str, from: usize) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let header = line.starts_with('[').then(|| line.split(']').next().unwrap().trim_matches('['));
    let (mut key, mut quote, mut at) = ("", None, 0);
    while let Some(sign) = line[at..].chars().next() {
        if sign == '#' && quote.is_none() {
            break;
        }
        if sign == '"' {
            quote = if quote.is_some() { None } else { Some(at + 1) };
            at += 1;
            continue;
        }
        let rest = &line[at..];
        let same = |c: char| {
            if sign.is_ascii_digit() {
                c.is_ascii_digit() || (quote.is_none() && (c.is_alphanumeric() || "-:+".contains(c)))
            } else {
                c.is_alphabetic() || (c == '_' || c == '-' && !["days", "hours"].contains(&key))
            }
        };
        if !sign.is_alphanumeric() {
            at += sign.len_utf8();
            continue;
        }
        let end = rest.find(|c: char| !same(c)).unwrap_or(rest.len());
        let text = rest[..end].trim_end_matches('-');
        let after = rest[text.len()..].trim_start_matches('"').trim_start();
        let is_key = header.is_none() && after.starts_with('=');
        if is_key {
            key = text;
        }
        let quoted = quote.map(|start| &line[start..start + line[start..].find('"').unwrap()]);
        found.push(Token { at: from + at, text, key, quoted, is_key, header });
        at += text.len().max(1);
    }
    found
}

fn all_tokens(text: &str) -> Vec<Token<'_>> {
    let mut from = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        found.extend(tokens(line.trim_end(), from));
        from += line.len();
    }
    found
}

/// Misspellings of a word: a letter lost in the middle, two letters swapped, one typed twice.
fn misspelt(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let middle = letters.len() / 2;
    let mut lost = letters.clone();
    lost.remove(middle);
    let mut swapped = letters.clone();
    swapped.swap(middle - 1, middle);
    let mut twice = letters.clone();
    twice.insert(middle, letters[middle]);
    [lost, swapped, twice].into_iter().map(String::from_iter).filter(|other| other != word).collect()
}

/// Mistypings of a number: a letter in it, and far too many digits.
fn misnumbered(number: &str) -> Vec<String> {
    let mut letter = number.to_owned();
    letter.insert(1, 'x');
    vec![letter, format!("{number}99999999999")]
}

/// Whether a token is only a name that its own line gives, with nothing that refers to it.
fn is_free(token: &Token<'_>) -> bool {
    if FREE.contains(&token.key) && token.header.is_none() && !token.is_key {
        // `approval = { by = .. }` names a role.
        return !(token.key == "by" && token.quoted == Some("Supervisor"));
    }
    match token.header {
        // Nothing in the file refers to subjects, or to these shifts, conduits and profiles.
        Some(header) => {
            let name = header.rsplit('.').next().unwrap();
            let lonely = ["early", "late", "night", "odd", "vendor-service"].contains(&name);
            token.text == name && (lonely || header.starts_with("subjects"))
        }
        None => match (token.key, token.quoted) {
            // Far ends and the plant's own words for lines, halls and modes are said here for the first time.
            ("from" | "zone", Some(end)) => end.starts_with("remote:") && !end.starts_with(token.text),
            ("line" | "location", Some(_)) => !token.is_key,
            // The number of a line says which one is meant.
            ("when", Some(when)) => {
                let place = when.starts_with("line is ") || when.starts_with("location is ");
                place && token.text.starts_with(|c: char| c.is_ascii_digit())
            }
            _ => false,
        },
    }
}

fn refuses(changed: &str, line: u32, original: &Token<'_>, now: &str) -> Option<String> {
    let Err(problems) = load(changed) else { return Some("it loads".to_owned()) };
    let near = |problem: &Problem| {
        let here = problem.place.line == line && problem.message.contains(now);
        // A name that is given wrongly is missed where it is used: there it says what it looks for.
        let gives = original.header.is_some() || original.is_key || ["role", "opened_by"].contains(&original.key);
        let there = problem.message.contains(&format!("`{}`", original.text)) || problem.object.contains(now);
        (here || gives && there) && problem.message.contains('`') && problem.help.is_some()
    };
    let places = problems.iter().all(|problem| problem.place.line >= 1 && problem.place.column >= 1);
    (!places || !problems.iter().any(near))
        .then(|| format!("{:#?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

#[test]
fn every_key_name_number_and_reference_mistyped_is_refused_at_its_place() {
    let text = format!("{PLANT}\n{EVERYTHING}");
    load(&text).unwrap();
    let (mut tried, mut wrong) = (0, Vec::new());
    for token in all_tokens(&text) {
        let number = token.text.starts_with(|c: char| c.is_ascii_digit());
        if is_free(&token) || (!number && token.text.len() < 3) {
            continue;
        }
        // A decimal number with a few more digits is another number that an f32 can hold.
        let decimal = number && token.quoted.is_some_and(|text| text.contains("f32 values"));
        for now in if decimal {
            vec![format!("{}x", token.text)]
        } else if number {
            misnumbered(token.text)
        } else {
            misspelt(token.text)
        } {
            let mut changed = text.clone();
            changed.replace_range(token.at..token.at + token.text.len(), &now);
            let line = u32::try_from(text[..token.at].matches('\n').count() + 1).unwrap();
            tried += 1;
            if let Some(why) = refuses(&changed, line, &token, &now) {
                wrong.push(format!("line {line}: `{}` -> `{now}` ({token:?}): {why}", token.text));
            }
        }
    }
    assert!(tried > 900, "{tried} mistakes were made");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

/// A small generator of its own: the core draws nothing, and a test must fail the same way twice.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

fn char_at(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[test]
fn no_text_makes_the_reader_panic() {
    const SIGNS: &[&str] = &[
        "",
        "\"",
        "[",
        "]",
        "[[",
        "{",
        "}",
        "=",
        "#",
        "\n",
        "\r\n",
        ",",
        ".",
        "..",
        "-",
        "9",
        "99999999999",
        "ü",
        "\u{0}",
        "é\u{301}",
        "remote:",
        "true",
        "2027-06-30",
        "1e400",
        "nan",
        "'''",
        "\"\"\"",
        "\\",
        "\\u0041",
        "holding ",
        " as f32",
        "0-65535",
        "[x.y]\n",
        "\u{feff}",
    ];
    let text = format!("{PLANT}\n{EVERYTHING}");
    let mut random = Random(0x5eed_0000_0000_0001);
    let mut loaded = 0;
    for _ in 0..20_000 {
        let mut changed = text.clone();
        for _ in 0..=random.below(4) {
            let start = char_at(&changed, random.below(changed.len()));
            let length = [0, 1, 2, 8, 40][random.below(5)];
            let end = char_at(&changed, (start + length).min(changed.len())).max(start);
            if random.below(6) == 0 {
                let other = char_at(&changed, random.below(changed.len()));
                let piece = changed[start.min(other)..start.max(other)].chars().take(200).collect::<String>();
                changed.insert_str(start, &piece);
            } else {
                changed.replace_range(start..end, SIGNS[random.below(SIGNS.len())]);
            }
        }
        match load(&changed) {
            Ok(_) => loaded += 1,
            Err(problems) => {
                let lines = u32::try_from(changed.lines().count()).unwrap() + 1;
                for problem in problems {
                    assert!((1..=lines).contains(&problem.place.line), "{problem}\n{changed}");
                    assert!(!problem.message.is_empty() && problem.place.column >= 1, "{problem}");
                }
            }
        }
    }
    assert!((100..19_000).contains(&loaded), "{loaded} of 20,000 load: too many or too few to be a test");
}
