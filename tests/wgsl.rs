//! Every kernel's WGSL through the validator that wgpu uses, without an adapter, compared with its
//! ids, bindings and bytes.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use actbench::kernels::activation::{Activation, Direction, ForwardKind, Pass, Variant};
use actbench::kernels::chain::Chain;
use actbench::kernels::dtype::Dtype;
use actbench::kernels::kernel::{self, Kernel};
use naga::compact::{KeepUnused, compact};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess, TypeInner};

fn parsed(kernel: &Kernel) -> Module {
    let wgsl = kernel.wgsl();
    naga::front::wgsl::parse_str(&wgsl)
        .unwrap_or_else(|error| panic!("{}:\n{}", kernel.path(), error.emit_to_string(&wgsl)))
}

/// The validator's error; none if the module is valid.
fn complaint(kernel: &Kernel, capabilities: Capabilities) -> Option<String> {
    let module = parsed(kernel);
    let error = Validator::new(ValidationFlags::all(), capabilities).validate(&module).err()?;
    Some(format!("{}:\n{}", kernel.path(), error.emit_to_string(&kernel.wgsl())))
}

/// What the kernel says it needs. pack2x16float is in WGSL itself, but wgpu does not offer it on an
/// llvmpipe without f16.
fn capabilities(kernel: &Kernel) -> Capabilities {
    match (kernel.needs_shader_f16(), kernel.packs_pairs()) {
        (true, _) => Capabilities::SHADER_FLOAT16,
        (false, true) => Capabilities::SHADER_FLOAT16_IN_FLOAT32,
        (false, false) => Capabilities::empty(),
    }
}

fn named(activation: &str, variant: &str, dtype: Dtype) -> Kernel {
    let fits = |kernel: &Kernel| {
        kernel.activation.name == activation
            && kernel.variant.name == variant
            && kernel.dtype == dtype
    };
    kernel::all()
        .find(fits)
        .unwrap_or_else(|| panic!("no kernel {activation}/{variant} in {}", dtype.name()))
}

fn function_of(activation: &Activation, variant: &Variant) -> String {
    format!("{}_{}", activation.name, variant.name)
}

#[test]
fn every_kernel_is_valid_with_the_features_it_says_it_needs() {
    let mut checked = 0;
    for kernel in kernel::all() {
        assert_eq!(complaint(&kernel, capabilities(&kernel)).unwrap_or_default(), "");
        checked += 1;
    }
    // All variants of all activations, each over the dtypes that it is written for.
    let variants = Activation::all().flat_map(|activation| activation.variants);
    let dtypes = |variant: &Variant| {
        Dtype::ALL.into_iter().filter(|dtype| variant.dtypes.contains(dtype)).count()
    };
    assert_eq!(checked, variants.map(dtypes).sum::<usize>());
}

#[test]
fn no_kernel_asks_for_a_feature_in_vain() {
    for kernel in kernel::all().filter(|kernel| !capabilities(kernel).is_empty()) {
        assert!(
            complaint(&kernel, Capabilities::empty()).is_some(),
            "{} does without",
            kernel.path()
        );
    }
}

#[test]
fn chains_need_no_capability() {
    let wgsl = Chain::fma().wgsl();
    let module = naga::front::wgsl::parse_str(&wgsl)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
    let valid = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module);
    valid.unwrap_or_else(|error| panic!("{}", error.emit_to_string(&wgsl)));
}

#[test]
fn bindings_are_the_tensors_that_the_kernel_names() {
    for kernel in kernel::all() {
        let (module, path) = (parsed(&kernel), kernel.path());
        assert_eq!(
            module.global_variables.len(),
            kernel.tensors().len() + 1,
            "{path}: the uniform and its tensors"
        );
        let variable = |binding: u32| {
            let mut variables = module.global_variables.iter().map(|(_, variable)| variable);
            let is_bound = |own: &&naga::GlobalVariable| {
                own.binding.is_some_and(|at| (at.group, at.binding) == (0, binding))
            };
            variables.find(is_bound).unwrap_or_else(|| panic!("{path}: no binding {binding}"))
        };
        assert_eq!(variable(0).space, AddressSpace::Uniform, "{path}");
        for (binding, role) in (1..).zip(kernel.tensors()) {
            let variable = variable(binding);
            let read = StorageAccess::LOAD;
            let access = if role.is_written() { read | StorageAccess::STORE } else { read };
            assert_eq!(variable.space, AddressSpace::Storage { access }, "{path}: {role:?}");
            // A word of 16 bytes, or 32 bits of mask.
            let stride = if role.is_mask() { 4 } else { 16 };
            match module.types[variable.ty].inner {
                TypeInner::Array { stride: actual, .. } => {
                    assert_eq!(actual, stride, "{path}: {role:?}");
                }
                ref other => panic!("{path}: {role:?} is {other:?}"),
            }
        }
    }
}

#[test]
fn the_entry_point_is_main_and_the_overrides_are_the_shape() {
    for kernel in kernel::all() {
        let (module, path) = (parsed(&kernel), kernel.path());
        let entries: Vec<_> =
            module.entry_points.iter().map(|entry| (&*entry.name, entry.stage)).collect();
        assert_eq!(entries, [("main", ShaderStage::Compute)], "{path}");
        let overrides: BTreeSet<_> =
            module.overrides.iter().filter_map(|(_, own)| own.name.as_deref()).collect();
        assert_eq!(overrides, BTreeSet::from(["units_per_invocation", "workgroup_size"]), "{path}");
        assert_eq!(module.overrides.len(), overrides.len(), "{path}: an override has no name");
    }
}

#[test]
fn ids_are_unique_and_name_direction_dtype_activation_variant() {
    let mut seen = HashSet::new();
    for kernel in kernel::all() {
        let path = kernel.path();
        let parts: Vec<&str> = path.split('/').collect();
        let [direction, dtype, activation, variant] = parts[..] else {
            panic!("{path}: {} parts", parts.len())
        };
        assert!(Direction::ALL.iter().any(|known| known.name() == direction), "{path}");
        assert!(Dtype::ALL.iter().any(|known| known.name() == dtype), "{path}");
        let activation =
            Activation::named(activation).unwrap_or_else(|| panic!("{path}: no such activation"));
        assert!(activation.variants.iter().any(|known| known.name == variant), "{path}");
        let plain = |part: &&str| {
            part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        assert!(parts.iter().all(|part| !part.is_empty()) && parts.iter().all(plain), "{path}");
        let id = kernel.id(4096);
        assert_eq!(id, format!("{direction}/{dtype}/n=4096/{}/{variant}", activation.name));
        // Criterion cuts longer names, and two that were cut may be the same.
        assert!(id.len() + "16777216".len() <= 64, "{id}");
        assert!(seen.insert(path.clone()), "{path} twice");
    }
}

#[test]
fn every_variant_has_its_function_and_no_function_is_left_over() {
    for activation in Activation::all() {
        let kernels: Vec<Kernel> =
            kernel::all().filter(|kernel| std::ptr::eq(kernel.activation, activation)).collect();
        // Not every dtype compiles every function: an entry point reaches what it calls.
        let (mut written, mut reached) = (BTreeSet::new(), BTreeSet::new());
        for kernel in &kernels {
            let mut module = parsed(kernel);
            let function = function_of(activation, kernel.variant);
            assert!(
                functions(&module).contains(&function),
                "{}: no function {function}",
                kernel.path()
            );
            written.extend(functions(&module));
            compact(&mut module, KeepUnused::No);
            let own = functions(&module);
            assert!(own.contains(&function), "{} does not call {function}", kernel.path());
            if matches!(kernel.variant.pass, Pass::Forward { kind: ForwardKind::WithMask, .. }) {
                assert!(
                    own.contains(&format!("{function}_bits")),
                    "{} keeps no mask",
                    kernel.path()
                );
            }
            reached.extend(own);
        }
        let left_over: Vec<_> = written.difference(&reached).collect();
        assert!(left_over.is_empty(), "no variant of {} uses {left_over:?}", activation.name);
    }
}

fn functions(module: &Module) -> BTreeSet<String> {
    module.functions.iter().filter_map(|(_, function)| function.name.clone()).collect()
}

#[test]
fn every_shader_file_is_part_of_some_kernel_or_chain() {
    let texts: Vec<String> =
        kernel::all().map(|kernel| kernel.wgsl()).chain([Chain::fma().wgsl()]).collect();
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = 0;
    for folder in ["dtypes", "activations", "drivers"] {
        for entry in fs::read_dir(shaders.join(folder)).expect("a folder of shaders") {
            let path = entry.expect("a file").path();
            let text = fs::read_to_string(&path).expect("a text");
            assert!(
                texts.iter().any(|wgsl| wgsl.contains(&text)),
                "nothing uses {}",
                path.display()
            );
            files += 1;
        }
    }
    assert!(files > 0, "no shaders in {}", shaders.display());
}

#[test]
fn bytes_are_those_that_one_counts_by_hand() {
    use Dtype::{F16, F16Native, F32};

    // Activation, variant, dtype, elements, bytes.
    let cases = [
        // x and y: 8 bytes an element in f32, 4 in f16.
        ("relu", "plain", F32, 1000, 8000),
        ("sigmoid", "two_sided", F32, 1 << 24, 1 << 27),
        ("copy", "plain", F16, 1000, 4000),
        ("sigmoid", "tanh", F16Native, 1000, 4000),
        // The saved tensor, dy and dx: 12 bytes in f32, 6 in f16.
        ("add", "plain", F32, 1000, 12_000),
        ("relu", "from_y", F16, 1000, 6000),
        ("sigmoid", "from_y", F16, 1 << 20, 6 << 20),
        ("sigmoid", "from_x", F16Native, 7, 42),
        // x, y and 1/8 byte an element of mask.
        ("relu", "with_mask", F32, 3200, 25_600 + 400),
        ("relu", "with_mask", F16, 3200, 12_800 + 400),
        // mask, dy and dx.
        ("relu", "from_mask", F32, 3200, 25_600 + 400),
        ("relu", "from_mask", F16, 3200, 12_800 + 400),
        // A mask has whole u32s, and as many as the elements need.
        ("relu", "from_mask", F32, 1, 8 + 4),
        ("relu", "from_mask", F32, 32, 256 + 4),
        ("relu", "from_mask", F32, 33, 264 + 8),
        // Past 2^32.
        ("relu", "plain", F32, (1 << 30) + 5, (1 << 33) + 40),
        ("relu", "plain", F32, 0, 0),
    ];
    for (activation, variant, dtype, elements, bytes) in cases {
        let kernel = named(activation, variant, dtype);
        assert_eq!(kernel.bytes(elements), bytes, "{} over {elements}", kernel.path());
    }
}
