//! The reference is the default, and each mistake is told with its place, its text and what to write instead.

use std::path::Path;

use super::*;

fn wrong(text: &str) -> String {
    parse(text, Path::new("/etc/bulkhead/bulkhead.toml")).unwrap_err().to_string()
}

#[test]
fn the_reference_is_the_default_of_every_key() {
    let reference = parse(REFERENCE, Path::new(DEFAULT_FILE)).unwrap();
    assert_eq!(reference, defaults().unwrap());
    assert_eq!(reference.state, Path::new("/var/lib/bulkhead"));
    assert_eq!(reference.journal.max, 1 << 30);
    assert_eq!(reference.policy, None);
}

#[test]
fn the_reference_names_every_key_that_the_reader_knows() {
    let known = toml::from_str::<raw::Raw>("zz = 1").unwrap_err().to_string();
    for key in known.split('`').skip(3).step_by(2).chain(["max", "group", "hold"]) {
        let written = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&format!("{key} ="));
        let table = |line: &str| line == format!("[{key}]");
        assert!(REFERENCE.lines().any(|line| written(line) || table(line)), "`{key}` is not in the reference");
    }
    // The one key without a default is legal as it stands in its comment.
    let with_policy = REFERENCE.replace("# policy =", "policy =");
    let settings = parse(&with_policy, Path::new("/plant/bulkhead.toml")).unwrap();
    assert_eq!(settings.policy.as_deref(), Some(Path::new("/plant/plant.toml")));
}

#[test]
fn relative_paths_start_at_the_file_of_the_configuration() {
    let settings = parse("state = \"state\"\nsocket = \"c.sock\"", Path::new("demo/bulkhead.toml")).unwrap();
    assert_eq!(settings.journal_folder(), Path::new("demo/state/journal"));
    assert_eq!(settings.socket, Path::new("demo/c.sock"));
    assert_eq!(settings.active_policy(), Path::new("demo/state/policy/active.toml"));
}

#[test]
fn every_mistyped_key_is_named_with_its_place_and_the_one_that_was_meant() {
    let f = "/etc/bulkhead/bulkhead.toml";
    let table = [
        ("stat = \"x\"", "1:1: there is no key `stat` [key-unknown]; did you mean `state`?"),
        ("\nsokcet = \"x\"", "2:1: there is no key `sokcet` [key-unknown]; did you mean `socket`?"),
        ("polcy = \"x\"", "1:1: there is no key `polcy` [key-unknown]; did you mean `policy`?"),
        ("lgo = \"info\"", "1:1: there is no key `lgo` [key-unknown]; did you mean `log`?"),
        ("[journl]\nmax = \"1 GiB\"", "1:2: there is no key `journl` [key-unknown]; did you mean `journal`?"),
        ("[journal]\nmaxx = \"1 GiB\"", "2:1: there is no key `maxx` [key-unknown]; did you mean `max`?"),
        ("[locla]", "1:2: there is no key `locla` [key-unknown]; did you mean `local`?"),
        ("[local]\ngruop = \"x\"", "2:1: there is no key `gruop` [key-unknown]; did you mean `group`?"),
        ("[registry]\nhod = \"1 d\"", "2:1: there is no key `hod` [key-unknown]; did you mean `hold`?"),
        ("[local]\nusers = []", "2:1: there is no key `users` [key-unknown]; known here: `group`"),
    ];
    for (text, says) in table {
        assert_eq!(wrong(text), format!("{f}:{says}"), "{text}");
    }
}

#[test]
fn every_wrong_value_is_named_with_its_place_and_what_to_write() {
    let f = "/etc/bulkhead/bulkhead.toml";
    let long = "x".repeat(120);
    let table = [
        ("state = \"\"".to_owned(), "1:9: the path is empty [value] in state; write a path, or leave the key out".to_owned()),
        (
            "log = \"inof\"".to_owned(),
            "1:7: there is no level `inof` [value] in log; did you mean `info`?".to_owned(),
        ),
        (
            "log = \"loud\"".to_owned(),
            "1:7: there is no level `loud` [value] in log; one of error, warn, info, debug, trace".to_owned(),
        ),
        (
            "[journal]\nmax = \"1 GB\"".to_owned(),
            "2:7: `1 GB` is not a number with B, KiB, MiB or GiB, such as `512 MiB` [value] in journal.max; write max = \"1 GiB\""
                .to_owned(),
        ),
        (
            "[journal]\nmax = \"1 MiB\"".to_owned(),
            "2:7: `1 MiB` is too little for a journal [value] in journal.max; at least 64 MiB".to_owned(),
        ),
        (
            "[journal]\nmax = \"2000 GiB\"".to_owned(),
            "2:7: `2000 GiB` is more than a disk holds [value] in journal.max; at most 1024 GiB".to_owned(),
        ),
        (
            "[local]\ngroup = \"a b\"".to_owned(),
            "2:9: `a b` is no name of a group [value] in local.group; letters, digits, `-`, `_` and `.`, or \"\" for nobody"
                .to_owned(),
        ),
        (
            format!("socket = \"/{long}\""),
            format!("1:10: `/{long}` has 121 bytes; a socket's path has at most 107 [value] in socket; choose a shorter one, such as /run/bulkhead/control.sock"),
        ),
    ];
    for (text, says) in table {
        assert_eq!(wrong(&text), format!("{f}:{says}"), "{text}");
    }
}

#[test]
fn text_that_is_no_toml_is_told_with_its_place() {
    for (text, place) in [("state = /var/lib", "1:9"), ("state =", "1:8"), ("[journal", "1:9"), ("log = 3", "1:7")] {
        let says = wrong(text);
        assert!(says.starts_with(&format!("/etc/bulkhead/bulkhead.toml:{place}: ")), "{text}: {says}");
        assert!(says.contains("[syntax]"), "{says}");
    }
    assert!(wrong("state = filling").contains("put text in quotes"), "{}", wrong("state = filling"));
}

#[test]
fn a_file_that_others_may_write_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = std::env::temp_dir().join(format!("bulkhead-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("bulkhead.toml");
    std::fs::write(&file, "").unwrap();
    for (mode, who) in [(0o644, None), (0o664, Some("its group")), (0o666, Some("everybody"))] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let says = exposed(&file);
        assert_eq!(says.is_some(), who.is_some(), "{mode:o}");
        assert!(says.is_none_or(|says| says.contains(who.unwrap())), "{mode:o}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
