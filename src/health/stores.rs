//! Whether a store answers: asked now and then, over a connection that is kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::cluster::Cluster;
use crate::config::StoreAddress;
use crate::store::{Connection, StoreError};

/// Watches one of a cluster's stores until it is dropped; dropping it at any time is safe.
pub async fn watch_store(cluster: Arc<Cluster>, place: usize) {
    let Some(stores) = &cluster.stores else {
        return;
    };
    let Some(node) = stores.nodes.get(place) else {
        return;
    };
    let mut turns = interval(stores.settings.interval);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut kept, mut is_early) = (None, false);
    loop {
        is_early = match &mut kept {
            // A store that dies closes its connections at that moment. One that does so after
            // each answer is asked early once between two turns.
            Some(connection) if !is_early => tokio::select! {
                _ = turns.tick() => false,
                () = Connection::ended(connection) => true,
            },
            _ => {
                turns.tick().await;
                false
            }
        };
        let asked = ask(kept.take(), &node.named.address, stores.settings.timeout).await;
        let asked = asked.map(|connection| kept = Some(connection));
        cluster.report_store(place, asked);
    }
}

/// Over the connection that is kept, else over a new one: the store may have been restarted.
async fn ask(
    kept: Option<Connection>,
    address: &StoreAddress,
    time: Duration,
) -> Result<Connection, StoreError> {
    if let Some(mut connection) = kept.filter(Connection::is_usable)
        && connection.ping().await.is_ok()
    {
        return Ok(connection);
    }
    let mut connection = Connection::connect(address, time).await?;
    connection.ping().await?;
    Ok(connection)
}
