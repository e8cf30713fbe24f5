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

    /// How far an f32 or f16 climb may be from [`Self::climb`], for a ladder of nothing but fma: WGSL allows two roundings, in either
    /// direction, a rung; values stay below |x| / (1 - |factor|), and the factor shrinks each error on its way.
    #[must_use]
    pub fn bound(&self, x: f64) -> f64 {
        let room = 1.0 - f64::from(self.factor.abs());
        let unit = self.storage.memory().unit;
        2.0 * unit * (x.abs() / room) / room + self.storage.memory().min_normal
    }
}
