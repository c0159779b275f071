// The run's own decoder, run by onnxruntime-web in the page; where it cannot be, by the server.

import { answer } from "./answer.mjs";

const ORT = new URL("../vendor/ort/", import.meta.url);
const AT_ONCE = 11; // codes decoded in one go, so that the page goes on breathing
let runtime = null;

// Loaded at the first decoder, once for the page. One thread needs no isolation of the page.
function loadRuntime() {
  runtime ??= import(new URL("ort.wasm.min.mjs", ORT)).then((ort) => {
    ort.env.wasm.wasmPaths = ORT.href;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    return ort;
  });
  return runtime;
}

class Local {
  constructor(ort, session) {
    Object.assign(this, { ort, session, where: "in this browser" });
  }

  async decode(z, latent) {
    const feeds = { [this.session.inputNames[0]]: new this.ort.Tensor("float32", z, [z.length / latent, latent]) };
    return (await this.session.run(feeds))[this.session.outputNames[0]].data;
  }
}

class Remote {
  constructor(url, reason) {
    Object.assign(this, { url, reason, where: "on the server" });
  }

  async decode(z) {
    return new Float32Array(await (await answer(this.url, { method: "POST", body: z })).arrayBuffer());
  }
}

/** A decoder: `decode(z, latent)` gives the pixels, 0 to 1, of so many codes; `where` it works, `reason` if not here. */
export async function loadDecoder(model, fallback) {
  try {
    const [ort, response] = await Promise.all([loadRuntime(), answer(model)]);
    return new Local(ort, await ort.InferenceSession.create(new Uint8Array(await response.arrayBuffer()), { logSeverityLevel: 3 }));
  } catch (error) {
    return new Remote(fallback, error.message);
  }
}

/** Decodes codes a few at a time, into pixels one code after another: `each(pixels, start, number)` hears of each few;
    null when it is not `wanted()` any more. */
export async function decodeAll(decoder, codes, wanted, each = () => {}, atOnce = AT_ONCE) {
  let all = null;
  for (let start = 0; start < codes.length; start += atOnce) {
    const some = codes.slice(start, start + atOnce);
    const pixels = await decoder.decode(Float32Array.from(some.flatMap((z) => [...z])), some[0].length);
    if (!wanted()) return null;
    const size = pixels.length / some.length;
    all ??= new Float32Array(codes.length * size);
    all.set(pixels, start * size);
    each(all, start, some.length);
    await new Promise((resolve) => setTimeout(resolve));
  }
  return all;
}

/** Decodes the newest of the codes that are asked for, and never two at once: the pointer may be faster. */
export class Follower {
  constructor(decoder, latent, show) {
    Object.assign(this, { decoder, latent, show, busy: false, wanted: null });
  }

  ask(z, at) {
    this.wanted = [z, at];
    if (!this.busy) this.work();
  }

  async work() {
    this.busy = true;
    while (this.wanted) {
      const [z, at] = this.wanted;
      this.wanted = null;
      try {
        const begun = performance.now();
        const pixels = await this.decoder.decode(Float32Array.from(z), this.latent);
        this.show(pixels, z, performance.now() - begun, performance.now() - at);
      } catch (error) {
        this.show(null, z, 0, 0, error);
      }
    }
    this.busy = false;
  }
}
