//! What a response says about the session of its request.
