//! Which commit a program says it comes from: real builds, in real repositories, of a package that
//! has this one's build script.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use actbench::report::provenance::Tool;
use tempfile::TempDir;

/// A package whose program prints what its build script found, in a folder of its own.
struct Package {
    _folder: TempDir,
    root: PathBuf,
}

const MAIN: &str =
    r#"fn main() { print!("{} {}", env!("ACTBENCH_GIT_REVISION"), env!("ACTBENCH_GIT_DIRTY")); }"#;

/// What a program prints that knows no commit.
const NONE: &str = " ";

impl Package {
    /// Without git.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let package = Self { root: folder.path().join("package"), _folder: folder };
        let manifest =
            "[package]\nname = \"probe\"\nversion = \"0.0.1\"\nedition = \"2024\"\n[workspace]\n";
        package.write("Cargo.toml", manifest);
        package.write("build.rs", include_str!("../build.rs"));
        package.write("src/main.rs", MAIN);
        package.write("README.md", "");
        package.write(".gitignore", "/target\n");
        package
    }

    /// With one commit.
    fn committed() -> Self {
        let package = Self::new();
        package.git("init --quiet");
        // So that the lock file, which the first build would make, is in the commit.
        run(&mut cargo(&package.root, "generate-lockfile"));
        package.commit();
        package
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn git(&self, arguments: &str) -> String {
        git(&self.root, arguments)
    }

    /// Commits everything and returns the commit.
    fn commit(&self) -> String {
        self.git("add --all");
        self.git("commit --quiet --allow-empty --message=commit");
        self.git("rev-parse HEAD")
    }

    /// What the program prints, and whether anything was built for it.
    fn build(&self) -> (String, bool) {
        build(&self.root)
    }

    fn says(&self) -> String {
        self.build().0
    }
}

fn cargo(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments.split(' '))
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"));
    command
}

fn build(root: &Path) -> (String, bool) {
    let built = run(&mut cargo(root, "build --offline"));
    let program = run(&mut Command::new(root.join("target/debug/probe")));
    let printed = String::from_utf8(program.stdout).expect("UTF-8");
    (printed, String::from_utf8_lossy(&built.stderr).contains("Compiling"))
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn git(folder: &Path, arguments: &str) -> String {
    let identity =
        ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(identity).args(arguments.split(' '));
    String::from_utf8(run(&mut command).stdout).expect("UTF-8").trim_end().to_owned()
}

/// Cargo compares times, of which some file systems keep whole seconds.
fn later() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn the_commit_and_whether_sources_differ_from_it() {
    let package = Package::committed();
    let commit = package.git("rev-parse HEAD");
    let (clean, dirty) = (format!("{commit} false"), format!("{commit} true"));
    package.write("README.md", "not in the program");
    package.write("notes.txt", "neither");
    assert_eq!(package.says(), clean);
    later();
    package.write("src/new.rs", "");
    assert_eq!(package.says(), dirty);
    later();
    fs::remove_file(package.root.join("src/new.rs")).expect("removed");
    assert_eq!(package.says(), clean);
    later();
    package.write(
        "Cargo.toml",
        &(fs::read_to_string(package.root.join("Cargo.toml")).expect("read") + "\n"),
    );
    package.git("add Cargo.toml");
    assert_eq!(package.says(), dirty, "staged");
}

#[test]
fn a_program_is_built_again_after_an_edit_or_a_commit_and_not_otherwise() {
    let package = Package::committed();
    let first = package.git("rev-parse HEAD");
    assert_eq!(package.build(), (format!("{first} false"), true));
    assert_eq!(package.build(), (format!("{first} false"), false));
    // What git itself rewrites now and then is not watched.
    package.git("status");
    package.write("README.md", "not in the program");
    assert_eq!(package.build(), (format!("{first} false"), false));
    later();
    package.write("src/main.rs", &format!("{MAIN}\n"));
    assert_eq!(package.build(), (format!("{first} true"), true));
    later();
    let second = package.commit();
    assert_eq!(package.build(), (format!("{second} false"), true));
    assert_eq!(package.build(), (format!("{second} false"), false));
    // A commit on a packed branch, where references have no logs.
    package.git("config core.logAllRefUpdates false");
    fs::remove_dir_all(package.root.join(".git/logs")).expect("removed");
    package.git("pack-refs --all");
    later();
    package.write("src/main.rs", MAIN);
    assert_eq!(package.build(), (format!("{second} true"), true));
    later();
    let third = package.commit();
    assert_eq!(package.build(), (format!("{third} false"), true));
    assert_eq!(package.build(), (format!("{third} false"), false));
}

#[test]
fn a_work_tree_has_a_commit_of_its_own() {
    let package = Package::committed();
    let first = package.git("rev-parse HEAD");
    package.git("worktree add --quiet -b other ../tree");
    let tree = package.root.with_file_name("tree");
    let says = |commit: &str, is_built: bool| (format!("{commit} false"), is_built);
    assert_eq!(build(&tree), says(&first, true));
    later();
    let second = package.commit();
    assert_eq!(package.build(), says(&second, true));
    assert_eq!(build(&tree), says(&first, false), "a commit elsewhere is no reason to build");
    later();
    git(&tree, "commit --quiet --allow-empty --message=commit");
    assert_eq!(build(&tree), says(&git(&tree, "rev-parse HEAD"), true));
}

#[test]
fn without_a_repository_of_its_own_there_is_none() {
    let package = Package::new();
    // Each time for a new build script run.
    let says = || {
        let _ = fs::remove_dir_all(package.root.join("target"));
        package.says()
    };
    assert_eq!(says(), NONE);
    // Somebody else's, which does not know it, then has it committed below its top.
    let outer = package.root.parent().expect("a folder");
    git(outer, "init --quiet");
    git(outer, "commit --quiet --allow-empty --message=theirs");
    assert_eq!(says(), NONE);
    git(outer, "add --all");
    git(outer, "commit --quiet --message=vendored");
    assert_eq!(says(), NONE);
    // And one without a commit, then one of something else at the same place.
    package.git("init --quiet");
    assert_eq!(says(), NONE);
    package.git("commit --quiet --allow-empty --message=theirs");
    assert_eq!(says(), NONE);
}

#[test]
fn a_packaged_crate_says_what_cargo_wrote_down() {
    let package = Package::committed();
    let commit = package.git("rev-parse HEAD");
    let says = |arguments: &str| {
        run(&mut cargo(&package.root, arguments));
        let folder = package.root.join("target/package");
        run(Command::new("tar").args(["xf", "probe-0.0.1.crate"]).current_dir(&folder));
        // Inside a repository, which is not asked.
        build(&folder.join("probe-0.0.1")).0
    };
    assert_eq!(says("package --offline --no-verify"), format!("{commit} false"));
    later();
    package.write("src/main.rs", &format!("{MAIN}\n"));
    assert_eq!(says("package --offline --no-verify --allow-dirty"), format!("{commit} true"));
}

#[cfg(unix)]
#[test]
fn without_git_there_is_none() {
    let package = Package::committed();
    let sysroot = run(Command::new("rustc").args(["--print", "sysroot"])).stdout;
    let sysroot = String::from_utf8(sysroot).expect("UTF-8");
    let compiler = Path::new(sysroot.trim_end()).join("bin/rustc");
    // A linker is needed all the same, so the folders of PATH are kept, without git.
    let tools = package.root.with_file_name("tools");
    fs::create_dir(&tools).expect("made");
    for folder in std::env::split_paths(&std::env::var_os("PATH").expect("set")) {
        for tool in ["cc", "ld", "as", "gcc", "collect2"] {
            if folder.join(tool).exists() && !tools.join(tool).exists() {
                std::os::unix::fs::symlink(folder.join(tool), tools.join(tool)).expect("a link");
            }
        }
    }
    let mut build = cargo(&package.root, "run --quiet --offline");
    let printed = run(build.env("PATH", &tools).env("RUSTC", compiler)).stdout;
    assert_eq!(String::from_utf8_lossy(&printed), NONE);
}

#[test]
fn this_program_names_its_compiler_and_its_wgpu() {
    let tool = Tool::this();
    assert!(tool.rustc.starts_with("rustc 1."), "{}", tool.rustc);
    assert!(tool.target.contains(std::env::consts::ARCH), "{}", tool.target);
    let wgpu = tool.wgpu_version.expect("in the lock file");
    let lock = include_str!("../Cargo.lock").replace('\r', "");
    assert!(lock.contains(&format!("name = \"wgpu\"\nversion = \"{wgpu}\"\n")), "{wgpu}");
}
