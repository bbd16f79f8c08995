//! The faults, played.

use tokio::time::sleep;

use super::exchange::{Exchange, Persistence, Step};
use super::fault::{Fault, HALF_BODY, Met, OTHER_HALF, Then};
use super::wire::{Ending, Socket};

impl<S: Socket> Exchange<'_, S> {
    /// Misbehaves as the script says.
    pub(super) async fn misbehave(&mut self, mut met: Met) -> Step {
        if met.fault == Fault::ResetBeforeBody {
            return Err(Ending::Reset);
        }
        if let Some((bytes, then)) = met.fault.bytes() {
            self.read_body().await?;
            self.wire.send(&bytes).await?;
            return match then {
                Then::Keep => Ok(()),
                Then::Close => Err(Ending::Close),
                Then::Reset => Err(Ending::Reset),
            };
        }
        match met.fault {
            Fault::EndlessInterim => self.send_interim_without_end().await,
            Fault::HugeHead => self.send_huge_head().await,
            Fault::HangBeforeHead => {
                self.read_body().await?;
                self.hang(&mut met).await?;
                self.answer().await
            }
            Fault::HangInBody => {
                self.read_body().await?;
                self.wire.send(HALF_BODY).await?;
                self.hang(&mut met).await?;
                self.wire.send(OTHER_HALF).await
            }
            Fault::CloseIdle => {
                self.answer().await?;
                Err(Ending::Close)
            }
            Fault::StaleKeepAlive => {
                self.answer().await?;
                self.persistence = Persistence::ResetNext;
                Ok(())
            }
            Fault::Status(status) => {
                self.read_body().await?;
                self.send_status(status).await
            }
            Fault::Delay(time) => {
                sleep(time).await;
                self.answer().await
            }
            // The others are bytes only and were played above.
            _ => Ok(()),
        }
    }

    /// Waits until the script is withdrawn; a client that leaves meanwhile ends the connection.
    async fn hang(&mut self, met: &mut Met) -> Step {
        tokio::select! {
            () = met.withdrawn() => Ok(()),
            () = self.wire.closed_by_client() => Err(Ending::Close),
        }
    }

    async fn send_interim_without_end(&mut self) -> Step {
        self.read_body().await?;
        loop {
            self.wire.send(b"HTTP/1.1 102 \r\n\r\n").await?;
        }
    }

    async fn send_huge_head(&mut self) -> Step {
        self.read_body().await?;
        self.wire
            .send(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n")
            .await?;
        let filler = "x".repeat(1000);
        for number in 0..1024 {
            self.wire
                .send(format!("X-Filler-{number}: {filler}\r\n").as_bytes())
                .await?;
        }
        self.wire.send(b"\r\n").await
    }
}
