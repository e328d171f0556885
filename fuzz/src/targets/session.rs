// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A session, driven by a script: by events, or by the octets of a peer that says whatever it likes.

mod events;
mod octets;
mod promises;
mod script;

use script::Script;

/// The session machine keeps its promises to the driver, and what a hostile neighbour says reaches other neighbours
/// well-formed or not at all. The first octet chooses between the two.
pub fn session(data: &[u8]) {
    let mut script = Script::new(data);
    if script.flag() {
        octets::run(&mut script);
    } else {
        events::run(&mut script);
    }
}
