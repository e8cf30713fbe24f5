//! What is dumped of every kernel, without an adapter: SPIR-V read by its grammar, and files.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use actbench::error::Error;
use actbench::gpu::ShaderChecks;
use actbench::gpu::dump::{Dump, spirv, wgsl_sha256};
use actbench::kernels::kernel::{self, Kernel};
use rspirv::dr::{Function, Instruction, Module, Operand};
use rspirv::spirv::{ExecutionMode, ExecutionModel, GlslStd450Op, Op, StorageClass};

const SHAPE: [(&str, f64); 2] = [("workgroup_size", 64.0), ("units_per_invocation", 3.0)];

const CHECKS: [ShaderChecks; 2] = [ShaderChecks::Trusted, ShaderChecks::Checked];

fn module(kernel: &Kernel, checks: ShaderChecks) -> Module {
    let words =
        spirv(&kernel.path(), &kernel.wgsl(), &SHAPE, checks).expect("every kernel compiles");
    rspirv::dr::load_words(words).unwrap_or_else(|error| panic!("{}: {error}", kernel.path()))
}

/// The instructions of a function and of all that it calls.
fn reached<'a>(module: &'a Module, function: &'a Function) -> Vec<&'a Instruction> {
    let own: Vec<_> = function.blocks.iter().flat_map(|block| &block.instructions).collect();
    let called = own.iter().filter(|instruction| instruction.class.opcode == Op::FunctionCall);
    let called: Vec<_> = called
        .flat_map(|call| reached(module, named(module, call.operands[0].unwrap_id_ref())))
        .collect();
    own.into_iter().chain(called).collect()
}

fn named(module: &Module, id: u32) -> &Function {
    let is_it = |function: &&Function| function.def_id() == Some(id);
    module.functions.iter().find(is_it).expect("what is called is there")
}

/// What the only entry point of the module reaches.
fn body(module: &Module) -> Vec<&Instruction> {
    reached(module, named(module, module.entry_points[0].operands[1].unwrap_id_ref()))
}

fn count(instructions: &[&Instruction], op: Op) -> usize {
    instructions.iter().filter(|instruction| instruction.class.opcode == op).count()
}

/// The storage class of each pointer that instructions make.
fn pointers(module: &Module) -> BTreeMap<u32, StorageClass> {
    let classes: BTreeMap<u32, StorageClass> = module
        .types_global_values
        .iter()
        .filter(|own| own.class.opcode == Op::TypePointer)
        .map(|own| {
            (own.result_id.expect("a type has an id"), own.operands[0].unwrap_storage_class())
        })
        .collect();
    let typed = |own: &Instruction| Some((own.result_id?, *classes.get(&own.result_type?)?));
    module.all_inst_iter().filter_map(typed).collect()
}

/// Names of the functions of GLSL.std.450 that are called.
fn extended(instructions: &[&Instruction]) -> HashSet<GlslStd450Op> {
    let of_call = |own: &&&Instruction| own.class.opcode == Op::ExtInst;
    let number = |own: &&Instruction| match own.operands[1] {
        Operand::LiteralExtInstInteger(number) => {
            GlslStd450Op::from_u32(number).expect("GLSL.std.450")
        }
        ref other => panic!("{other:?}"),
    };
    instructions.iter().filter(of_call).map(number).collect()
}

/// Every kernel, without and with run-time checks.
fn every_module(mut look: impl FnMut(&Kernel, ShaderChecks, &Module)) {
    let mut seen = 0;
    for kernel in kernel::all() {
        for checks in CHECKS {
            look(&kernel, checks, &module(&kernel, checks));
            seen += 1;
        }
    }
    assert_eq!(seen, 2 * kernel::all().count());
}

#[test]
fn the_entry_point_is_main_and_the_workgroup_has_the_size_that_was_asked_for() {
    every_module(|kernel, _, module| {
        let path = kernel.path();
        let [entry] = &module.entry_points[..] else { panic!("{path}: entry points") };
        assert_eq!(entry.operands[0].unwrap_execution_model(), ExecutionModel::GLCompute, "{path}");
        assert_eq!(entry.operands[2].unwrap_literal_string(), "main", "{path}");
        let [mode] = &module.execution_modes[..] else { panic!("{path}: execution modes") };
        assert_eq!(mode.operands[1].unwrap_execution_mode(), ExecutionMode::LocalSize, "{path}");
        let size: Vec<u32> = mode.operands[2..].iter().map(Operand::unwrap_literal_bit32).collect();
        assert_eq!(size, [64, 1, 1], "{path}");
        // Overrides have become constants: the driver has nothing left to specialise.
        let specialised =
            |own: &&Instruction| format!("{:?}", own.class.opcode).starts_with("SpecConstant");
        assert_eq!(module.all_inst_iter().find(specialised), None, "{path}");
    });
}

#[test]
fn every_tensor_is_loaded_or_stored_at_one_place() {
    every_module(|kernel, checks, module| {
        let (body, pointers, path) = (body(module), pointers(module), kernel.path());
        let in_storage = |op: Op| {
            let pointer = |own: &&&Instruction| {
                own.class.opcode == op
                    && pointers[&own.operands[0].unwrap_id_ref()] == StorageClass::StorageBuffer
            };
            body.iter().filter(pointer).count()
        };
        let written = kernel.tensors().iter().filter(|role| role.is_written()).count();
        assert_eq!(in_storage(Op::Store), written, "{path} {checks:?}: stores");
        assert_eq!(in_storage(Op::Load), kernel.inputs().count(), "{path} {checks:?}: loads");
    });
}

#[test]
fn special_functions_are_those_that_the_variant_is_named_after() {
    every_module(|kernel, checks, module| {
        let special = [
            GlslStd450Op::Exp,
            GlslStd450Op::Exp2,
            GlslStd450Op::Tanh,
            GlslStd450Op::Log,
            GlslStd450Op::Log2,
            GlslStd450Op::Pow,
            GlslStd450Op::InverseSqrt,
        ];
        let called = extended(&body(module));
        let found: Vec<GlslStd450Op> =
            special.into_iter().filter(|op| called.contains(op)).collect();
        let expected = match (kernel.activation.name, kernel.variant.name) {
            ("sigmoid", "exp2") => vec![GlslStd450Op::Exp2],
            ("sigmoid" | "gelu_tanh", "tanh") | ("tanh", "clamped" | "builtin") => {
                vec![GlslStd450Op::Tanh]
            }
            ("softplus", "naive") => vec![GlslStd450Op::Exp, GlslStd450Op::Log],
            ("relu" | "leaky_relu", _) => vec![],
            (_, "two_sided" | "naive" | "exp" | "log1p" | "erfc" | "from_x") => {
                vec![GlslStd450Op::Exp]
            }
            _ => vec![],
        };
        assert_eq!(found, expected, "{} {checks:?}", kernel.path());
    });
}

#[test]
fn checked_shaders_are_bounded_and_leave_indices_to_the_driver() {
    for kernel in kernel::all() {
        let [trusted, checked] = CHECKS.map(|checks| module(&kernel, checks));
        let (trusted, checked) = (body(&trusted), body(&checked));
        let path = kernel.path();
        // Bounds of loops are instructions more.
        assert!(trusted.len() < checked.len(), "{path}");
        // An index that is clamped is compared with the length of its buffer.
        assert_eq!([trusted, checked].map(|body| count(&body, Op::ArrayLength)), [0, 0], "{path}");
    }
}

#[test]
fn hashes_are_sha_256_of_the_text() {
    let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(wgsl_sha256("abc"), of_abc);
    let hashes: HashSet<String> = kernel::all().map(|kernel| wgsl_sha256(&kernel.wgsl())).collect();
    let texts: HashSet<String> = kernel::all().map(|kernel| kernel.wgsl()).collect();
    assert_eq!(hashes.len(), texts.len());
}

/// A folder of its own for a test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dump").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what an earlier run left");
    }
    folder
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("ASCII"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_kernel_has_its_text_and_its_spirv_by_shape_and_checks() {
    let kernel = kernel::all()
        .find(|kernel| kernel.path() == "forward/f32/sigmoid/two_sided")
        .expect("in the table");
    let (folder, wgsl) = (folder("one").join("below"), kernel.wgsl());
    let dump = Dump::into(&folder).expect("it can be made");
    let write = |wgsl: &str, words: f64, checks| {
        let shape = [("workgroup_size", 256.0), ("units_per_invocation", words)];
        dump.write(&kernel.path(), wgsl, &shape, checks).expect("it can be written")
    };
    let hash = write(&wgsl, 1.0, ShaderChecks::Trusted);
    assert_eq!(hash, wgsl_sha256(&wgsl));
    assert_eq!(write(&wgsl, 4.0, ShaderChecks::Trusted), hash);
    assert_eq!(write(&wgsl, 1.0, ShaderChecks::Checked), hash);
    let names = [".wgsl", "-256x1-checked.spv", "-256x1.spv", "-256x4.spv"];
    let mut names = names.map(|end| format!("forward-f32-sigmoid-two_sided{end}"));
    names.sort();
    assert_eq!(names_in(&folder), names);
    let read = |end: &str| {
        fs::read(folder.join(format!("forward-f32-sigmoid-two_sided{end}")))
            .expect("a file that was written")
    };
    assert_eq!(read(".wgsl"), wgsl.as_bytes());
    let shape = [("workgroup_size", 256.0), ("units_per_invocation", 1.0)];
    for (end, checks) in ["-256x1.spv", "-256x1-checked.spv"].into_iter().zip(CHECKS) {
        let words = spirv(&kernel.path(), &wgsl, &shape, checks).expect("it compiles");
        assert_eq!(
            read(end),
            words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
        );
    }
    assert_ne!(read("-256x1.spv"), read("-256x4.spv"));

    // Another run, of another text.
    let changed = wgsl.replace("T(1.0) + z", "z + T(1.0)");
    let (old, other) = (read("-256x1.spv"), write(&changed, 1.0, ShaderChecks::Trusted));
    assert_ne!(other, hash);
    assert_eq!(names_in(&folder), names);
    assert_eq!(read(".wgsl"), changed.as_bytes());
    assert_ne!(read("-256x1.spv"), old);
}

#[test]
fn every_kernel_has_files_of_its_own() {
    let folder = folder("all");
    let dump = Dump::into(&folder).expect("it can be made");
    for kernel in kernel::all() {
        for checks in CHECKS {
            let shape = [("workgroup_size", 256.0), ("units_per_invocation", 1.0)];
            dump.write(&kernel.path(), &kernel.wgsl(), &shape, checks)
                .expect("every kernel compiles");
        }
    }
    let names = names_in(&folder);
    assert_eq!(names.len(), 3 * kernel::all().count());
    let safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    assert!(names.iter().all(|name| name.chars().all(safe) && name.len() < 100), "{names:?}");
}

#[test]
fn no_path_leaves_the_folder() {
    let folder = folder("escape");
    let dump = Dump::into(&folder).expect("it can be made");
    let wgsl = kernel::all().next().expect("kernels").wgsl();
    dump.write("../a\\b:c*/é/k=8", &wgsl, &SHAPE, ShaderChecks::Trusted)
        .expect("any path has a name");
    assert_eq!(names_in(&folder).len(), 2, "the text and its SPIR-V");
}

#[test]
fn a_folder_that_cannot_be_is_wrong_use_and_a_shader_that_does_not_compile_names_its_kernel() {
    let folder = folder("refused");
    let dump = Dump::into(&folder).expect("it can be made");
    let file = folder.join("file");
    fs::write(&file, "kept").expect("a file");
    for dir in [file.clone(), file.join("below")] {
        let error = Dump::into(&dir).expect_err("a file is no folder");
        assert!(matches!(error, Error::Usage(_)) && error.to_string().contains("file"), "{error}");
    }
    assert_eq!(names_in(&folder), ["file"]);

    let write = |wgsl: &str, constants: &[(&str, f64)]| {
        let error = dump
            .write("forward/f32/relu/plain", wgsl, constants, ShaderChecks::Trusted)
            .expect_err("wrong");
        assert!(
            matches!(&error, Error::Compile { kernel, .. } if kernel == "forward/f32/relu/plain"),
            "{error}"
        );
        error.to_string()
    };
    let wgsl = kernel::all().next().expect("kernels").wgsl();
    assert!(
        write(&wgsl.replace("return copy_plain", "return nonsense"), &SHAPE).contains("nonsense")
    );
    write(&wgsl.replace("vec3<u32>", "vec3<f32>"), &SHAPE);
    assert!(write(&wgsl, &[("no_such_override", 1.0)]).contains("no_such_override"));
    write(&wgsl.replace("fn main", "fn other"), &SHAPE);
    assert_eq!(names_in(&folder), ["file"], "nothing is written of a shader that does not compile");

    // A file that can't be replaced.
    fs::create_dir(folder.join("forward-f32-copy-plain.wgsl")).expect("a folder in its place");
    let refused = dump.write("forward/f32/copy/plain", &wgsl, &SHAPE, ShaderChecks::Trusted);
    let Err(Error::Machine(message)) = refused else { panic!("{refused:?}") };
    assert!(message.contains("forward-f32-copy-plain.wgsl"), "{message}");
}
