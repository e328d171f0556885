// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Both services. One line is one RPC: who answers it, and what its messages are in version 3 and in version 4.

use bgpd_api::{
    Message,
    v3::{self, gobgp_api_server::GobgpApi},
    v4::{self, go_bgp_service_server::GoBgpService},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};

use super::{Gobgp, Version, bad, log, stream::Replies};
use crate::api::Control;

/// Orders have an empty reply, questions one reply, lists a stream of them; what is not served says why.
macro_rules! services {
    (
        orders { $($order:ident: $order_old:ty, $order_new:ty => $order_reply:ty;)* }
        questions { $($ask:ident: $ask_old:ty, $ask_new:ty => $ask_reply_old:ty, $ask_reply:ty;)* }
        lists { $($list:ident as $stream:ident: $list_old:ty, $list_new:ty => $list_reply_old:ty, $list_reply:ty;)* }
        refused orders { $($no:ident: $no_old:ty, $no_new:ty => $no_reply:ty, $no_why:literal;)* }
        refused questions { $($nq:ident: $nq_old:ty, $nq_new:ty => $nq_reply_old:ty, $nq_reply:ty, $nq_why:literal;)* }
        refused lists { $($nl:ident as $nl_stream:ident: $nl_old:ty, $nl_new:ty => $nl_reply_old:ty, $nl_reply:ty, $nl_why:literal;)* }
    ) => {
        #[tonic::async_trait]
        impl<C: Control> GoBgpService for Gobgp<C> {
            type WatchEventStream = Replies<v4::WatchEventResponse>;
            type ListPathStream = Replies<v4::ListPathResponse>;
            $(type $stream = Replies<$list_reply>;)*
            $(type $nl_stream = Replies<$nl_reply>;)*

            $(async fn $order(&self, request: Request<$order_new>) -> Result<Response<$order_reply>, Status> {
                self.$order(request.into_inner()).await?;
                Ok(Response::new(<$order_reply>::default()))
            })*

            $(async fn $ask(&self, request: Request<$ask_new>) -> Result<Response<$ask_reply>, Status> {
                Ok(Response::new(self.$ask(request.into_inner()).await?))
            })*

            $(async fn $list(&self, request: Request<$list_new>) -> Result<Response<Self::$stream>, Status> {
                Ok(Response::new(self.$list(request.into_inner()).await?))
            })*

            $(async fn $no(&self, _: Request<$no_new>) -> Result<Response<$no_reply>, Status> {
                Err(Status::unimplemented($no_why))
            })*

            $(async fn $nq(&self, _: Request<$nq_new>) -> Result<Response<$nq_reply>, Status> {
                Err(Status::unimplemented($nq_why))
            })*

            $(async fn $nl(&self, _: Request<$nl_new>) -> Result<Response<Self::$nl_stream>, Status> {
                Err(Status::unimplemented($nl_why))
            })*

            async fn add_path_stream(
                &self,
                requests: Request<Streaming<v4::AddPathStreamRequest>>,
            ) -> Result<Response<v4::AddPathStreamResponse>, Status> {
                self.add_path_stream(requests.into_inner()).await?;
                Ok(Response::new(v4::AddPathStreamResponse::default()))
            }

            /// For the compiler: [`Streams`](super::Streams) has answered before this.
            async fn watch_event(
                &self,
                request: Request<v4::WatchEventRequest>,
            ) -> Result<Response<Self::WatchEventStream>, Status> {
                let replies = self.watch_event(request.into_inner(), Version::Four).await?;
                Ok(Response::new(Box::pin(replies.map(decoded))))
            }

            /// The same.
            async fn list_path(
                &self,
                request: Request<v4::ListPathRequest>,
            ) -> Result<Response<Self::ListPathStream>, Status> {
                let replies = self.list_path(request.into_inner(), Version::Four).await?;
                Ok(Response::new(Box::pin(replies.map(decoded))))
            }

            async fn set_log_level(
                &self,
                request: Request<v4::SetLogLevelRequest>,
            ) -> Result<Response<v4::SetLogLevelResponse>, Status> {
                let level = log::version_4(request.into_inner().level)?;
                self.control.set_log_level(level).await?;
                Ok(Response::new(v4::SetLogLevelResponse::default()))
            }
        }

        #[tonic::async_trait]
        impl<C: Control> GobgpApi for Gobgp<C> {
            type WatchEventStream = Replies<v3::WatchEventResponse>;
            type ListPathStream = Replies<v3::ListPathResponse>;
            $(type $stream = Replies<$list_reply_old>;)*
            $(type $nl_stream = Replies<$nl_reply_old>;)*

            $(async fn $order(&self, request: Request<$order_old>) -> Result<Response<()>, Status> {
                let request = <$order_new>::try_from(request.into_inner()).map_err(bad)?;
                Ok(Response::new(self.$order(request).await?))
            })*

            $(async fn $ask(&self, request: Request<$ask_old>) -> Result<Response<$ask_reply_old>, Status> {
                let request = <$ask_new>::try_from(request.into_inner()).map_err(bad)?;
                Ok(Response::new(self.$ask(request).await?.into()))
            })*

            $(async fn $list(
                &self,
                request: Request<$list_old>,
            ) -> Result<Response<Replies<$list_reply_old>>, Status> {
                let request = <$list_new>::try_from(request.into_inner()).map_err(bad)?;
                let replies = self.$list(request).await?;
                Ok(Response::new(Box::pin(replies.map(|reply| reply.map(Into::into)))))
            })*

            $(async fn $no(&self, _: Request<$no_old>) -> Result<Response<()>, Status> {
                Err(Status::unimplemented($no_why))
            })*

            $(async fn $nq(&self, _: Request<$nq_old>) -> Result<Response<$nq_reply_old>, Status> {
                Err(Status::unimplemented($nq_why))
            })*

            $(async fn $nl(&self, _: Request<$nl_old>) -> Result<Response<Replies<$nl_reply_old>>, Status> {
                Err(Status::unimplemented($nl_why))
            })*

            async fn add_path_stream(
                &self,
                requests: Request<Streaming<v3::AddPathStreamRequest>>,
            ) -> Result<Response<()>, Status> {
                let requests = requests.into_inner().map(|request| request?.try_into().map_err(bad));
                Ok(Response::new(self.add_path_stream(requests).await?))
            }

            /// For the compiler: [`Streams`](super::Streams) has answered before this.
            async fn watch_event(
                &self,
                request: Request<v3::WatchEventRequest>,
            ) -> Result<Response<Self::WatchEventStream>, Status> {
                let request = request.into_inner().try_into().map_err(bad)?;
                let replies = self.watch_event(request, Version::Three).await?;
                Ok(Response::new(Box::pin(replies.map(decoded))))
            }

            /// The same.
            async fn list_path(
                &self,
                request: Request<v3::ListPathRequest>,
            ) -> Result<Response<Self::ListPathStream>, Status> {
                let request = request.into_inner().try_into().map_err(bad)?;
                let replies = self.list_path(request, Version::Three).await?;
                Ok(Response::new(Box::pin(replies.map(decoded))))
            }

            async fn set_log_level(&self, request: Request<v3::SetLogLevelRequest>) -> Result<Response<()>, Status> {
                let level = log::version_3(request.into_inner().level)?;
                Ok(Response::new(self.control.set_log_level(level).await?))
            }
        }
    };
}

fn decoded<T: Message + Default>(octets: Result<Bytes, Status>) -> Result<T, Status> {
    T::decode(octets?).map_err(|error| Status::internal(error.to_string()))
}

services! {
    orders {
        start_bgp: v3::StartBgpRequest, v4::StartBgpRequest => v4::StartBgpResponse;
        stop_bgp: v4::StopBgpRequest, v4::StopBgpRequest => v4::StopBgpResponse;
        add_peer: v3::AddPeerRequest, v4::AddPeerRequest => v4::AddPeerResponse;
        delete_peer: v4::DeletePeerRequest, v4::DeletePeerRequest => v4::DeletePeerResponse;
        add_peer_group: v3::AddPeerGroupRequest, v4::AddPeerGroupRequest => v4::AddPeerGroupResponse;
        delete_peer_group: v4::DeletePeerGroupRequest, v4::DeletePeerGroupRequest => v4::DeletePeerGroupResponse;
        add_dynamic_neighbor: v4::AddDynamicNeighborRequest, v4::AddDynamicNeighborRequest => v4::AddDynamicNeighborResponse;
        delete_dynamic_neighbor: v4::DeleteDynamicNeighborRequest, v4::DeleteDynamicNeighborRequest => v4::DeleteDynamicNeighborResponse;
        reset_peer: v3::ResetPeerRequest, v4::ResetPeerRequest => v4::ResetPeerResponse;
        shutdown_peer: v4::ShutdownPeerRequest, v4::ShutdownPeerRequest => v4::ShutdownPeerResponse;
        enable_peer: v4::EnablePeerRequest, v4::EnablePeerRequest => v4::EnablePeerResponse;
        disable_peer: v4::DisablePeerRequest, v4::DisablePeerRequest => v4::DisablePeerResponse;
        add_policy: v3::AddPolicyRequest, v4::AddPolicyRequest => v4::AddPolicyResponse;
        delete_policy: v3::DeletePolicyRequest, v4::DeletePolicyRequest => v4::DeletePolicyResponse;
        set_policies: v3::SetPoliciesRequest, v4::SetPoliciesRequest => v4::SetPoliciesResponse;
        add_defined_set: v3::AddDefinedSetRequest, v4::AddDefinedSetRequest => v4::AddDefinedSetResponse;
        delete_defined_set: v3::DeleteDefinedSetRequest, v4::DeleteDefinedSetRequest => v4::DeleteDefinedSetResponse;
        add_statement: v3::AddStatementRequest, v4::AddStatementRequest => v4::AddStatementResponse;
        delete_statement: v3::DeleteStatementRequest, v4::DeleteStatementRequest => v4::DeleteStatementResponse;
        add_policy_assignment: v3::AddPolicyAssignmentRequest, v4::AddPolicyAssignmentRequest => v4::AddPolicyAssignmentResponse;
        delete_policy_assignment: v3::DeletePolicyAssignmentRequest, v4::DeletePolicyAssignmentRequest => v4::DeletePolicyAssignmentResponse;
        set_policy_assignment: v3::SetPolicyAssignmentRequest, v4::SetPolicyAssignmentRequest => v4::SetPolicyAssignmentResponse;
        delete_path: v3::DeletePathRequest, v4::DeletePathRequest => v4::DeletePathResponse;
    }
    questions {
        update_peer: v3::UpdatePeerRequest, v4::UpdatePeerRequest => v4::UpdatePeerResponse, v4::UpdatePeerResponse;
        update_peer_group: v3::UpdatePeerGroupRequest, v4::UpdatePeerGroupRequest => v4::UpdatePeerGroupResponse, v4::UpdatePeerGroupResponse;
        get_bgp: v4::GetBgpRequest, v4::GetBgpRequest => v3::GetBgpResponse, v4::GetBgpResponse;
        add_path: v3::AddPathRequest, v4::AddPathRequest => v4::AddPathResponse, v4::AddPathResponse;
        get_table: v3::GetTableRequest, v4::GetTableRequest => v4::GetTableResponse, v4::GetTableResponse;
    }
    lists {
        list_peer_group as ListPeerGroupStream: v4::ListPeerGroupRequest, v4::ListPeerGroupRequest => v3::ListPeerGroupResponse, v4::ListPeerGroupResponse;
        list_dynamic_neighbor as ListDynamicNeighborStream: v4::ListDynamicNeighborRequest, v4::ListDynamicNeighborRequest => v4::ListDynamicNeighborResponse, v4::ListDynamicNeighborResponse;
        list_peer as ListPeerStream: v4::ListPeerRequest, v4::ListPeerRequest => v3::ListPeerResponse, v4::ListPeerResponse;
        list_policy as ListPolicyStream: v4::ListPolicyRequest, v4::ListPolicyRequest => v3::ListPolicyResponse, v4::ListPolicyResponse;
        list_defined_set as ListDefinedSetStream: v3::ListDefinedSetRequest, v4::ListDefinedSetRequest => v3::ListDefinedSetResponse, v4::ListDefinedSetResponse;
        list_statement as ListStatementStream: v4::ListStatementRequest, v4::ListStatementRequest => v3::ListStatementResponse, v4::ListStatementResponse;
        list_policy_assignment as ListPolicyAssignmentStream: v4::ListPolicyAssignmentRequest, v4::ListPolicyAssignmentRequest => v3::ListPolicyAssignmentResponse, v4::ListPolicyAssignmentResponse;
    }
    refused orders {
        add_vrf: v3::AddVrfRequest, v4::AddVrfRequest => v4::AddVrfResponse, "bgpd has no VRFs";
        delete_vrf: v4::DeleteVrfRequest, v4::DeleteVrfRequest => v4::DeleteVrfResponse, "bgpd has no VRFs";
        add_rpki: v4::AddRpkiRequest, v4::AddRpkiRequest => v4::AddRpkiResponse, "bgpd does not validate origins (RPKI)";
        delete_rpki: v4::DeleteRpkiRequest, v4::DeleteRpkiRequest => v4::DeleteRpkiResponse, "bgpd does not validate origins (RPKI)";
        enable_rpki: v4::EnableRpkiRequest, v4::EnableRpkiRequest => v4::EnableRpkiResponse, "bgpd does not validate origins (RPKI)";
        disable_rpki: v4::DisableRpkiRequest, v4::DisableRpkiRequest => v4::DisableRpkiResponse, "bgpd does not validate origins (RPKI)";
        reset_rpki: v4::ResetRpkiRequest, v4::ResetRpkiRequest => v4::ResetRpkiResponse, "bgpd does not validate origins (RPKI)";
        enable_zebra: v4::EnableZebraRequest, v4::EnableZebraRequest => v4::EnableZebraResponse, "bgpd writes kernel routes itself ([fib])";
        enable_mrt: v3::EnableMrtRequest, v4::EnableMrtRequest => v4::EnableMrtResponse, "bgpd writes no MRT files";
        disable_mrt: v4::DisableMrtRequest, v4::DisableMrtRequest => v4::DisableMrtResponse, "bgpd writes no MRT files";
        add_bmp: v3::AddBmpRequest, v4::AddBmpRequest => v4::AddBmpResponse, "bgpd has no BMP";
        delete_bmp: v4::DeleteBmpRequest, v4::DeleteBmpRequest => v4::DeleteBmpResponse, "bgpd has no BMP";
    }
    refused questions {
    }
    refused lists {
        list_vrf as ListVrfStream: v4::ListVrfRequest, v4::ListVrfRequest => v3::ListVrfResponse, v4::ListVrfResponse, "bgpd has no VRFs";
        list_rpki as ListRpkiStream: v4::ListRpkiRequest, v4::ListRpkiRequest => v4::ListRpkiResponse, v4::ListRpkiResponse, "bgpd does not validate origins (RPKI)";
        list_rpki_table as ListRpkiTableStream: v4::ListRpkiTableRequest, v4::ListRpkiTableRequest => v4::ListRpkiTableResponse, v4::ListRpkiTableResponse, "bgpd does not validate origins (RPKI)";
        list_bmp as ListBmpStream: v4::ListBmpRequest, v4::ListBmpRequest => v4::ListBmpResponse, v4::ListBmpResponse, "bgpd has no BMP";
    }
}
