//! What a candidate policy may hold, and for how long.

use super::super::kit::{Plc, Running, until};

#[test]
fn sessions_that_ask_nothing_let_go_of_a_candidate_that_has_ended_or_was_replaced() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let sessions = &gateway.house().sessions;
    let candidate = |name: &str| {
        format!("[plant]\nname = \"{name}\"\ntimezone = \"UTC\"\n[zones.office]\nnetworks = [\"127.0.9.0/24\"]\n")
    };
    let (mut busy, mut idle) = (gateway.client(), gateway.client());
    for client in [&mut busy, &mut idle] {
        assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    }
    assert_eq!(sessions.shaded(), 0, "nothing is kept while no candidate is judged");
    gateway.shadow(Some(candidate("one")));
    assert_eq!(busy.ask(2, "03 0000 0001"), "03020000");
    assert_eq!(idle.ask(2, "03 0000 0001"), "03020000");
    assert_eq!(sessions.shaded(), 2);
    // The busy one goes on to the next candidate with its next request, the idle one just lets go.
    gateway.shadow(Some(candidate("two")));
    assert_eq!(busy.ask(3, "03 0000 0001"), "03020000");
    until("the idle one has let go", || sessions.shaded() == 1);
    gateway.shadow(None);
    until("both have let go", || sessions.shaded() == 0);
}
