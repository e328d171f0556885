// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An initramfs: the "newc" form of cpio, as `Documentation/driver-api/early-userspace/buffer-format.rst` of Linux has it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// The archive under construction.
#[derive(Default)]
pub(super) struct Archive {
    octets: Vec<u8>,
    names: BTreeSet<String>,
}

impl Archive {
    /// A program as `/bin/NAME`, and the libraries that it needs where it looks for them.
    pub(super) fn program(&mut self, name: &str, path: &Path) -> Result<()> {
        let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
        self.file(&format!("bin/{name}"), 0o755, &read(path)?);
        for library in libraries(path)? {
            let name = library.trim_start_matches('/');
            if !self.names.contains(name) {
                self.file(name, 0o755, &read(Path::new(&library))?);
            }
        }
        Ok(())
    }

    /// A file, and the folders above it.
    pub(super) fn file(&mut self, name: &str, mode: u32, contents: &[u8]) {
        for (end, _) in name.match_indices('/') {
            if self.names.insert(name[..end].to_owned()) {
                self.entry(&name[..end], 0o040_755, &[]);
            }
        }
        self.names.insert(name.to_owned());
        self.entry(name, 0o100_000 | mode, contents);
    }

    /// The octets.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.octets
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        let inode = self.names.len();
        self.octets.extend_from_slice(b"070701");
        // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), name with its zero, checksum
        let mode = usize::try_from(mode).unwrap_or_default();
        let size = contents.len();
        for field in [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0] {
            self.octets
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.octets.extend_from_slice(name.as_bytes());
        self.octets.push(0);
        self.align();
        self.octets.extend_from_slice(contents);
        self.align();
    }

    fn align(&mut self) {
        let length = self.octets.len().next_multiple_of(4);
        self.octets.resize(length, 0);
    }
}

/// Where a program is.
pub(super) fn find(name: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not installed"))
}

/// The dynamic loader's own answer.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        !text.contains("not found"),
        "{}:\n{text}",
        program.display()
    );
    // `name => /path (address)`, `/path (address)`, or "statically linked".
    Ok(text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn an_archive_is_newc() {
        let mut archive = Archive::default();
        archive.file("a/b", 0o644, b"12345");
        archive.file("a/c", 0o755, b"");
        let octets = archive.finish();
        let text = String::from_utf8(octets).unwrap();
        assert_eq!(text.len() % 4, 0);
        // 110 octets of header and a name with its zero, to a multiple of four.
        assert_eq!(&text[110..112], "a\0");
        let file = &text[112..];
        assert_eq!(&file[..22], "07070100000002000081a4");
        assert_eq!(&file[54..62], "00000005");
        assert_eq!(&file[94..102], "00000004");
        assert!(
            file[110..].starts_with("a/b\x00\x00\x0012345\x00\x00\x00070701"),
            "{file}"
        );
        assert_eq!(text.matches("070701").count(), 4);
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }
}
