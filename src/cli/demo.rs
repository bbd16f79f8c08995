//! `cattail demo`: two Tomcat stand-ins and the proxy in front of them.
//!
//! Two proxies run side by side, as the published set-ups and as we recommend, each on a port of
//! its own, so that the difference can be seen by pressing reload.

use std::io::{BufRead, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use clap::Args;

use super::Failure;
use super::output::say;
use crate::app::{self, Proxy};
use crate::config::{self, ListenAddr};
use crate::standin::{Colour, SharedSessions, StandIn};

/// How the demo is started.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The port of the set-up as published; the recommended one has the next. Without it: 8080,
    /// or any that is free.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

/// Starts the stand-ins and the proxies, prints what to try, runs until Ctrl-C.
pub(super) fn demo(arguments: &DemoArguments) -> Result<(), Failure> {
    let sessions = SharedSessions::default();
    let tomcat = |name: &str, route: &str, colour| {
        let stand_in = StandIn::builder(route).look(name, colour).page_only();
        stand_in
            .jvm_route(route)
            .sessions(&sessions)
            .start()
            .map(Arc::new)
    };
    let tomcats = [
        tomcat("TomcatA", "jvm1", Colour::Red)?,
        tomcat("TomcatB", "jvm2", Colour::Blue)?,
    ];
    let ports = ports(arguments.port)?;
    let admin = free_port(9180)?;
    let recommended = start(&recommended(&tomcats, ports.1))?;
    app::run(
        || {
            let text = published(&tomcats, ports.0, admin);
            config::load_text("demo", &text, &|_| None)
        },
        |published| {
            explain(published, &recommended, &tomcats);
            listen_to_keyboard(tomcats.clone());
        },
    )?;
    recommended.stop();
    Ok(())
}

fn published(tomcats: &[Arc<StandIn>; 2], port: u16, admin: u16) -> String {
    let [a, b] = tomcats;
    format!(
        "listeners: [{{ address: '127.0.0.1:{port}' }}]\n\
         admin: {{ address: '127.0.0.1:{admin}' }}\n\
         log: {{ level: warn }}\n\
         workers: 1\n\
         clusters:\n  demo:\n    affinity: none\n    backends:\n      \
         - {{ name: TomcatA, address: '{}' }}\n      \
         - {{ name: TomcatB, address: '{}' }}\n",
        a.address(),
        b.address(),
    )
}

fn recommended(tomcats: &[Arc<StandIn>; 2], port: u16) -> String {
    let [a, b] = tomcats;
    format!(
        "listeners: [{{ address: '127.0.0.1:{port}' }}]\n\
         admin: off\n\
         workers: 1\n\
         clusters:\n  demo:\n    affinity: sticky\n    backends:\n      \
         - {{ name: TomcatA, address: '{}', jvm_route: jvm1 }}\n      \
         - {{ name: TomcatB, address: '{}', jvm_route: jvm2 }}\n",
        a.address(),
        b.address(),
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

fn explain(published: &Proxy, recommended: &Proxy, tomcats: &[Arc<StandIn>; 2]) {
    let url = |proxy: &Proxy| {
        let address = proxy.addresses().first().map(ListenAddr::to_string);
        format!("http://{}/test/", address.unwrap_or_default())
    };
    let [a, b] = tomcats;
    let admin = published
        .admin_address()
        .map_or_else(String::new, |address| {
            format!("\nMetrics:  http://{address}/metrics\n")
        });
    say(&format!(
        "Two Tomcat stand-ins share their sessions: TomcatA (red, {}) and TomcatB (blue, {}).\n\
         \n\
         As published (round robin):        {}\n\
         As recommended (sticky, to come):  {}\n\
         {admin}\n\
         What to try:\n\
         - Open the first address and press reload: TomcatA and TomcatB take turns; the session\n  \
           id and its \"created on\" stay.\n\
         - Open the second one: its file asks for sticky sessions, which cattail does not know yet;\n  \
           so this one alternates too.\n\
         - Type a and Enter: TomcatA is killed, as by kill -9. Press reload: the other one serves,\n  \
           no request fails, the session goes on. Type a again: TomcatA comes back.\n\
         - The same with b for TomcatB.\n\
         - Ctrl-C ends the demo.\n",
        a.address(),
        b.address(),
        url(published),
        url(recommended),
    ));
}

/// Kills and restarts stand-ins. Where nobody types, nothing happens.
fn listen_to_keyboard(tomcats: [Arc<StandIn>; 2]) {
    if !std::io::stdin().is_terminal() && std::env::var_os("CATTAIL_DEMO_KEYS").is_none() {
        return;
    }
    // Ends with the process: nothing can wake a read of the terminal.
    drop(thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.trim() {
                "a" => toggle("TomcatA", &tomcats[0]),
                "b" => toggle("TomcatB", &tomcats[1]),
                _ => say("Type a or b and Enter, or press Ctrl-C.\n"),
            }
        }
    }));
}

fn toggle(name: &str, tomcat: &StandIn) {
    if tomcat.is_running() {
        tomcat.kill();
        say(&format!("{name} is killed.\n"));
    } else if let Err(error) = tomcat.restart() {
        say(&format!("{name} cannot start again: {error}\n"));
    } else {
        say(&format!("{name} runs again.\n"));
    }
}
