// Pictures of agents: asks for those that can be seen, draws what arrives, and says of each one that it was drawn. Until
// then the server sends no other of the same agent, so a slow page gets fewer pictures, never old ones.

import { Socket } from "./api.js";
import { el } from "./dom.js";
import { number } from "./format.js";

const QUIET_MS = 4000; // an agent whose last picture is older is said to stand still

/** A stream of pictures; `onframe(header, bitmap)` draws one. */
export class Frames {
  #wanted = null;
  #socket;
  #onframe;
  #byAgent = new Map();
  #visibility = () => this.#ask();

  constructor(onframe) {
    this.#onframe = onframe;
    this.#socket = new Socket("/ws/frames", {
      onopen: () => this.#ask(),
      onmessage: (data) => this.#take(data),
    });
    document.addEventListener("visibilitychange", this.#visibility);
  }

  /** Ask for `{watch: [ids] | "best", top_k, fps}` from now on; the server forgets what was asked before. */
  watch(request) {
    const text = JSON.stringify(request);
    if (text === JSON.stringify(this.#wanted)) return;
    this.#wanted = request;
    this.#ask();
  }

  /** When the last picture of an agent was drawn, milliseconds since the page began; 0 for never. */
  drawnAt(id) {
    return this.#byAgent.get(id) ?? 0;
  }

  isQuiet(id) {
    return performance.now() - this.drawnAt(id) > QUIET_MS || !this.drawnAt(id);
  }

  close() {
    document.removeEventListener("visibilitychange", this.#visibility);
    this.#socket.close();
  }

  #ask() {
    // A page in the background is looked at by nobody: it asks for nothing, and the games draw nothing for it.
    if (this.#wanted) this.#socket.send(document.hidden ? { ...this.#wanted, watch: [] } : this.#wanted);
  }

  async #take(data) {
    if (!(data instanceof ArrayBuffer) || data.byteLength < 4) return;
    const length = new DataView(data).getUint32(0, true);
    if (4 + length > data.byteLength) return;
    let header;
    try {
      header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    } catch {
      return;
    }
    try {
      const picture = new Blob([new Uint8Array(data, 4 + length)], { type: `image/${header.codec}` });
      const bitmap = await createImageBitmap(picture);
      this.#byAgent.set(header.id, performance.now());
      this.#onframe(header, bitmap);
      bitmap.close();
    } catch {
      // A picture that cannot be read is left out; the next one is asked for all the same.
    }
    this.#socket.send({ got: header.id });
  }
}

/** Draw a picture without smoothing, as large as whole multiples of its pixels allow within `width` x `height`. */
export function draw(canvas, bitmap, width, height) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  fit(canvas, width, height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

/** Give a canvas the size of a whole multiple of its pixels; multiples are counted in the screen's own pixels. */
export function fit(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  const most = Math.min((width * density) / canvas.width, (height * density) / canvas.height);
  // Smaller than the picture: no whole multiple fits, so it is shrunk rather than cut off.
  const scale = (most >= 1 ? Math.floor(most) : most) / density;
  const size = [`${canvas.width * scale}px`, `${canvas.height * scale}px`];
  if (canvas.style.width !== size[0]) canvas.style.width = size[0];
  if (canvas.style.height !== size[1]) canvas.style.height = size[1];
}

/** The caption below a picture: who, how far, how well, how long. */
export function caption(agent) {
  const reached = agent.milestones ?? null;
  return [
    el("b", {}, agent.id),
    el("span", {}, "progress ", number(agent.progress)),
    reached === null ? null : el("span", {}, "milestones ", number(Array.isArray(reached) ? reached.length : reached)),
    el("span", {}, "reward ", number(agent.reward)),
    el("span", {}, number(agent.steps), " steps"),
  ];
}
