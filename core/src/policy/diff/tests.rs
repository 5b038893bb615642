//! What a person reads before a policy is put in force.

use super::*;
use crate::policy::riverside::{load, policy, text};

fn changed(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "{from}");
    diff(&policy(), &load(&text.replace(from, to))).to_string()
}

#[test]
fn a_policy_does_not_differ_from_itself() {
    assert_eq!(diff(&policy(), &policy()).to_string(), "no difference");
    assert_eq!(changed("# Riverside", "# Another comment"), "no difference");
}

#[test]
fn a_gained_and_a_lost_right_name_subject_point_and_addresses() {
    assert_eq!(
        changed("\"read speed\", \"read setpoint\"]", "\"read speed\", \"read valves\"]"),
        "\
+ lead read filler-plc/valves (coils 0-15): always
+ old-panel read filler-plc/valves (coils 0-15): always
+ scada read filler-plc/valves (coils 0-15): always
+ station read filler-plc/valves (coils 0-15): always
- lead read filler-plc/setpoint (holding 300-301)
- old-panel read filler-plc/setpoint (holding 300-301)
- scada read filler-plc/setpoint (holding 300-301)
- station read filler-plc/setpoint (holding 300-301)"
    );
}

#[test]
fn a_narrower_point_loses_only_what_it_no_longer_covers() {
    let narrower = changed("counters = \"holding 0-9\"", "counters = \"holding 0-8\"");
    let wanted = ["acme", "lead", "old-panel", "scada", "station"]
        .map(|who| format!("- {who} read filler-plc/counters (holding 9)"))
        .join("\n");
    assert_eq!(narrower, wanted);
}

#[test]
fn terms_that_differ_are_shown_side_by_side() {
    let wider = changed("values 0..1200", "values 0..1500");
    assert!(
        wider.contains(
            "~ station write filler-plc/speed (holding 100): on shift, line is line-1, 600 writes per minute, \
             values 0..1200 safe 0 -> on shift, line is line-1, 600 writes per minute, values 0..1500 safe 0"
        ),
        "{wider}"
    );
    let longer = changed("hours = \"22:00-06:00\"", "hours = \"22:00-06:30\"");
    assert_eq!(
        longer,
        "~ shifts.night: Mon-Sun 22:00-06:00, overlap 15 minutes -> Mon-Sun 22:00-06:30, overlap 15 minutes"
    );
}

#[test]
fn a_never_takes_what_a_rule_gives() {
    let taken =
        changed("[[accept]]", "[[never]]\nwhat = [\"write filler-plc/recipe\", \"diagnostics identify\"]\n[[accept]]");
    assert_eq!(
        taken,
        "\
- acme diagnostics identify filler-plc
- lead write filler-plc/recipe (holding 200-239)
- old-panel write filler-plc/recipe (holding 200-239)"
    );
}

#[test]
fn moving_a_station_is_a_setting_and_no_right() {
    assert_eq!(
        changed("address = \"10.10.9.11\"", "address = \"10.10.9.12\""),
        "~ subjects.station.address: 10.10.9.11 -> 10.10.9.12"
    );
    let observe = changed("mode = \"enforce\"               ", "mode = \"observe\"               ");
    assert_eq!(observe, "~ conduits.scada-to-filling.mode: enforce -> observe");
}
