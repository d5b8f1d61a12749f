// Turning, moving and zooming by mouse, touch and keys; parallel projection, so that mm hold.

const VIEWS = {
  front: { azimuth: 0, elevation: 0 },
  back: { azimuth: 180, elevation: 0 },
  left: { azimuth: 90, elevation: 0 },
  top: { azimuth: 0, elevation: 90 },
};
const FURTHEST_MM = 1000;

/** Right, up and forward of a view; at azimuth 0 one looks from the front, patient's left right. */
function viewAxes({ azimuth, elevation }) {
  const [a, e] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180];
  const level = [-Math.sin(a), Math.cos(a), 0];
  const right = [Math.cos(a), Math.sin(a), 0];
  const forward = plus(times(level, Math.cos(e)), [0, 0, -Math.sin(e)]);
  const up = plus(times(level, Math.sin(e)), [0, 0, Math.cos(e)]);
  return { right, up, forward };
}

/** Height in mm at which a view shows a box of a size whole, on a canvas of an aspect. */
function wholeHeight(size, view, aspect) {
  const { right, up } = viewAxes(view);
  const extent = (axis) => size.reduce((sum, length, k) => sum + length * Math.abs(axis[k]), 0);
  return 1.14 * Math.max(extent(up), extent(right) / aspect);
}

/** The state of a view and what changes it; `changed` is called after each change. */
function createOrbit(canvas, home, changed) {
  const state = { ...VIEWS.front, target: home.target.slice(), height: 1.14 * home.size[2] };
  const perPixel = () => state.height / Math.max(1, canvas.clientHeight);
  const orbit = {
    state,
    turn(right, down) {
      state.azimuth = (state.azimuth - right + 720) % 360;
      state.elevation = clamp(state.elevation + down, -90, 90);
      changed();
    },
    move(right, down) {
      const axes = viewAxes(state);
      const shift = plus(times(axes.right, -right * perPixel()), times(axes.up, down * perPixel()));
      state.target = plus(state.target, shift);
      changed();
    },
    /** Zoom by a factor, holding what is at (x, y) pixels from the canvas's middle. */
    zoom(factor, x = 0, y = 0) {
      const height = clamp(state.height / factor, 4, 4 * home.size[2]);
      const before = perPixel();
      state.height = height;
      const axes = viewAxes(state);
      const gain = before - perPixel();
      state.target = plus(state.target, plus(times(axes.right, x * gain), times(axes.up, -y * gain)));
      changed();
    },
    look(name) {
      Object.assign(state, VIEWS[name]);
      orbit.home();
    },
    home() {
      const aspect = Math.max(1, canvas.clientWidth) / Math.max(1, canvas.clientHeight);
      state.target = home.target.slice();
      state.height = wholeHeight(home.size, state, aspect);
      changed();
    },
  };
  listenToPointers(canvas, orbit);
  listenToKeys(canvas, orbit);
  return orbit;
}

/** One finger or button turns; two, the right button or Shift move; wheel and pinch zoom. */
function listenToPointers(canvas, orbit) {
  const fingers = new Map();
  const fromMiddle = (x, y) => {
    const box = canvas.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = gripOf(fingers);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const after = gripOf(fingers);
    const [right, down] = [after.x - before.x, after.y - before.y];
    if (fingers.size > 1) {
      orbit.move(right, down);
      if (before.spread > 0) orbit.zoom(after.spread / before.spread, ...fromMiddle(after.x, after.y));
    } else if (event.shiftKey || event.buttons & 6) {
      orbit.move(right, down);
    } else {
      orbit.turn(right * 0.4, down * 0.4);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  const roll = (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    orbit.zoom(Math.exp(-event.deltaY * lines * 0.0012), ...fromMiddle(event.clientX, event.clientY));
  };
  canvas.addEventListener("wheel", roll, { passive: false });
}

/** Middle of the fingers on the canvas, and how far the first two stand apart, pixels. */
function gripOf(fingers) {
  const all = [...fingers.values()];
  const sum = all.reduce(([a, b], [x, y]) => [a + x, b + y]);
  const [first, second] = all;
  const spread = second ? Math.hypot(first[0] - second[0], first[1] - second[1]) : 0;
  return { x: sum[0] / all.length, y: sum[1] / all.length, spread };
}

/** Arrows turn, with Shift they move; + and - zoom; F, B, L, T look from a side; 0 is home. */
function listenToKeys(canvas, orbit) {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const looks = { f: "front", b: "back", l: "left", t: "top" };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (arrows[event.key]) {
      const [right, down] = arrows[event.key];
      if (event.shiftKey) orbit.move(right * 20, down * 20);
      else orbit.turn(right * 5, down * 5);
    } else if (key === "+" || key === "=") orbit.zoom(1.15);
    else if (key === "-") orbit.zoom(1 / 1.15);
    else if (key === "0") orbit.home();
    else if (looks[key]) orbit.look(looks[key]);
    else return;
    event.preventDefault();
  });
}

/** Put a camera and its light where a view says, for a canvas of a given aspect. */
function aim(camera, light, state, aspect) {
  const { right, up, forward } = viewAxes(state);
  const eye = minus(state.target, times(forward, FURTHEST_MM));
  camera.top = state.height / 2;
  camera.right = camera.top * aspect;
  camera.bottom = -camera.top;
  camera.left = -camera.right;
  camera.position.set(...eye);
  const basis = new THREE.Matrix4();
  basis.makeBasis(new THREE.Vector3(...right), new THREE.Vector3(...up), new THREE.Vector3(...times(forward, -1)));
  camera.quaternion.setFromRotationMatrix(basis);
  camera.updateProjectionMatrix();
  light.position.set(...plus(eye, plus(times(right, 350), times(up, 450))));
  light.target.position.set(...state.target);
}
