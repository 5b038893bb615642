use super::*;

/// A good text, or the part that is blamed and where.
type Case = (&'static str, Result<&'static str, (usize, &'static str)>);

fn judge<T>(cases: &[Case], read: impl Fn(&str) -> Result<T, Wrong>, show: impl Fn(T) -> String) {
    for (text, want) in cases {
        match (read(text), want) {
            (Ok(value), Ok(shown)) => assert_eq!(show(value), *shown, "{text}"),
            (Err(wrong), Err((at, part))) => {
                assert_eq!(wrong.at, *at, "{text}: {wrong:?}");
                assert!(wrong.message.contains(&format!("`{part}`")), "{text}: {wrong:?}");
                assert!(wrong.help.is_some(), "{text}");
            }
            (got, _) => panic!("{text}: {:?}", got.map(&show)),
        }
    }
}

#[test]
fn days_are_spans_and_lists() {
    let cases: &[Case] = &[
        ("Mon-Sat", Ok("Mon-Sat")),
        ("Sat-Mon", Ok("Mon,Sat,Sun")),
        ("Mon,Wed", Ok("Mon,Wed")),
        ("Mon-Wed,Fri", Ok("Mon,Tue,Wed,Fri")),
        ("Sun", Ok("Sun")),
        ("Mon-Mon", Ok("Mon")),
        ("Sun-Sat", Ok("Mon-Sun")),
        ("Mon-Tue-Wed", Err((4, "Tue-Wed"))),
        ("mon", Err((0, "mon"))),
        ("Mon,", Err((4, ""))),
        ("Mon, Tue", Err((4, " Tue"))),
        ("weekdays", Err((0, "weekdays"))),
        ("Mon-Fry", Err((4, "Fry"))),
    ];
    judge(cases, days, |days| days.to_string());
}

#[test]
fn hours_are_days_and_times() {
    let cases: &[Case] = &[
        ("Mon-Fri 07:00-17:00", Ok("Mon-Fri 07:00-17:00")),
        ("Sat 22:00-06:00", Ok("Sat 22:00-06:00")),
        ("Mon 06:00-06:00", Ok("Mon 06:00-06:00")),
        ("07:00-17:00", Err((0, "07:00-17:00"))),
        ("Mon 7:00-17:00", Err((4, "7:00"))),
        ("Mon 07:00-24:00", Err((10, "24:00"))),
        ("Mon 07:60-17:00", Err((4, "07:60"))),
        ("Mon 07:00", Err((4, "07:00"))),
        ("Mon +7:00-17:00", Err((4, "+7:00"))),
    ];
    judge(cases, hours, |hours| hours.to_string());
}

#[test]
fn durations_have_a_unit() {
    let cases: &[Case] = &[
        ("6 s", Ok("6s")),
        ("6s", Ok("6s")),
        ("800 ms", Ok("800ms")),
        ("2 min", Ok("120s")),
        ("6", Err((0, "6"))),
        ("0 s", Err((0, "0 s"))),
        ("-1 s", Err((0, "-1 s"))),
        ("1.5 s", Err((0, "1.5 s"))),
        ("11 min", Err((0, "11 min"))),
        ("99999999999999999999 s", Err((0, "99999999999999999999 s"))),
        ("s", Err((0, "s"))),
    ];
    judge(cases, duration, |duration| format!("{duration:?}"));
}

#[test]
fn networks_are_blocks_without_bits_behind_the_prefix() {
    let cases: &[Case] = &[
        ("10.10.1.0/24", Ok("10.10.1.0/24")),
        ("0.0.0.0/0", Ok("0.0.0.0/0")),
        ("10.10.1.7/32", Ok("10.10.1.7/32")),
        ("fd00::/64", Ok("fd00::/64")),
        ("10.10.1.7", Err((0, "10.10.1.7"))),
        ("10.10.1.0/33", Err((9, "/33"))),
        ("10.10.1.0/", Err((9, "/"))),
        ("10.10.1/24", Err((0, "10.10.1"))),
        ("10.10.1.1/24", Err((0, "10.10.1.1/24"))),
        ("fd00::1/64", Err((0, "fd00::1/64"))),
        ("::ffff:10.0.0.0/104", Err((0, "::ffff:10.0.0.0/104"))),
    ];
    judge(cases, network, |network| network.to_string());
}

#[test]
fn listeners_and_devices_are_addresses_with_ports() {
    let cases: &[Case] = &[
        ("10.10.9.20:502", Ok("10.10.9.20:502")),
        ("[::1]:502", Ok("[::1]:502")),
        ("[::ffff:10.0.0.1]:502", Ok("10.0.0.1:502")),
        ("10.10.9.20:802", Ok("10.10.9.20:802")),
        ("modbus://10.10.9.20", Ok("10.10.9.20:502")),
        ("modbus://10.10.9.20:1502", Ok("10.10.9.20:1502")),
        ("mbaps://10.10.9.20", Ok("10.10.9.20:802")),
        ("mbaps://[fd00::20]", Ok("[fd00::20]:802")),
        ("mbaps://10.10.9.20:1802", Ok("mbaps://10.10.9.20:1802")),
        ("mbaps://[fd00::20]:502", Ok("mbaps://[fd00::20]:502")),
        ("modbus://10.10.9.20:802", Err((0, "modbus://10.10.9.20:802"))),
        ("tls://10.10.9.20:802", Err((0, "tls"))),
        ("mbaps://plc", Err((0, "mbaps://plc"))),
        ("mbaps://10.10.9.20:0", Err((0, "mbaps://10.10.9.20:0"))),
        ("mbaps://0.0.0.0", Err((0, "mbaps://0.0.0.0"))),
        ("10.10.9.20", Err((0, "10.10.9.20"))),
        ("::1", Err((0, "::1"))),
        ("0.0.0.0:502", Err((0, "0.0.0.0:502"))),
        ("[::]:502", Err((0, "[::]:502"))),
        ("10.10.9.20:0", Err((0, "10.10.9.20:0"))),
        ("10.10.9.20:70000", Err((0, "10.10.9.20:70000"))),
        ("plc:502", Err((0, "plc:502"))),
    ];
    judge(cases, listen, |listen| listen.to_string());
    let tls = |text| listen(text).unwrap().tls;
    assert!(tls("10.10.9.20:802") && tls("mbaps://10.10.9.20:502") && tls("mbaps://10.10.9.20"));
    assert!(!tls("10.10.9.20:503") && !tls("modbus://10.10.9.20"));
    let plain = listen("modbus://10.10.9.20:802").unwrap_err();
    assert_eq!(
        (plain.message.as_str(), plain.help.as_deref().unwrap()),
        (
            "`modbus://10.10.9.20:802`: port 802 is Modbus/TCP Security, which is never spoken plain",
            "write `10.10.9.20:802` for Modbus/TCP Security there, or give the plain listener another port"
        )
    );
    let cases: &[Case] = &[
        ("modbus://10.10.1.20:502", Ok("10.10.1.20:502")),
        ("modbus://10.10.1.20", Ok("10.10.1.20:502")),
        ("modbus://[fd00::20]", Ok("[fd00::20]:502")),
        ("modbus://[fd00::20]:1502", Ok("[fd00::20]:1502")),
        ("modbus://fd00::20", Err((9, "fd00::20"))),
        ("modbus://[10.10.1.20]", Err((9, "[10.10.1.20]"))),
        ("modbus://plc1", Err((9, "plc1"))),
        ("modbus://10.10.1.20:0", Err((9, "10.10.1.20:0"))),
        ("modbus://10.10.1.20/1", Err((9, "10.10.1.20/1"))),
        ("tcp://10.10.1.20:502", Err((0, "tcp"))),
        ("10.10.1.20:502", Err((0, "10.10.1.20:502"))),
    ];
    judge(cases, connect, |at| at.to_string());
}

#[test]
fn limits_are_four_words() {
    let cases: &[Case] = &[
        ("600 writes per minute", Ok("600 writes per minute")),
        ("5 reads per second", Ok("5 reads per second")),
        ("1 writes per hour", Ok("1 writes per hour")),
        ("0 writes per minute", Err((0, "0"))),
        ("-1 writes per minute", Err((0, "-1"))),
        ("4294967296 writes per minute", Err((0, "4294967296"))),
        ("600 write per minute", Err((4, "write"))),
        ("600 writes a minute", Err((11, "a"))),
        ("600 writes per day", Err((15, "day"))),
        ("often", Err((0, "often"))),
        ("600 writes per minute please", Err((0, "600 writes per minute please"))),
    ];
    judge(cases, limit, |limit| limit.to_string());
}

#[test]
fn conditions_are_a_closed_list() {
    let cases: &[Case] = &[
        ("on shift", Ok("on shift")),
        ("shift is early", Ok("shift is early")),
        ("line is line-1", Ok("line is line-1")),
        ("location is hall_2", Ok("location is hall_2")),
        ("second factor", Ok("second factor")),
        ("work order open", Ok("work order open")),
        ("logged in within 30 minutes", Ok("logged in within 30 minutes")),
        ("assurance 0", Ok("assurance 0")),
        ("plant mode is maintenance", Ok("plant mode is maintenance")),
        ("plant mode is production", Err((0, "plant mode is production"))),
        ("assurance 4", Err((10, "4"))),
        ("logged in within 0 minutes", Err((17, "0"))),
        ("logged in within ten minutes", Err((17, "ten"))),
        ("line is", Err((0, "line is"))),
        ("line is a b", Err((0, "line is a b"))),
        ("On shift", Err((0, "On shift"))),
        ("during the day", Err((0, "during the day"))),
    ];
    judge(cases, condition, |condition| condition.to_string());
    let help = |text| condition(text).unwrap_err().help.unwrap_or_default();
    assert_eq!(help("shift si early"), "did you mean `shift is early`?");
    assert_eq!(help("loged in within 30 minutes"), "did you mean `logged in within 30 minutes`?");
    assert!(help("during the day").starts_with("the conditions are `on shift`"));
}

#[test]
fn functions_are_words_or_numbers_and_only_opaque_ones_are_granted_by_number() {
    let read = |text: &str| match function(text) {
        Some(found) => found,
        None => Err(Wrong::new(0, format!("`{text}`"), "")),
    };
    let cases: &[Case] = &[
        ("programming", Ok("programming")),
        ("diagnostics listen-only", Ok("diagnostics listen-only")),
        ("function 100", Ok("function 100")),
        ("function 8/0", Ok("function 8/0")),
        ("function 43/13", Ok("function 43/13")),
        ("function 0", Err((9, "0"))),
        ("function 128", Err((9, "128"))),
        ("function 43/256", Err((12, "256"))),
        ("function 8/", Err((11, ""))),
        ("function 3/1", Err((9, "function 3/1"))),
        ("function x", Err((9, "x"))),
        ("restart", Err((0, "restart"))),
    ];
    judge(cases, read, |function| function.to_string());
    for code in (1..=127_u8).filter(|code| grantable(Function::Code { code: *code, sub: None }).is_ok()) {
        assert!(!matches!(code, 1..=6 | 8 | 15 | 16 | 20..=23 | 43), "function {code}");
    }
    for (code, sub, good) in [(8, 0, true), (8, 1, false), (8, 4, false), (43, 13, true), (43, 14, false)] {
        assert_eq!(grantable(Function::Code { code, sub: Some(sub) }).is_ok(), good, "function {code}/{sub}");
    }
}
