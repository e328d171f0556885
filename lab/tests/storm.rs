// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Neighbours that close and dial again in the same breath are taken the first time.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bgp_proto::{Asn, Capability, Family, Framer, HoldTime, Message, MessageKind, Open, RouterId};
use bytes::BytesMut;
use lab::{
    Bgpd, Lab,
    config::{self, NO_RESTART},
};

const US: &str = "10.0.0.1:179";
const SOON: Duration = Duration::from_secs(5);
const NEIGHBORS: u8 = 100;

fn dial(from: Ipv4Addr) -> Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&US.parse::<SocketAddr>()?.into(), SOON)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON))?;
    Ok(stream)
}

fn establish(stream: &mut TcpStream, from: Ipv4Addr) -> Result<()> {
    let open = Open {
        asn: Asn(64514),
        hold_time: HoldTime::from_wire(90)?,
        router_id: RouterId::new(from).context("no address is zero")?,
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::FourOctetAs(Asn(64514)),
        ],
    };
    stream.write_all(&open.encode())?;
    stream.write_all(&Message::Keepalive.encode())?;
    let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
    for expected in [MessageKind::Open, MessageKind::Keepalive] {
        let frame = loop {
            if let Some(frame) = framer.next(&mut buffer)? {
                break frame;
            }
            let mut octets = [0; 4096];
            let count = stream.read(&mut octets)?;
            ensure!(count > 0, "{from} was refused");
            buffer.extend_from_slice(&octets[..count]);
        };
        ensure!(frame.kind == expected, "{from}: {:?}", frame.kind);
    }
    Ok(())
}

#[test]
#[ignore = "needs netns"]
fn whoever_comes_back_at_once_is_taken_at_once() -> Result<()> {
    let lab = Lab::new("storm")?;
    let (a, b) = lab.pair()?;
    let addresses = (0..NEIGHBORS).map(|number| Ipv4Addr::new(10, 0, 0, 100 + number));
    let addresses: Vec<Ipv4Addr> = addresses.collect();
    let mut text = config::ours("10.0.0.1");
    for address in &addresses {
        b.ip(&format!("addr add {address}/24 dev eth0"))?;
        let keys = "transport = { passive-mode = true }\n".to_owned() + NO_RESTART;
        text += &config::neighbor(&address.to_string(), 64514, &keys);
    }
    let us = Bgpd::start(&a, &text)?;
    let neighbors = b.enter(move || -> Result<()> {
        let mut streams = Vec::new();
        for address in &addresses {
            let mut stream = dial(*address)?;
            establish(&mut stream, *address)?;
            streams.push(stream);
        }
        for (stream, address) in streams.iter_mut().zip(&addresses) {
            stream.shutdown(std::net::Shutdown::Both)?;
            *stream = dial(*address)?;
        }
        for (stream, address) in streams.iter_mut().zip(&addresses) {
            establish(stream, *address)?;
        }
        Ok(())
    })?;
    let outcome = neighbors.join();
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the neighbours panicked"))?;
    outcome.with_context(|| us.log())
}
