//! Gates: what a time has to pass before a figure may follow from it. A row that does not is `invalid` and says why; its samples stay in
//! the report, and nothing is derived from them.

use crate::report::{BoundBy, Dropped, Measurement, Status};

/// Of a sample's length, at least so many steps of the clock, so that its quantum is at most one percent.
const LEAST_QUANTA: f64 = 100.0;

/// The share of samples that a clock may fail to give.
const MOST_DROPPED_BY_CLOCK: f64 = 0.1;

/// The share of samples during which the core clock may change before the machine is called throttled.
const MOST_DROPPED_BY_PROBE: f64 = 0.5;

/// How much faster than a copy of equal bytes a kernel may be, beyond the interval of their ratio.
const FASTER_THAN_COPY: f64 = 1.05;

/// The least share of distinct 16-byte words in tensors whose bandwidth is measured: memory that is compressed would give another.
const LEAST_DISTINCT: f64 = 0.9;

/// What an interval lacks.
pub const TOO_FEW: &str = "too few samples are left for an interval";

/// What the notes begin with that gates leave. They take the place of those after an earlier device.
const DROPPED: &str = "dropped samples: ";
const FAST: &str = "fast: ";

/// What gates have to know beside the samples.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The smallest step that the clock was seen to make.
    pub quantum_ns: Option<f64>,
    /// On a software adapter caches, compilers and other processes explain what on a GPU nothing does: gates that compare speeds leave a
    /// note there, not a summary.
    pub is_software: bool,
}

/// How the samples of a row were taken.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    /// Samples that were asked for.
    pub count: usize,
    /// Those that were not kept.
    pub dropped: &'a Dropped,
    /// How long the shortest kind of them is, all of its dispatches together.
    pub shortest_ns: Option<f64>,
}

impl Sampled<'_> {
    /// Why no time that follows from them can be right.
    pub fn complaint(&self, circumstances: &Circumstances) -> Option<String> {
        self.clock_stands()
            .or_else(|| self.too_few_quanta(circumstances.quantum_ns))
            .or_else(|| self.throttled())
    }

    /// What to know of those that are missing.
    pub fn note(&self) -> Option<String> {
        let Dropped { clock, probe, .. } = self.dropped;
        (clock + probe > 0).then(|| {
            format!(
                "{DROPPED}of {} the clock gave no time for {clock}, and the core clock changed during {probe}",
                self.count
            )
        })
    }

    fn share(&self, count: u32) -> f64 {
        let samples = u32::try_from(self.count).expect("thousands at most");
        f64::from(count) / f64::from(samples.max(1))
    }

    fn clock_stands(&self) -> Option<String> {
        let Dropped { clock, clock_reason, .. } = self.dropped;
        (self.share(*clock) > MOST_DROPPED_BY_CLOCK).then(|| {
            let why = clock_reason.as_deref().unwrap_or("it is not known why");
            format!("the clock gave no time for {clock} of {} samples: {why}", self.count)
        })
    }

    fn too_few_quanta(&self, quantum_ns: Option<f64>) -> Option<String> {
        let quanta = self.shortest_ns? / quantum_ns?;
        (quanta < LEAST_QUANTA).then(|| {
            format!(
                "a sample is {quanta:.0} steps of the clock long, of which it takes {LEAST_QUANTA}"
            )
        })
    }

    fn throttled(&self) -> Option<String> {
        let probe = self.dropped.probe;
        (self.share(probe) > MOST_DROPPED_BY_PROBE).then(|| {
            format!(
                "throttled: the core clock changed by more than 3 % during {probe} of {} samples",
                self.count
            )
        })
    }
}

/// Takes back what an earlier device left for gates to say.
pub fn forget(notes: &mut Vec<String>) {
    notes.retain(|note| !note.starts_with(DROPPED) && !note.starts_with(FAST));
}

/// Judges the rows of a group by each other; the first is the copy.
pub fn judge(group: &mut [Measurement], circumstances: &Circumstances) {
    for row in group.iter_mut() {
        forget(&mut row.notes);
    }
    for row in group.iter_mut().filter(|row| row.status == Status::Ok) {
        let shortest_ns =
            row.time_ns().map(|time| time.median * f64::from(row.dispatches_per_sample));
        let sampled = Sampled { count: row.samples_ns.len(), dropped: &row.dropped, shortest_ns };
        let complaint = sampled
            .complaint(circumstances)
            .or_else(|| row.time_ns().is_none().then(|| TOO_FEW.to_owned()));
        let note = sampled.note();
        match complaint {
            Some(complaint) => invalidate(row, complaint),
            None => row.notes.extend(note),
        }
    }
    let Some((copy, others)) = group.split_first_mut() else { return };
    for row in others.iter_mut().filter(|row| row.status == Status::Ok && row.bytes == copy.bytes) {
        // Equal inputs and zeros are there to show that they may be faster.
        let Some(ratio) = copy.over(row).filter(|_| row.inputs == copy.inputs) else {
            continue;
        };
        if ratio.low > FASTER_THAN_COPY {
            let complaint = format!(
                "{:.2} [{:.2}, {:.2}] times as fast as {}, which moves the same bytes and does nothing else",
                ratio.median, ratio.low, ratio.high, copy.id
            );
            // Below memory's bound_by an addition may be what is slower than a selection.
            if circumstances.is_software || copy.bound_by != Some(BoundBy::Memory) {
                row.notes.push(FAST.to_owned() + &complaint);
            } else {
                invalidate(row, format!("{complaint}: it does not do all of its work"));
            }
        }
    }
}

/// Why a bandwidth over inputs of which such a share is distinct is not to be trusted.
pub fn compressible(distinct_share: f64) -> Option<String> {
    (distinct_share < LEAST_DISTINCT).then(|| {
        format!(
            "only {:.0} % of the words it reads are distinct: memory may compress them",
            100.0 * distinct_share
        )
    })
}

/// Takes a row out of everything that is derived.
pub fn invalidate(row: &mut Measurement, reason: String) {
    row.status = Status::Invalid;
    row.reason = Some(reason);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Inputs, measured};

    const HARDWARE: Circumstances = Circumstances { quantum_ns: Some(1.0), is_software: false };
    const SOFTWARE: Circumstances = Circumstances { is_software: true, ..HARDWARE };

    /// A row of so many equal samples in passes of ten dispatches.
    fn row(activation: &str, ns: f64, samples: usize) -> Measurement {
        let mut row = measured(activation, &vec![Some(ns); samples]);
        row.dispatches_per_sample = 10;
        row.bound_by = Some(BoundBy::Memory);
        row
    }

    fn judged<const N: usize>(
        mut group: [Measurement; N],
        circumstances: &Circumstances,
    ) -> [Measurement; N] {
        judge(&mut group, circumstances);
        group
    }

    fn is_ok(row: &Measurement) -> bool {
        assert_eq!(row.status == Status::Ok, row.reason.is_none(), "{:?}", row.reason);
        assert_eq!(row.status == Status::Ok, row.time_ns().is_some());
        row.status == Status::Ok
    }

    #[test]
    fn a_clock_may_miss_a_tenth_and_the_probe_may_drop_a_half() {
        let of = |clock, probe| {
            let mut row = row("copy", 1000.0, 100);
            row.dropped = Dropped { clock, probe, clock_reason: None };
            let [row] = judged([row], &HARDWARE);
            (is_ok(&row), row.notes.len())
        };
        assert_eq!(of(0, 0), (true, 0));
        assert_eq!([of(10, 0), of(0, 50), of(10, 50)], [(true, 1); 3]);
        assert_eq!([of(11, 0), of(0, 51)], [(false, 0); 2]);
    }

    #[test]
    fn a_sample_takes_a_hundred_steps_of_the_clock() {
        let of = |quantum_ns| {
            is_ok(&judged([row("copy", 1000.0, 20)], &Circumstances { quantum_ns, ..HARDWARE })[0])
        };
        // Ten dispatches are 10 us.
        assert!(of(Some(100.0)) && of(None));
        assert!(!of(Some(101.0)));
    }

    #[test]
    fn an_interval_takes_samples_of_every_device() {
        assert!(is_ok(&judged([row("copy", 1000.0, 6)], &HARDWARE)[0]));
        let [few] = judged([row("copy", 1000.0, 5)], &HARDWARE);
        assert!(!is_ok(&few));
        assert_eq!(few.reason.as_deref(), Some("too few samples are left for an interval"));
        let mut second_has_few = row("copy", 1000.0, 20);
        second_has_few.rounds_per_repeat = 10;
        second_has_few.samples_ns[10..15].fill(None);
        assert!(!is_ok(&judged([second_has_few], &HARDWARE)[0]));
    }

    #[test]
    fn nothing_is_much_faster_than_its_yardstick() {
        let pair = |ns| [row("copy", 1000.0, 20), row("relu", ns, 20)];
        let of = |group, circumstances| {
            let [copy, relu] = judged(group, circumstances);
            assert!(is_ok(&copy));
            (is_ok(&relu), relu.notes.len())
        };
        assert_eq!(of(pair(500.0), &HARDWARE), (false, 0));
        assert_eq!(of(pair(950.0), &HARDWARE), (false, 0));
        assert_eq!(of(pair(953.0), &HARDWARE), (true, 0));
        assert_eq!(of(pair(2000.0), &HARDWARE), (true, 0));
        assert_eq!(of(pair(500.0), &SOFTWARE), (true, 1));
        let mut cached = pair(500.0);
        for row in &mut cached {
            row.bound_by = Some(BoundBy::Cache);
        }
        assert_eq!(of(cached, &HARDWARE), (true, 1));
        // Not compared: what moves fewer bytes, or reads what caches and memory may compress.
        let [copy, mut fewer] = pair(500.0);
        fewer.bytes /= 2;
        assert_eq!(of([copy, fewer], &HARDWARE), (true, 0));
        let [copy, mut zeros] = pair(500.0);
        zeros.inputs = Inputs::Zeros;
        assert_eq!(of([copy, zeros], &HARDWARE), (true, 0));
        // Its interval reaches from far below to far above.
        let [copy, mut wide] = pair(500.0);
        wide.samples_ns.iter_mut().step_by(2).for_each(|ns| *ns = Some(1500.0));
        assert_eq!(of([copy, wide], &HARDWARE), (true, 0));
    }

    #[test]
    fn an_invalid_yardstick_judges_nothing() {
        let mut copy = row("copy", 1000.0, 20);
        copy.dropped.clock = 20;
        let [copy, relu] = judged([copy, row("relu", 500.0, 20)], &HARDWARE);
        assert!(!is_ok(&copy) && is_ok(&relu));
        assert!(
            copy.over(&relu).is_none() && relu.over(&copy).is_none() && copy.derived().is_none()
        );
    }

    #[test]
    fn notes_are_those_after_the_last_device() {
        let mut group = [row("copy", 1000.0, 20), row("relu", 500.0, 20)];
        group[1].dropped.clock = 1;
        group[1].notes.push("its own".to_owned());
        for _ in 0..3 {
            judge(&mut group, &SOFTWARE);
            assert_eq!(group[1].notes.len(), 3, "{:?}", group[1].notes);
        }
        group[1].samples_ns.fill(Some(1000.0));
        judge(&mut group, &SOFTWARE);
        assert_eq!(group[1].notes.len(), 2, "{:?}", group[1].notes);
        assert_eq!(group[1].notes[0], "its own");
    }

    #[test]
    fn rows_without_a_measurement_stay_what_they_are() {
        for status in [Status::Unsupported, Status::Skipped, Status::Failed] {
            let mut other = measured("relu", &[]);
            other.status = status;
            other.reason = Some("as asked".to_owned());
            let [_, after] = judged([row("copy", 1000.0, 20), other.clone()], &HARDWARE);
            assert_eq!(after, other);
        }
        judge(&mut [], &HARDWARE);
    }

    #[test]
    fn words_of_which_many_are_equal_may_be_compressed() {
        assert_eq!(compressible(1.0), None);
        assert_eq!(compressible(0.9), None);
        assert!(compressible(0.89).is_some_and(|complaint| complaint.contains("89 %")));
    }
}
