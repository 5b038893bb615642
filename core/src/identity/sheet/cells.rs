//! One line of comma-separated values into its cells (RFC 4180 section 2). A cell of the registry has no line break.

/// The longest cell: a digest in hex has 64.
const MAX_CELL: usize = 128;

/// Why a line has no cells, and what to write instead.
pub(super) type Wrong = (String, &'static str);

/// Splits a line. Blanks around a cell that is not quoted do not count.
pub(super) fn split(line: &str, separator: char) -> Result<Vec<String>, Wrong> {
    let mut cells = Vec::new();
    let mut rest = line.strip_suffix('\r').unwrap_or(line);
    loop {
        let trimmed = rest.trim_start_matches(' ');
        let (cell, after) = if let Some(quoted) = trimmed.strip_prefix('"') {
            quoted_cell(quoted)?
        } else {
            let end = trimmed.find(separator).unwrap_or(trimmed.len());
            let (cell, after) = trimmed.split_at(end);
            (cell.trim_end_matches(' ').to_owned(), after)
        };
        check(&cell)?;
        cells.push(cell);
        let after = after.trim_start_matches(' ');
        match after.strip_prefix(separator) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(cells),
            None => {
                return Err((
                    format!("`{}` stands behind a quoted cell", short(after)),
                    "end the quotes where the cell ends",
                ));
            }
        }
    }
}

/// What stands up to the closing quotes, where two of them are one.
fn quoted_cell(text: &str) -> Result<(String, &str), Wrong> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err((
                format!("the quotes before `{}` are never closed", short(text)),
                "close them in the same line",
            ));
        };
        cell.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                cell.push('"');
                rest = next;
            }
            None => return Ok((cell, after)),
        }
    }
}

fn check(cell: &str) -> Result<(), Wrong> {
    if cell.len() > MAX_CELL {
        return Err((format!("a cell of {} bytes: `{}`", cell.len(), short(cell)), "at most 128 bytes"));
    }
    if cell.chars().any(char::is_control) {
        return Err(("a cell holds a control character".to_owned(), "take it out"));
    }
    // A spreadsheet program would run it; and no name, life, digest or address begins so.
    if cell.starts_with(['=', '+', '-', '@']) {
        return Err((
            format!("`{}` is a formula to a spreadsheet program", short(cell)),
            "no cell begins with = + - or @",
        ));
    }
    Ok(())
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
