// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which policies work where: `global`, and neighbours that have some of their own.

use bgpd_api::v4::{self, PolicyDirection, RouteAction};
use tonic::Status;

use super::{
    super::{
        Gobgp,
        stream::{Replies, list},
        wrong,
    },
    required,
};
use crate::{
    api::Control,
    config::{
        Book, Config, Defaults, Fault, Neighbor, PeerName, PeerPolicy, PolicyOrigin, Refusal,
        Setting, Settings,
    },
};

/// What is to be assigned in one direction, as a file would say it.
#[derive(Clone)]
pub(super) struct Assigned {
    direction: PolicyDirection,
    names: Vec<String>,
    /// `None`: what it is.
    default: Option<&'static str>,
}

impl TryFrom<v4::PolicyAssignment> for Assigned {
    type Error = Status;

    fn try_from(message: v4::PolicyAssignment) -> Result<Self, Status> {
        let direction = match PolicyDirection::try_from(message.direction) {
            Ok(PolicyDirection::Unspecified) | Err(_) => {
                return Err(wrong("invalid policy type: it is import or export"));
            }
            Ok(direction) => direction,
        };
        let default = match RouteAction::try_from(message.default_action) {
            Ok(RouteAction::Accept) => Some("accept-route"),
            Ok(RouteAction::Reject) => Some("reject-route"),
            Ok(RouteAction::Unspecified) => None,
            Err(_) => return Err(wrong("unknown default action")),
        };
        Ok(Self {
            direction,
            names: message
                .policies
                .into_iter()
                .map(|policy| policy.name)
                .collect(),
            default,
        })
    }
}

impl Assigned {
    fn word(&self) -> &'static str {
        match self.direction {
            PolicyDirection::Export => "export",
            _ => "import",
        }
    }

    /// The keys of the list and of the default.
    fn keys(&self, of_neighbor: bool) -> (String, String) {
        let (before, word) = (if of_neighbor { "apply-policy." } else { "" }, self.word());
        let list = format!("{before}{word}-policy-list");
        (list, format!("{before}default-{word}-policy"))
    }
}

/// Where something is assigned, and whether it is a neighbour.
fn place(book: &mut Book) -> (&mut Settings, bool) {
    match &mut book.neighbor {
        Some((_, said)) => (said, true),
        None => (&mut book.global, false),
    }
}

fn names_of(said: &Settings, key: &str) -> Option<Vec<String>> {
    match said.get(key)? {
        Setting::List(names) => {
            let names = names.iter().filter_map(|name| match name {
                Setting::Text(name) => Some(name.clone()),
                _ => None,
            });
            Some(names.collect())
        }
        _ => None,
    }
}

/// Policies that are there, each once.
fn check(book: &Book, names: &[String]) -> Result<(), Refusal> {
    for (place, name) in names.iter().enumerate() {
        if !book.policies.contains_key(name) {
            let text = format!("not found policy {name}");
            return Err(Refusal::Worded(Fault::Missing, text));
        }
        if names.iter().take(place).any(|other| other == name) {
            let text = format!("duplicated policy {name}");
            return Err(Refusal::Worded(Fault::Exists, text));
        }
    }
    Ok(())
}

fn assign(book: &mut Book, assigned: &Assigned, names: &[String]) {
    let (said, of_neighbor) = place(book);
    let (list, default) = assigned.keys(of_neighbor);
    let names = names.iter().map(|name| name.as_str().into());
    said.say(list, Setting::List(names.collect()));
    if let Some(verdict) = assigned.default {
        said.say(default, verdict);
    }
}

/// `SetPolicyAssignment`: instead of what was assigned.
pub(super) fn set(book: &mut Book, assigned: &Assigned) -> Result<(), Refusal> {
    check(book, &assigned.names)?;
    assign(book, assigned, &assigned.names);
    Ok(())
}

/// `AddPolicyAssignment`: behind what was assigned. `inherited`: what works where nothing is assigned.
fn add(book: &mut Book, assigned: &Assigned, inherited: &[String]) -> Result<(), Refusal> {
    let (said, of_neighbor) = place(book);
    let (list, _) = assigned.keys(of_neighbor);
    let mut names = names_of(said, &list).unwrap_or_else(|| inherited.to_vec());
    names.extend(assigned.names.iter().cloned());
    check(book, &names)?;
    assign(book, assigned, &names);
    Ok(())
}

/// `DeletePolicyAssignment`. GoBGP has no default when all is gone, and rejects every route: here that is said.
fn remove(
    book: &mut Book,
    assigned: &Assigned,
    inherited: &[String],
    all: bool,
) -> Result<(), Refusal> {
    check(book, &assigned.names)?;
    let assigned = Assigned {
        default: all.then_some("reject-route"),
        ..assigned.clone()
    };
    let (said, of_neighbor) = place(book);
    let (list, _) = assigned.keys(of_neighbor);
    let mut names = names_of(said, &list).unwrap_or_else(|| inherited.to_vec());
    names.retain(|name| !all && !assigned.names.contains(name));
    assign(book, &assigned, &names);
    Ok(())
}

impl<C: Control> Gobgp<C> {
    /// The neighbour that a name stands for, if it has policies of its own; `None`: all others.
    pub(super) fn assigned_to(&self, name: &str) -> Result<Option<PeerName>, Status> {
        if name.is_empty() || name == "global" {
            return Ok(None);
        }
        let config = self.control.config();
        let neighbor = find(&config, name)?;
        // In a file of ours they work for every neighbour.
        if config.global.defaults == Defaults::GoBgp && !neighbor.terms.route_server_client {
            let text = format!("non-rs-client peer {name} doesn't have per peer policy");
            return Err(Status::failed_precondition(text));
        }
        Ok(Some(neighbor.name))
    }

    fn inherited(&self, neighbor: Option<PeerName>, direction: PolicyDirection) -> Vec<String> {
        let config = self.control.config();
        let found =
            neighbor.and_then(|name| config.neighbors.iter().find(|peer| peer.name == name));
        let policies = found.map(|peer| policy_of(peer, direction).policies.to_vec());
        policies.unwrap_or_default()
    }

    /// `AddPolicyAssignment`.
    pub(in super::super) async fn add_policy_assignment(
        &self,
        request: v4::AddPolicyAssignmentRequest,
    ) -> Result<(), Status> {
        let message = required(request.assignment, "assignment")?;
        let neighbor = self.assigned_to(&message.name)?;
        let assigned = Assigned::try_from(message)?;
        let inherited = self.inherited(neighbor, assigned.direction);
        self.change(neighbor, move |book| add(book, &assigned, &inherited))
            .await
    }

    /// `SetPolicyAssignment`.
    pub(in super::super) async fn set_policy_assignment(
        &self,
        request: v4::SetPolicyAssignmentRequest,
    ) -> Result<(), Status> {
        let message = required(request.assignment, "assignment")?;
        let neighbor = self.assigned_to(&message.name)?;
        let assigned = Assigned::try_from(message)?;
        self.change(neighbor, move |book| set(book, &assigned))
            .await
    }

    /// `DeletePolicyAssignment`.
    pub(in super::super) async fn delete_policy_assignment(
        &self,
        request: v4::DeletePolicyAssignmentRequest,
    ) -> Result<(), Status> {
        let message = required(request.assignment, "assignment")?;
        let neighbor = self.assigned_to(&message.name)?;
        let assigned = Assigned::try_from(message)?;
        let inherited = self.inherited(neighbor, assigned.direction);
        let all = request.all;
        self.change(neighbor, move |book| {
            remove(book, &assigned, &inherited, all)
        })
        .await
    }

    /// `ListPolicyAssignment`.
    pub(in super::super) async fn list_policy_assignment(
        &self,
        request: v4::ListPolicyAssignmentRequest,
    ) -> Result<Replies<v4::ListPolicyAssignmentResponse>, Status> {
        let direction = PolicyDirection::try_from(request.direction)
            .map_err(|_| wrong("unknown policy direction"))?;
        let config = self.control.config();
        let book = self.control.book(None).await?;
        let one = self.assigned_to(&request.name)?;
        let neighbors = config.neighbors.iter().filter(|peer| match one {
            Some(name) => peer.name == name,
            None => request.name.is_empty() && peer.terms.route_server_client,
        });
        let mut shown = Vec::new();
        let directions = [PolicyDirection::Import, PolicyDirection::Export];
        let is_wanted = |wanted: &PolicyDirection| {
            direction == PolicyDirection::Unspecified || direction == *wanted
        };
        for direction in directions.into_iter().filter(is_wanted) {
            if one.is_none() {
                shown.push(of_global(&book, &config, direction));
            }
        }
        for peer in neighbors {
            for direction in directions.into_iter().filter(is_wanted) {
                shown.push(of_neighbor(&book, peer, direction));
            }
        }
        let replies = shown
            .into_iter()
            .map(|assignment| v4::ListPolicyAssignmentResponse {
                assignment: Some(assignment),
            });
        Ok(list(&self.shutdown, replies.collect()))
    }
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c Neighbor, Status> {
    let wanted = name.parse::<PeerName>().ok();
    let mut neighbors = config.neighbors.iter();
    let found = neighbors.find(|peer| Some(peer.name) == wanted);
    found.ok_or_else(|| Status::not_found(format!("not found peer {name}")))
}

fn policy_of(peer: &Neighbor, direction: PolicyDirection) -> &PeerPolicy {
    match direction {
        PolicyDirection::Export => &peer.export,
        _ => &peer.import,
    }
}

/// Policies with all of their statements.
fn policies(book: &Book, names: &[String]) -> Vec<v4::Policy> {
    let found = names
        .iter()
        .filter_map(|name| book.policies.get_key_value(name));
    found
        .map(|(name, policy)| super::shown(name, policy))
        .collect()
}

fn of_global(book: &Book, config: &Config, direction: PolicyDirection) -> v4::PolicyAssignment {
    let assigned = Assigned {
        direction,
        names: Vec::new(),
        default: None,
    };
    let (list, default) = assigned.keys(false);
    let names = names_of(&book.global, &list).unwrap_or_default();
    let is_open = !names.is_empty() || !config.global.ebgp_requires_policy;
    let default_action = match book.global.text(&default) {
        Some("accept-route") => RouteAction::Accept,
        Some("reject-route") => RouteAction::Reject,
        _ if is_open => RouteAction::Accept,
        // Internal neighbours and others differ (RFC 8212).
        _ => RouteAction::Unspecified,
    };
    v4::PolicyAssignment {
        name: "global".to_owned(),
        direction: direction.into(),
        policies: policies(book, &names),
        default_action: default_action.into(),
    }
}

fn of_neighbor(book: &Book, peer: &Neighbor, direction: PolicyDirection) -> v4::PolicyAssignment {
    let policy = policy_of(peer, direction);
    let default_action = match (policy.accept, policy.origin) {
        (true, _) => RouteAction::Accept,
        (false, PolicyOrigin::Explicit) => RouteAction::Reject,
        (false, _) => RouteAction::Unspecified,
    };
    v4::PolicyAssignment {
        name: peer.name.to_string(),
        direction: direction.into(),
        policies: policies(book, &policy.policies),
        default_action: default_action.into(),
    }
}
