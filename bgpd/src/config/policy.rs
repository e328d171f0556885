// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Policies as configured: sets and definitions for those who look, and what is attached where.

use std::{fmt, sync::Arc};

use bgp_proto::Family;
use rib::Policy;

/// The sets and policies of a file, in its order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policies {
    /// Sets of every kind.
    pub sets: Vec<DefinedSet>,
    /// Policies.
    pub definitions: Vec<PolicyDefinition>,
}

/// A set with a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DefinedSet {
    /// What is in it.
    pub kind: SetKind,
    /// Its name.
    pub name: String,
    /// Its members as they are written.
    pub members: Vec<String>,
}

/// What is in a set.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SetKind {
    /// Prefixes with ranges of lengths.
    Prefix,
    /// Addresses of neighbours.
    Neighbor,
    /// Patterns for the `AS_PATH`.
    AsPath,
    /// Patterns for communities.
    Community,
    /// Patterns for extended communities.
    ExtendedCommunity,
    /// Patterns for large communities.
    LargeCommunity,
}

impl SetKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Prefix,
        Self::Neighbor,
        Self::AsPath,
        Self::Community,
        Self::ExtendedCommunity,
        Self::LargeCommunity,
    ];

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The list of a file that it is in.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Self::Prefix => "defined-sets.prefix-sets",
            Self::Neighbor => "defined-sets.neighbor-sets",
            Self::AsPath => "defined-sets.bgp-defined-sets.as-path-sets",
            Self::Community => "defined-sets.bgp-defined-sets.community-sets",
            Self::ExtendedCommunity => "defined-sets.bgp-defined-sets.ext-community-sets",
            Self::LargeCommunity => "defined-sets.bgp-defined-sets.large-community-sets",
        }
    }

    /// The key of its name.
    pub(crate) fn name_key(self) -> &'static str {
        match self {
            Self::Prefix => "prefix-set-name",
            Self::Neighbor => "neighbor-set-name",
            Self::AsPath => "as-path-set-name",
            Self::Community => "community-set-name",
            Self::ExtendedCommunity => "ext-community-set-name",
            Self::LargeCommunity => "large-community-set-name",
        }
    }

    /// The key of its members.
    pub(crate) fn members_key(self) -> &'static str {
        match self {
            Self::Prefix => "prefix-list",
            Self::Neighbor => "neighbor-info-list",
            Self::AsPath => "as-path-list",
            Self::Community => "community-list",
            Self::ExtendedCommunity => "ext-community-list",
            Self::LargeCommunity => "large-community-list",
        }
    }

    /// What it is called in messages.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Prefix => "prefix set",
            Self::Neighbor => "neighbor set",
            Self::AsPath => "as-path set",
            Self::Community => "community set",
            Self::ExtendedCommunity => "ext-community set",
            Self::LargeCommunity => "large-community set",
        }
    }

    /// As GoBGP's command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Neighbor => "neighbor",
            Self::AsPath => "as-path",
            Self::Community => "community",
            Self::ExtendedCommunity => "ext-community",
            Self::LargeCommunity => "large-community",
        }
    }
}

/// A policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyDefinition {
    /// Its name.
    pub name: String,
    /// Its statements.
    pub statements: Vec<PolicyStatement>,
}

/// A statement of a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyStatement {
    /// Its name.
    pub name: String,
    /// All of them have to hold.
    pub conditions: Vec<Clause>,
    /// What is done then, in order.
    pub actions: Vec<Clause>,
}

/// A condition or an action: its key and what is said about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clause {
    /// The last part of the key that it is configured by.
    pub key: String,
    /// What is said.
    pub value: String,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.value)
    }
}

/// What is attached in one direction, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerPolicy {
    /// Routes pass that no policy decides about.
    pub accept: bool,
    /// Who said so.
    pub origin: PolicyOrigin,
    /// Names of the policies, in order.
    pub policies: Arc<[String]>,
    /// Families with policies of their own.
    pub families: Vec<FamilyPolicy>,
    /// All of it.
    pub program: Policy,
}

/// What is attached for one family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FamilyPolicy {
    /// Which.
    pub family: Family,
    /// Names of the policies, in order.
    pub policies: Arc<[String]>,
    /// Routes pass that no policy decides about.
    pub accept: bool,
}

impl PeerPolicy {
    /// Nothing is configured, and RFC 8212 is followed.
    pub fn standard(internal: bool) -> Self {
        let origin = if internal {
            PolicyOrigin::Default
        } else {
            PolicyOrigin::Rfc8212
        };
        Self::plain(internal, origin)
    }

    /// The names of all policies, those of families too, each once.
    pub fn names(&self) -> Vec<String> {
        let families = self
            .families
            .iter()
            .flat_map(|family| family.policies.iter());
        let mut names: Vec<String> = Vec::new();
        for name in self.policies.iter().chain(families) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// All or nothing.
    pub fn plain(accept: bool, origin: PolicyOrigin) -> Self {
        let program = if accept {
            Policy::accept_all()
        } else {
            Policy::reject_all()
        };
        Self {
            accept,
            origin,
            policies: Arc::default(),
            families: Vec::new(),
            program,
        }
    }
}

impl fmt::Display for PeerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.policies.is_empty() {
            f.write_str(match (self.accept, self.origin) {
                (true, _) => "accept",
                (false, PolicyOrigin::Rfc8212) => "reject: eBGP without a policy (RFC 8212)",
                (false, _) => "reject: configured",
            })?;
        } else {
            write_list(f, &self.policies, self.accept)?;
        }
        for family in &self.families {
            write!(f, "; {}: ", family.family)?;
            write_list(f, &family.policies, family.accept)?;
        }
        Ok(())
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, policies: &[String], accept: bool) -> fmt::Result {
    for policy in policies {
        write!(f, "{policy}, ")?;
    }
    let then = if policies.is_empty() { "" } else { "then " };
    write!(f, "{then}{}", if accept { "accept" } else { "reject" })
}

/// Who decided on a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PolicyOrigin {
    /// Nobody: routes pass where nothing else is said.
    Default,
    /// The file.
    Explicit,
    /// RFC 8212: eBGP without a policy.
    Rfc8212,
}
