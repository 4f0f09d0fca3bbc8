//! Whether memory grows over a million invocations in one process.

use crate::processor::Bound;
use crate::runtime_api::{Dialect, RuntimeApi};
use crate::table::{Table, thousands};
use crate::trial::Session;
use crate::{Result, event, subject};

const INTRODUCTION: &str = "\
## Endurance

Resident memory of one process of the register function after the given number of invocations.

";

const CHECKPOINTS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

pub fn section() -> Result<String> {
    let _bound = Bound::to_one()?;
    let mut table = Table::new(["invocations", "resident", "peak"]);
    let mut api = RuntimeApi::open()?;
    let mut session =
        Session::start(&mut api, &subject::bootstrap("register")?, Dialect::Scf, event::CONNECT)?;
    let mut done = 0;
    for checkpoint in CHECKPOINTS {
        while done < checkpoint {
            session.invoke()?;
            done += 1;
        }
        let kb = |kb: u64| format!("{kb} kB");
        let resident = kb(session.function.memory_kb()?);
        table.row([thousands(f64::from(checkpoint)), resident, kb(session.function.peak_memory_kb()?)]);
    }
    Ok(format!("{INTRODUCTION}{table}"))
}
