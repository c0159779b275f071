// Follows a run over HTTP: its description when that may have changed, its new rows as often as its state deserves.

// Milliseconds between looks. One that has ended before its last step may be resumed, here or by somebody else.
const PAUSE = { running: 400, queued: 1000, paused: 1000, stalled: 1000, interrupted: 3000, crashed: 3000, stopped: 4000, failed: 4000 };
const PATIENCE = 10_000;
const SLOWEST = 5000;

function readable(header) {
  try {
    return decodeURIComponent(header ?? "");
  } catch {
    return header;
  }
}

/** Fills `rows` from the run at `base` and tells what else changed; `stop()` ends it. */
export class Feed {
  constructor(base, rows, tell) {
    Object.assign(this, { base: base.replace(/\/+$/, ""), rows, log: "", state: "", course: "", failures: 0, stale: true, based: false });
    this.abort = new AbortController();
    this.tell = (changes) => this.abort.signal.aborted || tell(changes);
    this.seen = () => this.asleep && this.wake();
    document.addEventListener("visibilitychange", this.seen);
    this.tick();
  }

  inputs() {
    return `${this.base}/frames/inputs.png`;
  }

  frame(step) {
    return `${this.base}/frames/${String(step).padStart(8, "0")}.png`;
  }

  stop() {
    this.abort.abort();
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }

  /** Looks now instead of later, or never: there is reason to think that something has changed. */
  wake() {
    if (!this.looking) this.tick();
  }

  async tick() {
    clearTimeout(this.timer);
    this.asleep = document.hidden;
    if (this.asleep) return;
    this.looking = true;
    try {
      const delay = await this.look();
      this.failures = 0;
      this.again(delay);
    } catch {
      if (this.abort.signal.aborted) return;
      this.tell({ offline: true });
      this.failures += 1;
      this.again(Math.min(SLOWEST, 400 * 2 ** this.failures));
    } finally {
      this.looking = false;
    }
  }

  again(delay) {
    if (delay === null || this.abort.signal.aborted) return;
    this.timer = setTimeout(() => this.tick(), delay);
  }

  /** One look at the run; returns the time until the next, or null for never. */
  async look() {
    const answers = !this.stale || await this.readMeta();
    const received = answers && await this.readRows();
    if (!answers || !received) return this.removed();
    if (received.rows || this.stale) return PAUSE.running;
    return this.state === "done" ? null : PAUSE[this.state] ?? PAUSE.running;
  }

  removed() {
    this.tell({ state: "removed", offline: false });
    return null;
  }

  /** The answer at a path, or null where there is nothing any more. */
  async get(path) {
    const signal = AbortSignal.any([this.abort.signal, AbortSignal.timeout(PATIENCE)]);
    const answer = await fetch(this.base + path, { signal, cache: "no-store" });
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer;
  }

  async readMeta() {
    const answer = await this.get("");
    if (!answer) return false;
    const meta = await answer.json();
    Object.assign(this, { stale: false, based: meta.baseline !== null });
    this.state ||= meta.state;
    this.tell({ meta, state: this.state, offline: false });
    return true;
  }

  async readRows() {
    const query = `/rows?since=${this.rows.length}&log=${encodeURIComponent(this.log)}`;
    const answer = await this.get(query);
    if (!answer) return null;
    const block = answer.status === 204 ? new Float32Array(0) : new Float32Array(await answer.arrayBuffer());
    if (this.abort.signal.aborted) throw new Error("stopped");
    const restarted = this.accept(answer.headers, block);
    this.tell({ ...this.news(answer.headers), restarted, offline: false });
    return { rows: block.length };
  }

  /** Takes new rows in; a new log replaces everything, a wrong count asks for everything again. Tells whether rows
      were replaced: the first log of a lane that comes late replaces none, and what is shown of the others stays. */
  accept(headers, block) {
    const log = headers.get("X-Log") ?? this.log;
    const changed = log !== this.log;
    const restarted = changed && this.rows.length > 0;
    if (changed) this.rows.clear();
    if (changed && this.log) this.stale = true;
    this.log = log;
    if (block.length) this.rows.append(block, Number(headers.get("X-Width")));
    const expected = Number(headers.get("X-Rows") ?? this.rows.length);
    if (expected !== this.rows.length) this.log = "";
    return restarted;
  }

  news(headers) {
    const state = headers.get("X-State") ?? this.state;
    const course = headers.get("X-Course") ?? this.course;
    const begun = !this.based && this.rows.newest !== null; // the baseline comes with the first measurement
    if (state !== this.state || course !== this.course || begun) this.stale = true;
    Object.assign(this, { state, course, based: this.based || begun });
    return {
      state,
      step: Number(headers.get("X-Step") ?? 0),
      caption: readable(headers.get("X-Caption")),
      message: readable(headers.get("X-Message")),
    };
  }
}
