//! What can be wrong with a connection that speaks HTTP/2.

use super::Kind;

kind!(
    /// Why a connection that speaks HTTP/2 was closed.
    Http2Error {
        /// It broke the protocol, or did not begin as it must.
        Protocol = "protocol_error",
        /// More bytes than there was room for.
        FlowControl = "flow_control_error",
        /// A frame of a size that it cannot have.
        FrameSize = "frame_size_error",
        /// Fields that cannot be decoded.
        Compression = "compression_error",
        /// Frames of a stream that has ended.
        StreamClosed = "stream_closed",
        /// `h2` saw a flood: CONTINUATION, empty frames, streams that had to be reset.
        Calm = "enhance_your_calm",
        /// More requests cancelled than `limits.http2.resets`.
        Resets = "resets",
        /// More frames that carry nothing than `limits.http2.control_frames`.
        ControlFrames = "control_frames",
        /// The preface, a head or a frame was not complete in time.
        Timeout = "timeout",
        /// The client did not take what was sent.
        SendTimeout = "send_timeout",
        /// The client said that something was wrong with us.
        Client = "client",
        /// Anything else.
        Other = "other",
    }
);
