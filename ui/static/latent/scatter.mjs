// The points of the map: WebGL2 where there is any, else a plain canvas.

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; in float kept;
uniform vec2 centre, half_size; uniform float scale, size;
out vec4 ink;
void main() {
  vec2 at = (place - centre) * scale / half_size;
  gl_Position = vec4(kept > 0.0 ? at : vec2(9.0), 0.0, 1.0);
  gl_PointSize = size;
  ink = vec4(colour.rgb, kept > 1.5 ? 1.0 : colour.a);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 ink; out vec4 pixel;
void main() {
  float edge = length(gl_PointCoord - 0.5);
  float cover = 1.0 - smoothstep(0.4, 0.5, edge);
  pixel = vec4(ink.rgb, ink.a * cover);
}`;

function program(gl) {
  const made = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

class Shaded {
  constructor(canvas, gl) {
    Object.assign(this, { canvas, gl, count: 0, kind: "webgl2" });
    this.program = program(gl);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.buffers = Object.fromEntries([["place", [2, gl.FLOAT, false]], ["colour", [4, gl.UNSIGNED_BYTE, true]], ["kept", [1, gl.UNSIGNED_BYTE, false]]]
      .map(([name, [size, type, normalised]]) => [name, this.attribute(name, size, type, normalised)]));
  }

  attribute(name, size, type, normalised) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    const where = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(where);
    gl.vertexAttribPointer(where, size, type, normalised, 0, 0);
    return buffer;
  }

  fill(name, values) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.DYNAMIC_DRAW);
    if (name === "kept") this.count = values.length;
  }

  draw(view, size, ratio) {
    const { gl } = this;
    const at = (name) => gl.getUniformLocation(this.program, name);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(at("centre"), ...view.centre);
    gl.uniform2f(at("half_size"), view.width / 2, view.height / 2);
    gl.uniform1f(at("scale"), view.scale);
    gl.uniform1f(at("size"), size * ratio);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }
}

const hex = (...bytes) => `#${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

class Plain {
  constructor(canvas) {
    Object.assign(this, { canvas, context: canvas.getContext("2d"), kind: "2d", values: {} });
  }

  fill(name, values) {
    this.values[name] = values;
  }

  draw(view, size, ratio) {
    const { context, values: { place, colour, kept } } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    let last = "";
    for (let index = 0; index < (kept?.length ?? 0); index += 1) {
      if (!kept[index]) continue;
      const [x, y] = view.pixel([place[2 * index], place[2 * index + 1]]);
      if (x < -size || y < -size || x > view.width + size || y > view.height + size) continue;
      const [red, green, blue, alpha] = colour.subarray(4 * index, 4 * index + 4);
      const ink = hex(red, green, blue, kept[index] > 1 ? 255 : alpha);
      if (ink !== last) context.fillStyle = last = ink;
      context.fillRect(x - size / 2, y - size / 2, size, size);
    }
  }
}

/** What draws points into a canvas: `fill("place" | "colour" | "kept", values)`, then `draw(view, size, ratio)`.
    A point with `kept` 0 is hidden, 1 drawn, 2 drawn opaque. */
export function createScatter(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: false });
  return gl ? new Shaded(canvas, gl) : new Plain(canvas);
}
