// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A BGP speaker: configuration, the pure `Speaker`, and (feature `daemon`) the daemon around it.
