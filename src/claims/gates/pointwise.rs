//! Pointwise cells, forward and backward: compared with f64 on the data that they are timed on.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::{Cell, Gated};
use crate::claims::report::Figure;
use crate::claims::shallow::Function;
use crate::claims::{Context, Group, as_f64, check, count, net};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Program, Sequence};
use crate::kernels::activation::Direction;

/// Invocations of a workgroup, four units each.
const WORKGROUP: usize = 256;

/// Units that are compared before they are timed, at either end.
const CHECKED: usize = 4096;

/// The tensors of pointwise cells.
struct Tensors {
    cell: Cell,
    units: usize,
    /// As they are on the host: four planes of pre-activations, then the state before, dh and dc.
    inputs: Vec<f32>,
    a: Buffer,
    /// The last four planes by themselves: of GRU, what comes from the state; the state before, dh
    /// and dc.
    planes: [Buffer; 4],
    /// What is kept, h; da, the gradient of the state before.
    made: [Buffer; 4],
}

impl Tensors {
    /// Standard normal inputs for so many units, a multiple of four.
    fn new(gpu: &Gpu, cell: Cell, units: usize, seed: u64) -> Result<Self> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let inputs = net::normal(&mut random, 7 * units, 1.0);
        let plane = |label, index| gpu.buffer_of(label, &inputs[index * units..][..units]);
        let made = |label, planes| gpu.buffer(label, planes * units);
        Ok(Self {
            cell,
            units,
            a: gpu.buffer_of("a", &inputs[..4 * units])?,
            planes: [
                plane("a from the state", 3)?,
                plane("state before", 4)?,
                plane("dh", 5)?,
                plane("dc", 6)?,
            ],
            made: [
                made("kept", cell.kept())?,
                made("h", 1)?,
                made("da", 4)?,
                made("gradient before", 1)?,
            ],
            inputs,
        })
    }

    /// The forward and the backward pass by their programs.
    fn passes(&self, gpu: &Gpu, [forward, backward]: &[Program; 2]) -> Result<[Sequence; 2]> {
        let ([of_state, before, dh, dc], [kept, h, da, before_gradient]) =
            (&self.planes, &self.made);
        let words = self.units / 4;
        let pass = |program: &Program, buffers: &[&Buffer]| {
            let workgroups = [count(words.div_ceil(WORKGROUP)), 1, 1];
            let step = gpu.step(program, buffers, &[count(words)], workgroups)?;
            Ok(Sequence::new(&program.path, vec![step]))
        };
        let of_backward = match self.cell {
            Cell::Lstm => [da, before_gradient, kept, before, dh, dc],
            Cell::Gru => [da, before_gradient, kept, of_state, before, dh],
        };
        Ok([pass(forward, &[kept, h, &self.a, before])?, pass(backward, &of_backward)?])
    }

    /// Runs forward and backward and compares the first units and the last with f64, each tensor
    /// within so much of what its terms may be.
    fn check(&self, gpu: &Gpu, gated: Gated, passes: &[Sequence; 2]) -> Result<()> {
        for pass in passes {
            gpu.run_sequence(pass, 1)?;
        }
        let made = self.made.iter().map(|buffer| gpu.load(buffer));
        let made: Vec<Vec<f32>> = made.collect::<Result<_>>()?;
        let n = self.units;
        for unit in (0..n).filter(|unit| (*unit).min(n - 1 - unit) < CHECKED) {
            let [a0, a1, a2, a3, before, dh, dc] =
                std::array::from_fn(|plane| f64::from(self.inputs[plane * n + unit]));
            let a = [a0, a1, a2, a3];
            let (kept, h) = gated.forward(a, before);
            let gradients = gated.backward(&kept, a, before, [dh, dc]);
            // A value is a sum of a few products of these, each factor of which is off by some ULP:
            // exp's 3 + 2|x|, quotients, roundings.
            let sizes = a.iter().chain([&before]).map(|value| 1.0 + value.abs());
            let forward = 16.0 * f64::from(f32::EPSILON) * sizes.product::<f64>();
            let backward = forward * (1.0 + dh.abs() + dc.abs());
            let actual: Vec<f32> =
                made.iter().flat_map(|planes| planes[unit..].iter().step_by(n)).copied().collect();
            let expected = [&kept[..], &[h], &gradients].concat();
            check::within(
                &format!("{}, unit {unit}", gated.name()),
                &actual,
                &expected,
                |index| {
                    if index <= kept.len() { forward } else { backward }
                },
            )?;
        }
        Ok(())
    }
}

/// The texts of the forward and the backward pass.
fn wgsl(gated: Gated) -> [String; 2] {
    let glue = format!("const WORKGROUP_SIZE: u32 = {WORKGROUP}u;\n");
    let [forward, backward, _] = gated.cell.drivers();
    [forward, backward].map(|driver| gated.wgsl(&glue, driver))
}

/// What the passes of a cell take.
pub struct Cost {
    pub cell: Cell,
    units: usize,
    /// Forward and backward, each of gates of sigmoid and of ReLU.
    pub passes: [Group; 2],
}

impl Cost {
    pub fn measured(context: &Context<'_>, cell: Cell) -> Result<Self> {
        let gpu = context.gpu;
        let units: usize = if gpu.facts.is_software { 1 << 18 } else { 1 << 22 };
        let tensors = Tensors::new(gpu, cell, units, context.seed)?;
        let checked = |gate| {
            let gated = Gated { cell, gate };
            let [forward, backward] = wgsl(gated);
            let programs = [
                gated.program(gpu, "forward", &forward)?,
                gated.program(gpu, "backward", &backward)?,
            ];
            let passes = tensors.passes(gpu, &programs)?;
            tensors.check(gpu, gated, &passes)?;
            Ok::<_, Error>(passes)
        };
        let (sigmoid, relu) = (checked(Function::Sigmoid)?, checked(Function::Relu)?);
        // What is kept stems from ReLU now, for both: it takes no less time to read.
        let timed = |pass: usize| Group::timed(context, &[&sigmoid[pass], &relu[pass]]);
        Ok(Self { cell, units, passes: [timed(0)?, timed(1)?] })
    }

    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for ((pass, direction), bytes) in
            self.passes.iter().zip(Direction::ALL).zip(self.cell.bytes())
        {
            let name = format!("{} {}", self.cell.name(), direction.name());
            for (index, gate) in Function::BOTH.into_iter().enumerate() {
                let rate = pass.ns(index).rate_of(bytes * as_f64(self.units));
                let name = format!("{name}, {}: throughput", gate.name());
                let note = format!("{bytes} bytes a unit");
                figures.push(Figure::estimated(name, "GB/s", rate).noted(note));
            }
            let name = format!("{name}: time of sigmoid : ReLU");
            figures.push(Figure::estimated(name, "x", pass.over(0, 1)));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Choice, ShaderChecks};

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    /// Checks a cell's passes on some units, by programs that may be planted.
    fn checked(
        gpu: &Gpu,
        gated: Gated,
        units: usize,
        plant: impl Fn(String) -> String,
    ) -> Result<()> {
        let tensors = Tensors::new(gpu, gated.cell, units, 11).expect("room");
        let programs = wgsl(gated).map(|wgsl| {
            gpu.program("planted", &plant(wgsl), &[], ShaderChecks::Checked).expect("it compiles")
        });
        tensors.check(gpu, gated, &tensors.passes(gpu, &programs).expect("it is bound"))
    }

    #[test]
    fn cells_on_the_adapter_are_those_in_f64() {
        let gpu = gpu();
        for cell in Cell::BOTH {
            for gate in Function::BOTH {
                // Less than a workgroup's units, and some more than two.
                for units in [4, 2 * 4 * WORKGROUP + 20] {
                    checked(&gpu, Gated { cell, gate }, units, |wgsl| wgsl).expect("right");
                }
            }
        }
    }

    #[test]
    fn planted_faults_are_found() {
        let gpu = gpu();
        for (cell, gate, find, replace) in [
            (Cell::Lstm, Function::Sigmoid, "f * c + i * g", "f * c + g"),
            (Cell::Lstm, Function::Relu, "o * squash(next)", "o * next"),
            (Cell::Lstm, Function::Sigmoid, "select(-y, y, x >= T(0.0))", "y"),
            (Cell::Lstm, Function::Sigmoid, "T(1.0) - of_c * of_c", "T(1.0) - of_c"),
            (Cell::Lstm, Function::Relu, "dh * of_c)", "dh * kept.c)"),
            (Cell::Lstm, Function::Sigmoid, "d * kept.forget", "d * kept.input"),
            (Cell::Lstm, Function::Relu, "{ return relu_from_y(saved, dy); }", "{ return dy; }"),
            (Cell::Lstm, Function::Sigmoid, "T(-2.0) * abs(x)", "T(-2.001) * abs(x)"),
            (Cell::Gru, Function::Sigmoid, "(T(1.0) - z) * n + z * h", "z * n + (T(1.0) - z) * h"),
            (Cell::Gru, Function::Relu, "of_input + r * of_state", "of_input + of_state"),
            (Cell::Gru, Function::Sigmoid, "before - kept.candidate", "kept.candidate - before"),
            (Cell::Gru, Function::Relu, "d * kept.reset", "d"),
            (Cell::Gru, Function::Sigmoid, "dh * kept.update,", "dh,"),
        ] {
            let error = checked(&gpu, Gated { cell, gate }, 256, |wgsl| {
                let planted = wgsl.replacen(find, replace, 1);
                assert_ne!(wgsl, planted, "{find}");
                planted
            })
            .err();
            assert!(matches!(error, Some(Error::Mismatch(_))), "{find} -> {replace}: {error:?}");
        }
    }

    #[test]
    fn bytes_are_those_of_the_tensors() {
        let gpu = gpu();
        for cell in Cell::BOTH {
            let tensors = Tensors::new(&gpu, cell, 64, 1).expect("room");
            let [of_state, before, dh, dc] = &tensors.planes;
            let [kept, h, da, before_gradient] = &tensors.made;
            let bytes = |buffers: &[&Buffer]| {
                let bytes = buffers.iter().map(|buffer| 4 * buffer.words).sum::<usize>() as f64;
                bytes / 64.0
            };
            let backward = match cell {
                Cell::Lstm => bytes(&[kept, before, dh, dc, da, before_gradient]),
                Cell::Gru => bytes(&[kept, of_state, before, dh, da, before_gradient]),
            };
            assert_eq!(cell.bytes(), [bytes(&[&tensors.a, before, kept, h]), backward], "{cell:?}");
        }
    }
}
