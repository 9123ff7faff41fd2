//! Coded pictures as RTP packets (RFC 3550; H.264: RFC 6184; H.265: RFC 7798), with everything in the sender's hand.

use crate::clips::Coding;

/// Largest payload of a packet.
const MAX_PAYLOAD_BYTES: usize = 1_200;
/// Payload type, as the session description says.
pub const PAYLOAD_TYPE: u8 = 96;

/// What a sender of RTP keeps.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    pub ssrc: u32,
    pub sequence: u16,
    /// In ticks of 90 kHz.
    pub timestamp: u32,
}

impl Sender {
    /// The packets of one coded picture. The timestamp is left to the caller.
    pub fn packets(&mut self, units: &[Vec<u8>], coding: Coding) -> Vec<Vec<u8>> {
        let payloads: Vec<_> = units.iter().flat_map(|unit| payloads(unit, coding)).collect();
        let last = payloads.len().saturating_sub(1);
        payloads.into_iter().enumerate().map(|(index, payload)| self.packet(&payload, index == last)).collect()
    }

    fn packet(&mut self, payload: &[u8], is_last: bool) -> Vec<u8> {
        let mut packet = vec![0x80, PAYLOAD_TYPE | (u8::from(is_last) << 7)];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

/// A NAL unit as it is, or in fragments.
fn payloads(unit: &[u8], coding: Coding) -> Vec<Vec<u8>> {
    if unit.len() <= MAX_PAYLOAD_BYTES {
        return vec![unit.to_vec()];
    }
    // The fragment's header takes over the unit's and says what type it was.
    let (header, kind, body) = match coding {
        Coding::H264 => (vec![(unit[0] & 0xe0) | 0x1c], unit[0] & 0x1f, &unit[1..]),
        Coding::H265 => (vec![(unit[0] & 0x81) | (49 << 1), unit[1]], (unit[0] >> 1) & 0x3f, &unit[2..]),
    };
    let last = body.len().div_ceil(MAX_PAYLOAD_BYTES) - 1;
    let fragment = |(index, part): (usize, &[u8])| {
        let flags = (u8::from(index == 0) << 7) | (u8::from(index == last) << 6);
        [header.as_slice(), &[flags | kind], part].concat()
    };
    body.chunks(MAX_PAYLOAD_BYTES).enumerate().map(fragment).collect()
}
