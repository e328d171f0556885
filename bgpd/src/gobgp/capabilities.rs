// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities of an OPEN.

use bgp_proto::{Capability, GracefulRestart};
use bgpd_api::v4::{self, capability::Cap};

use super::family_message;

/// A capability as a message.
pub(super) fn to_message(capability: &Capability) -> v4::Capability {
    let cap = match capability {
        Capability::Multiprotocol(family) => Cap::MultiProtocol(v4::MultiProtocolCapability {
            family: Some(family_message(*family)),
        }),
        Capability::RouteRefresh => Cap::RouteRefresh(v4::RouteRefreshCapability {}),
        Capability::ExtendedNextHop(entries) => {
            let tuple = |entry: &bgp_proto::ExtendedNextHop| v4::ExtendedNexthopCapabilityTuple {
                nlri_family: Some(family_message(entry.nlri)),
                nexthop_family: Some(v4::Family {
                    afi: entry.next_hop.0.into(),
                    safi: entry.nlri.safi.0.into(),
                }),
            };
            Cap::ExtendedNexthop(v4::ExtendedNexthopCapability {
                tuples: entries.iter().map(tuple).collect(),
            })
        }
        Capability::ExtendedMessage => Cap::ExtendedMessage(v4::ExtendedMessageCapability {}),
        Capability::GracefulRestart(restart) => Cap::GracefulRestart(graceful_restart(restart)),
        Capability::FourOctetAs(asn) => {
            Cap::FourOctetAsn(v4::FourOctetAsnCapability { asn: asn.0 })
        }
        Capability::AddPath(entries) => {
            let tuple = |entry: &bgp_proto::AddPath| v4::AddPathCapabilityTuple {
                family: Some(family_message(entry.family)),
                mode: entry.direction as i32,
            };
            Cap::AddPath(v4::AddPathCapability {
                tuples: entries.iter().map(tuple).collect(),
            })
        }
        Capability::EnhancedRouteRefresh => {
            Cap::EnhancedRouteRefresh(v4::EnhancedRouteRefreshCapability {})
        }
        Capability::LongLivedGracefulRestart(entries) => {
            let tuple =
                |entry: &bgp_proto::LongLivedFamily| v4::LongLivedGracefulRestartCapabilityTuple {
                    family: Some(family_message(entry.family)),
                    flags: u32::from(entry.forwarding_preserved) << 7,
                    time: entry.stale_time,
                };
            Cap::LongLivedGracefulRestart(v4::LongLivedGracefulRestartCapability {
                tuples: entries.iter().map(tuple).collect(),
            })
        }
        Capability::Fqdn { host, domain } => Cap::Fqdn(v4::FqdnCapability {
            host_name: host.clone(),
            domain_name: domain.clone(),
        }),
        Capability::SoftwareVersion(text) => Cap::SoftwareVersion(v4::SoftwareVersionCapability {
            software_version: text.clone(),
        }),
        Capability::Role(role) => unknown(capability.code(), &[role.0]),
        Capability::Unknown { code, value } => unknown(*code, value),
    };
    v4::Capability { cap: Some(cap) }
}

fn graceful_restart(restart: &GracefulRestart) -> v4::GracefulRestartCapability {
    let tuple = |entry: &bgp_proto::RestartFamily| v4::GracefulRestartCapabilityTuple {
        family: Some(family_message(entry.family)),
        flags: u32::from(entry.forwarding_preserved) << 7,
    };
    v4::GracefulRestartCapability {
        // R and N, the upper two of four bits (RFC 8538 §2).
        flags: u32::from(restart.restarting) << 3 | u32::from(restart.notification) << 2,
        time: restart.restart_time.into(),
        tuples: restart.families.iter().map(tuple).collect(),
    }
}

fn unknown(code: u8, value: &[u8]) -> Cap {
    Cap::Unknown(v4::UnknownCapability {
        code: code.into(),
        value: value.to_vec(),
    })
}
