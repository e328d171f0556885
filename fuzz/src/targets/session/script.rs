// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A script, read from octets. Where they end, zeros follow.

use std::time::Duration;

use bgp_proto::{
    AddPath, AddPathDirection, Asn, Capability, Family, GracefulRestart, HoldTime, Open,
    RestartFamily, RouterId,
};

/// The AS of the speaker under test.
pub(super) const LOCAL: Asn = Asn(64512);

/// The AS of its neighbour.
pub(super) const REMOTE: Asn = Asn(64513);

/// Most lines of a script: more only repeat themselves.
const LINES: usize = 400;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Script<'a> {
    rest: &'a [u8],
    lines: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, lines: 0 }
    }

    /// The number of the next line, until the end.
    pub(super) fn line(&mut self) -> Option<u8> {
        self.lines += 1;
        (self.lines <= LINES && !self.rest.is_empty()).then(|| self.octet())
    }

    pub(super) fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        first
    }

    pub(super) fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// As many octets as the next two say, or as there are.
    pub(super) fn octets(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_be_bytes([self.octet(), self.octet()]));
        let (octets, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        octets
    }

    /// Up to a minute, by quarters of a second.
    pub(super) fn time(&mut self) -> Duration {
        Duration::from_millis(250) * u32::from(self.octet())
    }

    pub(super) fn router_id(&mut self) -> RouterId {
        let last = 1 + self.octet() % 3;
        RouterId::new([10, 0, 0, last].into()).expect("not zero")
    }

    pub(super) fn hold_time(&mut self) -> HoldTime {
        let seconds = [0, 3, 90, 65_535][usize::from(self.octet() % 4)];
        HoldTime::from_wire(seconds).expect("neither 1 nor 2")
    }

    /// One octet, a bit for each.
    pub(super) fn capabilities(&mut self) -> Vec<Capability> {
        let bits = self.octet();
        let both = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let add_path = both.map(|family| AddPath {
            family,
            direction: AddPathDirection::Both,
        });
        let preserved = |family| RestartFamily {
            family,
            forwarding_preserved: true,
        };
        let all = [
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::Multiprotocol(Family::IPV6_UNICAST),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::ExtendedMessage,
            Capability::AddPath(add_path.to_vec()),
            Capability::GracefulRestart(GracefulRestart {
                restart_time: 30,
                families: both.map(preserved).to_vec(),
                ..GracefulRestart::default()
            }),
        ];
        let chosen = all.into_iter().enumerate();
        chosen
            .filter(|(number, _)| bits & (1 << number) != 0)
            .map(|(_, capability)| capability)
            .collect()
    }

    /// An OPEN of the neighbour, of the right AS more often than not.
    pub(super) fn open(&mut self) -> Open {
        let asn = match self.octet() {
            0xff => Asn(4_200_000_000),
            0xfe => Asn::TRANS,
            octet if octet & 1 == 1 => LOCAL,
            _ => REMOTE,
        };
        let mut open = Open {
            asn,
            hold_time: self.hold_time(),
            router_id: self.router_id(),
            capabilities: self.capabilities(),
        };
        if self.flag() {
            open.capabilities.push(Capability::FourOctetAs(asn));
        }
        open
    }
}
