// SPDX-License-Identifier: Apache-2.0 OR MIT
//! BFD: who wants which neighbour watched, and the way to the thread that does it.
//!
//! The thread exists from the first session on. Its news reach a neighbour's task as a value, not as messages: who is
//! slow sees the last state, and how often the path has failed.

use std::{
    fmt,
    net::IpAddr,
    num::NonZeroU8,
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};

use bfd::{Diagnostic, Interval, Key, Settings, State};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rib::PeerId;
use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};
use tracing::{error, info, warn};

use super::{clock::Clock, sys};
use crate::{
    config::{self, LocalAddress, Neighbor},
    control::BfdStatus,
};

mod engine;
mod place;
mod socket;
mod view;

pub(super) use view::BfdView;

/// Orders that wait for the thread. It takes them at once; who finds the queue full waits for that moment.
const ORDERS: usize = 64;

/// Between the end of a BGP session and that of its BFD session.
pub(super) const GOODBYE: Duration = Duration::from_millis(100);

/// Whom to watch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) remote: IpAddr,
    /// Our address; as routing has it if not given.
    pub(super) local: Option<IpAddr>,
    /// The interface of a single hop; the one whose subnet has the neighbour if not given.
    pub(super) interface: Option<String>,
    pub(super) reach: Reach,
}

/// Whom to watch, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wish {
    target: Target,
    settings: Settings,
    key: Option<Key>,
}

/// How far away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    SingleHop,
    Multihop,
    /// A single hop if the neighbour is in a subnet of ours.
    AsFound,
}

impl Target {
    pub(super) fn of(neighbor: &Neighbor) -> Self {
        let reach = match (neighbor.bfd.multihop, neighbor.multihop) {
            (Some(true), _) | (None, Some(_)) => Reach::Multihop,
            (None, None) if neighbor.is_internal() => Reach::AsFound,
            (Some(false), _) | (None, None) => Reach::SingleHop,
        };
        Self {
            remote: neighbor.address,
            local: match neighbor.local_address {
                Some(LocalAddress::Address(address)) => Some(address),
                Some(LocalAddress::Interface(_)) | None => None,
            },
            interface: neighbor.bind_interface.clone().or_else(|| {
                let interface = neighbor.name.interface();
                interface.map(|interface| interface.to_string())
            }),
            reach,
        }
    }
}

/// In the terms of the machine.
fn wish(neighbor: &Neighbor) -> Wish {
    let bfd = &neighbor.bfd;
    Wish {
        target: Target::of(neighbor),
        settings: settings(bfd),
        key: bfd
            .authentication
            .as_ref()
            .and_then(|with| Key::new(with.method, with.id, with.secret.as_bytes())),
    }
}

fn settings(bfd: &config::Bfd) -> Settings {
    Settings {
        desired_min_tx: Interval::from_millis(bfd.min_transmit),
        required_min_rx: Interval::from_millis(bfd.min_receive),
        multiplier: NonZeroU8::new(bfd.multiplier).unwrap_or(NonZeroU8::MIN),
        passive: bfd.passive,
    }
}

/// What is known of a path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Health {
    pub(super) state: State,
    pub(super) diagnostic: Diagnostic,
    /// The neighbour's operator holds it down.
    pub(super) remote_admin_down: bool,
    /// How often it has failed since it is watched.
    pub(super) failures: u64,
    /// The last failure was not one of the neighbour's control plane.
    pub(super) independent: bool,
    /// Why there is no session.
    pub(super) problem: Option<String>,
}

pub(super) type Watched = watch::Receiver<Health>;

/// What the thread is told.
enum Order {
    /// Watch, or watch differently.
    Watch(PeerId, Wish, watch::Sender<Health>),
    Unwatch(PeerId),
    Show(oneshot::Sender<Vec<BfdStatus>>),
    /// Every neighbour is told that it is no failure.
    Stop(oneshot::Sender<()>),
}

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Bfd {
    clock: Clock,
    way: Arc<OnceLock<Way>>,
    /// Held by who starts the thread.
    opening: Arc<Mutex<()>>,
}

struct Way {
    orders: mpsc::SyncSender<Order>,
    wake: Arc<EventFd>,
}

impl fmt::Debug for Bfd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bfd").finish_non_exhaustive()
    }
}

impl Bfd {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            way: Arc::default(),
            opening: Arc::default(),
        }
    }

    /// Watches the path to a neighbour, if its configuration wants that. Whoever watched it before hears no more.
    pub(super) fn watch(&self, id: PeerId, neighbor: &Neighbor) -> Option<Watched> {
        if !neighbor.bfd.enabled || neighbor.is_awaited() {
            self.unwatch(id);
            return None;
        }
        let (sender, receiver) = watch::channel(Health::default());
        if let Err(error) = self.open() {
            error!(%error, "BFD can not be started");
            return None;
        }
        self.order(Order::Watch(id, wish(neighbor), sender));
        Some(receiver)
    }

    fn open(&self) -> anyhow::Result<()> {
        let _only_once = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.way.get().is_none() {
            let way = Way::open(self.clock)?;
            self.way.get_or_init(|| way);
        }
        Ok(())
    }

    /// The neighbour is told that it is no failure, and watched no more.
    pub(super) fn unwatch(&self, id: PeerId) {
        self.order(Order::Unwatch(id));
    }

    /// The same, when the neighbour has had time to read the NOTIFICATION that ends its session. Some take `AdminDown` for a
    /// failure of the path, and keep the routes of a neighbour that they take for one that restarts.
    pub(super) fn unwatch_later(&self, id: PeerId) {
        let bfd = self.clone();
        tokio::spawn(async move {
            sleep(GOODBYE).await;
            bfd.unwatch(id);
        });
    }

    /// All sessions.
    pub(super) async fn show(&self) -> Vec<BfdStatus> {
        self.ask(Order::Show).await.unwrap_or_default()
    }

    /// The daemon has told every neighbour that it ends: that is no failure either.
    pub(super) async fn stop(&self) {
        if self.way.get().is_some() {
            sleep(GOODBYE).await;
        }
        // Without a thread there is nobody to tell.
        let _ = self.ask(Order::Stop).await;
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (answer, receiver) = oneshot::channel();
        self.order(order(answer));
        receiver.await.ok()
    }

    fn order(&self, order: Order) {
        let Some(way) = self.way.get() else { return };
        if way.orders.send(order).is_err() || way.wake.write(1).is_err() {
            error!("the thread of BFD has ended");
        }
    }
}

impl Way {
    fn open(clock: Clock) -> anyhow::Result<Self> {
        let (orders, receiver) = mpsc::sync_channel(ORDERS);
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let engine = engine::Engine::new(clock, receiver, Arc::clone(&wake));
        let (said, urgency) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("bfd".to_owned())
            .spawn(move || {
                // Nobody waits for it when the daemon has given up.
                let _ = said.send(sys::make_thread_urgent());
                engine.run();
            })?;
        match urgency.recv_timeout(Duration::from_secs(1)) {
            Ok(sys::Urgency::RealTime) => info!("BFD runs as a real-time thread"),
            Ok(sys::Urgency::Nice(nice)) => {
                warn!(
                    nice,
                    "BFD is not a real-time thread: CAP_SYS_NICE or LimitRTPRIO= is missing. A busy machine may let neighbours \
                     see a failure where there is none"
                );
            }
            Err(_) => warn!("the thread of BFD is slow to start"),
        }
        Ok(Self { orders, wake })
    }
}
