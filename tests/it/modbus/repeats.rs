//! Law 7: flash wears. A value that is written again and again is one record and a number; every change is a record of its own.

use super::super::kit::{Client, OTHER, Plc, Running, Setup, until};

/// Records of decisions, and how often the journal says that one was repeated.
fn told(journal: &str) -> (usize, u64) {
    let decisions = journal.matches("\"event\":{\"decision\":").count();
    let repeats = journal.split("\"repeated\":{").skip(1).filter_map(|rest| {
        let count = rest.split("\"count\":").nth(1)?;
        count.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok()
    });
    (decisions, repeats.sum())
}

#[test]
fn a_value_that_is_written_again_is_one_record_and_a_number_and_every_change_is_a_record() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    let write = |client: &mut Client, id: u16, value: u16| {
        let pdu = format!("06 0064 {value:04x}");
        assert_eq!(client.ask(id, &pdu), pdu.replace(' ', ""));
    };
    for id in 1..=200 {
        write(&mut client, id, 7);
    }
    write(&mut client, 201, 8);
    write(&mut client, 202, 7);
    // All of them reached the device: what is not recorded one by one is not withheld.
    assert_eq!(plc.requests().len(), 202);
    assert_eq!(told(&gateway.journal()), (3, 199));
}

#[test]
fn a_repeat_is_no_repeat_once_somebody_else_has_changed_the_value() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let (mut one, mut two) = (gateway.client(), Client::from(OTHER, gateway.at));
    assert_eq!(one.ask(1, "06 0064 0007"), "0600640007");
    assert_eq!(two.ask(1, "06 0064 0009"), "0600640009");
    assert_eq!(one.ask(2, "06 0064 0007"), "0600640007");
    assert_eq!(one.ask(3, "06 0064 0007"), "0600640007");
    drop((one, two));
    assert_eq!(told(&gateway.journal()).0, 3);
}

/// Writes the same value `times` times and waits for each answer.
fn hammer(client: &mut Client, times: u16) {
    for id in 1..=times {
        assert_eq!(client.ask(id, "06 0064 0007"), "0600640007");
    }
}

#[test]
fn repeats_are_spared_too_where_a_record_is_not_waited_for_and_in_observe() {
    for (mode, record) in [("enforce", "written"), ("observe", "durable")] {
        let plc = Plc::at("127.0.1.20");
        let gateway = Running::with(plc.at, &Setup { mode, record, ..Setup::default() });
        let mut client = gateway.client();
        hammer(&mut client, 500);
        assert_eq!(client.ask(501, "06 0064 0008"), "0600640008");
        assert_eq!(plc.requests().len(), 501);
        // The number of a record that nobody waits for may come after the next write: a few more records than one are no harm.
        until("the last record", || gateway.journal().contains("\"new\":[8]"));
        let (records, repeats) = told(&gateway.journal());
        assert!((2..50).contains(&records), "{mode}, {record}: {records} records");
        assert_eq!(records as u64 + repeats, 501, "{mode}, {record}");
    }
}

#[test]
fn the_old_value_is_no_repeat_after_a_mask_write_or_a_write_without_an_answer() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    hammer(&mut client, 3);
    assert_eq!(client.ask(10, "16 0064 00f0 0005"), "16006400f00005");
    hammer(&mut client, 1);
    assert_eq!(told(&gateway.journal()), (3, 2));
}
