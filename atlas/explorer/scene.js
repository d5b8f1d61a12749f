// The shape in three.js: one geometry a structure, rebuilt only where something moved.

/** Normals of vertices: the sum of those of their faces, as long as the faces are large. */
function writeNormals(positions, faces, normals) {
  normals.fill(0);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const ux = positions[b] - positions[a];
    const uy = positions[b + 1] - positions[a + 1];
    const uz = positions[b + 2] - positions[a + 2];
    const vx = positions[c] - positions[a];
    const vy = positions[c + 1] - positions[a + 1];
    const vz = positions[c + 2] - positions[a + 2];
    const x = uy * vz - uz * vy;
    const y = uz * vx - ux * vz;
    const z = ux * vy - uy * vx;
    for (const i of [a, b, c]) {
      normals[i] += x;
      normals[i + 1] += y;
      normals[i + 2] += z;
    }
  }
}

/** A geometry of count vertices whose places are yet to be written. */
function emptyGeometry(count, faces) {
  const geometry = new THREE.BufferGeometry();
  geometry.setIndex(new THREE.BufferAttribute(faces, 1));
  for (const name of ["position", "normal", "color"]) {
    const attribute = new THREE.BufferAttribute(new Float32Array(3 * count), 3);
    attribute.setUsage(THREE.DynamicDrawUsage);
    geometry.setAttribute(name, attribute);
  }
  return geometry;
}

/** Write normals for places that changed, and send both to the graphics card. */
function refresh(geometry) {
  const { position, normal } = geometry.attributes;
  writeNormals(position.array, geometry.index.array, normal.array);
  position.needsUpdate = true;
  normal.needsUpdate = true;
}

/** A glassy material: clearer where one looks straight at it, denser along its outline. */
function glass(options) {
  const material = new THREE.MeshPhongMaterial({
    transparent: true,
    depthWrite: false,
    shininess: 20,
    specular: 0x222222,
    ...options,
  });
  material.onBeforeCompile = (shader) => {
    // The camera is orthographic: the line of sight is the z axis of the view.
    shader.fragmentShader = shader.fragmentShader.replace(
      "#include <output_fragment>",
      `float rim = 1.0 - abs(normal.z);
       diffuseColor.a = clamp(opacity * (0.35 + 1.7 * rim * rim + opacity), 0.0, 1.0);
       #include <output_fragment>`,
    );
  };
  return material;
}

/** Whether WebGL runs without a graphics card, where smooth edges cost most of the frame. */
function drawsInSoftware() {
  const context = document.createElement("canvas").getContext("webgl");
  const names = context?.getExtension("WEBGL_debug_renderer_info");
  const name = names ? context.getParameter(names.UNMASKED_RENDERER_WEBGL) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}

/** Everything that is drawn; null where the browser has no WebGL. */
function createScene(canvas, content) {
  const software = drawsInSoftware();
  let renderer;
  try {
    renderer = new THREE.WebGLRenderer({ canvas, antialias: !software });
  } catch {
    return null;
  }
  renderer.outputEncoding = THREE.sRGBEncoding;
  const scene = new THREE.Scene();
  const camera = new THREE.OrthographicCamera(-1, 1, 1, -1, 0, 2000);
  const light = new THREE.DirectionalLight(0xffffff, 0.66);
  scene.add(new THREE.AmbientLight(0xffffff, 0.44), light, light.target);
  const parts = new Map(content.structures.map((s) => [s.name, structurePart(s, content, scene)]));
  const ellipsoids = content.ellipsoids.map((entry) => ellipsoidPart(entry, content, scene));
  return { renderer, software, scene, camera, light, parts, ellipsoids, ghosts: [] };
}

/** Meshes of a structure: one, or the far and the near wall of one that is seen through. */
function structurePart(structure, content, scene) {
  const faces = content.arrays[`faces/${structure.name}`];
  const geometry = emptyGeometry(structure.vertices, faces);
  const clear = structure.opacity < 1;
  const sides = clear ? [THREE.BackSide, THREE.FrontSide] : [THREE.FrontSide];
  const meshes = sides.map((side, order) => {
    const material = clear
      ? glass({ side, opacity: structure.opacity, vertexColors: true })
      : new THREE.MeshPhongMaterial({ vertexColors: true, shininess: 30, specular: 0x1c1c1c });
    const mesh = new THREE.Mesh(geometry, material);
    mesh.frustumCulled = false;
    mesh.renderOrder = clear ? 4 + order : 0;
    scene.add(mesh);
    return mesh;
  });
  return { structure, geometry, meshes, visible: true, stale: true };
}

/** An ellipsoid about the mean place of a landmark, hidden at first. */
function ellipsoidPart(entry, content, scene) {
  const { colour } = content.structures.find((s) => s.level === entry.level);
  const material = glass({ opacity: 0.3, color: new THREE.Color(...colour).convertSRGBToLinear() });
  const mesh = new THREE.Mesh(new THREE.SphereGeometry(1, 24, 16), material);
  const a = entry.axes;
  const [x, y, z] = entry.centre;
  mesh.matrixAutoUpdate = false;
  mesh.matrix.set(
    a[0][0], a[0][1], a[0][2], x,
    a[1][0], a[1][1], a[1][2], y,
    a[2][0], a[2][1], a[2][2], z,
    0, 0, 0, 1,
  );
  mesh.visible = false;
  mesh.frustumCulled = false;
  mesh.renderOrder = 3;
  scene.add(mesh);
  return { entry, mesh, material };
}

/** Show the present shape of some parts as a grey ghost, from copies of their places. */
function addGhost(view, part) {
  const geometry = part.geometry.clone();
  const material = glass({ color: 0x7c8794, opacity: 0.42 });
  const mesh = new THREE.Mesh(geometry, material);
  mesh.frustumCulled = false;
  mesh.visible = false;
  mesh.renderOrder = 2;
  view.scene.add(mesh);
  view.ghosts.push({ mesh, part });
}

/** Colour every vertex: `colourAt(i)` gives sRGB, 0 to 1. */
function paint(geometry, colourAt) {
  const { color } = geometry.attributes;
  const made = new THREE.Color();
  for (let i = 0; i < color.count; i++) {
    const [r, g, b] = colourAt(i);
    made.setRGB(r, g, b).convertSRGBToLinear();
    color.array.set([made.r, made.g, made.b], 3 * i);
  }
  color.needsUpdate = true;
}

const luminance = ([r, g, b]) => 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2;

/** A colour mixed with white or black as far as it takes to lie within a luminance. */
function within(colour, least, most) {
  let mixed = colour;
  for (let share = 0; share < 1; share += 0.04) {
    if (luminance(mixed) < least) mixed = colour.map((value) => value + share * (1 - value));
    else if (luminance(mixed) > most) mixed = colour.map((value) => value * (1 - share));
    else break;
  }
  return mixed;
}

/** Colour of a share, 0 to 1, of a ramp of colours as #rrggbb. */
function rampColour(ramp, share) {
  const place = clamp(share, 0, 1) * (ramp.length - 1);
  const i = Math.min(Math.floor(place), ramp.length - 2);
  const parse = (code) => [1, 3, 5].map((at) => parseInt(code.slice(at, at + 2), 16) / 255);
  const [low, high] = [parse(ramp[i]), parse(ramp[i + 1])];
  return low.map((value, k) => value + (place - i) * (high[k] - value));
}
