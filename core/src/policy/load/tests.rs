//! The whole language, and what is said about mistakes in it.

use super::*;

const PLANT: &str = include_str!("../../../../config/examples/riverside/plant.toml");

#[test]
fn the_reference_plant_loads() {
    let loaded = load(PLANT).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let ids: Vec<&str> = loaded.findings.iter().map(|finding| finding.problem.id).collect();
    assert_eq!(ids, ["level-proof", "rule-values", "rule-values"]);
}
