//! Three Tomcats and one store, without sockets.

use super::*;

struct Cluster {
    shared: SharedSessions,
    tomcats: [Sessions; 3],
}

impl Cluster {
    fn new(manager: Manager, shared: SharedSessions) -> Self {
        let tomcats = ["jvm1", "jvm2", "jvm3"].map(|route| {
            let identity = Identity {
                jvm_route: Some(route.to_owned()),
                store_nodes: vec!["n1".to_owned(), "n2".to_owned()],
                manager,
                backup_delay: Duration::ZERO,
            };
            Sessions::new(shared.clone(), identity)
        });
        Self { shared, tomcats }
    }

    fn of(manager: Manager) -> Self {
        Self::new(manager, SharedSessions::default())
    }

    /// A whole request at `/` of one Tomcat.
    async fn ask(&self, tomcat: usize, ids: &[&str], wanted: Wanted) -> Outcome {
        let tomcat = &self.tomcats[tomcat];
        let (outcome, backup) = tomcat.serve("", ids.iter().copied(), wanted).await;
        if let Some(backup) = backup {
            tomcat.back_up(&backup);
        }
        outcome
    }

    async fn session(&self, tomcat: usize, ids: &[&str]) -> Session {
        match self.ask(tomcat, ids, Wanted::Any).await {
            Outcome::Session(session) => session,
            other => panic!("no session but {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_non_sticky_session_keeps_its_id_everywhere() {
    let cluster = Cluster::of(Manager::NonSticky);
    let created = cluster.session(0, &[]).await;
    assert!(created.id.ends_with("-n1.jvm1") && created.is_new_id);
    let carried_on = cluster.session(1, &[&created.id]).await;
    let expected = Session {
        hits: 2,
        is_new_id: false,
        ..created.clone()
    };
    assert_eq!(carried_on, expected);
    cluster.tomcats[0].forget();
    assert_eq!(cluster.session(0, &[&created.id]).await.hits, 3);
    assert_eq!(cluster.shared.truth().issued, 1);
}

#[tokio::test]
async fn a_takeover_renames_the_id_and_a_third_tomcat_loses_the_session() {
    let cluster = Cluster::of(Manager::Sticky);
    let created = cluster.session(0, &[]).await;
    cluster.tomcats[0].forget();
    let taken_over = cluster.session(1, &[&created.id]).await;
    assert_eq!(taken_over.id, created.id.replace("jvm1", "jvm2"));
    assert_eq!((taken_over.created, taken_over.hits), (created.created, 2));
    let late = cluster.session(1, &[&created.id]).await;
    assert_eq!((late.id, late.hits), (taken_over.id.clone(), 3));
    assert!(late.is_new_id, "a browser that missed it must learn it");
    let lost = cluster.session(2, &[&created.id]).await;
    assert_eq!((lost.hits, lost.is_new_id), (1, true));
    let truth = cluster.shared.truth();
    assert_eq!((truth.taken_over, truth.lost, truth.forked), (1, 1, 0));
    assert_eq!((truth.issued, truth.live), (2, 2));
}

#[tokio::test]
async fn any_managed_path_takes_a_session_over_but_counts_no_hit() {
    let cluster = Cluster::of(Manager::Sticky);
    let created = cluster.session(0, &[]).await;
    let own = cluster.ask(0, &[&created.id], Wanted::Nothing).await;
    assert_eq!(own, Outcome::Untouched);
    let taken_over = cluster.ask(1, &[&created.id], Wanted::Nothing).await;
    let expected = Session {
        id: created.id.replace("jvm1", "jvm2"),
        ..created
    };
    assert_eq!(taken_over, Outcome::Session(expected));
}

#[tokio::test]
async fn a_restarted_owner_loads_its_session_under_its_old_id() {
    let cluster = Cluster::of(Manager::Sticky);
    let created = cluster.session(0, &[]).await;
    cluster.tomcats[0].forget();
    let reloaded = cluster.session(0, &[&created.id]).await;
    assert_eq!((reloaded.hits, reloaded.is_new_id), (2, false));
    assert_eq!(cluster.shared.truth().reloaded, 1);
}

#[tokio::test]
async fn an_owner_that_was_only_unreachable_serves_its_stale_copy() {
    let cluster = Cluster::of(Manager::Sticky);
    let created = cluster.session(0, &[]).await;
    let taken_over = cluster.session(1, &[&created.id]).await;
    let back = cluster.session(0, &[&taken_over.id]).await;
    assert_eq!((&back.id, back.hits), (&created.id, 2));
    assert_eq!(cluster.shared.truth().stale, 1);
}

#[tokio::test(start_paused = true)]
async fn two_tomcats_that_load_one_copy_fork_the_session() {
    let store = SharedSessions::with_round_trip(Duration::from_millis(1));
    let cluster = Cluster::new(Manager::Sticky, store);
    let created = cluster.session(0, &[]).await;
    cluster.tomcats[0].forget();
    let ids = [created.id.as_str()];
    let (two, three) = tokio::join!(cluster.session(1, &ids), cluster.session(2, &ids));
    assert_eq!((two.hits, three.hits), (2, 2));
    let truth = cluster.shared.truth();
    assert_eq!((truth.forked, truth.lost, truth.stale), (1, 0, 1));
    assert_eq!((truth.issued, truth.live), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_at_one_tomcat_load_the_session_once() {
    let store = SharedSessions::with_round_trip(Duration::from_millis(1));
    let cluster = Cluster::new(Manager::Sticky, store);
    let created = cluster.session(0, &[]).await;
    cluster.tomcats[0].forget();
    let ids = [created.id.as_str()];
    let (one, two) = tokio::join!(cluster.session(1, &ids), cluster.session(1, &ids));
    assert_eq!((one.id, one.hits, two.hits), (two.id, 2, 3));
    let truth = cluster.shared.truth();
    assert_eq!((truth.taken_over, truth.forked, truth.lost), (1, 0, 0));
}

#[tokio::test]
async fn a_plain_session_is_lost_everywhere_else() {
    let cluster = Cluster::of(Manager::Plain);
    let created = cluster.session(0, &[]).await;
    assert!(created.id.ends_with(".jvm1") && !created.id.contains('-'));
    assert_eq!(cluster.session(0, &[&created.id]).await.hits, 2);
    assert_eq!(cluster.session(1, &[&created.id]).await.hits, 1);
    cluster.tomcats[0].forget();
    assert_eq!(cluster.session(0, &[&created.id]).await.hits, 1);
    assert_eq!(cluster.shared.truth().lost, 2);
}

#[tokio::test]
async fn a_session_leaves_a_store_node_that_is_down() {
    for manager in [Manager::Sticky, Manager::NonSticky] {
        let cluster = Cluster::of(manager);
        let created = cluster.session(0, &[]).await;
        cluster.shared.node_down("n1");
        let moved = cluster.session(0, &[&created.id]).await;
        assert_eq!(moved.id, created.id.replace("-n1", "-n2"), "{manager:?}");
        assert_eq!((moved.hits, moved.is_new_id), (2, true));
        let late = cluster.session(0, &[&created.id]).await;
        assert_eq!((late.id, late.hits), (moved.id.clone(), 3), "{manager:?}");
        cluster.tomcats[0].forget();
        assert_eq!(cluster.session(0, &[&moved.id]).await.hits, 4);
        assert_eq!(cluster.shared.truth().relocated, 1, "{manager:?}");
    }
}

#[tokio::test]
async fn a_session_whose_tomcat_and_node_are_down_is_back_with_the_node() {
    let cluster = Cluster::of(Manager::Sticky);
    let created = cluster.session(0, &[]).await;
    cluster.tomcats[0].forget();
    cluster.shared.node_down("n1");
    assert_eq!(cluster.session(1, &[&created.id]).await.hits, 1);
    cluster.shared.node_up("n1");
    assert_eq!(cluster.session(1, &[&created.id]).await.hits, 2);
}

#[tokio::test]
async fn a_login_renews_the_base_of_the_same_session() {
    for manager in [Manager::Sticky, Manager::NonSticky, Manager::Plain] {
        let cluster = Cluster::of(manager);
        let created = cluster.session(0, &[]).await;
        let Outcome::Session(renewed) = cluster.ask(0, &[&created.id], Wanted::NewId).await else {
            panic!("no session");
        };
        assert_ne!(renewed.id, created.id);
        assert_eq!((renewed.created, renewed.hits), (created.created, 2));
        assert_eq!(cluster.session(0, &[&renewed.id]).await.hits, 3);
        assert_eq!(cluster.session(0, &[&created.id]).await.hits, 1);
        let truth = cluster.shared.truth();
        assert_eq!((truth.renewed, truth.outdated, truth.lost), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_session_ends_by_logout_and_by_expiry_and_is_not_lost() {
    for manager in [Manager::Sticky, Manager::NonSticky, Manager::Plain] {
        let cluster = Cluster::of(manager);
        let (one, two) = (cluster.session(0, &[]).await, cluster.session(0, &[]).await);
        let out = cluster.ask(0, &[&one.id], Wanted::End).await;
        assert_eq!(out, Outcome::Ended);
        cluster.shared.expire(&two.id);
        assert_eq!(cluster.shared.count(), 0, "{manager:?}");
        for id in [one.id, two.id] {
            assert_eq!(cluster.session(0, &[&id]).await.hits, 1);
        }
        let truth = cluster.shared.truth();
        assert_eq!((truth.logged_out, truth.outdated, truth.lost), (1, 2, 0));
    }
}

#[tokio::test]
async fn an_ignored_path_finds_a_session_in_memory_only() {
    let sessions = [
        (Manager::Sticky, 2, 0),
        (Manager::NonSticky, 1, 1),
        (Manager::Plain, 2, 0),
    ];
    for (manager, hits, overwritten) in sessions {
        let cluster = Cluster::of(manager);
        let created = cluster.session(0, &[]).await;
        let outcome = cluster.ask(0, &[&created.id], Wanted::Unmanaged).await;
        let Outcome::Session(session) = outcome else {
            panic!("no session");
        };
        assert_eq!(session.hits, hits, "{manager:?}");
        let truth = cluster.shared.truth();
        assert_eq!((truth.overwritten, truth.lost), (overwritten, 0));
        let strange = cluster.ask(1, &[&created.id], Wanted::Unmanaged).await;
        assert!(matches!(strange, Outcome::Session(new) if new.is_new_id));
    }
}

#[tokio::test]
async fn of_several_ids_the_first_that_is_known_counts() {
    let cluster = Cluster::of(Manager::Sticky);
    let created = cluster.session(0, &[]).await;
    let ids = ["", "STRANGER.jvm1", created.id.as_str()];
    assert_eq!(cluster.session(0, &ids).await.hits, 2);
}

#[tokio::test]
async fn the_oldest_sessions_are_dropped() {
    let cluster = Cluster::new(Manager::NonSticky, SharedSessions::with_limit(2));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(cluster.session(0, &[]).await.id);
    }
    assert_eq!(cluster.shared.count(), 2);
    assert_eq!(cluster.session(0, &[&ids[0]]).await.hits, 1);
}
