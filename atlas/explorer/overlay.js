// What is drawn over the shape: scale bar, orientation, names of levels, colour bar, captions.

const FONT = "system-ui, sans-serif";
// Ends of the axes of the frame: +x left, +y posterior, +z superior.
const DIRECTIONS = [
  ["L", [1, 0, 0]], ["R", [-1, 0, 0]],
  ["P", [0, 1, 0]], ["A", [0, -1, 0]],
  ["S", [0, 0, 1]], ["I", [0, 0, -1]],
];

/** Draw everything; `paper` holds the context, its size in CSS pixels and the colours. */
function drawOverlay(paper, state, labels, bar) {
  const { context, width, height } = paper;
  context.clearRect(0, 0, width, height);
  context.textBaseline = "middle";
  drawLabels(paper, state, labels);
  drawScale(paper, state);
  drawDirections(paper, state);
  if (bar) drawColourBar(paper, bar);
}

/** Text with a rim of the ground's colour, readable over anything. */
function write(paper, text, x, y, { align = "left", size = 12, weight = 500, colour } = {}) {
  const { context } = paper;
  context.font = `${weight} ${size}px ${FONT}`;
  context.textAlign = align;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = paper.ground;
  context.strokeText(text, x, y);
  context.fillStyle = colour || paper.ink;
  context.fillText(text, x, y);
}

/** Where a place of the frame stands on the paper. */
function project(paper, state, place) {
  const { right, up } = viewAxes(state);
  const away = minus(place, state.target);
  const scale = paper.height / state.height;
  return [paper.width / 2 + dot(away, right) * scale, paper.height / 2 - dot(away, up) * scale];
}

/** Names beside the ends of roots, off the midline; one that would cover another is left out. */
function drawLabels(paper, state, labels) {
  const taken = [];
  for (const { text, place, midline, colour } of labels) {
    const [x, y] = project(paper, state, place);
    const away = x - project(paper, state, midline)[0];
    const spot = [x + (away < 0 ? -8 : 8), y];
    const covered = taken.some(([a, b]) => Math.abs(a - spot[0]) < 24 && Math.abs(b - spot[1]) < 13);
    if (covered) continue;
    taken.push(spot);
    write(paper, text, ...spot, { align: away < 0 ? "right" : "left", weight: 650, colour });
  }
}

/** A bar of 1, 2 or 5 times a power of ten mm. */
function drawScale(paper, state) {
  const { context, height } = paper;
  const perMm = height / state.height;
  const goal = Math.min(140, paper.width / 4) / perMm;
  const power = 10 ** Math.floor(Math.log10(goal));
  const length = power * [5, 2, 1].find((step) => step * power <= goal);
  const [x, y] = [16, height - 18];
  context.lineCap = "butt";
  for (const [colour, wide] of [[paper.ground, 5], [paper.ink, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x, y - 5);
    context.lineTo(x, y);
    context.lineTo(x + length * perMm, y);
    context.lineTo(x + length * perMm, y - 5);
    context.stroke();
  }
  write(paper, `${length} mm`, x + 2, y - 14);
}

/** Letters of the six directions around a cross that turns with the view; near ones last. */
function drawDirections(paper, state) {
  const { context, width, height } = paper;
  const { right, up, forward } = viewAxes(state);
  const [x, y, reach] = [width - 52, height - 50, 30];
  context.globalAlpha = 0.8;
  context.fillStyle = paper.ground;
  context.beginPath();
  context.arc(x, y, reach + 12, 0, 2 * Math.PI);
  context.fill();
  context.globalAlpha = 1;
  const ends = DIRECTIONS.map(([letter, way]) => ({
    letter,
    across: dot(way, right),
    rise: dot(way, up),
    near: -dot(way, forward),
  }));
  for (const { letter, across, rise, near } of ends.sort((a, b) => a.near - b.near)) {
    const strength = 0.45 + 0.55 * ((near + 1) / 2);
    const along = Math.hypot(across, rise);
    context.globalAlpha = strength;
    context.strokeStyle = paper.ink;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + across * reach * 0.72, y - rise * reach * 0.72);
    context.stroke();
    // An end that points along the line of sight would cover its opposite.
    if (along > 0.2 || near > 0) {
      write(paper, letter, x + across * reach, y - rise * reach, { align: "center", weight: 700 });
    }
    context.globalAlpha = 1;
  }
}

/** Colours from 0 to the most, mm. */
function drawColourBar(paper, { ramp, most, title }) {
  const { context, width, height } = paper;
  const [x, wide, long] = [width - 30, 12, Math.min(180, height * 0.35)];
  const top = Math.max(56, height * 0.2);
  for (let i = 0; i < long; i++) {
    const [r, g, b] = rampColour(ramp, 1 - i / (long - 1));
    context.fillStyle = `rgb(${r * 255} ${g * 255} ${b * 255})`;
    context.fillRect(x, top + i, wide, 1.5);
  }
  context.strokeStyle = paper.ink;
  context.lineWidth = 1;
  context.strokeRect(x - 0.5, top - 0.5, wide + 1, long + 1);
  for (const share of [0, 0.5, 1]) {
    const text = `${+(most * share).toFixed(1)}`;
    write(paper, text, x - 6, top + long * (1 - share), { align: "right" });
  }
  write(paper, title, x + wide, top - 16, { align: "right", weight: 600 });
}

/** Lines of text below a picture, broken at words; the height they take. */
function writeCaption(paper, lines, x, y, room) {
  const { context } = paper;
  let row = y;
  for (const { text, weight = 400 } of lines) {
    context.font = `${weight} 12px ${FONT}`;
    let line = "";
    for (const word of text.split(" ")) {
      if (line && context.measureText(`${line} ${word}`).width > room) {
        write(paper, line, x, row, { weight });
        row += 17;
        line = word;
      } else {
        line = line ? `${line} ${word}` : word;
      }
    }
    write(paper, line, x, row, { weight });
    row += 17;
  }
  return row - y;
}
