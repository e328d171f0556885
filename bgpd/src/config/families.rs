// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What GoBGP calls address families.

/// Families of GoBGP besides those that are exchanged here: AFI, SAFI and name.
pub(crate) const OTHER_FAMILIES: [(u16, u8, &str); 24] = [
    (1, 2, "ipv4-multicast"),
    (2, 2, "ipv6-multicast"),
    (1, 4, "ipv4-labelled-unicast"),
    (2, 4, "ipv6-labelled-unicast"),
    (1, 128, "l3vpn-ipv4-unicast"),
    (2, 128, "l3vpn-ipv6-unicast"),
    (1, 129, "l3vpn-ipv4-multicast"),
    (2, 129, "l3vpn-ipv6-multicast"),
    (25, 65, "l2vpn-vpls"),
    (25, 70, "l2vpn-evpn"),
    (1, 132, "rtc"),
    (1, 7, "ipv4-encap"),
    (2, 7, "ipv6-encap"),
    (1, 133, "ipv4-flowspec"),
    (2, 133, "ipv6-flowspec"),
    (1, 134, "l3vpn-ipv4-flowspec"),
    (2, 134, "l3vpn-ipv6-flowspec"),
    (25, 134, "l2vpn-flowspec"),
    (16397, 241, "opaque"),
    (16388, 71, "ls"),
    (1, 73, "ipv4-srpolicy"),
    (2, 73, "ipv6-srpolicy"),
    (1, 85, "ipv4-mup"),
    (2, 85, "ipv6-mup"),
];

/// The name of a family that it may have in GoBGP only.
#[cfg(feature = "daemon")]
pub(crate) fn family_name(family: bgp_proto::Family) -> String {
    let is_it = |(afi, safi, _): &&(u16, u8, &str)| (family.afi.0, family.safi.0) == (*afi, *safi);
    let known = OTHER_FAMILIES.iter().find(is_it);
    known.map_or_else(|| family.to_string(), |(_, _, name)| (*name).to_owned())
}
