// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Other people's daemons, from Debian's packages, in a namespace.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod openbgp;

pub use bird::Bird;
pub use exabgp::ExaBgp;
pub use frr::Frr;
pub use gobgp::GoBgp;
pub use openbgp::OpenBgp;
