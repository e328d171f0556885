// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is measured: loads by name and size.

use std::time::Duration;

use anyhow::Result;
use bgp_proto::Family;

use crate::{
    contestant::{Kind, Setup},
    drive,
    stage::Stage,
};

/// How much.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    /// Routes in all.
    pub routes: u32,
    /// Neighbours that send.
    pub senders: u32,
    /// Neighbours that receive; clients, where all do both.
    pub receivers: u32,
    /// How many changes, or seconds, where that is asked.
    pub rounds: u32,
    /// Routes that are there to be listed, and go nowhere.
    pub listed: u32,
    /// Threads of our RIB, if not as many as by default.
    pub shards: Option<u32>,
}

/// What there is more and more of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Axis {
    /// Routes.
    Routes,
    /// Threads of our RIB.
    Shards,
}

impl Axis {
    /// How much of it a size has.
    pub fn of(self, size: Size) -> u32 {
        match self {
            Self::Routes => size.routes,
            Self::Shards => size.shards.unwrap_or_default(),
        }
    }

    /// As it is written.
    pub fn label(self, value: u32) -> String {
        match self {
            Self::Routes if value >= 1_000_000 && value.is_multiple_of(100_000) => {
                format!("{} M", f64::from(value) / 1e6)
            }
            Self::Routes => format!("{} k", f64::from(value) / 1e3),
            Self::Shards if value == 1 => "1 shard".into(),
            Self::Shards => format!("{value} shards"),
        }
    }
}

/// A case at several sizes.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// How they differ.
    pub axis: Axis,
    /// What is measured.
    pub sizes: &'static [Size],
    /// What is enough to see that it works.
    pub quick: &'static [Size],
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// As it is called on the command line; `reflect-200` is also meant by `reflect`.
    pub name: &'static str,
    /// What happens.
    pub what: &'static str,
    /// What is measured.
    pub size: Size,
    /// What is enough to see that it works.
    pub quick: Size,
    /// Whoever is not done by then has not finished.
    pub limit: Duration,
    /// Seconds that a run with bgpd and one with BIRD take together, about.
    pub seconds: u32,
    /// It is run at several sizes.
    pub series: Option<Series>,
    /// Who can not do it, or not as it is configured here.
    pub without: &'static [Kind],
    /// What is no daemon, and is measured beside them as their limit.
    pub limits: &'static [Kind],
    /// The family of the routes.
    pub family: Family,
    pub(crate) setup: fn(&Self, Size) -> Setup,
    pub(crate) drive: fn(&mut Stage) -> Result<()>,
}

const fn size(routes: u32, senders: u32, receivers: u32) -> Size {
    Size {
        routes,
        senders,
        receivers,
        rounds: 0,
        listed: 0,
        shards: None,
    }
}

const fn clients(routes: u32, receivers: u32, rounds: u32) -> Size {
    Size {
        rounds,
        ..size(routes, 0, receivers)
    }
}

const fn shards(shards: u32, size: Size) -> Size {
    let shards = Some(shards);
    Size { shards, ..size }
}

/// All but ours.
const RIVALS: &[Kind] = &[Kind::Bird, Kind::Frr, Kind::GoBgp, Kind::OpenBgpd];

/// Routes from senders to receivers, all of other ASes.
const SPREAD: Case = Case {
    name: "",
    what: "",
    size: size(0, 0, 0),
    quick: size(0, 0, 0),
    limit: Duration::from_secs(120),
    seconds: 15,
    series: None,
    without: &[],
    limits: &[],
    family: Family::IPV4_UNICAST,
    setup: drive::spread::setup,
    drive: drive::spread::run,
};

/// Routes into the kernel.
const FIB: Case = Case {
    // GoBGP 3.10 dies of what zebra of FRR 8.4 has to say to it, and OpenBGPD leaves the kernel alone on Linux.
    without: &[Kind::GoBgp, Kind::OpenBgpd],
    limits: &[Kind::Netlink],
    setup: drive::fib::setup,
    drive: drive::fib::run,
    ..SPREAD
};

/// Clients of a reflector, each with blocks of its own.
const REFLECT: Case = Case {
    setup: drive::reflect::setup,
    drive: drive::reflect::run,
    ..SPREAD
};

/// A table that is listed over GoBGP's API; `Figure::Cpu` and what follows it are of the listing.
const API_LIST: Case = Case {
    size: size(1_000_000, 1, 1),
    quick: size(3000, 1, 1),
    limit: Duration::from_secs(240),
    seconds: 10,
    without: &[Kind::Bird, Kind::Frr, Kind::OpenBgpd],
    ..SPREAD
};

/// All of them, in order of worth.
pub const CASES: &[Case] = &[
    Case {
        name: "full",
        what: "one neighbour sends a million IPv4 prefixes with the lengths and attributes of the public table, one receives them",
        size: size(1_000_000, 1, 1),
        quick: size(3000, 1, 1),
        ..SPREAD
    },
    Case {
        name: "full6",
        what: "one neighbour sends 250 000 IPv6 prefixes like the public table's, one receives them",
        size: size(250_000, 1, 1),
        quick: size(3000, 1, 1),
        family: Family::IPV6_UNICAST,
        ..SPREAD
    },
    Case {
        name: "ten",
        what: "ten neighbours send the same 200 000 prefixes with different attributes, each the best path of a tenth of them; one receives the best",
        size: size(200_000, 10, 1),
        quick: size(1000, 10, 1),
        seconds: 20,
        ..SPREAD
    },
    Case {
        name: "ten-1m",
        what: "the same with a million prefixes",
        size: size(1_000_000, 10, 1),
        quick: size(2000, 10, 1),
        limit: Duration::from_secs(180),
        seconds: 90,
        ..SPREAD
    },
    Case {
        name: "linear",
        what: "as full, with 100 000 to 4 million prefixes: time and memory are to grow with them",
        size: size(4_000_000, 1, 1),
        quick: size(3000, 1, 1),
        seconds: 100,
        series: Some(Series {
            axis: Axis::Routes,
            sizes: &[
                size(100_000, 1, 1),
                size(300_000, 1, 1),
                size(1_000_000, 1, 1),
                size(2_000_000, 1, 1),
                size(4_000_000, 1, 1),
            ],
            quick: &[size(1000, 1, 1), size(3000, 1, 1)],
        }),
        ..SPREAD
    },
    Case {
        name: "shards",
        what: "as ten, with one, two and four threads that share our routes (`global.shards`; one for two cores by default)",
        size: size(200_000, 10, 1),
        quick: size(1000, 10, 1),
        seconds: 25,
        series: Some(Series {
            axis: Axis::Shards,
            sizes: &[
                shards(1, size(200_000, 10, 1)),
                shards(2, size(200_000, 10, 1)),
                shards(4, size(200_000, 10, 1)),
            ],
            quick: &[
                shards(1, size(1000, 10, 1)),
                shards(2, size(1000, 10, 1)),
                shards(4, size(1000, 10, 1)),
            ],
        }),
        without: RIVALS,
        ..SPREAD
    },
    Case {
        name: "fan-out",
        what: "one neighbour sends 100 000 prefixes, a hundred receive them",
        size: size(100_000, 1, 100),
        quick: size(1000, 1, 10),
        ..SPREAD
    },
    Case {
        name: "late",
        what: "a table of 500 000 prefixes has settled, and one more receiver comes",
        size: size(500_000, 1, 2),
        quick: size(3000, 1, 2),
        drive: drive::late::run,
        ..SPREAD
    },
    Case {
        name: "policy",
        what: "as ten, and every route goes through 20 statements in and out, each with one of four sets of 10 000 prefixes and an expression for AS paths",
        size: size(200_000, 10, 1),
        quick: size(1000, 10, 1),
        setup: drive::spread::with_policy,
        seconds: 32,
        ..SPREAD
    },
    Case {
        name: "fib",
        what: "one neighbour sends 100 000 prefixes, all of which become routes of the kernel; then all with another next hop; then withdraws them",
        size: size(100_000, 1, 0),
        quick: size(1000, 1, 0),
        ..FIB
    },
    Case {
        name: "fib-1m",
        what: "the same with a million prefixes",
        size: size(1_000_000, 1, 0),
        quick: size(2000, 1, 0),
        seconds: 40,
        ..FIB
    },
    Case {
        name: "reflect-200",
        what: "200 clients of a reflector connect at the same instant; when all are up, each announces 50 blocks, and receives everybody's",
        size: size(10_000, 0, 200),
        quick: size(200, 0, 20),
        ..REFLECT
    },
    Case {
        name: "reflect-500",
        what: "500 clients of a reflector connect at the same instant; when all are up, each announces 20 blocks, and receives everybody's",
        size: size(10_000, 0, 500),
        quick: size(100, 0, 25),
        seconds: 55,
        ..REFLECT
    },
    Case {
        name: "reflect-1000",
        what: "1000 clients of a reflector connect at the same instant; when all are up, each announces 10 blocks, and receives everybody's",
        size: size(10_000, 0, 1000),
        quick: size(100, 0, 50),
        limit: Duration::from_secs(240),
        seconds: 60,
        ..REFLECT
    },
    Case {
        name: "reflect-2000",
        what: "2000 clients of a reflector connect at the same instant; when all are up, each announces 5 blocks, and receives everybody's",
        size: size(10_000, 0, 2000),
        // More than so many BIRD takes minutes to accept.
        quick: size(100, 0, 50),
        limit: Duration::from_secs(240),
        seconds: 100,
        ..REFLECT
    },
    Case {
        name: "churn",
        what: "100 clients of a reflector, 10 blocks each; one block at a time is withdrawn and announced again, until the last client knows; then a client's connection closes",
        size: clients(1000, 100, 500),
        quick: clients(100, 10, 10),
        drive: drive::churn::run,
        ..REFLECT
    },
    Case {
        name: "list",
        what: "a million more routes are in the table of a reflector, which tells nobody of them (NO_ADVERTISE); each daemon's own tool \
               lists all routes, while blocks go and come back as in churn",
        size: Size {
            listed: 1_000_000,
            ..clients(1000, 100, 200)
        },
        quick: Size {
            listed: 3000,
            ..clients(100, 10, 5)
        },
        seconds: 60,
        // GoBGP tells these routes to everybody.
        without: &[Kind::GoBgp],
        setup: drive::list::setup,
        drive: drive::list::run,
        ..REFLECT
    },
    Case {
        name: "api-list-3",
        what: "a neighbour has sent a million prefixes, another has them; a client of ours lists them over GoBGP's API, version 3",
        drive: drive::api_list::version_3,
        ..API_LIST
    },
    Case {
        name: "api-list-4",
        what: "the same over version 4, which gobgpd 3.10 does not have",
        without: RIVALS,
        drive: drive::api_list::version_4,
        ..API_LIST
    },
    Case {
        name: "plan",
        what: "a neighbour has sent a million prefixes, another has them; `bgpctl plan` is asked about a file with another import policy, which \
               changes every route",
        without: RIVALS,
        drive: drive::plan::run,
        ..API_LIST
    },
    Case {
        name: "storm",
        what: "half of 1000 converged clients drop, and come back together when all others know",
        size: size(10_000, 0, 1000),
        quick: size(100, 0, 20),
        limit: Duration::from_secs(90),
        drive: drive::storm::run,
        seconds: 100,
        ..REFLECT
    },
    Case {
        name: "idle",
        what: "2000 sessions that say nothing but KEEPALIVE, for a minute",
        size: clients(0, 2000, 60),
        quick: clients(0, 20, 1),
        limit: Duration::from_secs(400),
        drive: drive::idle::run,
        seconds: 200,
        ..REFLECT
    },
];

impl Case {
    /// What is run, in order.
    pub fn sizes(&self, is_quick: bool) -> Vec<Size> {
        match (self.series, is_quick) {
            (Some(series), true) => series.quick.to_vec(),
            (Some(series), false) => series.sizes.to_vec(),
            (None, true) => vec![self.quick],
            (None, false) => vec![self.size],
        }
    }
}

/// Those that a word means: a name, or the beginning of one up to a hyphen and a number.
pub fn named(word: &str) -> Vec<&'static Case> {
    let is_meant = |case: &&Case| {
        let (family, number) = case.name.rsplit_once('-').unwrap_or((case.name, ""));
        case.name == word || (family == word && number.parse::<u32>().is_ok())
    };
    CASES.iter().filter(is_meant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_one_case_or_all_sizes_of_it() {
        let names = |word| named(word).iter().map(|case| case.name).collect::<Vec<_>>();
        assert_eq!(names("full"), ["full"]);
        assert_eq!(names("fan-out"), ["fan-out"]);
        assert_eq!(names("reflect").len(), 4);
        assert_eq!(names("api-list").len(), 2);
        assert_eq!(names("reflect-500"), ["reflect-500"]);
        assert!(names("fan").is_empty());
    }
}
