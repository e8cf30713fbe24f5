//! Pointwise cells, forward and backward: compared with f64 on the data that they are timed on.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::{Cell, wgsl};
use crate::claims::report::Figure;
use crate::claims::shallow::Function;
use crate::claims::{Context, Group, check, count};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Sequence, ShaderChecks};
use crate::measure::stats::Estimate;

/// Invocations of a workgroup, four units each.
pub(super) const WORKGROUP: usize = 256;

/// A pointwise cell on the device, for a gate.
pub(super) struct Pointwise {
    pub(super) forward: Sequence,
    pub(super) backward: Sequence,
}

/// The tensors of pointwise cells, and their inputs as they are on the host.
pub(super) struct Tensors {
    pub(super) units: usize,
    pub(super) a: Vec<f32>,
    pub(super) before: Vec<f32>,
    pub(super) dh: Vec<f32>,
    pub(super) dc: Vec<f32>,
    pub(super) buffers: Buffers,
}

pub(super) struct Buffers {
    pub(super) a: Buffer,
    pub(super) of_state: Buffer,
    pub(super) before: Buffer,
    pub(super) dh: Buffer,
    pub(super) dc: Buffer,
    pub(super) kept: Buffer,
    pub(super) h: Buffer,
    pub(super) da: Buffer,
    pub(super) before_gradient: Buffer,
}

impl Tensors {
    /// Standard normal inputs for so many units, a multiple of four.
    pub(super) fn new(gpu: &Gpu, cell: Cell, units: usize, seed: u64) -> Result<Self> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.sample(StandardNormal)).collect()
        };
        let (a, before, dh, dc) = (normal(4 * units), normal(units), normal(units), normal(units));
        let buffers = Buffers {
            a: gpu.buffer_of("pre-activations", &a)?,
            // Of GRU, the fourth plane of these by itself.
            of_state: gpu.buffer_of("pre-activations from the state", &a[3 * units..])?,
            before: gpu.buffer_of("state before", &before)?,
            dh: gpu.buffer_of("dh", &dh)?,
            dc: gpu.buffer_of("dc", &dc)?,
            kept: gpu.buffer("kept", cell.kept() * units)?,
            h: gpu.buffer("h", units)?,
            da: gpu.buffer("gradients of pre-activations", 4 * units)?,
            before_gradient: gpu.buffer("gradient of the state before", units)?,
        };
        Ok(Self { units, a, before, dh, dc, buffers })
    }

    /// The two passes with the text of their cells, which may be planted in tests.
    pub(super) fn pointwise(
        &self,
        gpu: &Gpu,
        cell: Cell,
        gate: Function,
        cells: &str,
        checks: ShaderChecks,
    ) -> Result<Pointwise> {
        let Buffers { a, of_state, before, dh, dc, kept, h, da, before_gradient } = &self.buffers;
        let glue = format!("const WORKGROUP_SIZE: u32 = {WORKGROUP}u;\n");
        let words = self.units / 4;
        let pass = |index: usize, buffers: &[&Buffer]| {
            let path =
                format!("{}/{}/{}", cell.name(), gate.name(), ["forward", "backward"][index]);
            let wgsl = [&glue, cells, cell.drivers()[index]].join("\n");
            let program = gpu.program(&path, &wgsl, &[], checks)?;
            let step = gpu.step(
                &program,
                buffers,
                &[count(words)],
                [count(words.div_ceil(WORKGROUP)), 1, 1],
            )?;
            Ok(Sequence::new(path, vec![step]))
        };
        let backward: [&Buffer; 6] = match cell {
            Cell::Lstm => [da, before_gradient, kept, before, dh, dc],
            Cell::Gru => [da, before_gradient, kept, of_state, before, dh],
        };
        Ok(Pointwise { forward: pass(0, &[kept, h, a, before])?, backward: pass(1, &backward)? })
    }

    /// Runs forward and backward and compares the first units and the last with f64, each tensor
    /// within so much of what its terms may be.
    pub(super) fn check(
        &self,
        gpu: &Gpu,
        cell: Cell,
        gate: Function,
        pointwise: &Pointwise,
    ) -> Result<()> {
        gpu.run_sequence(&pointwise.forward, 1)?;
        gpu.run_sequence(&pointwise.backward, 1)?;
        let load = |buffer: &Buffer| gpu.load::<f32>(buffer);
        let (kept, h) = (load(&self.buffers.kept)?, load(&self.buffers.h)?);
        let (da, before_gradient) = (load(&self.buffers.da)?, load(&self.buffers.before_gradient)?);
        let n = self.units;
        let (first, last) = (0..n.min(CHECKED), n.saturating_sub(CHECKED).max(CHECKED.min(n))..n);
        let (mut actual, mut expected, mut bounds) = (Vec::new(), Vec::new(), Vec::new());
        for unit in first.chain(last) {
            let plane = |tensor: &[f32], plane: usize| f64::from(tensor[plane * n + unit]);
            let a = [0, 1, 2, 3].map(|index| plane(&self.a, index));
            let (before, dh, dc) = (plane(&self.before, 0), plane(&self.dh, 0), plane(&self.dc, 0));
            let (own_kept, own_h) = cell.forward(gate, a, before);
            let (own_da, own_before) = cell.backward(gate, &own_kept, a, before, [dh, dc]);
            // A value is a sum of a few products of these, each factor of which is off by some ULP:
            // exp's 3 + 2|x|, quotients, roundings.
            let sizes = a.iter().chain([&before]).map(|value| 1.0 + value.abs());
            let forward = 16.0 * f64::from(f32::EPSILON) * sizes.product::<f64>();
            let backward = forward * (1.0 + dh.abs() + dc.abs());
            for (index, value) in own_kept.iter().enumerate() {
                actual.push(kept[index * n + unit]);
                expected.push(*value);
                bounds.push(forward);
            }
            actual.extend([
                h[unit],
                da[unit],
                da[n + unit],
                da[2 * n + unit],
                da[3 * n + unit],
                before_gradient[unit],
            ]);
            expected.extend([own_h].into_iter().chain(own_da).chain([own_before]));
            bounds.extend([forward].into_iter().chain([backward; 5]));
        }
        let what = format!("{} cells with gates of {}", cell.name(), gate.name());
        check::within(&what, &actual, &expected, |index| bounds[index])
    }
}

/// Units that are compared before they are timed, at either end.
pub(super) const CHECKED: usize = 4096;

/// What the passes of a cell take, by gate.
pub(super) struct Cost {
    pub(super) cell: Cell,
    pub(super) units: usize,
    pub(super) passes: [Pass; 2],
}

pub(super) struct Pass {
    /// By gate, in ns.
    pub(super) ns: [Estimate; 2],
    /// Sigmoid over ReLU.
    pub(super) ratio: Estimate,
}

impl Cost {
    pub(super) fn measured(context: &Context<'_>, cell: Cell) -> Result<Self> {
        let gpu = context.gpu;
        let units: usize = if gpu.facts.is_software { 1 << 18 } else { 1 << 22 };
        let tensors = Tensors::new(gpu, cell, units, context.seed)?;
        let mut pointwise = Vec::new();
        for gate in Function::BOTH {
            let passes = tensors.pointwise(gpu, cell, gate, &wgsl(gate), ShaderChecks::Trusted)?;
            tensors.check(gpu, cell, gate, &passes)?;
            pointwise.push(passes);
        }
        // What is kept stems from ReLU now, for both: it takes no less time to read.
        let group = |pass: fn(&Pointwise) -> &Sequence| {
            let group = Group::timed(context, &[pass(&pointwise[0]), pass(&pointwise[1])])?;
            Ok::<_, Error>(Pass { ns: [group.ns(0), group.ns(1)], ratio: group.over(0, 1) })
        };
        Ok(Self {
            cell,
            units,
            passes: [group(|cell| &cell.forward)?, group(|cell| &cell.backward)?],
        })
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for ((pass, name), bytes) in
            self.passes.iter().zip(["forward", "backward"]).zip(self.cell.bytes())
        {
            let cell = self.cell.name();
            for (gate, ns) in Function::BOTH.into_iter().zip(pass.ns) {
                #[expect(clippy::cast_precision_loss, reason = "2^22 at most")]
                let bytes_in_all = bytes * self.units as f64;
                let rate = ns.rate_of(bytes_in_all);
                figures.push(
                    Figure::estimated(
                        format!("{cell} {name}, {}: throughput", gate.name()),
                        "GB/s",
                        rate,
                    )
                    .noted(format!("{bytes} bytes a unit")),
                );
            }
            figures.push(Figure::estimated(
                format!("{cell} {name}: time of sigmoid : ReLU"),
                "x",
                pass.ratio,
            ));
        }
        figures
    }
}
