//! Quality checks: what a time has to pass before a figure may follow from it. A row that does not
//! is `invalid` and says why; its samples stay in the report, and nothing is derived from them.

use crate::report::{BoundBy, Dropped, Measurement, Reason, Status};

/// The fewest steps of the clock in a sample, so that its quantum is at most one percent.
const LEAST_TICKS: f64 = 100.0;

/// The share of samples that a clock may fail to give.
const MOST_WITHOUT_TIME: f64 = 0.1;

/// The share of samples during which the core clock may change.
const MOST_CLOCK_CHANGES: f64 = 0.5;

/// How much faster than copy or add a kernel of equal bytes may be, beyond the ratio's interval.
const FASTER_THAN_COPY: f64 = 1.05;

/// What the checks have to know beside the samples.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The smallest step that the clock was seen to make.
    pub quantum_ns: Option<f64>,
    /// On a software adapter caches, compilers and other processes explain what on a GPU nothing
    /// does: checks that compare speeds leave a note there.
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
    pub fn complaint(&self, circumstances: &Circumstances) -> Option<Reason> {
        let (samples, dropped) = (self.count, self.dropped);
        if self.share(dropped.clock) > MOST_WITHOUT_TIME {
            return Some(Reason::NoTime { samples, dropped: dropped.clone() });
        }
        let ticks = self.shortest_ns.zip(circumstances.quantum_ns).map(|(ns, tick)| ns / tick);
        if let Some(ticks) = ticks.filter(|ticks| *ticks < LEAST_TICKS) {
            return Some(Reason::TooFewTicks { ticks });
        }
        let is_throttled = self.share(dropped.probe) > MOST_CLOCK_CHANGES;
        is_throttled.then_some(Reason::ClockChanged { samples, dropped: dropped.probe })
    }

    /// What to know of those that are missing.
    pub fn note(&self) -> Option<Reason> {
        let Dropped { clock, probe, .. } = self.dropped;
        let is_any = clock + probe > 0;
        is_any.then(|| Reason::Dropped { samples: self.count, dropped: self.dropped.clone() })
    }

    fn share(&self, count: u32) -> f64 {
        let samples = u32::try_from(self.count).expect("thousands at most");
        f64::from(count) / f64::from(samples.max(1))
    }
}

/// Takes back what the checks said after an earlier repeat.
pub fn forget(notes: &mut Vec<Reason>) {
    notes.retain(|note| {
        !matches!(
            note,
            Reason::Dropped { .. }
                | Reason::FasterThanCopy { .. }
                | Reason::NotLinear { .. }
                | Reason::FmasMerged
        )
    });
}

/// Judges the rows of a group by each other; the first is copy or add.
pub fn judge(group: &mut [Measurement], circumstances: &Circumstances) {
    for row in group.iter_mut() {
        forget(&mut row.notes);
    }
    for row in group.iter_mut().filter(|row| row.status == Status::Ok) {
        let time = row.time_ns();
        let shortest_ns = time.map(|time| time.median * f64::from(row.dispatches_per_sample));
        let sampled = Sampled { count: row.samples_ns.len(), dropped: &row.dropped, shortest_ns };
        let too_few = time.is_none().then_some(Reason::TooFewSamples);
        let note = sampled.note();
        match sampled.complaint(circumstances).or(too_few) {
            Some(complaint) => row.mark(Status::Invalid, complaint),
            None => row.notes.extend(note),
        }
    }
    let Some((copy, others)) = group.split_first_mut() else { return };
    for row in others.iter_mut().filter(|row| row.bytes == copy.bytes) {
        let ratio = copy.over(row).filter(|ratio| ratio.low > FASTER_THAN_COPY);
        let Some(ratio) = ratio else { continue };
        let reason = Reason::FasterThanCopy { copy: copy.id.clone(), ratio };
        // Where memory is not the bound, an addition may be slower than a selection.
        if circumstances.is_software || copy.bound_by != Some(BoundBy::Memory) {
            row.notes.push(reason);
        } else {
            row.mark(Status::Invalid, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::measured;

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
    fn an_interval_takes_samples_of_every_repeat() {
        assert!(is_ok(&judged([row("copy", 1000.0, 6)], &HARDWARE)[0]));
        let [few] = judged([row("copy", 1000.0, 5)], &HARDWARE);
        assert!(!is_ok(&few));
        assert_eq!(few.reason, Some(Reason::TooFewSamples));
        let mut second_has_few = row("copy", 1000.0, 20);
        second_has_few.rounds_per_repeat = 10;
        second_has_few.samples_ns[10..15].fill(None);
        assert!(!is_ok(&judged([second_has_few], &HARDWARE)[0]));
    }

    #[test]
    fn nothing_is_much_faster_than_copy_or_add() {
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
        // Not compared: what moves fewer bytes.
        let [copy, mut fewer] = pair(500.0);
        fewer.bytes /= 2;
        assert_eq!(of([copy, fewer], &HARDWARE), (true, 0));
        // Its interval reaches from far below to far above.
        let [copy, mut wide] = pair(500.0);
        wide.samples_ns.iter_mut().step_by(2).for_each(|ns| *ns = Some(1500.0));
        assert_eq!(of([copy, wide], &HARDWARE), (true, 0));
    }

    #[test]
    fn an_invalid_copy_judges_nothing() {
        let mut copy = row("copy", 1000.0, 20);
        copy.dropped.clock = 20;
        let [copy, relu] = judged([copy, row("relu", 500.0, 20)], &HARDWARE);
        assert!(!is_ok(&copy) && is_ok(&relu));
        assert!(
            copy.over(&relu).is_none() && relu.over(&copy).is_none() && copy.derived().is_none()
        );
    }

    #[test]
    fn notes_are_those_after_the_last_repeat() {
        let mut group = [row("copy", 1000.0, 20), row("relu", 500.0, 20)];
        group[1].dropped.clock = 1;
        let own = Reason::MissedRepeats { repeats: 1, because: Box::new(Reason::OutOfTime) };
        group[1].notes.push(own.clone());
        for _ in 0..3 {
            judge(&mut group, &SOFTWARE);
            assert_eq!(group[1].notes.len(), 3, "{:?}", group[1].notes);
        }
        group[1].samples_ns.fill(Some(1000.0));
        judge(&mut group, &SOFTWARE);
        assert_eq!(group[1].notes.len(), 2, "{:?}", group[1].notes);
        assert_eq!(group[1].notes[0], own);
    }

    #[test]
    fn rows_without_a_measurement_stay_what_they_are() {
        for status in [Status::Unsupported, Status::Skipped, Status::Failed] {
            let mut other = measured("relu", &[]);
            other.status = status;
            other.reason = Some(Reason::Interrupted);
            let [_, after] = judged([row("copy", 1000.0, 20), other.clone()], &HARDWARE);
            assert_eq!(after, other);
        }
        judge(&mut [], &HARDWARE);
    }
}
