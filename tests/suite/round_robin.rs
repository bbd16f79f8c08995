//! Who gets the next request.

use super::harness::*;

#[test]
fn two_tomcats_take_turns_exactly() {
    let [one, two] = tomcats(["jvm1", "jvm2"]);
    let proxy = Proxy::in_front_of(&[&one, &two], "");
    let served: Vec<String> = (0..8)
        .map(|_| {
            get(proxy.address(), "/echo")
                .expect(200)
                .tomcat()
                .to_owned()
        })
        .collect();
    assert_eq!(
        served,
        [
            "jvm1", "jvm2", "jvm1", "jvm2", "jvm1", "jvm2", "jvm1", "jvm2"
        ]
    );
}
