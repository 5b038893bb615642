use super::*;

#[test]
fn every_form_of_a_point_is_read_and_printed_back() {
    for (text, back) in [
        ("coils 0", ""),
        ("coils 16-17 safe 1", ""),
        ("discrete 0-65535", ""),
        ("input 0-49", ""),
        ("holding 10 heartbeat", ""),
        ("holding 100 values 0..1200 safe 0", ""),
        ("holding 100 values 5..5 safe 5 heartbeat", ""),
        ("holding 1 as u16", ""),
        ("holding 1 as u16 little-word", "holding 1 as u16"),
        ("holding 1 as i16 values -32768..32767 safe -1", ""),
        ("holding 0-3 as u32 big-word values 0..4294967295", ""),
        ("holding 0-1 as i32 little-word", ""),
        ("holding 0-1 as i32 little-word swapped safe -2147483648", ""),
        ("holding 0-1 as f32 big-word swapped values -1.5..2.25 safe 0.5", ""),
        ("holding 0-1 as f32", "holding 0-1 as f32 big-word"),
        ("holding 5-5", "holding 5"),
        ("file 4 0-99", ""),
        ("file 65535 7 as i16 safe 0", ""),
        ("  holding   7  ", "holding 7"),
        ("holding 7 safe -0", "holding 7 safe 0"),
    ] {
        let point = read(text, WordOrder::BigWord).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        assert_eq!(point.to_string(), if back.is_empty() { text } else { back });
    }
}

#[test]
fn the_word_order_is_the_profiles_where_the_point_says_none() {
    let order = |text| read(text, WordOrder::LittleWordSwapped).unwrap().order;
    assert_eq!(order("holding 0-1 as u32"), WordOrder::LittleWordSwapped);
    assert_eq!(order("holding 0-1 as u32 big-word"), WordOrder::BigWord);
}

#[test]
fn limits_of_f32_points_are_the_nearest_f32() {
    let point = read("holding 0-1 as f32 values 0.1..16777217 safe -0.0", WordOrder::BigWord).unwrap();
    assert_eq!(point.values, Some((f64::from(0.1_f32), 16_777_216.0)));
    assert!(point.safe.is_some_and(|safe| safe.to_bits() == 0.0_f64.to_bits()), "-0.0 is 0");
}

#[test]
fn mistakes_in_points_are_placed_at_their_word() {
    for (text, at, part) in [
        ("", 0, ""),
        ("coils", 5, "coils"),
        ("register 100", 0, "register"),
        ("Holding 100", 0, "Holding"),
        ("holding x", 8, "x"),
        ("holding 65536", 8, "65536"),
        ("holding 1-65536", 10, "65536"),
        ("holding +1", 8, "+1"),
        ("holding 9-3", 8, "9-3"),
        ("holding 1 - 3", 10, "-"),
        ("holding 1-", 10, ""),
        ("file", 4, "file"),
        ("file 0 1", 5, "0"),
        ("file 1", 6, "file 1"),
        ("holding 1 as", 12, "holding 1 as"),
        ("holding 1 as u8", 13, "u8"),
        ("coils 1 as u16", 8, "as"),
        ("holding 1-3 as u32", 8, "1-3"),
        ("holding 1 as f32", 8, "1"),
        ("holding 1 as u16 big-word swapped", 26, "swapped"),
        ("holding 1-2 as u32 swapped", 19, "swapped"),
        ("holding 1-2 as u32 middle-word", 19, "middle-word"),
        ("coils 1 values 0..1", 8, "values 0..1"),
        ("holding 1 values", 16, "holding 1 values"),
        ("holding 1 values 5", 17, "5"),
        ("holding 1 values 5..1", 17, "5..1"),
        ("holding 1 values -1..5", 17, "-1"),
        ("holding 1 values 0..65536", 20, "65536"),
        ("holding 1 values 0..1.5", 20, "1.5"),
        ("holding 1 as i16 values 0..32768", 27, "32768"),
        ("holding 1 as i16 safe -32769", 22, "-32769"),
        ("holding 1-2 as f32 safe 4e38", 24, "4e38"),
        (
            "holding 1-2 as f32 safe 999999999999999999999999999999999999999",
            24,
            "999999999999999999999999999999999999999",
        ),
        ("holding 1-2 as f32 safe nan", 24, "nan"),
        ("holding 1 safe", 14, "holding 1 safe"),
        ("coils 1 safe 2", 13, "2"),
        ("holding 1 heartbeat safe 0", 20, "safe"),
        ("holding 1 safe 0 values 0..1", 17, "values"),
        ("holding 1 heartbeat heartbeat", 20, "heartbeat"),
        ("holding 1 hartbeat", 10, "hartbeat"),
        ("holding 1 # speed", 10, "#"),
    ] {
        let wrong = read(text, WordOrder::BigWord).expect_err(text);
        assert_eq!(wrong.at, at, "{text}: {wrong:?}");
        assert!(wrong.message.contains(&format!("`{part}`")) || wrong.message.contains(part), "{text}: {wrong:?}");
        assert!(wrong.help.is_some(), "{text}");
    }
}
