// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `gobgp monitor` prints.

use anyhow::{Result, ensure};
use lab::until;

use crate::both::{Both, SOON};

/// A prefix that BIRD announces, changes and takes back.
const LATE: &str = "10.4.0.0/24";

#[test]
#[ignore = "needs netns"]
fn gobgp_monitors_the_same_of_both_daemons() -> Result<()> {
    let mut both = Both::start()?;
    let monitors = both.start_on_each(&[
        "monitor adj-in",
        "monitor adj-in --current",
        "-j monitor adj-in --current",
        "monitor adj-in 10.0.0.9 --current",
        "monitor adj-in -a ipv6 --current",
        "monitor global rib --current",
        "-j monitor global rib --current",
    ])?;
    // A route of our own takes the place of a neighbour's, and gives it back.
    both.tell("global rib add 10.9.0.0/24")?;
    both.tell("global rib del 10.9.0.0/24")?;
    for (order, seen) in [
        ("enable late", Some("64513")),
        ("enable later", Some("64513:4")),
        ("disable later", Some("64513")),
        ("disable late", None),
    ] {
        late(&both, order, seen)?;
    }
    both.same_logs(monitors, LATE, LATE)?;

    let monitors = both.start_on_each(&["monitor global rib", "-j monitor global rib"])?;
    both.tell("neighbor 10.0.0.2 disable")?;
    both.same_logs(monitors, "nothing", "10.2.2.0/23")?;

    for (order, last) in [("disable", "fsm: IDLE"), ("enable", "fsm: ESTABLISHED")] {
        let monitors = both.start_on_each(&["monitor neighbor 10.0.0.3"])?;
        both.tell(&format!("neighbor 10.0.0.3 {order}"))?;
        both.same_logs(monitors, "", last)?;
    }
    both.finish()
}

/// BIRD changes what it says of [`LATE`], and both daemons have heard it.
fn late(both: &Both, order: &str, seen: Option<&str>) -> Result<()> {
    for side in both.sides() {
        side.bird.ctl(order)?;
        until(order, SOON, || {
            let text = side.says(&format!("neighbor 10.0.0.2 adj-in {LATE}"))?;
            let is_as_wanted = match seen {
                Some(word) => text.contains(word) && text.contains(":4}") == (word == "64513:4"),
                None => !text.contains("64513"),
            };
            ensure!(is_as_wanted, "{text}");
            Ok(())
        })?;
    }
    Ok(())
}
