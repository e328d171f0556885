// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A neighbour that says exactly what the test wants, when it wants.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bgp_proto::{
    Asn, Capability, Family, Framer, HoldTime, Message, MessageKind, Negotiated, Open,
    PathAttributes, Prefix, RouterId, UpdateWriter,
};
use bytes::BytesMut;
use lab::{Netns, until};

const PATIENCE: Duration = Duration::from_secs(20);

/// Who a neighbour is. All of them are in one subnet with the daemon, which is 10.0.0.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    /// Its address is 10.0.0.NUMBER.
    pub(crate) number: u8,
    pub(crate) asn: u32,
    pub(crate) router_id: [u8; 4],
}

impl Who {
    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.number)
    }
}

/// One end of an established session, which the other end dials never.
#[derive(Debug)]
pub(crate) struct Speaker {
    stream: TcpStream,
}

impl Speaker {
    pub(crate) fn dial(netns: &Netns, who: Who) -> Result<Self> {
        until(&format!("a session as {}", who.address()), PATIENCE, || {
            Self::try_to_dial(netns, who)
        })
    }

    fn try_to_dial(netns: &Netns, who: Who) -> Result<Self> {
        let connect = move || -> Result<TcpStream> {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            socket.bind(&SocketAddr::from((who.address(), 0)).into())?;
            let daemon = SocketAddr::from(([10, 0, 0, 1], 179));
            socket.connect_timeout(&daemon.into(), Duration::from_secs(2))?;
            Ok(socket.into())
        };
        let entered = netns.enter(connect)?.join();
        let mut stream = entered.map_err(|_| anyhow::anyhow!("it panicked"))??;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        let open = Message::Open(Open {
            asn: Asn(who.asn),
            // The daemon's counts; GoBGP can not do without. A test says something more often.
            hold_time: HoldTime::from_wire(u16::MAX)?,
            router_id: RouterId::new(who.router_id.into()).context("an identifier")?,
            capabilities: vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::FourOctetAs(Asn(who.asn)),
            ],
        });
        stream.write_all(&open.encode())?;
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
        for expected in [MessageKind::Open, MessageKind::Keepalive] {
            let kind = loop {
                if let Some(frame) = framer.next(&mut buffer)? {
                    break frame.kind;
                }
                let mut octets = [0; 4096];
                match stream.read(&mut octets)? {
                    0 => bail!("the connection was closed"),
                    count => buffer.extend_from_slice(&octets[..count]),
                }
            };
            anyhow::ensure!(kind == expected, "{expected:?} expected, not {kind:?}");
            if expected == MessageKind::Open {
                stream.write_all(&Message::Keepalive.encode())?;
            }
        }
        stream.set_read_timeout(None)?;
        let mut unread = stream.try_clone()?;
        // What it is told is not of interest, but it has to be taken. The thread ends with the connection.
        thread::spawn(move || while matches!(unread.read(&mut [0; 4096]), Ok(1..)) {});
        Ok(Self { stream })
    }

    /// Announces a prefix, or withdraws it.
    pub(crate) fn say(&mut self, prefix: Prefix, path: Option<&PathAttributes>) -> Result<()> {
        let session = Negotiated {
            four_octet_as: true,
            ..Negotiated::default()
        };
        let writer = UpdateWriter::new(&session);
        let mut octets = Vec::new();
        let list = [(0, prefix)];
        match path {
            Some(path) => writer.announce(path, Family::IPV4_UNICAST, list, |message| {
                octets.extend_from_slice(&message);
            })?,
            None => writer.withdraw(Family::IPV4_UNICAST, list, |message| {
                octets.extend_from_slice(&message);
            }),
        }
        Ok(self.stream.write_all(&octets)?)
    }
}
