// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the neighbours do in each case, in order.

pub(crate) mod api_list;
pub(crate) mod churn;
pub(crate) mod fib;
pub(crate) mod idle;
pub(crate) mod late;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod reflect;
pub(crate) mod spread;
pub(crate) mod storm;
