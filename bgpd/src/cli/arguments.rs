// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The grammar of the command line.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
};

use bgp_proto::{
    AsPath, Asn, Community, Family, LargeCommunity, NextHop, Origin, PathAttributes, Prefix,
};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{Failure, Tls, changes::NeighborChange};
use crate::{
    api::{TlsFiles, convert},
    config::PeerName,
    control::{NewRoute, PrefixMatch, RouteQuery, Table, WatchFilter},
};

/// Asks and commands a running bgpd.
#[derive(Debug, Parser)]
#[command(name = "bgpctl", version, after_help = EPILOGUE, max_term_width = 100)]
pub(super) struct Arguments {
    /// Where bgpd listens: `unix:/path` or `host:port` [env: `BGPD_TARGET`] [default:
    /// `unix:/run/bgpd/bgpd.sock`, then `127.0.0.1:50051`]
    #[arg(
        long,
        short,
        global = true,
        value_name = "TARGET",
        help_heading = "Common options"
    )]
    pub target: Option<String>,

    /// Print JSON for programs: one document, or with `watch` one object per line
    #[arg(long, short, global = true, help_heading = "Common options")]
    pub json: bool,

    /// Colours; `auto` is: if standard output is a terminal and `NO_COLOR` is not set
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Common options"
    )]
    pub color: Color,

    #[command(flatten)]
    pub tls: TlsArgs,

    #[command(subcommand)]
    pub command: Command,
}

/// TLS over TCP.
#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Talk TLS, and believe a bgpd whose certificate comes from here (PEM)
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Our certificate, for a bgpd that asks for one (PEM)
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    cert: Option<PathBuf>,
    /// The key that belongs to it (PEM)
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// The name in bgpd's certificate, if it is not the one of the target
    #[arg(long, global = true, value_name = "NAME")]
    tls_name: Option<String>,
}

impl TlsArgs {
    /// The files, if there is to be TLS.
    pub(super) fn read(&self) -> Result<Option<Tls>, Failure> {
        let files = match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            (None, None) => None,
            _ => return Err(Failure::Usage("--cert and --key go together".to_owned())),
        };
        match &self.ca {
            Some(ca) => Tls::new(ca, files.as_ref(), self.tls_name.clone()).map(Some),
            None if files.is_some() || self.tls_name.is_some() => {
                let text = "--cert, --key and --tls-name are of TLS, which needs --ca";
                Err(Failure::Usage(text.to_owned()))
            }
            None => Ok(None),
        }
    }
}

const EPILOGUE: &str = "\
Exit status: 0 done; 1 bgpd refused, or something broke; 2 wrong usage, or `plan` or `diff` has
found differences; 3 no bgpd answers; 4 what was asked for does not exist.

Words of other tools work too: `show protocols`, `show route [for ADDRESS]`, `global rib`.";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    pub(super) fn decide(self, terminal_has_it: bool) -> bool {
        match self {
            Self::Auto => terminal_has_it,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The daemon as a whole
    Status,
    /// Neighbors and their sessions; with an address all about one, or an order to it; add, change and
    /// remove neighbors
    #[command(visible_aliases = ["neighbors", "neighbour"], aliases = ["neighbours", "peer", "peers", "protocols"])]
    Neighbor(NeighborArgs),
    /// Routes of a table; add and delete routes
    #[command(visible_alias = "routes", args_conflicts_with_subcommands = true)]
    Route(RouteArgs),
    /// One prefix: its paths, why the best won, its kernel route, to whom it is advertised
    Explain {
        /// A prefix, or an address for the most specific route to it
        prefix: PrefixOrAddress,
    },
    /// BFD sessions; with an address all about one
    Bfd {
        /// The neighbor's address
        address: Option<std::net::IpAddr>,
    },
    /// Kernel routes: wanted, and whether the kernel has them
    Fib,
    /// Policies: all, one by its name, or sets (prefix, neighbor, as-path, community, ext-community,
    /// large-community), all of a kind or one by its name
    #[command(alias = "policies")]
    Policy {
        /// A policy, or a kind of sets
        what: Option<String>,
        /// A set of this kind
        name: Option<String>,
    },
    /// Next hops in use: the way to each, its cost, and how many prefixes need it
    #[command(aliases = ["nexthops", "next-hop", "next-hops"])]
    Nexthop,
    /// What happens, as it happens; everything unless told what
    #[command(visible_alias = "monitor")]
    Watch(WatchArgs),
    /// Read the configuration file again
    #[command(alias = "configure")]
    Reload,
    /// Neighbors, rates, tables and the kernel, again and again
    Top(TopArgs),
    /// Routes of two neighbors side by side; exit status 2 if there are differences
    Diff(DiffArgs),
    /// What a configuration file would change, were it read now; exit status 2 if anything
    Plan(PlanArgs),
    /// A script that completes these commands in a shell
    #[command(alias = "completion")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Writes the pages of the manual
    Man {
        /// Where to
        #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        directory: std::path::PathBuf,
    },
    /// As in birdcl
    #[command(hide = true)]
    Show {
        #[command(subcommand)]
        what: Tables,
    },
    /// As in gobgp
    #[command(hide = true)]
    Global {
        #[command(subcommand)]
        rib: Option<Global>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Tables {
    /// `bgpctl status`
    Status,
    /// `bgpctl neighbor`
    #[command(aliases = ["protocol", "neighbor", "neighbors", "neighbour", "neighbours"])]
    Protocols(NeighborArgs),
    /// `bgpctl route`
    #[command(alias = "routes")]
    Route(RouteArgs),
    /// `bgpctl bfd`
    Bfd {
        #[command(subcommand)]
        what: Option<BfdTables>,
    },
    /// `bgpctl fib`
    #[command(alias = "kernel")]
    Fib,
    /// `bgpctl nexthop`
    Nexthop,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum BfdTables {
    /// `birdcl show bfd sessions`
    Sessions,
    /// `show bfd peers` of FRR
    Peers,
}

#[derive(Debug, Subcommand)]
pub(super) enum Global {
    /// `bgpctl route`
    Rib(RouteArgs),
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct NeighborArgs {
    #[command(subcommand)]
    pub change: Option<NeighborChange>,

    /// Its address; `all` with an order
    pub address: Option<Whom>,

    /// What to do, or which of its tables to show
    #[arg(requires = "address")]
    pub order: Option<Order>,

    /// With `graceful-shutdown`
    #[arg(requires = "order")]
    pub switch: Option<Switch>,

    /// Told to the neighbor with `reset` and `disable` (RFC 9003)
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub reason: String,

    #[command(flatten)]
    pub family: FamilyArgs,
}

impl NeighborArgs {
    /// Whether it makes sense, as far as can be told without a daemon.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if let Some(change) = &self.change {
            return change.check();
        }
        let takes_reason = matches!(self.order, Some(Order::Reset | Order::Disable));
        if !self.reason.is_empty() && !takes_reason {
            return Err(Failure::Usage(
                "--reason goes with `reset` and `disable`".to_owned(),
            ));
        }
        let takes_switch = self.order == Some(Order::GracefulShutdown);
        if takes_switch != self.switch.is_some() {
            return Err(Failure::Usage(
                "it is `graceful-shutdown on` or `graceful-shutdown off`".to_owned(),
            ));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Whom {
    All,
    Address(PeerName),
}

impl std::str::FromStr for Whom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        text.parse()
            .map(Self::Address)
            .map_err(|error: crate::config::BadName| format!("{error}, or `all`"))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Order {
    /// Take the session down once; it comes back
    Reset,
    /// Let it come up again
    Enable,
    /// Take it down and keep it down
    #[value(alias = "shutdown")]
    Disable,
    /// Ask the neighbor to send its routes again
    #[value(alias = "refresh-in")]
    Softresetin,
    /// Send it our routes again
    #[value(alias = "refresh-out")]
    Softresetout,
    /// Both
    #[value(alias = "refresh")]
    Softreset,
    /// With `on`, both sides are to prefer other ways; with `off`, not any more
    GracefulShutdown,
    /// What it has sent
    AdjIn,
    /// What it has been sent
    AdjOut,
    /// Its policies
    Policy,
}

#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct FamilyArgs {
    /// Only IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// Only IPv6
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
}

impl FamilyArgs {
    pub(super) fn family(self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::IPV4_UNICAST),
            (_, true) => Some(Family::IPV6_UNICAST),
            _ => None,
        }
    }
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RouteArgs {
    #[command(subcommand)]
    pub change: Option<RouteChange>,

    /// A prefix, or an address for the most specific route to it
    #[arg(value_name = "PREFIX", num_args = 0..=3)]
    words: Vec<String>,

    /// Which table
    #[arg(long, value_name = "TABLE")]
    pub table: Option<TableName>,

    /// Whose table; `in` unless --table says otherwise
    #[arg(long, short, value_name = "ADDRESS", visible_alias = "neighbour")]
    pub neighbor: Option<PeerName>,

    /// Also all prefixes inside PREFIX
    #[arg(long)]
    longer: bool,

    /// Only best paths
    #[arg(long)]
    pub best: bool,

    #[command(flatten)]
    pub family: FamilyArgs,
}

/// How a user names what is to be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Selection {
    All,
    Exact(Prefix),
    Longer(Prefix),
    Longest(Prefix),
}

impl RouteArgs {
    /// Whether it makes sense, as far as can be told without a daemon.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.change {
            None => self.query().map(|_| ()),
            Some(_) => Ok(()),
        }
    }

    /// The question to the daemon.
    pub(super) fn query(&self) -> Result<RouteQuery, Failure> {
        let table = match (self.table, self.neighbor) {
            (None | Some(TableName::LocRib), None) => Table::LocRib,
            (None | Some(TableName::In), Some(neighbor)) => Table::AdjIn(neighbor),
            (Some(TableName::Out), Some(neighbor)) => Table::AdjOut(neighbor),
            (Some(TableName::In | TableName::Out), None) => {
                return Err(Failure::Usage(
                    "whose table? Add --neighbor ADDRESS".to_owned(),
                ));
            }
            (Some(TableName::LocRib), Some(_)) => {
                return Err(Failure::Usage(
                    "the loc-rib is nobody's: --neighbor goes with --table in or out".to_owned(),
                ));
            }
        };
        let prefix = match self.selection().map_err(Failure::Usage)? {
            Selection::All => None,
            Selection::Exact(prefix) => Some((prefix, PrefixMatch::Exact)),
            Selection::Longer(prefix) => Some((prefix, PrefixMatch::Longer)),
            Selection::Longest(prefix) => Some((prefix, PrefixMatch::Longest)),
        };
        Ok(RouteQuery {
            table,
            family: self.family.family(),
            prefix,
            best_only: self.best,
        })
    }

    /// `PREFIX`, and what fingers add to it: `for` (BIRD), `longer-prefixes` (GoBGP), `all` (BIRD).
    fn selection(&self) -> Result<Selection, String> {
        let mut words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let longest = words.first() == Some(&"for");
        if longest {
            words.remove(0);
        }
        if words.last() == Some(&"all") {
            words.pop();
        }
        let longer = words.last() == Some(&"longer-prefixes") && words.pop().is_some();
        match words.as_slice() {
            [] if longest || longer || self.longer => Err("which prefix?".to_owned()),
            [] => Ok(Selection::All),
            [word] => {
                let PrefixOrAddress { prefix, is_address } = word.parse()?;
                Ok(match (self.longer || longer, longest || is_address) {
                    (true, _) => Selection::Longer(prefix),
                    (false, true) => Selection::Longest(prefix),
                    (false, false) => Selection::Exact(prefix),
                })
            }
            [_, word, ..] => Err(format!(
                "`{word}` is one word too many: a single prefix is expected"
            )),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum TableName {
    /// All paths, the best marked
    #[value(aliases = ["global", "master", "master4", "master6"])]
    LocRib,
    /// What a neighbor has sent
    #[value(alias = "adj-in")]
    In,
    /// What a neighbor has been sent
    #[value(alias = "adj-out")]
    Out,
}

#[derive(Debug, Subcommand)]
pub(super) enum RouteChange {
    /// Announce a route of our own (source `api`); it lasts until bgpd stops
    Add(Box<AddArgs>),
    /// Take back a route that was added
    #[command(visible_alias = "delete")]
    Del {
        /// Destination
        prefix: PrefixOrAddress,
        /// RFC 7911 path identifier
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        path_id: u32,
    },
}

#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// Destination
    prefix: PrefixOrAddress,
    /// Where packets go; ourselves unless given
    #[arg(long, value_name = "ADDRESS", visible_alias = "nexthop")]
    next_hop: Option<IpAddr>,
    /// Drop packets for it here: a block of our own
    #[arg(long)]
    blackhole: bool,
    /// 64512:100, or a name such as no-export; may be repeated
    #[arg(long, value_name = "COMMUNITY", value_delimiter = ',', value_parser = community)]
    community: Vec<Community>,
    /// 64512:1:2 (RFC 8092); may be repeated
    #[arg(long, value_name = "COMMUNITY", value_delimiter = ',', value_parser = large_community)]
    large_community: Vec<LargeCommunity>,
    /// The higher, the more preferred inside our AS
    #[arg(long, value_name = "NUMBER")]
    local_pref: Option<u32>,
    /// The lower, the more preferred by the neighboring AS
    #[arg(long, value_name = "NUMBER")]
    med: Option<u32>,
    /// AS numbers, the nearest first: "64512 65001"
    #[arg(long, value_name = "PATH", value_parser = as_path)]
    as_path: Option<AsPath>,
    /// How the route came into BGP
    #[arg(long, default_value = "igp")]
    origin: OriginName,
    /// RFC 7911 path identifier
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    path_id: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OriginName {
    Igp,
    Egp,
    Incomplete,
}

impl AddArgs {
    pub(super) fn route(self) -> NewRoute {
        let prefix = self.prefix.prefix;
        let ourselves = if prefix.addr().is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let next_hop = NextHop::from(self.next_hop.unwrap_or(ourselves));
        let origin = match self.origin {
            OriginName::Igp => Origin::Igp,
            OriginName::Egp => Origin::Egp,
            OriginName::Incomplete => Origin::Incomplete,
        };
        let attributes = PathAttributes {
            med: self.med,
            local_pref: self.local_pref,
            communities: self.community,
            large_communities: self.large_community,
            ..PathAttributes::new(origin, self.as_path.unwrap_or_else(AsPath::empty), next_hop)
        };
        NewRoute {
            prefix,
            path_id: self.path_id,
            attributes,
            blackhole: self.blackhole,
        }
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct TopArgs {
    /// Time between two looks
    #[arg(long, short, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub interval: f64,
    /// Ends after so many looks
    #[arg(long, short = 'n', value_name = "NUMBER")]
    pub count: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// One neighbor
    left: PeerName,
    /// The other
    right: PeerName,
    /// What they have sent, or have been sent
    #[arg(long, value_name = "TABLE", default_value = "in")]
    table: Side,
    /// Only of the first
    #[arg(long, value_name = "TABLE")]
    left_table: Option<Side>,
    /// Only of the second
    #[arg(long, value_name = "TABLE")]
    right_table: Option<Side>,
    /// Attributes that may differ: next-hop, as-path, med, ...
    #[arg(long, value_name = "ATTRIBUTE", value_delimiter = ',')]
    ignore: Vec<String>,
    #[command(flatten)]
    family: FamilyArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    #[value(alias = "adj-in")]
    In,
    #[value(alias = "adj-out")]
    Out,
}

impl DiffArgs {
    fn sides(&self) -> [(PeerName, Side); 2] {
        [
            (self.left, self.left_table.unwrap_or(self.table)),
            (self.right, self.right_table.unwrap_or(self.table)),
        ]
    }

    /// The questions to the daemon.
    pub(super) fn queries(&self) -> [RouteQuery; 2] {
        self.sides().map(|(neighbor, side)| RouteQuery {
            table: match side {
                Side::In => Table::AdjIn(neighbor),
                Side::Out => Table::AdjOut(neighbor),
            },
            family: self.family.family(),
            prefix: None,
            best_only: false,
        })
    }

    pub(super) fn names(&self) -> [String; 2] {
        self.sides().map(|(neighbor, side)| match side {
            Side::In => format!("{neighbor} in"),
            Side::Out => format!("{neighbor} out"),
        })
    }

    /// Attributes that do not count, as differences name them.
    pub(super) fn ignored(&self) -> Vec<String> {
        let names = self.ignore.iter();
        names
            .map(|name| name.to_uppercase().replace('-', "_"))
            .collect()
    }
}

/// Not so often that the daemon does nothing else.
fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.1..=3600.0).contains(seconds))
        .ok_or_else(|| format!("`{text}` is not between 0.1 and 3600 seconds"))
}

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// The file; `-` is standard input
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub file: std::path::PathBuf,
    /// How many routes of each kind are shown
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub examples: u16,
    /// How long routes are looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(..=25))]
    pub time_limit: u64,
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct WatchArgs {
    /// Best paths
    #[arg(long)]
    routes: bool,
    /// Sessions
    #[arg(long, visible_alias = "neighbors")]
    peers: bool,
    /// Kernel routes
    #[arg(long)]
    fib: bool,
}

impl WatchArgs {
    pub(super) fn filter(self) -> WatchFilter {
        let Self { routes, peers, fib } = self;
        let everything = !(routes || peers || fib);
        WatchFilter {
            peers: peers || everything,
            routes: routes || everything,
            fib: fib || everything,
        }
    }
}

/// A prefix as typed.
#[derive(Clone, Copy, Debug)]
pub(super) struct PrefixOrAddress {
    pub prefix: Prefix,
    /// Typed without a length.
    pub is_address: bool,
}

impl std::str::FromStr for PrefixOrAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let prefix = convert::prefix("prefix", text).map_err(|error| error.problem)?;
        Ok(Self {
            prefix,
            is_address: !text.contains('/'),
        })
    }
}

fn community(text: &str) -> Result<Community, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a community such as 64512:100 or no-export"))
}

fn large_community(text: &str) -> Result<LargeCommunity, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a large community such as 64512:1:2"))
}

fn as_path(text: &str) -> Result<AsPath, String> {
    let asns = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.parse().map(Asn).map_err(|_| {
                format!("`{word}` is not an AS number; a path is written \"64512 65001\"")
            })
        });
    Ok(AsPath::from_sequence(asns.collect::<Result<Vec<_>, _>>()?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn words_of_other_tools_select_what_they_mean_there() {
        let cases = [
            ("route", "All"),
            ("show route", "All"),
            ("show route all", "All"),
            ("show route for 10.0.0.1", "Longest 10.0.0.1/32"),
            ("show route for 10.0.0.0/8 all", "Longest 10.0.0.0/8"),
            ("global rib 10.0.0.0/8", "Exact 10.0.0.0/8"),
            ("global rib 10.0.0.0/8 longer-prefixes", "Longer 10.0.0.0/8"),
            ("route --longer 10.0.0.0/8", "Longer 10.0.0.0/8"),
            ("route 2001:db8::1", "Longest 2001:db8::1/128"),
            ("route for", "Err which prefix?"),
            (
                "route 10.0.0.0/8 11.0.0.0/8",
                "Err `11.0.0.0/8` is one word too many: a single prefix is expected",
            ),
        ];
        for (words, expected) in cases {
            let arguments =
                Arguments::try_parse_from(["bgpctl"].into_iter().chain(words.split(' ')))
                    .expect(words);
            let Command::Route(route) = arguments.command.ours() else {
                panic!("{words} is about routes")
            };
            let found = match route.selection() {
                Ok(Selection::All) => "All".to_owned(),
                Ok(Selection::Exact(prefix)) => format!("Exact {prefix}"),
                Ok(Selection::Longer(prefix)) => format!("Longer {prefix}"),
                Ok(Selection::Longest(prefix)) => format!("Longest {prefix}"),
                Err(error) => format!("Err {error}"),
            };
            assert_eq!(found, expected, "{words}");
        }
    }

    #[test]
    fn neighbors_are_found_under_every_name() {
        for words in [
            "neighbor",
            "neighbors",
            "neighbour",
            "show protocols",
            "show neighbors",
            "neighbor 192.0.2.1 reset",
        ] {
            let arguments =
                Arguments::try_parse_from(["bgpctl"].into_iter().chain(words.split(' ')))
                    .expect(words);
            assert!(
                matches!(arguments.command.ours(), Command::Neighbor(_)),
                "{words}"
            );
        }
    }

    #[test]
    fn attributes_are_read_as_they_are_printed() {
        assert!(community("64512:100").is_ok() && community("no-export").is_ok());
        assert!(community("64512:100:1").is_err() && community("x").is_err());
        assert!(large_community("1:2:3").is_ok());
        for wrong in ["1:2", "1:2:3:4", "1:2:x", "1:2:3:", ""] {
            assert!(large_community(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            as_path("64512 65001").expect("a path").to_string(),
            "64512 65001"
        );
        assert!(as_path("64512 x").is_err());
    }
}
