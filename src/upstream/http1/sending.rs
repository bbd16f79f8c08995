//! A request body as it is sent: framed, and no more and no less than was said.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Body;

use super::head;
use super::output::Output;
use crate::upstream::body::RequestBody;
use crate::upstream::body_fault::BodyFault;
use crate::upstream::broken::Broken;

/// A request body that is being sent.
#[derive(Debug)]
pub(super) struct Upload {
    body: RequestBody,
    /// What is left of its length; `None`: it goes in chunks.
    left: Option<u64>,
    /// The lines that name its trailers. Others are not passed on.
    announced: Vec<HeaderValue>,
}

impl Upload {
    /// What `fields` frame; `None`: there is nothing to send.
    pub(super) fn new(body: RequestBody, fields: &HeaderMap) -> Option<Self> {
        // Who makes the request frames it; anything else would be read in two ways.
        let length = || {
            fields
                .get(header::CONTENT_LENGTH)?
                .to_str()
                .ok()?
                .parse()
                .ok()
        };
        debug_assert!(!body.is_empty() || length().is_none_or(|length: u64| length == 0));
        debug_assert_eq!(
            fields.contains_key(header::TRANSFER_ENCODING),
            !body.is_empty() && length().is_none()
        );
        if body.is_empty() {
            return None;
        }
        let trailers = fields.get_all(header::TRAILER).iter();
        Some(Self {
            left: length(),
            announced: trailers.cloned().collect(),
            body,
        })
    }

    /// The backend wants it.
    pub(super) fn go_on(&self) {
        self.body.go_on();
    }

    /// Whether its client waits to be told that the backend wants it.
    pub(super) fn is_held(&self) -> bool {
        self.body.is_held()
    }

    /// Nobody will ask for more of it.
    pub(super) fn give_up(&self) {
        self.body.give_up();
    }

    /// Puts the next piece into `output`. Whether it was the last.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut Output,
    ) -> Result<Poll<bool>, Broken> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(None) => return self.end(output, None),
            Poll::Ready(Some(frame)) => frame.map_err(Broken::Upload)?,
        };
        match frame.into_data() {
            Ok(data) => self.push(data, output)?,
            Err(frame) => {
                let trailers = frame
                    .trailers_ref()
                    .map(|trailers| self.announced(trailers));
                return self.end(output, trailers.as_ref());
            }
        }
        if self.body.is_end_stream() && output.has_room() {
            // The end goes with what it ends.
            return self.end(output, None);
        }
        Ok(Poll::Ready(false))
    }

    fn push(&mut self, data: Bytes, output: &mut Output) -> Result<(), Broken> {
        let Some(left) = &mut self.left else {
            output.push_chunk(data);
            return Ok(());
        };
        // What is more than was said would be the next request.
        let after = left.checked_sub(data.len() as u64);
        *left = after.ok_or(Broken::Upload(BodyFault::Malformed.into()))?;
        output.push(data);
        Ok(())
    }

    fn announced(&self, trailers: &HeaderMap) -> HeaderMap {
        let is_announced = |name: &HeaderName| head::says(&self.announced, name.as_str());
        let names: Vec<_> = trailers
            .keys()
            .filter(|name| is_announced(name))
            .cloned()
            .collect();
        let mut passed = HeaderMap::new();
        for name in names {
            for value in trailers.get_all(&name) {
                passed.append(name.clone(), value.clone());
            }
        }
        passed
    }

    fn end(&self, output: &mut Output, trailers: Option<&HeaderMap>) -> Result<Poll<bool>, Broken> {
        match self.left {
            None => output.end_chunks(trailers),
            Some(0) => {}
            Some(_) => return Err(Broken::Upload(BodyFault::Cut.into())),
        }
        Ok(Poll::Ready(true))
    }
}
