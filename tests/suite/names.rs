//! Backends by host name.

use cattail::{app, config};

use super::harness::{Tomcat, get};

fn file(backends: &str) -> String {
    format!(
        "listeners: [{{ address: '127.0.0.1:0' }}]\nadmin: off\nworkers: 1\n\
         clusters: {{ shop: {{ backends: [{backends}] }} }}\n"
    )
}

fn by_name(tomcat: &Tomcat) -> String {
    let address = tomcat.address().to_string();
    address.replace("127.0.0.1", "localhost")
}

/// `cattail run` starts and reloads from within a runtime of its own.
#[test]
fn names_are_looked_up_at_the_start_and_at_a_reload_within_a_runtime() {
    let (one, two) = (Tomcat::start("one"), Tomcat::start("two"));
    let load = |text: String| config::load_text("test.yaml", &text, &|_| None);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let proxy = app::start(load(file(&by_name(&one))).unwrap()).unwrap();
        let config::ListenAddr::Ip(address) = proxy.addresses()[0] else {
            panic!("an IP address was asked for");
        };
        assert_eq!(get(address, "/echo").expect(200).tomcat(), "one");
        proxy.reload(|| load(file(&by_name(&two)))).unwrap();
        assert_eq!(get(address, "/echo").expect(200).tomcat(), "two");
        let failure = proxy
            .reload(|| load(file("nowhere.invalid:8080")))
            .unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("clusters.shop.backends[0].address"),
            "{failure}"
        );
        assert_eq!(get(address, "/echo").expect(200).tomcat(), "two");
        proxy.abort();
        proxy.join();
    });
}
