//! Ids that Spring Session encoded: base64 of `base[.route]`, decoded into a buffer of their own.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::OWN_PREFIX;

/// The longest decoded id; a UUID has 36.
const LONGEST: usize = 128;
/// What `LONGEST` bytes have encoded and padded.
const LONGEST_ENCODED: usize = LONGEST.div_ceil(3) * 4;
/// The decoder wants room for whole groups.
const ROOM: usize = LONGEST_ENCODED / 4 * 3;

const WITH_OR_WITHOUT_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, WITH_OR_WITHOUT_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, WITH_OR_WITHOUT_PADDING);

/// A decoded id.
#[derive(Clone)]
pub(super) struct Decoded {
    buffer: [u8; ROOM],
    len: u8,
}

impl Decoded {
    /// Decodes `value`. A route that the proxy appended stands behind the encoded part as it is,
    /// and so it does behind the decoded one.
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        // The alphabets have no dot.
        let dot = value.iter().position(|byte| *byte == b'.');
        let (encoded, own) = value.split_at_checked(dot.unwrap_or(value.len()))?;
        if encoded.len() > LONGEST_ENCODED || !(own.is_empty() || own.starts_with(OWN_PREFIX)) {
            return None;
        }
        let engine = if encoded.iter().any(|byte| b"-_".contains(byte)) {
            URL_SAFE
        } else {
            STANDARD
        };
        let mut buffer = [0; ROOM];
        let decoded_len = engine.decode_slice(encoded, &mut buffer).ok()?;
        let len = decoded_len + own.len();
        // A longer one does not fit in, whatever of it is appended.
        let shown = u8::try_from(len).ok().filter(|_| len <= LONGEST)?;
        let behind = buffer.get_mut(decoded_len..len)?;
        behind.copy_from_slice(own);
        Some(Self { buffer, len: shown })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len.into()).unwrap_or_default()
    }
}
