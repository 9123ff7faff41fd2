//! Live pictures: the newest of each camera at which somebody looks, redacted, in memory.
//!
//! Policy: somebody who asks for a camera's picture gets the newest there is, and has the next one made. A camera's is made at most every [`EVERY`], and one
//! of all cameras every [`ANY_EVERY`]; of those that somebody asked for within [`ASKED_WITHIN`] the one that has waited for the longest comes first. What is
//! older than [`SHOWN_FOR`] is not shown, and what nobody asks for is forgotten: [`Tiles::forget`].

use super::Console;
use super::answer::{Answer, Refusal, blocking};
use super::session::Person;
use super::sign_in::{actor, signed_in};
use crate::audit::Deed;
use crate::clock::Mono;
use crate::contract::{CameraState, MediaType};
use crate::evidence::RedactedJpeg;
use crate::ids::Name;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two pictures of one camera.
const EVERY: Duration = Duration::from_secs(2);
/// Time between two pictures of any camera: at half a CPU-second each, looking takes half a core however many cameras are looked at.
const ANY_EVERY: Duration = Duration::from_secs(1);
/// How long ago somebody may have asked who is still looking.
const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How old a picture may be: an idle camera has one every few seconds.
const SHOWN_FOR: Duration = Duration::from_secs(15);
/// Somebody who has not looked for so long begins anew, with a record.
const VIEWING_ENDS_AFTER: Duration = Duration::from_mins(15);
/// Most pairs of who looks and what at that are remembered; beyond it the longest ago is forgotten, and recorded anew.
const MAX_VIEWINGS: usize = 1024;

/// The newest picture of each camera at which somebody looks; a few hundred kilobytes each.
#[derive(Debug, Default)]
pub struct Tiles(Mutex<Looked>);

#[derive(Debug, Default)]
struct Looked {
    cameras: BTreeMap<usize, Watched>,
    /// When a picture of any camera was last wanted.
    wanted: Option<Mono>,
}

/// A camera at which somebody looks.
#[derive(Debug)]
struct Watched {
    asked: Mono,
    wanted: Option<Mono>,
    newest: Option<Newest>,
    /// Why the last one could not be made.
    failed: Option<String>,
}

#[derive(Debug, Clone)]
struct Newest {
    jpeg: RedactedJpeg,
    taken_at: Timestamp,
    made: Mono,
}

/// What somebody gets who asks.
struct Asked {
    newest: Option<Newest>,
    failed: Option<String>,
    /// The camera of which a picture is to be made now.
    wanted: Option<usize>,
}

impl Tiles {
    fn ask(&self, camera: usize, now: Mono) -> Asked {
        let mut state = self.state();
        let of_camera = state.cameras.entry(camera);
        let watched = of_camera.or_insert(Watched { asked: now, wanted: None, newest: None, failed: None });
        watched.asked = now;
        watched.newest.take_if(|newest| now.since(newest.made) > SHOWN_FOR);
        let (newest, failed) = (watched.newest.clone(), watched.failed.clone());
        let wanted = state.next(now);
        Asked { newest, failed, wanted }
    }

    /// Takes the picture of a camera, or why there is none.
    pub fn put(&self, camera: usize, taken_at: Timestamp, made: Result<RedactedJpeg, String>, now: Mono) {
        // Nobody looks any more, or the camera is another one since: it is dropped.
        let mut state = self.state();
        let Some(watched) = state.cameras.get_mut(&camera) else { return };
        match made {
            Ok(jpeg) => (watched.newest, watched.failed) = (Some(Newest { jpeg, taken_at, made: now }), None),
            Err(reason) => (watched.newest, watched.failed) = (None, Some(reason)),
        }
    }

    /// Forgets the pictures at which nobody looks any more.
    pub fn forget(&self, now: Mono) {
        self.state().cameras.retain(|_, watched| now.since(watched.asked) <= SHOWN_FOR);
    }

    /// Forgets all: cameras, masks or zones may be others.
    pub fn clear(&self) {
        self.state().cameras.clear();
    }

    fn drop_of(&self, camera: usize) {
        self.state().cameras.remove(&camera);
    }

    fn state(&self) -> MutexGuard<'_, Looked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looked {
    /// The camera of which a picture is to be made now, if it is time for one.
    fn next(&mut self, now: Mono) -> Option<usize> {
        if self.wanted.is_some_and(|wanted| now.since(wanted) < ANY_EVERY) {
            return None;
        }
        let is_due = |watched: &&mut Watched| {
            now.since(watched.asked) <= ASKED_WITHIN && watched.wanted.is_none_or(|wanted| now.since(wanted) >= EVERY)
        };
        let due =
            self.cameras.iter_mut().map(|(camera, watched)| (*camera, watched)).filter(|(_, watched)| is_due(watched));
        let (camera, watched) = due.min_by_key(|(_, watched)| watched.wanted)?;
        (watched.wanted, self.wanted) = (Some(now), Some(now));
        Some(camera)
    }
}

/// Who looks at which camera.
#[derive(Debug, Default)]
pub(super) struct Viewings(Mutex<BTreeMap<(String, Name), Mono>>);

impl Viewings {
    /// Notes that somebody looks; says whether they begin to.
    fn note(&self, person: &Person, camera: &Name, now: Mono) -> bool {
        let mut viewings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = viewings.insert((person.viewer.clone(), camera.clone()), now);
        if viewings.len() > MAX_VIEWINGS {
            viewings.retain(|_, last| now.since(*last) < VIEWING_ENDS_AFTER);
            let oldest = viewings.iter().min_by_key(|(_, last)| **last).map(|(of, _)| of.clone());
            oldest.filter(|_| viewings.len() > MAX_VIEWINGS).map(|of| viewings.remove(&of));
        }
        before.is_none_or(|before| now.since(before) >= VIEWING_ENDS_AFTER)
    }

    /// It is as if they had not looked.
    fn forget(&self, person: &Person, camera: &Name) {
        let mut viewings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        viewings.remove(&(person.viewer.clone(), camera.clone()));
    }
}

pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Option<Person>>,
    Path(camera): Path<String>,
) -> Answer<Response> {
    let person = signed_in(person)?;
    let (newest, taken_at) = blocking(console, move |console| console.tile(&person, &camera)).await?;
    Ok(([(header::CONTENT_TYPE, MediaType::Jpeg.as_str().to_owned()), (TAKEN_AT, taken_at)], newest).into_response())
}

const TAKEN_AT: header::HeaderName = header::HeaderName::from_static("x-taken-at");

impl Console {
    /// The newest picture of a camera and when it was taken; somebody who begins to look is on record before.
    fn tile(&self, person: &Person, camera: &str) -> Result<(bytes::Bytes, String), Refusal> {
        let (index, config) = self.camera(camera)?;
        let id = &config.cameras[index].id;
        if let Some(why) = self.why_no_picture(id) {
            self.tiles.drop_of(index);
            return Err(Refusal::failed(why).retry_after(5));
        }
        let now = self.clocks.mono();
        if self.viewings.note(person, id, now) {
            let began = Deed::LiveView { camera: id.to_string() };
            self.audit.append(&actor(person), &began, self.clocks.wall()).map_err(|_| {
                self.viewings.forget(person, id);
                Refusal::failed("nobody may look while the audit log takes no record")
            })?;
        }
        let Asked { newest, failed, wanted } = self.tiles.ask(index, now);
        let analysis = self.backend.analysis();
        let analysis = analysis.ok_or_else(|| Refusal::failed("no picture can be redacted while there is no model"))?;
        if let Some(camera) = wanted {
            analysis.want_tile(camera);
        }
        let newest = newest.ok_or_else(|| {
            let why = failed.map_or("there is no picture yet".to_owned(), |why| format!("no picture: {why}"));
            Refusal::failed(why).retry_after(1)
        })?;
        Ok((newest.jpeg.bytes().clone(), self.written(newest.taken_at).to_string()))
    }

    /// Why a camera gives no pictures, if it gives none.
    fn why_no_picture(&self, camera: &Name) -> Option<String> {
        let facts = self.board.read();
        let status = facts.cameras.iter().map(|facts| &facts.status).find(|status| status.camera == *camera)?;
        let because = |what: &str| {
            let reason = status.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            Some(format!("{what}{reason}"))
        };
        match status.state {
            CameraState::Online => None,
            CameraState::Connecting => because("the camera is being connected"),
            CameraState::Stalled => because("the camera sends no pictures"),
            CameraState::Offline => because("the camera cannot be reached"),
            CameraState::Unauthorised => because("the camera refuses user or password"),
            CameraState::Disabled => because("the camera is switched off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono(Duration::from_millis(millis))
    }

    #[test]
    fn pictures_are_made_at_a_bounded_pace_and_in_turn() {
        let tiles = Tiles::default();
        let wanted = |camera, millis| tiles.ask(camera, at(millis)).wanted;
        assert_eq!(wanted(0, 0), Some(0));
        assert_eq!(wanted(0, 1500), None, "one of a camera every two seconds");
        assert_eq!(wanted(0, 2000), Some(0));
        assert_eq!(wanted(1, 2100), None, "one of all each second");
        assert_eq!(wanted(0, 3000), Some(1), "who asked and waits comes before who asks");
        assert_eq!(wanted(0, 4000), Some(0));
        assert_eq!(wanted(2, 5000), Some(2));
        let turns: Vec<_> = (0..24u64).filter_map(|n| wanted((n % 3) as usize, 7000 + n * 500)).collect();
        let share = |camera| turns.iter().filter(|turn| **turn == camera).count();
        assert!([0, 1, 2].map(share).iter().all(|turns| (3..=4).contains(turns)), "{turns:?}");
        assert_eq!(wanted(3, 60_000), Some(3), "of those who went away none is made");
    }

    #[test]
    fn who_looks_is_noted_once_and_again_after_a_while() {
        let (viewings, camera) = (Viewings::default(), Name::try_new("east").unwrap());
        let person = |viewer: &str| Person { user: "local".to_owned(), viewer: viewer.to_owned() };
        let minutes = |minutes: u64| at(minutes * 60_000);
        assert!(viewings.note(&person("a"), &camera, minutes(0)));
        assert!(!viewings.note(&person("a"), &camera, minutes(14)));
        assert!(viewings.note(&person("b"), &camera, minutes(14)));
        assert!(!viewings.note(&person("a"), &camera, minutes(28)), "looking goes on");
        assert!(viewings.note(&person("a"), &camera, minutes(43)));
        viewings.forget(&person("a"), &camera);
        assert!(viewings.note(&person("a"), &camera, minutes(43)));
    }
}
