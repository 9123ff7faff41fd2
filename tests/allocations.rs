//! What a detection allocates: nothing, once it has seen a frame of each size.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use curbwatch::detect::{Detections, Detector, Model, Runtime, SessionOptions};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::geometry::BBox;
use curbwatch::install;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what each thread asks for. ONNX Runtime's own memory is the C library's and not counted.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn frame(width: u32, height: u32) -> Frame {
    let sizes = [width * height, width * height / 4, width * height / 4];
    let planes = sizes.map(|size| (0..size).map(|index| (index % 251) as u8).collect());
    let stamp = FrameStamp::of_recording(std::time::Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0);
    let strides = [width as usize, width as usize / 2, width as usize / 2];
    let (format, matrix, range) = (PixelFormat::I420, ColorMatrix::Bt709, ColorRange::Limited);
    Frame::try_from_planes(FrameLayout { width, height, format, matrix, range, strides }, stamp, planes).unwrap()
}

fn model(name: &str) -> Model {
    let manifest = install::manifest(name).unwrap();
    let path = install::model_file(&manifest).unwrap();
    Model::open(&Runtime::load().unwrap(), &manifest, &path, &SessionOptions::default()).unwrap()
}

fn detect_all(detector: &mut Detector, frames: &[Frame], out: &mut Detections) {
    let parts = [BBox::try_new(0.1, 0.2, 0.6, 0.7).unwrap(), BBox::try_new(0.4, 0.2, 0.9, 0.7).unwrap()];
    for frame in frames {
        detector.detect(frame, out).unwrap();
        detector.detect_in(frame, &parts, out).unwrap();
    }
}

#[test]
fn a_detection_allocates_nothing_once_it_has_seen_a_frame_of_each_size() {
    let mut detector = model("yolov4-tiny-416").detector().unwrap();
    let frames = [frame(1920, 1080), frame(640, 360), frame(768, 576)];
    let mut out = Detections::with_capacity(4096);
    assert!(allocations(|| detect_all(&mut detector, &frames, &mut out)) > 0, "the counter counts");
    let steady = allocations(|| {
        for _ in 0..3 {
            detect_all(&mut detector, &frames, &mut out);
        }
    });
    assert_eq!(steady, 0);
}

#[test]
fn detectors_of_one_model_run_side_by_side_and_see_the_same() {
    let model = model("yolov4-tiny-416");
    let frame = frame(1920, 1080);
    let alone: Detections = {
        let mut found = Vec::new();
        model.detector().unwrap().detect(&frame, &mut found).unwrap();
        found
    };
    let seen: Vec<Detections> = std::thread::scope(|scope| {
        let threads = [0, 1, 2].map(|_| {
            scope.spawn(|| {
                let (mut detector, mut found) = (model.detector().unwrap(), Vec::new());
                for _ in 0..4 {
                    detector.detect(&frame, &mut found).unwrap();
                    assert_eq!(found, alone);
                }
                found
            })
        });
        threads.map(|thread| thread.join().unwrap()).into()
    });
    assert_eq!(seen.len(), 3);
}
