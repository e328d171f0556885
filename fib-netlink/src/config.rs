// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is ours, and what we learn.

use std::collections::BTreeSet;
use std::time::Duration;

/// How a [`Fib`](crate::Fib) behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FibConfig {
    /// The kernel's table of routes that ask for no other. 254 is `main`.
    pub table: u32,
    /// Further tables that are ours from the start, before a route asks for one of them.
    pub tables: BTreeSet<u32>,
    /// Protocol number on our routes; with table and metric it says which routes are ours. 12 is `bird`.
    pub protocol: u8,
    /// Metric of our routes unless a route has its own. 0 means none given (the kernel makes that 1024 for IPv6).
    pub metric: u32,
    /// Further metrics that mark our routes from the start, before a route asks for one of them.
    pub metrics: BTreeSet<u32>,
    /// What is learned from the kernel.
    pub learn: Learn,
    /// Leave our routes in the kernel at [`shutdown`](crate::Fib::shutdown).
    pub persist: bool,
    /// Routes left by a previous run are deleted, if nobody desired them by then, when the caller says
    /// [`converged`](crate::Fib::converged) or this long after the start. `None`: only when the caller says so.
    pub sweep_after: Option<Duration>,
    /// A set of hops that this many desired routes share is written once, as a next-hop object (`ip nexthop`), and the
    /// routes name it. `None`: never.
    pub nexthop_objects: Option<usize>,
    /// Next hops may be reached by a default route.
    pub resolve_via_default: bool,
    /// Everything is compared with the kernel this often even if no event asks for it. `None`: never.
    pub scan_interval: Option<Duration>,
    /// Octets asked for the receive buffer of the notification socket. A small one costs resyncs, not correctness.
    pub receive_buffer: usize,
}

impl Default for FibConfig {
    fn default() -> Self {
        Self {
            table: 254,
            tables: BTreeSet::new(),
            protocol: 12,
            metric: 0,
            metrics: BTreeSet::new(),
            learn: Learn::default(),
            persist: true,
            sweep_after: Some(Duration::from_secs(300)),
            nexthop_objects: None,
            resolve_via_default: true,
            scan_interval: Some(Duration::from_secs(300)),
            receive_buffer: 8 << 20,
        }
    }
}

/// What is learned from the kernel; nothing by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Learn {
    /// Routes of other programs in our table, if one of their devices matches. Routes without a device (blackholes) count
    /// if the patterns match the empty name. Not: our own, connected ones (`proto kernel`), redirects.
    pub kernel: Option<Interfaces>,
    /// Connected prefixes: those of the addresses of matching interfaces that are up. Not: host and link scope.
    pub direct: Option<Interfaces>,
}

/// Patterns of interface names, as in `"-cali*", "eth?", "*"`: `*` stands for any text, `?` for one character, a leading
/// `-` or `!` excludes. The first pattern that matches decides; if none does, a name is taken only if every pattern is an
/// exclusion (so an empty list takes all).
///
/// ```
/// use fib_netlink::Interfaces;
/// let all_but_pods = Interfaces::new(["-cali*"]);
/// assert!(all_but_pods.matches("eth0") && !all_but_pods.matches("cali1234"));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interfaces(Vec<(bool, String)>);

impl Interfaces {
    /// Reads a list of patterns.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Self {
        let read = |pattern: T| {
            let text = pattern.as_ref();
            match text.strip_prefix(['-', '!']) {
                Some(rest) => (false, rest.to_owned()),
                None => (true, text.to_owned()),
            }
        };
        Self(patterns.into_iter().map(read).collect())
    }

    /// Every interface.
    pub fn any() -> Self {
        Self::default()
    }

    /// Whether the interface is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self
            .0
            .iter()
            .find(|(_, pattern)| wildcard(pattern.as_bytes(), name.as_bytes()))
        {
            Some((wanted, _)) => *wanted,
            None => self.0.iter().all(|(wanted, _)| !wanted),
        }
    }
}

/// Greedy match with one point of return: linear for one `*`, quadratic at worst.
fn wildcard(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((p, rest)), Some((t, tail))) if p == t || *p == b'?' => {
                (pattern, text) = (rest, tail);
            }
            (None, None) => return true,
            _ => match retry {
                Some((rest, [_, tail @ ..])) => {
                    retry = Some((rest, tail));
                    (pattern, text) = (rest, tail);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let calico = Interfaces::new(["-cali*", "!kube-ipvs*", "*"]);
        assert!(!calico.matches("cali12"));
        assert!(!calico.matches("kube-ipvs0"));
        assert!(calico.matches("eth0"));
        let reversed = Interfaces::new(["*", "-cali*"]);
        assert!(reversed.matches("cali12"));
    }

    #[test]
    fn a_list_of_exclusions_takes_the_rest_and_a_list_of_names_does_not() {
        assert!(Interfaces::any().matches("eth0"));
        assert!(Interfaces::new(["-lo"]).matches("eth0"));
        assert!(!Interfaces::new(["eth0"]).matches("eth1"));
        assert!(!Interfaces::new(["-lo", "eth0"]).matches("eth1"));
    }

    #[test]
    fn stars_and_question_marks_match_as_in_a_shell() {
        for (pattern, name, matches) in [
            ("cali*", "cali", true),
            ("*0", "eth10", true),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybz", false),
            ("eth?", "eth1", true),
            ("eth?", "eth10", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                wildcard(pattern.as_bytes(), name.as_bytes()),
                matches,
                "{pattern} {name}"
            );
        }
    }
}
