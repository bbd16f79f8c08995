use std::time::Duration;

use super::*;
use crate::config::StoreAddress;
use crate::store::Stage;

const NOW: Seconds = Seconds(7);

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
    assert!(!node.note(Some(&silent), NOW));
    assert!(node.is_up());
    assert!(!node.note(None, NOW));
    assert!(!node.note(Some(&silent), NOW));
    assert!(node.note(Some(&silent), NOW));
    assert!(!node.note(Some(&silent), NOW));
    assert!(!node.is_up());
    assert!(node.note(None, NOW));
    let refused = std::io::ErrorKind::ConnectionRefused;
    assert!(node.note(Some(&failure(Fault::Io(refused.into()))), NOW));
}

#[tokio::test]
async fn who_is_lost_depends_on_where_the_copies_are() {
    let silent = failure(Fault::Timeout(Duration::ZERO));
    let down = |stores: &ClusterStores, place: usize| {
        stores.nodes[place].note(Some(&silent), NOW);
        stores.nodes[place].note(Some(&silent), NOW);
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
    before.nodes[0].note(Some(&failure(Fault::Timeout(Duration::ZERO))), NOW);
    let after = ClusterStores::new(before.settings.clone(), Some(&before));
    assert!(Arc::ptr_eq(&before.nodes[0], &after.nodes[0]));
}

#[tokio::test(start_paused = true)]
async fn a_node_is_in_doubt_for_a_while_after_it_is_back_and_its_ids_are_old_a_little_longer() {
    let node = WatchedNode::new(node("n1"));
    let doubt = || (node.is_in_doubt(), node.was_in_doubt());
    assert_eq!(doubt(), (false, false));
    assert!(!node.has_fallen_since(Seconds(0)));
    let silent = failure(Fault::Timeout(Duration::ZERO));
    node.note(Some(&silent), NOW);
    assert_eq!(doubt(), (false, false));
    node.note(Some(&silent), NOW);
    assert_eq!(doubt(), (true, true));
    assert!(node.has_fallen_since(NOW) && !node.has_fallen_since(NOW.after(1)));
    // It is the fall that counts.
    node.note(Some(&silent), NOW.after(60));
    assert!(!node.has_fallen_since(NOW.after(1)));
    tokio::time::advance(Duration::from_secs(100)).await;
    for (passed, expected) in [
        (0, (true, true)),
        (34, (true, true)),
        (1, (false, true)),
        (9, (false, true)),
        (1, (false, false)),
    ] {
        tokio::time::advance(Duration::from_secs(passed)).await;
        node.note(None, NOW);
        assert_eq!(doubt(), expected, "{passed}");
    }
}

#[tokio::test]
async fn a_session_leaves_a_node_in_doubt_if_there_is_another_and_gets_one_if_it_has_none() {
    let names = [Some(&b"n1"[..]), Some(b"n2"), Some(b"n7"), None];
    let left = |stores: &ClusterStores| names.map(|name| stores.may_be_left(name));
    let was_left = |stores: &ClusterStores| names.map(|name| stores.may_have_been_left(name));
    let silent = failure(Fault::Timeout(Duration::ZERO));
    let fall = |stores: &ClusterStores, place: usize| {
        stores.nodes[place].note(Some(&silent), NOW);
        stores.nodes[place].note(Some(&silent), NOW);
    };
    let stores = stores(false);
    assert_eq!(left(&stores), [false; 4]);
    fall(&stores, 0);
    assert_eq!(left(&stores), [true, false, false, true]);
    assert_eq!(was_left(&stores), [true, false, false, true]);
    // With all of them down ids stay as they are.
    fall(&stores, 1);
    fall(&stores, 2);
    assert_eq!(left(&stores), [false; 4]);
    stores.nodes[1].note(None, NOW);
    assert_eq!(left(&stores), [true, false, false, true]);
    assert_eq!(was_left(&stores), [true, true, false, true]);
    // One that has no name in ids, and one that is the only one: they never change an id.
    for name in [None, Some("n1".to_owned())] {
        let only = StoreNode { name, ..node("") };
        let settings = Stores {
            nodes: vec![only],
            ..stores.settings.clone()
        };
        let stores = ClusterStores::new(settings, None);
        fall(&stores, 0);
        assert!(stores.any_in_doubt());
        assert!(!stores.may_be_left(None));
        assert!(!stores.may_be_left(Some(b"n1")));
    }
}
