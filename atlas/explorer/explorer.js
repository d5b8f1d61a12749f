// The shape a person has chosen: its scores, and what follows from them when it is asked for.

/** The explorer of a page's content. */
class Explorer {
  constructor(content) {
    this.content = content;
    this.maker = shapeMaker(content);
    this.names = content.structures.map((structure) => structure.name);
    this.view = createScene(byId("view"), content);
    this.buffers = new Map(content.structures.map((s) => [s.name, this.buffer(s)]));
    this.stale = new Set(this.names);
    this.shown = new Set(this.names);
    this.timings = { surfaces_ms: 0, measures_ms: 0, draw_ms: 0, frames: 0 };
    this.listeners = [];
    this.scores = new Array(content.modes.length).fill(0);
    this.landmarks = this.maker.landmarks(this.scores);
    this.meanMeasures = this.maker.measures(this.landmarks);
  }

  /** Where the vertices of a structure are written: what is drawn, if anything is. */
  buffer({ name, vertices }) {
    if (!this.view) return new Float32Array(3 * vertices);
    return this.view.parts.get(name).geometry.attributes.position.array;
  }

  /** Make the surfaces that are asked for and have moved; those that fold come back. */
  bringUpToDate(wanted) {
    const names = wanted.filter((name) => this.stale.has(name));
    if (!names.length) return [];
    const begin = performance.now();
    const folded = this.maker.surfaces(this.scores, names, (name) => this.buffers.get(name));
    if (this.view) names.forEach((name) => refresh(this.view.parts.get(name).geometry));
    names.forEach((name) => this.stale.delete(name));
    this.timings.surfaces_ms = performance.now() - begin;
    return folded;
  }

  measures() {
    const begin = performance.now();
    const result = this.maker.measures(this.landmarks);
    this.timings.measures_ms = performance.now() - begin;
    return result;
  }

  positions(name) {
    if (!this.buffers.has(name)) {
      throw new Error(`expected one of ${this.names.join(", ")}, got ${name}`);
    }
    this.bringUpToDate([name]);
    return Array.from(this.buffers.get(name));
  }

  setScores(given) {
    const count = this.scores.length;
    if (given.length > count || !given.every(Number.isFinite)) {
      throw new Error(`scores: expected at most ${count} numbers in SD`);
    }
    this.scores = Array.from({ length: count }, (_, k) => given[k] ?? 0);
    this.landmarks = this.maker.landmarks(this.scores);
    this.names.forEach((name) => this.stale.add(name));
    this.listeners.forEach((listener) => listener());
  }

  draw(seed) {
    return plausibleScores(this.scores.length, this.content.plausible_radius_sd, SLIDER.most, seed);
  }
}

/** Middle and size of the box about the mean anatomy, mm: what a view shows at first. */
function homeOf(points) {
  const low = [Infinity, Infinity, Infinity];
  const high = low.map((value) => -value);
  points.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value);
    high[i % 3] = Math.max(high[i % 3], value);
  });
  return { target: times(plus(low, high), 0.5), size: minus(high, low) };
}

/** Names of roots where they end at present. */
function labelsOf(explorer, colours) {
  const { structures } = explorer.content;
  const points = explorer.landmarks;
  const dura = structures.find((s) => s.name === "dura").landmarks;
  const midline = meanPoint(points, dura.start, dura.rings * dura.around);
  return structures
    .filter((s) => s.level && explorer.shown.has(s.name))
    .map((structure) => {
      const { start, rings } = structure.landmarks;
      const place = pointAt(points, start + rings - 1);
      const middle = [midline[0], place[1], place[2]];
      return { text: structure.level, place, midline: middle, colour: colours(structure) };
    });
}
