// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths, their destinations and validation.

use super::{
    BadAny,
    any::{attribute_from_any, attribute_to_any, each, nlri_from_any, nlri_to_any},
    newer, older,
};
use crate::{v3, v4};

message! {
    Validation {
        keep: [matched, unmatched_asn, unmatched_length];
        shift: [state, reason];
    }
    TableLookupPrefix {
        keep: [prefix, rd];
        shift: [r#type];
    }
}

impl From<v4::Destination> for v3::Destination {
    fn from(new: v4::Destination) -> Self {
        Self {
            prefix: new.prefix,
            paths: new.paths.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<v4::Path> for v3::Path {
    fn from(new: v4::Path) -> Self {
        Self {
            nlri: new.nlri.and_then(nlri_to_any),
            pattrs: new
                .pattrs
                .into_iter()
                .filter_map(attribute_to_any)
                .collect(),
            age: new.age,
            best: new.best,
            is_withdraw: new.is_withdraw,
            validation: new.validation.map(Into::into),
            no_implicit_withdraw: new.no_implicit_withdraw,
            family: new.family,
            source_asn: new.source_asn,
            source_id: new.source_id,
            filtered: new.filtered,
            stale: new.stale,
            is_from_external: new.is_from_external,
            neighbor_ip: new.neighbor_ip,
            uuid: new.uuid,
            is_nexthop_invalid: new.is_nexthop_invalid,
            identifier: new.identifier,
            local_identifier: new.local_identifier,
            nlri_binary: new.nlri_binary,
            pattrs_binary: new.pattrs_binary,
            send_max_filtered: new.send_max_filtered,
        }
    }
}

impl TryFrom<v3::Path> for v4::Path {
    type Error = BadAny;

    fn try_from(old: v3::Path) -> Result<Self, BadAny> {
        // Raw octets go before what is decoded.
        let is_binary = !old.nlri_binary.is_empty();
        let nlri = old.nlri.filter(|_| !is_binary);
        Ok(Self {
            nlri: nlri.as_ref().map(nlri_from_any).transpose()?,
            pattrs: each(&old.pattrs, attribute_from_any)?,
            age: old.age,
            best: old.best,
            is_withdraw: old.is_withdraw,
            validation: old.validation.map(Into::into),
            no_implicit_withdraw: old.no_implicit_withdraw,
            family: old.family,
            source_asn: old.source_asn,
            source_id: old.source_id,
            filtered: old.filtered,
            stale: old.stale,
            is_from_external: old.is_from_external,
            neighbor_ip: old.neighbor_ip,
            uuid: old.uuid,
            is_nexthop_invalid: old.is_nexthop_invalid,
            identifier: old.identifier,
            local_identifier: old.local_identifier,
            nlri_binary: old.nlri_binary,
            pattrs_binary: old.pattrs_binary,
            send_max_filtered: old.send_max_filtered,
        })
    }
}
