// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Namespaces and the cables between them.

use std::{
    fs,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CloneFlags, setns},
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction},
    unistd::Pid,
};

use crate::process::{Process, run_words};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What an interrupt removes: of each lab the namespaces that it has then, and the folder.
static ON_INTERRUPT: OnceLock<Mutex<Vec<Rubbish>>> = OnceLock::new();

type Rubbish = (Arc<Mutex<Vec<String>>>, PathBuf);

/// A set of namespaces with a folder for files and logs. All of it goes when this is dropped.
#[derive(Debug)]
pub struct Lab {
    tag: String,
    folder: PathBuf,
    names: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    /// An empty lab. Its names begin with `prefix`.
    ///
    /// # Errors
    /// No folder for temporary files.
    pub fn new(prefix: &str) -> Result<Self> {
        let tag = format!(
            "{prefix}{:x}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(format!("bgpd-lab-{tag}"));
        fs::create_dir_all(&folder)?;
        Ok(Self {
            tag,
            folder,
            names: Arc::default(),
        })
    }

    /// What removes a lab that is kept: a line for the shell.
    pub fn how_to_remove(&self) -> String {
        format!(
            "for n in $(ip netns list | grep -o '^{}-[^ ]*'); do ip netns pids $n | xargs -r kill; ip netns del $n; done; rm -r {}",
            self.tag,
            self.folder.display()
        )
    }

    /// From now on Ctrl-C and SIGTERM remove all that is here, processes too, and end the program. Threads and processes that
    /// the caller starts later do not get Ctrl-C themselves.
    ///
    /// # Errors
    /// The system's.
    pub fn remove_on_interrupt(&self) -> Result<()> {
        let mut interrupt = SigSet::empty();
        interrupt.add(Signal::SIGINT);
        interrupt.thread_block()?;
        let this = (Arc::clone(&self.names), self.folder.clone());
        let is_watched = ON_INTERRUPT.get().is_some();
        let labs = ON_INTERRUPT.get_or_init(Mutex::default);
        labs.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(this);
        if is_watched {
            return Ok(());
        }
        end_as_interrupt()?;
        thread::spawn(move || {
            if interrupt.wait().is_ok() {
                eprintln!("interrupted: removing everything");
                for (names, folder) in &*labs.lock().unwrap_or_else(PoisonError::into_inner) {
                    for name in &*names.lock().unwrap_or_else(PoisonError::into_inner) {
                        end_processes(name);
                        let _ = run_words("ip", ["netns", "del", name]);
                    }
                    let _ = fs::remove_dir_all(folder);
                }
                std::process::exit(130);
            }
        });
        Ok(())
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a namespace with its loopback up and forwarding on.
    ///
    /// # Errors
    /// Not root, or the kernel has no namespaces.
    pub fn netns(&self, name: &str) -> Result<Netns> {
        let full = format!("{}-{name}", self.tag);
        run_words("ip", ["netns", "add", &full]).context("network namespaces need root")?;
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(full.clone());
        let netns = Netns {
            name: full,
            short: name.to_owned(),
            folder: self.folder.clone(),
        };
        netns.ip("link set lo up")?;
        for key in [
            "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0",
            "net.ipv6.conf.all.accept_dad=0",
            "net.ipv6.conf.default.accept_dad=0",
        ] {
            netns.exec(&["sysctl", "-qw", key])?;
        }
        Ok(netns)
    }

    /// A cable: a veth pair with an end in each namespace, both up.
    ///
    /// # Errors
    /// Names that are taken.
    pub fn cable(&self, first: (&Netns, &str), second: (&Netns, &str)) -> Result<()> {
        let ((a, left), (b, right)) = (first, second);
        run_words(
            "ip",
            [
                "link", "add", left, "netns", &a.name, "type", "veth", "peer", "name", right,
                "netns", &b.name,
            ],
        )?;
        a.ip(&format!("link set {left} up"))?;
        b.ip(&format!("link set {right} up"))
    }

    /// Two namespaces, `a` and `b`, joined by `eth0` with 10.0.0.1/24, 10.0.0.2/24 and `fd00::1/64`, `fd00::2/64`.
    ///
    /// # Errors
    /// Not root.
    pub fn pair(&self) -> Result<(Netns, Netns)> {
        let (a, b) = (self.netns("a")?, self.netns("b")?);
        self.cable((&a, "eth0"), (&b, "eth0"))?;
        for (netns, number) in [(&a, 1), (&b, 2)] {
            netns.ip(&format!("addr add 10.0.0.{number}/24 dev eth0"))?;
            netns.ip(&format!("-6 addr add fd00::{number}/64 dev eth0 nodad"))?;
        }
        Ok((a, b))
    }

    /// A pair as above, and `c` with 10.0.1.2/24 at the other end of `eth1` of `a`, which has 10.0.1.1/24.
    ///
    /// # Errors
    /// Not root.
    pub fn three(&self) -> Result<(Netns, Netns, Netns)> {
        let (a, b) = self.pair()?;
        let c = self.netns("c")?;
        self.cable((&a, "eth1"), (&c, "eth0"))?;
        a.ip("addr add 10.0.1.1/24 dev eth1")?;
        c.ip("addr add 10.0.1.2/24 dev eth0")?;
        Ok((a, b, c))
    }

    /// So many namespaces at one switch: `10.0.0.1/24` and `fd00::1/64` at `eth0` of the first, and so on.
    ///
    /// # Errors
    /// Not root.
    pub fn lan(&self, size: usize) -> Result<Vec<Netns>> {
        let switch = self.netns("switch")?;
        switch.ip("link add br0 type bridge")?;
        switch.ip("link set br0 up")?;
        (1..=size)
            .map(|number| {
                let host = self.netns(&format!("n{number}"))?;
                let port = format!("port{number}");
                self.cable((&host, "eth0"), (&switch, &port))?;
                switch.ip(&format!("link set {port} master br0"))?;
                host.ip(&format!("addr add 10.0.0.{number}/24 dev eth0"))?;
                host.ip(&format!("-6 addr add fd00::{number}/64 dev eth0 nodad"))?;
                Ok(host)
            })
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names.drain(..) {
            // What is gone already needs no removing.
            let _ = run_words("ip", ["netns", "del", &name]);
        }
        drop(names);
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Kills what runs in a namespace; what has ended by itself meanwhile is no matter.
fn end_processes(name: &str) {
    let pids = run_words("ip", ["netns", "pids", name]).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        // A thread of ours that is in the namespace counts as ourselves.
        if pid != std::process::id().cast_signed() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct Netns {
    name: String,
    short: String,
    folder: PathBuf,
}

impl Netns {
    /// Its name for `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name in the lab.
    pub fn short(&self) -> &str {
        &self.short
    }

    /// A file of this namespace's in the lab's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", self.short))
    }

    /// Writes a file of this namespace's.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&self, name: &str, contents: &str) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, contents)?;
        Ok(path)
    }

    /// `ip` in the namespace; the arguments are split at spaces.
    ///
    /// # Errors
    /// `ip`'s.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        self.ip_output(arguments).map(drop)
    }

    /// The same, with what it prints.
    ///
    /// # Errors
    /// `ip`'s.
    pub fn ip_output(&self, arguments: &str) -> Result<String> {
        run_words(
            "ip",
            ["-n", self.name.as_str()]
                .into_iter()
                .chain(arguments.split_whitespace()),
        )
    }

    /// Runs a program to its end in the namespace.
    ///
    /// # Errors
    /// The program's.
    pub fn exec(&self, words: &[&str]) -> Result<String> {
        run_words(
            "ip",
            ["netns", "exec", self.name.as_str()]
                .into_iter()
                .chain(words.iter().copied()),
        )
    }

    /// A command that runs in the namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        // `ip netns exec` becomes the program: the pid is the program's.
        command
            .args(["netns", "exec", self.name.as_str()])
            .arg(program);
        command
    }

    /// Starts a program in the background; its log is a file of the namespace's.
    ///
    /// # Errors
    /// It can not be started.
    pub fn start(&self, command: &mut Command, name: &str) -> Result<Process> {
        Process::start(
            command,
            &format!("{name} in {}", self.short),
            &self.file(&format!("{name}.log")),
        )
    }

    /// Runs a function in a thread that is in the namespace.
    ///
    /// # Errors
    /// The namespace is gone.
    ///
    /// # Panics
    /// The thread, if it can not enter; the caller gets the error.
    pub fn enter<T: Send + 'static>(
        &self,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> Result<thread::JoinHandle<T>> {
        let file = fs::File::open(format!("/run/netns/{}", self.name))?;
        let (ready, entered) = std::sync::mpsc::channel();
        let handle = thread::spawn(move || {
            let result = setns(file.as_fd(), CloneFlags::CLONE_NEWNET);
            let is_in = result.is_ok();
            // The caller waits for exactly this.
            let _ = ready.send(result);
            assert!(is_in, "the namespace can be entered");
            function()
        });
        entered.recv()??;
        Ok(handle)
    }

    /// Addresses of a host's own, on no link: `10.NUMBER.0.1` and `fd0NUMBER::1`.
    ///
    /// # Errors
    /// `ip`'s.
    pub fn own_addresses(&self, number: u8) -> Result<()> {
        self.ip(&format!("addr add 10.{number}.0.1/32 dev lo"))?;
        self.ip(&format!("-6 addr add fd0{number}::1/128 dev lo"))
    }
}

/// SIGTERM does what Ctrl-C does. It is not blocked: whoever is started would inherit that and could not be ended, while a handler
/// ends with `exec`.
#[expect(unsafe_code, reason = "a handler of a signal")]
fn end_as_interrupt() -> Result<()> {
    extern "C" fn interrupt(_: i32) {
        let _ = kill(Pid::this(), Signal::SIGINT);
    }
    let action = SigAction::new(
        SigHandler::Handler(interrupt),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing but two system calls that may be made in one.
    unsafe { sigaction(Signal::SIGTERM, &action) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn who_is_started_under_watch_can_be_ended() {
        let lab = Lab::new("watched").unwrap();
        lab.remove_on_interrupt().unwrap();
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    }
}
