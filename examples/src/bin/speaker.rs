// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A BGP speaker in one thread with nothing but `std`: it announces a prefix and prints what it learns.
//!
//! ```text
//! speaker listen 127.0.0.1:1790 64512 64513 10.1.0.0/16 192.0.2.1
//! speaker dial   127.0.0.1:1790 64513 64512 10.2.0.0/16 192.0.2.2
//! ```
use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant as Clock};

use bgp_fsm::{ConnectionId, Direction, PeerAs, SessionConfig};
use bgp_proto::{AsPath, Asn, Instant, NextHop, Origin, PathAttributes, Prefix, RouterId};
use bgpd::peer::{PeerEvent, PeerSettings};
use bgpd::speaker::{Speaker, SpeakerOrder};
use bytes::BytesMut;
use rib::{Disposition, NextHopMode, PeerId, RibConfig, RouteBatch, Source};

const PEER: PeerId = PeerId(0);
const CONNECTION: ConnectionId = ConnectionId(0);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [how, address, ours, theirs, prefix, next_hop] = words.as_slice() else {
        return Err(
            "usage: speaker listen|dial ADDRESS:PORT OUR_AS PEER_AS PREFIX NEXT_HOP".into(),
        );
    };
    let (address, prefix): (SocketAddr, Prefix) = (address.parse()?, prefix.parse()?);
    let (ours, theirs) = (Asn(ours.parse()?), Asn(theirs.parse()?));
    let (mut stream, direction) = if how == "listen" {
        (TcpListener::bind(address)?.accept()?.0, Direction::Incoming)
    } else {
        (TcpStream::connect(address)?, Direction::Outgoing)
    };

    // A speaker with one peer and one route of its own.
    let started = Clock::now();
    let now = || Instant::ZERO + started.elapsed();
    let router_id = RouterId::new(ours.0.into()).ok_or("AS 0 is no AS")?;
    let mut config = RibConfig::new(ours, router_id);
    config.next_hop_tracking = false;
    let mut speaker = Speaker::new(config, 1);
    let session = SessionConfig::new(ours, PeerAs::Exact(theirs), router_id);
    let mut settings = PeerSettings::new(PEER, address.ip(), session);
    settings.next_hop = NextHopMode::Unchanged;
    speaker.add_peer(settings, now());
    let next_hop = NextHop::V4(next_hop.parse()?);
    let attributes = PathAttributes::new(Origin::Igp, AsPath::empty(), next_hop);
    let mut batch = RouteBatch::new(Source::Static);
    let path = batch.push_path(attributes, Disposition::Blackhole);
    batch.announce(prefix, 0, path);
    speaker.routes(batch, now());
    let connected = PeerEvent::Connected {
        connection: CONNECTION,
        direction,
        local: stream.local_addr()?.ip(),
        interface: None,
    };
    speaker.step(PEER, connected, now());

    // Do what it wants; wait for octets or its deadline; feed it.
    let mut received = BytesMut::new();
    let mut octets = [0; 4096];
    loop {
        let orders = speaker.drain(now());
        let is_quiet = orders.is_empty();
        for order in orders {
            match order {
                SpeakerOrder::Send(_, _, message) => stream.write_all(&message)?,
                SpeakerOrder::Changed { from, to, .. } => println!("session {from} -> {to}"),
                SpeakerOrder::Forward(change) => match change.best {
                    Some(best) => println!("{} {}", change.prefix, best.paths[0].disposition),
                    None => println!("{} is gone", change.prefix),
                },
                SpeakerOrder::Close(..) => return Ok(()),
                _ => {} // it would dial again; this program ends with its connection
            }
        }
        if !is_quiet {
            continue;
        }
        let wait = speaker.deadline().map(|at| at.saturating_since(now()));
        stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match stream.read(&mut octets) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                received.extend_from_slice(&octets[..count]);
                speaker.read(PEER, CONNECTION, &mut received, now());
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        speaker.tick(now());
    }
}
