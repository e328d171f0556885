// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A program that lists routes, and a thread that reads all it says and counts lines; what it says last is kept.

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
    reader: Option<JoinHandle<io::Result<Said>>>,
    /// How it ends if all is well.
    status: i32,
}

/// What came of it.
#[derive(Debug)]
struct Said {
    ended: Instant,
    lines: u64,
    /// The last piece that it wrote.
    last: String,
}

impl Listing {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Self::start_for(command, 0)
    }

    /// Starts one that ends with this status if all is well.
    pub(crate) fn start_for(command: &mut Command, status: i32) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the listing can not be started")?;
        let mut output = child.stdout.take().context("it has an output")?;
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            let (mut lines, mut last) = (0, String::new());
            loop {
                let count = output.read(&mut buffer)?;
                if count == 0 {
                    let ended = Instant::now();
                    return Ok(Said { ended, lines, last });
                }
                let ends = buffer[..count].iter().filter(|octet| **octet == b'\n');
                lines += ends.count() as u64;
                if count < SHORT {
                    last = String::from_utf8_lossy(&buffer[..count]).into_owned();
                }
            }
        });
        Ok(Self {
            child,
            reader: Some(reader),
            status,
        })
    }

    /// It has said all.
    pub(crate) fn is_over(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// When it had said all, and how many lines that were.
    pub(crate) fn end(self) -> Result<(Instant, u64)> {
        self.said().map(|said| (said.ended, said.lines))
    }

    /// When it had said all, and its last words.
    pub(crate) fn end_with_words(self) -> Result<(Instant, String)> {
        self.said().map(|said| (said.ended, said.last))
    }

    fn said(mut self) -> Result<Said> {
        let reader = self.reader.take().context("it ends once")?;
        let said = reader
            .join()
            .map_err(|_| anyhow!("the reader panicked"))??;
        let status = self.child.wait()?;
        ensure!(
            status.code() == Some(self.status),
            "the listing failed: {status}"
        );
        Ok(said)
    }
}

/// More at once is a list, not words.
const SHORT: usize = 8 << 10;

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
        let words = Listing::start(Command::new("echo").arg("1 2 3")).unwrap();
        assert_eq!(words.end_with_words().unwrap().1, "1 2 3\n");
        assert!(
            Listing::start(&mut Command::new("false"))
                .unwrap()
                .end()
                .is_err()
        );
    }
}
