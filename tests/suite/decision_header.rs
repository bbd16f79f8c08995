//! `X-Cattail-Decision`: for those who may know, and for nobody else.

use cattail::standin::Fault;

use super::explain_over_admin::sticky;
use super::harness::*;

const NAME: &str = "X-Cattail-Decision";
const COOKIE: &str = "JSESSIONID=D208779AB0E5DBE49C5DCBB0FE7D9D0E-n1.jvm1";
const FOR_ONE: &str = "decision_header: [127.0.0.1]\n";

fn ask(path: &str) -> Request {
    Request::get(path).header("Cookie", COOKIE)
}

#[test]
fn clients_of_the_list_read_how_their_backend_was_chosen() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::start(&(FOR_ONE.to_owned() + &sticky(&[&one, &two], "")));
    let answer = ask("/echo").send(proxy.address()).expect(200);
    assert_eq!(
        answer.all(NAME),
        [
            "cluster=shop; session=D20877*-n1.jvm1; from=cookie; named=jvm1(up); binding=owner; \
             backend=jvm1; attempts=1; verdict=carried_on"
        ]
    );
    one.kill();
    let answer = ask("/echo").send(proxy.address()).expect(200);
    assert_eq!(
        answer.all(NAME),
        [
            "cluster=shop; session=D20877*-n1.jvm1; from=cookie; named=jvm1(down); \
             binding=survivor; backend=jvm2; attempts=2; verdict=undecided"
        ]
    );
    let answer = get(proxy.address(), "/echo").expect(200);
    let free = "cluster=shop; binding=no_session; backend=jvm2; attempts=1";
    assert_eq!(answer.all(NAME), [free]);
    two.kill();
    let answer = ask("/echo").send(proxy.address()).expect(503);
    let [told] = answer.all(NAME)[..] else {
        panic!("{:?}", answer.all(NAME))
    };
    assert!(
        told.starts_with("cluster=shop; session=D20877*-n1.jvm1;"),
        "{told}"
    );
    assert!(told.ends_with("; error=no_backend"), "{told}");
}

#[test]
fn a_body_that_breaks_at_once_is_told_of_too() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&(FOR_ONE.to_owned() + &sticky(&[&tomcat], "")));
    tomcat.script("/echo", Fault::ChunkedBadSize);
    let answer = ask("/echo").send(proxy.address()).expect(502);
    let [told] = answer.all(NAME)[..] else {
        panic!("{:?}", answer.all(NAME))
    };
    assert!(told.contains("; backend=jvm1; attempts=1;"), "{told}");
    assert!(told.ends_with("; error=closed"), "{told}");
}

#[test]
fn others_are_told_nothing_not_even_by_a_backend() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&(FOR_ONE.to_owned() + &sticky(&[&tomcat], "")));
    let forged = "/headers?X-Cattail-Decision=backend%3Devil";
    let mut other = Raw::connect_from("127.0.0.9", proxy.address());
    let answer = ask(forged).send_on(&mut other).expect(200);
    assert_eq!(answer.header(NAME), None);
    let answer = ask(forged).send(proxy.address()).expect(200);
    let [told] = answer.all(NAME)[..] else {
        panic!("{:?}", answer.all(NAME))
    };
    assert!(told.contains("backend=jvm1"), "{told}");
    tomcat.kill();
    let mut other = Raw::connect_from("127.0.0.9", proxy.address());
    let answer = ask("/echo").send_on(&mut other).expect(503);
    assert_eq!(answer.header(NAME), None);
}

#[test]
fn the_client_behind_a_trusted_proxy_counts() {
    let tomcat = Tomcat::start("jvm1");
    let lists = "decision_header: [192.0.2.0/24]\ntrusted_proxies: [127.0.0.1]\n";
    let proxy = Proxy::start(&(lists.to_owned() + &sticky(&[&tomcat], "")));
    let told = |client: &str| {
        let ask = ask("/echo").header("X-Forwarded-For", client);
        let answer = ask.send(proxy.address()).expect(200);
        answer.header(NAME).is_some()
    };
    assert!(told("192.0.2.7"));
    assert!(!told("198.51.100.7"));
}

#[test]
fn where_nobody_may_know_the_field_is_the_backends_own() {
    let tomcat = Tomcat::start("jvm1");
    let proxy = Proxy::start(&sticky(&[&tomcat], ""));
    let answer = get(proxy.address(), "/headers?X-Cattail-Decision=theirs").expect(200);
    assert_eq!(answer.all(NAME), ["theirs"]);
    assert_eq!(ask("/echo").send(proxy.address()).header(NAME), None);
}

#[test]
fn refusals_by_the_rule_name_the_cluster_alone() {
    let tomcat = Tomcat::start("jvm1");
    let rules = "rules: [{ path: /, cluster: shop, deny: [127.0.0.1] }]\n";
    let proxy = Proxy::start(&(FOR_ONE.to_owned() + rules + &sticky(&[&tomcat], "")));
    let answer = ask("/echo").send(proxy.address()).expect(403);
    let told = "cluster=shop; error=access_denied";
    assert_eq!(answer.all(NAME), [told]);
}
