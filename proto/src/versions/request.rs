// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests of older clients, and replies to them.

use super::{BadAny, newer, older};
use crate::{v3, v4};

message! {
    AddPeerRequest { convert: [peer]; }
    UpdatePeerRequest {
        keep: [do_soft_reset_in];
        convert: [peer];
    }
    ListPeerResponse { convert: [peer]; }
    ResetPeerRequest {
        keep: [address, communication, soft];
        shift: [direction];
    }
    AddPeerGroupRequest { convert: [peer_group]; }
    UpdatePeerGroupRequest {
        keep: [do_soft_reset_in];
        convert: [peer_group];
    }
    ListPeerGroupResponse { convert: [peer_group]; }
    StartBgpRequest { convert: [global]; }
    GetBgpResponse { convert: [global]; }
    ListPathRequest {
        keep: [
            name, family, sort_type, enable_filtered, enable_nlri_binary, enable_attribute_binary, enable_only_binary,
            batch_size,
        ];
        shift: [table_type];
        each: [prefixes];
    }
    GetTableRequest {
        keep: [family, name];
        shift: [table_type];
    }
    AddPolicyRequest {
        keep: [refer_existing_statements];
        convert: [policy];
    }
    DeletePolicyRequest {
        keep: [preserve_statements, all];
        convert: [policy];
    }
    ListPolicyResponse { convert: [policy]; }
    SetPoliciesRequest { each: [defined_sets, policies, assignments]; }
    AddDefinedSetRequest {
        keep: [replace];
        convert: [defined_set];
    }
    DeleteDefinedSetRequest {
        keep: [all];
        convert: [defined_set];
    }
    ListDefinedSetRequest {
        keep: [name];
        shift: [defined_type];
    }
    ListDefinedSetResponse { convert: [defined_set]; }
    AddStatementRequest { convert: [statement]; }
    DeleteStatementRequest {
        keep: [all];
        convert: [statement];
    }
    ListStatementResponse { convert: [statement]; }
    AddPolicyAssignmentRequest { convert: [assignment]; }
    DeletePolicyAssignmentRequest {
        keep: [all];
        convert: [assignment];
    }
    ListPolicyAssignmentResponse { convert: [assignment]; }
    SetPolicyAssignmentRequest { convert: [assignment]; }
    SetLogLevelRequest { shift: [level]; }
}

impl From<v4::ListPathResponse> for v3::ListPathResponse {
    fn from(new: v4::ListPathResponse) -> Self {
        Self {
            destination: new.destination.map(Into::into),
        }
    }
}

impl TryFrom<v3::AddPathRequest> for v4::AddPathRequest {
    type Error = BadAny;

    fn try_from(old: v3::AddPathRequest) -> Result<Self, BadAny> {
        Ok(Self {
            table_type: newer(old.table_type),
            vrf_id: old.vrf_id,
            path: old.path.map(TryInto::try_into).transpose()?,
        })
    }
}

impl TryFrom<v3::DeletePathRequest> for v4::DeletePathRequest {
    type Error = BadAny;

    fn try_from(old: v3::DeletePathRequest) -> Result<Self, BadAny> {
        Ok(Self {
            table_type: newer(old.table_type),
            vrf_id: old.vrf_id,
            family: old.family,
            path: old.path.map(TryInto::try_into).transpose()?,
            uuid: old.uuid,
        })
    }
}

impl TryFrom<v3::AddPathStreamRequest> for v4::AddPathStreamRequest {
    type Error = BadAny;

    fn try_from(old: v3::AddPathStreamRequest) -> Result<Self, BadAny> {
        let paths = old.paths.into_iter().map(TryInto::try_into);
        Ok(Self {
            table_type: newer(old.table_type),
            vrf_id: old.vrf_id,
            paths: paths.collect::<Result<_, _>>()?,
        })
    }
}

impl From<v3::EnableMrtRequest> for v4::EnableMrtRequest {
    fn from(old: v3::EnableMrtRequest) -> Self {
        Self {
            dump_type: newer(old.r#type),
            filename: old.filename,
            dump_interval: old.dump_interval,
            rotation_interval: old.rotation_interval,
        }
    }
}

impl From<v3::AddBmpRequest> for v4::AddBmpRequest {
    fn from(old: v3::AddBmpRequest) -> Self {
        Self {
            address: old.address,
            port: old.port,
            policy: newer(old.policy),
            statistics_timeout: old.statistics_timeout,
            sys_name: old.sys_name,
            sys_descr: old.sys_descr,
        }
    }
}

impl From<v3::WatchEventRequest> for v4::WatchEventRequest {
    fn from(old: v3::WatchEventRequest) -> Self {
        use v4::watch_event_request::{Table, table::Filter};
        let filter = |old: v3::watch_event_request::table::Filter| Filter {
            r#type: newer(old.r#type),
            init: old.init,
            peer_address: old.peer_address,
            peer_group: old.peer_group,
        };
        Self {
            peer: old.peer,
            table: old.table.map(|old| Table {
                filters: old.filters.into_iter().map(filter).collect(),
            }),
            batch_size: old.batch_size,
        }
    }
}

impl From<v4::WatchEventResponse> for v3::WatchEventResponse {
    fn from(new: v4::WatchEventResponse) -> Self {
        use v3::watch_event_response::{Event as Old, PeerEvent, TableEvent};
        use v4::watch_event_response::Event as New;
        let event = new.event.map(|new| match new {
            New::Peer(new) => Old::Peer(PeerEvent {
                r#type: new.r#type,
                peer: new.peer.map(Into::into),
            }),
            New::Table(new) => Old::Table(TableEvent {
                paths: new.paths.into_iter().map(Into::into).collect(),
            }),
        });
        Self { event }
    }
}
