//! The interface as others use it: text in, text out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::policy::riverside::policy;

fn answer(request: &Value) -> Value {
    let line = Batch::new(Arc::new(policy())).line(&request.to_string()).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "so that a test can write json! in place")]
fn scada(rest: Value) -> Value {
    let mut request = json!({
        "at": "2026-03-10T10:00:00+01:00", "clock": "proven", "listener": "10.10.9.20:502", "source": "10.10.9.99",
        "proofs": [{"certificate": "scada", "role": "Operator"}],
    });
    request.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    request
}

#[test]
fn a_write_is_answered_with_rule_points_keep_and_how_long() {
    assert_eq!(
        answer(&scada(json!({"pdu": "010600640384"}))),
        json!({
            "effect": "allow", "class": null, "reason": null, "rule": "conduits.scada-to-filling.allow[2]",
            "points": ["filler-plc/speed"], "assurance": 3, "keep": "before", "valid_until": "2026-03-10T13:15:00Z",
        })
    );
}

#[test]
fn an_access_is_judged_as_its_frame() {
    let by_words =
        answer(&scada(json!({"access": {"asset": "filler-plc", "verb": "write", "point": "speed", "value": 1300}})));
    assert_eq!(by_words, answer(&scada(json!({"pdu": "010600640514"}))));
    assert_eq!(by_words["reason"], "range");
    assert_eq!(by_words["rule"], "conduits.scada-to-filling.allow[2]");
    let negative =
        answer(&scada(json!({"access": {"asset": "filler-plc", "verb": "write", "point": "speed", "value": -1}})));
    assert_eq!(negative["reason"], "range");
}

#[test]
fn who_nobody_knows_and_bytes_that_are_no_request_have_no_assurance() {
    let stranger = answer(&scada(json!({"proofs": [], "pdu": "010300000001"})));
    assert_eq!(
        (&stranger["reason"], &stranger["assurance"], &stranger["keep"]),
        (&json!("no-subject"), &json!(0), &json!("later"))
    );
    for pdu in ["", "01", "0103", "018300000001", "010300000000"] {
        let malformed = answer(&scada(json!({ "pdu": pdu })));
        assert_eq!((&malformed["class"], &malformed["assurance"]), (&json!("malformed"), &json!(0)), "{pdu}");
        assert_eq!(malformed["valid_until"], Value::Null);
    }
    let elsewhere = answer(&scada(json!({"listener": "10.10.9.21:502", "pdu": "010300000001"})));
    assert_eq!(elsewhere["reason"], "no-conduit");
}

#[test]
fn a_certificate_of_another_role_may_nothing_and_is_still_worth_3() {
    for role in [json!("Supervisor"), Value::Null] {
        let other = answer(&scada(json!({"proofs": [{"certificate": "scada", "role": role}], "pdu": "010300000001"})));
        assert_eq!((&other["reason"], &other["assurance"]), (&json!("no-rule"), &json!(3)));
    }
}

#[test]
fn a_vendor_needs_hours_approval_second_factor_and_work_order() {
    let vendor = |claims: Value, approvals: Value, at: &str| {
        answer(&json!({
            "at": at, "clock": "proven", "listener": "10.10.9.20:502", "source": "192.0.2.1", "remote": "acme-service",
            "proofs": [{"token": "acme", "roles": ["Vendor"], "claims": claims}], "approvals": approvals,
            "pdu": "012b0e0100",
        }))
    };
    let both = json!({"second factor": true, "work order": true});
    let approved = json!([{"by": "Supervisor", "at": "2026-03-10T09:30:00+01:00"}]);
    let ok = vendor(both.clone(), approved.clone(), "2026-03-10T10:00:00+01:00");
    assert_eq!((&ok["effect"], &ok["keep"], &ok["assurance"]), (&json!("allow"), &json!("later"), &json!(2)));
    assert_eq!(ok["valid_until"], "2026-03-10T10:30:00Z");
    for denied in [
        vendor(json!({"second factor": true}), approved.clone(), "2026-03-10T10:00:00+01:00"),
        vendor(both.clone(), json!([]), "2026-03-10T10:00:00+01:00"),
        vendor(
            both.clone(),
            json!([{"by": "Operator", "at": "2026-03-10T09:30:00+01:00"}]),
            "2026-03-10T10:00:00+01:00",
        ),
        vendor(both.clone(), approved.clone(), "2026-03-10T11:30:00+01:00"),
        vendor(both, json!([{"by": "Supervisor", "at": "2026-03-10T16:30:00+01:00"}]), "2026-03-10T17:00:00+01:00"),
    ] {
        assert_eq!(
            (&denied["reason"], &denied["rule"]),
            (&json!("condition"), &json!("conduits.vendor-service.allow[1]"))
        );
    }
}

#[test]
fn a_line_that_is_no_request_says_what_is_wrong() {
    let mut batch = Batch::new(Arc::new(policy()));
    for (request, wanted) in [
        (scada(json!({"pdu": "0103", "colour": 1})), "unknown field `colour`"),
        (scada(json!({"pdu": "010"})), "`010` is not an even number of hex digits"),
        (scada(json!({})), "write one of `pdu` and `access`"),
        (scada(json!({"at": "noon", "pdu": ""})), "`noon` is no time"),
        (scada(json!({"facts": {"second-factor": true}, "pdu": ""})), "unknown field `second-factor`"),
        (scada(json!({"proofs": [{"certificate": "scada", "ends": "x"}], "pdu": ""})), "a proof is one of"),
        (
            scada(json!({"access": {"asset": "filler", "verb": "read", "point": "speed"}})),
            "there is no asset named `filler`",
        ),
    ] {
        let error = batch.line(&request.to_string()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
