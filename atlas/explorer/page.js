// Joins controls, stage and tables, and begins.

/** Local SD of any vertex at most, rounded up: where the colour bar ends, mm. */
function mostSpread({ structures, arrays }) {
  let most = 0;
  for (const { name } of structures) for (const sd of arrays[`sd/${name}`]) most = Math.max(most, sd);
  return Math.max(1, Math.ceil(most));
}

/** Sliders, the table of measures, and the line that says how far the shape lies from the mean. */
function connectShape(explorer, stage) {
  const { content } = explorer;
  const show = buildSliders(byId("sliders"), content.modes, (k, score) => {
    explorer.setScores(explorer.scores.map((old, i) => (i === k ? score : old)));
  });
  const tabulate = buildMeasures(byId("measures"), explorer.meanMeasures, content.levels);
  let waiting = false;
  const update = () => {
    show(explorer.scores);
    sayDistance(explorer);
    stage.request();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      tabulate(explorer.measures());
    });
  };
  explorer.listeners.push(update);
  connectDraws(explorer);
  update();
}

function sayDistance({ scores, content }) {
  const far = Math.hypot(...scores);
  const radius = content.plausible_radius_sd;
  byId("distance").textContent = far === 0
    ? "The mean shape."
    : `${far.toFixed(1)} SD from the mean; 95 % of shapes lie within ${radius.toFixed(1)} SD.`;
  byId("distance").classList.toggle("far", far > radius);
  const warnings = content.findings.length;
  byId("warned").hidden = warnings === 0;
  byId("warned").textContent =
    `${warnings} warning${warnings > 1 ? "s" : ""} about these modes: see About this atlas.`;
}

/** The buttons that draw a shape, and that go back to the mean. */
function connectDraws(explorer) {
  let draws = 0;
  byId("draw").addEventListener("click", () => {
    draws += 1;
    explorer.setScores(explorer.draw(draws));
    byId("status").textContent = `Draw ${draws}: a random shape within the 95 % ellipsoid.`;
  });
  byId("reset").addEventListener("click", () => {
    explorer.setScores([]);
    byId("status").textContent = "The mean shape.";
  });
}

/** Checkboxes of structures: a level or a side switches several at once. */
function connectStructures(explorer, stage) {
  const { structures, levels } = explorer.content;
  const groups = [
    ["Sac (dura)", (s) => s.name === "dura", "dura"],
    ["Cord", (s) => s.name === "cord", "cord"],
    ["Left roots", (s) => s.side === "left", "left"],
    ["Right roots", (s) => s.side === "right", "right"],
    ...levels.map((level) => [level, (s) => s.level === level, level]),
  ].filter(([, belongs]) => structures.some(belongs));
  const boxes = new Map();
  const apply = () => {
    explorer.shown.clear();
    for (const s of structures) {
      if (groups.every(([, belongs, key]) => !belongs(s) || boxes.get(key).checked)) {
        explorer.shown.add(s.name);
      }
    }
    stage.request();
  };
  for (const [text, belongs, key] of groups) {
    const found = structures.filter(belongs);
    const colour = key === "left" || key === "right" ? null : found[0].colour;
    const place = byId(levels.includes(key) ? "levels" : "structures");
    const entry = { id: `show-${key}`, text, checked: true, colour };
    boxes.set(key, buildCheckbox(place, entry, apply));
  }
}

/** Opacity, colouring, ellipsoids, ghost and names. */
function connectLooks(explorer, stage, settings) {
  const opacity = byId("opacity");
  opacity.addEventListener("input", () => {
    settings.opacity = Number(opacity.value) / 100;
    byId("opacity-value").value = `${opacity.value} %`;
    stage.request();
  });
  byId("colour").addEventListener("change", (event) => {
    settings.colour = event.target.value;
    stage.repaint();
  });
  const n = explorer.content.n_subjects;
  const extras = [
    ["ghost", "Ghost of the mean", "the mean shape in grey"],
    ["begin", "95 % ellipsoids of begins", `of the population as estimated, n = ${n}`],
    ["ganglion", "95 % ellipsoids of ganglia", `of the population as estimated, n = ${n}`],
    ["names", "Names of levels", "beside the ganglia"],
  ];
  for (const [key, text, title] of extras) {
    const entry = { id: `show-${key}`, text, title, checked: settings[key] };
    buildCheckbox(byId("extras"), entry, (checked) => {
      settings[key] = checked;
      stage.request();
    });
  }
  byId("ellipsoids-said").textContent =
    `Ellipsoids: the population as estimated from n = ${n}, about the mean.`;
}

/** Views, theme and picture. */
function connectStage(explorer, stage) {
  for (const name of Object.keys(VIEWS)) {
    byId(`look-${name}`).addEventListener("click", () => stage.orbit.look(name));
  }
  byId("zoom-in").addEventListener("click", () => stage.orbit.zoom(1.25));
  byId("zoom-out").addEventListener("click", () => stage.orbit.zoom(1 / 1.25));
  byId("home").addEventListener("click", () => stage.orbit.home());
  byId("theme").addEventListener("change", (event) => {
    document.documentElement.dataset.theme = event.target.value;
    stage.repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => stage.repaint());
  byId("picture").addEventListener("click", () => savePicture(explorer, stage));
  new ResizeObserver(() => stage.resize()).observe(byId("view"));
}

/** What a picture says of itself: it may travel without the page. */
function captionOf({ content, scores }) {
  const set = scores.map((s, k) => [s, k]).filter(([s]) => s !== 0);
  const shape = set.map(([s, k]) => `mode ${k + 1} at ${signed(s, 1)} SD`).join(", ");
  return [
    { text: `${content.generated}: ${shape || "the mean"}; n = ${content.n_subjects}.`, weight: 650 },
    { text: `Cohort ${content.notice || "of annotated images"}. Radii of roots are assumed.` },
    { text: content.disclaimer },
    { text: content.attribution },
  ].filter(({ text }) => text);
}

/** The stage with its overlay and caption as one canvas. */
function pictureOf(explorer, stage) {
  stage.draw({ sharp: true });
  const [shape, overlay] = [byId("view"), byId("overlay")];
  const ratio = overlay.width / shape.clientWidth;
  const [width, height] = [shape.clientWidth, shape.clientHeight];
  const picture = element("canvas", { width: overlay.width, height: overlay.height });
  const context = picture.getContext("2d");
  const paper = { context, ink: themeColour("--ink"), ground: themeColour("--ground") };
  const lines = captionOf(explorer);
  const tall = writeCaption(paper, lines, 0, 0, width - 32) + 20;
  picture.height = Math.round((height + tall) * ratio);
  context.fillStyle = paper.ground;
  context.fillRect(0, 0, picture.width, picture.height);
  if (explorer.view) context.drawImage(shape, 0, 0, overlay.width, overlay.height);
  context.drawImage(overlay, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.textBaseline = "middle";
  writeCaption(paper, lines, 16, height + 14, width - 32);
  return picture;
}

/** Download the stage as PNG. */
function savePicture(explorer, stage) {
  pictureOf(explorer, stage).toBlob((blob) => {
    const link = element("a", { href: URL.createObjectURL(blob), download: "lumbosacral-atlas.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    byId("status").textContent = "Picture saved.";
  }, "image/png");
}

/** What a person may change of how the shape is shown, as it is at first. */
function firstSettings(content) {
  return {
    opacity: 0.22, colour: "level", most: mostSpread(content),
    ghost: false, begin: false, ganglion: false, names: true,
    onFold(folded) {
      if (!folded.length) return;
      byId("status").textContent = `Here ${folded.join(", ")} bends more tightly than its tube.`;
    },
  };
}

/** Copies of the mean for the ghost, or a word about why nothing is drawn. */
function prepareScene(explorer) {
  explorer.bringUpToDate(explorer.names);
  if (explorer.view) {
    explorer.view.parts.forEach((part) => addGhost(explorer.view, part));
    return;
  }
  byId("failure").textContent = "This browser shows no 3-D (WebGL is off); numbers work all the same.";
  byId("failure").hidden = false;
}

/** What scripts may ask of the page. */
function publish(explorer, stage) {
  window.atlasExplorer = Object.freeze({
    positions: (name) => explorer.positions(name),
    setScores: (scores) => explorer.setScores(scores),
    scores: () => explorer.scores.slice(),
    measures: () => explorer.measures(),
    draw: (seed) => explorer.draw(seed),
    timings: () => ({ ...explorer.timings }),
    look: (name) => stage.orbit.look(name),
    view: () => ({ ...stage.orbit.state }),
  });
}

async function begin() {
  const content = await readContent(byId("atlas-data").textContent);
  const explorer = new Explorer(content);
  const settings = firstSettings(content);
  const stage = new Stage(explorer, settings);
  prepareScene(explorer);
  connectShape(explorer, stage);
  connectStructures(explorer, stage);
  connectLooks(explorer, stage, settings);
  connectStage(explorer, stage);
  buildAbout(byId("about"), content, byId("library").dataset.said);
  stage.repaint();
  stage.resize();
  publish(explorer, stage);
  document.documentElement.dataset.state = "ready";
}

begin().catch((error) => {
  const said = typeof DecompressionStream === "undefined"
    ? "This browser is too old for the page: Chrome 97, Firefox 113 or Safari 16.4 and newer open it."
    : `The page could not start: ${error.message}`;
  document.getElementById("failure").textContent = said;
  document.getElementById("failure").hidden = false;
  document.documentElement.dataset.state = "failed";
  throw error;
});
