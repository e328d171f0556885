// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The kernel's routes, without a daemon: written as fast as they can be, which is the limit of every daemon, and looked at
//! without keeping one from its work (a look at one route takes no lock).

use std::{
    collections::HashMap,
    io::{Error, ErrorKind, Read as _, Result},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bgp_proto::Prefix;
use socket2::{Domain, Protocol, Socket, Type};

use crate::random::Random;

/// What is done with a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Add,
    Replace,
    Delete,
}

/// A socket to the routing of a namespace.
#[derive(Debug)]
pub(crate) struct Routing {
    socket: Socket,
    device: u32,
    buffer: Vec<u8>,
}

impl Routing {
    /// To that of this thread, whose routes go out of `eth0`.
    pub(crate) fn open() -> Result<Self> {
        let socket = Socket::new(
            Domain::from(AF_NETLINK),
            Type::DGRAM,
            Some(Protocol::from(0)),
        )?;
        socket.set_recv_buffer_size(1 << 20)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            device: nix::net::if_::if_nametoindex("eth0")?,
            buffer: vec![0; BATCH],
        })
    }

    /// Writes routes in large batches, with one answer for each batch.
    pub(crate) fn write(&mut self, verb: Verb, routes: &[Prefix], gateway: Ipv4Addr) -> Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        for (place, prefix) in routes.iter().enumerate() {
            let is_last = batch.len() + 2 * ROUTE > BATCH || place + 1 == routes.len();
            let (code, flags) = match verb {
                Verb::Add => (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL),
                Verb::Replace => (RTM_NEWROUTE, NLM_F_REPLACE),
                Verb::Delete => (RTM_DELROUTE, 0),
            };
            let flags = if is_last { flags | NLM_F_ACK } else { flags };
            let begin = begin(&mut batch, code, flags, *prefix, 0);
            attribute(&mut batch, RTA_GATEWAY, gateway.octets());
            attribute(&mut batch, RTA_OIF, self.device.to_ne_bytes());
            end(&mut batch, begin);
            if is_last {
                self.socket.send(&batch)?;
                batch.clear();
                self.read(|_, _| {})?;
            }
        }
        Ok(())
    }

    /// Where packets to the first address of a prefix go, and by which length.
    fn look(&mut self, prefix: Prefix) -> Result<Option<(u8, IpAddr)>> {
        let host = Prefix::truncating(prefix.addr(), 32).unwrap_or(prefix);
        let mut request = Vec::with_capacity(ROUTE);
        let begin = begin(&mut request, RTM_GETROUTE, 0, host, RTM_F_FIB_MATCH);
        end(&mut request, begin);
        self.socket.send(&request)?;
        let mut found = None;
        match self.read(|length, gateway| found = Some((length, gateway))) {
            Err(error) if error.raw_os_error() == Some(nix::libc::ENETUNREACH) => Ok(None),
            result => result.map(|()| found),
        }
    }

    /// How many routes lead to a gateway.
    pub(crate) fn count(&mut self, gateway: Ipv4Addr) -> Result<usize> {
        let mut request = Vec::with_capacity(ROUTE);
        let all = Prefix::truncating(Ipv4Addr::UNSPECIFIED.into(), 0);
        let all = all.ok_or(ErrorKind::InvalidInput)?;
        let begin = begin(&mut request, RTM_GETROUTE, NLM_F_DUMP, all, 0);
        end(&mut request, begin);
        self.socket.send(&request)?;
        let mut count = 0;
        self.read(|_, by| count += usize::from(by == IpAddr::V4(gateway)))?;
        Ok(count)
    }

    /// Reads answers until the end of them, and what they say of routes.
    fn read(&mut self, mut each: impl FnMut(u8, IpAddr)) -> Result<()> {
        loop {
            let length = (&self.socket).read(&mut self.buffer)?;
            let mut rest = &self.buffer[..length];
            while let Some((head, _)) = rest.split_first_chunk::<16>() {
                let size = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
                let code = u16::from_ne_bytes([head[4], head[5]]);
                let flags = u16::from_ne_bytes([head[6], head[7]]);
                let message = rest.get(..size).ok_or(ErrorKind::InvalidData)?;
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
                match code {
                    NLMSG_ERROR | NLMSG_DONE => {
                        let errno = message
                            .get(16..20)
                            .and_then(|octets| octets.try_into().ok());
                        return match errno.map_or(0, i32::from_ne_bytes) {
                            0 => Ok(()),
                            errno => Err(Error::from_raw_os_error(-errno)),
                        };
                    }
                    _ => {
                        if let Some((length, gateway)) = route(message) {
                            each(length, gateway);
                        }
                        if flags & NLM_F_MULTI == 0 {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

/// A few routes of many, which are looked at one after the other: when the last of them is as it is to be, nearly all are.
#[derive(Debug)]
pub(crate) struct Sample {
    prefixes: Vec<Prefix>,
    place: usize,
}

impl Sample {
    /// Of these, without those behind whose first address there is a longer one.
    pub(crate) fn of(all: &[Prefix]) -> Self {
        let mut longest = HashMap::new();
        for prefix in all {
            let length: &mut u8 = longest.entry(prefix.addr()).or_default();
            *length = prefix.length().max(*length);
        }
        let alone: Vec<Prefix> = all
            .iter()
            .copied()
            .filter(|prefix| longest.get(&prefix.addr()) == Some(&prefix.length()))
            .collect();
        let mut random = Random::new(SAMPLE as u64);
        let mut draw = |_| alone[random.below(alone.len() as u32) as usize];
        Self {
            prefixes: (0..SAMPLE.min(alone.len())).map(&mut draw).collect(),
            place: 0,
        }
    }

    /// Whether all lead to a gateway, or nowhere, by now. Who has been seen to is not looked at again.
    pub(crate) fn leads(&mut self, routing: &mut Routing, to: Option<Ipv4Addr>) -> Result<bool> {
        while let Some(prefix) = self.prefixes.get(self.place) {
            let found = routing.look(*prefix)?;
            let found = found.filter(|(length, _)| *length == prefix.length());
            if found.map(|(_, gateway)| gateway) != to.map(IpAddr::V4) {
                return Ok(false);
            }
            self.place += 1;
        }
        self.place = 0;
        Ok(true)
    }
}

/// Length of the prefix and gateway of a route.
fn route(message: &[u8]) -> Option<(u8, IpAddr)> {
    let length = *message.get(17)?;
    let mut attributes = message.get(28..)?;
    while let Some((head, _)) = attributes.split_first_chunk::<4>() {
        let size = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let code = u16::from_ne_bytes([head[2], head[3]]);
        if let (RTA_GATEWAY, Some(octets)) = (code, attributes.get(4..8)) {
            let octets: [u8; 4] = octets.try_into().ok()?;
            return Some((length, octets.into()));
        }
        attributes = attributes.get(size.next_multiple_of(4).max(4)..)?;
    }
    Some((length, Ipv4Addr::UNSPECIFIED.into()))
}

fn attribute(out: &mut Vec<u8>, code: u16, value: [u8; 4]) {
    out.extend(8u16.to_ne_bytes());
    out.extend(code.to_ne_bytes());
    out.extend(value);
}

/// Begins a message; what `end` is given follows.
fn begin(out: &mut Vec<u8>, code: u16, flags: u16, prefix: Prefix, how: u32) -> usize {
    let begin = out.len();
    out.extend(0u32.to_ne_bytes());
    out.extend(code.to_ne_bytes());
    out.extend((flags | NLM_F_REQUEST).to_ne_bytes());
    out.extend([0; 8]);
    let is_written = matches!(code, RTM_NEWROUTE | RTM_DELROUTE);
    let (protocol, kind) = if is_written { (RTPROT_BGP, 1) } else { (0, 0) };
    let table = if is_written { RT_TABLE_MAIN } else { 0 };
    out.extend([AF_INET, prefix.length(), 0, 0, table, protocol, 0, kind]);
    out.extend(how.to_ne_bytes());
    if let (IpAddr::V4(address), true) = (prefix.addr(), flags & NLM_F_DUMP != NLM_F_DUMP) {
        attribute(out, RTA_DST, address.octets());
    }
    begin
}

fn end(out: &mut [u8], begin: usize) {
    let length = u32::try_from(out.len() - begin).unwrap_or_default();
    out[begin..begin + 4].copy_from_slice(&length.to_ne_bytes());
}

/// Octets of a batch.
const BATCH: usize = 64 << 10;
/// No message is longer.
const ROUTE: usize = 64;
/// Routes that are looked at.
const SAMPLE: usize = 1000;
/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

// linux/netlink.h, linux/rtnetlink.h
const AF_NETLINK: i32 = 16;
const AF_INET: u8 = 2;
const RTPROT_BGP: u8 = 186;
const RT_TABLE_MAIN: u8 = 254;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_F_FIB_MATCH: u32 = 0x2000;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_MULTI: u16 = 2;
const NLM_F_ACK: u16 = 4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
