// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Those who follow tables: news are shared, and who does not keep up is let go.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use crate::control::{Change, Interest, NEWS_PER_FOLLOWER, News, Watched};

/// Everyone who follows. The daemon keeps one and publishes to it.
#[derive(Debug, Default)]
pub struct Followers(Vec<Follower>);

#[derive(Debug)]
struct Follower {
    interest: Interest,
    /// Its room is what counts, by the changes in it; as many slots are never needed.
    queue: mpsc::Sender<News>,
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct Room {
    waiting: AtomicUsize,
    is_lost: AtomicBool,
}

/// What one who follows is told. It leaves by dropping this.
#[derive(Debug)]
pub struct Subscription {
    queue: mpsc::Receiver<News>,
    room: Arc<Room>,
}

/// More waited than is kept: from here on something is missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "more than {NEWS_PER_FOLLOWER} changes waited to be read; what came after them is lost, ask again"
)]
pub struct Lost;

impl Followers {
    /// One more.
    pub fn add(&mut self, interest: Interest) -> Subscription {
        self.0.retain(|follower| !follower.queue.is_closed());
        let (queue, receiver) = mpsc::channel(NEWS_PER_FOLLOWER);
        let room = Arc::<Room>::default();
        self.0.push(Follower {
            interest,
            queue,
            room: Arc::clone(&room),
        });
        Subscription {
            queue: receiver,
            room,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What anybody wants. What costs something to make is made only then.
    pub fn interest(&self) -> Interest {
        let open = self.0.iter().filter(|follower| !follower.queue.is_closed());
        open.fold(Interest::default(), |all, one| all.or(one.interest))
    }

    /// Tells everyone who wants it. Never waits.
    pub fn publish(&mut self, news: &News) {
        self.0
            .retain(|follower| !wants(follower.interest, news) || follower.offer(news));
    }
}

impl Follower {
    /// False: nobody is there any more, or not in time.
    fn offer(&self, news: &News) -> bool {
        let weight = weight(news);
        if self.room.waiting.load(Ordering::Relaxed) + weight > NEWS_PER_FOLLOWER {
            self.room.is_lost.store(true, Ordering::Relaxed);
            return false;
        }
        self.room.waiting.fetch_add(weight, Ordering::Relaxed);
        self.queue.try_send(news.clone()).is_ok()
    }
}

impl Subscription {
    /// The next piece; `None` when the daemon ends.
    ///
    /// # Errors
    ///
    /// [`Lost`], behind all that was there in time.
    pub async fn next(&mut self) -> Result<Option<News>, Lost> {
        match self.queue.recv().await {
            Some(news) => {
                self.room
                    .waiting
                    .fetch_sub(weight(&news), Ordering::Relaxed);
                Ok(Some(news))
            }
            None if self.room.is_lost.load(Ordering::Relaxed) => Err(Lost),
            None => Ok(None),
        }
    }
}

fn weight(news: &News) -> usize {
    match news {
        News::Changes(changes) => changes.changes.len().max(1),
        News::Peer { .. } | News::EndOfRib(..) => 1,
    }
}

fn wants(interest: Interest, news: &News) -> bool {
    match news {
        News::Peer { .. } => interest.peers,
        News::Changes(changes) => changes.changes.iter().any(|change| change.is_of(interest)),
        // Version 3 of GoBGP's API tells it to those who follow what neighbours send.
        News::EndOfRib(..) => interest.ends,
    }
}

impl Change {
    /// Whether its table is followed.
    pub fn is_of(&self, interest: Interest) -> bool {
        match self.table {
            Watched::Best => interest.best,
            Watched::Received => interest.received,
            Watched::Accepted => interest.accepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Changes, SessionState};

    #[tokio::test]
    async fn one_who_does_not_read_holds_a_bounded_queue_and_is_let_go_and_the_others_lose_nothing()
    {
        let mut followers = Followers::default();
        let mut slow = followers.add(BEST);
        let mut quick = followers.add(BEST);
        let piece = News::Changes(Arc::new(changes(1000)));
        let fit = NEWS_PER_FOLLOWER / 1000;
        for _ in 0..fit + 5 {
            followers.publish(&piece);
            assert!(matches!(quick.next().await, Ok(Some(_))));
        }
        assert_eq!(followers.len(), 1, "the slow one is let go");
        for _ in 0..fit {
            assert!(
                matches!(slow.next().await, Ok(Some(_))),
                "what was there in time"
            );
        }
        assert_eq!(slow.next().await.map(drop), Err(Lost));
        drop(followers);
        assert!(matches!(quick.next().await, Ok(None)), "the end is no loss");
    }

    #[tokio::test]
    async fn news_are_shared_and_only_those_who_want_them_are_told() {
        let mut followers = Followers::default();
        assert_eq!(followers.interest(), Interest::default());
        let mut first = followers.add(BEST);
        let mut second = followers.add(BEST);
        let mut other = followers.add(Interest {
            peers: true,
            ..Interest::default()
        });
        let made = Arc::new(changes(3));
        followers.publish(&News::Changes(Arc::clone(&made)));
        for subscription in [&mut first, &mut second] {
            let Ok(Some(News::Changes(told))) = subscription.next().await else {
                panic!("changes");
            };
            assert!(Arc::ptr_eq(&told, &made), "no copy");
        }
        let name = PeerName::Address(std::net::IpAddr::from([192, 0, 2, 1]));
        let to = SessionState::Idle;
        followers.publish(&News::Peer { name, to });
        assert!(matches!(other.next().await, Ok(Some(News::Peer { .. }))));
        drop((first, second));
        assert!(!followers.interest().best && followers.interest().peers);
    }

    use crate::config::PeerName;

    const BEST: Interest = Interest {
        peers: false,
        best: true,
        received: false,
        accepted: false,
        ends: false,
    };

    fn changes(count: usize) -> Changes {
        let change = Change {
            table: Watched::Best,
            prefix: "10.0.0.0/8".parse().expect("a prefix"),
            path_id: 0,
            source: None,
            path: None,
            is_unreachable: false,
        };
        Changes::new(vec![change; count], std::time::SystemTime::now())
    }
}
