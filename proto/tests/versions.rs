// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client of GoBGP's version 3 says is understood as it means it, and what it is answered it understands.

use bgpd_api::{
    Message as _, v3, v4,
    versions::{
        BadAny,
        any::{attribute_from_any, attribute_to_any, nlri_from_any},
        newer, older,
    },
};
use prost_types::Any;

/// Names of the values without their prefixes, old number and new: as the two versions number them.
macro_rules! renumbered {
    ($($old:ty => $new:ty: $first:literal ..= $last:literal;)*) => {
        #[test]
        fn every_enum_that_was_renumbered_means_the_same_in_both_versions() {
            $(
                for number in $first..=$last {
                    let old = <$old>::try_from(number).expect("a value of version 3");
                    let new = <$new>::try_from(newer(number)).expect("a value of version 4");
                    assert_eq!(format!("{old:?}"), format!("{new:?}"), "{}", stringify!($old));
                    assert_eq!(older(newer(number)), number);
                }
                assert!(<$old>::try_from($last + 1).is_err(), "{} has more", stringify!($old));
                let first = <$new>::try_from(0).expect("a value of version 4");
                assert_eq!(format!("{first:?}"), "Unspecified");
            )*
        }
    };
}

renumbered! {
    v3::watch_event_request::table::filter::Type => v4::watch_event_request::table::filter::Type: 0..=2;
    v3::reset_peer_request::SoftResetDirection => v4::reset_peer_request::Direction: 0..=2;
    v3::table_lookup_prefix::Type => v4::table_lookup_prefix::Type: 0..=2;
    v3::enable_mrt_request::DumpType => v4::enable_mrt_request::DumpType: 0..=1;
    v3::add_bmp_request::MonitoringPolicy => v4::add_bmp_request::MonitoringPolicy: 0..=4;
    v3::validation::State => v4::ValidationState: 0..=3;
    v3::validation::Reason => v4::validation::Reason: 0..=2;
    v3::peer_state::AdminState => v4::peer_state::AdminState: 0..=2;
    v3::match_set::Type => v4::match_set::Type: 0..=2;
    v3::as_path_length::Type => v4::Comparison: 0..=2;
    v3::community_action::Type => v4::community_action::Type: 0..=2;
    v3::med_action::Type => v4::med_action::Type: 0..=1;
    v3::set_log_level_request::Level => v4::set_log_level_request::Level: 0..=6;
    v3::TableType => v4::TableType: 0..=4;
    v3::PeerType => v4::PeerType: 0..=1;
    v3::DefinedType => v4::DefinedType: 0..=7;
    v3::community_count::Type => v4::Comparison: 0..=2;
}

#[test]
fn numbers_that_are_no_value_of_an_enum_do_not_become_one() {
    assert_eq!(
        (newer(-1), newer(i32::MAX), newer(i32::MIN)),
        (-1, i32::MAX, i32::MIN)
    );
    assert_eq!((older(0), older(-5), older(i32::MIN)), (0, 0, 0));
}

#[test]
fn import_and_export_policies_of_a_peer_do_not_change_places() {
    let named = |name: &str| {
        Some(v3::PolicyAssignment {
            name: name.into(),
            ..Default::default()
        })
    };
    let old = v3::Peer {
        apply_policy: Some(v3::ApplyPolicy {
            in_policy: named("in"),
            export_policy: named("export"),
            import_policy: named("import"),
        }),
        ..Default::default()
    };
    let read = v3::Peer::decode(old.encode_to_vec().as_slice()).expect("its own octets");
    let new = v4::Peer::from(read).apply_policy.expect("is there");
    assert_eq!(
        new.export_policy.as_ref().map(|it| it.name.as_str()),
        Some("export")
    );
    assert_eq!(
        new.import_policy.as_ref().map(|it| it.name.as_str()),
        Some("import")
    );
    let again = v3::ApplyPolicy::from(new);
    assert_eq!(again.import_policy, named("import"));
    assert_eq!(again.export_policy, named("export"));
}

#[test]
fn the_device_of_the_daemon_is_not_its_policy() {
    let old = v3::Global {
        bind_to_device: "eth0".into(),
        apply_policy: Some(v3::ApplyPolicy::default()),
        ..Default::default()
    };
    let new = v4::Global::from(old);
    assert_eq!(new.bind_to_device, "eth0");
    let again = v3::Global::from(new);
    assert_eq!(
        (again.bind_to_device.as_str(), again.apply_policy),
        ("eth0", None)
    );
}

#[test]
fn a_statement_that_does_not_ask_for_validation_says_so_in_both_versions() {
    for silent in [-1, 0] {
        let old = v3::Conditions {
            rpki_result: silent,
            ..Default::default()
        };
        let new = v4::Conditions::from(old);
        assert_eq!(new.rpki_result, -1);
        assert_eq!(v3::Conditions::from(new).rpki_result, -1);
    }
    let valid = v3::Conditions {
        rpki_result: v3::validation::State::Valid.into(),
        ..Default::default()
    };
    assert_eq!(
        v4::Conditions::from(valid).rpki_result,
        i32::from(v4::ValidationState::Valid)
    );
}

/// A tunnel with parts that are an `Any` inside of another.
fn segment_routing() -> v4::attribute::Attr {
    use v4::{
        tunnel_encap_sub_tlvsr_binding_sid::Bsid,
        tunnel_encap_sub_tlvsr_segment_list::{Segment as Place, segment::Segment},
        tunnel_encap_tlv::{Tlv as SubTlv, tlv::Tlv as Sub},
    };
    let binding = |bsid| Sub::SrBindingSid(v4::TunnelEncapSubTlvsrBindingSid { bsid: Some(bsid) });
    let segments = [
        Segment::A(v4::SegmentTypeA {
            flags: Some(v4::SegmentFlags::default()),
            label: 24000,
        }),
        Segment::B(v4::SegmentTypeB {
            sid: vec![1; 16],
            ..v4::SegmentTypeB::default()
        }),
    ];
    let places = segments.map(|segment| Place {
        segment: Some(segment),
    });
    let subs = [
        Sub::SrPreference(v4::TunnelEncapSubTlvsrPreference {
            flags: 0,
            preference: 100,
        }),
        Sub::SrPriority(v4::TunnelEncapSubTlvsrPriority { priority: 7 }),
        Sub::SrEnlp(v4::TunnelEncapSubTlvsrenlp { flags: 0, enlp: 3 }),
        Sub::SrCandidatePathName(v4::TunnelEncapSubTlvsrCandidatePathName {
            candidate_path_name: "blue".into(),
        }),
        binding(Bsid::SrBindingSid(v4::SrBindingSid {
            s_flag: true,
            i_flag: false,
            sid: vec![2; 16],
        })),
        binding(Bsid::Srv6BindingSid(v4::SRv6BindingSid {
            sid: vec![3; 16],
            ..v4::SRv6BindingSid::default()
        })),
        Sub::SrSegmentList(v4::TunnelEncapSubTlvsrSegmentList {
            weight: Some(v4::SrWeight {
                flags: 0,
                weight: 12,
            }),
            segments: places.to_vec(),
        }),
    ];
    let tunnel = v4::TunnelEncapTlv {
        r#type: 15,
        tlvs: subs.map(|sub| SubTlv { tlv: Some(sub) }).to_vec(),
    };
    v4::attribute::Attr::TunnelEncap(v4::TunnelEncapAttribute { tlvs: vec![tunnel] })
}

#[test]
fn attributes_travel_as_any_and_come_back() {
    use v4::attribute::Attr;
    let nlri = v4::Nlri {
        nlri: Some(v4::nlri::Nlri::Prefix(v4::IpAddressPrefix {
            prefix_len: 48,
            prefix: "2001:db8::".into(),
        })),
    };
    let target = v4::TwoOctetAsSpecificExtended {
        is_transitive: true,
        sub_type: 2,
        asn: 65002,
        local_admin: 200,
    };
    let community = v4::ExtendedCommunity {
        extcom: Some(v4::extended_community::Extcom::TwoOctetAsSpecific(target)),
    };
    let all = [
        Attr::Origin(v4::OriginAttribute { origin: 2 }),
        Attr::AtomicAggregate(v4::AtomicAggregateAttribute {}),
        Attr::ExtendedCommunities(v4::ExtendedCommunitiesAttribute {
            communities: vec![community],
        }),
        Attr::MpReach(v4::MpReachNlriAttribute {
            family: Some(v4::Family { afi: 2, safi: 1 }),
            next_hops: vec!["2001:db8::1".into()],
            nlris: vec![nlri],
        }),
        Attr::Unknown(v4::UnknownAttribute {
            flags: 0xc0,
            r#type: 99,
            value: vec![1, 2],
        }),
        segment_routing(),
    ];
    for attr in all {
        let new = v4::Attribute { attr: Some(attr) };
        let any = attribute_to_any(new.clone()).expect("an older client reads it");
        assert!(
            any.type_url.starts_with("type.googleapis.com/apipb."),
            "{}",
            any.type_url
        );
        assert_eq!(attribute_from_any(&any), Ok(new));
    }
}

#[test]
fn what_is_no_attribute_is_refused_with_words() {
    let any = |url: &str, value: &[u8]| Any {
        type_url: url.into(),
        value: value.into(),
    };
    let unknown = attribute_from_any(&any("type.googleapis.com/apipb.Peer", &[]));
    assert_eq!(
        unknown.map_err(|error| error.to_string()),
        Err("`type.googleapis.com/apipb.Peer` is no path attribute that is known here".into())
    );
    let garbled = attribute_from_any(&any("x/apipb.OriginAttribute", &[0xff]));
    assert!(
        matches!(garbled, Err(BadAny::Garbled { .. })),
        "{garbled:?}"
    );
    assert_eq!(nlri_from_any(&Any::default()), Err(BadAny::Missing("NLRI")));
}

/// The octets are those that GoBGP 3.10 has been seen to send.
#[test]
fn capabilities_are_those_an_older_client_can_read() {
    use v4::capability::Cap;
    let unicast = |afi| Some(v4::Family { afi, safi: 1 });
    let tuple = v4::ExtendedNexthopCapabilityTuple {
        nlri_family: unicast(1),
        nexthop_family: Some(v4::Family { afi: 2, safi: 1 }),
    };
    let caps = [
        Cap::RouteRefresh(v4::RouteRefreshCapability {}),
        Cap::MultiProtocol(v4::MultiProtocolCapability { family: unicast(1) }),
        Cap::FourOctetAsn(v4::FourOctetAsnCapability { asn: 65001 }),
        Cap::ExtendedNexthop(v4::ExtendedNexthopCapability {
            tuples: vec![tuple],
        }),
        Cap::ExtendedMessage(v4::ExtendedMessageCapability {}),
        Cap::SoftwareVersion(v4::SoftwareVersionCapability {
            software_version: "bgpd".into(),
        }),
    ];
    let state = v4::PeerState {
        local_cap: caps.map(|cap| v4::Capability { cap: Some(cap) }).into(),
        ..Default::default()
    };
    let seen: Vec<_> = v3::PeerState::from(state)
        .local_cap
        .into_iter()
        .map(|any| {
            (
                any.type_url.replace("type.googleapis.com/apipb.", ""),
                any.value,
            )
        })
        .collect();
    let expected: [(&str, &[u8]); 6] = [
        ("RouteRefreshCapability", &[]),
        ("MultiProtocolCapability", &[0x0a, 4, 8, 1, 0x10, 1]),
        ("FourOctetASNCapability", &[8, 0xe9, 0xfb, 3]),
        (
            "ExtendedNexthopCapability",
            &[0x0a, 12, 0x0a, 4, 8, 1, 0x10, 1, 0x12, 4, 8, 2, 0x10, 1],
        ),
        ("UnknownCapability", &[8, 6]),
        (
            "UnknownCapability",
            &[8, 75, 0x12, 5, 4, b'b', b'g', b'p', b'd'],
        ),
    ];
    assert_eq!(
        seen,
        expected.map(|(name, octets)| (name.to_owned(), octets.to_vec()))
    );
}
