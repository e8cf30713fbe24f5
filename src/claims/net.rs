//! Fully connected nets on the adapter, as many at once as there are seeds, and their twins on the
//! CPU in f64.
//!
//! Layer l makes z = y W^T + b and y = f(z) of the y below it; going back, dz of the layer below is
//! f'(y) (dz W). The last layer has no f: what comes out are logits. All nets of a [`Net`] have one
//! shape and lie one behind the other in every buffer, so that a dispatch serves them all; each has
//! weights, data and a learning rate of its own.

mod twin;

use rand::RngExt;
use rand_distr::StandardNormal;

use super::matmul::{self, Layout, Matmul, Sizes};
use super::{Random, named, random_of, to_f32};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Program, Sequence, ShaderChecks, Step};
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;

pub use twin::{Twin, validate};

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
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Elements of y below a layer (or, beyond the last, of the logits), all nets together.
    fn elements(&self, layer: usize) -> usize {
        self.nets as usize * self.batch as usize * self.widths[layer] as usize
    }

    fn forward(&self, layer: usize) -> (Sizes, [Layout; 2]) {
        let (terms, columns) = (self.widths[layer], self.widths[layer + 1]);
        let sizes = Sizes { matrices: self.nets, rows: self.batch, columns, terms };
        (sizes, [Layout::Plain, Layout::Transposed])
    }

    /// dy below a layer.
    fn backward(&self, layer: usize) -> (Sizes, [Layout; 2]) {
        let (columns, terms) = (self.widths[layer], self.widths[layer + 1]);
        let sizes = Sizes { matrices: self.nets, rows: self.batch, columns, terms };
        (sizes, [Layout::Plain, Layout::Plain])
    }

    /// dW of a layer.
    fn gradient(&self, layer: usize) -> (Sizes, [Layout; 2]) {
        let (columns, rows) = (self.widths[layer], self.widths[layer + 1]);
        let sizes = Sizes { matrices: self.nets, rows, columns, terms: self.batch };
        (sizes, [Layout::Transposed, Layout::Plain])
    }

    /// Weights by layer, those of net after net: with each of these initialisations a net of each
    /// seed.
    pub fn draw(&self, inits: &[Init], seeds: &[u64]) -> Vec<Vec<f32>> {
        assert_eq!(inits.len() * seeds.len(), self.nets as usize, "a seed for each net");
        let mut layers = vec![Vec::new(); self.layers()];
        for init in inits {
            for seed in seeds {
                let mut random = random_of(*seed);
                for (weights, widths) in layers.iter_mut().zip(self.widths.windows(2)) {
                    let count = widths[0] as usize * widths[1] as usize;
                    let deviation = init.deviation(widths[0], widths[1]);
                    weights.extend(normal(&mut random, count, deviation));
                }
            }
        }
        layers
    }
}

/// So many normal numbers.
pub fn normal(random: &mut Random, count: usize, deviation: f64) -> Vec<f32> {
    let draw = |_| to_f32(random.sample::<f64, _>(StandardNormal) * deviation);
    (0..count).map(draw).collect()
}

/// The texts that nets of an activation are made of.
pub struct Texts {
    /// A layer with f.
    pub forward: String,
    /// The last layer.
    pub logits: String,
    /// dz of the layer below.
    pub backward: String,
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
    pub fn of(activation: &'static Activation) -> Self {
        Self {
            forward: layer(activation),
            logits: layer(named("copy")),
            backward: with_activation(
                activation,
                Direction::Backward,
                include_str!("../../shaders/claims/layer_backward.wgsl"),
            ),
            descent: matmul::wgsl(include_str!("../../shaders/claims/descent.wgsl")),
            bias_descent: include_str!("../../shaders/claims/bias_descent.wgsl").to_owned(),
            loss: include_str!("../../shaders/claims/loss.wgsl").to_owned(),
            checks: ShaderChecks::Trusted,
        }
    }
}

/// The product of a layer with its bias and its activation in the epilogue.
pub fn layer(activation: &'static Activation) -> String {
    let epilogue = include_str!("../../shaders/claims/layer.wgsl");
    with_activation(activation, Direction::Forward, epilogue)
}

/// A product with the default variant of an activation as `forward` or `backward` in its epilogue.
fn with_activation(of: &'static Activation, direction: Direction, epilogue: &str) -> String {
    let call = call(of, direction, direction.name());
    matmul::wgsl(&["alias T = vec4<f32>;", of.wgsl, &call, epilogue].join("\n"))
}

/// The default variant of an activation.
pub fn kernel(activation: &'static Activation, direction: Direction) -> Kernel {
    Kernel::default_variant(activation, direction, Dtype::F32).expect("one for each direction")
}

/// A function of that name that is the default variant of an activation.
pub fn call(activation: &'static Activation, direction: Direction, name: &str) -> String {
    let variant = kernel(activation, direction).variant.name;
    let own = activation.name;
    match direction {
        Direction::Forward => format!("fn {name}(x: T) -> T {{ return {own}_{variant}(x); }}"),
        Direction::Backward => {
            format!("fn {name}(saved: T, dy: T) -> T {{ return {own}_{variant}(saved, dy); }}")
        }
    }
}

/// Sigmoid and ReLU, whose nets were compared with their twins.
pub fn validated(gpu: &Gpu) -> Result<[&'static Activation; 2]> {
    let both = ["sigmoid", "relu"].map(named);
    for activation in both {
        validate(gpu, activation, &Texts::of(activation))?;
    }
    Ok(both)
}

/// Nets on the adapter.
pub struct Net<'gpu> {
    gpu: &'gpu Gpu,
    /// Their shape.
    pub design: Design,
    forward: Matmul,
    logits: Matmul,
    backward: Matmul,
    descent: Matmul,
    bias_descent: Program,
    loss: Program,
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
    pub fn new(gpu: &'gpu Gpu, design: Design, texts: &Texts) -> Result<Self> {
        use Layout::{Plain, Transposed};
        let name = |what: &str| format!("{what} of a net with {}", design.activation.name);
        let product = |a, b, what: &str, wgsl: &str| {
            Matmul::new(gpu, [a, b], &name(what), wgsl, texts.checks)
        };
        let program = |what: &str, wgsl: &str| gpu.program(&name(what), wgsl, &[], texts.checks);
        let (mut weights, mut biases, mut dz) = (Vec::new(), Vec::new(), Vec::new());
        let mut y = vec![gpu.buffer("inputs", design.elements(0))?];
        for layer in 0..design.layers() {
            let [_, of_weights, of_z] = design.forward(layer).0.elements();
            let units = design.nets * design.widths[layer + 1];
            weights.push(gpu.buffer("weights", of_weights)?);
            biases.push(gpu.buffer("biases", units as usize)?);
            y.push(gpu.buffer("y", of_z)?);
            dz.push(gpu.buffer("dz", of_z)?);
        }
        Ok(Self {
            gpu,
            forward: product(Plain, Transposed, "a layer", &texts.forward)?,
            logits: product(Plain, Transposed, "the logits", &texts.logits)?,
            backward: product(Plain, Plain, "a layer's backward pass", &texts.backward)?,
            descent: product(Transposed, Plain, "a step", &texts.descent)?,
            bias_descent: program("a step of biases", &texts.bias_descent)?,
            loss: program("the loss", &texts.loss)?,
            design,
            weights,
            biases,
            y,
            dz,
        })
    }

    /// Sets the weights, layer by layer, and the biases to zero.
    pub fn set_weights(&self, weights: &[Vec<f32>]) -> Result<()> {
        for ((buffer, bias), weights) in self.weights.iter().zip(&self.biases).zip(weights) {
            self.gpu.store(buffer, weights)?;
            self.gpu.store(bias, &vec![0.0f32; bias.words])?;
        }
        Ok(())
    }

    /// From the inputs to the logits.
    pub fn forward(&self) -> Result<Vec<Step>> {
        let last = self.design.layers() - 1;
        let step = |layer: usize| {
            let program = if layer == last { &self.logits } else { &self.forward };
            let buffers = [&self.y[layer], &self.weights[layer], &self.y[layer + 1]];
            program.step(self.gpu, self.design.forward(layer).0, buffers, &[&self.biases[layer]])
        };
        (0..=last).map(step).collect()
    }

    /// From dz of the last layer to dz of the first.
    pub fn backward(&self) -> Result<Vec<Step>> {
        (1..self.design.layers()).rev().map(|layer| self.backward_through(layer)).collect()
    }

    fn backward_through(&self, layer: usize) -> Result<Step> {
        let buffers = [&self.dz[layer], &self.weights[layer], &self.dz[layer - 1]];
        let sizes = self.design.backward(layer).0;
        self.backward.step(self.gpu, sizes, buffers, &[&self.y[layer]])
    }

    /// Weights of a layer down their gradient: those of the nets, or others.
    fn descend(&self, layer: usize, weights: &Buffer, rates: &Buffer) -> Result<Step> {
        let buffers = [&self.dz[layer], &self.y[layer], weights];
        self.descent.step(self.gpu, self.design.gradient(layer).0, buffers, &[rates])
    }

    /// The loss and dz of the last layer, which has one unit.
    fn loss(&self, data: &Training) -> Result<Step> {
        let design = &self.design;
        assert_eq!(design.widths.last(), Some(&1), "one logit a sample");
        let last = design.layers() - 1;
        let buffers = [&self.dz[last], &data.losses, &data.made, &self.y[last + 1], &data.labels];
        let params = [design.batch, data.steps];
        self.gpu.step(&self.loss, &buffers, &params, [design.nets, 1, 1])
    }

    /// One step of training: forward, the loss, backward, and every weight and bias down its
    /// gradient. A layer's weights are changed once the layer below has its gradient from them.
    pub fn training_step(&self, data: &Training) -> Result<Sequence> {
        let mut steps = self.forward()?;
        steps.push(self.loss(data)?);
        for layer in (0..self.design.layers()).rev() {
            if layer > 0 {
                steps.push(self.backward_through(layer)?);
            }
            steps.push(self.descend(layer, &self.weights[layer], &data.rates)?);
            let units = self.design.widths[layer + 1];
            let params = [self.design.nets, self.design.batch, units];
            let workgroups = [(self.design.nets * units).div_ceil(64), 1, 1];
            let buffers = [&self.biases[layer], &self.dz[layer], &data.rates];
            steps.push(self.gpu.step(&self.bias_descent, &buffers, &params, workgroups)?);
        }
        let name = format!("a training step of a net with {}", self.design.activation.name);
        Ok(Sequence::new(name, steps))
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
    /// For so many steps of nets with these labels (those of net after net) and learning rates (one
    /// for each net).
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
    pub fn losses(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let losses: Vec<f32> = gpu.load(&self.losses)?;
        Ok(losses.chunks_exact(self.steps as usize).map(<[f32]>::to_vec).collect())
    }
}
