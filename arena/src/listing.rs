// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program that lists routes, and a thread that reads all it says and counts lines.

use std::{
    io::{self, Read as _},
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, ensure};

/// One that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Listing {
    child: Child,
    reader: Option<JoinHandle<io::Result<(Instant, u64)>>>,
}

impl Listing {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the listing can not be started")?;
        let mut output = child.stdout.take().context("it has an output")?;
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            let mut lines = 0;
            loop {
                let count = output.read(&mut buffer)?;
                if count == 0 {
                    return Ok((Instant::now(), lines));
                }
                let ends = buffer[..count].iter().filter(|octet| **octet == b'\n');
                lines += ends.count() as u64;
            }
        });
        Ok(Self {
            child,
            reader: Some(reader),
        })
    }

    /// It has said all.
    pub(crate) fn is_over(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// When it had said all, and how many lines that were.
    pub(crate) fn end(mut self) -> Result<(Instant, u64)> {
        let reader = self.reader.take().context("it ends once")?;
        let said = reader
            .join()
            .map_err(|_| anyhow!("the reader panicked"))??;
        let status = self.child.wait()?;
        ensure!(status.success(), "the listing failed: {status}");
        Ok(said)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_failures_told() {
        let begun = Instant::now();
        let listing = Listing::start(Command::new("seq").arg("100000")).unwrap();
        let (ended, lines) = listing.end().unwrap();
        assert!(lines == 100_000 && ended > begun);
        assert!(
            Listing::start(&mut Command::new("false"))
                .unwrap()
                .end()
                .is_err()
        );
    }
}
