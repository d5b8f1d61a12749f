// Where the shape is drawn, when something has changed and at most once a frame.

// How long nothing moves before edges are made smooth without a graphics card.
const REST_MS = 250;

/** The theme in force: what was chosen, or what the system asks for. */
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "dark" || chosen === "light") return chosen === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** A colour of the style sheet. */
function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Colour of a structure, light enough for a dark ground. */
function shapeColour(structure) {
  return isDark() ? within(structure.colour, 0.16, 1) : structure.colour;
}

/** The same for words, which need more contrast: 4.5 to 1 (WCAG 2.2, 1.4.3). */
function wordColour(structure) {
  const colour = isDark() ? within(structure.colour, 0.22, 1) : within(structure.colour, 0, 0.155);
  return `rgb(${colour.map((value) => Math.round(value * 255)).join(" ")})`;
}

/** Draws an explorer's shape as settings say; ask with `request()`. */
class Stage {
  constructor(explorer, settings) {
    this.explorer = explorer;
    this.settings = settings;
    this.canvas = byId("view");
    this.paper = byId("overlay");
    this.context = this.paper.getContext("2d");
    this.waiting = false;
    this.rest = 0;
    this.orbit = createOrbit(this.canvas, homeOf(explorer.landmarks), () => this.request());
  }

  request() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  /** Colour all vertices anew: after a change of theme, or of what colours mean. */
  repaint() {
    const { view, content } = this.explorer;
    if (!view) return this.request();
    // three.js encodes what it draws for the screen, but not the ground.
    view.renderer.setClearColor(new THREE.Color(themeColour("--ground")));
    for (const [name, { geometry, structure }] of view.parts) {
      const [flat, spread] = [shapeColour(structure), content.arrays[`sd/${name}`]];
      const bySpread = (i) => rampColour(content.ramp, spread[i] / this.settings.most);
      paint(geometry, this.settings.colour === "sd" ? bySpread : () => flat);
    }
    return this.request();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.paper.width = Math.round(width * ratio);
    this.paper.height = Math.round(height * ratio);
    const { view } = this.explorer;
    if (view) {
      view.renderer.setPixelRatio(ratio);
      view.renderer.setSize(width, height, false);
    }
    this.draw();
  }

  draw({ sharp = false } = {}) {
    const begin = performance.now();
    const { explorer, settings, orbit } = this;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    settings.onFold(explorer.bringUpToDate([...explorer.shown]));
    const { view } = explorer;
    if (view) {
      placeVisible(view, explorer.shown, settings);
      if (view.software) this.sharpenAtRest(sharp, width);
      aim(view.camera, view.light, orbit.state, width / height);
      view.renderer.render(view.scene, view.camera);
    }
    this.annotate(width, height);
    explorer.timings.draw_ms = performance.now() - begin;
    explorer.timings.frames += 1;
  }

  annotate(width, height) {
    const { explorer, settings, context } = this;
    const ratio = this.paper.width / width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = themeColour("--ink");
    const sheet = { context, width, height, ink, ground: themeColour("--ground") };
    const bar = { ramp: explorer.content.ramp, most: settings.most, title: "local SD, mm" };
    const labels = settings.names ? labelsOf(explorer, wordColour) : [];
    drawOverlay(sheet, this.orbit.state, labels, settings.colour === "sd" ? bar : null);
  }

  /** Without a graphics card edges are smooth only while nothing moves: drawn twice as large. */
  sharpenAtRest(sharp, width) {
    const { renderer } = this.explorer.view;
    const ratio = (this.paper.width / width) * (sharp ? 2 : 1);
    if (renderer.getPixelRatio() !== ratio) renderer.setPixelRatio(ratio);
    clearTimeout(this.rest);
    if (!sharp) this.rest = setTimeout(() => this.draw({ sharp: true }), REST_MS);
  }
}

/** Show what is switched on, as clear as was chosen. */
function placeVisible(view, shown, settings) {
  for (const [name, { meshes, structure }] of view.parts) {
    for (const mesh of meshes) {
      mesh.visible = shown.has(name) && (structure.opacity === 1 || settings.opacity > 0);
      if (structure.opacity < 1) mesh.material.opacity = settings.opacity;
    }
  }
  for (const { entry, mesh } of view.ellipsoids) {
    mesh.visible = settings[entry.kind] && shown.has(`root/${entry.level}/${entry.side}`);
  }
  for (const { mesh, part } of view.ghosts) {
    mesh.visible = settings.ghost && shown.has(part.structure.name);
  }
}
