//! Gates: what a time has to pass before a figure may follow from it. A row that does not is `invalid` and says why; its samples stay in
//! the report, and nothing is derived from them.

use crate::report::{Measurement, Status};

/// Of a sample's length, at least so many steps of the clock, so that its quantum is at most one percent.
const LEAST_QUANTA: f64 = 100.0;

/// The share of samples that a clock may fail to give.
const MOST_DROPPED_BY_CLOCK: f64 = 0.1;

/// The share of samples during which the core clock may change before the machine is called throttled.
const MOST_DROPPED_BY_WITNESS: f64 = 0.5;

/// How much faster than a yardstick of equal bytes a kernel may be, beyond the interval of their ratio.
const FASTER_THAN_YARDSTICK: f64 = 1.05;

/// The least share of distinct 16-byte words in tensors whose bandwidth is measured: memory that is compressed would give another.
const LEAST_DISTINCT: f64 = 0.9;

/// What gates have to know beside the samples.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The smallest step that the clock was seen to make.
    pub quantum_ns: Option<f64>,
    /// On a software adapter caches, compilers and other processes explain what on a GPU nothing does: gates that compare speeds leave a
    /// note there, not a verdict.
    pub is_software: bool,
}

/// Judges the rows of a panel by each other; the first is the yardstick.
pub fn judge(panel: &mut [Measurement], circumstances: &Circumstances) {
    for row in panel.iter_mut().filter(|row| row.status == Status::Ok) {
        let complaint = clock_stands(row)
            .or_else(|| too_few_quanta(row, circumstances.quantum_ns))
            .or_else(|| throttled(row))
            .or_else(|| row.time_ns().is_none().then(|| "too few samples are left for an interval".to_owned()));
        if let Some(complaint) = complaint {
            invalidate(row, complaint);
        } else if row.dropped.clock + row.dropped.witness > 0 {
            let dropped = row.dropped.clone();
            row.notes.push(format!(
                "of {} samples {} were dropped for the clock's sake and {} for a change of the core clock",
                row.samples_ns.len(),
                dropped.clock,
                dropped.witness
            ));
        }
    }
    let Some((yardstick, others)) = panel.split_first_mut() else { return };
    for row in others.iter_mut().filter(|row| row.status == Status::Ok && row.bytes == yardstick.bytes) {
        // Equal inputs and zeros are there to show that they may be faster.
        let Some(ratio) = yardstick.over(row).filter(|_| row.inputs == yardstick.inputs) else { continue };
        if ratio.low > FASTER_THAN_YARDSTICK {
            let complaint = format!(
                "{:.2} [{:.2}, {:.2}] times as fast as {}, which moves the same bytes and does nothing else",
                ratio.median, ratio.low, ratio.high, yardstick.id
            );
            if circumstances.is_software {
                row.notes.push(complaint);
            } else {
                invalidate(row, format!("{complaint}: it does not do all of its work"));
            }
        }
    }
}

/// Why a bandwidth over inputs of which such a share is distinct is not to be trusted.
#[must_use]
pub fn compressible(distinct_share: f64) -> Option<String> {
    (distinct_share < LEAST_DISTINCT).then(|| {
        format!("only {:.0} % of the words it reads are distinct: memory may compress them", 100.0 * distinct_share)
    })
}

/// Takes a row out of everything that is derived.
pub fn invalidate(row: &mut Measurement, reason: String) {
    row.status = Status::Invalid;
    row.reason = Some(reason);
}

fn share(count: u32, row: &Measurement) -> f64 {
    let samples = u32::try_from(row.samples_ns.len()).expect("thousands at most");
    f64::from(count) / f64::from(samples.max(1))
}

fn clock_stands(row: &Measurement) -> Option<String> {
    (share(row.dropped.clock, row) > MOST_DROPPED_BY_CLOCK).then(|| {
        let why = row.dropped.clock_reason.as_deref().unwrap_or("it is not known why");
        format!("the clock gave no time for {} of {} samples: {why}", row.dropped.clock, row.samples_ns.len())
    })
}

fn too_few_quanta(row: &Measurement, quantum_ns: Option<f64>) -> Option<String> {
    let sample = row.time_ns()?.median * f64::from(row.dispatches_per_sample);
    let quanta = sample / quantum_ns?;
    (quanta < LEAST_QUANTA)
        .then(|| format!("a sample is {quanta:.0} steps of the clock long, of which it takes {LEAST_QUANTA}"))
}

fn throttled(row: &Measurement) -> Option<String> {
    (share(row.dropped.witness, row) > MOST_DROPPED_BY_WITNESS).then(|| {
        format!(
            "throttled: the core clock changed by more than 3 % during {} of {} samples",
            row.dropped.witness,
            row.samples_ns.len()
        )
    })
}
