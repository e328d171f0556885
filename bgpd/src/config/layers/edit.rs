// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Changes over the API, one at a time: of what, and why they are not made.

use super::{
    super::{
        error::ConfigErrors, model::Config, name::PeerName, neighbor::Neighbor, policy::SetKind,
        settings::Settings,
    },
    Said,
    book::PolicyEdit,
};

/// What can be added, replaced and removed while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A neighbour.
    Neighbor,
    /// A peer group.
    Group,
    /// A prefix from which neighbours may connect.
    Range,
    /// A set that policies ask.
    Set(SetKind),
    /// A policy, its statements included.
    Policy,
    /// A statement that is in no policy yet. No file has one.
    Statement,
    /// What `global.apply-policy` says; there is one.
    Assignment,
}

impl Kind {
    /// What is gone when the speaker ends.
    pub(super) const OF_SPEAKER: [Self; 3] = [Self::Neighbor, Self::Group, Self::Range];

    /// Whether any neighbour may depend on it.
    pub(super) fn is_of_policies(self) -> bool {
        !Self::OF_SPEAKER.contains(&self)
    }

    /// The list of a file that it is in, or would be in.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Neighbor => "neighbors",
            Self::Group => "peer-groups",
            Self::Range => "dynamic-neighbors",
            Self::Set(kind) => kind.list(),
            Self::Policy | Self::Statement => "policy-definitions",
            Self::Assignment => "global.apply-policy",
        }
    }

    /// What it is called, in one way however it was written.
    pub fn name(self, settings: &Settings) -> Option<String> {
        let key = match self {
            Self::Neighbor => "neighbor-address",
            Self::Group => "peer-group-name",
            Self::Range => "prefix",
            Self::Set(kind) => kind.name_key(),
            Self::Policy | Self::Statement => "name",
            Self::Assignment => return Some("global".to_owned()),
        };
        let text = settings.text(key).filter(|text| !text.is_empty());
        match self {
            Self::Neighbor => text
                .or_else(|| settings.text("neighbor-interface"))
                .map(canonical::<PeerName>),
            Self::Group | Self::Set(_) | Self::Policy | Self::Statement | Self::Assignment => {
                text.map(str::to_owned)
            }
            Self::Range => text.map(canonical::<ipnetwork::IpNetwork>),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Neighbor => "neighbour",
            Self::Group => "peer group",
            Self::Range => "range of dynamic neighbours",
            Self::Set(kind) => kind.words(),
            Self::Policy => "policy",
            Self::Statement => "statement",
            Self::Assignment => "assignment",
        }
    }
}

fn canonical<T: std::str::FromStr + ToString>(text: &str) -> String {
    text.parse::<T>()
        .map_or_else(|_| text.to_owned(), |read| read.to_string())
}

/// One change over the API.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// It is not there yet.
    Add(Kind, Settings),
    /// It is there, and all that is said about it is new.
    Replace(Kind, Settings),
    /// It is there, and what is said counts besides what was said before.
    Amend(Kind, Settings),
    /// It is there; its name.
    Remove(Kind, String),
    /// What becomes of sets, policies and what is assigned where.
    Policies(PolicyEdit),
    /// Each of them is as is said, or gone.
    Entries(Vec<(Kind, String, Said)>),
    /// Who we are, as in `[global]`: nobody has said so yet.
    Begin(Settings),
    /// We are nobody any more, and neighbours, groups and ranges are gone.
    End,
}

/// Why an edit is not made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It is there already.
    #[error("there is a {0} {1} already")]
    Exists(&'static str, String),
    /// It is not there.
    #[error("there is no {0} {1}")]
    Missing(&'static str, String),
    /// Somebody needs it.
    #[error("peer group {0} is not removed: {1} is in it")]
    InUse(String, String),
    /// Right in principle.
    #[error("{0}")]
    NotNow(&'static str),
    /// In the words of whoever has made the edit.
    #[error("{1}")]
    Worded(Fault, String),
    /// It makes no sense; everything that is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// What kind of wrong something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is there already.
    Exists,
    /// Right in principle, not now.
    NotNow,
    /// It makes no sense.
    Wrong,
}

/// What an edit comes to.
#[derive(Debug)]
pub enum Plan {
    /// One neighbour is new or different, or is none any more.
    Neighbor(PeerName, Option<Box<Neighbor>>),
    /// Anything may be different.
    Whole(Box<Config>),
    /// All of it begins.
    Begin(Box<Config>),
    /// All of it ends.
    End(Box<Config>),
}

impl Edit {
    /// What is edited.
    pub(super) fn names(&self) -> Result<(Kind, String), Refusal> {
        match self {
            Self::Remove(kind, name) => Ok((*kind, name.clone())),
            Self::Add(kind, said) | Self::Replace(kind, said) | Self::Amend(kind, said) => {
                match kind.name(said) {
                    Some(name) => Ok((*kind, name)),
                    None => Err(Refusal::Wrong(format!("the {} has no name", kind.words()))),
                }
            }
            Self::Policies(_) | Self::Entries(_) | Self::Begin(_) | Self::End => {
                Err(Refusal::Wrong("it has no name".to_owned()))
            }
        }
    }
}

impl From<ConfigErrors> for Refusal {
    fn from(errors: ConfigErrors) -> Self {
        Self::Wrong(errors.in_words())
    }
}

pub(super) fn cannot_change(key: &str) -> Refusal {
    Refusal::Wrong(format!("`{key}` can not change while bgpd runs"))
}
