//! The negative control of the whole plant: a plain TCP proxy in the gateway's place. If the promises held with it, they would
//! say nothing.

use std::net::SocketAddr;

use bulkhead::net::Network as _;
use bulkhead::tasks::Tasks;
use tokio::io::copy_bidirectional;

use super::policies::{Plc, Who};
use super::wire::Net;

/// Serves every address of the gateway, unjudged.
pub(crate) fn start(net: &Net, tasks: &Tasks) {
    let doors = [(Who::Scada, Plc::Filler), (Who::Office, Plc::Filler), (Who::Scada, Plc::Drive)];
    for (who, plc) in doors {
        tasks.spawn(serve(net.clone(), tasks.clone(), who.door(plc), plc));
    }
}

async fn serve(net: Net, tasks: Tasks, at: SocketAddr, plc: Plc) {
    let mut listener = net.listen(at).await.unwrap();
    while let Ok((mut north, _)) = listener.accept().await {
        let net = net.clone();
        tasks.spawn(async move {
            if let Ok(mut south) = net.dial(plc.socket()).await {
                drop(copy_bidirectional(&mut north, &mut south).await);
            }
        });
    }
}
