//! Reports as files: read with suspicion, replaced whole or not at all.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::{Measurement, Report, SCHEMA, SCHEMA_VERSION};
use crate::error::{Error, Result};

/// The largest file that is read: a hundred times the report of a full run.
const MOST_BYTES: u64 = 256 << 20;

/// The longest part of a file name that a placeholder may give: file systems end names at 255 bytes.
const LONGEST_SLUG: usize = 64;

impl Report {
    /// Reads a report. Keys that this version does not know are ignored.
    ///
    /// # Errors
    /// [`Error::Usage`] with the name of the file if it can't be read, is no report, or is one of a newer major version.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |why: String| Error::Usage(format!("{} {why}", path.display()));
        let mut json = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut json))
            .map_err(|error| refuse(format!("can't be read: {error}")))?;
        if json.len() as u64 > MOST_BYTES {
            return Err(refuse(format!("has more than {MOST_BYTES} bytes, which no report has")));
        }
        Self::from_json(&json).map_err(refuse)
    }

    fn from_json(json: &[u8]) -> std::result::Result<Self, String> {
        /// What is the same in every version.
        #[derive(Deserialize)]
        struct Header {
            schema: String,
            schema_version: String,
        }
        if json.trim_ascii().is_empty() {
            return Err("is empty".to_owned());
        }
        let header: Header = serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => format!("is cut off: {error}"),
            serde_json::error::Category::Data => format!("is JSON, but no report of actbench: {error}"),
            _ => format!("is not JSON: {error}"),
        })?;
        if header.schema != SCHEMA {
            return Err(format!("is of the schema \"{}\", not a report of actbench ({SCHEMA})", header.schema));
        }
        let version = header.schema_version;
        let major = |version: &str| version.split_once('.').and_then(|(major, _)| major.parse::<u32>().ok());
        if major(&version) != major(SCHEMA_VERSION) {
            return Err(format!(
                "is a report of schema version \"{version}\", and this actbench reads {SCHEMA_VERSION} and other minor \
                 versions of it: use the actbench that wrote it, or a newer one"
            ));
        }
        let mut report: Self = serde_json::from_slice(json).map_err(|error| format!("is a broken report: {error}"))?;
        report.check().map_err(|what| format!("is a broken report: {what}"))?;
        report.derive();
        Ok(report)
    }

    /// What types can't say, and without which numbers would come out that mean nothing.
    fn check(&self) -> std::result::Result<(), String> {
        let mut ids = HashSet::new();
        for Measurement { id, elements, samples_ns, witness_ns, .. } in &self.measurements {
            if !ids.insert(id) {
                return Err(format!("{id} is in it twice"));
            }
            if *elements == 0 {
                return Err(format!("{id} has no elements"));
            }
            if samples_ns.iter().chain(witness_ns).flatten().any(|ns| *ns <= 0.0) {
                return Err(format!("a time of {id} is not above 0"));
            }
            if !witness_ns.is_empty() && witness_ns.len() != samples_ns.len() {
                return Err(format!("{id} has {} samples, but {} witnesses", samples_ns.len(), witness_ns.len()));
            }
        }
        Ok(())
    }
}

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
    ///
    /// # Errors
    /// [`Error::Usage`] if it is a folder or can't be written to.
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
        if path.file_name().is_none() || last.is_some_and(|last| std::path::is_separator(char::from(*last))) {
            return refuse("is a folder that does not exist: name a file");
        }
        match file.and_then(|file| temporary_beside(&file).map(|_| file)) {
            Ok(file) => Ok(Self::File(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => refuse("is in a folder that does not exist"),
            Err(error) => refuse(&format!("can't be written: {error}")),
        }
    }

    /// Writes a report: one line. A file is replaced at once, and stays as it was if that fails; it is worth replacing whenever there is more to
    /// keep.
    ///
    /// # Errors
    /// [`Error::Machine`] if it can't be written: the disk is full. That nobody reads standard output any more is no error.
    pub fn write(&self, report: &Report) -> Result<()> {
        self.write_text(&(serde_json::to_string(report).expect("string keys") + "\n"))
    }

    /// Writes a text likewise.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_text(&self, text: &str) -> Result<()> {
        let bytes = text.as_bytes();
        let (name, written) = match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                let unread = written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
                (Path::new("standard output"), if unread { Ok(()) } else { written })
            }
            Self::Stream(path) => {
                (path.as_path(), OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(bytes)))
            }
            Self::File(path) => (path.as_path(), replace(path, bytes)),
        };
        written.map_err(|error| Error::Machine(format!("{} can't be written: {error}", name.display())))
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

/// An empty file in the folder of `path`, since only there renaming it is atomic; removed when dropped.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".actbench-").suffix(".tmp");
    // The default is private; a report is a file like any other, as the umask has it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The file name of a template: `{adapter}` and `{host}` become the names in lower case, with a dash for whatever is not an ASCII letter or digit, `{time}`
/// becomes 20261124T031500Z.
///
/// # Errors
/// [`Error::Usage`] if there is another word in braces, or a brace alone.
pub fn expand(template: &str, adapter: &str, host: Option<&str>, time: jiff::Timestamp) -> Result<String> {
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
                    "the file name {template} has braces around something else than adapter, host or time"
                )));
            }
        }
        rest = behind;
    }
    Ok(name + rest)
}

fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(LONGEST_SLUG);
    if slug.is_empty() { "unknown".to_owned() } else { slug }
}
