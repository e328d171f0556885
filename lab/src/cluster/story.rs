// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the demo prints.

use std::time::Instant;

/// The story as it is told.
#[derive(Debug)]
pub struct Story {
    begun: Instant,
    claims: u32,
}

impl Story {
    /// Begins now.
    pub(super) fn new(begun: Instant) -> Self {
        Self { begun, claims: 0 }
    }

    /// Something that has just been seen to be so.
    pub(super) fn claim(&mut self, text: &str) {
        self.claims += 1;
        println!("✓ {:5.1} s  {text}", self.begun.elapsed().as_secs_f32());
    }

    pub(super) fn end(&self) {
        println!(
            "\nAll {} claims hold. {:.1} s.",
            self.claims,
            self.begun.elapsed().as_secs_f32()
        );
    }
}

/// A command and what it printed.
pub(super) fn show(place: &str, command: &str, output: &str) {
    println!("\n{place}$ {command}");
    for line in output.lines() {
        println!("  {}", line.trim_end());
    }
}

/// A line between scenes.
pub(super) fn scene(text: &str) {
    println!("\n── {text}");
}
