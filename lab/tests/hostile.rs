// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A peer that behaves badly costs itself something, and nobody else.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bgp_proto::{
    AsPath, Asn, Capability, Family, Framer, HoldTime, Message, MessageKind, Negotiated, NextHop,
    Notification, Open, Origin, PathAttributes, RouterId, Update, UpdateWriter,
};
use bytes::{Bytes, BytesMut};
use lab::{
    Bgpd, Bird, Lab, Netns,
    config::{self, EBGP, NO_RESTART},
    until,
};

const US: &str = "10.0.0.1:179";
const SOON: Duration = Duration::from_secs(5);

fn ours() -> String {
    let passive = "transport = { passive-mode = true }\n".to_owned() + NO_RESTART;
    config::ours_with(64513, NO_RESTART) + &config::neighbor("10.0.0.3", 64514, &passive)
}

/// The well-behaved neighbour, with so many routes from 10.16.0.0 on.
fn bird(netns: &Netns, routes: u32) -> Result<Bird> {
    let address = |number| Ipv4Addr::from(0x0a10_0000 + number * 256);
    let routes: Vec<String> = (0..routes)
        .map(|number| format!("{}/24", address(number)))
        .collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let session = config::bird_session(EBGP, &config::bird_channel("ipv4", ""));
    Bird::start(netns, &(config::bird("10.0.0.2", &routes) + &session))
}

fn setup(routes: u32) -> Result<(Lab, Netns, Netns, Bgpd, Bird)> {
    let lab = Lab::new("bad")?;
    let (a, b) = lab.pair()?;
    b.ip("addr add 10.0.0.3/24 dev eth0")?;
    let us = Bgpd::start(&a, &ours())?;
    let bird = bird(&b, routes)?;
    us.wait_established("10.0.0.2")?;
    us.wait_route("10.16.0.0/24")?;
    Ok((lab, a, b, us, bird))
}

/// The neighbour that behaves badly: a socket, and what one needs to say something at all.
struct Bad {
    stream: TcpStream,
    framer: Framer,
    buffer: BytesMut,
}

impl Bad {
    fn dial(netns: &Netns, from: &'static str) -> Result<Self> {
        let dial = move || -> Result<TcpStream> {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            let from: SocketAddr = format!("{from}:0").parse()?;
            socket.bind(&from.into())?;
            socket.connect_timeout(&US.parse::<SocketAddr>()?.into(), SOON)?;
            Ok(socket.into())
        };
        let stream = netns
            .enter(dial)?
            .join()
            .map_err(|_| anyhow::anyhow!("it panicked"))??;
        stream.set_read_timeout(Some(SOON))?;
        Ok(Self {
            stream,
            framer: Framer::default(),
            buffer: BytesMut::new(),
        })
    }

    /// Dials as 10.0.0.3 and does everything right until the session is Established.
    fn established(netns: &Netns) -> Result<Self> {
        Self::established_for(netns, 90)
    }

    /// The same, with a hold time of its own.
    fn established_for(netns: &Netns, hold_time: u16) -> Result<Self> {
        let mut bad = Self::dial(netns, "10.0.0.3")?;
        bad.send(&open_for(hold_time).encode())?;
        bad.expect(MessageKind::Open)?;
        bad.send(&Message::Keepalive.encode())?;
        bad.expect(MessageKind::Keepalive)?;
        Ok(bad)
    }

    fn send(&mut self, octets: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(octets)?)
    }

    /// The next message; `None` when the connection is closed.
    fn receive(&mut self) -> Result<Option<(MessageKind, Bytes)>> {
        loop {
            if let Some(frame) = self.framer.next(&mut self.buffer)? {
                return Ok(Some((frame.kind, Bytes::copy_from_slice(frame.body()))));
            }
            let mut octets = [0; 8192];
            match self.stream.read(&mut octets) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&octets[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn expect(&mut self, kind: MessageKind) -> Result<Bytes> {
        match self.receive()? {
            Some((found, body)) if found == kind => Ok(body),
            other => bail!("{kind:?} expected, not {other:?}"),
        }
    }

    /// Reads until a NOTIFICATION comes and the connection is closed.
    fn expect_notification(&mut self) -> Result<String> {
        let mut said = None;
        while let Some((kind, body)) = self.receive()? {
            if kind == MessageKind::Notification {
                said = Some(Notification::decode(&body).to_string());
            }
        }
        said.context("a NOTIFICATION before the end")
    }

    fn announce(&mut self, prefix: &str) -> Result<()> {
        let mut messages = Vec::new();
        let list = [(0, prefix.parse()?)];
        UpdateWriter::new(&session()).announce(
            &attributes(),
            Family::IPV4_UNICAST,
            list,
            |message| messages.push(message),
        )?;
        messages.iter().try_for_each(|message| self.send(message))
    }
}

fn open() -> Message {
    open_for(90)
}

fn open_for(hold_time: u16) -> Message {
    Message::Open(Open {
        asn: Asn(64514),
        hold_time: HoldTime::from_wire(hold_time).unwrap_or(HoldTime::OFF),
        router_id: RouterId::new(Ipv4Addr::new(10, 0, 0, 3)).expect("not zero"),
        capabilities: vec![
            Capability::Multiprotocol(Family::IPV4_UNICAST),
            Capability::FourOctetAs(Asn(64514)),
        ],
    })
}

fn session() -> Negotiated {
    Negotiated {
        four_octet_as: true,
        ..Negotiated::default()
    }
}

fn attributes() -> PathAttributes {
    // A third router's: the well-behaved neighbour is in the same subnet, and is told so.
    let next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, 9));
    PathAttributes::new(Origin::Igp, AsPath::from_sequence([Asn(64514)]), next_hop)
}

/// The daemon runs, and the well-behaved neighbour has noticed nothing.
fn nobody_else_noticed(us: &mut Bgpd) -> Result<()> {
    ensure!(us.process().is_running(), "{}", us.log());
    let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
    ensure!(
        neighbor["state"] == "Established" && neighbor["established_count"] == 1,
        "{neighbor}"
    );
    us.wait_route("10.16.0.0/24")
}

#[test]
#[ignore = "needs netns"]
fn what_is_no_bgp_is_answered_in_the_protocols_words() -> Result<()> {
    let (_lab, _a, b, mut us, _bird) = setup(1)?;
    let keepalive = Message::Keepalive.encode();
    let with = |at: usize, octet: u8| {
        let mut octets = keepalive.to_vec();
        octets[at] = octet;
        octets
    };
    let open = open().encode();
    let mut old = open.to_vec();
    old[19] = 3;
    for (octets, said) in [
        (b"GET / HTTP/1.1\r\nHost: bgp\r\n\r\n".to_vec(), "1/1"),
        (with(0, 0), "1/1"),
        (with(16, 0xff), "1/2"),
        (with(17, 1), "1/2"),
        (with(18, 99), "1/3"),
        (old, "2/1"),
        (keepalive.to_vec(), "5/1"),
    ] {
        let mut bad = Bad::dial(&b, "10.0.0.3")?;
        bad.send(&octets)?;
        let answer = bad.expect_notification()?;
        ensure!(
            answer.contains(&format!("({said})")),
            "{said} expected, not {answer}"
        );
        // It rests after an error; an operator may cut that short.
        us.ctl(&["neighbor", "10.0.0.3", "reset"])?;
        us.ctl(&["neighbor", "10.0.0.3", "enable"])?;
        until("it listens again", SOON, || {
            ensure!(us.state("10.0.0.3")? == "active");
            Ok(())
        })?;
    }
    nobody_else_noticed(&mut us)
}

#[test]
#[ignore = "needs netns"]
fn an_open_that_comes_octet_by_octet_is_an_open() -> Result<()> {
    let (_lab, _a, b, us, _bird) = setup(1)?;
    let mut bad = Bad::dial(&b, "10.0.0.3")?;
    bad.stream.set_nodelay(true)?;
    for octet in open().encode() {
        bad.send(&[octet])?;
        std::thread::sleep(Duration::from_millis(2));
    }
    bad.expect(MessageKind::Open)?;
    bad.send(&Message::Keepalive.encode())?;
    bad.expect(MessageKind::Keepalive)?;
    us.wait_established("10.0.0.3")
}

#[test]
#[ignore = "needs netns"]
fn a_malformed_update_costs_only_the_routes_it_names() -> Result<()> {
    let (_lab, _a, b, mut us, bird) = setup(1)?;
    let mut bad = Bad::established(&b)?;
    bad.announce("10.20.0.0/16")?;
    bad.announce("10.21.0.0/16")?;
    bird.wait_route("10.20.0.0/16")?;
    bird.wait_route("10.21.0.0/16")?;
    // ORIGIN with two octets, in an UPDATE for 10.21.0.0/16 (RFC 7606 §7.1: treat as withdraw).
    let path = [
        0x40, 1, 2, 0, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfc, 2, 0x40, 3, 4, 10, 0, 0, 9,
    ];
    let mut update = vec![0xff; 16];
    let nlri = [16, 10, 21];
    let length = u16::try_from(19 + 4 + path.len() + nlri.len())?;
    update.extend_from_slice(&length.to_be_bytes());
    update.extend_from_slice(&[2, 0, 0]);
    update.extend_from_slice(&u16::try_from(path.len())?.to_be_bytes());
    update.extend_from_slice(&path);
    update.extend_from_slice(&nlri);
    bad.send(&update)?;
    bird.wait_no_route("10.21.0.0/16")?;
    us.wait_route("10.20.0.0/16")?;
    let neighbor = us.json(&["neighbor", "10.0.0.3"])?;
    ensure!(
        neighbor["state"] == "Established" && neighbor["treated_as_withdraw"] == 1,
        "{neighbor}"
    );
    ensure!(us.log().contains("ORIGIN"), "{}", us.log());
    nobody_else_noticed(&mut us)
}

#[test]
#[ignore = "needs netns"]
fn a_hundred_thousand_octets_of_nothing_known_do_no_harm() -> Result<()> {
    let (_lab, _a, b, mut us, _bird) = setup(1)?;
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut sent = 0;
    for _ in 0..40 {
        // The daemon may reset it, or rest and refuse it; both are answers.
        let Ok(mut bad) = Bad::established(&b) else {
            us.ctl(&["neighbor", "10.0.0.3", "disable"])?;
            us.ctl(&["neighbor", "10.0.0.3", "enable"])?;
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let mut body = vec![0_u8; 200];
        for octet in &mut body {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            *octet = seed.to_le_bytes()[0];
        }
        let mut update = vec![0xff; 16];
        update.extend_from_slice(&u16::try_from(19 + body.len())?.to_be_bytes());
        update.push(2);
        update.extend_from_slice(&body);
        // It may be closed under our hands.
        let _ = bad.send(&update);
        sent += 1;
    }
    ensure!(sent >= 10, "only {sent} sessions for it");
    nobody_else_noticed(&mut us)
}

#[test]
#[ignore = "needs netns"]
fn strangers_are_refused_however_many() -> Result<()> {
    let (_lab, _a, b, mut us, _bird) = setup(1)?;
    b.ip("addr add 10.0.0.66/24 dev eth0")?;
    let descriptors = |us: &mut Bgpd| -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", us.process().pid()))?.count())
    };
    let before = descriptors(&mut us)?;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(Bad::dial(&b, "10.0.0.66")?);
    }
    for bad in &mut held {
        ensure!(bad.receive()?.is_none(), "a stranger is told nothing");
    }
    // A neighbour that opens connections without end has two at most.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Bad::dial(&b, "10.0.0.3")?);
    }
    until("what is too much is closed", SOON, || {
        let now = descriptors(&mut us)?;
        ensure!(now <= before + 4, "{now} descriptors, {before} before");
        Ok(())
    })?;
    nobody_else_noticed(&mut us)
}

#[test]
#[ignore = "needs netns"]
fn a_connection_that_says_nothing_keeps_nobody_out() -> Result<()> {
    let (_lab, _a, b, mut us, bird) = setup(1)?;
    let mut silent = Bad::dial(&b, "10.0.0.3")?;
    silent.expect(MessageKind::Open)?;
    // As after a crash: the same neighbour comes again, on another connection, while the first is half open.
    let mut good = Bad::established(&b)?;
    good.announce("10.20.0.0/16")?;
    bird.wait_route("10.20.0.0/16")?;
    // Connection Collision Resolution (RFC 4271 §6.8).
    let answer = silent.expect_notification()?;
    ensure!(answer.contains("(6/7)"), "{answer}");
    let neighbor = us.json(&["neighbor", "10.0.0.3"])?;
    ensure!(
        neighbor["state"] == "Established" && neighbor["established_count"] == 1,
        "{neighbor}"
    );
    nobody_else_noticed(&mut us)
}

#[test]
#[ignore = "needs netns"]
fn a_peer_that_falls_silent_is_gone_when_its_hold_time_is_over() -> Result<()> {
    let (_lab, _a, b, mut us, bird) = setup(1)?;
    let mut bad = Bad::established_for(&b, 3)?;
    bad.announce("10.20.0.0/16")?;
    let begun = Instant::now();
    bird.wait_route("10.20.0.0/16")?;
    let answer = bad.expect_notification()?;
    let silence = begun.elapsed();
    ensure!(answer.contains("(4/0)"), "{answer}");
    ensure!(
        (Duration::from_millis(2500)..Duration::from_millis(4500)).contains(&silence),
        "after {silence:?}"
    );
    bird.wait_no_route("10.20.0.0/16")?;
    nobody_else_noticed(&mut us)
}

#[test]
#[ignore = "needs netns"]
fn a_peer_that_does_not_read_stalls_nobody_and_has_everything_in_the_end() -> Result<()> {
    const ROUTES: u32 = 30_000;
    let (_lab, _a, b, mut us, bird) = setup(ROUTES)?;
    until("the table is here", Duration::from_secs(20), || {
        let neighbor = us.json(&["neighbor", "10.0.0.2"])?;
        ensure!(neighbor["families"][0]["received"] == ROUTES, "{neighbor}");
        Ok(())
    })?;
    let mut bad = Bad::established(&b)?;
    // It has not read one octet of the table, and keeps announcing.
    for round in 0..20 {
        let prefix = format!("10.{}.0.0/16", 200 + round % 2);
        bad.announce(&prefix)?;
        let begun = Instant::now();
        bird.wait_route(&prefix)?;
        ensure!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", us.process().pid()))?;
    let memory = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default();
    let kilobytes: u64 = memory.split_whitespace().nth(1).unwrap_or("0").parse()?;
    ensure!(kilobytes < 150_000, "{memory}");
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < ROUTES as usize {
        let (kind, body) = bad.receive()?.context("the session stays")?;
        if kind == MessageKind::Update {
            let session = session();
            let update = Update::decode(&body, &session)?;
            for (_, block) in update.announced() {
                heard.extend(block.prefixes().map(|(_, prefix)| prefix));
            }
        }
    }
    nobody_else_noticed(&mut us)
}
