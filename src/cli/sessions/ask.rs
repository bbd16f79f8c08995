//! Asks all stores side by side. A store that is down costs its time-out, and the others nothing.

use std::io;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout_at};

use crate::config::{StoreAddress, StoreNode};
use crate::store::{Bounds, Connection, Entry, Fault, Head, Stage, StoreError};

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

/// Each value within its time-out, and all of them as all keys.
async fn heads_of(
    node: usize,
    address: StoreAddress,
    bounds: Bounds,
    keys: Vec<(usize, Vec<u8>)>,
    told: Sender<Told<(usize, Option<Head>)>>,
) {
    let until = Instant::now() + bounds.keys_timeout;
    let mut connection = match Connection::bounded(&address, bounds).await {
        Ok(connection) => connection,
        Err(error) => return tell(&told, (node, Err(error))).await,
    };
    for (place, key) in keys {
        let head = timeout_at(until, connection.head(&key)).await;
        let head = head.unwrap_or_else(|_| {
            Err(StoreError {
                store: address.to_string().into(),
                stage: Stage::Answer,
                fault: Fault::Timeout(bounds.keys_timeout),
            })
        });
        match head {
            Ok(head) => tell(&told, (node, Ok((place, head)))).await,
            Err(error) => return tell(&told, (node, Err(error))).await,
        }
    }
}

async fn tell<T>(told: &Sender<Told<T>>, what: Told<T>) {
    // Nobody hears it only if the command is over.
    told.send(what).await.ok();
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;

    /// Each answer is within its time-out: all of them together would take two seconds and more.
    #[tokio::test]
    async fn a_slow_store_costs_all_values_one_time_as_a_whole() {
        const COUNT: usize = 100;
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let slow = async {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut question = [0; 512];
            while let Ok(1..) = stream.read(&mut question).await {
                sleep(Duration::from_millis(20)).await;
                stream.write_all(b"EN\r\n").await.unwrap();
            }
        };
        let bounds = Bounds {
            keys_timeout: Duration::from_millis(200),
            ..Bounds::within(Duration::from_secs(20))
        };
        let keys = (0..COUNT).map(|place| (place, b"D2-n1".to_vec())).collect();
        let (told, mut heard) = channel(COUNT + 1);
        let address = StoreAddress::parse(&address).unwrap();
        tokio::select! {
            () = heads_of(7, address, bounds, keys, told) => {}
            () = slow => panic!("the store was left first"),
        }
        let mut all = Vec::new();
        while let Some(one) = heard.recv().await {
            all.push(one);
        }
        let Some((7, Err(error))) = all.pop() else {
            panic!("all were told");
        };
        let words = error.to_string();
        assert!(words.ends_with("answer: not done within 200 ms"), "{words}");
        assert!(all.len() < COUNT && all.iter().all(|(_, told)| told.is_ok()));
    }
}
