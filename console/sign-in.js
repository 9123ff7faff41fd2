// Signing in with the token of the configuration.

import { signIn } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { reasonOf } from "./parts.js";

/** The page of who is not signed in. */
export function makeSignIn(who, { signedIn, language }) {
  document.title = `${t("sign_in.title")} – Curbwatch`;
  const answer = h("p", { class: "answer is-bad", id: "sign-in-answer", role: "alert" });
  const token = h("input", {
    id: "token", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "sign-in-answer",
  });
  const button = h("button", { class: "primary", type: "submit" }, t("sign_in.submit"));

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    fill(answer);
    try {
      await signIn(token.value);
      announce(t("sign_in.done"));
      await signedIn();
    } catch (error) {
      fill(answer, reason(error));
      button.disabled = false;
      token.select();
      token.focus();
    }
  }

  const form = h("form", { class: "card", onsubmit: submit },
    h("label", { htmlFor: "token" }, t("sign_in.token")), token,
    h("p", { class: "hint" }, t("sign_in.hint")), answer, button);
  const element = h("main", { class: "alone" },
    h("h1", { class: "brand" }, "Curbwatch"), h("p", {}, t("sign_in.title")),
    who.needs_token ? form : h("p", { role: "alert" }, t("sign_in.no_way")),
    h("button", { class: "quiet", type: "button", lang: t("language.other_tag"), onclick: language }, t("language.other")));
  return { element, begin: () => token.focus(), close() {} };
}

function reason(error) {
  if (error.status === 429) return t("sign_in.too_often", { secs: error.retryAfterSecs ?? 60 });
  return error.status === 401 ? t("sign_in.wrong") : reasonOf(error);
}
