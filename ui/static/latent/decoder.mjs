// The run's own decoder, run by onnxruntime-web in the page; where it cannot be, by the server.

const ORT = new URL("../vendor/ort/", import.meta.url);
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
    const response = await fetch(this.url, { method: "POST", body: z });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `HTTP ${response.status}`);
    return new Float32Array(await response.arrayBuffer());
  }
}

/** A decoder: `decode(z, latent)` gives the pixels, 0 to 1, of so many codes; `where` it works, `reason` if not here. */
export async function loadDecoder(model, fallback) {
  try {
    const [ort, response] = await Promise.all([loadRuntime(), fetch(model)]);
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `HTTP ${response.status}`);
    return new Local(ort, await ort.InferenceSession.create(new Uint8Array(await response.arrayBuffer()), { logSeverityLevel: 3 }));
  } catch (error) {
    return new Remote(fallback, error.message);
  }
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
