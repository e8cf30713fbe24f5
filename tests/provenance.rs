//! Which commit a program says it comes from, with real repositories and real builds of a package that has this one's build script.

#[path = "../build/provenance.rs"]
mod provenance;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use provenance::Revision;
use tempfile::TempDir;

/// A package whose program prints what its build script found, in a folder of its own.
struct Package {
    _folder: TempDir,
    root: PathBuf,
}

impl Package {
    /// At `name` below a new folder, without git.
    fn at(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let package = Self { root: folder.path().join(name), _folder: folder };
        package.write(
            "Cargo.toml",
            "[package]\nname = \"probe\"\nversion = \"0.0.1\"\nedition = \"2024\"\n[workspace]\n",
        );
        package.write("build.rs", include_str!("../build.rs"));
        package.write("build/provenance.rs", include_str!("../build/provenance.rs"));
        package.write("src/main.rs", MAIN);
        package.write("README.md", "");
        package.write(".gitignore", "/target\n");
        package
    }

    /// With one commit.
    fn committed() -> Self {
        let package = Self::at("package");
        package.git("init --quiet");
        // So that the lock file, which the first build would make, is in the commit.
        run(&mut package.cargo("generate-lockfile"));
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

    fn revision(&self) -> Option<Revision> {
        Revision::of(&self.root)
    }

    fn cargo(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(arguments.split(' '))
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"));
        command
    }

    /// Builds and runs it: commit, dirty, and whether anything had to be built.
    fn build(&self) -> (String, String, bool) {
        let built = run(&mut self.cargo("build --offline"));
        let program = run(&mut Command::new(self.root.join("target/debug/probe")));
        let printed = text(&program.stdout);
        let (commit, dirty) = printed.split_once(' ').expect("two words");
        (commit.to_owned(), dirty.to_owned(), text(&built.stderr).contains("Compiling"))
    }
}

const MAIN: &str =
    r#"fn main() { print!("{} {}", env!("ACTBENCH_GIT_REVISION"), env!("ACTBENCH_GIT_DIRTY")); }"#;

#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8").trim_end().to_owned()
}

fn git(folder: &Path, arguments: &str) -> String {
    let identity =
        ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
    text(
        &run(Command::new("git").arg("-C").arg(folder).args(identity).args(arguments.split(' ')))
            .stdout,
    )
}

#[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
fn at(commit: String, dirty: bool) -> Option<Revision> {
    Some(Revision { commit, dirty })
}

#[test]
fn the_commit_and_whether_sources_differ_from_it() {
    let package = Package::committed();
    let commit = package.git("rev-parse HEAD");
    assert_eq!(package.revision(), at(commit.clone(), false));
    package.write("README.md", "not in the program");
    package.write("notes.txt", "neither");
    assert_eq!(package.revision(), at(commit.clone(), false));
    package.write("src/new.rs", "");
    assert_eq!(package.revision(), at(commit.clone(), true));
    fs::remove_file(package.root.join("src/new.rs")).expect("removed");
    assert_eq!(package.revision(), at(commit.clone(), false));
    package.write("src/main.rs", "fn main() {}");
    assert_eq!(package.revision(), at(commit.clone(), true));
    package.git("add src/main.rs");
    assert_eq!(package.revision(), at(commit, true));
    let next = package.commit();
    assert_eq!(package.revision(), at(next, false));
}

#[test]
fn a_work_tree_has_a_commit_of_its_own() {
    let package = Package::committed();
    let first = package.git("rev-parse HEAD");
    package.git("worktree add --quiet -b other ../tree");
    let tree = package.root.with_file_name("tree");
    let second = package.commit();
    assert_eq!(Revision::of(&tree), at(first, false));
    assert_eq!(package.revision(), at(second, false));
    // Its own log, not that of the main work tree.
    let watched = provenance::watched(&tree);
    let logs: Vec<_> = watched.iter().filter(|path| path.ends_with("logs/HEAD")).collect();
    assert!(logs.len() == 1 && logs[0].ends_with("worktrees/tree/logs/HEAD"), "{watched:?}");
}

#[test]
fn without_a_repository_of_its_own_there_is_none() {
    let package = Package::at("package");
    assert_eq!(package.revision(), None);
    // Somebody else's, which does not know it, then has it committed below its top.
    let outer = package.root.parent().expect("a folder");
    git(outer, "init --quiet");
    git(outer, "commit --quiet --allow-empty --message=theirs");
    assert_eq!(package.revision(), None);
    git(outer, "add --all");
    git(outer, "commit --quiet --message=vendored");
    assert_eq!(package.revision(), None);
    // And one without a commit, then one of something else at the same place.
    package.git("init --quiet");
    assert_eq!(package.revision(), None);
    package.git("commit --quiet --allow-empty --message=theirs");
    assert_eq!(package.revision(), None);
}

#[test]
fn a_packaged_crate_says_what_cargo_wrote_down() {
    let package = Package::committed();
    let commit = package.git("rev-parse HEAD");
    let unpack = |arguments: &str| {
        run(&mut package.cargo(arguments));
        let archive = package.root.join("target/package/probe-0.0.1.crate");
        run(Command::new("tar")
            .arg("xf")
            .arg(archive)
            .current_dir(package.root.join("target/package")));
        // Inside a repository, which is not asked.
        Revision::of(&package.root.join("target/package/probe-0.0.1"))
    };
    assert_eq!(unpack("package --offline --no-verify"), at(commit.clone(), false));
    package.write("src/main.rs", "fn main() {}");
    assert_eq!(unpack("package --offline --no-verify --allow-dirty"), at(commit, true));
}

#[test]
fn a_program_is_built_again_after_an_edit_or_a_commit_and_not_otherwise() {
    let package = Package::committed();
    let first = package.git("rev-parse HEAD");
    let no = "false".to_owned();
    assert_eq!(package.build(), (first.clone(), no.clone(), true));
    assert_eq!(package.build(), (first.clone(), no.clone(), false));
    // What git itself rewrites now and then is not watched.
    package.git("status");
    package.write("README.md", "not in the program");
    assert_eq!(package.build(), (first.clone(), no.clone(), false));
    // Cargo compares times, of which some file systems keep whole seconds.
    let later = || std::thread::sleep(std::time::Duration::from_millis(1100));
    later();
    package.write("src/main.rs", &format!("{MAIN}\n"));
    assert_eq!(package.build(), (first.clone(), "true".to_owned(), true));
    later();
    let second = package.commit();
    assert_eq!(package.build(), (second.clone(), no.clone(), true));
    assert_eq!(package.build(), (second.clone(), no.clone(), false));
    // A commit on a packed branch, where references have no logs.
    package.git("config core.logAllRefUpdates false");
    fs::remove_dir_all(package.root.join(".git/logs")).expect("removed");
    package.git("pack-refs --all");
    later();
    package.write("src/main.rs", MAIN);
    assert_eq!(package.build(), (second, "true".to_owned(), true));
    later();
    let third = package.commit();
    assert_eq!(package.build(), (third.clone(), no.clone(), true));
    assert_eq!(package.build(), (third, no, false));
}

#[cfg(unix)]
#[test]
fn without_git_there_is_none() {
    let package = Package::committed();
    let compiler = run(Command::new("rustc").args(["--print", "sysroot"])).stdout;
    let compiler = Path::new(&text(&compiler)).join("bin/rustc");
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
    let mut build = package.cargo("run --quiet --offline");
    let printed = run(build.env("PATH", &tools).env("RUSTC", compiler)).stdout;
    assert_eq!(String::from_utf8_lossy(&printed), " ");
}

#[test]
fn versions_come_from_the_lock_file() {
    let lock = "[[package]]\nname = \"wgpu-hal\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"wgpu\"\nversion = \"30.0.1\"\n";
    assert_eq!(provenance::locked_version(lock, "wgpu"), Some("30.0.1"));
    assert_eq!(provenance::locked_version(lock, "wgpu-core"), None);
    assert_eq!(provenance::locked_version("", "wgpu"), None);
}
