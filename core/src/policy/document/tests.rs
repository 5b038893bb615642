//! The sheets of the example plants, byte by byte. `bulkhead policy document FILE` writes them anew; read the difference before
//! you keep it.

use super::*;

fn golden(text: &str, kept: &str, name: &str) {
    let document = document(&crate::policy::load(text).unwrap());
    assert_eq!(document, super::document(&crate::policy::load(text).unwrap()), "the same policy, the same sheet");
    let markdown = document.markdown();
    assert_eq!(markdown, kept, "{name}");
}

#[test]
fn the_sheet_of_the_riverside_plant_is_as_it_was_read_last() {
    golden(include_str!("../../../../config/examples/riverside/plant.toml"), include_str!("riverside.md"), "riverside");
}

#[test]
fn the_sheet_of_the_bottling_plant_is_as_it_was_read_last() {
    golden(include_str!("../../../../config/examples/bottling/plant.toml"), include_str!("bottling.md"), "bottling");
}

#[test]
fn csv_says_what_markdown_says_and_no_cell_breaks_out() {
    let text = include_str!("../../../../config/examples/riverside/plant.toml")
        .replace("about = \"Filler PLC and drives\"", "about = \"=HYPERLINK(1) | \\\"x\\\", y\"");
    let document = document(&crate::policy::load(&text).unwrap());
    let (csv, markdown) = (document.csv(), document.markdown());
    assert!(csv.contains("Zones,filling,What it is,\"'=HYPERLINK(1) | \"\"x\"\", y\"\r\n"), "{csv}");
    assert!(markdown.contains("=HYPERLINK(1) \\| \"x\", y"), "{markdown}");
    let fields: usize = document.sections.iter().map(|section| section.rows.len() * (section.columns.len() - 1)).sum();
    assert_eq!(csv.lines().count(), fields + 2);
    for section in &document.sections {
        assert!(section.rows.iter().all(|row| row.len() == section.columns.len()), "{}", section.title);
    }
}
