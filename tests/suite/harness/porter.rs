//! A door before a Tomcat at which each connection must begin with a PROXY header.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cattail::proxy_protocol::{self, Frame, Header};
use cattail::standin::Address;

/// The door; it takes the header off and passes on what follows.
#[derive(Debug)]
pub(crate) struct Porter {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Porter {
    /// Stands before a Tomcat, which listens on TCP.
    pub(crate) fn before(tomcat: &Address) -> Self {
        let Address::Tcp(to) = *tomcat else {
            panic!("a porter's Tomcat listens on TCP")
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = Arc::clone(&told);
                thread::spawn(move || drop(pass(stream, to, &told)));
            }
        });
        Self { address, heard }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The headers so far, as they came, in order.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }

    /// The same, without those that speak for no client.
    pub(crate) fn of_clients(&self) -> Vec<Vec<u8>> {
        let is_of_a_client = |bytes: &Vec<u8>| read(bytes).ends.is_some();
        let mut heard = self.heard();
        heard.retain(is_of_a_client);
        heard
    }

    /// The addresses of the clients.
    pub(crate) fn sources(&self) -> Vec<SocketAddr> {
        let heard = self.of_clients();
        let source = |bytes: &Vec<u8>| read(bytes).ends.expect("a client's").source;
        heard.iter().map(source).collect()
    }
}

fn read(bytes: &[u8]) -> Header {
    proxy_protocol::read(bytes).expect("what was heard is a header")
}

fn pass(mut client: TcpStream, to: SocketAddr, told: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    let mut header = Vec::new();
    loop {
        match proxy_protocol::frame(&header).map_err(io::Error::other)? {
            Frame::Ends(end) if end == header.len() => break,
            _ => {
                let mut byte = [0];
                client.read_exact(&mut byte)?;
                header.extend(byte);
            }
        }
    }
    told.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(header);
    let mut tomcat = TcpStream::connect(to)?;
    let (mut from, mut back) = (client.try_clone()?, tomcat.try_clone()?);
    thread::spawn(move || {
        drop(copy(&mut back, &mut from));
        drop(from.shutdown(Shutdown::Write));
    });
    drop(copy(&mut client, &mut tomcat));
    tomcat.shutdown(Shutdown::Write)
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..count])?;
    }
}
