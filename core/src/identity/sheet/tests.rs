use super::*;
use crate::moment::{BootMs, ClockTrust, RanMs, UnixMs};

const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const HOLD: Duration = Duration::from_hours(1);

fn now() -> Moment {
    Moment {
        wall: UnixMs(10_000_000),
        floor: UnixMs(10_000_000),
        boot: BootMs(1),
        ran: RanMs(10_000_000),
        trust: ClockTrust::Proven,
    }
}

fn sheet(rows: &str) -> String {
    format!("subject,life,credential,value,mac\n{rows}")
}

fn apply(registry: &mut Registry, text: &str) -> usize {
    let edits = plan(registry, &read(text.as_bytes()).unwrap(), HOLD, now()).unwrap();
    for edit in &edits {
        registry.apply(edit, now());
    }
    edits.len()
}

fn exported(registry: &Registry) -> String {
    Sheet(&rows(registry)).to_string()
}

#[test]
fn a_sheet_comes_back_as_it_went_and_changes_nothing_the_second_time() {
    let text = sheet(&format!(
        "old-panel,active,address,10.10.9.31,02:1f:5a:00:10:31\nscada,active,key,{KEY},\nscada,active,address,10.10.9.5,\n\
         spare,registered,,,\nstopped,suspended,,,\n"
    ));
    let mut registry = Registry::default();
    assert_eq!(apply(&mut registry, &text), 4);
    let out = exported(&registry);
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&out), sorted(&text));
    assert_eq!(apply(&mut registry, &out), 0, "an exported sheet is no change");
    registry.set_life(&"scada".into(), Life::Revoked, now());
    let out = exported(&registry);
    assert_eq!(apply(&mut registry, &out), 0, "nor is one with somebody revoked");
}

#[test]
fn what_spreadsheet_programs_make_of_it_is_read() {
    let german = format!("\u{feff}subject;life;credential;value;mac\r\n\"scada\";active;\"key\";{KEY};\r\n;;;;\r\n");
    let spaced = format!("subject,life,credential,value,mac\n scada , active, key ,{KEY} ,");
    for text in [german, spaced] {
        let rows = read(text.as_bytes()).unwrap();
        assert_eq!(rows.len(), 1, "{text}");
        assert_eq!(rows[0].subject.as_str(), "scada");
    }
}

#[test]
fn each_mistake_is_told_with_its_line_and_what_to_write() {
    let long = "x".repeat(129);
    for (rows, line, words) in [
        ("a b,active,,,", 2, "is no name"),
        ("-a,active,,,", 2, "formula"),
        ("=cmd|' /C calc'!A0,active,,,", 2, "formula"),
        ("@a,active,,,", 2, "formula"),
        ("+a,active,,,", 2, "formula"),
        ("a,activ,,,", 2, "`activ` is no life"),
        ("a,active,pin,1,", 2, "`pin` is no credential"),
        ("a,active,key,9f86,", 2, "is no SHA-256"),
        ("a,active,key,zz,", 2, "is no SHA-256"),
        (
            "a,active,key,9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,02:1f:5a:00:10:31",
            2,
            "a key has none",
        ),
        ("a,active,address,10.10.9.300,", 2, "is no address"),
        ("a,active,address,10.10.9.0/24,", 2, "is no address"),
        ("a,active,address,10.10.9.1:502,", 2, "is no address"),
        ("a,active,address,10.10.9.1,02-1f", 2, "is no hardware address"),
        ("a,active,,10.10.9.1,", 2, "of no credential"),
        ("a,active,,,02:1f:5a:00:10:31", 2, "belongs to no address"),
        ("a,active,,", 2, "4 cells instead of 5"),
        ("a,active,,,,", 2, "6 cells instead of 5"),
        ("\"a,active,,,", 2, "never closed"),
        ("\"a\"b,active,,,", 2, "behind a quoted cell"),
        ("a\u{7},active,,,", 2, "control character"),
        (&format!("{long},active,,,"), 2, "a cell of 129 bytes"),
        ("a,active,,,\na,suspended,,,", 3, "active in line 2"),
        ("a,active,address,10.0.0.1,\nb,active,address,10.0.0.1,", 3, "stands in line 2 already"),
        ("a,active,address,::ffff:10.0.0.1,\nb,active,address,10.0.0.1,", 3, "stands in line 2 already"),
    ] {
        let mistakes = read(sheet(rows).as_bytes()).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{rows}: {mistakes:?}");
        assert_eq!(mistakes[0].line, line, "{rows}");
        assert!(mistakes[0].to_string().contains(words), "{rows}: {}", mistakes[0]);
    }
    for (bytes, line, words) in [
        (&b""[..], 1, "empty"),
        (b"name,life\n", 1, "no header"),
        (b"subject,life,credential,value,mac\na,active,,,\n\xff,active,,,\n", 3, "UTF-8"),
        (&vec![b'a'; MAX_BYTES + 1], 1, "bytes"),
    ] {
        let mistakes = read(bytes).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].line), (1, line));
        assert!(mistakes[0].to_string().contains(words), "{}", mistakes[0]);
    }
    let many = read(sheet(&"a b,active,,,\n".repeat(1_000)).as_bytes()).unwrap_err();
    assert_eq!(many.len(), MAX_MISTAKES);
    let endless = sheet(&"\n".repeat(MAX_LINES + 5));
    assert!(read(endless.as_bytes()).unwrap_err()[0].what.contains("more than"));
}

#[test]
fn rows_that_the_registry_cannot_have_are_told_and_nothing_is_planned() {
    let mut registry = Registry::default();
    apply(&mut registry, &sheet(&format!("scada,active,key,{KEY},\npanel,active,address,10.0.0.1,\ngone,active,,,")));
    registry.set_life(&"gone".into(), Life::Revoked, now());
    for (rows, words) in [
        (format!("other,active,key,{KEY},"), "under another name"),
        ("other,active,address,10.0.0.1,".to_owned(), "under another name"),
        ("gone,active,,,".to_owned(), "held"),
        ("scada,revoked,,,".to_owned(), "device revoke"),
        ("scada,active,address,0.0.0.0,".to_owned(), "no address of a machine"),
    ] {
        let text = sheet(&format!("fine,active,,,\n{rows}"));
        let mistakes = plan(&registry, &read(text.as_bytes()).unwrap(), HOLD, now()).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].line), (1, 3), "{rows}: {mistakes:?}");
        assert!(mistakes[0].to_string().contains(words), "{rows}: {}", mistakes[0]);
    }
}

#[test]
fn garbage_is_told_and_never_panics() {
    let seed = sheet(&format!("scada,active,key,{KEY},\n\"p\",registered,address,::1,02:1f:5a:00:10:31\n"));
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 32).unwrap()
    };
    let mut good = 0;
    for _ in 0..20_000 {
        let mut bytes = seed.clone().into_bytes();
        for _ in 0..next() % 4 {
            let at = next() % bytes.len();
            match next() % 3 {
                0 => bytes[at] = u8::try_from(next() % 256).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b",;\"\n\r=\0a"[next() % 8]),
            }
        }
        match read(&bytes) {
            Ok(rows) => {
                good += 1;
                drop(plan(&Registry::default(), &rows, HOLD, now()));
            }
            Err(mistakes) => assert!(!mistakes.is_empty()),
        }
    }
    assert!(good > 1_000, "most sheets are whole: {good}");
}
