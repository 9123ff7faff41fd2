// The zones of a camera while they are edited: what may be done to them, and undone. Knows nothing of the page.

import { contains, area, flawOf, inPicture, middle } from "./polygon.js";

const MAX_STEPS = 100;
/** What the agent takes as a name. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** Tells "change" after each. */
export class ZoneDraft extends EventTarget {
  /** Zones: {key, id, name, polygon, rules, permitted_of, isNew}; `key` stays whatever happens to the rest. */
  zones;
  /** Key of the zone whose corners are shown, or null. */
  selected = null;
  /** Corners of the zone that is being drawn, or null. */
  drawing = null;

  #past = [];
  #run = null;
  #nextKey = 0;
  #saved;

  constructor(zones) {
    super();
    this.zones = zones.map((zone) => ({ ...structuredClone(zone), key: this.#key(), isNew: false }));
    this.#saved = this.#print();
  }

  /** Whether anything differs from what the agent has. */
  get isChanged() {
    return this.#print() !== this.#saved;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  zone(key) {
    return this.zones.find((zone) => zone.key === key) ?? null;
  }

  /** What is wrong with a zone: null, or the key of a text. */
  flaw(zone) {
    if (!NAME.test(zone.id)) return "zone.bad_name";
    if (this.zones.some((other) => other !== zone && other.id === zone.id)) return "zone.twice";
    return flawOf(zone.polygon);
  }

  /** The zones as the agent takes them. */
  asRequest() {
    return this.zones.map(({ id, polygon, rules }) => ({ id, polygon, rules }));
  }

  /** The agent has taken what there is now. */
  applied() {
    this.zones = this.zones.map((zone) => ({ ...zone, isNew: false }));
    this.#past = [];
    this.#saved = this.#print();
    this.#tell();
  }

  select(key) {
    if (this.selected === key) return;
    this.selected = key;
    this.#tell();
  }

  /** The innermost zone at a point, or null. */
  at(point) {
    return this.zones.filter((zone) => contains(zone.polygon, point)).sort((a, b) => area(a.polygon) - area(b.polygon))[0] ?? null;
  }

  startDrawing() {
    this.drawing = [];
    this.selected = null;
    this.#tell();
  }

  addCorner(point) {
    this.drawing = [...this.drawing, inPicture(point)];
    this.#tell();
  }

  dropCorner() {
    this.drawing = this.drawing.slice(0, -1);
    this.#tell();
  }

  cancelDrawing() {
    this.drawing = null;
    this.#tell();
  }

  /** Ends the drawing: null and a new zone, or the key of the text that says why not. */
  finishDrawing(rules) {
    const flaw = flawOf(this.drawing);
    if (flaw) return flaw;
    this.#remember(null);
    const key = this.#key();
    this.zones = [...this.zones, { key, id: this.#freeId(), name: null, polygon: this.drawing, rules, permitted_of: [], isNew: true }];
    this.drawing = null;
    this.selected = key;
    this.#tell();
    return null;
  }

  /** Steps of one drag, or of one row of arrow keys, are undone together. */
  moveCorner(key, index, point) {
    this.#edit(key, `corner ${key} ${index}`, (zone) => {
      zone.polygon = zone.polygon.with(index, inPicture(point));
    });
  }

  insertCorner(key, after) {
    this.#edit(key, null, (zone) => {
      const next = zone.polygon[(after + 1) % zone.polygon.length];
      zone.polygon = zone.polygon.toSpliced(after + 1, 0, middle(zone.polygon[after], next));
    });
  }

  /** False if no polygon would be left. */
  removeCorner(key, index) {
    if (this.zone(key).polygon.length <= 3) return false;
    this.#edit(key, null, (zone) => {
      zone.polygon = zone.polygon.toSpliced(index, 1);
    });
    return true;
  }

  rename(key, id) {
    this.#edit(key, `rename ${key}`, (zone) => {
      zone.id = id;
    });
  }

  setRules(key, rules) {
    this.#edit(key, null, (zone) => {
      zone.rules = rules;
    });
  }

  remove(key) {
    this.#remember(null);
    this.zones = this.zones.filter((zone) => zone.key !== key);
    this.selected = null;
    this.#tell();
  }

  /** The next change is a step of its own. */
  endRun() {
    this.#run = null;
  }

  undo() {
    if (this.drawing?.length) {
      this.dropCorner();
      return;
    }
    if (!this.canUndo) return;
    this.drawing = null;
    this.zones = this.#past.pop();
    this.#run = null;
    if (!this.zone(this.selected)) this.selected = null;
    this.#tell();
  }

  #edit(key, run, change) {
    this.#remember(run);
    this.zones = this.zones.map((zone) => {
      if (zone.key !== key) return zone;
      const edited = { ...zone };
      change(edited);
      return edited;
    });
    this.#tell();
  }

  #remember(run) {
    if (run === null || run !== this.#run) this.#past = [...this.#past, this.zones].slice(-MAX_STEPS);
    this.#run = run;
  }

  #freeId() {
    let number = 1;
    while (this.zones.some((zone) => zone.id === `zone-${number}`)) number += 1;
    return `zone-${number}`;
  }

  #key() {
    this.#nextKey += 1;
    return this.#nextKey;
  }

  #print() {
    return JSON.stringify(this.asRequest());
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
