//! Frames on their way to the detectors: one place per camera, latest wins, cameras served in turn.
//!
//! Only frames may be dropped, never a fact: a newer frame replaces one that no detector has taken yet, and is counted.
//! Cameras with a frame wait in a queue, so that when the box cannot keep up each loses frames evenly. A camera is with
//! one detector at a time, so that its frames arrive at its engine in order.
//!
//! Replayed frames, which come in a burst and tell how something began, are the exception: they are kept in order and served
//! before the latest frame. One that finds [`MAX_REPLAYED`] of its camera, or [`MAX_REPLAYED_OF_ALL`], is dropped and counted: what
//! is lost is the middle of the burst, not its beginning, and the latest frame follows.
//!
//! Memory: one waiting and one leased frame per camera, and the replayed.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Replayed frames that wait per camera: 8 s of a burst at two frames a second, 50 MB at 1080p.
pub const MAX_REPLAYED: usize = 16;
/// Replayed frames that wait in all, 200 MB at 1080p: a flash of lightning wakes every camera.
pub const MAX_REPLAYED_OF_ALL: usize = 64;

/// Mailboxes of all cameras, by index.
#[derive(Debug)]
pub struct Mailboxes<T> {
    state: Mutex<State<T>>,
    /// Signalled when a camera joins the queue, and on closing.
    ready: Condvar,
}

#[derive(Debug)]
struct State<T> {
    slots: Vec<Slot<T>>,
    /// Cameras with a waiting frame that no detector is working on, in the order in which they are served.
    queue: VecDeque<usize>,
    replayed: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    /// In order.
    replayed: VecDeque<T>,
    /// The latest.
    waiting: Option<T>,
    is_leased: bool,
    dropped: u64,
}

impl<T> Mailboxes<T> {
    /// For `cameras` cameras.
    #[must_use]
    pub fn new(cameras: usize) -> Self {
        let slots = (0..cameras).map(|_| Slot::new()).collect();
        let state = State { slots, queue: VecDeque::with_capacity(cameras), replayed: 0, is_closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new() }
    }

    /// Leaves a frame for a camera; never blocks on a detector. Returns whether an older one was dropped for it.
    pub fn put(&self, camera: usize, frame: T) -> bool {
        let mut state = self.lock();
        if state.is_closed {
            return false;
        }
        let slot = &mut state.slots[camera];
        let joins = slot.may_join();
        let replaced = slot.waiting.replace(frame).is_some();
        slot.dropped += u64::from(replaced);
        if joins {
            state.queue.push_back(camera);
            self.ready.notify_one();
        }
        replaced
    }

    /// Leaves a replayed frame for a camera; never blocks on a detector. Returns whether it was dropped.
    pub fn put_replayed(&self, camera: usize, frame: T) -> bool {
        let mut state = self.lock();
        if state.is_closed {
            return false;
        }
        let is_full = state.replayed >= MAX_REPLAYED_OF_ALL || state.slots[camera].replayed.len() >= MAX_REPLAYED;
        if is_full {
            state.slots[camera].dropped += 1;
            return true;
        }
        let joins = state.slots[camera].may_join();
        state.slots[camera].replayed.push_back(frame);
        state.replayed += 1;
        if joins {
            state.queue.push_back(camera);
            self.ready.notify_one();
        }
        false
    }

    /// Waits for the next camera's turn; `None` once closed.
    pub fn take(&self) -> Option<Lease<'_, T>> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(camera) = state.queue.pop_front() {
                let slot = &mut state.slots[camera];
                slot.is_leased = true;
                let replayed = slot.replayed.pop_front();
                let is_replayed = replayed.is_some();
                let frame = replayed.or_else(|| slot.waiting.take()).expect("a queued camera has a frame");
                state.replayed -= usize::from(is_replayed);
                return Some(Lease { mailboxes: self, camera, frame: Some(frame) });
            }
            state = self.ready.wait(state).expect("no holder of this lock panics");
        }
    }

    /// Makes room for so many cameras; those that have room keep theirs.
    pub fn grow(&self, cameras: usize) {
        let mut state = self.lock();
        while state.slots.len() < cameras {
            state.slots.push(Slot::new());
        }
    }

    /// Throws away what waits of a camera: frames from before it was configured anew.
    pub fn clear(&self, camera: usize) {
        let mut state = self.lock();
        let slot = &mut state.slots[camera];
        slot.waiting = None;
        let replayed = std::mem::take(&mut slot.replayed).len();
        state.replayed -= replayed;
        state.queue.retain(|&queued| queued != camera);
    }

    /// Frames of a camera dropped so far.
    #[must_use]
    pub fn dropped(&self, camera: usize) -> u64 {
        self.lock().slots[camera].dropped
    }

    /// Ends every [`Self::take`], now and later.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self { replayed: VecDeque::new(), waiting: None, is_leased: false, dropped: 0 }
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_none() && self.replayed.is_empty()
    }

    /// Whether its first frame brings the camera into the queue: it is not there yet, and with no detector.
    fn may_join(&self) -> bool {
        self.is_empty() && !self.is_leased
    }
}

/// A frame in work. While it lives, its camera is not given to another detector.
#[derive(Debug)]
pub struct Lease<'a, T> {
    mailboxes: &'a Mailboxes<T>,
    camera: usize,
    frame: Option<T>,
}

impl<T> Lease<'_, T> {
    /// Index of the camera.
    #[must_use]
    pub fn camera(&self) -> usize {
        self.camera
    }

    /// The frame; once.
    ///
    /// # Panics
    /// When called twice.
    pub fn take_frame(&mut self) -> T {
        self.frame.take().expect("the frame is taken once")
    }
}

impl<T> Drop for Lease<'_, T> {
    fn drop(&mut self) {
        let mut state = self.mailboxes.lock();
        let slot = &mut state.slots[self.camera];
        slot.is_leased = false;
        if !slot.is_empty() {
            state.queue.push_back(self.camera);
            self.mailboxes.ready.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_frame_wins_and_the_loss_is_counted() {
        let boxes = Mailboxes::new(1);
        assert!(!boxes.put(0, "old"));
        assert!(boxes.put(0, "new"));
        assert_eq!(boxes.take().unwrap().take_frame(), "new");
        assert_eq!(boxes.dropped(0), 1);
    }

    #[test]
    fn a_flooding_camera_does_not_starve_the_others() {
        let boxes = Mailboxes::new(3);
        let mut served = [0; 3];
        for camera in 0..3 {
            boxes.put(camera, camera);
        }
        for _ in 0..30 {
            let mut lease = boxes.take().unwrap();
            served[lease.camera()] += 1;
            assert_eq!(lease.take_frame(), lease.camera());
            for _ in 0..50 {
                boxes.put(0, 0);
            }
            boxes.put(1, 1);
            boxes.put(2, 2);
        }
        assert_eq!(served, [10, 10, 10]);
    }

    #[test]
    fn a_camera_is_with_one_detector_at_a_time() {
        let boxes = Mailboxes::new(2);
        boxes.put(0, 'a');
        let lease = boxes.take().unwrap();
        boxes.put(0, 'b');
        boxes.put(1, 'c');
        assert_eq!(boxes.take().unwrap().camera(), 1, "camera 0 is in work");
        drop(lease);
        assert_eq!(boxes.take().unwrap().take_frame(), 'b');
    }

    #[test]
    fn replayed_frames_come_in_order_before_the_latest() {
        let boxes = Mailboxes::new(1);
        for frame in [1, 2, 3] {
            assert!(!boxes.put_replayed(0, frame));
        }
        assert!(!boxes.put(0, 4));
        assert!(boxes.put(0, 5));
        let served: Vec<i32> = (0..4).map(|_| boxes.take().unwrap().take_frame()).collect();
        assert_eq!(served, [1, 2, 3, 5]);
    }

    #[test]
    fn a_burst_keeps_its_beginning_and_what_is_lost_is_counted() {
        let boxes = Mailboxes::new(6);
        for camera in 0..6 {
            let kept = (0..20).filter(|&frame| !boxes.put_replayed(camera, frame)).count();
            assert_eq!(kept, [16, 16, 16, 16, 0, 0][camera]);
            assert_eq!(boxes.dropped(camera), 20 - kept as u64);
        }
        let mut lease = boxes.take().unwrap();
        assert_eq!((lease.camera(), lease.take_frame()), (0, 0));
        assert!(!boxes.put_replayed(5, 0), "a frame was taken, so that there is room for another");
    }

    #[test]
    fn a_camera_joins_later_and_what_waits_of_one_is_thrown_away() {
        let boxes = Mailboxes::new(1);
        boxes.grow(2);
        for camera in [0, 1] {
            boxes.put_replayed(camera, camera);
            boxes.put(camera, camera);
        }
        boxes.clear(0);
        let served: Vec<usize> = (0..2).map(|_| boxes.take().unwrap().take_frame()).collect();
        assert_eq!(served, [1, 1]);
        boxes.put(0, 7);
        assert_eq!(boxes.take().unwrap().take_frame(), 7);
    }

    #[test]
    fn closing_frees_a_waiting_detector() {
        let boxes = Mailboxes::<()>::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| boxes.take().is_none());
            boxes.close();
            assert!(waiting.join().unwrap());
        });
        assert!(!boxes.put(0, ()));
    }
}
