// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Status of the daemon and of its neighbours.

use std::{net::Ipv4Addr, num::NonZeroU8};

use bgp_proto::{Asn, Capability, Family};
use bgpd_api::v1;
use rib::PathsSent;

use super::{
    BadMessage, Protobuf, address, duration_from, duration_to, list, parsed, peer_name, router_id,
    small,
};
use crate::control::{
    AddPathStatus, FamilyStatus, FibSummary, LastError, MessageCounts, PeerStatus, SessionState,
    StaleStatus, Status,
};

impl Protobuf for Status {
    type Message = v1::Status;

    fn to_protobuf(&self) -> v1::Status {
        v1::Status {
            version: self.version.clone(),
            local_as: self.local_as.0,
            router_id: self.router_id.addr().to_string(),
            cluster_id: self.cluster_id.to_string(),
            uptime: Some(duration_to(self.uptime)),
            listening: self.listening.iter().map(ToString::to_string).collect(),
            shards: count(self.shards),
            converging: self.converging,
            peers: count(self.peers),
            established: count(self.established),
            prefixes: self.prefixes,
            paths: self.paths,
            fib: self.fib.as_ref().map(FibSummary::to_protobuf),
            warnings: self.warnings.clone(),
            memory: self.memory,
            log: self.log.clone(),
        }
    }

    fn from_protobuf(message: v1::Status) -> Result<Self, BadMessage> {
        let cluster_id: Ipv4Addr = parsed("cluster_id", &message.cluster_id, "a dotted quad")?;
        let listening = message
            .listening
            .iter()
            .map(|text| parsed("listening", text, "an address with a port"));
        Ok(Self {
            version: message.version,
            local_as: Asn(message.local_as),
            router_id: router_id("router_id", &message.router_id)?,
            cluster_id,
            uptime: duration_from("uptime", message.uptime)?,
            listening: listening.collect::<Result<_, _>>()?,
            shards: message.shards as usize,
            converging: message.converging,
            peers: message.peers as usize,
            established: message.established as usize,
            prefixes: message.prefixes,
            paths: message.paths,
            fib: message.fib.map(FibSummary::from_protobuf).transpose()?,
            warnings: message.warnings,
            memory: message.memory,
            log: message.log,
        })
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Protobuf for FibSummary {
    type Message = v1::FibSummary;

    fn to_protobuf(&self) -> v1::FibSummary {
        v1::FibSummary {
            installed: self.installed,
            pending: self.pending,
            failed: self.failed,
        }
    }

    fn from_protobuf(message: v1::FibSummary) -> Result<Self, BadMessage> {
        let v1::FibSummary {
            installed,
            pending,
            failed,
        } = message;
        Ok(Self {
            installed,
            pending,
            failed,
        })
    }
}

impl Protobuf for PeerStatus {
    type Message = v1::Peer;

    fn to_protobuf(&self) -> v1::Peer {
        v1::Peer {
            address: self.address.to_string(),
            peer_as: self.peer_as.0,
            local_as: self.local_as.0,
            description: self.description.clone(),
            relation: relation_to(self.relation).into(),
            dynamic: self.dynamic,
            admin_down: self.admin_down,
            state: self.state.to_protobuf().into(),
            since: self.since.map(duration_to),
            established_count: self.established_count,
            router_id: self.router_id.map(|id| id.addr().to_string()),
            local_address: self.local_address.map(|address| address.to_string()),
            hold_time: self.hold_time.into(),
            keepalive: self.keepalive.into(),
            remote_capabilities: self
                .remote_capabilities
                .iter()
                .map(Capability::to_protobuf)
                .collect(),
            local_capabilities: self
                .local_capabilities
                .iter()
                .map(Capability::to_protobuf)
                .collect(),
            received: Some(self.received.to_protobuf()),
            sent: Some(self.sent.to_protobuf()),
            treated_as_withdraw: self.treated_as_withdraw,
            beyond_limit: self.beyond_limit,
            queued: self.queued,
            panics: self.panics,
            last_error: self.last_error.as_ref().map(LastError::to_protobuf),
            families: self
                .families
                .iter()
                .map(FamilyStatus::to_protobuf)
                .collect(),
            import_policy: self.import_policy.clone(),
            import_policies: self.import_policies.clone(),
            export_policies: self.export_policies.clone(),
            export_policy: self.export_policy.clone(),
            md5: self.md5,
            terms: self.terms.clone(),
            obstacle: self.obstacle.clone(),
        }
    }

    fn from_protobuf(message: v1::Peer) -> Result<Self, BadMessage> {
        let local_address = message
            .local_address
            .map(|text| address("local_address", &text))
            .transpose()?;
        Ok(Self {
            address: peer_name("address", &message.address)?,
            peer_as: Asn(message.peer_as),
            local_as: Asn(message.local_as),
            description: message.description,
            relation: relation_from(message.relation)?,
            dynamic: message.dynamic,
            admin_down: message.admin_down,
            state: SessionState::from_number("state", message.state)?,
            since: message
                .since
                .map(|since| duration_from("since", Some(since)))
                .transpose()?,
            established_count: message.established_count,
            router_id: message
                .router_id
                .map(|text| router_id("router_id", &text))
                .transpose()?,
            local_address,
            hold_time: small("hold_time", message.hold_time)?,
            keepalive: small("keepalive", message.keepalive)?,
            remote_capabilities: list(
                "remote_capabilities",
                message.remote_capabilities,
                Capability::from_protobuf,
            )?,
            local_capabilities: list(
                "local_capabilities",
                message.local_capabilities,
                Capability::from_protobuf,
            )?,
            received: MessageCounts::from_protobuf(message.received.unwrap_or_default())?,
            sent: MessageCounts::from_protobuf(message.sent.unwrap_or_default())?,
            treated_as_withdraw: message.treated_as_withdraw,
            beyond_limit: message.beyond_limit,
            queued: message.queued,
            panics: message.panics,
            last_error: message
                .last_error
                .map(LastError::from_protobuf)
                .transpose()?,
            families: list("families", message.families, FamilyStatus::from_protobuf)?,
            import_policy: message.import_policy,
            import_policies: message.import_policies,
            export_policies: message.export_policies,
            export_policy: message.export_policy,
            md5: message.md5,
            terms: message.terms,
            obstacle: message.obstacle,
        })
    }
}

fn relation_to(relation: &str) -> v1::Relation {
    match relation {
        "external" => v1::Relation::External,
        "internal" => v1::Relation::Internal,
        "client" => v1::Relation::Client,
        "member" => v1::Relation::Member,
        _ => v1::Relation::Unspecified,
    }
}

fn relation_from(number: i32) -> Result<&'static str, BadMessage> {
    match v1::Relation::try_from(number) {
        Ok(v1::Relation::External) => Ok("external"),
        Ok(v1::Relation::Internal) => Ok("internal"),
        Ok(v1::Relation::Client) => Ok("client"),
        Ok(v1::Relation::Member) => Ok("member"),
        Ok(v1::Relation::Unspecified) => Ok("unknown"),
        Err(_) => Err(BadMessage::new(
            "relation",
            format!("{number} is not known here"),
        )),
    }
}

impl SessionState {
    pub(super) fn to_protobuf(self) -> v1::SessionState {
        match self {
            Self::Idle => v1::SessionState::Idle,
            Self::Connect => v1::SessionState::Connect,
            Self::Active => v1::SessionState::Active,
            Self::OpenSent => v1::SessionState::OpenSent,
            Self::OpenConfirm => v1::SessionState::OpenConfirm,
            Self::Established => v1::SessionState::Established,
        }
    }

    pub(super) fn from_number(field: &str, number: i32) -> Result<Self, BadMessage> {
        match v1::SessionState::try_from(number) {
            Ok(v1::SessionState::Idle) => Ok(Self::Idle),
            Ok(v1::SessionState::Connect) => Ok(Self::Connect),
            Ok(v1::SessionState::Active) => Ok(Self::Active),
            Ok(v1::SessionState::OpenSent) => Ok(Self::OpenSent),
            Ok(v1::SessionState::OpenConfirm) => Ok(Self::OpenConfirm),
            Ok(v1::SessionState::Established) => Ok(Self::Established),
            Ok(v1::SessionState::Unspecified) | Err(_) => Err(BadMessage::new(
                field,
                format!("{number} is not a session state"),
            )),
        }
    }
}

impl Protobuf for MessageCounts {
    type Message = v1::MessageCounts;

    fn to_protobuf(&self) -> v1::MessageCounts {
        let Self {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        } = *self;
        v1::MessageCounts {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        }
    }

    fn from_protobuf(message: v1::MessageCounts) -> Result<Self, BadMessage> {
        let v1::MessageCounts {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        } = message;
        Ok(Self {
            open,
            update,
            notification,
            keepalive,
            route_refresh,
            bytes,
        })
    }
}

impl Protobuf for LastError {
    type Message = v1::LastError;

    fn to_protobuf(&self) -> v1::LastError {
        let code = |(code, subcode): (u8, u8)| v1::NotificationCode {
            code: code.into(),
            subcode: subcode.into(),
        };
        v1::LastError {
            text: self.text.clone(),
            notification: self.code.map(code),
            age: Some(duration_to(self.age)),
        }
    }

    fn from_protobuf(message: v1::LastError) -> Result<Self, BadMessage> {
        let code = |code: v1::NotificationCode| {
            Ok((small("code", code.code)?, small("subcode", code.subcode)?))
        };
        Ok(Self {
            text: message.text,
            code: message.notification.map(code).transpose()?,
            age: duration_from("last_error.age", message.age)?,
        })
    }
}

impl Protobuf for FamilyStatus {
    type Message = v1::FamilyStatus;

    fn to_protobuf(&self) -> v1::FamilyStatus {
        v1::FamilyStatus {
            family: Some(self.family.to_protobuf()),
            negotiated: self.negotiated,
            received: self.received,
            accepted: self.accepted,
            advertised: self.advertised,
            end_of_rib: self.end_of_rib,
            add_path_receive: self.add_path.receive,
            add_path_send: self.add_path.send,
            paths_sent: self.add_path.paths.as_ref().map(PathsSent::to_protobuf),
            stale: self.stale.map(|stale| v1::StaleRoutes {
                long_lived: stale.long_lived,
                seconds_left: stale.seconds_left,
            }),
        }
    }

    fn from_protobuf(message: v1::FamilyStatus) -> Result<Self, BadMessage> {
        Ok(Self {
            family: Family::from_protobuf(
                message
                    .family
                    .ok_or_else(|| BadMessage::missing("family"))?,
            )?,
            negotiated: message.negotiated,
            received: message.received,
            accepted: message.accepted,
            advertised: message.advertised,
            end_of_rib: message.end_of_rib,
            add_path: AddPathStatus {
                receive: message.add_path_receive,
                send: message.add_path_send,
                paths: message
                    .paths_sent
                    .map(PathsSent::from_protobuf)
                    .transpose()
                    .map_err(|error| error.within("paths_sent"))?,
            },
            stale: message.stale.map(|stale| StaleStatus {
                long_lived: stale.long_lived,
                seconds_left: stale.seconds_left,
            }),
        })
    }
}

impl Protobuf for PathsSent {
    type Message = v1::PathsSent;

    fn to_protobuf(&self) -> v1::PathsSent {
        use v1::paths_sent::Which;
        let (which, max) = match self {
            Self::All => (Which::All, 0),
            Self::Best(max) => (Which::Best, max.get()),
            Self::Ecmp(max) => (Which::Ecmp, max.get()),
        };
        v1::PathsSent {
            which: which.into(),
            max: max.into(),
        }
    }

    fn from_protobuf(message: v1::PathsSent) -> Result<Self, BadMessage> {
        use v1::paths_sent::Which;
        let max = u8::try_from(message.max).ok().and_then(NonZeroU8::new);
        let max = max.ok_or_else(|| BadMessage::new("max", "is not from 1 to 255"));
        match message.which() {
            Which::Unspecified => Err(BadMessage::missing("which")),
            Which::All => Ok(Self::All),
            Which::Best => Ok(Self::Best(max?)),
            Which::Ecmp => Ok(Self::Ecmp(max?)),
        }
    }
}
