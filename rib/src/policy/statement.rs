// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy is made of: statements, conditions, numbers and actions, as a tree. Languages are read into it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, net::IpAddr};

use bgp_proto::{Asn, Community, ExtendedCommunity, Family, LargeCommunity, Origin};

use super::{AddressSet, AsPathSet, AsRange, CommunitySet, PrefixSet};

/// One step of a policy.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Statement {
    /// One of two ways.
    If {
        /// What it depends on.
        condition: Condition,
        /// Where it holds.
        then: Vec<Self>,
        /// Where it does not.
        otherwise: Vec<Self>,
    },
    /// Changes the route; what comes later sees the change.
    Act(Action),
    /// The route passes. Nothing comes later.
    Accept,
    /// The route does not pass. Nothing comes later.
    Reject,
    /// Leaves the innermost [`Statement::Named`] and goes on behind it.
    Next,
    /// Steps with a name: a policy, a statement of it. Traces tell the names.
    Named {
        /// The name.
        name: Arc<str>,
        /// The steps.
        body: Vec<Self>,
    },
}

impl Statement {
    /// `if condition then …`.
    pub fn when(condition: Condition, then: Vec<Self>) -> Self {
        Self::If {
            condition,
            then,
            otherwise: Vec::new(),
        }
    }

    /// Steps with a name.
    pub fn named(name: &str, body: Vec<Self>) -> Self {
        Self::Named {
            name: name.into(),
            body,
        }
    }
}

/// How a list of a route is compared with a set.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MatchOption {
    /// A member of the set is found.
    Any,
    /// Every member of the set is found.
    All,
    /// No member of the set is found.
    Invert,
}

/// What is asked of a route.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Condition {
    /// Each of them holds; with none: always.
    All(Vec<Self>),
    /// One of them holds; with none: never.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// The prefix is in the set.
    Prefix(Arc<PrefixSet>),
    /// The family of the prefix.
    Family(Family),
    /// What the validation of its origin found (RFC 6811).
    Rpki(RpkiState),
    /// The neighbour whose policy this is: on export the one that is told, else the one that it was learned from.
    Neighbor(Arc<AddressSet>),
    /// The neighbour that it was learned from.
    From(Arc<AddressSet>),
    /// The next hop as it is in the table; on import as it was received.
    NextHop(Arc<AddressSet>),
    /// The `AS_PATH`.
    AsPath(MatchOption, Arc<AsPathSet>),
    /// Communities (RFC 1997).
    Communities(MatchOption, Arc<CommunitySet<Community>>),
    /// Extended communities (RFC 4360).
    ExtendedCommunities(MatchOption, Arc<CommunitySet<ExtendedCommunity>>),
    /// Large communities (RFC 8092).
    LargeCommunities(MatchOption, Arc<CommunitySet<LargeCommunity>>),
    /// A number against another one. Does not hold if the route lacks one of them.
    Compare(Number, Comparison, Number),
    /// ORIGIN.
    Origin(Origin),
    /// Who it was learned from, by relation.
    RouteType(RouteType),
    /// The protocol that it comes from.
    Protocol(Protocol),
}

impl Condition {
    /// The opposite.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Comparison {
    /// The same.
    Equal,
    /// The first is greater, or the same.
    AtLeast,
    /// The first is less, or the same.
    AtMost,
}

/// A number that a route has, or that is computed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Number {
    /// This one.
    Constant(u32),
    /// Hops of the `AS_PATH` (RFC 4271 §9.1.2.2, RFC 5065 §5.3).
    AsPathLength,
    /// Communities there are.
    Communities,
    /// Extended communities there are.
    ExtendedCommunities,
    /// Large communities there are.
    LargeCommunities,
    /// `LOCAL_PREF`; 100 if there is none.
    LocalPref,
    /// `MULTI_EXIT_DISC`, if there is one.
    Med,
    /// How much the route is trusted against those of other sources.
    Preference,
    /// Length of the prefix.
    PrefixLength,
    /// The sum, at most the greatest number there is. What the route lacks counts as 0.
    Sum(Box<Self>, Box<Self>),
    /// The difference, at least 0. What the route lacks counts as 0.
    Difference(Box<Self>, Box<Self>),
}

impl Number {
    /// So much more.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::Sum(Box::new(self), Box::new(other))
    }

    /// So much less.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self::Difference(Box::new(self), Box::new(other))
    }
}

/// What the validation of a route's origin found (RFC 6811 §2).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum RpkiState {
    /// Nothing is known of the prefix; without a validator that is so for all.
    #[default]
    NotFound,
    /// The AS may originate it.
    Valid,
    /// It may not.
    Invalid,
}

/// Who a route was learned from, by relation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RouteType {
    /// A neighbour of our AS.
    Internal,
    /// A neighbour of another AS.
    External,
    /// Nobody.
    Local,
}

/// A [`crate::Source`], whoever the neighbour is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(missing_docs, reason = "as in Source")]
pub enum Protocol {
    Bgp,
    Static,
    Direct,
    Kernel,
    Api,
}

/// What is changed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Communities.
    Communities(Edit<Community>),
    /// Extended communities.
    ExtendedCommunities(Edit<ExtendedCommunity>),
    /// Large communities.
    LargeCommunities(Edit<LargeCommunity>),
    /// `MULTI_EXIT_DISC`; `None` removes it.
    Med(Option<Number>),
    /// `LOCAL_PREF`.
    LocalPref(Number),
    /// ORIGIN.
    Origin(Origin),
    /// `NEXT_HOP`.
    NextHop(NextHopAction),
    /// `AS_PATH`.
    AsPath(AsPathEdit),
    /// How much it is trusted against routes of other sources, and within BGP before all else; higher is better.
    Preference(Number),
    /// Metric of the kernel route.
    Metric(u32),
    /// Source address that the host prefers towards it.
    PreferredSource(IpAddr),
    /// The kernel's table.
    Table(u32),
    /// Through which tunnel packets go.
    Tunnel(Tunnel),
}

/// A change of a list of communities.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Edit<T> {
    /// Adds those that it lacks.
    Add(Arc<[T]>),
    /// These and no others.
    Replace(Arc<[T]>),
    /// Without those that match.
    Remove(Arc<CommunitySet<T>>),
    /// Only those that match.
    Keep(Arc<CommunitySet<T>>),
}

/// A new next hop.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NextHopAction {
    /// This one. A route of the other family keeps what it has, except that IPv6 addresses may stand for IPv4 routes
    /// (RFC 8950).
    Address(IpAddr),
    /// Our address towards the neighbour.
    Own,
    /// The neighbour's address.
    Peer,
    /// What is in the table, whatever the neighbour would usually be told.
    Unchanged,
}

/// A change of the `AS_PATH`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum AsPathEdit {
    /// Puts an AS in front, so many times.
    Prepend(AsSource, u8),
    /// Puts an AS in the place of each that is in the range.
    Replace(AsRange, AsSource),
    /// Without each that is in the range.
    Remove(AsRange),
}

/// An AS number for the path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AsSource {
    /// This one.
    Asn(Asn),
    /// The first of the path; nothing is done if there is none.
    First,
    /// Ours, as the neighbour knows it.
    Own,
}

/// Through which tunnel packets go.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Tunnel {
    /// None, whatever the pool says.
    Never,
    /// That of the pool.
    Always,
    /// That of the pool, unless the next hop is in a subnet of ours.
    CrossSubnet,
    /// This interface.
    Device(Arc<str>),
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::CrossSubnet => "cross-subnet",
            Self::Device(name) => name,
        })
    }
}

/// What policy wants of the route in the kernel. Empty: as it would be without.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct KernelAttributes {
    /// Metric.
    pub metric: Option<u32>,
    /// Source address that the host prefers.
    pub source: Option<IpAddr>,
    /// Table.
    pub table: Option<u32>,
    /// Tunnel.
    pub tunnel: Option<Tunnel>,
}
