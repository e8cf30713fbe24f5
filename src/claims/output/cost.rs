//! What loss and gradient take: from the logit in one kernel, or a layer a kernel.

use super::allowed::{self, Input};
use super::{Pairs, groups, program};
use crate::claims::report::Figure;
use crate::claims::{Context, Group, as_f64, count};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Sequence, ShaderChecks};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::bounds::Allowed;
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::Inputs;
use crate::kernels::kernel::{Kernel, Role};
use crate::measure::stats::Estimate;

/// What loss and gradient take, by way.
pub(super) struct Cost {
    pub(super) elements: usize,
    pub(super) fused: Estimate,
    pub(super) fused_log: Estimate,
    pub(super) apart: Estimate,
    pub(super) apart_over_fused: Estimate,
    pub(super) in_one_over_fused: Estimate,
}

impl Cost {
    pub(super) fn measured(context: &Context<'_>) -> Result<Self> {
        let gpu = context.gpu;
        let elements: usize = if gpu.facts.is_software { 1 << 20 } else { 1 << 24 };
        let layers = Layers::new(context, elements)?;
        let (fused, fused_log) =
            (layers.one(gpu, "output_fused")?, layers.one(gpu, "output_fused_log")?);
        let (in_one, apart) = (layers.one(gpu, "output_apart")?, layers.three(gpu)?);
        layers.check(gpu, &fused, allowed::fused)?;
        layers.check(gpu, &fused_log, allowed::fused_log)?;
        layers.check(gpu, &in_one, allowed::apart)?;
        layers.check(gpu, &apart, allowed::apart)?;
        let group = Group::timed(context, &[&fused, &fused_log, &in_one, &apart])?;
        Ok(Self {
            elements,
            fused: group.ns(0),
            fused_log: group.ns(1),
            apart: group.ns(3),
            apart_over_fused: group.over(3, 0),
            in_one_over_fused: group.over(2, 0),
        })
    }
}

impl Cost {
    pub(super) fn figures(&self) -> Vec<Figure> {
        let n = self.elements;
        let elements = as_f64(n);
        let each = |name: &str, time: Estimate, bytes: f64| {
            let (of_one, rate) = (time.times(1.0 / elements), time.rate_of(bytes * elements));
            [
                Figure::estimated(format!("{name}: time"), "ns/element", of_one),
                Figure::estimated(format!("{name}: throughput"), "GB/s", rate)
                    .noted(format!("{bytes} bytes an element, {n} elements")),
            ]
        };
        // Logit, label, loss, gradient; apart, y is written and read twice and dy once besides.
        let (fused, apart) = (16.0, 36.0);
        let ratios = [
            Figure::estimated("sigmoid, log, in three kernels : fused", "x", self.apart_over_fused),
            Figure::estimated("sigmoid, log, in one kernel : fused", "x", self.in_one_over_fused),
        ];
        [
            &each("fused", self.fused, fused)[..],
            &each("fused, built-in log", self.fused_log, fused),
            &each("sigmoid, log, in three kernels", self.apart, apart),
            &ratios,
        ]
        .concat()
    }
}

/// Logits and labels, with what layers keep between them.
pub(super) struct Layers {
    pub(super) pairs: Pairs,
    pub(super) logits: Vec<f32>,
    pub(super) labels: Vec<f32>,
    pub(super) y: Buffer,
    pub(super) dy: Buffer,
}

/// Elements that are compared before they are timed.
pub(super) const CHECKED: usize = 1 << 14;

/// What is there before a kernel runs: no loss is below 0 by more than rounding, and no gradient
/// beyond 1.
pub(super) const UNWRITTEN: f32 = -1e30;

impl Layers {
    pub(super) fn new(context: &Context<'_>, elements: usize) -> Result<Self> {
        let gpu = context.gpu;
        let sigmoid = Activation::named("sigmoid")
            .and_then(|sigmoid| Kernel::default_variant(sigmoid, Direction::Forward, Dtype::F32));
        let sigmoid = sigmoid.expect("in the table");
        let normal = |role: Role| {
            let mut bytes = vec![0; 4 * elements];
            Inputs::normal(context.seed).fill(&sigmoid, role, 0, &mut bytes);
            bytemuck::pod_collect_to_vec::<u8, f32>(&bytes)
        };
        let logits: Vec<f32> = normal(Role::X).into_iter().map(|x| 2.0 * x).collect();
        let labels: Vec<f32> =
            normal(Role::Dy).into_iter().map(|dy| f32::from(u8::from(dy > 0.0))).collect();
        let pairs = Pairs::new(gpu, elements)?;
        gpu.store(&pairs.first, &logits)?;
        gpu.store(&pairs.label, &labels)?;
        Ok(Self {
            pairs,
            logits,
            labels,
            y: gpu.buffer("y", elements)?,
            dy: gpu.buffer("dy", elements)?,
        })
    }

    /// Loss and gradient in one kernel.
    pub(super) fn one(&self, gpu: &Gpu, function: &str) -> Result<Sequence> {
        Ok(Sequence::new(function, vec![self.pairs.step(gpu, &program(gpu, function)?)?]))
    }

    /// A layer a kernel: y from the logit, loss and dy from y, the gradient from y and dy.
    pub(super) fn three(&self, gpu: &Gpu) -> Result<Sequence> {
        let Pairs { first, label, loss, gradient } = &self.pairs;
        let words = first.words / 4;
        let sigmoid = Activation::named("sigmoid").expect("in the table");
        let kernel = |direction, buffers: [&Buffer; 3], bound: usize| {
            let kernel =
                Kernel::default_variant(sigmoid, direction, Dtype::F32).expect("a default variant");
            let program =
                gpu.program(&kernel.path(), &kernel.wgsl(), &[], ShaderChecks::Trusted)?;
            gpu.step(&program, &buffers[..bound], &[count(words)], groups(words))
        };
        let cross_entropy = program(gpu, "cross_entropy")?;
        let middle = [loss, &self.dy, &self.y, label];
        Ok(Sequence::new(
            "sigmoid, cross-entropy and the gradient of sigmoid",
            vec![
                kernel(Direction::Forward, [&self.y, first, first], 2)?,
                gpu.step(&cross_entropy, &middle, &[count(words)], groups(words))?,
                kernel(Direction::Backward, [gradient, &self.y, &self.dy], 3)?,
            ],
        ))
    }

    /// Runs it once and compares the first results with what is allowed.
    pub(super) fn check(
        &self,
        gpu: &Gpu,
        sequence: &Sequence,
        allowed: fn(&Input) -> [Allowed; 2],
    ) -> Result<()> {
        let nothing = vec![UNWRITTEN; self.logits.len()];
        gpu.store(&self.pairs.loss, &nothing)?;
        gpu.store(&self.pairs.gradient, &nothing)?;
        gpu.run_sequence(sequence, 1)?;
        let (loss, gradient): (Vec<f32>, Vec<f32>) =
            (gpu.load(&self.pairs.loss)?, gpu.load(&self.pairs.gradient)?);
        let is_unwritten =
            |(loss, gradient): (&f32, &f32)| *loss == UNWRITTEN || *gradient == UNWRITTEN;
        if let Some(index) = loss.iter().zip(&gradient).position(is_unwritten) {
            let path = &sequence.path;
            return Err(Error::Mismatch(format!("{path}: element {index} was not computed")));
        }
        for index in 0..CHECKED.min(loss.len()) {
            let (x, label) = (self.logits[index], self.labels[index]);
            let allowed = allowed(&Input { x: f64::from(x), label: label == 1.0 });
            for ((what, actual), allowed) in
                [("loss", loss[index]), ("gradient", gradient[index])].into_iter().zip(allowed)
            {
                if !allowed.contains(f64::from(actual), actual.to_bits()) {
                    let path = &sequence.path;
                    return Err(Error::Mismatch(format!(
                        "{path}: the {what} of logit {x:e} with label {label} is {actual:e}, which is none of {allowed:?}"
                    )));
                }
            }
        }
        Ok(())
    }
}
