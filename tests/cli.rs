//! The command line as a person meets it: exit statuses, messages, help, and what is left of it
//! where nobody reads.

mod verb;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use verb::ends;

/// `actbench` with arguments that are split at spaces. Whatever adapter the tests run on, none is
/// chosen.
fn actbench(arguments: &str) -> Command {
    let mut command = verb::actbench(arguments.split_whitespace());
    command.env_remove("ACTBENCH_ADAPTER");
    command
}

/// An adapter of this machine, as `info` names it.
fn first_adapter() -> Value {
    let (stdout, _) = ends(actbench("info --format json"), 0);
    let adapters: Value = serde_json::from_str(&stdout).expect("info prints JSON");
    adapters
        .get(0)
        .expect("an adapter; without one, scripts/test installs a software adapter")
        .clone()
}

#[test]
fn an_unknown_adapter_exits_3_and_is_told_those_there_are() {
    let name = first_adapter()["name"].as_str().expect("a name").to_owned();
    let by_flag = actbench("validate --filter copy --adapter nosuch");
    let mut by_variable = actbench("validate --filter copy");
    by_variable.env("ACTBENCH_ADAPTER", "nosuch");
    for command in [by_flag, by_variable] {
        let (stdout, stderr) = ends(command, 3);
        assert!(
            stderr.contains("no adapter matches \"nosuch\"")
                && stderr.contains(&format!("0: {name}")),
            "{stderr}"
        );
        assert_eq!(stdout, "");
    }
}

#[test]
fn wrong_use_exits_2_and_says_what_is_wrong() {
    let cases = [
        ("", "Usage: actbench <COMMAND>"),
        ("nosuch", "unrecognized subcommand 'nosuch'"),
        ("info --nosuch", "unexpected argument '--nosuch'"),
        ("info --format xml", "invalid value 'xml'"),
        ("doctor now", "unexpected argument 'now'"),
        ("list --filter nosuch", "no kernel matches the filter; `actbench list` prints all"),
        ("list --filter (", "unclosed group"),
        ("validate --filter nosuch", "no kernel matches the filter"),
        ("validate --filter [", "unclosed character class"),
        ("validate --elements many", "invalid value 'many'"),
        ("validate --elements -1", "unexpected argument '-1'"),
        ("validate --seed 1.5", "invalid value '1.5'"),
        ("validate --nosuch", "unexpected argument '--nosuch'"),
    ];
    for (arguments, complaint) in cases {
        let (stdout, stderr) = ends(actbench(arguments), 2);
        assert!(stderr.contains(complaint), "{arguments}: {stderr}");
        assert_eq!(stdout, "", "{arguments}");
    }
}

#[test]
fn info_says_what_each_adapter_can() {
    let adapter = first_adapter();
    let field = |name: &str| adapter.get(name).unwrap_or_else(|| panic!("no {name} in {adapter}"));
    for text in ["name", "device_type", "backend", "driver", "driver_info"] {
        assert!(field(text).is_string(), "{text} in {adapter}");
    }
    for flag in ["is_software", "timestamps", "shader_f16"] {
        assert!(field(flag).is_boolean(), "{flag} in {adapter}");
    }
    let counts = [
        "max_buffer_bytes",
        "max_binding_bytes",
        "max_workgroup_size",
        "max_workgroups_per_dimension",
    ];
    for count in counts {
        assert!(field(count).as_u64().is_some_and(|count| count > 0), "{count} in {adapter}");
    }
    for id in ["vendor_id", "device_id"] {
        assert!(field(id).is_u64(), "{id} in {adapter}");
    }
    assert_eq!(field("subgroup_sizes").as_array().map(Vec::len), Some(2), "{adapter}");

    let (text, _) = ends(actbench("info"), 0);
    let name = field("name").as_str().expect("a name");
    assert!(text.contains(&format!("0: {name}")), "{text}");
    assert!(
        !field("is_software").as_bool().expect("a flag")
            || text.contains("SOFTWARE: runs on the CPU"),
        "{text}"
    );
    let largest = field("max_buffer_bytes").as_u64().expect("a count");
    assert!(text.contains(&format!("{largest} bytes")), "{text}");
}

#[test]
fn doctor_ends_well_where_there_is_an_adapter() {
    let (stdout, _) = ends(actbench("doctor"), 0);
    let software = first_adapter()["is_software"].as_bool().expect("a flag");
    assert!(stdout.starts_with("machine: "), "{stdout}");
    assert!(stdout.contains("\nadapter: "), "{stdout}");
    assert_eq!(stdout.contains("Software adapter only"), software, "{stdout}");
}

#[test]
fn list_prints_a_line_a_kernel() {
    let (all, _) = ends(actbench("list"), 0);
    assert_eq!(all.lines().count(), actbench::kernels::kernel::all().count(), "{all}");
    assert!(
        all.lines().all(|line| line.contains("bytes/element") && line.chars().count() <= 100),
        "{all}"
    );

    let (text, _) = ends(actbench("list --filter ^forward/f32/sigmoid/"), 0);
    assert!(
        text.lines().all(|line| line.starts_with("forward/f32/sigmoid/")) && !text.is_empty(),
        "{text}"
    );

    let (json, _) =
        ends(actbench("list --format json --filter backward/f16_native/relu/from_y"), 0);
    let rows: Value = serde_json::from_str(&json).expect("JSON");
    let expected = serde_json::json!([
        { "id": "backward/f16_native/relu/from_y", "bytes_per_element": 6.0, "needs_shader_f16": true }
    ]);
    assert_eq!(rows, expected);
}

/// The verbs that `--help` lists, but for `help` itself.
fn verbs() -> Vec<String> {
    let (help, _) = ends(actbench("--help"), 0);
    let (_, commands) = help.split_once("\nCommands:\n").expect("a list of commands");
    // Lines that go on with a description are indented further.
    let lines = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "));
    let verbs = lines
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next());
    verbs.filter(|verb| *verb != "help").map(ToOwned::to_owned).collect()
}

#[test]
fn help_fits_100_columns_and_every_verb_shows_an_example() {
    let verbs = verbs();
    assert!(
        ["info", "doctor", "list", "validate"]
            .iter()
            .all(|verb| verbs.contains(&(*verb).to_owned())),
        "{verbs:?}"
    );
    let pages = verbs.iter().flat_map(|verb| [format!("{verb} --help"), format!("{verb} -h")]);
    for page in pages.chain(["--help".to_owned(), "-h".to_owned()]) {
        let mut wide = actbench(&page);
        wide.env("COLUMNS", "200");
        for command in [actbench(&page), wide] {
            let (stdout, _) = ends(command, 0);
            let example = stdout.lines().find(|line| line.starts_with("Example"));
            let verb =
                page.split_whitespace().next().filter(|word| !word.starts_with('-')).unwrap_or("");
            let shown = example.is_some_and(|line| line.contains(&format!("actbench {verb}")));
            assert!(shown, "{page} shows no example:\n{stdout}");
            for line in stdout.lines() {
                assert!(line.chars().count() <= 100, "{page}: {line}");
            }
        }
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(
        ends(actbench("--version"), 0).0,
        format!("actbench {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_report_of_version_1_is_refused_in_one_sentence() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("version-1.json");
    let report = r#"{"schema": "actbench.report", "schema_version": "1.0", "rates": []}"#;
    fs::write(&path, report).expect("a file");
    let file = path.display();
    for verb in ["report", "compare", "rank", "run --baseline"] {
        let twice = if verb == "compare" { path.to_str().expect("UTF-8") } else { "" };
        let (stdout, stderr) = ends(actbench(&format!("{verb} {file} {twice}")), 2);
        assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{verb}: {stderr}");
        for part in [&*file.to_string(), "schema version \"1.0\"", "measure it again"] {
            assert!(stderr.contains(part), "{verb}: {part} is not in {stderr}");
        }
    }
}

#[test]
fn bits_that_are_too_wide_are_refused_before_anything_is_run() {
    for wide in ["--input 0xc2880000", "--input 0 --dy 0x3f800000"] {
        // Not even an adapter is looked for.
        let arguments = format!("validate --filter sigmoid --adapter nosuch {wide}");
        let (stdout, stderr) = ends(actbench(&arguments), 2);
        assert!(stderr.contains("is wider than the 16 bits of forward/f16/"), "{stderr}");
        assert_eq!(stdout, "");
    }
}

#[test]
fn one_input_is_told_in_every_format() {
    let told = |format: &str| {
        let filter = "^forward/f32/relu/(plain|with_mask)$";
        let arguments = format!("validate --filter {filter} --input 0x40000000 --format {format}");
        ends(actbench(&arguments), 0).0
    };
    let text = told("text");
    assert!(text.starts_with("forward/f32/relu/plain: right. Element 0: x 2e0"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    let json: Value = serde_json::from_str(&told("json")).expect("JSON");
    assert_eq!(json["schema"], "actbench.validation_of_one");
    assert_eq!(json["kernels"][1]["kernel"], "forward/f32/relu/with_mask");
    assert_eq!(json["kernels"][1]["result"], "right");
    let markdown = told("md");
    assert!(markdown.contains("| forward/f32/relu/plain | right | Element 0: "), "{markdown}");
}

#[test]
fn more_than_memory_holds_is_a_row_with_the_reason() {
    let (stdout, _) =
        ends(actbench("validate --filter ^forward/f32/relu/plain$ --elements 1099511627776"), 0);
    assert!(
        stdout.contains("forward/f32/relu/plain") && stdout.contains("unsupported"),
        "{stdout}"
    );
    assert!(stdout.contains("8796093022208"), "no word of the bytes: {stdout}");
    // 2^62 elements are 2^64 bytes, which must not wrap to 0.
    let (stdout, _) = ends(
        actbench("validate --filter ^forward/f32/relu/plain$ --elements 4611686018427387904"),
        0,
    );
    assert!(stdout.contains("unsupported"), "{stdout}");
}

/// The end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn output_that_nobody_reads_ends_quietly() {
    let commands =
        ["list", "list --format json", "info", "doctor", "--help", "list --help", "--version"];
    for arguments in
        commands.into_iter().chain(["validate --filter ^forward/f32/copy --elements 1000"])
    {
        let mut command = actbench(arguments);
        let output = command
            .stdout(closed_pipe())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(std::process::Child::wait_with_output);
        let Output { status, stderr, .. } = output.expect("actbench starts");
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(0), "{arguments}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("roken pipe"),
            "{arguments}: {stderr}"
        );
    }
}

#[test]
fn complaints_that_nobody_reads_keep_their_status() {
    for (arguments, status) in [
        ("list --filter nosuch", 2),
        ("list --nosuch", 2),
        ("validate --filter copy --adapter nosuch", 3),
        ("validate --filter ^forward/f32/copy --elements 1000", 0),
    ] {
        let output = actbench(arguments).stderr(closed_pipe()).output().expect("actbench starts");
        assert_eq!(output.status.code(), Some(status), "{arguments}");
    }
}

/// What happens without any adapter. Elsewhere than on Linux, the system itself offers one that no
/// variable hides.
#[cfg(target_os = "linux")]
mod without_adapter {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::{actbench, ends};

    const MISSING: &str = "/nonexistent/actbench_icd.json";

    /// `actbench` with no driver but this one.
    fn with_driver(manifest: &Path, arguments: &str) -> Command {
        let mut command = actbench(arguments);
        // Loaders before 1.3.207 know the older name alone.
        command.env("VK_DRIVER_FILES", manifest).env("VK_ICD_FILENAMES", manifest);
        command
    }

    #[test]
    fn info_and_validate_exit_3_and_name_the_doctor() {
        let commands = [
            "info",
            "info --format json",
            "validate",
            "validate --adapter software",
            "validate --adapter 0",
        ];
        for arguments in commands {
            let (stdout, stderr) = ends(with_driver(Path::new(MISSING), arguments), 3);
            assert!(
                stderr.contains("no adapter found") && stderr.contains("actbench doctor"),
                "{arguments}: {stderr}"
            );
            assert_eq!(stdout, "", "{arguments}");
        }
        // What needs no adapter works without.
        ends(with_driver(Path::new(MISSING), "list"), 0);
    }

    #[test]
    fn the_doctor_names_the_file_that_is_missing() {
        let (stdout, _) = ends(with_driver(Path::new(MISSING), "doctor"), 3);
        assert!(stdout.contains("\nNo adapter"), "{stdout}");
        assert!(
            stdout.contains(&format!("VK_DRIVER_FILES names {MISSING}, which does not exist")),
            "{stdout}"
        );
        assert!(stdout.contains("do: unset VK_DRIVER_FILES"), "{stdout}");
    }

    #[test]
    fn the_doctor_names_the_library_that_is_missing() {
        let manifest = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken_icd.json");
        let library = "/nonexistent/libvulkan_broken.so";
        let json = serde_json::json!({
            "file_format_version": "1.0.0", "ICD": { "library_path": library, "api_version": "1.3.0" }
        });
        fs::write(&manifest, json.to_string()).expect("a file");
        let (stdout, _) = ends(with_driver(&manifest, "doctor"), 3);
        assert!(
            stdout.contains(&manifest.display().to_string()) && stdout.contains(library),
            "{stdout}"
        );
    }
}
