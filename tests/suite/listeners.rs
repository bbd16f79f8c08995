//! Where clients are accepted, and from whom.

use cattail::standin::Address;

use super::harness::*;

/// A directory of its own for sockets, gone with the test.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cattail-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn socket(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn start(listeners: &str, tomcat: &Tomcat) -> Proxy {
    Proxy::start(&format!(
        "listeners: [{listeners}]\n{}",
        proxy::cluster(&[tomcat], "")
    ))
}

#[test]
fn several_listeners_serve_the_same() {
    let tomcat = Tomcat::start("jvm1");
    let one = "{ name: one, address: '127.0.0.1:0' }";
    let two = "{ name: two, address: '127.0.0.1:0' }, { name: six, address: '[::1]:0' }";
    let proxy = start(&format!("{one}, {two}"), &tomcat);
    let addresses = proxy.addresses();
    assert_eq!(addresses.len(), 3);
    for address in &addresses {
        get(address, "/echo").expect(200);
    }
    assert_eq!(tomcat.last_request().header("X-Forwarded-For"), Some("::1"));
    for name in ["one", "two", "six"] {
        assert_eq!(
            proxy
                .metrics()
                .value("cattail_connections_total", &[("listener", name)]),
            1
        );
    }
}

#[test]
fn unix_sockets_carry_both_sides_and_are_gone_at_the_end() {
    let directory = Directory::new("both-sides");
    let tomcat = Tomcat::build("jvm1", |tomcat| {
        tomcat.listen(Address::Unix(directory.socket("tomcat")))
    });
    let path = directory.socket("cattail");
    let proxy = start(
        &format!("{{ address: 'unix:{}' }}", path.display()),
        &tomcat,
    );
    let address = Address::Unix(path.clone());
    for _ in 0..20 {
        let mut client = Raw::connect(&address);
        for _ in 0..2 {
            Request::get("/echo").send_on(&mut client).expect(200);
        }
    }
    assert_eq!(tomcat.count(), 40);
    proxy.stop();
    assert!(!path.exists(), "the file stays");
}

#[test]
fn a_socket_that_a_killed_process_left_is_taken_over() {
    let directory = Directory::new("left-over");
    let path = directory.socket("cattail");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    let tomcat = Tomcat::start("jvm1");
    let _proxy = start(
        &format!("{{ address: 'unix:{}' }}", path.display()),
        &tomcat,
    );
    get(Address::Unix(path), "/echo").expect(200);
}

fn refusal(listener: &str) -> String {
    let text = format!(
        "listeners: [{{ address: '{listener}' }}]\nadmin: off\nrules: [{{ respond: {{ status: 200 }} }}]\n"
    );
    let config = cattail::config::load_text("test.yaml", &text, &|_| None).expect("is right");
    match cattail::app::start(config) {
        Ok(_) => panic!("{listener} was free"),
        Err(failure) => failure.to_string(),
    }
}

#[test]
fn an_address_in_use_is_refused() {
    let directory = Directory::new("in-use");
    let path = format!("unix:{}", directory.socket("cattail").display());
    let tomcat = Tomcat::start("jvm1");
    let proxy = start(
        &format!("{{ address: '127.0.0.1:0' }}, {{ address: '{path}' }}"),
        &tomcat,
    );
    for address in proxy.addresses() {
        let text = address.to_string();
        let message = refusal(&text);
        assert!(message.contains(&text), "{message}");
        get(&address, "/echo").expect(200);
    }
    let other = tomcat.address().to_string();
    assert!(refusal(&other).contains(&other));
}

#[test]
fn a_listener_admits_whom_it_should() {
    let tomcat = Tomcat::start("jvm1");
    let open = "{ name: open, address: '127.0.0.1:0', deny: [127.0.0.9] }";
    let shut = "{ name: shut, address: '127.0.0.1:0', allow: [127.0.0.8/29], deny: [127.0.0.10] }";
    let proxy = start(&format!("{open}, {shut}"), &tomcat);
    let [open, shut] = <[Address; 2]>::try_from(proxy.addresses()).expect("two");
    let cases = [
        (&open, "127.0.0.1", true),
        (&open, "127.0.0.9", false),
        (&shut, "127.0.0.1", false),
        (&shut, "127.0.0.9", true),
        (&shut, "127.0.0.10", false),
    ];
    for (address, from, admitted) in cases {
        let mut client = Raw::connect_from(from, address);
        let sent = client.try_send(Request::get("/echo").bytes());
        let answer = sent.is_ok().then(|| client.try_read_response());
        let came = matches!(answer, Some(Ok(answer)) if answer.status() == 200);
        assert_eq!(came, admitted, "{from} at {address}");
    }
    let refused = |name| {
        let labels = [("listener", name), ("reason", "access")];
        proxy
            .metrics()
            .value("cattail_connections_refused_total", &labels)
    };
    assert_eq!((refused("open"), refused("shut")), (1, 2));
}
