// What a person may do about an incident: have the camera look again, confirm it, dismiss it. Each gets a clear answer.

import { agentNow, post } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { t, word } from "./i18n.js";
import { reasonOf } from "./parts.js";

const LOOK_SECS = 10;
const REASONS = ["nothing_there", "other_kind", "permitted", "duplicate", "other"];
/** For how long a dismissed thing is not reported again, in hours. */
const HOURS = [1, 8, 24, 72, 168];

/** {element, update(incident)}; `done` is called when something has changed. */
export function makeActions(id, done) {
  const answer = h("p", { class: "answer" });
  const buttons = {
    recheck: h("button", { type: "button", "data-action": "recheck", onclick: () => act("recheck", { look_secs: LOOK_SECS }) },
      t("action.recheck")),
    confirm: h("button", { type: "button", "data-action": "confirm", onclick: () => feedback("confirmed") }, t("action.confirm")),
    dismiss: h("button", {
      type: "button", "data-action": "dismiss", "aria-expanded": "false", "aria-controls": `dismiss-${id}`, onclick: toggleForm,
    }, t("action.dismiss")),
  };
  const reason = select(`reason-${id}`, REASONS.map((name) => [name, word("reason", name)]), "nothing_there");
  const hours = select(`hours-${id}`, HOURS.map((n) => [n, t("dismiss.hours", { n })]), "24");
  const form = h("form", { class: "dismiss-form", id: `dismiss-${id}`, hidden: true, onsubmit: dismiss },
    h("p", { class: "field" }, h("label", { htmlFor: reason.id }, t("dismiss.reason")), reason),
    h("p", { class: "field" }, h("label", { htmlFor: hours.id }, t("dismiss.until")), hours),
    h("p", { class: "hint" }, t("dismiss.hint")),
    h("button", { type: "submit", class: "primary", "data-action": "dismiss-submit" }, t("dismiss.submit")));
  const element = h("div", { class: "incident-actions" },
    h("div", { class: "actions" }, buttons.recheck, buttons.confirm, buttons.dismiss), form, answer);
  const all = [...Object.values(buttons), form.querySelector("button")];

  function toggleForm() {
    form.hidden = !form.hidden;
    buttons.dismiss.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) reason.focus();
  }

  function dismiss(event) {
    event.preventDefault();
    const until = new Date(agentNow() + Number(hours.value) * 3_600_000).toISOString();
    feedback("dismissed", reason.value, until);
  }

  function feedback(verdict, why = null, until = null) {
    return act("feedback", { verdict, reason: why, until }, verdict);
  }

  async function act(verb, body, told = verb) {
    all.forEach((button) => (button.disabled = true));
    say("none", t("answer.asking"));
    try {
      const reply = await post(`incidents/${encodeURIComponent(id)}/${verb}`, body);
      if (reply.status === "ok") say("good", t(`answer.${told}`, { secs: LOOK_SECS }));
      else say("bad", t("answer.not_ok", { status: word("status", reply.status), reason: reply.reason ?? "" }));
      if (reply.status === "ok" && told === "dismissed") toggleForm();
    } catch (error) {
      say("bad", t("answer.failed", { why: reasonOf(error) }));
    }
    all.forEach((button) => (button.disabled = false));
    done();
  }

  function say(look, text) {
    answer.className = `answer is-${look}`;
    fill(answer, text);
    announce(text);
  }

  function update(incident) {
    buttons.confirm.hidden = incident.verdict === "confirmed";
    buttons.dismiss.hidden = incident.verdict === "dismissed";
  }

  return { element, update };
}

function select(id, options, chosen) {
  const element = h("select", { id }, options.map(([value, text]) => h("option", { value }, text)));
  element.value = chosen;
  return element;
}
