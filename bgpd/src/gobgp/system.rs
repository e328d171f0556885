// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The daemon as a whole, as far as it is neither neighbours nor routes.

use bgpd_api::v4;
use tonic::Status;

use super::Gobgp;
use crate::api::Control;

impl<C: Control> Gobgp<C> {
    pub(super) async fn get_bgp(&self, _: v4::GetBgpRequest) -> Result<v4::GetBgpResponse, Status> {
        let status = self.control.status().await?;
        let port = status
            .listening
            .first()
            .map_or(-1, |address| i32::from(address.port()));
        Ok(v4::GetBgpResponse {
            global: Some(v4::Global {
                asn: status.local_as.0,
                router_id: status.router_id.to_string(),
                listen_port: port,
                listen_addresses: status
                    .listening
                    .iter()
                    .map(|address| address.ip().to_string())
                    .collect(),
                ..v4::Global::default()
            }),
        })
    }
}
