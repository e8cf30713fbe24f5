//! A kernel: an activation's variant over a dtype. Its id, its WGSL, its tensors, and from these
//! the bytes it moves.

use crate::kernels::activation::{Activation, Direction, ForwardKind, Pass, Saved, Variant};
use crate::kernels::dtype::{Dtype, Format};

/// What a tensor is to a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The input of a forward pass.
    X,
    /// What the forward pass kept, read by the backward pass.
    Saved(Saved),
    /// The gradient of the output.
    Dy,
    /// What the kernel writes: y forward, dx backward.
    Result,
    /// One bit an element that a forward pass writes beside y.
    MaskResult,
}

/// One compute kernel. Shape (workgroup size, words per invocation) is not part of it.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// What is computed.
    pub activation: &'static Activation,
    /// How.
    pub variant: &'static Variant,
    /// On what.
    pub dtype: Dtype,
}

/// Every kernel: all variants of all activations over all dtypes, in the order of tables.
pub fn all() -> impl Iterator<Item = Kernel> {
    Dtype::ALL.into_iter().flat_map(|dtype| {
        Direction::ALL.into_iter().flat_map(move |direction| {
            let of = move |activation| kernels_of(activation, direction, dtype);
            Activation::all().flat_map(of)
        })
    })
}

/// The variants of an activation, the default first.
fn kernels_of(
    activation: &'static Activation,
    direction: Direction,
    dtype: Dtype,
) -> impl Iterator<Item = Kernel> {
    let wanted = move |variant: &&Variant| {
        variant.pass.direction() == direction && variant.dtypes.contains(&dtype)
    };
    let kernel = move |variant| Kernel { activation, variant, dtype };
    activation.variants.iter().filter(wanted).map(kernel)
}

impl Kernel {
    /// The default variant of an activation for a direction, if it has one.
    pub fn default_variant(
        activation: &'static Activation,
        direction: Direction,
        dtype: Dtype,
    ) -> Option<Self> {
        kernels_of(activation, direction, dtype).next()
    }

    /// Which pass it belongs to.
    pub fn direction(&self) -> Direction {
        self.variant.pass.direction()
    }

    /// Its id without a size, such as `forward/f32/elu/expm1`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.direction().name(), self.dtype.name(), self.member_id())
    }

    /// Its id at a size, such as `forward/f32/n=16777216/elu/expm1`: the group first, so
    /// that what is compared prints together.
    pub fn id(&self, elements: u64) -> String {
        format!("{}/{}", group_id(self.direction(), self.dtype, elements), self.member_id())
    }

    /// The part of the id that differs within its group, such as `elu/expm1`.
    pub fn member_id(&self) -> String {
        format!("{}/{}", self.activation.name, self.variant.name)
    }

    /// Its tensors in the order of their bindings, which start at 1: what it writes, the result
    /// first, then what it reads.
    pub fn tensors(&self) -> &'static [Role] {
        match self.variant.pass {
            Pass::Forward { kind: ForwardKind::WithMask, .. } => {
                &[Role::Result, Role::MaskResult, Role::X]
            }
            Pass::Forward { .. } => &[Role::Result, Role::X],
            Pass::Backward { saved, .. } => match saved {
                Saved::X => &[Role::Result, Role::Saved(Saved::X), Role::Dy],
                Saved::Y => &[Role::Result, Role::Saved(Saved::Y), Role::Dy],
                Saved::Mask => &[Role::Result, Role::Saved(Saved::Mask), Role::Dy],
            },
        }
    }

    /// The tensors it reads.
    pub fn inputs(&self) -> impl Iterator<Item = Role> {
        self.tensors().iter().copied().filter(|role| !role.is_written())
    }

    /// Whether it reads that tensor.
    pub fn reads(&self, role: Role) -> bool {
        self.inputs().any(|input| input == role)
    }

    /// Bytes that it has to move for `elements` elements: each tensor once.
    pub fn bytes(&self, elements: u64) -> u64 {
        let bytes = |role: &Role| {
            if role.is_mask() {
                elements.div_ceil(32) * 4
            } else {
                elements * self.dtype.element_bytes()
            }
        };
        self.tensors().iter().map(bytes).sum()
    }

    /// Words that an invocation takes at a time: those of a u32 of mask, where there is one.
    pub fn words_per_unit(&self) -> u64 {
        let has_mask = self.tensors().iter().any(|role| role.is_mask());
        if has_mask { 2 * self.dtype.element_bytes() } else { 1 }
    }

    /// Its whole WGSL: dtype, activation, a line or two of glue, the words of an invocation,
    /// driver.
    pub fn wgsl(&self) -> String {
        let function = format!("{}_{}", self.activation.name, self.variant.name);
        self.wgsl_of(self.activation.wgsl, &function)
    }

    /// [`Self::wgsl`] around another function of the same operands, and the text that defines it.
    pub fn wgsl_of(&self, definitions: &str, function: &str) -> String {
        let forward = format!("fn forward(x: T) -> T {{ return {function}(x); }}\n");
        let backward =
            format!("fn backward(saved: T, dy: T) -> T {{ return {function}(saved, dy); }}\n");
        let (glue, driver) = match self.variant.pass {
            Pass::Forward { kind: ForwardKind::WithMask, .. } => (
                format!(
                    "{forward}fn mask_bits(x: T) -> vec4<bool> {{ return {function}_bits(x); }}\n"
                ),
                include_str!("../../shaders/drivers/forward_mask.wgsl"),
            ),
            Pass::Forward { .. } => (forward, include_str!("../../shaders/drivers/forward.wgsl")),
            Pass::Backward { saved: Saved::Mask, .. } => {
                (backward, include_str!("../../shaders/drivers/backward_mask.wgsl"))
            }
            Pass::Backward { .. } => {
                (backward, include_str!("../../shaders/drivers/backward.wgsl"))
            }
        };
        let dtype = if self.is_raw() {
            include_str!("../../shaders/dtypes/raw.wgsl")
        } else {
            self.dtype.wgsl()
        };
        let words = include_str!("../../shaders/drivers/words.wgsl");
        [dtype, definitions, &glue, words, driver].join("\n")
    }

    /// Whether it moves bits without arithmetic.
    pub fn is_raw(&self) -> bool {
        matches!(self.variant.pass, Pass::Forward { kind: ForwardKind::Raw, .. })
    }

    /// Whether it stores results two at a time by pack2x16float.
    pub fn packs_pairs(&self) -> bool {
        self.dtype.computed_in() != self.dtype && !self.is_raw()
    }

    /// Whether its shader needs 16-bit floats as a feature of the adapter.
    pub fn needs_shader_f16(&self) -> bool {
        self.dtype.arithmetic() == Format::F16 && !self.is_raw()
    }
}

impl Role {
    /// Whether a kernel writes it.
    pub fn is_written(self) -> bool {
        matches!(self, Self::Result | Self::MaskResult)
    }

    /// Whether it has one bit an element.
    pub fn is_mask(self) -> bool {
        matches!(self, Self::MaskResult | Self::Saved(Saved::Mask))
    }
}

/// The id of kernels that are compared with one another, such as `forward/f32/n=16777216`.
pub fn group_id(direction: Direction, dtype: Dtype, elements: u64) -> String {
    format!("{}/{}/n={elements}", direction.name(), dtype.name())
}
