// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two machines over a virtual link that loses, delays and cuts.

use std::{collections::BTreeMap, num::NonZeroU8, time::Duration};

use bfd::{Action, Discriminator, Event, Interval, Packet, Session, Settings, State};
use bgp_proto::Instant;
use proptest::prelude::*;

/// What one direction of the link does to the n-th packet.
#[derive(Clone, Debug)]
struct Lane {
    /// Losses, in a circle.
    lost: Vec<bool>,
    delay: Duration,
    cut: bool,
    sent: usize,
}

#[derive(Debug)]
struct World {
    ends: [Session; 2],
    lanes: [Lane; 2],
    /// In flight: when it arrives, at which end.
    flying: BTreeMap<(Instant, usize), (usize, Packet)>,
    now: Instant,
    packets: usize,
    /// When each end left Up.
    fell: [Option<Instant>; 2],
}

impl World {
    fn new(settings: [Settings; 2], seed: u64, lanes: [Lane; 2]) -> Self {
        let end = |number: u32, settings| {
            let id = Discriminator::new(100 + number).unwrap();
            Session::new(id, settings, seed ^ u64::from(number), Instant::ZERO)
        };
        Self {
            ends: [end(0, settings[0]), end(1, settings[1])],
            lanes,
            flying: BTreeMap::new(),
            now: Instant::ZERO,
            packets: 0,
            fell: [None; 2],
        }
    }

    fn states(&self) -> [State; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }

    fn settle(&mut self, end: usize) {
        for action in self.ends[end].drain() {
            match action {
                Action::Send(packet) => {
                    let lane = &mut self.lanes[end];
                    let lost = lane.cut || lane.lost[lane.sent % lane.lost.len()];
                    lane.sent += 1;
                    if !lost {
                        self.packets += 1;
                        let key = (self.now + lane.delay, self.packets);
                        self.flying.insert(key, (1 - end, packet));
                    }
                }
                Action::Changed {
                    from: State::Up, ..
                } => self.fell[end] = Some(self.now),
                Action::Changed { .. } => {}
            }
        }
    }

    /// What arrives at the same time as a deadline is fed first, as the driver does it.
    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        (0..2).for_each(|end| self.settle(end));
        loop {
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let ticks = [self.ends[0].deadline(), self.ends[1].deadline()];
            let next = ticks.into_iter().chain([arrival]).flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                break;
            };
            self.now = next.max(self.now);
            if arrival == Some(next) {
                let (_, (end, packet)) = self.flying.pop_first().unwrap();
                self.ends[end].step(Event::Packet(packet), self.now);
                self.settle(end);
            } else {
                for (end, tick) in ticks.into_iter().enumerate() {
                    if tick == Some(next) {
                        self.ends[end].step(Event::Tick, self.now);
                        self.settle(end);
                    }
                }
            }
        }
        self.now = until;
    }
}

/// At most two packets in a row are lost, so that with a multiplier of four it is never a failure.
fn losses() -> impl Strategy<Value = Vec<bool>> {
    prop::collection::vec(prop::bool::weighted(0.4), 1..40).prop_map(|mut lost| {
        lost.push(false);
        for place in 2..lost.len() {
            if lost[place - 2] && lost[place - 1] {
                lost[place] = false;
            }
        }
        lost[0] = false;
        lost
    })
}

fn lane() -> impl Strategy<Value = Lane> {
    (losses(), 0..20_u64).prop_map(|(lost, delay)| Lane {
        lost,
        delay: Duration::from_millis(delay),
        cut: false,
        sent: 0,
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    (10..500_u32, 10..500_u32, 4..8_u8).prop_map(|(desired, required, multiplier)| Settings {
        desired_min_tx: Interval::from_millis(desired),
        required_min_rx: Interval::from_millis(required),
        multiplier: NonZeroU8::new(multiplier).unwrap(),
        passive: false,
    })
}

fn world() -> impl Strategy<Value = World> {
    (
        [settings(), settings()],
        any::<u64>(),
        [lane(), lane()],
        any::<bool>(),
    )
        .prop_map(|(mut settings, seed, lanes, passive)| {
            settings[0].passive = passive;
            World::new(settings, seed, lanes)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn they_find_each_other_and_agree(mut world in world()) {
        world.run(Duration::from_secs(30));
        prop_assert_eq!(world.states(), [State::Up; 2]);
        for (one, other) in [(0, 1), (1, 0)] {
            let (ours, theirs) = (&world.ends[one], &world.ends[other]);
            let pace = ours.settings().desired_min_tx.max(theirs.settings().required_min_rx);
            prop_assert_eq!(ours.transmit_interval(), Some(pace.as_duration()));
            let silence = pace.as_duration() * u32::from(ours.settings().multiplier.get());
            prop_assert_eq!(theirs.detection_time(), Some(silence));
        }
    }

    #[test]
    fn what_is_lost_now_and_then_is_no_failure(mut world in world()) {
        world.run(Duration::from_secs(30));
        world.fell = [None; 2];
        world.run(Duration::from_secs(120));
        prop_assert_eq!(world.fell, [None; 2]);
    }

    #[test]
    fn a_change_of_settings_is_no_failure_and_is_agreed_on(mut world in world(), new in settings(), newer in settings()) {
        world.run(Duration::from_secs(30));
        world.fell = [None; 2];
        world.ends[0].step(Event::Settings(new), world.now);
        world.run(Duration::from_millis(70));
        world.ends[1].step(Event::Settings(newer), world.now);
        world.run(Duration::from_secs(30));
        prop_assert_eq!(world.fell, [None; 2]);
        let pace = new.desired_min_tx.max(newer.required_min_rx).as_duration();
        prop_assert_eq!(world.ends[0].transmit_interval(), Some(pace));
        let silence = pace * u32::from(new.multiplier.get());
        prop_assert_eq!(world.ends[1].detection_time(), Some(silence));
    }

    #[test]
    fn a_cut_in_either_direction_is_noticed_by_both_in_time(mut world in world(), which in 0..3_usize, at in 0..5000_u64) {
        world.run(Duration::from_secs(30) + Duration::from_millis(at));
        world.fell = [None; 2];
        let cut_at = world.now;
        world.lanes[0].cut = which != 1;
        world.lanes[1].cut = which != 0;
        let times = [0, 1].map(|end: usize| world.ends[end].detection_time().unwrap());
        let deaf = [which != 0, which != 1];
        world.run(Duration::from_secs(20));
        prop_assert!(world.states().iter().all(|state| *state != State::Up));
        for end in 0..2 {
            let fell = world.fell[end].expect("it was up").saturating_since(cut_at);
            // The one that hears nothing notices itself, at the latest after its detection time and what was on the way;
            // the other one is told, up to a few packets later.
            let slack = Duration::from_millis(20);
            let limit = if deaf[end] {
                times[end] + slack
            } else {
                times[1 - end] + slack + Duration::from_secs(4)
            };
            prop_assert!(fell <= limit, "{fell:?} {limit:?}");
        }
        // Mended, they come back.
        world.lanes[0].cut = false;
        world.lanes[1].cut = false;
        world.run(Duration::from_secs(30));
        prop_assert_eq!(world.states(), [State::Up; 2]);
    }

    #[test]
    fn a_neighbour_that_starts_anew_is_taken_up_again(mut world in world(), seed: u64) {
        world.run(Duration::from_secs(30));
        let settings = *world.ends[1].settings();
        let id = Discriminator::new(999).unwrap();
        world.ends[1] = Session::new(id, settings, seed, world.now);
        world.flying.clear();
        world.run(Duration::from_secs(30));
        prop_assert_eq!(world.states(), [State::Up; 2]);
        prop_assert_eq!(world.ends[0].remote_discriminator(), Some(id));
    }
}
