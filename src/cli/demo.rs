//! `cattail demo`: two Tomcat stand-ins and the proxy in front of them.
//!
//! Two proxies run side by side, as the published set-ups and as we recommend, each on a port of
//! its own, so that the difference can be seen by pressing reload.
//!
//! Each Tomcat is there twice, since a Tomcat has a jvm route or has none: without one behind the
//! published set-up, with one behind the recommended. All four share their store: browsers send
//! one cookie to both ports, and it must mean the same session at each.

use std::io::{BufRead, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use clap::Args;

use super::Failure;
use super::output::say;
use crate::app::{self, Proxy};
use crate::config::{self, ListenAddr};
use crate::standin::{Colour, Manager, SharedSessions, StandIn};

/// How the demo is started.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The port of the set-up as published; the recommended one has the next. Without it: 8080,
    /// or any that is free.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

/// One Tomcat of the demo, in both set-ups.
struct Tomcat {
    name: &'static str,
    /// What is typed to kill it, and to start it again.
    key: &'static str,
    /// Without a jvm route.
    published: StandIn,
    /// With one.
    recommended: StandIn,
}

type Tomcats = Arc<[Tomcat; 2]>;

/// Starts the stand-ins and the proxies, prints what to try, runs until Ctrl-C.
pub(super) fn demo(arguments: &DemoArguments) -> Result<(), Failure> {
    let sessions = SharedSessions::default();
    let tomcats = Arc::new([
        tomcat("TomcatA", "a", "jvm1", Colour::Red, &sessions)?,
        tomcat("TomcatB", "b", "jvm2", Colour::Blue, &sessions)?,
    ]);
    let ports = ports(arguments.port)?;
    let admin = free_port(9180)?;
    let published = start(&published(&tomcats, ports.0))?;
    app::run(
        || {
            let text = recommended(&tomcats, ports.1, admin);
            config::load_text("demo", &text, &|_| None)
        },
        |recommended| {
            explain(&published, recommended, &tomcats);
            listen_to_keyboard(Arc::clone(&tomcats));
        },
    )?;
    published.stop();
    Ok(())
}

fn tomcat(
    name: &'static str,
    key: &'static str,
    route: &str,
    colour: Colour,
    sessions: &SharedSessions,
) -> Result<Tomcat, Failure> {
    let stand_in = || {
        let stand_in = StandIn::builder(route).look(name, colour).page_only();
        stand_in.sessions(sessions).store_node("n1")
    };
    Ok(Tomcat {
        name,
        key,
        published: stand_in().without_jvm_route().start()?,
        recommended: stand_in()
            .jvm_route(route)
            .manager(Manager::Sticky)
            .start()?,
    })
}

fn published([a, b]: &[Tomcat; 2], port: u16) -> String {
    format!(
        "listeners: [{{ address: '127.0.0.1:{port}' }}]\n\
         admin: off\n\
         workers: 1\n\
         clusters:\n  demo:\n    affinity: none\n    backends:\n      \
         - {{ name: TomcatA, address: '{}' }}\n      \
         - {{ name: TomcatB, address: '{}' }}\n",
        a.published.address(),
        b.published.address(),
    )
}

fn recommended([a, b]: &[Tomcat; 2], port: u16, admin: u16) -> String {
    format!(
        "listeners: [{{ address: '127.0.0.1:{port}' }}]\n\
         admin: {{ address: '127.0.0.1:{admin}' }}\n\
         log: {{ level: warn }}\n\
         workers: 1\n\
         clusters:\n  demo:\n    affinity: sticky\n    backends:\n      \
         - {{ name: TomcatA, address: '{}', jvm_route: jvm1 }}\n      \
         - {{ name: TomcatB, address: '{}', jvm_route: jvm2 }}\n",
        a.recommended.address(),
        b.recommended.address(),
    )
}

fn start(text: &str) -> Result<Proxy, Failure> {
    let config = config::load_text("demo", text, &|_| None)?;
    Ok(app::start(config)?)
}

fn ports(wanted: Option<u16>) -> Result<(u16, u16), Failure> {
    match wanted {
        Some(port) => Ok((port, port.saturating_add(1))),
        None => Ok((free_port(8080)?, free_port(8081)?)),
    }
}

/// `wanted`, or another one if somebody has it.
fn free_port(wanted: u16) -> Result<u16, Failure> {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = TcpListener::bind(address(wanted)).or_else(|_| TcpListener::bind(address(0)))?;
    Ok(socket.local_addr()?.port())
}

fn explain(published: &Proxy, recommended: &Proxy, [a, b]: &[Tomcat; 2]) {
    let url = |proxy: &Proxy| {
        let address = proxy.addresses().first().map(ListenAddr::to_string);
        format!("http://{}/test/", address.unwrap_or_default())
    };
    let admin = recommended
        .admin_address()
        .map_or_else(String::new, |address| {
            format!("Metrics of the second one:  http://{address}/metrics\n")
        });
    say(&format!(
        "Two Tomcat stand-ins share their sessions: {} (red) and {} (blue).\n\
         \n\
         As published (round robin):        {}\n\
         As recommended (sticky):           {}\n\
         {admin}\n\
         What to try:\n\
         - Open the first address and press reload: TomcatA and TomcatB take turns; the session\n  \
           id and its \"created on\" stay.\n\
         - Open the second one and press reload: the session stays on one Tomcat, the one that\n  \
           its id names: jvm1 is TomcatA, jvm2 is TomcatB.\n\
         - Type a and Enter: TomcatA is killed, as by kill -9. Press reload: no request fails and\n  \
           the session goes on. At the second address TomcatB has taken it over, and its id\n  \
           ends in jvm2 now. Type a again: TomcatA comes back; the session stays where it is.\n\
         - The same with b for TomcatB.\n\
         - Ctrl-C ends the demo.\n",
        a.name,
        b.name,
        url(published),
        url(recommended),
    ));
}

/// Kills and restarts stand-ins. Where nobody types, nothing happens.
fn listen_to_keyboard(tomcats: Tomcats) {
    if !std::io::stdin().is_terminal() && std::env::var_os("CATTAIL_DEMO_KEYS").is_none() {
        return;
    }
    // Ends with the process: nothing can wake a read of the terminal.
    drop(thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match tomcats.iter().find(|tomcat| tomcat.key == line.trim()) {
                Some(tomcat) => tomcat.toggle(),
                None => say("Type a or b and Enter, or press Ctrl-C.\n"),
            }
        }
    }));
}

impl Tomcat {
    fn toggle(&self) {
        let name = self.name;
        let both = [&self.published, &self.recommended];
        if both.iter().any(|stand_in| stand_in.is_running()) {
            for stand_in in both {
                stand_in.kill();
            }
            say(&format!("{name} is killed.\n"));
        } else if let Err(error) = both.iter().try_for_each(|stand_in| stand_in.restart()) {
            say(&format!("{name} cannot start again: {error}\n"));
        } else {
            say(&format!("{name} runs again.\n"));
        }
    }
}
