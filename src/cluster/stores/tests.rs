use std::time::Duration;

use super::*;
use crate::config::StoreAddress;
use crate::store::Stage;

fn node(name: &str) -> StoreNode {
    StoreNode {
        name: Some(name.to_owned()),
        address: StoreAddress::parse("127.0.0.1:1").unwrap(),
    }
}

fn stores(non_sticky: bool) -> ClusterStores {
    let settings = Stores {
        context: None,
        nodes: ["n1", "n2", "n3"].map(node).into(),
        key_prefix: String::new(),
        non_sticky,
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        look_before_failover: false,
    };
    ClusterStores::new(settings, None)
}

fn failure(fault: Fault) -> StoreError {
    StoreError {
        store: "127.0.0.1:1".into(),
        stage: Stage::Connect,
        fault,
    }
}

#[tokio::test]
async fn one_silence_is_no_death_but_a_refusal_is() {
    let node = WatchedNode::new(node("n1"));
    let silent = failure(Fault::Timeout(Duration::ZERO));
    assert!(!node.note(Some(&silent)));
    assert!(node.is_up());
    assert!(!node.note(None));
    assert!(!node.note(Some(&silent)));
    assert!(node.note(Some(&silent)));
    assert!(!node.note(Some(&silent)));
    assert!(!node.is_up());
    assert!(node.note(None));
    let refused = std::io::ErrorKind::ConnectionRefused;
    assert!(node.note(Some(&failure(Fault::Io(refused.into())))));
}

#[tokio::test]
async fn who_is_lost_depends_on_where_the_copies_are() {
    let silent = failure(Fault::Timeout(Duration::ZERO));
    let down = |stores: &ClusterStores, place: usize| {
        stores.nodes[place].note(Some(&silent));
        stores.nodes[place].note(Some(&silent));
    };
    let lost = |stores: &ClusterStores| [0, 1, 2].map(|place| stores.is_lost(place));
    let sticky = stores(false);
    down(&sticky, 1);
    assert_eq!(lost(&sticky), [false, true, false]);
    let non_sticky = stores(true);
    down(&non_sticky, 2);
    assert_eq!(lost(&non_sticky), [false; 3]);
    down(&non_sticky, 0);
    // The copies of the last one are on the first.
    assert_eq!(lost(&non_sticky), [false, false, true]);
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_a_store() {
    let before = stores(false);
    before.nodes[0].note(Some(&failure(Fault::Timeout(Duration::ZERO))));
    let after = ClusterStores::new(before.settings.clone(), Some(&before));
    assert!(Arc::ptr_eq(&before.nodes[0], &after.nodes[0]));
}
