// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one cursor over received octets: nom's parsers behind a position. Its reads cannot run over the end.

use core::net::{Ipv4Addr, Ipv6Addr};

use nom::{
    Parser,
    number::{be_u8, be_u16, be_u32, be_u64, be_u128},
};

/// There are fewer octets than were asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Short;

/// Octets not yet read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        self.parse(nom::bytes::complete::take(count))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.parse(be_u8())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.parse(be_u16())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        self.parse(be_u32())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Short> {
        self.parse(be_u64())
    }

    fn parse<T>(
        &mut self,
        mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
    ) -> Result<T, Short> {
        let (rest, value) = parser.parse_complete(self.0).map_err(|_| Short)?;
        self.0 = rest;
        Ok(value)
    }

    pub(crate) fn ipv4(&mut self) -> Result<Ipv4Addr, Short> {
        self.u32().map(Ipv4Addr::from)
    }

    pub(crate) fn ipv6(&mut self) -> Result<Ipv6Addr, Short> {
        self.parse(be_u128()).map(Ipv6Addr::from)
    }

    /// A part that says its length in one octet.
    pub(crate) fn part8(&mut self) -> Result<&'a [u8], Short> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// A part that says its length in two octets.
    pub(crate) fn part16(&mut self) -> Result<&'a [u8], Short> {
        let length = self.u16()?;
        self.take(length.into())
    }
}
