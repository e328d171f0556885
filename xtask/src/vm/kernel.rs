// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian's kernel, out of its package: nothing is installed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::packages;

/// A kernel.
pub(super) struct Kernel {
    /// Of its package.
    pub(super) name: String,
    /// What is booted.
    pub(super) image: PathBuf,
    /// Where its modules are, by name.
    modules: BTreeMap<String, PathBuf>,
}

/// A kernel module.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) octets: Vec<u8>,
}

/// The kernel of this Debian, fetched once.
pub(super) fn unpacked(folder: &Path) -> Result<Kernel> {
    let name = package()?;
    let place = folder.join(&name);
    if !place.is_dir() {
        // A folder that is there is complete.
        let part = folder.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&part)?;
        println!("fetching {name}");
        let fetched = fetch(&name, &part);
        // If it can not be moved, another one was faster.
        if fetched.is_err() || fs::rename(&part, &place).is_err() {
            fs::remove_dir_all(&part)?;
        }
        fetched?;
    }
    let mut modules = BTreeMap::new();
    collect(&place, &mut modules)?;
    let image = modules
        .remove("vmlinuz")
        .context("the package has a kernel")?;
    Ok(Kernel {
        name,
        image,
        modules,
    })
}

/// What `linux-image-amd64` stands for.
fn package() -> Result<String> {
    let depends = || -> Result<Option<String>> {
        let output = Command::new("apt-cache")
            .args(["depends", "--important", "linux-image-amd64"])
            .output()
            .context("apt-cache can not be started: the kernel is Debian's")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names
            .map(str::to_owned)
            .find(|name| name.starts_with("linux-image-")))
    };
    if let Some(name) = depends()? {
        return Ok(name);
    }
    packages::update()?;
    depends()?.context("Debian has no linux-image-amd64")
}

fn fetch(name: &str, place: &Path) -> Result<()> {
    let download = || -> Result<bool> {
        let mut apt = Command::new("apt-get");
        apt.args(["download", "--quiet=2", name]).current_dir(place);
        Ok(apt.stderr(Stdio::null()).status()?.success())
    };
    if !download()? {
        packages::update()?;
        ensure!(download()?, "`apt-get download {name}` failed");
    }
    let package = fs::read_dir(place)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get leaves a package")?;
    let mut contents = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(&package)
        .stdout(Stdio::piped())
        .spawn()?;
    let status = Command::new("tar")
        .args(["--extract", "--wildcards", "--directory"])
        .arg(place)
        .args([
            "./boot/vmlinuz-*",
            "*/kernel/net/*",
            "*/kernel/drivers/net/*.ko",
            "*/kernel/lib/*",
        ])
        .stdin(contents.stdout.take().context("dpkg-deb has an output")?)
        .status()?;
    ensure!(
        status.success() && contents.wait()?.success(),
        "{name} can not be unpacked"
    );
    Ok(fs::remove_file(package)?)
}

fn collect(folder: &Path, into: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
            continue;
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if file.starts_with("vmlinuz-") {
            into.insert("vmlinuz".into(), path);
        } else if let Some(name) = file.strip_suffix(".ko") {
            // Names in dependencies have underscores, files may have dashes.
            into.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

impl Kernel {
    /// These modules and those that they need, in the order in which they can be inserted.
    pub(super) fn modules(&self, names: &[&str]) -> Result<Vec<Module>> {
        let mut found: Vec<Module> = Vec::new();
        for name in names {
            self.add(name, &mut found)?;
        }
        Ok(found)
    }

    fn add(&self, name: &str, found: &mut Vec<Module>) -> Result<()> {
        if found.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let Some(path) = self.modules.get(name) else {
            bail!("{} has no module {name}", self.name);
        };
        let octets = fs::read(path)?;
        for needed in depends(&octets) {
            self.add(&needed, found)?;
        }
        found.push(Module {
            name: name.to_owned(),
            octets,
        });
        Ok(())
    }
}

/// What a module says that it needs: the line `depends=` of its `.modinfo`.
fn depends(module: &[u8]) -> Vec<String> {
    let mut strings = module.split(|octet| *octet == 0);
    let line = strings.find_map(|string| string.strip_prefix(b"depends="));
    String::from_utf8_lossy(line.unwrap_or_default())
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::depends;

    #[test]
    fn a_module_says_what_it_needs() {
        let module = b"\x7fELF\0license=GPL\0depends=tunnel4,ip_tunnel\0retpoline=Y\0";
        assert_eq!(depends(module), ["tunnel4", "ip_tunnel"]);
        assert!(depends(b"\x7fELF\0depends=\0").is_empty());
        assert!(depends(b"").is_empty());
    }
}
