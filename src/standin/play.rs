//! The behaviours, played.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::answer::{Answer, Sending};
use super::behaviour::{Behaviour, Continue, Slow, Trailers};
use super::body::pattern;
use super::exchange::{Exchange, Step};
use super::page;
use super::session::{Outcome, Session, Wanted};
use super::tomcat::Menu;
use super::wire::{Ending, Socket};

/// The piece in which generated bodies are sent.
const PIECE: u64 = 64 * 1024;

impl<S: Socket> Exchange<'_, S> {
    /// Answers as the path asks.
    pub(super) async fn answer(&mut self) -> Step {
        let (_, target) = self.tomcat.settings.within(self.request.origin_form());
        let method = self.request.method.as_str();
        let behaviour = match self.tomcat.settings.menu {
            Menu::All => Behaviour::of(method, target),
            Menu::PageOnly => Behaviour::of_page(method, target),
        };
        match behaviour {
            Behaviour::Continue(how) => return self.meet_expectation(how).await,
            Behaviour::Early => return self.answer_early().await,
            _ => self.read_body().await?,
        }
        let outcome = match behaviour.wanted() {
            Some(wanted) => self.session(wanted).await,
            None => Outcome::Untouched,
        };
        match (outcome, &behaviour) {
            (Outcome::Session(session), Behaviour::Page) => self.send_page(&session).await,
            (Outcome::Session(session), Behaviour::Session { work_ms }) => {
                // Even a sleep of no time would let a kill in between.
                if *work_ms > 0 {
                    sleep(Duration::from_millis(*work_ms)).await;
                }
                self.send_session(&session).await
            }
            (Outcome::Session(session), Behaviour::Login) => self.send_session(&session).await,
            _ => self.behave(behaviour).await,
        }
    }

    /// Answers where the session makes no difference to the body.
    async fn behave(&mut self, behaviour: Behaviour) -> Step {
        match behaviour {
            Behaviour::Options => {
                let allowed = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
                self.send(Answer::new(200).with("Allow", allowed), b"")
                    .await
            }
            Behaviour::NoSuchFile | Behaviour::BadFile => {
                self.send(Answer::text(404), b"no such file\n").await
            }
            Behaviour::Logout => self.send(Answer::text(200), b"logged out\n").await,
            Behaviour::Bytes(length) => {
                self.generate(Sending::Length(length), length, PIECE)
                    .await?;
                self.finish("").await
            }
            Behaviour::Chunked {
                length,
                piece,
                trailers,
            } => {
                self.generate(Sending::Chunked, length, piece).await?;
                let checksum = match trailers {
                    Trailers::Some => "X-Checked: yes\r\nX-Late: trailer\r\n",
                    Trailers::None => "",
                };
                self.finish(checksum).await
            }
            Behaviour::UntilClose(length) => {
                self.generate(Sending::UntilClose, length, PIECE).await
            }
            Behaviour::Slow(slow) => self.send_slowly(slow).await,
            Behaviour::Status(status) => self.send_status(status).await,
            Behaviour::Interim { status, times } => self.send_interim(status, times).await,
            Behaviour::Upgrade => self.upgrade().await,
            Behaviour::Headers(headers) => {
                let with =
                    |answer: Answer, (name, value): &(String, String)| answer.with(name, value);
                self.send(headers.iter().fold(Answer::text(200), with), b"headers\n")
                    .await
            }
            Behaviour::Location { status, to } => {
                self.send(Answer::new(status).with("Location", &to), b"")
                    .await
            }
            // The three with a session were answered above.
            Behaviour::Echo
            | Behaviour::Continue(_)
            | Behaviour::Early
            | Behaviour::Page
            | Behaviour::Session { .. }
            | Behaviour::Login => self.send_echo().await,
        }
    }

    /// Sends a status with a short text.
    pub(super) async fn send_status(&mut self, status: u16) -> Step {
        self.send(
            Answer::text(status),
            format!("status {status}\n").as_bytes(),
        )
        .await
    }

    async fn send_echo(&mut self) -> Step {
        let (length, checksum) = self.body_read;
        let headers: Vec<_> = self
            .request
            .headers
            .iter()
            .map(|(name, value)| json!([name, value]))
            .collect();
        let echo = json!({
            "tomcat": self.tomcat.settings.name,
            "method": self.request.method,
            "target": self.request.target,
            "headers": headers,
            "body_bytes": length,
            "body_checksum": checksum.to_string(),
            "connection": self.position.connection,
            "number": self.position.number,
        });
        self.send(Answer::json(), echo.to_string().as_bytes()).await
    }

    async fn send_page(&mut self, session: &Session) -> Step {
        let local = self.wire.socket.local();
        let html = page::render(&self.tomcat.settings.look, session, &self.request, &local);
        self.send(Answer::html(), html.as_bytes()).await
    }

    async fn send_session(&mut self, session: &Session) -> Step {
        let created = session
            .created
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let shown = json!({
            "tomcat": self.tomcat.settings.name,
            "id": session.id,
            "created_ms": u64::try_from(created.as_millis()).unwrap_or(u64::MAX),
            "hits": session.hits,
            "new_id": session.is_new_id,
        });
        self.send(Answer::json(), shown.to_string().as_bytes())
            .await
    }

    /// Serves the session of this request: cookies before `;jsessionid=`, the first known one.
    async fn session(&mut self, wanted: Wanted) -> Outcome {
        let settings = &self.tomcat.settings;
        let target = self.request.origin_form();
        let (context, _) = settings.within(target);
        let cookies = self
            .request
            .all("Cookie")
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == settings.cookie_name)
            .map(|(_, id)| id.trim_matches('"'));
        let path = target.split('?').next().unwrap_or("");
        let parameter = format!("{}=", settings.cookie_name.to_ascii_lowercase());
        let in_path = path
            .split(['/', ';'])
            .filter_map(|part| part.strip_prefix(parameter.as_str()));
        let shown = cookies.chain(in_path);
        let (outcome, backup) = self.tomcat.sessions.serve(context, shown, wanted).await;
        let (name, path) = (
            &settings.cookie_name,
            match context {
                "" => settings.cookie_path.as_str(),
                context => context,
            },
        );
        self.cookie = match &outcome {
            Outcome::Session(session) if session.is_new_id => {
                Some(format!("{name}={}; Path={path}; HttpOnly", session.id))
            }
            // As Tomcat writes a cookie with a maximal age of 0.
            Outcome::Ended => Some(format!(
                "{name}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path={path}; HttpOnly"
            )),
            Outcome::Session(_) | Outcome::Untouched => None,
        };
        self.backup = backup;
        outcome
    }

    async fn generate(&mut self, sending: Sending, length: u64, piece: u64) -> Step {
        self.start(Answer::text(200), sending).await?;
        if self.request.method == "HEAD" {
            return Ok(());
        }
        let piece = piece.min(PIECE);
        let mut offset = 0;
        while offset < length {
            let size = piece.min(length - offset);
            let bytes = pattern(offset, usize::try_from(size).unwrap_or(0));
            self.piece(&bytes).await?;
            offset += size;
        }
        Ok(())
    }

    async fn send_slowly(&mut self, slow: Slow) -> Step {
        sleep(Duration::from_millis(slow.head_ms)).await;
        self.start(Answer::text(200), Sending::Chunked).await?;
        let size = usize::try_from(slow.piece_bytes.min(PIECE)).unwrap_or(0);
        let mut offset = 0;
        for piece in 0..slow.pieces {
            if piece > 0 {
                sleep(Duration::from_millis(slow.every_ms)).await;
            }
            self.piece(&pattern(offset, size)).await?;
            offset += size as u64;
        }
        self.finish("").await
    }

    async fn meet_expectation(&mut self, how: Continue) -> Step {
        match how {
            Continue::Never => {
                self.leave_body_unread();
                return self.send(Answer::text(417), b"no body wanted\n").await;
            }
            Continue::Late { ms } => sleep(Duration::from_millis(ms)).await,
            Continue::AtOnce => {}
        }
        self.read_body().await?;
        self.send_echo().await
    }

    /// Answers on the head alone, then reads the body: the connection goes on.
    async fn answer_early(&mut self) -> Step {
        self.send(Answer::text(200), b"early\n").await?;
        self.read_body().await
    }

    async fn send_interim(&mut self, status: u16, times: u64) -> Step {
        if (102..=199).contains(&status) {
            let head = Answer::new(status).with("Link", "</style.css>; rel=preload");
            let head = head.encode(Sending::Nothing);
            for _ in 0..times {
                self.wire.send(head.as_bytes()).await?;
            }
        }
        self.send_echo().await
    }

    /// Switches to an echo of raw bytes if the request asks for an upgrade, else 426.
    async fn upgrade(&mut self) -> Step {
        let protocol = self.request.header("Upgrade").unwrap_or("").to_owned();
        if protocol.is_empty() || !self.request.has_token("Connection", "upgrade") {
            let answer = Answer::text(426).with("Upgrade", "websocket");
            return self.send(answer, b"upgrade required\n").await;
        }
        let mut head = Answer::new(101)
            .with("Connection", "Upgrade")
            .with("Upgrade", &protocol);
        if let Some(key) = self.request.header("Sec-WebSocket-Key") {
            head = head.with("Sec-WebSocket-Accept", &accepted(key));
        }
        if let Some(offered) = self.request.header("Sec-WebSocket-Protocol") {
            let first = offered.split(',').next().unwrap_or_default().trim();
            head = head.with("Sec-WebSocket-Protocol", first);
        }
        self.wire
            .send(head.encode(Sending::Nothing).as_bytes())
            .await?;
        let early = self.take_ahead();
        self.wire.send(&early).await?;
        let mut buffer = [0; 8192];
        loop {
            let count = self.wire.socket.read(&mut buffer).await?;
            let Some(bytes @ [_, ..]) = buffer.get(..count) else {
                break;
            };
            self.wire.send(bytes).await?;
        }
        self.wire.socket.shutdown().await?;
        Err(Ending::Close)
    }
}

/// The answer to the key of a WebSocket (RFC 6455, 4.2.2).
fn accepted(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}
