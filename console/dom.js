// Elements from data. Whatever comes from the agent becomes text or an attribute's value, never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. Properties that begin with "on" are listeners, `class` and everything with a dash are attributes, the rest are
 * properties of the element; undefined and null are left out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

/** An SVG element; every property is an attribute. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

/** Replaces what is in an element, and leaves alone what is the same already: focus and selection stay where they are. */
export function fill(element, ...children) {
  const wanted = present(children);
  const isSame = wanted.length === element.childNodes.length && wanted.every((node, i) =>
    typeof node === "string"
      ? element.childNodes[i].nodeType === Node.TEXT_NODE && element.childNodes[i].data === node
      : element.childNodes[i] === node);
  if (!isSame) element.replaceChildren(...wanted);
}

/**
 * Brings the children of an element in line with a list: one element per key, kept as long as its key is there.
 * `known` maps keys to {element, update}; `make(item)` gives another.
 */
export function reconcile(parent, known, items, keyOf, make) {
  const keys = new Set(items.map(keyOf));
  for (const [key, entry] of known) {
    if (keys.has(key)) continue;
    entry.close?.();
    entry.element.remove();
    known.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!known.has(key)) known.set(key, make(item));
    const entry = known.get(key);
    entry.update(item);
    if (parent.children[index] !== entry.element) parent.insertBefore(entry.element, parent.children[index] ?? null);
  });
}

/** Says something to whoever listens to the page instead of looking at it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

function present(children) {
  return children.flat(2).filter((child) => child !== undefined && child !== null && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}
