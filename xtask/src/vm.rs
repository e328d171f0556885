// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The demo in a virtual machine: a Debian kernel, and in its initramfs nothing but what the demo calls.
//!
//! Containers and hosted build machines often have no `ipip` module. A kernel of one's own does, and it needs neither root
//! nor hardware virtualisation: qemu translates. It has no network card.

mod initramfs;
mod kernel;

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use self::initramfs::Archive;

/// What has to be installed.
pub(crate) const PACKAGES: &[&str] = &[
    "qemu-system-x86",
    "busybox-static",
    "binutils",
    "iproute2",
    "iputils-ping",
    "procps",
    "tcpdump",
    "bird2",
    "make",
];

/// Programs of Debian's that the demo calls.
const PROGRAMS: &[&str] = &[
    "busybox", "ip", "bridge", "sysctl", "ping", "tcpdump", "bird", "birdc",
];

/// Kernel modules, without those that they need.
const MODULES: &[&str] = &["ipip", "veth", "bridge", "vxlan", "dummy", "vrf"];

/// Printed by `/init` around what the program prints, the second with its exit code.
const BEGIN: &str = "lab-vm-begin";
const END: &str = "lab-vm-end";

/// A machine that takes longer is hanging.
const PATIENCE: Duration = Duration::from_secs(600);

/// Boots a machine, runs this very program in it with these arguments, and shows what it prints.
///
/// # Errors
/// The machine does not boot, the program in it fails, or it takes too long.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vm");
    fs::create_dir_all(&folder)?;
    let kernel = kernel::unpacked(&folder)?;
    // Several at once are no trouble: each has its own folder.
    let scratch = folder.join(format!("run-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let initramfs = scratch.join("initramfs");
    let result = pack(&scratch, &kernel, arguments)
        .and_then(|octets| Ok(fs::write(&initramfs, octets)?))
        .and_then(|()| boot(&kernel, &initramfs));
    fs::remove_dir_all(&scratch)?;
    result
}

/// The initramfs: programs with their libraries, modules, and a script that calls them.
fn pack(scratch: &Path, kernel: &kernel::Kernel, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for name in PROGRAMS {
        archive.program(name, &initramfs::find(name)?)?;
    }
    for (name, path) in [
        // Even if a build has taken its file away meanwhile.
        ("xtask", format!("/proc/{}/exe", std::process::id()).into()),
        ("bgpd", lab::binary("bgpd")?),
        ("bgpctl", lab::binary("bgpctl")?),
    ] {
        archive.program(name, &stripped(scratch, name, &path)?)?;
    }
    let mut insert = String::new();
    for module in kernel.modules(MODULES)? {
        // Writing to a String can not fail.
        let _ = writeln!(insert, "busybox insmod /modules/{}.ko", module.name);
        archive.file(
            &format!("modules/{}.ko", module.name),
            0o644,
            &module.octets,
        );
    }
    // tcpdump asks who root is.
    archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/busybox\n");
    archive.file("etc/group", 0o644, b"root:x:0:\n");
    archive.file("init", 0o755, init(&insert, arguments).as_bytes());
    Ok(archive.finish())
}

/// Without what only a debugger reads: memory is what the machine has least of.
fn stripped(scratch: &Path, name: &str, path: &Path) -> Result<PathBuf> {
    let stripped = scratch.join(name);
    let status = Command::new("strip")
        .arg("-o")
        .args([&stripped, path])
        .status()
        .context("strip (of binutils) can not be started")?;
    ensure!(status.success(), "strip can not read {}", path.display());
    Ok(stripped)
}

fn init(insert_modules: &str, arguments: &[&str]) -> String {
    let arguments = arguments.join(" ");
    format!(
        "#!/bin/busybox sh\n\
         export PATH=/bin HOME=/ NO_COLOR=1\n\
         busybox mkdir -p /proc /sys /dev /run /tmp /var\n\
         busybox ln -s /run /var/run\n\
         busybox mount -t proc proc /proc\n\
         busybox mount -t sysfs sysfs /sys\n\
         busybox mount -t devtmpfs devtmpfs /dev\n\
         busybox mount -t tmpfs tmpfs /run\n\
         busybox mount -t tmpfs tmpfs /tmp\n\
         {insert_modules}\
         ip link set lo up\n\
         echo {BEGIN}\n\
         xtask {arguments} 2>&1\n\
         echo {END} $?\n\
         busybox poweroff -f\n"
    )
}

/// Boots it. On a busy host the kernel would find that its timer does not tick, were it to check.
fn boot(kernel: &kernel::Kernel, initramfs: &Path) -> Result<()> {
    let begun = Instant::now();
    println!("booting {} under qemu", kernel.name);
    let mut qemu = Command::new("qemu-system-x86_64")
        .args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "1024",
        ])
        .args([
            "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio",
        ])
        .arg("-no-reboot")
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            "console=ttyS0 no_timer_check quiet loglevel=3 panic=-1 mitigations=off",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("qemu-system-x86_64 can not be started")?;
    let result = follow(&mut qemu, begun);
    // It may have ended by itself.
    let _ = qemu.kill();
    qemu.wait()?;
    result
}

/// Shows what the program prints, and waits for the line with its exit code.
fn follow(qemu: &mut Child, begun: Instant) -> Result<()> {
    let console = qemu.stdout.take().context("qemu has an output")?;
    let (sender, lines) = mpsc::channel();
    // It ends with qemu's output.
    std::thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let (mut boot, mut has_begun) = (Vec::new(), false);
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(BEGIN) => {
                has_begun = true;
                println!("booted in {:.1} s", begun.elapsed().as_secs_f32());
            }
            Ok(line) => match line.strip_prefix(END).map(str::trim) {
                Some("0") => {
                    println!(
                        "the machine powers off: {:.1} s",
                        begun.elapsed().as_secs_f32()
                    );
                    return Ok(());
                }
                Some(code) => bail!("in the machine it ended with {code}"),
                None if has_begun => println!("{line}"),
                None => boot.push(line),
            },
            Err(RecvTimeoutError::Timeout) => bail!("the machine hangs: killed after {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) if has_begun => {
                bail!("the machine stopped before the program ended")
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the machine does not boot:\n{}", boot.join("\n"))
            }
        }
    }
}
