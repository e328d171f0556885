// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a policy sees of the neighbour that it is for. Neighbours that look alike to it can share what it made.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Action, Condition, NextHopAction, Policy, Statement};

/// A neighbour as the policy for it sees it: the answers to what it asks, and the address where it puts it into routes.
#[derive(Clone, Debug)]
pub(crate) struct SeenNeighbor {
    /// Its address, or that of another neighbour that looks the same.
    pub(crate) address: IpAddr,
    answers: Vec<bool>,
    is_shown: bool,
}

impl SeenNeighbor {
    pub(crate) fn new(policy: &Policy, address: IpAddr) -> Self {
        let mut seen = Self {
            address,
            answers: Vec::new(),
            is_shown: false,
        };
        seen.ask(policy.body());
        seen
    }

    fn ask(&mut self, body: &[Statement]) {
        for statement in body {
            match statement {
                Statement::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    self.ask_condition(condition);
                    self.ask(then);
                    self.ask(otherwise);
                }
                Statement::Named { body, .. } => self.ask(body),
                Statement::Act(Action::NextHop(NextHopAction::Peer)) => self.is_shown = true,
                Statement::Act(_) | Statement::Accept | Statement::Reject | Statement::Next => {}
            }
        }
    }

    fn ask_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::All(inner) | Condition::Any(inner) => {
                for condition in inner {
                    self.ask_condition(condition);
                }
            }
            Condition::Not(inner) => self.ask_condition(inner),
            Condition::Neighbor(set) => self.answers.push(set.contains(self.address)),
            _ => {}
        }
    }
}

impl PartialEq for SeenNeighbor {
    fn eq(&self, other: &Self) -> bool {
        self.answers == other.answers
            && self.is_shown == other.is_shown
            && (!self.is_shown || self.address == other.address)
    }
}

impl Eq for SeenNeighbor {}
