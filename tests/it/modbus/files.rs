//! File records (FC 20 and 21) under rules that name files: what is allowed reaches the device whole, anything else not at all.

use super::super::kit::{Client, Do, Plc, Running, Setup, frame, until};

const RULE: &str = r#"
[[conduits.office-to-cell.allow]]
who = ["Operator"]
on = "plc"
can = ["read recipes", "write recipes", "read limits", "write limits"]
"#;

fn gateway(plc: &Plc, record: &'static str) -> Running {
    Running::with(plc.at, &Setup { more: RULE, record, ..Setup::default() })
}

#[test]
fn records_of_a_file_are_read_and_written_where_a_rule_names_it() {
    let plc = Plc::at("127.0.1.20");
    let gateway = gateway(&plc, "durable");
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "14 07 06 0004 0001 0002"), "14060506".to_owned() + "00010002");
    assert_eq!(client.ask(2, "15 0b 06 0004 0007 0002 06af 04be"), "150b06000400070002".to_owned() + "06af04be");
    // Two files in one frame, and the last record of a point.
    assert_eq!(
        client.ask(3, "14 0e 06 0004 0007 0002 06 0005 0009 0001"),
        "140a".to_owned() + "050606af04be" + "03060009"
    );
    assert_eq!(
        client.ask(4, "15 12 06 0004 0063 0001 0011 06 0005 0000 0001 0009"),
        "1512060004006300010011060005000000010009"
    );
    let files = plc.testimony().files;
    let wanted = [((4, 7), 0x6af), ((4, 8), 0x4be), ((4, 99), 0x11), ((5, 0), 9)];
    assert_eq!(files.into_iter().collect::<Vec<_>>(), wanted);
    assert_eq!(plc.requests().len(), 4, "each frame once, as it was");
    let journal = gateway.journal();
    for words in [
        "\"points\":[\"plc/recipes\"],\"target\":\"file 4 7-8\"",
        "\"new\":[1711,1214]",
        "\"points\":[\"plc/limits\"],\"target\":\"file 5 0\"",
    ] {
        assert!(journal.contains(words), "{words}: {journal}");
    }
}

#[test]
fn the_last_records_that_were_seen_stand_in_the_record_of_a_write_and_repeats_are_counted() {
    let plc = Plc::at("127.0.1.20");
    let gateway = gateway(&plc, "durable");
    let mut client = gateway.client();
    client.ask(1, "14 07 06 0004 0001 0002");
    for id in 2..=21 {
        assert_eq!(client.ask(id, "15 0b 06 0004 0001 0002 0011 0022"), "150b0600040001000200110022");
    }
    assert_eq!(plc.requests().len(), 21, "all of them reached the device");
    drop(client);
    until("the repeats are told", || gateway.journal().contains("\"repeated\":"));
    let journal = gateway.journal();
    assert_eq!(journal.matches("\"target\":\"file 4 1-2\"").count(), 1, "{journal}");
    assert!(journal.contains("\"target\":\"file 4 1-2\",\"last\":[1,2]"), "{journal}");
    assert!(journal.contains("\"count\":19"), "{journal}");
}

#[test]
fn a_frame_stands_or_falls_whole_and_what_no_rule_names_never_reaches_the_device() {
    let plc = Plc::at("127.0.1.20");
    let gateway = gateway(&plc, "durable");
    let before = plc.testimony();
    let cases = [
        ("past the end of the point", "14 07 06 0004 0063 0002", "9401"),
        ("a write past the end", "15 0b 06 0004 0063 0002 0001 0002", "9501"),
        ("another file", "14 07 06 0006 0000 0001", "9401"),
        ("a write to another file", "15 09 06 0006 0000 0001 0001", "9501"),
        ("a value outside", "15 09 06 0005 0001 0001 000a", "9501"),
        ("an allowed read, then another file", "14 0e 06 0004 0000 0001 06 0006 0000 0001", "9401"),
        ("another file, then an allowed read", "14 0e 06 0006 0000 0001 06 0004 0000 0001", "9401"),
        ("an allowed write, then a value outside", "15 12 06 0004 0000 0001 0001 06 0005 0001 0001 000a", "9501"),
        ("a value outside, then a safe one", "15 12 06 0005 0001 0001 000a 06 0005 0000 0001 0000", "9501"),
        ("reference type 5", "14 07 05 0004 0000 0001", "9403"),
        ("reference type 0, in the second range", "14 0e 06 0004 0000 0001 00 0004 0000 0001", "9403"),
        ("file 0", "14 07 06 0000 0000 0001", "9403"),
        ("record 10000", "14 07 06 0004 2710 0001", "9403"),
        ("no record", "14 07 06 0004 0000 0000", "9403"),
        ("no range", "14 00", "9403"),
        ("a byte count that says less", "14 07 06 0004 0000 0001 06 0006 0000 0001", "9403"),
        ("a byte count that says more", "14 0e 06 0004 0000 0001", "9403"),
        ("half a range", "14 0a 06 0004 0000 0001 06 0006", "9403"),
        ("a write without its records", "15 09 06 0004 0000 0002 0001", "9503"),
        ("a write with a record too many", "15 0b 06 0004 0000 0001 0001 0002", "9503"),
        // A device that reads what the byte count implies would find a second write behind the first.
        ("a write behind the byte count", "15 09 06 0004 0000 0001 0001 06 0006 0000 0001 0002", "9503"),
    ];
    for (id, (name, pdu, answer)) in (1..).zip(cases) {
        let mut client = gateway.client();
        client.say(&frame(id, pdu));
        assert_eq!(client.answer(id), answer, "{name}");
        assert_eq!(client.rest(), (Vec::new(), false), "{name}: one answer, and the connection stays");
        assert!(plc.testimony() == before, "{name}: the device got {:02x?}", plc.bytes());
    }
    let mut client = gateway.client();
    assert_eq!(client.ask(99, "14 07 06 0004 0000 0001"), "140403060000", "a lawful read is served after all that");
    assert_eq!(plc.requests().len(), 1);
}

#[test]
fn a_reply_whose_ranges_are_shuffled_is_nobodys() {
    let plc = Plc::at("127.0.1.20");
    plc.behave(|request, reply| match (request[7], request[13]) {
        // The right sum: one record of the first range handed to the second.
        (20, 1) => vec![
            Do::Say([&reply[..8], &[0x0c, 5, 6, 0, 0x11, 0, 0x22, 5, 6, 0, 0x33, 0, 0x44]].concat()),
            Do::Say(reply),
        ],
        (21, 2) => {
            let mut other = reply.clone();
            other[11] = 6;
            vec![Do::Say(other), Do::Say(reply)]
        }
        _ => vec![Do::Say(reply)],
    });
    let gateway = gateway(&plc, "written");
    let mut client = gateway.client();
    assert_eq!(
        client.ask(1, "14 0e 06 0004 0001 0001 06 0004 0009 0003"),
        "140c03060001070600090".to_owned() + "00a000b"
    );
    assert_eq!(client.ask(2, "15 09 06 0004 0002 0001 0007"), "150906000400020001".to_owned() + "0007");
    assert_eq!(client.rest(), (Vec::new(), false), "nothing of the others came through");
    until("the foreign replies are told", || gateway.journal().contains("unsolicited-reply"));
}

#[test]
fn a_safe_record_is_written_whatever_the_rule_says_of_others() {
    let plc = Plc::at("127.0.1.20");
    let limited = r#"
[[conduits.office-to-cell.allow]]
who = ["Operator"]
on = "plc"
can = ["write limits"]
when = ["second factor"]
"#;
    let gateway = Running::with(plc.at, &Setup { more: limited, ..Setup::default() });
    let mut client: Client = gateway.client();
    assert_eq!(client.ask(1, "15 09 06 0005 0001 0001 0005"), "9501", "nobody showed a second factor");
    assert_eq!(client.ask(2, "15 09 06 0005 0001 0001 0000"), "1509060005000100010000");
    assert_eq!(client.ask(3, "15 0b 06 0005 0001 0002 0000 0001"), "9501", "every record of it must be the safe one");
}
