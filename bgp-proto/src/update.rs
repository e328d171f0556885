// SPDX-License-Identifier: Apache-2.0 OR MIT
//! UPDATE read: one pass over the attributes, a verdict for every error, and the routes still usable (RFC 7606).

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::{
    Family, Fault, Negotiated, NextHop, NlriBlock, PathAttributes, Reason, UpdateError, Verdict,
    attribute::{self, Draft, EXTENDED_LENGTH, MP_REACH, MP_UNREACH, OPTIONAL, TRANSITIVE},
    reader::Reader,
};

/// A checked UPDATE. Walking its routes can not fail.
#[derive(Debug)]
pub struct Update<'a> {
    withdrawn: SmallVec<[NlriBlock<'a>; 2]>,
    announced: SmallVec<[(PathAttributes, NlriBlock<'a>); 1]>,
    end_of_rib: Option<Family>,
    faults: Vec<Fault>,
    verdict: Verdict,
}

impl<'a> Update<'a> {
    /// Reads the body of the message.
    ///
    /// # Errors
    /// Only what costs the session (RFC 7606 §3, §5); everything else is in [`Self::faults`].
    pub fn decode(body: &'a [u8], session: &Negotiated) -> Result<Self, UpdateError> {
        let malformed = |_| UpdateError::MalformedAttributeList;
        let mut reader = Reader(body);
        let withdrawn = reader.part16().map_err(malformed)?;
        // The NLRI begin where the total length says, never where the attributes seem to end.
        let attributes = reader.part16().map_err(malformed)?;
        let nlri = reader.0;
        let mut walk = Walk {
            session,
            draft: Draft::default(),
            faults: Vec::new(),
            seen: Codes::default(),
            repeated: Codes::default(),
        };
        let blocks = Classic {
            withdrawn: walk.block(Family::IPV4_UNICAST, withdrawn)?,
            announced: walk.block(Family::IPV4_UNICAST, nlri)?,
            withdraws: !withdrawn.is_empty(),
            announces: !nlri.is_empty(),
        };
        walk.attributes(attributes)?;
        walk.finish(&blocks, attributes.is_empty())
    }

    /// Routes that are withdrawn. When the verdict is [`Verdict::Withdraw`], those that were announced too.
    pub fn withdrawn(&self) -> impl Iterator<Item = NlriBlock<'a>> + '_ {
        self.withdrawn.iter().copied()
    }

    /// Routes that are announced, with their attributes. None when the verdict is [`Verdict::Withdraw`].
    pub fn announced(&self) -> impl Iterator<Item = (&PathAttributes, NlriBlock<'a>)> {
        self.announced
            .iter()
            .map(|(attributes, block)| (attributes, *block))
    }

    /// The same, to keep.
    pub fn into_announced(self) -> impl Iterator<Item = (PathAttributes, NlriBlock<'a>)> {
        self.announced.into_iter()
    }

    /// Set if this is the End-of-RIB marker of a family (RFC 4724 §2).
    pub fn end_of_rib(&self) -> Option<Family> {
        self.end_of_rib
    }

    /// All errors that do not cost the session.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The gravest of them.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// The IPv4 routes outside of the attributes (RFC 4271 §4.3).
struct Classic<'a> {
    withdrawn: NlriBlock<'a>,
    announced: NlriBlock<'a>,
    /// There were octets of the former, whether the family is exchanged or not.
    withdraws: bool,
    /// There were octets of the latter.
    announces: bool,
}

/// A set of attribute codes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Codes([u64; 4]);

impl Codes {
    /// Whether it was not in the set yet.
    fn insert(&mut self, code: u8) -> bool {
        let bit = 1_u64 << (code & 63);
        match self.0.get_mut(usize::from(code >> 6)) {
            Some(word) => core::mem::replace(word, *word | bit) & bit == 0,
            None => false,
        }
    }

    fn contains(mut self, code: u8) -> bool {
        !self.insert(code)
    }
}

/// State of the walk over the attributes.
struct Walk<'a, 's> {
    session: &'s Negotiated,
    draft: Draft<'a>,
    faults: Vec<Fault>,
    /// Codes that were seen.
    seen: Codes,
    /// Codes that were seen again: said once, so that the faults do not outgrow the message.
    repeated: Codes,
}

impl<'a> Walk<'a, '_> {
    fn attributes(&mut self, octets: &'a [u8]) -> Result<(), UpdateError> {
        let mut reader = Reader(octets);
        while !reader.is_empty() {
            let Ok((flags, code, value)) = attribute_at(&mut reader) else {
                // RFC 7606 §4: the routes are located by the total length; what is behind is lost.
                let code = octets
                    .get(octets.len() - reader.0.len()..)
                    .and_then(|rest| rest.get(1))
                    .copied()
                    .unwrap_or(0);
                self.fault(code, Reason::Overrun, Verdict::Withdraw);
                return Ok(());
            };
            if !self.seen.insert(code) {
                if code == MP_REACH || code == MP_UNREACH {
                    return Err(UpdateError::MalformedAttributeList); // RFC 7606 §3 g
                }
                if self.repeated.insert(code) {
                    self.fault(code, Reason::Duplicate, Verdict::Discard);
                }
                continue;
            }
            self.attribute(flags, code, value)?;
        }
        Ok(())
    }

    fn attribute(&mut self, flags: u8, code: u8, value: &'a [u8]) -> Result<(), UpdateError> {
        let Some(row) = attribute::find(code) else {
            return attribute::unknown(flags, code, value, &mut self.draft).map_err(|_| {
                UpdateError::UnrecognizedWellKnown {
                    code,
                    attribute: attribute::as_received(flags, code, value),
                }
            });
        };
        let result = if (flags ^ row.flags) & (OPTIONAL | TRANSITIVE) == 0 {
            (row.decode)(value, &mut self.draft, self.session)
        } else {
            Err(Reason::Flags)
        };
        if let Err(reason) = result {
            let verdict = attribute::verdict(row.cost, reason).ok_or_else(|| {
                UpdateError::OptionalAttribute {
                    code,
                    attribute: attribute::as_received(flags, code, value),
                }
            })?;
            self.fault(code, reason, verdict);
        }
        Ok(())
    }

    fn fault(&mut self, code: u8, reason: Reason, verdict: Verdict) {
        let name = match (code, attribute::find(code)) {
            (_, Some(row)) => row.name,
            (0, None) => "NLRI",
            (_, None) => "attribute",
        };
        self.faults.push(Fault {
            attribute: code,
            name,
            reason,
            verdict,
        });
    }

    fn finish(
        mut self,
        classic: &Classic<'a>,
        no_attributes: bool,
    ) -> Result<Update<'a>, UpdateError> {
        let end_of_rib = self.end_of_rib(classic, no_attributes);
        let Classic {
            withdrawn: classic_withdrawn,
            announced: classic,
            announces,
            ..
        } = *classic;
        let reach = self.draft.reach;
        let reach_block = reach
            .map(|reach| self.block(reach.family, reach.nlri))
            .transpose()?;
        let unreach = self
            .draft
            .unreach
            .map(|(family, octets)| self.block(family, octets))
            .transpose()?;
        let mut update = Update {
            withdrawn: [Some(classic_withdrawn), unreach]
                .into_iter()
                .flatten()
                .filter(|block| !block.is_empty())
                .collect(),
            announced: SmallVec::new(),
            end_of_rib,
            faults: Vec::new(),
            verdict: Verdict::Accept,
        };
        let reach_block = reach_block.filter(|block| !block.is_empty());
        if announces || self.seen.contains(MP_REACH) {
            self.check_mandatory(!classic.is_empty(), reach.and_then(|reach| reach.next_hop));
        } else if self.verdict() == Verdict::Withdraw {
            // RFC 7606 §5.2: no reachable NLRI to withdraw, and the error may be what hides it.
            return Err(UpdateError::MalformedAttributeList);
        }
        update.verdict = self.verdict();
        if update.verdict == Verdict::Withdraw {
            update.withdrawn.extend(
                reach_block
                    .into_iter()
                    .chain((!classic.is_empty()).then_some(classic)),
            );
        } else {
            self.announce(
                &mut update,
                classic,
                reach.and_then(|reach| reach.next_hop).zip(reach_block),
            );
        }
        update.faults = self.faults;
        Ok(update)
    }

    fn announce(
        &mut self,
        update: &mut Update<'a>,
        classic: NlriBlock<'a>,
        reach: Option<(NextHop, NlriBlock<'a>)>,
    ) {
        let classic_hop = self
            .draft
            .next_hop
            .filter(|_| !classic.is_empty())
            .map(NextHop::V4);
        match (classic_hop, reach) {
            (Some(next_hop), None) => update
                .announced
                .push((self.draft.finish(next_hop), classic)),
            (None, Some((next_hop, block))) => {
                update.announced.push((self.draft.finish(next_hop), block));
            }
            (Some(next_hop), Some((reach_hop, block))) => {
                let attributes = self.draft.finish(next_hop);
                let other = PathAttributes {
                    next_hop: reach_hop,
                    ..attributes.clone()
                };
                update.announced.push((other, block));
                update.announced.push((attributes, classic));
            }
            (None, None) => {}
        }
    }

    /// RFC 7606 §3 d; next hops of `MP_REACH_NLRI` are looked at here because their length was right.
    fn check_mandatory(&mut self, classic: bool, reach_hop: Option<NextHop>) {
        let missing = [
            (1, self.draft.origin.is_none()),
            (2, self.draft.as_path.is_none()),
            (3, classic && self.draft.next_hop.is_none()),
        ];
        for (code, is_missing) in missing {
            let said = self
                .faults
                .iter()
                .any(|fault| fault.attribute == code && fault.verdict == Verdict::Withdraw);
            if is_missing && !said {
                self.fault(code, Reason::Missing, Verdict::Withdraw);
            }
        }
        // NEXT_HOP counts for the classic routes only (RFC 4760 §3).
        if classic
            && self
                .draft
                .next_hop
                .is_some_and(|address| !attribute::is_router(address))
        {
            self.fault(3, Reason::Martian, Verdict::Withdraw);
        }
        let is_martian = match reach_hop {
            Some(NextHop::V4(address)) => !attribute::is_router(address),
            Some(
                NextHop::V6(address)
                | NextHop::V6LinkLocal {
                    global: address, ..
                },
            ) => !attribute::is_router_v6(address),
            None => false,
        };
        if is_martian {
            self.fault(MP_REACH, Reason::Martian, Verdict::Withdraw);
        }
    }

    /// NLRI of a family that is exchanged on the session; of another one they are not looked at.
    fn block(&mut self, family: Family, octets: &'a [u8]) -> Result<NlriBlock<'a>, UpdateError> {
        let empty =
            NlriBlock::check(family, false, &[]).map_err(|_| UpdateError::InvalidNetworkField)?;
        if octets.is_empty() {
            return Ok(empty);
        }
        let Some(entry) = self.session.family(family) else {
            self.fault(0, Reason::FamilyNotNegotiated, Verdict::Accept);
            return Ok(empty);
        };
        NlriBlock::check(family, entry.add_path_receive, octets)
            .map_err(|_| UpdateError::InvalidNetworkField)
    }

    /// An UPDATE with nothing in it, or with an empty `MP_UNREACH_NLRI` and nothing else.
    fn end_of_rib(&self, classic: &Classic<'_>, no_attributes: bool) -> Option<Family> {
        if classic.withdraws || classic.announces || !self.faults.is_empty() {
            return None;
        }
        if no_attributes {
            return Some(Family::IPV4_UNICAST).filter(|family| self.session.has_family(*family));
        }
        let only_unreach = self.seen == Codes([1 << MP_UNREACH, 0, 0, 0]);
        self.draft
            .unreach
            .filter(|(_, octets)| only_unreach && octets.is_empty())
            .map(|(family, _)| family)
    }

    /// The gravest fault so far.
    fn verdict(&self) -> Verdict {
        let all = self.faults.iter().map(|fault| fault.verdict);
        all.max().unwrap_or(Verdict::Accept)
    }
}

/// Reads flags, code and value of the next attribute; leaves the reader alone if there is less.
fn attribute_at<'a>(reader: &mut Reader<'a>) -> Result<(u8, u8, &'a [u8]), crate::reader::Short> {
    let mut ahead = *reader;
    let (flags, code) = (ahead.u8()?, ahead.u8()?);
    let value = if flags & EXTENDED_LENGTH == 0 {
        ahead.part8()?
    } else {
        ahead.part16()?
    };
    *reader = ahead;
    Ok((flags, code, value))
}
