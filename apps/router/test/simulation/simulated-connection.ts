import { EventEmitter } from "node:events";
import { NetworkError, Reader, ResponseError, TimeoutError } from "@platformatic/kafka";
import { type Answer, kafkaOf, type Link } from "./network.ts";
import { theWorld } from "./world.ts";

/**
 * Stands in for the Kafka client's own connection while the simulation runs (see replace-modules.ts): everything above it is
 * the client as published, everything below it the simulated network. Requests pass as the arguments of the client's
 * calls, answers as the objects that the client would have read.
 */
type Callback = (error: Error | null, result?: unknown) => void;

export const ConnectionStatuses = {
  NONE: "none",
  CONNECTING: "connecting",
  CONNECTED: "connected",
  CLOSED: "closed",
  CLOSING: "closing",
  ERROR: "error",
} as const;

export const defaultOptions = { connectTimeout: 5_000, requestTimeout: 30_000, maxInflights: 5 };

let instances = 0;

export class Connection extends EventEmitter {
  status: (typeof ConnectionStatuses)[keyof typeof ConnectionStatuses] = ConnectionStatuses.NONE;
  readonly instanceId = instances++;
  host: string | undefined;
  port: number | undefined;
  readonly #clientId: string;
  readonly #options: typeof defaultOptions;
  readonly #inFlight = new Set<(error: Error) => void>();
  #link: Link | undefined;

  constructor(clientId: string, options: Partial<typeof defaultOptions> = {}) {
    super();
    this.#clientId = clientId;
    this.setMaxListeners(0);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = { ...defaultOptions, ...Object.fromEntries(given) };
  }

  isConnected(): boolean {
    return this.status === ConnectionStatuses.CONNECTED;
  }

  connect(host: string, port: number, callback: Callback): void {
    if (this.isConnected()) {
      callback(null);
      return;
    }
    this.ready(callback);
    if (this.status === ConnectionStatuses.CONNECTING) return;
    this.status = ConnectionStatuses.CONNECTING;
    this.host = host;
    this.port = port;
    const fail = (error: Error) => {
      this.status = ConnectionStatuses.ERROR;
      this.emit("error", error);
    };
    const timeout = setTimeout(
      () => fail(new TimeoutError(`Connection to ${host}:${port} timed out.`, { canRetry: true })),
      this.#options.connectTimeout,
    );
    const process = theWorld().current;
    if (process === null) throw new Error("only a process of the world may connect");
    kafkaOf(theWorld()).connect(process, this.#clientId, host, (link) => {
      clearTimeout(timeout);
      if (this.status !== ConnectionStatuses.CONNECTING) return link?.close();
      if (link === null) return fail(new NetworkError(`Connection to ${host}:${port} failed.`));
      this.#link = link;
      link.onClosed = () => this.#onClosed();
      this.status = ConnectionStatuses.CONNECTED;
      this.emit("connect");
    });
  }

  ready(callback: Callback): void {
    const settle = (error: Error | null) => {
      this.off("connect", onConnect).off("error", settle).off("close", onClose);
      callback(error);
    };
    const onConnect = () => settle(null);
    const onClose = () => settle(new NetworkError("Connection closed while waiting for ready."));
    this.once("connect", onConnect).once("error", settle).once("close", onClose);
  }

  close(callback: Callback): void {
    if (this.status === ConnectionStatuses.CONNECTED || this.status === ConnectionStatuses.CONNECTING) {
      this.#link?.close();
      this.#onClosed();
    }
    callback(null);
  }

  /** A request in bytes, whose answer is in bytes as well. */
  send(
    apiKey: number,
    apiVersion: number,
    createPayload: () => { readonly buffer: Buffer },
    parse: (correlationId: number, apiKey: number, apiVersion: number, reader: Reader) => unknown,
    _requestTags: unknown,
    _responseTags: unknown,
    callback: Callback,
  ): void {
    // What is on its way is a copy: the memory may be used again.
    const bytes = Buffer.from(createPayload().buffer);
    this.request(apiKey, apiVersion, [bytes], (error, answer) => {
      if (error !== null) return callback(error);
      let parsed: unknown;
      try {
        parsed = parse(0, apiKey, apiVersion, Reader.from((answer as { readonly bytes: Buffer }).bytes));
      } catch (problem) {
        return callback(problem as Error);
      }
      callback(null, parsed);
    });
  }

  /** A request of one of the client's own calls. */
  request(apiKey: number, apiVersion: number, args: readonly unknown[], callback: Callback): void {
    const link = this.#link;
    if (!this.isConnected() || link === undefined) {
      callback(new NetworkError("Connection closed"));
      return;
    }
    let done = false;
    const settle = (error: Error | null, result?: unknown) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      this.#inFlight.delete(settle);
      callback(error, result);
    };
    const timer = setTimeout(() => {
      settle(new TimeoutError("Request timed out", { canRetry: true }));
      link.close();
      this.#onClosed();
    }, this.#options.requestTimeout);
    this.#inFlight.add(settle);
    const answered = ({ response, errors }: Answer) => {
      const failed = Object.keys(errors).length > 0;
      settle(failed ? new ResponseError(apiKey, apiVersion, errors as never, response) : null, response);
    };
    link.send({ apiKey, apiVersion, args, answered });
  }

  #onClosed(): void {
    if (this.status === ConnectionStatuses.CLOSED) return;
    this.status = ConnectionStatuses.CLOSED;
    this.emit("close");
    for (const fail of [...this.#inFlight]) fail(new NetworkError("Connection closed"));
  }
}
