// Geometry of zones. Points are [x, y], 0..1 in the picture from the top left; a polygon is a list of at least three.

/** Smallest share of the picture that a zone may cover: below, a slip of the hand is likelier than a wish. */
const MIN_AREA = 0.0005;

/** What is wrong with a polygon: null, or the key of the text that says so. */
export function flawOf(polygon) {
  if (polygon.length < 3) return "zone.too_few";
  if (crossesItself(polygon)) return "zone.crosses";
  return area(polygon) < MIN_AREA ? "zone.too_small" : null;
}

/** Area as a share of the picture (shoelace formula). */
export function area(polygon) {
  const twice = polygon.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = polygon[(i + 1) % polygon.length];
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(twice) / 2;
}

/** Whether a point lies inside (even-odd rule). */
export function contains(polygon, [x, y]) {
  let isInside = false;
  polygon.forEach(([ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) isInside = !isInside;
  });
  return isInside;
}

/** A point inside the picture, to a ten-thousandth of it. */
export function inPicture([x, y]) {
  return [x, y].map((value) => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000);
}

/** The point between two. */
export function middle([ax, ay], [bx, by]) {
  return inPicture([(ax + bx) / 2, (ay + by) / 2]);
}

function crossesItself(polygon) {
  const count = polygon.length;
  for (let i = 0; i < count; i += 1) {
    for (let j = i + 1; j < count; j += 1) {
      const areNeighbours = j === i + 1 || (i === 0 && j === count - 1);
      if (!areNeighbours && meet(polygon[i], polygon[i + 1], polygon[j], polygon[(j + 1) % count])) return true;
    }
  }
  return false;
}

/** Whether two segments have a point in common. */
function meet(a, b, c, d) {
  const side = ([px, py], [qx, qy], [rx, ry]) => Math.sign((qx - px) * (ry - py) - (qy - py) * (rx - px));
  const isWithin = (p, q, r) => Math.min(p[0], q[0]) <= r[0] && r[0] <= Math.max(p[0], q[0])
    && Math.min(p[1], q[1]) <= r[1] && r[1] <= Math.max(p[1], q[1]);
  const [abc, abd, cda, cdb] = [side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)];
  return (abc !== abd && cda !== cdb) || (abc === 0 && isWithin(a, b, c)) || (abd === 0 && isWithin(a, b, d))
    || (cda === 0 && isWithin(c, d, a)) || (cdb === 0 && isWithin(c, d, b));
}
