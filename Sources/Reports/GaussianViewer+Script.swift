extension GaussianViewer {
  /// Runs where `root` is the viewer's element and `data` what `json` writes.
  static let script = #"""
    const part = (name) => root.querySelector(`[data-part=${name}]`);
    const stage = part("stage"), time = part("time"), clock = part("clock"), play = part("play"), turn = part("turn");
    const names = root.querySelector(".names"), choices = [...root.querySelectorAll("[data-show]")];
    const frameCount = Math.max(1, ...data.tracks.map((track) => track.frames.length));
    const limited = (value, limit) => Math.min(limit, Math.max(-limit, value));
    const REACH = 3.33; // standard deviations, beyond which even an opaque Gaussian is below 1/255
    const NEAR = 0.01; // meters

    // Unpacks the planes that GaussianViewer.swift describes into, of each Gaussian, the mean, the three axes of one
    // deviation, the color and the opacity.
    const STRIDE = 16;
    function decode(track, text) {
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0)), count = bytes.length / 17;
      const means = new Uint16Array(bytes.buffer, 0, 3 * count), scales = bytes.subarray(6 * count);
      const rotations = new Int8Array(bytes.buffer, 9 * count, 4 * count);
      const colors = bytes.subarray(13 * count), opacities = bytes.subarray(16 * count);
      const set = new Float32Array(count * STRIDE);
      for (let i = 0; i < count; i++) {
        const length = Math.hypot(...rotations.subarray(4 * i, 4 * i + 4));
        const [w, x, y, z] = [0, 1, 2, 3].map((k) => rotations[4 * i + k] / length);
        const axes = [
          [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
          [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
          [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ];
        for (let k = 0; k < 3; k++) {
          const scale = Math.exp(track.scaleLow + track.scaleStep * scales[3 * i + k]);
          set[STRIDE * i + k] = track.low[k] + track.step[k] * means[3 * i + k];
          axes[k].forEach((value, row) => { set[STRIDE * i + 3 + 3 * k + row] = value * scale; });
          set[STRIDE * i + 12 + k] = colors[3 * i + k] / 255;
        }
        set[STRIDE * i + 15] = opacities[i] / 255;
      }
      return set;
    }
    const decoded = data.tracks.map(() => []);
    function gaussians(track, frame) {
      const { frames } = data.tracks[track], at = Math.min(frame, frames.length - 1);
      return at < 0 ? new Float32Array(0) : (decoded[track][at] ??= decode(data.tracks[track], frames[at]));
    }

    // The camera orbits the point at the median depth on the recorded camera's axis.
    const depths = data.tracks.flatMap((_, track) => {
      const set = gaussians(track, 0);
      return Array.from({ length: set.length / STRIDE }, (_, i) => (set[STRIDE * i + 15] ? set[STRIDE * i + 2] : 0));
    }).filter((depth) => depth > NEAR).sort((a, b) => a - b);
    const pivot = depths[depths.length >> 1] ?? 1;
    const recorded = { yaw: 0, pitch: 0, zoom: 1, turns: false };

    // A set on a pane of pixels, farthest first: the center, two axes of one deviation, the color and the opacity.
    // The pane's shorter side spans the field of view, as images for policies are mostly square.
    function project(set, width, height) {
      const focal = Math.min(width, height) / 2 / Math.tan(data.verticalFieldOfView * Math.PI / 360);
      const { yaw, pitch } = state, [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
      const right = [cy, 0, sy], down = [sp * sy, cp, -sp * cy], forward = [-cp * sy, sp, cp * cy];
      const along = (axis, at) => axis[0] * set[at] + axis[1] * set[at + 1] + axis[2] * set[at + 2];
      const depth = new Float32Array(set.length / STRIDE);
      depth.forEach((_, i) => { depth[i] = along(forward, STRIDE * i) + pivot * (state.zoom - forward[2]); });
      const order = [...depth.keys()].filter((i) => depth[i] > NEAR && set[STRIDE * i + 15] > 0);
      order.sort((a, b) => depth[b] - depth[a]);
      const splats = new Float32Array(10 * order.length);
      order.forEach((i, place) => {
        const at = STRIDE * i, size = focal / depth[i];
        const x = (along(right, at) - pivot * right[2]) / depth[i], y = (along(down, at) - pivot * down[2]) / depth[i];
        // Far beside the pane the projection is no longer like a straight one: there it is taken from its edge.
        const keptX = limited(x, 0.65 * width / focal), keptY = limited(y, 0.65 * height / focal);
        // As in the toolkit's own images, 0.3 square pixels more, so that nothing slips between the pixels.
        let [a, b, c] = [0.3, 0, 0.3];
        for (let axis = at + 3; axis < at + 12; axis += 3) {
          const away = along(forward, axis);
          const u = size * (along(right, axis) - keptX * away), v = size * (along(down, axis) - keptY * away);
          a += u * u, b += u * v, c += v * v;
        }
        const spread = Math.hypot((a - c) / 2, b), angle = Math.atan2(2 * b, a - c) / 2;
        const long = Math.sqrt((a + c) / 2 + spread), short = Math.sqrt(Math.max((a + c) / 2 - spread, 0.3));
        const cos = Math.cos(angle), sin = Math.sin(angle);
        splats.set([width / 2 + focal * x, height / 2 + focal * y, long * cos, long * sin], 10 * place);
        splats.set([-short * sin, short * cos, ...set.subarray(at + 12, at + 16)], 10 * place + 4);
      });
      return splats;
    }

    // Two ways to draw: `clear` all, and blend splats into a `pane` of the canvas.
    function webgl(canvas) {
      const gl = canvas.getContext("webgl2", { antialias: false, depth: false }), program = gl?.createProgram();
      if (!program) return null;
      const vertex = `
        layout(location = 0) in vec2 center; layout(location = 1) in vec4 axes; layout(location = 2) in vec4 color;
        uniform vec2 size; out vec2 place; out vec4 tint;
        void main() {
          place = (vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0) * ${REACH}; tint = color;
          vec2 pixel = center + axes.xy * place.x + axes.zw * place.y;
          gl_Position = vec4(pixel / size * vec2(2, -2) + vec2(-1, 1), 0, 1);
        }`;
      const fragment = `
        in vec2 place; in vec4 tint; out vec4 pixel;
        void main() {
          float alpha = min(0.99, tint.a * exp(-0.5 * dot(place, place)));
          pixel = alpha < 1.0 / 255.0 ? vec4(0) : vec4(tint.rgb * alpha, alpha);
        }`;
      for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
        const shader = gl.createShader(kind);
        gl.shaderSource(shader, "#version 300 es\nprecision highp float;\n" + source);
        gl.compileShader(shader);
        gl.attachShader(program, shader);
      }
      gl.linkProgram(program);
      if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
      gl.useProgram(program);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      [[2, 0], [4, 8], [4, 24]].forEach(([numbers, offset], location) => {
        gl.enableVertexAttribArray(location);
        gl.vertexAttribPointer(location, numbers, gl.FLOAT, false, 40, offset);
        gl.vertexAttribDivisor(location, 1);
      });
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA); // colors come multiplied by their alpha
      // A browser keeps only so many contexts: the oldest viewer of a long page goes on without.
      canvas.addEventListener("webglcontextlost", () => start([flat]));
      return {
        clear: () => gl.clear(gl.COLOR_BUFFER_BIT),
        pane(splats, left, top, width, height) {
          gl.viewport(left, canvas.height - top - height, width, height);
          gl.uniform2f(gl.getUniformLocation(program, "size"), width, height);
          gl.bufferData(gl.ARRAY_BUFFER, splats, gl.DYNAMIC_DRAW);
          gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, splats.length / 10);
        },
      };
    }

    function flat(canvas) {
      const context = canvas.getContext("2d"), fills = {};
      const falloff = [...Array(13).keys()].map((k) => (k < 12 ? Math.exp(-0.5 * (REACH * k / 12) ** 2) : 0));
      const fill = (color) => {
        const gradient = context.createRadialGradient(0, 0, 0, 0, 0, REACH);
        falloff.forEach((alpha, k) => gradient.addColorStop(k / 12, `rgba(${color},${alpha})`));
        return gradient;
      };
      return {
        clear: () => context.clearRect(0, 0, canvas.width, canvas.height),
        pane(splats, left, top, width, height) {
          context.save();
          context.beginPath();
          context.rect(left, top, width, height);
          context.clip();
          for (let i = 0; i < splats.length; i += 10) {
            const [x, y, a, b, c, d, red, green, blue, opacity] = splats.subarray(i, i + 10);
            const color = [red, green, blue].map((value) => Math.round(255 * value)).join();
            context.setTransform(a, b, c, d, left + x, top + y);
            context.globalAlpha = Math.min(0.99, opacity);
            context.fillStyle = fills[color] ??= fill(color);
            context.fillRect(-REACH, -REACH, 2 * REACH, 2 * REACH);
          }
          context.restore();
        },
      };
    }
    let canvas, painter;
    function start(ways) {
      for (painter = null; !painter; painter = ways.shift()(canvas)) {
        canvas?.remove();
        stage.prepend(canvas = document.createElement("canvas"));
        root.dataset.painter = ways[0].name;
      }
      redraw();
    }

    const state = { ...recorded, shown: [], moment: 0, plays: false };
    let last = 0, queued = 0;
    function update(change) {
      Object.assign(state, change);
      play.textContent = state.plays ? "pause" : "play";
      turn.setAttribute("aria-pressed", state.turns);
      redraw();
    }
    function redraw() {
      cancelAnimationFrame(queued); // the one still to come, if any: one drawing a frame is enough
      queued = requestAnimationFrame(draw);
    }
    function draw(now) {
      const { shown } = state, frame = Math.floor(state.moment), seconds = last ? (now - last) / 1000 : 0;
      time.value = frame;
      clock.value = `${frame + 1} / ${frameCount}, ${(frame / data.framesPerSecond).toFixed(2)} s`;
      // Panes stand side by side, or below each other where they would be slivers.
      const width = stage.clientWidth, isStacked = shown.length > 1 && width / shown.length < 240;
      const columns = isStacked ? 1 : Math.max(1, shown.length), rows = isStacked ? shown.length : 1;
      const height = Math.round(Math.min(width / columns, 480, 0.7 * innerHeight)) * rows;
      stage.style.height = `${height}px`;
      names.classList.toggle("stacked", isStacked);
      const size = [width, height].map((value) => Math.max(1, Math.round(value * devicePixelRatio)));
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      const pane = [Math.floor(size[0] / columns), Math.floor(size[1] / rows)];
      painter.clear();
      shown.forEach((track, place) => {
        const left = place % columns * pane[0], top = Math.floor(place / columns) * pane[1];
        painter.pane(project(gaussians(track, frame), ...pane), left, top, ...pane);
      });
      if (state.plays) state.moment = (state.moment + seconds * data.framesPerSecond) % frameCount;
      if (state.turns) state.yaw += seconds * 0.3;
      last = state.plays || state.turns ? now : 0;
      if (last) redraw();
    }
    function show(choice) {
      update({ shown: [...data.tracks.keys()].filter((track) => choice === "all" || choice === String(track)) });
      [...names.children].forEach((name, track) => { name.hidden = !state.shown.includes(track); });
      choices.forEach((button) => button.setAttribute("aria-pressed", button.dataset.show === choice));
    }
    function move(right, down, zoom = 1) {
      const pitch = limited(state.pitch + down, 1.5);
      update({ yaw: state.yaw - right, pitch, zoom: Math.min(5, Math.max(0.1, state.zoom * zoom)) });
    }
    const home = () => update(recorded);
    choices.forEach((button) => { button.onclick = () => show(button.dataset.show); });
    play.onclick = () => update({ plays: !state.plays });
    turn.onclick = () => update({ turns: !state.turns });
    part("home").onclick = home;
    time.oninput = () => update({ moment: Number(time.value), plays: false });
    const fingers = new Map();
    const gap = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    stage.onpointerdown = (event) => {
      stage.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      update({ turns: false });
    };
    stage.onpointermove = (event) => {
      const before = [...fingers.values()], from = fingers.get(event.pointerId);
      if (!from) return;
      fingers.set(event.pointerId, event);
      if (before.length > 1) move(0, 0, gap(before) / Math.max(1, gap([...fingers.values()])));
      else move((event.clientX - from.clientX) * 0.008, (event.clientY - from.clientY) * 0.008);
    };
    stage.onpointerup = stage.onpointercancel = (event) => fingers.delete(event.pointerId);
    stage.addEventListener("wheel", (event) => {
      if (document.activeElement !== stage && !event.ctrlKey) return; // until it is clicked the page scrolls past it
      event.preventDefault();
      move(0, 0, Math.exp(event.deltaY * (event.deltaMode ? 0.03 : 0.001)));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1),
      ArrowDown: () => move(0, 0.1), "+": () => move(0, 0, 0.9), "-": () => move(0, 0, 1 / 0.9), 0: home,
    };
    stage.onkeydown = (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    };
    new ResizeObserver(redraw).observe(stage);
    show("all");
    start([webgl, flat]);
    """#
}
