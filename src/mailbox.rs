//! Frames on their way to the detectors: one place per camera, latest wins, cameras served in turn.
//!
//! Only frames may be dropped, never a fact: a newer frame replaces one that no detector has taken yet, and is counted.
//! Cameras with a frame wait in a queue, so that when the box cannot keep up each loses frames evenly. A camera is with
//! one detector at a time, so that its frames arrive at its engine in order. Memory: at most one waiting and one leased
//! frame per camera.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

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
    is_closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    waiting: Option<T>,
    is_leased: bool,
    dropped: u64,
}

impl<T> Mailboxes<T> {
    /// For `cameras` cameras.
    #[must_use]
    pub fn new(cameras: usize) -> Self {
        let slots = (0..cameras).map(|_| Slot { waiting: None, is_leased: false, dropped: 0 }).collect();
        let state = State { slots, queue: VecDeque::with_capacity(cameras), is_closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new() }
    }

    /// Leaves a frame for a camera; never blocks on a detector. Returns whether an older one was dropped for it.
    pub fn put(&self, camera: usize, frame: T) -> bool {
        let mut state = self.lock();
        if state.is_closed {
            return false;
        }
        let slot = &mut state.slots[camera];
        let replaced = slot.waiting.replace(frame).is_some();
        slot.dropped += u64::from(replaced);
        if !replaced && !slot.is_leased {
            state.queue.push_back(camera);
            self.ready.notify_one();
        }
        replaced
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
                let frame = slot.waiting.take().expect("a queued camera has a waiting frame");
                return Some(Lease { mailboxes: self, camera, frame: Some(frame) });
            }
            state = self.ready.wait(state).expect("no holder of this lock panics");
        }
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
        if slot.waiting.is_some() {
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
