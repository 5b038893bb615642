//! `enforce --watch` over restarts: nobody has to remember that a conduit was being tried.

use std::net::TcpStream;

use super::Plant;
use super::online::{Daemon, ok, running, write_register};
use crate::kit::until;

fn mode(plant: &Plant, wanted: &str) -> bool {
    plant.run(&["status"]).out.lines().any(|line| line.contains("c  ") && line.contains(wanted))
}

#[test]
fn a_conduit_that_was_watched_when_the_gateway_died_is_watched_on_and_goes_back_by_itself() {
    let (plant, daemon, port) = running("observe");
    ok(&plant.run(&["enforce", "c", "--watch", "10m"]));
    drop(daemon);
    let daemon = Daemon::start(&plant);
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(
        mode(&plant, "enforce (ordered here; the policy says observe) (watched for"),
        "{:?}",
        plant.run(&["status"])
    );
    until("it is on record", || {
        plant.run(&["journal", "show", "--last", "30"]).out.contains("more, after a restart of the gateway")
    });
    for value in [901, 902, 903] {
        assert_eq!(write_register(port, 0, value), [0, 7, 0, 0, 0, 3, 1, 0x86, 1]);
    }
    until("back to observe", || mode(&plant, "OBSERVE"));
    // And what went back is not watched by the next life.
    drop(daemon);
    let _daemon = Daemon::start(&plant);
    assert!(mode(&plant, "OBSERVE") && !mode(&plant, "watched for"), "{:?}", plant.run(&["status"]));
}

#[test]
fn a_conduit_that_a_person_ordered_meanwhile_is_not_watched_after_a_restart() {
    let (plant, daemon, _) = running("observe");
    ok(&plant.run(&["enforce", "c", "--watch", "10m"]));
    ok(&plant.run(&["enforce", "c"]));
    drop(daemon);
    let _daemon = Daemon::start(&plant);
    assert!(mode(&plant, "enforce") && !mode(&plant, "watched for"), "{:?}", plant.run(&["status"]));
}
