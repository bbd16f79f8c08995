//! Asks all stores side by side. A store that is down costs its time-out, and the others nothing.

use std::io;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::LocalSet;

use crate::config::{StoreAddress, StoreNode};
use crate::store::{Bounds, Connection, Entry, Head, StoreError};

use super::stores::Missing;

/// Keys that are handed over at a time.
const BATCH: usize = 512;
/// Batches that wait: a store that is faster than we are is read no faster.
const WAITING: usize = 8;

/// A key whose value is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) node: usize,
    pub(super) key: Vec<u8>,
}

/// Hands each key of each store to `each`, with the number of its node.
pub(super) fn keys(
    nodes: &[StoreNode],
    bounds: Bounds,
    missing: &mut Missing,
    mut each: impl FnMut(usize, Entry),
) -> io::Result<()> {
    let ask = |set: &LocalSet, told: &Sender<_>| {
        for (number, node) in nodes.iter().enumerate() {
            let (address, told) = (node.address.clone(), told.clone());
            set.spawn_local(keys_of(number, address, bounds, told));
        }
    };
    let hear = |told| match told {
        (node, Ok(entries)) => {
            let entries: Vec<Entry> = entries;
            for entry in entries {
                each(node, entry);
            }
        }
        (node, Err(error)) => missing.note(node, error),
    };
    run(ask, hear)
}

/// The starts of the wanted values, in their order; `None`: it is gone, or was not told.
pub(super) fn heads(
    nodes: &[StoreNode],
    bounds: Bounds,
    missing: &mut Missing,
    wanted: Vec<Wanted>,
) -> io::Result<Vec<Option<Head>>> {
    let mut heads: Vec<Option<Head>> = wanted.iter().map(|_| None).collect();
    let mut by_node: Vec<Vec<(usize, Vec<u8>)>> = nodes.iter().map(|_| Vec::new()).collect();
    for (place, it) in wanted.into_iter().enumerate() {
        if let Some(of_node) = by_node.get_mut(it.node) {
            of_node.push((place, it.key));
        }
    }
    let ask = |set: &LocalSet, told: &Sender<_>| {
        for (number, (node, keys)) in nodes.iter().zip(by_node).enumerate() {
            if !keys.is_empty() {
                let (address, told) = (node.address.clone(), told.clone());
                set.spawn_local(heads_of(number, address, bounds, keys, told));
            }
        }
    };
    let hear = |told| match told {
        (_, Ok((place, head))) => {
            if let Some(slot) = heads.get_mut(place) {
                *slot = head;
            }
        }
        (node, Err(error)) => missing.note(node, error),
    };
    run(ask, hear)?;
    Ok(heads)
}

type Told<T> = (usize, Result<T, StoreError>);

/// Starts what asks, and hears until nobody has more to tell.
fn run<T: 'static>(
    ask: impl FnOnce(&LocalSet, &Sender<Told<T>>),
    mut hear: impl FnMut(Told<T>),
) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let set = LocalSet::new();
    let (told, mut heard): (_, Receiver<Told<T>>) = channel(WAITING);
    ask(&set, &told);
    drop(told);
    set.block_on(&runtime, async {
        while let Some(told) = heard.recv().await {
            hear(told);
        }
    });
    drop(set);
    // A name that is still being resolved is not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn keys_of(
    node: usize,
    address: StoreAddress,
    bounds: Bounds,
    told: Sender<Told<Vec<Entry>>>,
) {
    let mut connection = match Connection::bounded(&address, bounds).await {
        Ok(connection) => connection,
        Err(error) => return tell(&told, (node, Err(error))).await,
    };
    // All keys may take long: whoever does not even answer this is not waited for as long.
    if let Err(error) = connection.ping().await {
        return tell(&told, (node, Err(error))).await;
    }
    let mut keys = connection.keys();
    let mut batch = Vec::new();
    while let Some(next) = keys.next().await {
        match next {
            Ok(entry) => batch.push(entry),
            Err(error) => tell(&told, (node, Err(error))).await,
        }
        if batch.len() >= BATCH {
            tell(&told, (node, Ok(std::mem::take(&mut batch)))).await;
        }
    }
    tell(&told, (node, Ok(batch))).await;
}

async fn heads_of(
    node: usize,
    address: StoreAddress,
    bounds: Bounds,
    keys: Vec<(usize, Vec<u8>)>,
    told: Sender<Told<(usize, Option<Head>)>>,
) {
    let mut connection = match Connection::bounded(&address, bounds).await {
        Ok(connection) => connection,
        Err(error) => return tell(&told, (node, Err(error))).await,
    };
    for (place, key) in keys {
        match connection.head(&key).await {
            Ok(head) => tell(&told, (node, Ok((place, head)))).await,
            Err(error) => return tell(&told, (node, Err(error))).await,
        }
    }
}

async fn tell<T>(told: &Sender<Told<T>>, what: Told<T>) {
    // Nobody hears it only if the command is over.
    told.send(what).await.ok();
}
