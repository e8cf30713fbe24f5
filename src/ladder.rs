//! Ladders: what arithmetic costs where no memory is in the way. Each element climbs k rungs in registers, and the time of a rung is the
//! slope of the time over k.

use crate::storage::Storage;

/// Rungs that the shader's loop is unrolled by: k is a multiple of it.
pub const FLIGHT: u32 = 16;

/// Rungs of one function: one rung is v = fma(f(v), factor, x), with x the lane's own element.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    /// What f is called.
    pub op: &'static str,
    /// WGSL that defines `forward`, which is f.
    pub wgsl: &'static str,
    /// f in f64.
    pub reference: fn(f64) -> f64,
    /// What it computes in.
    pub storage: Storage,
    /// With |factor f'| < 1 errors die out on the way and values stay finite, yet differ from lane to lane.
    pub factor: f32,
}

impl Ladder {
    /// The rung of nothing but the fma: the unit that other rungs are counted in, and the witness of the clock.
    pub const FMA: Self = Self {
        op: "fma",
        wgsl: "fn forward(x: T) -> T { return x; }\n",
        reference: |v| v,
        storage: Storage::F32,
        factor: -0.75,
    };

    /// Such as `ladder/f32/fma/k=64`.
    #[must_use]
    pub fn id(&self, rungs: u32) -> String {
        format!("ladder/{}/{}/k={rungs}", self.storage.name(), self.op)
    }

    /// Its whole WGSL.
    #[must_use]
    pub fn wgsl(&self) -> String {
        let words = include_str!("../shaders/drivers/words.wgsl");
        [self.storage.wgsl(), self.wgsl, words, include_str!("../shaders/drivers/ladder.wgsl")].join("\n")
    }

    /// Where x is after so many rungs, in f64.
    #[must_use]
    pub fn climb(&self, x: f64, rungs: u32) -> f64 {
        (0..rungs).fold(x, |v, _| (self.reference)(v).mul_add(f64::from(self.factor), x))
    }

    /// The same, with a factor so close to 1 that after `rungs` of them each still shows in the result. With -0.75 values come to rest: in f32 the
    /// 43rd rung is the last that shows, and a ladder that left out all later ones would give the same. Since the factor is read at run
    /// time, the shader is the same.
    #[must_use]
    pub fn remembering(self, rungs: u32) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "exact for powers of two, and below 1 for all that are tried"
        )]
        let factor = (1.0 - 1.0 / f64::from(rungs)) as f32;
        Self { factor, ..self }
    }

    /// How far an f32 or f16 climb from x = 1 may be from [`Self::climb`], for a ladder of nothing but fma, which scales with x: WGSL allows
    /// two roundings, in either direction, a rung, and the factor shrinks each error on its way.
    #[must_use]
    pub fn bound(&self, rungs: u32) -> f64 {
        let factor = f64::from(self.factor.abs());
        let unit = self.storage.memory().unit;
        let rung = |(value, error): (f64, f64), _| {
            let value = value.mul_add(factor, 1.0);
            (value, error.mul_add(factor, 2.0 * unit * value))
        };
        (0..rungs).fold((1.0, 0.0), rung).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a ladder that climbs fewer rungs is always outside the bound: an error as large as that may bring it closer.
    fn shows(ladder: &Ladder, rungs: u32, climbed: u32) -> bool {
        (ladder.climb(1.0, climbed) - ladder.climb(1.0, rungs)).abs() > 2.0 * ladder.bound(rungs)
    }

    #[test]
    fn values_come_to_rest_unless_the_factor_remembers() {
        // Why rungs are not checked with the factor that is timed.
        let timed = Ladder::FMA;
        assert!(shows(&timed, 16, 15) && shows(&timed, 32, 31));
        assert!(!shows(&timed, 48, 47) && !shows(&timed, 256, 240) && !shows(&timed, 4096, 2048));
    }

    #[test]
    fn rungs_left_out_show() {
        for power in 4..=20 {
            let rungs = 1 << power;
            let ladder = Ladder::FMA.remembering(rungs);
            assert!(ladder.factor < 1.0);
            assert_eq!(shows(&ladder, rungs, rungs - 1), power <= 10, "one rung of {rungs}");
            assert_eq!(shows(&ladder, rungs, rungs - FLIGHT), power <= 12, "a flight of {rungs} rungs");
            assert_eq!(shows(&ladder, rungs, rungs / 16 * 15), power <= 17, "one rung of each flight of {rungs} rungs");
            assert!(shows(&ladder, rungs, rungs / 2), "every second of {rungs} rungs");
            assert!(shows(&ladder, rungs, 1), "all but one of {rungs} rungs");
            assert!(!shows(&ladder, rungs, rungs));
        }
    }
}
