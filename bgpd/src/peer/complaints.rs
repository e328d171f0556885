// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often it is said that a neighbour's UPDATEs are malformed: one that sends nothing else must not fill the log.

use std::{fmt, time::Duration};

use bgp_proto::Instant;

/// Between two that are said.
const PAUSE: Duration = Duration::from_secs(1);

/// What was said, and what was not.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    next: Option<Instant>,
    left_out: u64,
}

impl Complaints {
    /// The words for a fault, unless it is too early for any.
    pub(super) fn about(&mut self, fault: impl fmt::Display, now: Instant) -> Option<String> {
        if self.next.is_some_and(|next| now < next) {
            self.left_out += 1;
            return None;
        }
        self.next = Some(now + PAUSE);
        Some(match std::mem::take(&mut self.left_out) {
            0 => fault.to_string(),
            more => format!("{fault}; {more} more since the last one that was told"),
        })
    }
}

#[cfg(test)]
mod tests {
    use bgp_proto::{Negotiated, Update};

    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_once_a_second() {
        // ATOMIC_AGGREGATE with a value.
        let body = [0, 0, 0, 4, 0x40, 6, 1, 0];
        let update = Update::decode(&body, &Negotiated::default()).unwrap();
        let [fault] = update.faults() else {
            panic!("{:?}", update.faults())
        };
        let mut complaints = Complaints::default();
        let mut told = Vec::new();
        for number in 0..100 {
            let now = Instant::ZERO + Duration::from_millis(number * 25);
            told.extend(complaints.about(fault, now));
        }
        let more = |words: &String| words.split_once("; ").map(|(_, more)| more.to_owned());
        let more: Vec<Option<String>> = told.iter().map(more).collect();
        let after = Some("39 more since the last one that was told".to_owned());
        assert_eq!(more, [None, after.clone(), after]);
        assert!(
            told.iter()
                .all(|words| words.starts_with(&fault.to_string()))
        );
    }
}
