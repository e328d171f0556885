// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of a neighbour whose task has panicked: its routes go at once, its session is tried again after a pause.
//!
//! A task owns one neighbour and shares nothing, so that nothing else is in doubt. (A shard is another matter.)

use std::{any::Any, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use rib::{Input, PeerId};
use tokio::{sync::mpsc, time::sleep};
use tracing::error;

use super::Supervisor;
use crate::{
    daemon::{
        door::Panics,
        peer_task::{Command, Notice},
        shard::Order,
    },
    peer::PeerEvent,
};

/// A neighbour whose task has panicked rests this long: what it sends may well be what our code does not bear.
const REST: Duration = Duration::from_secs(5);

/// Runs a peer's task and tells the supervisor if it panics.
pub(super) async fn guarded(
    id: PeerId,
    task: impl Future<Output = ()>,
    notices: mpsc::Sender<Notice>,
) {
    if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
        // The supervisor may be ending.
        let _ = notices.send(Notice::Panicked(id, words(&*panic))).await;
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without words").to_owned()
}

impl Supervisor {
    /// The task has ended where it stood: the shards are told what it can not tell any more, and another one takes its place.
    pub(super) async fn panicked(&mut self, id: PeerId, text: String) {
        for shard in &self.door.shards {
            if shard
                .order(Order::Input(Input::PeerDown(id)))
                .await
                .is_err()
            {
                return;
            }
        }
        self.door.bfd.unwatch(id);
        let was_awaited = self.awaited.remove(&id);
        let found = self.door.read().find(id);
        let Some(old) = found else {
            return;
        };
        let name = old.neighbor.name;
        error!(%name, panic = %text, "the task of a neighbour has panicked, its session is over: please report this");
        if old.dynamic {
            // It connects again if it wants to.
            self.doors.close(&old.neighbor);
            self.door.write().peers.remove(&name);
            return;
        }
        let new = match self.start_peer(&old.neighbor, false) {
            Ok(new) => new,
            Err(error) => {
                error!(%name, error = %format!("{error:#}"), "the neighbour is not started again");
                return;
            }
        };
        if was_awaited {
            self.awaited.insert(new.id);
        }
        let panics = Panics {
            count: old.panics.map_or(0, |before| before.count) + 1,
            text: Arc::from(text),
            at: self.door.clock.now(),
        };
        if let Some(running) = self.door.write().peers.get_mut(&name) {
            running.panics = Some(panics);
        }
        if !old.neighbor.admin_down {
            tokio::spawn(async move {
                sleep(REST).await;
                new.handle.tell(Command::Event(PeerEvent::Start)).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bgp_fsm::State;
    use bgp_proto::{
        AsPath, Asn, Capability, Family, HoldTime, Message, Negotiated, NextHop, Open, Origin,
        PathAttributes, RouterId, UpdateWriter,
    };
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    use super::*;
    use crate::{
        api::Control as _,
        config::{self, PeerName},
        daemon::Options,
    };

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const NEIGHBOR: PeerName = PeerName::Address(ADDRESS);
    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_panic_costs_a_neighbour_its_session_and_nobody_else_anything() {
        let listener = TcpListener::bind((ADDRESS, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut supervisor = Supervisor::start(options(port)).await.unwrap();
        let _connection = speak(&listener).await;
        until(&supervisor, Some(State::Established), 1).await;

        let poked = supervisor.door.read().peers[&NEIGHBOR].clone();
        let answer = poked.handle.ask(|_, _| panic!("as it was ordered")).await;
        assert_eq!(answer, None::<()>);
        let notice = timeout(SOON, supervisor.notices.recv()).await.unwrap();
        let began = tokio::time::Instant::now();
        let notice = match notice.unwrap() {
            Notice::Converged(_) => supervisor.notices.recv().await.unwrap(),
            notice => notice,
        };
        assert_eq!(
            notice,
            Notice::Panicked(poked.id, "as it was ordered".to_owned())
        );
        supervisor.notice(notice).await;

        // The routes are gone, and clients see why.
        until(&supervisor, Some(State::Idle), 0).await;
        let status = supervisor
            .door
            .peers(Some(NEIGHBOR))
            .await
            .unwrap()
            .remove(0);
        assert_eq!(status.panics, 1);
        let error = status.last_error.unwrap();
        assert_eq!(error.text, "internal error: as it was ordered");

        // It is tried again, not at once.
        let _connection = speak(&listener).await;
        assert!(began.elapsed() >= REST);
        until(&supervisor, Some(State::Established), 1).await;
        supervisor.stop().await;
    }

    fn options(port: u16) -> Options {
        let text = format!(
            "[global]\nas = 64512\nrouter-id = \"10.0.0.1\"\nport = -1\nshards = 2\n\
             [[neighbors]]\nneighbor-address = \"{NEIGHBOR}\"\npeer-as = 64513\n\
             transport = {{ remote-port = {port} }}\n\
             apply-policy = {{ default-import-policy = \"accept-route\" }}\n\
             [api]\nlisten = []\nunix = \"\"\n"
        );
        let config = config::parse(&text, "test.toml").unwrap();
        Options {
            layers: config::Layers::of_text(&text),
            config,
        }
    }

    /// Waits until the session is in a state and the table has so many prefixes.
    async fn until(supervisor: &Supervisor, state: Option<State>, prefixes: u64) {
        let wanted = (state, prefixes);
        let reached = async {
            loop {
                let running = supervisor.door.read().peers[&NEIGHBOR].clone();
                let state = running.handle.ask(|peer, _| peer.session().state()).await;
                let mut there = 0;
                for shard in &supervisor.door.shards {
                    there += shard.ask(rib::Rib::totals).await.unwrap().prefixes;
                }
                if (state, there) == wanted {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, reached).await.expect("it gets there");
    }

    /// A neighbour that says what is needed to be Established, and announces 10.1.0.0/16.
    async fn speak(listener: &TcpListener) -> TcpStream {
        let accepted = timeout(SOON, listener.accept()).await;
        let (mut stream, _) = accepted.expect("it dials").unwrap();
        let open = Open {
            asn: Asn(64513),
            hold_time: HoldTime::from_wire(90).unwrap(),
            router_id: RouterId::new(Ipv4Addr::new(10, 0, 0, 2)).unwrap(),
            capabilities: vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::FourOctetAs(Asn(64513)),
            ],
        };
        let path = AsPath::from_sequence([Asn(64513)]);
        let next_hop = NextHop::V4(Ipv4Addr::new(192, 0, 2, 1));
        let attributes = PathAttributes::new(Origin::Igp, path, next_hop);
        let writer = UpdateWriter::new(&Negotiated::from_opens(&open, &open));
        let mut messages = vec![Message::Open(open).encode(), Message::Keepalive.encode()];
        let prefix = "10.1.0.0/16".parse().unwrap();
        writer
            .announce(
                &attributes,
                Family::IPV4_UNICAST,
                [(0, prefix)],
                |message| {
                    messages.push(message);
                },
            )
            .unwrap();
        for message in messages {
            stream.write_all(&message).await.unwrap();
        }
        stream
    }
}
