// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Capabilities as an older client reads them.

use prost_types::Any;

use super::any::pack;
use crate::v4::{self, capability::Cap};

/// `None` for a capability without content.
pub(super) fn capability_to_any(capability: v4::Capability) -> Option<Any> {
    Some(match capability.cap? {
        Cap::Unknown(cap) => pack("UnknownCapability", &cap),
        Cap::MultiProtocol(cap) => pack("MultiProtocolCapability", &cap),
        Cap::RouteRefresh(cap) => pack("RouteRefreshCapability", &cap),
        Cap::CarryingLabelInfo(cap) => pack("CarryingLabelInfoCapability", &cap),
        Cap::ExtendedNexthop(cap) => pack("ExtendedNexthopCapability", &cap),
        Cap::GracefulRestart(cap) => pack("GracefulRestartCapability", &cap),
        Cap::FourOctetAsn(cap) => pack("FourOctetASNCapability", &cap),
        Cap::AddPath(cap) => pack("AddPathCapability", &cap),
        Cap::EnhancedRouteRefresh(cap) => pack("EnhancedRouteRefreshCapability", &cap),
        Cap::LongLivedGracefulRestart(cap) => pack("LongLivedGracefulRestartCapability", &cap),
        Cap::RouteRefreshCisco(cap) => pack("RouteRefreshCiscoCapability", &cap),
        Cap::Fqdn(cap) => pack("FqdnCapability", &cap),
        Cap::SoftwareVersion(cap) => {
            let text = cap.software_version.into_bytes();
            let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            let value = [&[length], &text[..usize::from(length)]].concat();
            unknown(SOFTWARE_VERSION, value)
        }
        Cap::ExtendedMessage(_) => unknown(EXTENDED_MESSAGE, Vec::new()),
    })
}

/// RFC 8654.
const EXTENDED_MESSAGE: u32 = 6;

/// draft-ietf-idr-software-version; 3.37 knows it, 3.10 does not.
const SOFTWARE_VERSION: u32 = 75;

fn unknown(code: u32, value: Vec<u8>) -> Any {
    pack("UnknownCapability", &v4::UnknownCapability { code, value })
}
