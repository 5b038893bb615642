//! What a request asks for, as the policy judges it.

use std::num::NonZeroU16;

use smallvec::smallvec;

use super::request::Request;
use crate::access::{Access, Accesses, Bank, Target, Values, Verb};
use crate::policy::model::UnitZero;

impl<'a> Request<'a> {
    /// Everything that the request would do at this unit, in the order of its bytes: FC 23 reads, then writes. Where unit 0
    /// means all units of a bus, each write to it has an access of its own before it, with the same target.
    pub fn accesses(&self, unit: u8, zero: UnitZero) -> Accesses<'a> {
        let function = self.code();
        let access = |verb, target| Access { asset: None, verb, function, target };
        let broadcast = unit == 0 && zero == UnitZero::Broadcast;
        let at = |bank, first, count, values| Target::Registers { unit, bank, first, count, values };
        match *self {
            Self::Read { bank, first, count } => smallvec![access(Verb::Read, at(bank, first, count, Values::None))],
            Self::Write { bank, first, count, values, .. } => {
                let mut all = Accesses::new();
                push_write(&mut all, function, at(bank, first, count, values), broadcast);
                all
            }
            Self::ReadWrite { read, write, values } => {
                let mut all: Accesses<'a> =
                    smallvec![access(Verb::Read, at(Bank::Holding, read.0, read.1, Values::None))];
                push_write(
                    &mut all,
                    function,
                    at(Bank::Holding, write.0, write.1, Values::Registers(values)),
                    broadcast,
                );
                all
            }
            Self::ReadFile(ref ranges) => ranges
                .iter()
                .map(|range| access(Verb::Read, at(bank(range.file), range.first, range.count, Values::None)))
                .collect(),
            Self::WriteFile(ref ranges) => {
                let mut all = Accesses::new();
                for range in ranges {
                    let values = Values::Registers(range.values);
                    push_write(&mut all, function, at(bank(range.file), range.first, range.count, values), broadcast);
                }
                all
            }
            Self::Function(function, _) => {
                smallvec![access(Verb::Function, Target::Function { unit, code: function.code, sub: function.sub })]
            }
        }
    }
}

fn bank(file: NonZeroU16) -> Bank {
    Bank::File(file.get())
}

fn push_write<'a>(all: &mut Accesses<'a>, function: u8, target: Target<'a>, broadcast: bool) {
    if broadcast {
        all.push(Access { asset: None, verb: Verb::Broadcast, function, target });
    }
    all.push(Access { asset: None, verb: Verb::Write, function, target });
}
