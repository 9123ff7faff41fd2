//! Signing in and out, and who is.

use super::Console;
use super::answer::{Answer, Json, Refusal, blocking, read};
use super::guard::Peer;
use super::session::{COOKIE, Person, SignInError};
use crate::audit::{Actor, Deed};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

/// Who is signed in; nobody has to be.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Option<Person>>,
) -> Json<Value> {
    Json(console.session(person.as_ref()))
}

pub(super) async fn sign_in(
    State(console): State<Arc<Console>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let SignIn { token } = read(&body)?;
    let (cookie, session) = blocking(console, move |console| {
        let (outcome, now) = (console.access.sign_in(peer, &token, console.clocks.mono()), console.clocks.wall());
        let from = peer.to_canonical().to_string();
        match outcome {
            Ok((cookie, person)) => {
                console.audit.note(&actor(&person), &Deed::SignedIn { from }, now);
                Ok((cookie, console.session(Some(&person))))
            }
            Err(SignInError::Wrong) => {
                console.audit.note(&Actor::Console(None), &Deed::SignInRefused { from: from.clone() }, now);
                tracing::warn!(from, "somebody tried to sign in with another token");
                Err(Refusal::new(StatusCode::UNAUTHORIZED, "the token is another one").at("token"))
            }
            Err(SignInError::TooMany(secs)) => {
                let error = format!("too many attempts to sign in: try again in {secs} s");
                Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, error).retry_after(secs))
            }
            Err(SignInError::NoToken) => {
                tracing::error!("nobody can sign in: web.console.token cannot be read, or is too short");
                Err(Refusal::failed("nobody can sign in: the token of this box cannot be read, or is too short"))
            }
        }
    })
    .await?;
    let is_encrypted = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if is_encrypted { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={cookie}; Path=/console; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(cookie).expect("base64 is legal in a header");
    Ok(([(header::SET_COOKIE, cookie)], Json(session)).into_response())
}

pub(super) async fn sign_out(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Option<Person>>,
) -> Answer<Response> {
    let person = signed_in(person)?;
    blocking(console, move |console| {
        console.access.sign_out(&person);
        console.audit.note(&actor(&person), &Deed::SignedOut {}, console.clocks.wall());
        Ok(())
    })
    .await?;
    let gone = format!("{COOKIE}=; Path=/console; HttpOnly; SameSite=Strict; Max-Age=0");
    let gone = HeaderValue::try_from(gone).expect("it is legal in a header");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response())
}

impl Console {
    fn session(&self, person: Option<&Person>) -> Value {
        json!({
            "signed_in": person.is_some(), "needs_token": self.access.needs_token(), "user": person.map(|person| &person.user),
            "csrf": person.map(|person| self.access.csrf_of(person)),
        })
    }
}

/// Who asks; the guard let nobody else through.
pub(super) fn signed_in(person: Option<Person>) -> Result<Person, Refusal> {
    person.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "sign in first"))
}

/// How the audit log names somebody.
pub(super) fn actor(person: &Person) -> Actor {
    Actor::Console(Some(person.user.clone()))
}
