// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting for something to become true.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// What is waited for can not come any more.
#[derive(Debug)]
pub struct Ended(pub String);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Ended {}

/// Asks until the answer is `Ok`, or [`Ended`], or the time is over; then the last answer is the error.
///
/// # Errors
/// What was missing to the end.
pub fn until<T>(what: &str, time: Duration, mut question: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + time;
    loop {
        match question() {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is::<Ended>() => return Err(error.context(what.to_owned())),
            Err(error) if Instant::now() > end => {
                bail!("{what}: not so after {time:?}; last seen: {error:#}")
            }
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
}
