//! Ladders: what arithmetic costs where no memory is in the way. Each element climbs k rungs in registers, and the time of a rung is the
//! slope of the time over k.

use std::fmt::Write as _;

use crate::kernels::dtype::Storage;
use crate::kernels::ops::{self, Op};

/// Rungs that the shader's loop is unrolled by, so that its counter costs a sixteenth.
pub const FLIGHT: u32 = 16;

/// Errors of earlier rungs reach a later one by at most this factor a rung.
const CONTRACTION: f64 = 0.751;

/// Rungs of one op. One rung is v = fma(f(v, x), factor, x), with x the lane's own element: no rung can be folded into another, since x and
/// the factor are known at run time alone. Of the gradient of ReLU f is x or 0, so that a compiler may take both fma before the loop and leave a
/// comparison and a selection: there a rung may be less than the op and an fma.
#[derive(Clone, Copy, Debug)]
pub struct Ladder {
    /// f.
    pub op: &'static Op,
    /// What it computes in, and what lies in memory.
    pub storage: Storage,
    /// Words of 16 bytes that a lane climbs with at once: 4 elements each, so that their rungs need not wait for one another.
    pub words: u32,
    /// What f's result is multiplied with, read by the shader at run time.
    pub factor: f32,
    /// Where the climb begins.
    pub start: Start,
    /// Rungs that the shader's loop is unrolled by: [`FLIGHT`], or 1 where k is small and the shader has to be short.
    pub flight: u32,
}

/// Where a climb begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At x.
    X,
    /// At an element of a second tensor, as a backward pass has it: it reads the saved tensor and dy, which here is x.
    Saved,
}

impl Ladder {
    /// The rung of nothing but the fma: the unit that other rungs are counted in, and the witness of the clock.
    pub const FMA: Self = Self {
        op: &ops::FMA,
        storage: Storage::F32,
        words: 1,
        factor: ops::FMA_FACTOR,
        start: Start::X,
        flight: FLIGHT,
    };

    /// The ladder of an op, with the op's factor.
    #[must_use]
    pub fn new(op: &'static Op, storage: Storage, words: u32) -> Self {
        Self { op, storage, words, factor: op.factor, start: Start::X, flight: FLIGHT }
    }

    /// Such as `ladder/f32/fma`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("ladder/{}/{}", self.storage.name(), self.op.name)
    }

    /// Its path at a number of rungs, such as `ladder/f32/fma/k=64`.
    #[must_use]
    pub fn id(&self, rungs: u32) -> String {
        format!("{}/k={rungs}", self.path())
    }

    /// Vectors of four elements in a word.
    fn parts(&self) -> u32 {
        match self.storage {
            Storage::F32 => 1,
            Storage::F16 | Storage::F16Native => 2,
        }
    }

    /// Elements that a lane climbs with at once, each for itself: its rungs need not wait for those of the others.
    #[must_use]
    pub fn chains(&self) -> u32 {
        4 * self.parts() * self.words
    }

    /// Its whole WGSL. The driver is written out for its number of words, rung by rung, since compilers do not interleave calls.
    #[must_use]
    pub fn wgsl(&self) -> String {
        let definitions = self.op.activation().map_or("", |(activation, _)| activation.wgsl);
        let parts = self.parts();
        let chains: Vec<(u32, u32)> =
            (0..self.words).flat_map(|word| (0..parts).map(move |part| (word, part))).collect();
        let each_word =
            |line: &dyn Fn(u32) -> String| (0..self.words).map(line).collect::<String>();
        let rungs: Vec<String> = (chains.iter())
            .map(|(w, p)| format!("        v{w}{p} = rung(v{w}{p}, a, x{w}{p});\n"))
            .collect();
        let rung = rungs.concat();
        let mut driver = format!(
            "fn rung(v: T, a: T, x: T) -> T {{\n    return fma({}, a, x);\n}}\n",
            self.op.wgsl
        );
        let (binding, from) = match self.start {
            Start::X => ("", "word"),
            Start::Saved => {
                ("@group(0) @binding(3) var<storage, read> saved: array<W>;\n", "saved")
            }
        };
        driver.push_str(TENSORS);
        driver.push_str(binding);
        driver.push_str(MAIN);
        // A lane beyond the last word climbs with that one again.
        driver.push_str(&each_word(&|w| {
            let saved =
                if binding.is_empty() { String::new() } else { format!("    let saved{w} = saved[i{w}];\n") };
            format!(
                "    let i{w} = min(first + {w}u * workgroup_size, params.words - 1u);\n    let word{w} = x[i{w}];\n{saved}"
            )
        }));
        for (w, p) in &chains {
            let _ = writeln!(
                driver,
                "    let x{w}{p} = part(word{w}, {p}u);\n    var v{w}{p} = part({from}{w}, {p}u);"
            );
        }
        let _ = writeln!(
            driver,
            "    for (var n = 0u; n < params.flights; n++) {{\n{}    }}",
            rung.repeat(self.flight as usize)
        );
        if self.flight > 1 {
            let _ = writeln!(driver, "    for (var n = 0u; n < params.rest; n++) {{\n{rung}    }}");
        }
        driver.push_str(&each_word(&|w| {
            let puts: Vec<String> =
                (0..parts).map(|p| format!("    put(&result{w}, {p}u, v{w}{p});\n")).collect();
            format!("    var result{w}: W;\n{}    y[i{w}] = result{w};\n", puts.concat())
        }));
        driver.push_str("}\n");
        [
            self.storage.wgsl(),
            definitions,
            include_str!("../../shaders/drivers/words.wgsl"),
            &driver,
        ]
        .join("\n")
    }

    /// Where a climb from `start` is after so many rungs beside x, in f64, and how far WGSL lets an implementation be off there: two roundings a rung, what it allows of
    /// f, and what is left of the errors of the rungs before.
    #[must_use]
    pub fn climb(&self, start: f64, x: f64, rungs: u32) -> (f64, f64) {
        let factor = f64::from(self.factor);
        let format = self.storage.arithmetic();
        let contraction = if self.is_linear() { factor.abs() } else { CONTRACTION };
        let (mut v, mut off) = (start, 0.0);
        for _ in 0..rungs {
            let f = (self.op.reference)(v, x);
            let error = self.op.error_at(self.storage.computed_in(), v, x);
            let next = f.mul_add(factor, x);
            let rounding =
                format.unit * ((factor * f).abs() + next.abs()) + 2.0 * format.min_normal;
            let next_off = contraction * off + factor.abs() * error + rounding;
            let is_at_rest = (next, next_off) == (v, off);
            (v, off) = (next, next_off);
            if is_at_rest {
                break;
            }
        }
        (v, off)
    }

    /// Whether it scales with x, so that one climb in f64 tells them all: the fma ladder does.
    #[must_use]
    pub fn is_linear(&self) -> bool {
        self.op.name == ops::FMA.name
    }

    /// The fma ladder with a factor so close to 1 that after `rungs` of them each still shows in the result. With -0.75 values come to rest: in
    /// f32 the 48th rung is the last that shows, and a ladder that left out all later ones would give the same. Since the factor is read at
    /// run time, the shader is the same.
    #[must_use]
    pub fn remembering(self, rungs: u32) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "exact for powers of two, and below 1 for all that are tried"
        )]
        let factor = (1.0 - 1.0 / f64::from(rungs)) as f32;
        Self { factor, ..self }
    }
}

const TENSORS: &str = "
// y = where each element is after so many rungs, climbed in registers.
@group(0) @binding(1) var<storage, read_write> y: array<W>;
@group(0) @binding(2) var<storage, read> x: array<W>;
";

const MAIN: &str = "
@compute @workgroup_size(workgroup_size)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = first_unit(workgroup, grid, lane);
    let a = T(vec4<f32>(params.factor));
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a ladder that climbs fewer rungs is always outside the bound: an error as large as that may bring it closer.
    fn shows(ladder: &Ladder, rungs: u32, climbed: u32) -> bool {
        let (end, bound) = ladder.climb(1.0, 1.0, rungs);
        (ladder.climb(1.0, 1.0, climbed).0 - end).abs() > 2.0 * bound
    }

    #[test]
    fn values_come_to_rest_unless_the_factor_remembers() {
        // Why rungs are not checked with the factor that is timed alone.
        let timed = Ladder::FMA;
        assert!(shows(&timed, 16, 15) && shows(&timed, 48, 47));
        assert!(!shows(&timed, 49, 48) && !shows(&timed, 256, 240) && !shows(&timed, 4096, 2048));
    }

    #[test]
    fn rungs_left_out_show() {
        for power in 4..=20 {
            let rungs = 1 << power;
            let ladder = Ladder::FMA.remembering(rungs);
            assert!(ladder.factor < 1.0);
            assert_eq!(shows(&ladder, rungs, rungs - 1), power <= 10, "one rung of {rungs}");
            assert_eq!(
                shows(&ladder, rungs, rungs - FLIGHT),
                power <= 12,
                "a flight of {rungs} rungs"
            );
            assert_eq!(
                shows(&ladder, rungs, rungs / 16 * 15),
                power <= 17,
                "one rung of each flight of {rungs} rungs"
            );
            assert!(shows(&ladder, rungs, rungs / 2), "every second of {rungs} rungs");
            assert!(shows(&ladder, rungs, 1), "all but one of {rungs} rungs");
            assert!(!shows(&ladder, rungs, rungs));
        }
    }

    #[test]
    fn every_ladder_is_a_shader() {
        for op in ops::OPS {
            for storage in op.storages {
                for (words, start) in
                    [(1, Start::X), (2, Start::Saved), (4, Start::X), (4, Start::Saved)]
                {
                    let wgsl = Ladder { start, ..Ladder::new(op, *storage, words) }.wgsl();
                    let module = naga::front::wgsl::parse_str(&wgsl);
                    assert!(module.is_ok(), "{} of {words} words: {:?}", op.name, module.err());
                }
            }
        }
    }
}
