//! Where files are written: replaced whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// The longest part of a file name that a placeholder may give: file systems end names at 255
/// bytes.
const LONGEST_SLUG: usize = 64;

/// Where reports are written, found to be possible before anything is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// What is no file, such as a pipe: reports go there one after the other.
    Stream(PathBuf),
    /// A file that each report replaces.
    File(PathBuf),
}

impl Destination {
    /// The destination that a path names, `-` being standard output. Leaves the file as it is.
    pub fn prepare(path: &Path) -> Result<Self> {
        let refuse = |why: &str| Err(Error::Usage(format!("{} {why}", path.display())));
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let file = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return refuse("is a folder: name a file in it"),
            Ok(metadata) if !metadata.is_file() => return Ok(Self::Stream(path.to_owned())),
            Ok(metadata) if metadata.permissions().readonly() => return refuse("is read-only"),
            // What a link points to is replaced, not the link.
            Ok(_) => fs::canonicalize(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
            Err(error) => Err(error),
        };
        // `Path` does not see the slash behind a folder that is not there.
        let last = path.as_os_str().as_encoded_bytes().last();
        if path.file_name().is_none()
            || last.is_some_and(|last| std::path::is_separator(char::from(*last)))
        {
            return refuse("is a folder that does not exist: name a file");
        }
        match file.and_then(|file| temporary_beside(&file).map(|_| file)) {
            Ok(file) => Ok(Self::File(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse("is in a folder that does not exist")
            }
            Err(error) => refuse(&format!("can't be written: {error}")),
        }
    }

    /// Refuses to replace a file that is read, by whatever path or link.
    pub fn spare(&self, input: &Path) -> Result<()> {
        let Self::File(file) = self else { return Ok(()) };
        let is_stdin = input == Path::new("-");
        if !is_stdin && fs::canonicalize(input).is_ok_and(|input| input == *file) {
            let input = input.display();
            return Err(Error::Usage(format!("{input} is read: choose another file for --output")));
        }
        Ok(())
    }

    /// Writes a report: one line. A file is replaced at once, and stays as it was if that fails; it
    /// is worth replacing whenever there is more to keep.
    pub fn write(&self, report: &impl Serialize) -> Result<()> {
        self.write_text(&(serde_json::to_string(report).expect("string keys") + "\n"))
    }

    /// Writes a text likewise.
    pub fn write_text(&self, text: &str) -> Result<()> {
        let bytes = text.as_bytes();
        let (name, written) = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                let unread =
                    written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
                (Path::new("standard output"), if unread { Ok(()) } else { written })
            }
            Self::Stream(path) => (
                path.as_path(),
                OpenOptions::new()
                    .write(true)
                    .open(path)
                    .and_then(|mut file| file.write_all(bytes)),
            ),
            Self::File(path) => (path.as_path(), replace(path, bytes)),
        };
        written.map_err(|error| {
            Error::Machine(format!("{} can't be written: {error}", name.display()))
        })
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let mut file = temporary.as_file();
    if let Ok(existing) = fs::metadata(path) {
        // Some file systems have no permissions to keep.
        let _ = file.set_permissions(existing.permissions());
    }
    file.write_all(bytes)?;
    // Without it, a crash could leave the new name on an empty file.
    file.sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

/// An empty file in the folder of `path`, since only there renaming it is atomic; removed when
/// dropped.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".actbench-").suffix(".tmp");
    // The default is private; a report is a file like any other, as the umask has it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The file name of a template: `{adapter}` and `{host}` become the names in lower case, with a
/// dash for whatever is not an ASCII letter or digit, `{time}` becomes 20261124T031500Z.
pub fn expand(
    template: &str,
    adapter: &str,
    host: Option<&str>,
    time: jiff::Timestamp,
) -> Result<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        name.push_str(&rest[..brace]);
        let (word, behind) = rest[brace..].split_once('}').unwrap_or((&rest[brace..], ""));
        match word {
            "{adapter" => name.push_str(&slug(adapter)),
            "{host" => name.push_str(&slug(host.unwrap_or_default())),
            "{time" => name.push_str(&time.strftime("%Y%m%dT%H%M%SZ").to_string()),
            _ => {
                return Err(Error::Usage(format!(
                    "the file name {template} has braces around another word than adapter, host, time"
                )));
            }
        }
        rest = behind;
    }
    Ok(name + rest)
}

fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(LONGEST_SLUG);
    if slug.is_empty() { "unknown".to_owned() } else { slug }
}
