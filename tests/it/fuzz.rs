//! The fuzz targets on a stable compiler: every seed, and many mutations of them, from one fixed start. libFuzzer finds more;
//! this keeps the targets alive and their seeds meant.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::source;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of the fuzz crate too")]
mod targets;

/// Bytes that parsers trip over.
const ODD: [u8; 10] = [0, 1, 6, 15, 16, 0x7F, 0x80, 0xFF, b'"', b'\n'];
/// Longer inputs teach nothing here and take long.
const LONGEST: usize = 16_384;

/// xorshift64*: the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// One to four changes of a seed: bits, bytes, numbers, pieces left out, doubled, or taken from another seed.
fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut data = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(4) {
        let at = chance.below(data.len());
        let some = 1 + chance.below(8);
        let end = (at + some).min(data.len());
        match chance.below(8) {
            0 if !data.is_empty() => data[at] ^= 1 << chance.below(8),
            1 if !data.is_empty() => data[at] = chance.byte(),
            2 if !data.is_empty() => data[at] = ODD[chance.below(ODD.len())],
            3 if !data.is_empty() => data[at] = data[at].wrapping_add(1).wrapping_sub(2 * (chance.byte() & 1)),
            4 => drop(data.drain(at..end)),
            5 => data.truncate(at),
            6 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[chance.below(seeds.len())];
                let from = chance.below(other.len());
                let piece = other[from..(from + 4 * some).min(other.len())].to_vec();
                data.splice(at..at, piece);
            }
        }
        data.truncate(LONGEST);
    }
    data
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = source::root().join("fuzz/seeds").join(name);
    let found: Vec<Vec<u8>> = source::files(&folder).iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(found.len() >= 3, "{name} has {} seeds, three are due", found.len());
    found
}

/// Runs every seed of a target and `rounds` mutations of them, and names the input that broke it.
fn drill(target: &targets::Target, rounds: u32) {
    let seeds = seeds(target.name);
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let made = (0..rounds).map(|_| mutated(&seeds, &mut chance)).collect::<Vec<_>>();
    for input in seeds.iter().chain(&made) {
        let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        assert!(ran.is_ok(), "{} fails on {:?}", target.name, String::from_utf8_lossy(input));
    }
}

#[test]
fn no_seed_and_no_mutation_of_one_breaks_a_parser() {
    // More, for a night: BULKHEAD_FUZZ=100 cargo test --test it fuzz::
    let times: u32 = std::env::var("BULKHEAD_FUZZ").map_or(1, |text| text.parse().unwrap());
    std::thread::scope(|all| {
        for target in targets::ALL {
            all.spawn(move || drill(target, target.rounds.saturating_mul(times)));
        }
    });
}

#[test]
fn a_target_that_breaks_is_named_with_its_input() {
    fn fussy(data: &[u8]) {
        assert!(!data.starts_with(&[0xFF]), "found");
    }
    let target = targets::Target { name: "modbus_reply", run: fussy, rounds: 0 };
    let said = catch_unwind(|| drill(&target, 20_000)).unwrap_err();
    assert!(said.downcast_ref::<String>().unwrap().starts_with("modbus_reply fails on"));
}

/// What libFuzzer runs is what is run here.
#[test]
fn every_target_has_its_program_and_every_program_its_target() {
    let root = source::root().join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut programs: Vec<String> = source::rust_files(&root.join("fuzz_targets"))
        .iter()
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    programs.sort();
    let mut names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(programs, names);
    for name in names {
        let program = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("run(\"{name}\", data)")), "{name}.rs runs another target");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no [[bin]]");
        targets::run(name, &[]);
    }
}
