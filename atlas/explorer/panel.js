// Controls and tables: native elements with labels, so that keys and screen readers work.

const SLIDER = { least: -3, most: 3, step: 0.1 };
const signed = (value, digits) => {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "\u2212" : "+"}${text}`;
};
const fixed = (value, digits) => {
  if (!Number.isFinite(value)) return "\u2013";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `\u2212${text}` : text;
};
const byId = (id) => document.getElementById(id);

/** An element with properties and children; text goes in as text, never as markup. */
function element(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
}

/** A slider a mode; `changed(k, score)` is called as it moves. `show(scores)` sets all. */
function buildSliders(place, modes, changed) {
  const rows = modes.map(({ share }, k) => {
    const id = `mode-${k + 1}`;
    const input = element("input", {
      id, type: "range", min: SLIDER.least, max: SLIDER.most, step: SLIDER.step, value: 0,
      aria: { describedby: `${id}-share` },
    });
    const output = element("output", { htmlFor: id, className: "score" });
    const percent = `${(100 * share).toFixed(1)} %`;
    input.addEventListener("input", () => changed(k, Number(input.value)));
    place.append(
      element("div", { className: "slider" },
        element("label", { htmlFor: id, textContent: `Mode ${k + 1}` }),
        input, output,
        element("span", { id: `${id}-share`, className: "share", title: "share of the variance" },
          element("span", { className: "spoken", textContent: "share of the variance " }), percent)),
    );
    return { input, output };
  });
  return (scores) => {
    rows.forEach(({ input, output }, k) => {
      const text = `${signed(scores[k], 1)} SD`;
      input.value = scores[k];
      input.setAttribute("aria-valuetext", text);
      output.value = text;
    });
  };
}

/** A checkbox with a label, and a spot of colour before it where it has one. */
function buildCheckbox(place, { id, text, checked, colour, title = "" }, changed) {
  const input = element("input", { id, type: "checkbox", checked });
  input.addEventListener("change", () => changed(input.checked));
  const label = element("label", { className: "check", title }, input);
  if (colour) {
    const spot = element("span", { className: "spot", aria: { hidden: "true" } });
    spot.style.background = `rgb(${colour.map((value) => Math.round(value * 255)).join(" ")})`;
    label.append(spot);
  }
  label.append(element("span", { textContent: text }));
  place.append(label);
  return input;
}

/** Rows of the table of measures; `show(measures)` writes them with their distance from the mean. */
function buildMeasures(body, mean, levels) {
  const columns = [
    (m) => [m.csf_dorsal_mm, 2],
    (m) => [m.left?.angle_sac_deg, 1],
    (m) => [m.right?.angle_sac_deg, 1],
    (m) => [m.left?.begin_below_apex_mm, 1],
    (m) => [m.right?.begin_below_apex_mm, 1],
  ];
  const cells = new Map();
  for (const level of levels.filter((name) => mean[name])) {
    const made = columns.map(() => {
      const value = element("span", { className: "value" });
      const change = element("span", { className: "change" });
      return { value, change, cell: element("td", {}, value, change) };
    });
    cells.set(level, made);
    const head = element("th", { scope: "row", textContent: level });
    body.append(element("tr", {}, head, ...made.map(({ cell }) => cell)));
  }
  return (measures) => {
    for (const [level, made] of cells) {
      columns.forEach((column, k) => {
        const [value, digits] = column(measures[level]);
        const [usual] = column(mean[level]);
        const away = value - usual;
        const moved = Math.abs(away) >= 0.5 * 10 ** -digits;
        made[k].value.textContent = fixed(value, digits);
        made[k].change.textContent = moved ? signed(away, digits) : "\u00a0";
      });
    }
  };
}

/** Lines about the atlas, as term and text. */
function buildAbout(place, content, library) {
  const facts = [
    ["Subjects", `n = ${content.n_subjects}: ${content.subjects.join(", ")}`],
    ["Cohort", content.notice || "annotated images"],
    ["Modes", modesSaid(content)],
    ["Anchor", content.anchor],
    ["Frame", `${content.frame}; ${content.unit}`],
    ["Roots", `Radii are assumed (${radiiSaid(content)} mm), never measured. Between the trace and the ganglion a root is bridged, not seen.`],
    ["Local SD", `${content.sd_meaning}; of roots the linear part`],
    ["Ellipsoids", `95 % of the population as estimated from n = ${content.n_subjects}, modes and noise; not widened for so few subjects. They stand at the mean.`],
    ["Measures", "As docs/measures.md defines them. Angle: about the sac\u2019s centroid, 0 dorsal, + left. Begin: below the sac\u2019s first ring, so it depends on the field of view."],
    ["Made", `with lumbosacral-atlas ${content.version || "?"}, ${content.created || "date unknown"}`],
    ["Source", content.attribution || "not stated"],
    ["3-D", library],
  ];
  facts.unshift(...content.findings.map((finding) => ["Warning", finding]));
  for (const [term, text] of facts) {
    place.append(element("dt", { textContent: term }), element("dd", { textContent: text }));
  }
}

function modesSaid({ modes, n_modes: all }) {
  const share = modes.reduce((sum, mode) => sum + mode.share, 0);
  const held = modes.length < all ? " The others rest at the mean." : "";
  return `${modes.length} of ${all}, ${(100 * share).toFixed(1)} % of the variance.${held}`;
}

function radiiSaid({ structures }) {
  const radii = structures.filter((s) => s.radius_mm).flatMap((s) => s.radius_mm);
  const [least, most] = [Math.min(...radii), Math.max(...radii)];
  return least === most ? `${least}` : `${least}\u2013${most}`;
}
