// Asks the server and keeps asking. Sources refresh when the server says that they changed, or every two seconds while
// that line is down; a source that fails says so in its own place and goes on trying, and so survives a restart.

const POLL_MS = 2000;
const SLOW_POLL_MS = 15000; // with the line up: ages and other things that change without anybody writing
const ANSWER_MS = 20000;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;

/** What a source could not tell, in a sentence for people. */
export class Trouble extends Error {
  constructor(text, isUnreachable = false) {
    super(text);
    this.isUnreachable = isUnreachable;
  }
}

/** One JSON answer. The browser sends the last answer's ETag along, so what has not changed is not sent again. */
export async function get(path, signal = undefined) {
  let answer;
  try {
    const limit = AbortSignal.timeout(ANSWER_MS);
    answer = await fetch(path, { cache: "no-cache", signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    if (signal?.aborted) throw error;
    const late = error.name === "TimeoutError";
    throw new Trouble(late ? "The server took too long to answer." : "The server does not answer.", true);
  }
  let value = null;
  try {
    value = await answer.json();
  } catch {
    throw new Trouble(`The server's answer to ${path} cannot be read (status ${answer.status}).`);
  }
  const said = typeof value?.error === "string" ? value.error : "";
  if (!answer.ok || isOnlyTrouble(value)) throw new Trouble(said || `The server answered with status ${answer.status}.`);
  return value;
}

/** A source that failed says nothing but so; one that failed in part gives what it has, with a sentence beside it. */
function isOnlyTrouble(value) {
  return typeof value?.error === "string" && Object.keys(value).every((key) => ["error", "at", "available"].includes(key));
}

/** Ask the server to do something; the cookie of this page says that it may. */
export async function post(path) {
  const answer = await fetch(path, { method: "POST", signal: AbortSignal.timeout(ANSWER_MS) });
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Trouble(value.error || `The server answered with status ${answer.status}.`);
  return value;
}

/** The address of a web socket of this server. */
export function socketAddress(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

/** A web socket that is opened again whenever it closes, with growing pauses. */
export class Socket {
  #socket = null;
  #timer = 0;
  #wait = FIRST_WAIT_MS;
  #isClosed = false;

  constructor(path, { onopen, onmessage, onstate = () => {} }) {
    this.path = path;
    this.handlers = { onopen, onmessage, onstate };
    this.#dial();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(value) {
    if (this.isOpen) this.#socket.send(JSON.stringify(value));
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #dial() {
    const socket = new WebSocket(socketAddress(this.path));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.handlers.onopen?.();
      this.handlers.onstate(true);
    };
    socket.onmessage = (event) => this.handlers.onmessage(event.data);
    socket.onclose = () => {
      this.handlers.onstate(false);
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => this.#dial(), this.#wait * (0.75 + Math.random() / 2));
      this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 1.7);
    };
  }
}

/** All sources of a page, and the line on which the server says what changed. */
export class Live {
  #sources = new Set();
  #socket;

  /** `onreach(text)` hears "" when the server answers and a sentence when it does not; without `hears` it only polls. */
  constructor(onreach, { hears = true } = {}) {
    this.onreach = onreach;
    const handlers = {
      onopen: () => this.#refresh(null),
      onmessage: (text) => this.#heard(text),
      onstate: (isUp) => isUp || this.#refresh(null), // who is gone is noticed at once
    };
    this.#socket = hears ? new Socket("/ws/live", handlers) : null;
    // The page comes back from the background: what was not asked meanwhile is asked now.
    document.addEventListener("visibilitychange", () => !document.hidden && this.#refresh(null));
  }

  get isUp() {
    return this.#socket?.isOpen ?? false;
  }

  /** Start a source: `show(value, trouble)` is called with each new answer and with each sentence of trouble. */
  follow(path, kinds, show, options = {}) {
    const source = new Source(this, path, kinds, show, options);
    this.#sources.add(source);
    return source;
  }

  forget(source) {
    this.#sources.delete(source);
  }

  #heard(text) {
    let changed;
    try {
      changed = JSON.parse(text).changed;
    } catch {
      return;
    }
    if (Array.isArray(changed)) this.#refresh(new Set(changed));
  }

  #refresh(kinds) {
    for (const source of this.#sources) {
      if (kinds === null || source.kinds.some((kind) => kinds.has(kind))) source.refresh();
    }
  }
}

class Source {
  #timer = 0;
  #isAsking = false;
  #isAskedAgain = false;
  #stop = new AbortController();
  #last = "";

  constructor(live, path, kinds, show, { everyMs = null } = {}) {
    Object.assign(this, { live, path, kinds, show, everyMs });
    this.refresh();
  }

  /** Ask for another address from now on. */
  turnTo(path) {
    if (path === this.path) return;
    this.path = path;
    this.#last = "";
    this.refresh();
  }

  async refresh() {
    if (this.#isAsking) {
      this.#isAskedAgain = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#isAsking = true;
    const path = this.path;
    try {
      const value = await get(path, this.#stop.signal);
      this.live.onreach("");
      if (path === this.path) this.#tell(value);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!(error instanceof Trouble)) throw error;
      this.live.onreach(error.isUnreachable ? error.message : "");
      this.#last = "";
      this.show(null, error.message);
    } finally {
      this.#isAsking = false;
      this.#again();
    }
  }

  #tell(value) {
    // Drawing again what is already drawn would cost a selection or a focus for nothing. `at` is the only part of an
    // answer that always differs.
    const text = JSON.stringify({ ...value, at: 0 });
    if (text === this.#last) return;
    this.#last = text;
    this.show(value, value.error ?? "");
  }

  #again() {
    if (this.#stop.signal.aborted) return;
    if (this.#isAskedAgain) {
      this.#isAskedAgain = false;
      this.#timer = setTimeout(() => this.refresh(), 100);
      return;
    }
    const pause = this.everyMs ?? (this.live.isUp ? SLOW_POLL_MS : POLL_MS);
    this.#timer = setTimeout(() => (document.hidden ? this.#again() : this.refresh()), pause);
  }

  close() {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.live.forget(this);
  }
}
