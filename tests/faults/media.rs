//! What a hostile camera sends: its pictures at their pace, spoilt as it is told.

use crate::clips::{Clip, FPS, Picture};
use crate::peer::{Media, Shared, Way};
use crate::rtp::Sender;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TICKS_PER_SEC: u32 = 90_000;
/// How far times jump.
const JUMP_TICKS: u32 = 1_000 * TICKS_PER_SEC;
const FLOOD_FPS: u64 = 200;

/// The media of one session.
pub struct Feed {
    shared: Arc<Shared>,
    writer: Arc<Mutex<TcpStream>>,
    way: Way,
    sender: Sender,
    random: Pcg64,
    /// Pictures sent.
    sent: u64,
    before: Media,
}

impl Feed {
    pub fn new(shared: Arc<Shared>, writer: Arc<Mutex<TcpStream>>, way: Way) -> Self {
        let sender = Sender { ssrc: 0x1234_5678, sequence: 65_500, timestamp: u32::MAX - 5 * TICKS_PER_SEC };
        Self { shared, writer, way, sender, random: Pcg64::seed_from_u64(1), sent: 0, before: Media::Clean }
    }

    /// Sends until the client has gone or the peer stops.
    pub fn run(mut self) {
        let mut fps = FPS;
        while let Some(media) = self.shared.media_after(Duration::from_secs(1) / fps as u32) {
            fps = if media == Media::Flood { FLOOD_FPS } else { FPS };
            if media != self.before {
                self.turn_to(media);
            }
            self.sender.timestamp = self.sender.timestamp.wrapping_add(TICKS_PER_SEC / fps as u32);
            if media == Media::Nothing {
                continue;
            }
            if !self.send(media) {
                return;
            }
            self.sent += 1;
        }
    }

    /// What happens once, when the kind of trouble begins.
    fn turn_to(&mut self, media: Media) {
        self.before = media;
        if media == Media::NewSource {
            self.sender = Sender { ssrc: self.sender.ssrc + 1, sequence: 0, timestamp: 0 };
        }
        if media == Media::LongGroup {
            self.sent = 0;
        }
    }

    /// Whether the client still takes it.
    fn send(&mut self, media: Media) -> bool {
        let shared = Arc::clone(&self.shared);
        let clip = clip_of(&shared, media);
        let Some(picture) = self.picture(clip, media) else { return true };
        if media == Media::TimesBackAndForth && self.sent.is_multiple_of(FPS / 2) {
            let forth = (self.sent / (FPS / 2)).is_multiple_of(2);
            let jump = if forth { JUMP_TICKS } else { JUMP_TICKS.wrapping_neg() };
            self.sender.timestamp = self.sender.timestamp.wrapping_add(jump);
        }
        for packet in self.sender.packets(&picture.units, clip.coding) {
            if media == Media::Cut {
                return self.cut(&packet);
            }
            if media == Media::Garbage {
                return self.garbage();
            }
            let goes = if let Media::Lossy(share) = media { !self.random.random_bool(share) } else { true };
            if goes && !self.packet(&packet) {
                return false;
            }
        }
        true
    }

    /// The next picture, spoilt; none if it is left out.
    fn picture(&mut self, clip: &Clip, media: Media) -> Option<Picture> {
        let mut picture = clip.pictures[self.sent as usize % clip.pictures.len()].clone();
        if media == Media::NoKeyFrames && picture.is_key {
            return None;
        }
        if media == Media::NoParameterSets {
            // Types 7 and 8 (ISO/IEC 14496-10, table 7-1).
            picture.units.retain(|unit| !matches!(unit[0] & 0x1f, 7 | 8));
        }
        if media == Media::Corrupt {
            for unit in picture.units.iter_mut().filter(|unit| unit.len() > 40) {
                for _ in 0..=unit.len() / 50 {
                    let at = self.random.random_range(8..unit.len());
                    unit[at] = self.random.random();
                }
            }
        }
        Some(picture)
    }

    fn packet(&self, packet: &[u8]) -> bool {
        match &self.way {
            Way::Tcp => {
                let length = (packet.len() as u16).to_be_bytes();
                let framed = [&[b'$', 0, length[0], length[1]], packet].concat();
                self.writer.lock().unwrap().write_all(&framed).is_ok()
            }
            // Refused once the client has gone; it says so on its RTSP connection.
            Way::Udp { media, .. } => media.send(packet).is_ok(),
        }
    }

    /// Half a packet, and the end.
    fn cut(&self, packet: &[u8]) -> bool {
        let writer = &mut self.writer.lock().unwrap();
        let _ = writer.write_all(&[b'$', 0, 4, 0]);
        let _ = writer.write_all(&packet[..packet.len() / 2]);
        let _ = writer.shutdown(Shutdown::Both);
        false
    }

    fn garbage(&mut self) -> bool {
        let mut bytes = [0; 500];
        self.random.fill(&mut bytes);
        self.writer.lock().unwrap().write_all(&bytes).is_ok()
    }
}

fn clip_of(shared: &Shared, media: Media) -> &Clip {
    if media == Media::OtherSize {
        &shared.clips.large
    } else if media == Media::OtherCodec {
        &shared.clips.hevc
    } else if media == Media::LongGroup {
        &shared.clips.long
    } else {
        &shared.clips.small
    }
}
