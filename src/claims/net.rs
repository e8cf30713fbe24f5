//! Fully connected nets on the adapter, as many at once as there are seeds, and their twins on the CPU in f64.
//!
//! Layer l makes z = y W^T + b and y = f(z) of the y below it; going back, dz of the layer below is f'(y) (dz W). The last layer has no f: what
//! comes out are logits. All nets of a [`Net`] have one shape and lie one behind the other in every buffer, so that a dispatch serves
//! them all; each has weights, data and a learning rate of its own.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::check;
use super::matmul::{self, Layout, Matmul, Sizes};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Step};
use crate::kernels::activation::{Activation, Direction, Pass};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;

/// Of the norm of a tensor, what it may differ by from f64 at the size that is validated: WGSL allows exp(x) (3 + 2|x|) ULP, which with a division
/// is 20 for the x there are; three layers there and back, and a product in each, make that 8 times as much, 2e-5. Faults are off by 1e-2 and
/// more.
const ALLOWED: f64 = 3e-5;

/// How the weights of a layer are drawn: normal, of a variance that keeps the signal's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// 2 / (inputs + outputs) (Glorot and Bengio, 2010).
    Xavier,
    /// 16 times that: the slope of sigmoid at 0 is 1/4.
    XavierTimes4,
    /// 2 / inputs, since ReLU lets half of the signal through (He et al., 2015).
    He,
}

impl Init {
    /// Its name in figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xavier => "Xavier",
            Self::XavierTimes4 => "4 times Xavier",
            Self::He => "He",
        }
    }

    fn deviation(self, inputs: u32, outputs: u32) -> f64 {
        let xavier = (2.0 / (f64::from(inputs) + f64::from(outputs))).sqrt();
        match self {
            Self::Xavier => xavier,
            Self::XavierTimes4 => 4.0 * xavier,
            Self::He => (2.0 / f64::from(inputs)).sqrt(),
        }
    }
}

/// The shape of nets.
#[derive(Clone, Debug)]
pub struct Design {
    /// How many.
    pub nets: u32,
    /// Samples that each sees at once.
    pub batch: u32,
    /// Inputs, then the units of each layer.
    pub widths: Vec<u32>,
    /// f of every layer but the last.
    pub activation: &'static Activation,
}

impl Design {
    /// Layers, the last one included.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Elements of y below a layer (or, beyond the last, of the logits), all nets together.
    fn elements(&self, layer: usize) -> usize {
        self.nets as usize * self.batch as usize * self.widths[layer] as usize
    }

    /// Weights of a layer, all nets together.
    fn weights(&self, layer: usize) -> usize {
        self.nets as usize * self.widths[layer] as usize * self.widths[layer + 1] as usize
    }

    fn forward(&self, layer: usize) -> (Sizes, [Layout; 2]) {
        let (terms, columns) = (self.widths[layer], self.widths[layer + 1]);
        let sizes = Sizes { matrices: self.nets, rows: self.batch, columns, terms };
        (sizes, [Layout::Plain, Layout::Transposed])
    }

    /// dy below a layer.
    fn backward(&self, layer: usize) -> (Sizes, [Layout; 2]) {
        let (columns, terms) = (self.widths[layer], self.widths[layer + 1]);
        (
            Sizes { matrices: self.nets, rows: self.batch, columns, terms },
            [Layout::Plain, Layout::Plain],
        )
    }

    /// dW of a layer.
    fn gradient(&self, layer: usize) -> (Sizes, [Layout; 2]) {
        let (columns, rows) = (self.widths[layer], self.widths[layer + 1]);
        (
            Sizes { matrices: self.nets, rows, columns, terms: self.batch },
            [Layout::Transposed, Layout::Plain],
        )
    }

    /// Weights by layer, those of net after net, each net drawn from its own seed.
    #[must_use]
    pub fn draw(&self, init: Init, seeds: &[u64]) -> Vec<Vec<f32>> {
        assert_eq!(seeds.len(), self.nets as usize, "a seed for each net");
        let mut layers: Vec<Vec<f32>> =
            (0..self.layers()).map(|layer| Vec::with_capacity(self.weights(layer))).collect();
        for seed in seeds {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(*seed);
            for (layer, weights) in layers.iter_mut().enumerate() {
                let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
                weights.extend(normal(
                    &mut random,
                    inputs as usize * outputs as usize,
                    init.deviation(inputs, outputs),
                ));
            }
        }
        layers
    }
}

/// So many normal numbers.
pub fn normal(random: &mut Xoshiro256PlusPlus, count: usize, deviation: f64) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "rounded to f32, which is meant")]
    let draw = |_| (random.sample::<f64, _>(StandardNormal) * deviation) as f32;
    (0..count).map(draw).collect()
}

/// The texts that nets of an activation are made of.
#[derive(Clone)]
pub struct Texts {
    /// A layer with f.
    pub forward: String,
    /// The last layer.
    pub logits: String,
    /// dz of the layer below.
    pub backward: String,
    /// dW.
    pub gradient: String,
    /// W -= rate dW.
    pub descent: String,
    /// b -= rate db.
    pub bias_descent: String,
    /// The loss and its gradient.
    pub loss: String,
    /// Whether wgpu checks them.
    pub checks: ShaderChecks,
}

impl Texts {
    /// Those that are measured.
    #[must_use]
    pub fn of(activation: &'static Activation) -> Self {
        Self {
            forward: layer(activation),
            logits: layer(Activation::named("copy").expect("in the table")),
            backward: product(&activation_text(
                activation,
                Direction::Backward,
                include_str!("../../shaders/claims/layer_backward.wgsl"),
            )),
            gradient: matmul::wgsl(matmul::Epilogue::NONE),
            descent: product(include_str!("../../shaders/claims/descent.wgsl")),
            bias_descent: include_str!("../../shaders/claims/bias_descent.wgsl").to_owned(),
            loss: include_str!("../../shaders/claims/loss.wgsl").to_owned(),
            checks: ShaderChecks::Trusted,
        }
    }
}

/// The product of a layer with its bias and its activation in the epilogue.
#[must_use]
pub fn layer(activation: &'static Activation) -> String {
    product(&activation_text(
        activation,
        Direction::Forward,
        include_str!("../../shaders/claims/layer.wgsl"),
    ))
}

fn product(epilogue: &str) -> String {
    matmul::wgsl(matmul::Epilogue { name: "", wgsl: epilogue })
}

/// The default variant of an activation as `forward` or `backward`, in front of an epilogue.
fn activation_text(
    activation: &'static Activation,
    direction: Direction,
    epilogue: &str,
) -> String {
    [
        "alias T = vec4<f32>;",
        activation.wgsl,
        &call(activation, direction, direction.name()),
        epilogue,
    ]
    .join("\n")
}

/// A function of that name that is the default variant of an activation.
pub(super) fn call(activation: &'static Activation, direction: Direction, name: &str) -> String {
    let variant = Kernel::default_variant(activation, direction, Dtype::F32)
        .expect("a variant for each direction")
        .variant
        .name;
    let own = activation.name;
    match direction {
        Direction::Forward => format!("fn {name}(x: T) -> T {{ return {own}_{variant}(x); }}"),
        Direction::Backward => {
            format!("fn {name}(saved: T, dy: T) -> T {{ return {own}_{variant}(saved, dy); }}")
        }
    }
}

/// Compiled texts.
struct Programs {
    forward: Matmul,
    logits: Matmul,
    backward: Matmul,
    gradient: Matmul,
    descent: Matmul,
    bias_descent: Program,
    loss: Program,
}

impl Programs {
    fn compile(gpu: &Gpu, activation: &Activation, texts: &Texts) -> Result<Self> {
        use Layout::{Plain, Transposed};
        let name = |what: &str| format!("{what} of a net with {}", activation.name);
        let product =
            |a, b, what: &str, wgsl: &str| Matmul::of(gpu, a, b, &name(what), wgsl, texts.checks);
        Ok(Self {
            forward: product(Plain, Transposed, "a layer", &texts.forward)?,
            logits: product(Plain, Transposed, "the logits", &texts.logits)?,
            backward: product(Plain, Plain, "a layer's backward pass", &texts.backward)?,
            gradient: product(Transposed, Plain, "a gradient", &texts.gradient)?,
            descent: product(Transposed, Plain, "a step", &texts.descent)?,
            bias_descent: gpu.program(
                &name("a step of biases"),
                &texts.bias_descent,
                &[],
                texts.checks,
            )?,
            loss: gpu.program(&name("the loss"), &texts.loss, &[], texts.checks)?,
        })
    }
}

/// Nets on the adapter.
pub struct Net<'gpu> {
    gpu: &'gpu Gpu,
    /// Their shape.
    pub design: Design,
    programs: Programs,
    /// By layer, outputs by inputs.
    pub weights: Vec<Buffer>,
    /// By layer.
    pub biases: Vec<Buffer>,
    /// Inputs, then what each layer makes.
    pub y: Vec<Buffer>,
    /// By layer, the gradient of its z.
    pub dz: Vec<Buffer>,
}

impl<'gpu> Net<'gpu> {
    /// Nets whose weights, biases and inputs are zero.
    ///
    /// # Errors
    /// If the device has no room, or a text does not compile.
    pub fn new(gpu: &'gpu Gpu, design: Design, texts: &Texts) -> Result<Self> {
        let programs = Programs::compile(gpu, design.activation, texts)?;
        let layers = 0..design.layers();
        let buffers = |label: &str, elements: &dyn Fn(usize) -> usize| {
            layers
                .clone()
                .map(|layer| gpu.buffer(label, elements(layer)))
                .collect::<Result<Vec<_>>>()
        };
        let weights = buffers("weights", &|layer| design.weights(layer))?;
        let biases =
            buffers("biases", &|layer| design.nets as usize * design.widths[layer + 1] as usize)?;
        let dz = buffers("dz", &|layer| design.elements(layer + 1))?;
        let mut y = vec![gpu.buffer("inputs", design.elements(0))?];
        y.extend(buffers("y", &|layer| design.elements(layer + 1))?);
        Ok(Self { gpu, design, programs, weights, biases, y, dz })
    }

    /// Sets the weights, layer by layer, and the biases to zero.
    ///
    /// # Errors
    /// If the device fails.
    pub fn set_weights(&self, weights: &[Vec<f32>]) -> Result<()> {
        for ((buffer, bias), weights) in self.weights.iter().zip(&self.biases).zip(weights) {
            self.gpu.store(buffer, weights)?;
            self.gpu.store(bias, &vec![0.0f32; bias.words])?;
        }
        Ok(())
    }

    /// From the inputs to the logits.
    ///
    /// # Errors
    /// If the device does not allow as many workgroups.
    pub fn forward(&self) -> Result<Vec<Step>> {
        let last = self.design.layers() - 1;
        let step = |layer: usize| {
            let program =
                if layer == last { &self.programs.logits } else { &self.programs.forward };
            let buffers = [&self.y[layer], &self.weights[layer], &self.y[layer + 1]];
            program.step(self.gpu, self.design.forward(layer).0, buffers, &[&self.biases[layer]])
        };
        (0..=last).map(step).collect()
    }

    /// From dz of the last layer to dz of the first.
    ///
    /// # Errors
    /// If the device does not allow as many workgroups.
    pub fn backward(&self) -> Result<Vec<Step>> {
        (1..self.design.layers()).rev().map(|layer| self.backward_through(layer)).collect()
    }

    fn backward_through(&self, layer: usize) -> Result<Step> {
        let buffers = [&self.dz[layer], &self.weights[layer], &self.dz[layer - 1]];
        self.programs.backward.step(
            self.gpu,
            self.design.backward(layer).0,
            buffers,
            &[&self.y[layer]],
        )
    }

    /// dW of a layer into a buffer of as many elements as it has weights.
    ///
    /// # Errors
    /// If the device does not allow as many workgroups.
    pub fn gradient(&self, layer: usize, into: &Buffer) -> Result<Step> {
        let buffers = [&self.dz[layer], &self.y[layer], into];
        self.programs.gradient.step(self.gpu, self.design.gradient(layer).0, buffers, &[])
    }

    /// The loss and dz of the last layer, which has one unit.
    ///
    /// # Errors
    /// If the device does not allow as many workgroups.
    pub fn loss(&self, data: &Training) -> Result<Step> {
        let design = &self.design;
        assert_eq!(design.widths.last(), Some(&1), "one logit a sample");
        let last = design.layers() - 1;
        let buffers = [&self.dz[last], &data.losses, &data.made, &self.y[last + 1], &data.labels];
        self.gpu.step(
            &self.programs.loss,
            &buffers,
            &[design.batch, data.steps],
            [design.nets, 1, 1],
        )
    }

    /// One step of training: forward, the loss, backward, and every weight and bias down its gradient. A layer's weights are changed once the
    /// layer below has its gradient from them.
    ///
    /// # Errors
    /// If the device does not allow as many workgroups.
    pub fn training_step(&self, data: &Training) -> Result<Sequence> {
        let mut steps = self.forward()?;
        steps.push(self.loss(data)?);
        for layer in (0..self.design.layers()).rev() {
            if layer > 0 {
                steps.push(self.backward_through(layer)?);
            }
            let buffers = [&self.dz[layer], &self.y[layer], &self.weights[layer]];
            let sizes = self.design.gradient(layer).0;
            steps.push(self.programs.descent.step(self.gpu, sizes, buffers, &[&data.rates])?);
            let units = self.design.widths[layer + 1];
            let params = [self.design.nets, self.design.batch, units];
            let workgroups = [(self.design.nets * units).div_ceil(64), 1, 1];
            let buffers = [&self.biases[layer], &self.dz[layer], &data.rates];
            steps.push(self.gpu.step(
                &self.programs.bias_descent,
                &buffers,
                &params,
                workgroups,
            )?);
        }
        Ok(Sequence::new(
            format!("a training step of a net with {}", self.design.activation.name),
            steps,
        ))
    }
}

/// What training needs beside a net.
pub struct Training {
    steps: u32,
    labels: Buffer,
    rates: Buffer,
    /// Net by net, the loss before each step.
    losses: Buffer,
    made: Buffer,
}

impl Training {
    /// For so many steps of nets with these labels (those of net after net) and learning rates (one for each net).
    ///
    /// # Errors
    /// If the device has no room.
    pub fn new(gpu: &Gpu, steps: u32, labels: &[f32], rates: &[f32]) -> Result<Self> {
        Ok(Self {
            steps,
            labels: gpu.buffer_of("labels", labels)?,
            rates: gpu.buffer_of("learning rates", rates)?,
            losses: gpu.buffer("losses", rates.len() * steps as usize)?,
            made: gpu.buffer("steps made", rates.len())?,
        })
    }

    /// Net by net, the losses before each step.
    ///
    /// # Errors
    /// If the device fails.
    pub fn losses(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let losses: Vec<f32> = gpu.load(&self.losses)?;
        Ok(losses.chunks_exact(self.steps as usize).map(<[f32]>::to_vec).collect())
    }
}

/// The nets in f64.
#[derive(Clone)]
pub struct Twin {
    /// Their shape.
    pub design: Design,
    /// As of [`Net`].
    pub weights: Vec<Vec<f64>>,
    /// As of [`Net`].
    pub biases: Vec<Vec<f64>>,
}

impl Twin {
    /// Nets of these weights, which were drawn in f32.
    #[must_use]
    pub fn new(design: Design, weights: &[Vec<f32>]) -> Self {
        let biases = (1..design.widths.len())
            .map(|layer| vec![0.0; (design.nets * design.widths[layer]) as usize]);
        Self {
            biases: biases.collect(),
            weights: weights.iter().map(|layer| in_f64(layer)).collect(),
            design,
        }
    }

    /// z of a layer, from the y below it.
    fn sums(&self, layer: usize, below: &[f64]) -> Vec<f64> {
        let (sizes, layouts) = self.design.forward(layer);
        let mut z = matmul::product(sizes, layouts, below, &self.weights[layer]);
        let units = sizes.columns as usize;
        for (sample, z) in z.chunks_exact_mut(units).enumerate() {
            let net = sample / self.design.batch as usize;
            z.iter_mut().zip(&self.biases[layer][net * units..]).for_each(|(z, bias)| *z += bias);
        }
        z
    }

    /// The inputs, then what each layer makes of them.
    #[must_use]
    pub fn forward(&self, inputs: &[f32]) -> Vec<Vec<f64>> {
        let forward = self.design.activation.forward().expect("an activation");
        let mut y = vec![in_f64(inputs)];
        for layer in 0..self.design.layers() {
            let z = self.sums(layer, &y[layer]);
            if layer + 1 == self.design.layers() {
                y.push(z);
            } else {
                let mut made = vec![0.0; z.len()];
                forward.references(&z, &[], &mut made);
                y.push(made);
            }
        }
        y
    }

    /// By layer, the gradient of its z, given that of the last.
    #[must_use]
    pub fn backward(&self, y: &[Vec<f64>], last: Vec<f64>) -> Vec<Vec<f64>> {
        let backward = self.backward_pass();
        let mut from_the_last = vec![last];
        for layer in (1..self.design.layers()).rev() {
            let (sizes, layouts) = self.design.backward(layer);
            let dz = from_the_last.last().expect("the last at least");
            let dy = matmul::product(sizes, layouts, dz, &self.weights[layer]);
            let mut below = vec![0.0; dy.len()];
            backward.references(&y[layer], &dy, &mut below);
            from_the_last.push(below);
        }
        from_the_last.reverse();
        from_the_last
    }

    fn backward_pass(&self) -> Pass {
        let kernel =
            Kernel::default_variant(self.design.activation, Direction::Backward, Dtype::F32);
        kernel.expect("a backward pass").variant.pass
    }

    /// dW of a layer.
    #[must_use]
    pub fn gradient(&self, layer: usize, y: &[Vec<f64>], dz: &[Vec<f64>]) -> Vec<f64> {
        let (sizes, layouts) = self.design.gradient(layer);
        matmul::product(sizes, layouts, &dz[layer], &y[layer])
    }

    /// One step of training; returns the loss of each net before it.
    pub fn training_step(&mut self, inputs: &[f32], labels: &[f32], rates: &[f32]) -> Vec<f64> {
        let y = self.forward(inputs);
        let (batch, layers) = (self.design.batch as usize, self.design.layers());
        let logits = &y[layers];
        let loss = |(z, label): (&f64, &f32)| {
            z.max(0.0) - z * f64::from(*label) + (-z.abs()).exp().ln_1p()
        };
        let each: Vec<f64> = logits.iter().zip(labels).map(loss).collect();
        #[expect(clippy::cast_precision_loss, reason = "a batch")]
        let size = batch as f64;
        let losses = each.chunks_exact(batch).map(|net| net.iter().sum::<f64>() / size).collect();
        let slope = |(z, label): (&f64, &f32)| {
            (crate::kernels::reference::sigmoid(*z) - f64::from(*label)) / size
        };
        let dz = self.backward(&y, logits.iter().zip(labels).map(slope).collect());
        for layer in 0..layers {
            let gradient = self.gradient(layer, &y, &dz);
            let per_net = gradient.len() / rates.len();
            for (index, (weight, slope)) in self.weights[layer].iter_mut().zip(gradient).enumerate()
            {
                *weight -= f64::from(rates[index / per_net]) * slope;
            }
            let units = self.design.widths[layer + 1] as usize;
            for (sample, dz) in dz[layer].chunks_exact(units).enumerate() {
                let net = sample / batch;
                let biases = &mut self.biases[layer][net * units..][..units];
                biases
                    .iter_mut()
                    .zip(dz)
                    .for_each(|(bias, slope)| *bias -= f64::from(rates[net]) * slope);
            }
        }
        losses
    }
}

fn in_f64(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Small nets with their data, to be compared with their twins: whatever the user's seed, the same, so that no z is so close to 0 that rounding
/// could put it on the other side of ReLU's corner.
struct Small {
    design: Design,
    weights: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
    inputs: Vec<f32>,
    labels: Vec<f32>,
    rates: [f32; 2],
    /// A gradient of the logits.
    last: Vec<f32>,
}

impl Small {
    /// Steps of training.
    const STEPS: u32 = 3;

    fn new(activation: &'static Activation) -> Self {
        let design = Design { nets: 2, batch: 71, widths: vec![3, 21, 35, 18, 1], activation };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let (inputs, logits) = (design.elements(0), design.elements(design.layers()));
        Self {
            inputs: normal(&mut random, inputs, 1.0),
            labels: (0..logits).map(|_| f32::from(random.random::<bool>())).collect(),
            rates: [0.5, 0.25],
            weights: design.draw(Init::He, &[1, 2]),
            biases: (design.widths[1..].iter())
                .map(|units| normal(&mut random, (design.nets * units) as usize, 0.5))
                .collect(),
            last: normal(&mut random, logits, 1.0),
            design,
        }
    }
}

/// Compares small nets of an activation with their twins: what each layer makes, every gradient, and the losses, weights and biases of three
/// steps of training. Sizes are odd and differ, so that no two can be mistaken for one another.
///
/// # Errors
/// [`crate::error::Error::Mismatch`] with the tensor that differs; or if the device fails.
pub fn validate(gpu: &Gpu, activation: &'static Activation, texts: &Texts) -> Result<()> {
    let Small { design, weights, biases, inputs, labels, rates, last } = Small::new(activation);
    let net = Net::new(gpu, design.clone(), texts)?;
    net.set_weights(&weights)?;
    gpu.store(&net.y[0], &inputs)?;
    let mut twin = Twin::new(design.clone(), &weights);
    for (layer, biases) in biases.iter().enumerate() {
        gpu.store(&net.biases[layer], biases)?;
        twin.biases[layer] = in_f64(biases);
    }
    validate_passes(gpu, &net, &twin, &inputs, &last)?;

    let steps = Small::STEPS;
    let training = Training::new(gpu, steps, &labels, &rates)?;
    gpu.run_sequence(&net.training_step(&training)?, steps)?;
    let losses = training.losses(gpu)?;
    for step in 0..steps as usize {
        let expected = twin.training_step(&inputs, &labels, &rates);
        let actual: Vec<f32> = losses.iter().map(|losses| losses[step]).collect();
        check::within_norm(
            &format!("{}: the loss of step {step}", activation.name),
            &actual,
            &expected,
            ALLOWED,
        )?;
    }
    for layer in 0..design.layers() {
        let what = |what: &str| {
            format!("{}: {what} of layer {layer} after {steps} steps", activation.name)
        };
        check::within_norm(
            &what("weights"),
            &gpu.load(&net.weights[layer])?,
            &twin.weights[layer],
            ALLOWED,
        )?;
        check::within_norm(
            &what("biases"),
            &gpu.load(&net.biases[layer])?,
            &twin.biases[layer],
            10.0 * ALLOWED,
        )?;
    }
    Ok(())
}

/// What each layer makes, and every gradient, given that of the logits.
fn validate_passes(
    gpu: &Gpu,
    net: &Net<'_>,
    twin: &Twin,
    inputs: &[f32],
    last: &[f32],
) -> Result<()> {
    let layers = net.design.layers();
    let name = net.design.activation.name;
    gpu.store(&net.dz[layers - 1], last)?;
    let mut steps = net.forward()?;
    steps.extend(net.backward()?);
    let gradients: Vec<Buffer> =
        net.weights.iter().map(|weights| gpu.buffer("dW", weights.words)).collect::<Result<_>>()?;
    for (layer, into) in gradients.iter().enumerate() {
        steps.push(net.gradient(layer, into)?);
    }
    gpu.run_sequence(&Sequence::new(format!("a net with {name}"), steps), 1)?;
    let y = twin.forward(inputs);
    let dz = twin.backward(&y, in_f64(last));
    for layer in 0..layers {
        let what = |what: &str| format!("{name}: {what} of layer {layer}");
        check::within_norm(&what("y"), &gpu.load(&net.y[layer + 1])?, &y[layer + 1], ALLOWED)?;
        check::within_norm(&what("dz"), &gpu.load(&net.dz[layer])?, &dz[layer], ALLOWED)?;
        let gradient = twin.gradient(layer, &y, &dz);
        check::within_norm(&what("dW"), &gpu.load(&gradients[layer])?, &gradient, ALLOWED)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::gpu::Choice;

    fn gpu() -> Gpu {
        Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter")
    }

    fn both() -> [&'static Activation; 2] {
        ["relu", "sigmoid"].map(|name| Activation::named(name).expect("in the table"))
    }

    #[test]
    fn nets_are_as_in_f64() {
        let gpu = gpu();
        for activation in both() {
            validate(&gpu, activation, &Texts::of(activation)).expect("within bounds");
        }
    }

    #[test]
    fn no_z_of_the_small_nets_is_near_relus_corner() {
        let relu = both()[0];
        let small = Small::new(relu);
        let mut twin = Twin::new(small.design.clone(), &small.weights);
        twin.biases = small.biases.iter().map(|biases| in_f64(biases)).collect();
        for step in 0..Small::STEPS {
            let y = twin.forward(&small.inputs);
            for (layer, below) in y[..small.design.layers() - 1].iter().enumerate() {
                let least = twin
                    .sums(layer, below)
                    .into_iter()
                    .fold(f64::INFINITY, |least, z| least.min(z.abs()));
                // Sums of 35 terms of size 1 are off by 1e-6 at most.
                assert!(least > 1e-5, "step {step}, layer {layer}: {least:e}");
            }
            twin.training_step(&small.inputs, &small.labels, &small.rates);
        }
    }

    #[test]
    fn a_net_that_is_wrong_is_found() {
        type Text = fn(&mut Texts) -> &mut String;
        let gpu = gpu();
        let plants: [(Text, &str, &str); 12] = [
            (|texts| &mut texts.forward, "return forward(sum + ", "return forward(sum - "),
            (|texts| &mut texts.forward, "matrix * params.columns + columns", "columns"),
            (|texts| &mut texts.logits, "_plain(x)", "_plain(abs(x))"),
            // The backward pass: its mask, its operands, the places it reads.
            (|texts| &mut texts.backward, "return backward(", "return sum + 0.0 * backward("),
            (|texts| &mut texts.backward, "y[at.w]), sum)", "y[at.w]), abs(sum))"),
            (|texts| &mut texts.backward, "y[at.x], y[at.y]", "y[at.y], y[at.x]"),
            (|texts| &mut texts.gradient, "return sum;", "return 2.0 * sum;"),
            (|texts| &mut texts.descent, "- rates[matrix]", "+ rates[matrix]"),
            (|texts| &mut texts.descent, "rates[matrix]", "rates[0]"),
            (
                |texts| &mut texts.bias_descent,
                "sample < params.batch",
                "sample < params.batch - 1u",
            ),
            (|texts| &mut texts.loss, "sample += LANES", "sample += LANES + 1u"),
            (|texts| &mut texts.loss, "p - labels[at]", "labels[at] - p"),
        ];
        for activation in both() {
            for (text, find, replace) in plants {
                let mut texts = Texts { checks: ShaderChecks::Checked, ..Texts::of(activation) };
                let planted = text(&mut texts).replacen(find, replace, 1);
                assert_ne!(planted, *text(&mut texts), "{find} is not there");
                *text(&mut texts) = planted;
                let error = validate(&gpu, activation, &texts).err();
                assert!(
                    matches!(error, Some(Error::Mismatch(_))),
                    "{}: {find}: {error:?}",
                    activation.name
                );
            }
        }
    }

    #[test]
    fn the_gradients_of_the_twin_are_those_of_its_loss() {
        for activation in both() {
            let design = Design { nets: 1, batch: 5, widths: vec![2, 4, 3, 1], activation };
            let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
            let inputs = normal(&mut random, 10, 1.0);
            let labels = [1.0, 0.0, 0.0, 1.0, 1.0];
            let mut twin = Twin::new(design.clone(), &design.draw(Init::He, &[4]));
            // With biases of zero, samples that no unit lets through would stand at ReLU's corner.
            for biases in &mut twin.biases {
                *biases = in_f64(&normal(&mut random, biases.len(), 0.5));
            }
            let loss = |twin: &Twin| twin.clone().training_step(&inputs, &labels, &[0.0])[0];
            // A step of rate 1 moves each weight and bias by its gradient.
            let mut moved = twin.clone();
            moved.training_step(&inputs, &labels, &[1.0]);
            let h = 1e-5;
            for layer in 0..design.layers() {
                type Part = fn(&mut Twin, usize) -> &mut Vec<f64>;
                let parts: [Part; 2] =
                    [|twin, layer| &mut twin.weights[layer], |twin, layer| &mut twin.biases[layer]];
                for part in parts {
                    let (mut before, mut after) = (twin.clone(), moved.clone());
                    for index in 0..part(&mut before, layer).len() {
                        let gradient =
                            part(&mut before, layer)[index] - part(&mut after, layer)[index];
                        let at = |by: f64| {
                            let mut shifted = twin.clone();
                            part(&mut shifted, layer)[index] += by;
                            loss(&shifted)
                        };
                        let slope = (at(h) - at(-h)) / (2.0 * h);
                        assert!(
                            (gradient - slope).abs() < 1e-8,
                            "{} {layer} {index}: {gradient} {slope}",
                            activation.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn training_repeats_bit_by_bit() {
        let gpu = gpu();
        let activation = both()[0];
        let design = Design { nets: 2, batch: 100, widths: vec![2, 32, 32, 1], activation };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let inputs = normal(&mut random, 400, 1.0);
        let labels: Vec<f32> = (0..200).map(|_| f32::from(random.random::<bool>())).collect();
        let losses = || {
            let net = Net::new(&gpu, design.clone(), &Texts::of(activation)).expect("room");
            net.set_weights(&design.draw(Init::He, &[1, 2])).expect("the device works");
            gpu.store(&net.y[0], &inputs).expect("the device works");
            let training = Training::new(&gpu, 50, &labels, &[0.1, 0.2]).expect("room");
            gpu.run_sequence(&net.training_step(&training).expect("few workgroups"), 50)
                .expect("the device works");
            let bits = |losses: Vec<f32>| losses.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            training
                .losses(&gpu)
                .expect("the device works")
                .into_iter()
                .map(bits)
                .collect::<Vec<_>>()
        };
        let first = losses();
        assert!(f32::from_bits(first[0][49]) < f32::from_bits(first[0][0]), "it does not learn");
        assert!((0..3).all(|_| losses() == first));
    }
}
